"""Stages are run through DVC: for all that is asked, as far as each goes."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests import project
from workbench.errors import StageError
from workbench.runs import batch

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.1, 1.5], ids=["at once", "later"])
def test_an_interrupt_or_a_termination_ends_the_stages_too(place, number, after):
    stages(place, {"qa@s/e/es": "echo $$ > pid; exec sleep 30"})
    run = reproducing(place, "qa@s/e/es")
    time.sleep(1.0 + after)
    run.send_signal(number)
    _, said = run.communicate(timeout=25)
    assert "KeyboardInterrupt" in said
    assert "StageError" not in said
    if (place / "pid").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((place / "pid").read_text()), 0)


def reproducing(place, target):
    """Start to bring a stage up to date in a process of its own."""
    code = f"from workbench import batch; batch.reproduce(batch.Path('.'), ['{target}'])"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=place, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=project.hear_interrupts, start_new_session=True,
        env=project.environment(place) | {"PYTHONPATH": str(project.ROOT)},
    )  # fmt: skip


@pytest.fixture
def under_way(place):
    """A library in which a run is at work on one of two dubs; both need what one stage puts out."""
    (place / ".gitignore").write_text("/code\n/es\n/ca\n")
    work = {
        "es": "echo >> began; while [ ! -e go ]; do sleep 0.1; done; echo es > es",
        "ca": "echo ca > ca",
    }
    dub = {"cmd": "${item}", "deps": ["code/qa.txt"], "outs": [{"${key}": {"persist": True}}]}
    code = {"cmd": "mkdir -p code; echo 1 > code/qa.txt", "outs": [{"code": {"persist": True}}]}
    (place / "dvc.yaml").write_text(
        json.dumps({"stages": {"code": code, "qa": {"foreach": work, "do": dub}}})
    )
    first = reproducing(place, "qa@es")
    for _ in range(600):
        if (place / "began").exists():
            break
        time.sleep(0.05)
    yield place
    (place / "go").touch()
    _, said = first.communicate(timeout=60)
    assert first.returncode == 0, said


def test_two_dubs_are_made_side_by_side(under_way):
    second = reproducing(under_way, "qa@ca")
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert not (under_way / "es").exists()


def test_a_second_run_of_the_same_dub_waits_for_the_first_and_says_so(under_way):
    second = reproducing(under_way, "qa@es")
    waits = next(line for line in second.stderr if "waits for" in line)
    assert re.search(r"qa@es waits for process \d+ \(dvc .*repro qa@es\); Ctrl-C gives up", waits)
    (under_way / "go").touch()
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert "rwlock" not in said
    assert (under_way / "began").read_text() == "\n"


def test_a_run_that_waits_can_be_ended(under_way):
    second = reproducing(under_way, "qa@es")
    next(line for line in second.stderr if "waits for" in line)
    second.send_signal(signal.SIGTERM)
    assert "KeyboardInterrupt" in second.communicate(timeout=25)[1]


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
