"""Files kept by content: found again, never believed when damaged, and bounded."""

import errno
import os
import shutil
import subprocess
import sys

import pytest

from workbench import library
from workbench.errors import LibraryError
from workbench.library import FileMemo, TextMemo, files

ADDS = """
import sys
from pathlib import Path
from workbench.library import Key, Library
from workbench.runs import ingest
root, who = Path(sys.argv[1]), sys.argv[2]
for number in range(10):
    ingest._list(Library(root), Key("s").child(f"e{who}{number}"), ["es"])
    ingest._say(root, root / "facts.yaml", {"engines": {f"{who}{number}": "x"}}, new={"engines": {}})
"""


def written(path, text):
    path.write_text(text)
    return path


def test_a_file_is_found_under_its_key(tmp_path):
    memo = FileMemo(tmp_path, "pictures")
    assert memo.find("a") is None
    memo.keep("a", written(tmp_path / "x.mp4", "picture"))
    found = FileMemo(tmp_path, "pictures").find("a")
    assert found.suffix == ".mp4"
    assert found.read_text() == "picture"
    assert memo.find("b") is None


def test_a_damaged_file_counts_as_none_and_goes(tmp_path):
    memo = FileMemo(tmp_path, "pictures")
    kept = memo.keep("a", written(tmp_path / "x.mp4", "picture"))
    kept.write_text("pictur")
    assert memo.find("a") is None
    assert not kept.exists()
    memo.keep("a", tmp_path / "x.mp4")
    assert memo.find("a").read_text() == "picture"


def test_what_was_used_longest_ago_goes_when_there_is_too_much(tmp_path):
    memo = FileMemo(tmp_path, "pictures")
    for hour, key in enumerate("abc"):
        os.utime(memo.keep(key, written(tmp_path / "x", 10 * key)), (3600 * hour, 3600 * hour))
    memo.find("a")
    memo = FileMemo(tmp_path, "pictures", limit=25)
    assert [key for key in "abc" if memo.find(key)] == ["a", "c"]
    memo = FileMemo(tmp_path, "pictures", limit=0)
    assert not list(memo.folder.iterdir())


def test_of_texts_too_what_was_used_longest_ago_goes(tmp_path):
    memo = TextMemo(tmp_path)
    for hour, key in enumerate("abc"):
        memo[key] = 10 * key
        os.utime(memo.folder / key, (3600 * hour, 3600 * hour))
    assert memo["a"] == 10 * "a"
    assert list(TextMemo(tmp_path)) == ["a", "b", "c"]
    assert list(TextMemo(tmp_path, limit=25)) == ["a", "c"]
    assert not list(TextMemo(tmp_path, limit=0))


def test_within_the_limit_nothing_goes(tmp_path):
    paths = [written(tmp_path / name, "1234") for name in "ab"]
    files.prune(paths, limit=8)
    assert all(path.exists() for path in paths)


def test_what_another_process_took_away_meanwhile_is_no_fault(tmp_path):
    here, gone = written(tmp_path / "a", "1234"), tmp_path / "b"
    files.prune([here, gone], limit=3)
    assert not here.exists()
    files.used(gone)
    assert not gone.exists()


def test_four_processes_that_add_forty_films_leave_forty(tmp_path):
    listing = tmp_path / "params/library.yaml"
    listing.parent.mkdir()
    listing.write_text("# ours\ns:\n")
    command = [sys.executable, "-c", ADDS, str(tmp_path)]
    adding = [subprocess.Popen([*command, who]) for who in "abcd"]
    assert [each.wait() for each in adding] == [0] * 4
    assert len(library.Library(tmp_path).names()["s"]) == 40
    assert listing.read_text().startswith("# ours")
    assert (tmp_path / "facts.yaml").read_text().count(": x") == 40


def test_a_change_that_fails_or_changes_nothing_leaves_the_file(tmp_path):
    path = tmp_path / "guide.yaml"
    path.write_text("a: 1\n")
    before = path.stat()

    def failing(text):
        raise LibraryError("change it", text, "Do not.")

    with pytest.raises(LibraryError, match="a: 1"):
        library.change(tmp_path, path, failing)
    library.change(tmp_path, path, lambda text: text)
    assert path.stat() == before
    library.change(tmp_path, path, lambda text: text + "b: 2\n")
    assert path.read_text() == "a: 1\nb: 2\n"


@pytest.mark.parametrize("writing", ["copy", "write_bytes"])
def test_a_disk_that_is_full_is_said_and_nothing_partial_stays(tmp_path, monkeypatch, writing):
    def full(where, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    film, target = written(tmp_path / "a.mp4", "film"), written(tmp_path / "b.mp4", "earlier")
    monkeypatch.setattr(*((shutil, "copyfile") if writing == "copy" else (type(film), "write_bytes")), full)
    with pytest.raises(LibraryError, match=r"write b\.mp4: the disk is full"):
        library.copy(film, target) if writing == "copy" else library.write_bytes(target, b"new")
    assert target.read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
