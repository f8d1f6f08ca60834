import dataclasses
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from tests.structure import ROOT
from workbench import engines
from workbench.engines import ENGINES, models
from workbench.engines.models import devices, fetch, readiness
from workbench.errors import EngineError, RecordError
from workbench.library import read_text

TEXTS = {name: read_text(ROOT / name) for name in readiness.FILES}


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
    monkeypatch.setitem(ENGINES["vad"], "big", "tests.test_readiness:Big")
    known = readiness.read(TEXTS)
    options = {"model": "big-1", "device": "auto", "accept_licence": False}
    vad = dataclasses.replace(
        known.choices["vad"], fallback=("big",), options={**known.choices["vad"].options, "big": options}
    )
    sources = {"big-1": fetch.Source(licence="CPML", size=1900, repo="someone/big")}
    return dataclasses.replace(known, choices={**known.choices, "vad": vad}, models=sources)


def row(settings, engine="big"):
    (found,) = [row for row in readiness.table(settings) if row.engine == engine and row.kind == "vad"]
    return found


def test_every_engine_has_its_row():
    table = readiness.table(readiness.read(TEXTS))
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
    assert dataclasses.astuple(row(settings))[5:8] == ("big-1, 2 MB", "cuda", True)
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


def test_a_licence_that_nobody_accepted_keeps_its_model_away(settings):
    with pytest.raises(EngineError, match=r"CPML.*accept_licence: true under vad, big"):
        readiness.source(settings, "big-1")
    settings.choices["vad"].options["big"]["accept_licence"] = True
    assert readiness.source(settings, "big-1").repo == "someone/big"


def test_an_unknown_model_names_the_known_ones(settings):
    with pytest.raises(EngineError, match="There are: big-1"):
        readiness.source(settings, "huge")


@pytest.mark.parametrize("name", readiness.read(TEXTS).sets)
def test_every_set_can_be_used_and_touches_nothing_but_the_choices(name):
    settings = readiness.read(TEXTS)
    text, changed = readiness.use(settings, name)
    before, after = settings.text.splitlines(), text.splitlines()
    differs = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(differs) == len(changed)
    assert all(line.startswith("  engine: ") for pair in differs for line in pair)
    document = YAML(typ="safe").load(text)
    assert {kind: document[kind]["engine"] for kind in settings.sets[name]} == settings.sets[name]
    assert readiness.use(readiness.read({**TEXTS, readiness.ENGINES_FILE: text}), name) == (text, {})


def test_a_set_comes_and_goes_without_a_trace():
    there, _ = readiness.use(readiness.read(TEXTS), "gpu")
    back, _ = readiness.use(readiness.read({**TEXTS, readiness.ENGINES_FILE: there}), "embedded")
    assert back == TEXTS[readiness.ENGINES_FILE]


@pytest.mark.parametrize("chosen", [{"vad": "none such"}, {"smell": "nose"}])
def test_a_set_of_unknown_engines_is_refused(chosen):
    settings = dataclasses.replace(readiness.read(TEXTS), sets={"mine": chosen})
    with pytest.raises(EngineError, match="there is no such engine"):
        readiness.use(settings, "mine")
    with pytest.raises(EngineError, match="There are: mine"):
        readiness.use(settings, "yours")


def test_a_source_with_an_unknown_key_is_refused():
    with pytest.raises(RecordError, match=r"params/models.yaml, big.*unknown key repository"):
        readiness.read({**TEXTS, readiness.MODELS_FILE: "big: {licence: MIT, size: 1, repository: a/b}"})


def test_a_file_that_cannot_be_edited_is_named(settings):
    with pytest.raises(RecordError, match=r"read params/engines\.yaml: not YAML"):
        readiness.use(dataclasses.replace(settings, text="\x85vad: {}\nasr: {}\n"), "gpu")


def test_every_model_that_an_engine_names_can_be_fetched():
    settings = readiness.read(TEXTS)
    for kind, names in ENGINES.items():
        for name in names:
            _, options = engines.resolve(kind, name, settings.choices[kind])
            model = getattr(options, "model", "")
            assert not model or "/" in model or model in settings.models, f"{kind}, {name}: {model}"


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
