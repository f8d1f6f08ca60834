import dataclasses
import subprocess
import sys

import pytest

from tests.structure import ROOT
from workbench.engines import ENGINES, models
from workbench.engines.models import devices, digests, readiness
from workbench.engines.models import settings as files
from workbench.engines.models.sources import Model, Pin, Source
from workbench.errors import EngineError
from workbench.library import read_text

TEXTS = {name: read_text(ROOT / name) for name in files.FILES}


class Big:
    """An engine with everything that readiness asks about."""

    name = "big"
    requires = ("no_such_package",)
    licence = "CPML"

    @dataclasses.dataclass(frozen=True)
    class Options:
        model: str
        device: str
        accept_licence: bool

    @classmethod
    def missing(cls, options):
        return models.missing(options.model, ["model.bin"])


@pytest.fixture
def settings(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_OFFLINE", raising=False)
    monkeypatch.setitem(ENGINES["vad"], "big", "tests.test_readiness:Big")
    known = files.read(TEXTS)
    options = {"model": "big-1", "device": "auto", "accept_licence": False}
    vad = dataclasses.replace(
        known.choices["vad"], fallback=("big",), options={**known.choices["vad"].options, "big": options}
    )
    sources = {"big-1": Model("Somebody", "CPML", 1900, (Source(repo="someone/big"),))}
    return dataclasses.replace(known, choices={**known.choices, "vad": vad}, models=sources)


def row(settings, engine="big"):
    (found,) = [row for row in readiness.table(settings) if row.engine == engine and row.kind == "vad"]
    return found


def test_every_engine_has_its_row():
    table = readiness.table(files.read(TEXTS))
    assert [(row.kind, row.engine) for row in table] == [
        (k, n) for k, names in ENGINES.items() for n in names
    ]
    assert {row.kind for row in table if row.enabled == "chosen"} == set(ENGINES)
    assert all(row.reason and row.do for row in table if not row.ready)


def test_an_engine_without_its_model_says_what_it_needs(settings, monkeypatch):
    monkeypatch.setattr(devices, "gpus", list)
    assert row(settings) == readiness.Readiness(
        kind="vad",
        engine="big",
        enabled="fallback",
        installed=False,
        licensed="CPML, not accepted",
        model="big-1, 1,900 MB to fetch",
        maker="Somebody, CPML",
        device="cpu",
        ready=False,
        reason="the model big-1 is not there",
        do="run: workbench engines fetch big-1",
    )
    assert row(settings, "silero").enabled == "chosen"


def test_with_its_model_it_is_ready_where_its_device_is(settings, monkeypatch):
    models.place("big-1").mkdir()
    (models.place("big-1") / "model.bin").write_bytes(bytes(2_000_000))
    monkeypatch.setattr(devices, "gpus", lambda: [devices.Gpu("Some", 9000, 8000)])
    assert dataclasses.astuple(row(settings))[5:9] == ("big-1, 2 MB", "Somebody, CPML", "cuda", True)
    assert "Some: 8,000 of 9,000 MiB free" in readiness.machine()
    settings.choices["vad"].options["big"]["device"] = "cuda"
    monkeypatch.setattr(devices, "gpus", list)
    assert not row(settings).ready
    assert "no CUDA device" in row(settings).reason
    assert "no CUDA device" in readiness.machine()


def test_models_of_pairs_of_languages_are_counted(settings):
    settings.choices["vad"].options["big"]["model"] = f"{models.home()}/big-{{source}}-{{target}}"
    assert row(settings).model.endswith("big-{source}-{target}, absent")
    for pair in ("en-es", "en-ca"):
        (models.home() / f"big-{pair}").mkdir()
        (models.home() / f"big-{pair}" / "model.bin").write_bytes(bytes(1_000_000))
    assert row(settings).model.endswith("big-{source}-{target}, 2 of them, 2 MB")


def test_a_fetched_model_of_another_version_than_the_parameters_name_is_told(settings):
    place = models.place("big-1")
    place.mkdir()
    (place / "model.bin").write_bytes(b"older")
    digests.write(place, [digests.found(place, "model.bin")])
    assert row(settings).model == "big-1, under 1 MB"
    pins = {"model.bin": Pin(5, "0" * 64)}
    newer = dataclasses.replace(settings.models["big-1"], sources=(Source(folder="f"),), files=pins)
    settings = dataclasses.replace(settings, models={"big-1": newer})
    assert row(settings).model == "big-1, under 1 MB, another version than params/models.yaml names"


def test_the_switch_that_forbids_every_fetch_is_a_reason(settings, monkeypatch):
    monkeypatch.setenv("WORKBENCH_OFFLINE", "1")
    assert "WORKBENCH_OFFLINE forbids to fetch it" in row(settings).reason
    assert row(settings).do.startswith("copy its folder to")
    assert "offline: the environment variable WORKBENCH_OFFLINE forbids every fetch" in readiness.machine()


def test_the_check_imports_no_vendor_and_opens_no_connection():
    code = """
import socket, sys
def refuse(*args, **kwargs): raise AssertionError("a connection was opened")
socket.socket.connect = socket.create_connection = refuse
from workbench import cli
assert cli.main(["engines"]) == 0
heavy = {"torch", "faster_whisper", "ctranslate2", "onnxruntime", "pyannote.audio", "TTS", "transformers",
         "huggingface_hub", "httpx", "pandas", "scipy.signal", "demucs", "pocketsphinx"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "silero" in done.stdout


def test_a_choice_of_no_engine_is_named(settings):
    tts = dataclasses.replace(settings.choices["tts"], engine="frob")
    with pytest.raises(EngineError, match="use the tts engine 'frob': there is no such engine"):
        readiness.table(dataclasses.replace(settings, choices={**settings.choices, "tts": tts}))
