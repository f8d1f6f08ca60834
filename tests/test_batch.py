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
from workbench import library
from workbench.errors import StageError
from workbench.runs import batch, pipeline

FAILING = """import pathlib, sys
from workbench.runs import monitor
with monitor.recording(pathlib.Path("../../.."), *sys.argv[1:]):
    raise OSError"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.1, 2.5], ids=["at once", "later"])
def test_an_interrupt_or_a_termination_ends_the_stages_too(place, number, after):
    stages(place, {"qa s/e/es": "echo $$ > pid; exec sleep 30"})
    run = reproducing(place, "s/e/es")
    run.stdout.readline()
    time.sleep(after)
    run.send_signal(number)
    _, said = run.communicate(timeout=25)
    assert "KeyboardInterrupt" in said
    assert "StageError" not in said
    if (place / "data/s/e/pid").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((place / "data/s/e/pid").read_text()), 0)


def reproducing(place, key):
    """Start to bring a dub up to date in a process of its own."""
    code = f"""
import signal
from workbench import cli
from workbench.runs import batch, pipeline
signal.signal(signal.SIGTERM, cli._interrupt)
print("ready", flush=True)
pipeline.write = lambda *_: None
batch.reproduce(batch.Path('.'), [('qa', batch.Key.parse('{key}'))])
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=place, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=project.hear_interrupts, start_new_session=True,
        env=project.environment(place) | {"PYTHONPATH": str(project.ROOT)},
    )  # fmt: skip


@pytest.fixture
def under_way(place):
    """A library in which a run is at work on one of two dubs; both need what one stage puts out."""
    stages(
        place,
        {
            "qa s/e/es": "echo >> began; while [ ! -e go ]; do sleep 0.1; done; echo es > es/film",
            "qa s/e/ca": "echo ca > ca/film",
        },
        code={"cmd": "mkdir -p code; echo 1 > code/qa.txt", "outs": [{"code": {"persist": True}}]},
        deps=["code/qa.txt"],
        outs=["film"],
    )
    episode = place / "data/s/e"
    first = reproducing(place, "s/e/es")
    for _ in range(600):
        if (episode / "began").exists():
            break
        time.sleep(0.05)
    yield place
    (episode / "go").touch()
    _, said = first.communicate(timeout=60)
    assert first.returncode == 0, said


def test_two_dubs_are_made_side_by_side(under_way):
    second = reproducing(under_way, "s/e/ca")
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert (under_way / "data/s/e/ca/film").exists()
    assert not (under_way / "data/s/e/es/film").exists()


def test_a_second_run_of_the_same_dub_waits_for_the_first_and_says_so(under_way):
    second = reproducing(under_way, "s/e/es")
    waits = next(line for line in second.stderr if "waits for" in line)
    assert re.search(r"qa-es waits for process \d+ \(dvc .*:qa-es\); Ctrl-C gives up", waits)
    (under_way / "data/s/e/go").touch()
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert "rwlock" not in said
    assert (under_way / "data/s/e/began").read_text() == "\n"


def test_a_run_that_waits_can_be_ended(under_way):
    second = reproducing(under_way, "s/e/es")
    next(line for line in second.stderr if "waits for" in line)
    second.send_signal(signal.SIGTERM)
    assert "KeyboardInterrupt" in second.communicate(timeout=25)[1]


def stages(place, commands, *, code=None, deps=(), outs=()):
    """Write the pipelines of episodes of these commands, by stage and key, and list them."""
    names = {}
    for name, command in commands.items():
        stage, key = name.split()
        key = library.Key.parse(key)
        names.setdefault(key.series, {}).setdefault(key.names[1], {})[pipeline.target(stage, key)] = (
            key,
            command,
        )
    listed = {
        s: {e: [k.dub for k, _ in own.values() if k.dub] for e, own in es.items()} for s, es in names.items()
    }
    (place / "params/library.yaml").write_text(json.dumps(listed))
    for series, episodes in names.items():
        for episode, own in episodes.items():
            folder = place / "data" / series / episode
            for key, _ in own.values():
                (folder / key.dub).mkdir(parents=True, exist_ok=True)
            found = {"code": code} if code else {}
            for name, (key, command) in own.items():
                found[name] = {"cmd": command, "deps": list(deps)}
                found[name]["outs"] = [{f"{key.dub}/{out}": {"persist": True}} for out in outs]
            (folder / pipeline.FILE).write_text(json.dumps({"stages": found}))


def keys(*texts):
    return [library.Key.parse(text) for text in texts]


def test_a_dub_that_fails_does_not_keep_the_others_from_being_made(place, monkeypatch):
    monkeypatch.setattr(pipeline, "write", lambda *_: None)
    broken = ("segment s/f", "qa s/e/de")
    fine = ("voices s/f", "qa s/f/es", "segment s/e", "voices s/e", "qa s/e/es", "qa s/e/ca")
    (place / "fails.py").write_text(FAILING)
    fails = {name: f"{sys.executable} {place}/fails.py {name}" for name in broken}
    stages(
        place, fails | {name: f"touch {place}/{name.replace(' ', '@').replace('/', '-')}" for name in fine}
    )
    asked = keys("s/f", "s/f/es", "s/e/de", "s/e", "s/e/es", "s/e/ca")
    assert set(batch.bring(place, asked)) == set(keys("s/f", "s/f/es", "s/e/de"))
    made = {"segment@s-e", "voices@s-e", "qa@s-e-es", "qa@s-e-ca"}
    assert {path.name for path in place.glob("*@*")} >= made


def test_what_no_stage_has_done_is_no_ones_failure(place, monkeypatch):
    monkeypatch.setattr(pipeline, "write", lambda *_: None)
    stages(place, {"qa s/e/es": "false"})
    with pytest.raises(StageError):
        batch.bring(place, keys("s/e/es"))
