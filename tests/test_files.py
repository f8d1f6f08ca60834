"""Files kept by content: found again, never believed when damaged, and bounded."""

import os

from workbench.library import FileMemo, TextMemo, files


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
