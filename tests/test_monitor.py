"""What ran, and how it ended."""

import subprocess
import sys

import pytest
from dvc.lock import LockError

from workbench.errors import LibraryError, MediaError
from workbench.runs import monitor, reproduce


def test_a_run_is_recorded_and_so_is_one_that_fails_or_is_interrupted(tmp_path):
    assert len(monitor.runs(tmp_path)) == 0
    with monitor.recording(tmp_path, "mix", "s/e/es"):
        pass
    failure = MediaError("read a.mp4", "it is empty", "Copy it again.")
    for raised in (failure, KeyboardInterrupt()):
        with pytest.raises(type(raised)), monitor.recording(tmp_path, "media", "s/e"):
            raise raised
    runs = monitor.runs(tmp_path)
    assert [(run.stage, run.key) for run in runs] == [("mix", "s/e/es"), ("media", "s/e"), ("media", "s/e")]
    assert [run.error for run in runs] == ["", f"MediaError: {failure}", "KeyboardInterrupt: "]
    assert all(run.seconds >= 0 for run in runs)


def test_while_stages_run_nobody_is_told_what_is_fresh(root):
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=root, check=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    with pytest.raises(LibraryError, match="stages are running"), reproduce.in_view(root, "dvc.yaml"):
        raise LockError("'asr' is busy")


def test_a_library_is_told_in_a_line_for_each_episode_and_dub():
    states = {
        "s/e": ["fresh", "fresh"],
        "s/e/es": ["fresh", "failed", "missing"],
        "s/f": ["stale", "missing"],
    }
    rows = [
        monitor.Status(key, stage, state, 1.0, "LanguageError: no pair" if state == "failed" else "")
        for key, own in states.items()
        for stage, state in zip(("translate", "tts", "mix"), own, strict=False)
    ]
    assert [" ".join(line.split()) for line in monitor.brief(rows)] == [
        "s/e 2 fresh",
        "s/e/es 1 fresh, 1 missing, 1 failed from tts on: LanguageError: no pair",
        "s/f 1 stale, 1 missing from translate on",
    ]
