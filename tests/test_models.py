import gc
import hashlib
import weakref

import numpy as np
import pytest

from workbench.engines import models
from workbench.engines.models import devices, digests, places
from workbench.errors import EngineError


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    return tmp_path


def test_models_lie_in_the_cache_of_the_project(monkeypatch, tmp_path):
    monkeypatch.delenv("WORKBENCH_MODELS", raising=False)
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "engines.yaml").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert places.place("a") == tmp_path / ".cache" / "models" / "a"
    assert str(places.place("/some/where")) == "/some/where"


def test_an_absent_model_says_the_command(home):
    assert models.missing("big", ["x"]) == "the model big is not there; run: workbench engines fetch big"
    assert "name another in params/engines.yaml" in models.missing(str(home / "big"), ["x"])


def test_a_model_without_one_of_its_files_is_not_whole(home):
    (home / "big").mkdir()
    (home / "big" / "model.bin").touch()
    assert "lacks config.json" in models.missing("big", ["config.json"])
    assert "lacks model.bin, or has it in part" in models.missing("big", ["model.bin"])
    (home / "big" / "model.bin").write_bytes(b"x")
    assert models.missing("big", ["model.bin"]) is None


def test_a_cuda_device_that_is_asked_for_and_absent_is_an_error(monkeypatch):
    monkeypatch.setattr(devices, "gpus", list)
    assert devices.resolve("auto") == devices.resolve("cpu") == "cpu"
    with pytest.raises(EngineError, match="no CUDA device"):
        devices.resolve("cuda")
    monkeypatch.setattr(devices, "gpus", lambda: [devices.Gpu("big", 2, 1)])
    assert devices.resolve("auto") == devices.resolve("cuda") == "cuda"


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 of which 1.10 GiB is free."),
            "2.00 GiB needed, 1.10 GiB free",
        ),
        (RuntimeError("CUDA failed with error out of memory"), "more needed, 5 MiB on big free"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
                "you tried to allocate 4503599627370496 bytes. Error code 12 (Cannot allocate memory)"
            ),
            r"4503599627370496 bytes needed, (\d+ MiB|too little) free",
        ),
        (MemoryError("std::bad_alloc"), r"more needed, (\d+ MiB|too little) free"),
    ],
)
def test_want_of_memory_says_the_figures_and_what_to_lower(monkeypatch, error, found):
    monkeypatch.setattr(devices, "gpus", lambda: [devices.Gpu("big", 9, 5)])
    with pytest.raises(EngineError, match=rf"{found}. Lower batch in"), devices.memory("work", lower="batch"):
        raise error


def test_want_of_memory_on_the_cpu_is_told_with_what_was_wanted():
    found = r"8.00 PiB needed, .* free. Lower batch in params/engines.yaml.$"
    with pytest.raises(EngineError, match=found), devices.memory("work", lower="batch"):
        np.empty(2**53, np.uint8)


def test_a_model_too_large_to_be_loaded_is_told_with_its_size():
    found = r"about 3,090 MB needed, .* free. Lower the size of the model in"
    with (
        pytest.raises(EngineError, match=found),
        devices.memory("load a model", lower="the size of the model", size=3_090_000_000),
    ):
        raise MemoryError


def test_a_model_is_loaded_once_for_all_who_use_it_and_let_go_with_the_last():
    class Model:
        pass

    loaded = []

    def load():
        loaded.append(weakref.ref(model := Model()))
        return model

    users = [models.shared("a", "cpu", load=load) for _ in range(3)]
    assert users[0] is users[1] is users[2]
    assert models.shared("a", "cuda", load=load) is not users[0]
    assert len(loaded) == 2
    users.clear()
    gc.collect()
    assert loaded[0]() is None
    models.shared("a", "cpu", load=load)
    assert len(loaded) == 3


def test_a_model_that_cannot_be_loaded_is_tried_again():
    def fail():
        raise OSError("half of it")

    with pytest.raises(OSError, match="half"):
        models.shared("b", load=fail)
    assert models.shared("b", load=set) == set()


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shape"), devices.memory("work", lower="batch"):
        raise RuntimeError("shape mismatch")


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
