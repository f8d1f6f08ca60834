"""Stages are run through DVC: for all that is asked, as far as each goes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests import project
from workbench import batch
from workbench.errors import StageError

FAILING = """import pathlib, sys
from workbench import monitor
with monitor.recording(pathlib.Path(), *sys.argv[1:]):
    raise OSError"""


def test_a_key_stands_for_all_that_is_below_it(root):
    (root / "params/library.yaml").write_text(
        "episodes: {s/e: {}, s/f: {}, t/e: {}}\ndubs: {s/e/es: {}, s/e/ca: {}, t/e/es: {}}\n"
    )
    assert batch.keys(root, ["s/e/es"]) == ["s/e/es"]
    assert batch.keys(root, ["s/e"]) == ["s/e", "s/e/es", "s/e/ca"]
    assert batch.keys(root, ["s"]) == ["s/e", "s/f", "s/e/es", "s/e/ca"]
    assert batch.keys(root, ["t/e/es", "s/f"]) == ["s/f", "t/e/es"]
    assert len(batch.keys(root)) == 6


@pytest.mark.parametrize("after", [0.1, 1.5], ids=["at once", "later"])
def test_ctrl_c_is_an_interrupt_whenever_it_comes(place, after):
    stages(place, {"qa@s/e/es": "sleep 30"})
    code = "from workbench import batch; batch.reproduce(batch.Path('.'), ['qa@s/e/es'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=place, start_new_session=True, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True, preexec_fn=project.hear_interrupts,
        env=project.environment(place) | {"PYTHONPATH": str(project.ROOT)},
    )  # fmt: skip
    time.sleep(1.0 + after)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
    assert "StageError" not in said


def stages(place, commands):
    """Write a pipeline of these commands, by stage and key."""
    found = {}
    for name, command in commands.items():
        stage, _, key = name.partition("@")
        found.setdefault(stage, {"foreach": {}, "do": {"cmd": "${item.cmd}"}})["foreach"][key] = {
            "cmd": command
        }
    (place / "dvc.yaml").write_text(json.dumps({"stages": found}))


def test_a_dub_that_fails_does_not_keep_the_others_from_being_made(place):
    broken = ("segment@s/f", "qa@s/e/de")
    fine = ("voices@s/f", "qa@s/f/es", "segment@s/e", "voices@s/e", "qa@s/e/es", "qa@s/e/ca")
    (place / "fails.py").write_text(FAILING)
    fails = {name: f"{sys.executable} fails.py {name.replace('@', ' ')}" for name in broken}
    stages(place, fails | {name: f"touch {name.replace('/', '-')}" for name in fine})
    keys = ["s/f", "s/f/es", "s/e/de", "s/e", "s/e/es", "s/e/ca"]
    assert set(batch.bring(place, keys)) == {"s/f", "s/f/es", "s/e/de"}
    made = {"segment@s-e", "voices@s-e", "qa@s-e-es", "qa@s-e-ca"}
    assert {path.name for path in place.glob("*@*")} >= made


def test_what_no_stage_has_done_is_no_ones_failure(place):
    stages(place, {"qa@s/e/es": "false"})
    with pytest.raises(StageError):
        batch.bring(place, ["s/e/es"])
