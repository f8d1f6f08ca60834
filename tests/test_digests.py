import hashlib

import pytest

from workbench.engines.models import digests
from workbench.errors import EngineError


def test_a_file_is_told_by_its_size_and_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert digests.found(tmp_path, "a") == digests.File("a", 3, hashlib.sha256(b"abc").hexdigest())
    assert digests.git_blob(tmp_path / "a") == "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"  # git hash-object


def test_files_are_whole_where_each_has_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    files = [digests.found(tmp_path, "a")]
    assert digests.whole(tmp_path, files)
    (tmp_path / "a").write_bytes(b"abd")
    assert not digests.whole(tmp_path, files)
    assert not digests.whole(tmp_path, [digests.File("b", 0, "")])
    assert not digests.whole(tmp_path, [])


def test_a_digest_follows_names_and_bytes_and_nothing_else(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.bin").write_bytes(b"x")
    assert digests.of(tmp_path / "one") == digests.of(tmp_path / "two")
    assert digests.of(tmp_path / "one" / "model.bin") != digests.of(tmp_path / "one")
    (tmp_path / "two" / "model.bin").rename(tmp_path / "two" / "other.bin")
    assert digests.of(tmp_path / "one") != digests.of(tmp_path / "two")


def test_a_list_gives_the_same_digest_as_the_files_that_it_lists(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    before = digests.of(tmp_path)
    digests.write(tmp_path, [digests.found(tmp_path, name) for name in "ba"])
    assert digests.of(tmp_path) == before
    assert [file.name for file in digests.listed(tmp_path)] == ["b", "a"]


def test_a_damaged_list_of_files_is_an_error(tmp_path):
    assert digests.listed(tmp_path) == ()
    (tmp_path / digests.MANIFEST).write_text("[1]")
    with pytest.raises(EngineError, match="fetch the model again"):
        digests.listed(tmp_path)
