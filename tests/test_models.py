import gc
import weakref

import numpy as np
import pytest

from workbench.engines import models
from workbench.engines.models import devices, places
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
