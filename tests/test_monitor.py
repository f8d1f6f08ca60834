import subprocess

import pytest
from dvc.lock import LockError

from workbench import monitor
from workbench.errors import LibraryError


def test_while_stages_run_nobody_is_told_what_is_fresh(root):
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["dvc", "init", "-q"], cwd=root, check=True)
    with pytest.raises(LibraryError, match="stages are running"), monitor.repository(root):
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
