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
    assert [run.error for run in runs] == ["", f"MediaError: {failure}", ""]
    assert [run.interrupted for run in runs] == [False, False, True]
    assert all(run.seconds >= 0 for run in runs)


@pytest.mark.parametrize(
    "line", [b'{"stage":"mix","key', b"\0\0\0", b"", b"\xff\xfe", b'{"version":9,"stage":7}', b"[]"]
)
def test_a_line_that_is_torn_or_of_another_version_stops_nothing(tmp_path, line):
    for stage in ("mix", "qa"):
        with monitor.recording(tmp_path, stage, "s/e/es"):
            pass
        if stage == "mix":
            with (tmp_path / ".cache/runs.jsonl").open("ab") as log:
                log.write(line)
    assert [run.stage for run in monitor.runs(tmp_path)] == ["mix", "qa"]


@pytest.mark.parametrize("left", ["", '{"write": {"a', "null", '{"write": 3}', "\0\0"])
def test_a_note_of_locks_that_a_killed_run_left_damaged_is_taken_away_and_said(place, capfd, left):
    note = place / ".dvc/tmp/rwlock"
    note.parent.mkdir(exist_ok=True)
    note.write_text(left)
    reproduce.mend(place)
    assert not note.exists()
    assert "rwlock" in capfd.readouterr().err


@pytest.mark.parametrize("whole", ["{}", '{"write": {"a": {"pid": 1, "cmd": "dvc repro"}}, "read": {}}'])
def test_a_whole_note_of_locks_stays(place, capfd, whole):
    note = place / ".dvc/tmp/rwlock"
    note.parent.mkdir(exist_ok=True)
    note.write_text(whole)
    reproduce.mend(place)
    assert note.read_text() == whole
    assert not capfd.readouterr().err


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
