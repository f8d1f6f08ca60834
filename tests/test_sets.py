import dataclasses

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.structure import ROOT
from workbench import engines
from workbench.engines import ENGINES
from workbench.engines.models import places, readiness, sets
from workbench.engines.models import settings as files
from workbench.engines.models.settings import Member
from workbench.engines.models.sources import Model, Source
from workbench.errors import EngineError, RecordError
from workbench.library import read_text

from .tiny import kokoro, translation, whisper

TEXTS = {name: read_text(ROOT / name) for name in files.FILES}


def written(text):
    return YAML(typ="safe").load(text)


def after(name, texts=TEXTS):
    """Return the settings once a set is chosen."""
    text, _ = sets.use(files.read(texts), name)
    return files.read({**texts, files.ENGINES_FILE: text})


@pytest.mark.parametrize("name", files.read(TEXTS).sets)
def test_every_set_can_be_used_and_touches_nothing_but_what_it_names(name):
    settings = files.read(TEXTS)
    text, changed = sets.use(settings, name)
    differs = [(a, b) for a, b in zip(settings.text.splitlines(), text.splitlines(), strict=True) if a != b]
    assert bool(differs) == bool(changed)
    assert len(differs) <= len(changed)  # options may stand on one line
    assert all(a.partition(":")[0] == b.partition(":")[0] for a, b in differs)
    assert all(a.partition("#")[2] == b.partition("#")[2] for a, b in differs)  # comments stay
    document = written(text)
    for kind, member in settings.sets[name].items():
        assert document[kind]["engine"] == member.engine
        assert document[kind]["fallback"] == list(member.fallback)
        options = document[kind]["options"][member.engine]
        assert {option: options[option] for option in member.options} == member.options
    assert sets.use(files.read({**TEXTS, files.ENGINES_FILE: text}), name) == (text, {})


def test_a_set_comes_and_goes_without_a_trace_in_the_engines():
    texts = {**TEXTS, files.ENGINES_FILE: after("light").text}
    there = {**texts, files.ENGINES_FILE: after("default", texts).text}
    back = after("light", there)
    assert {k: (c.engine, c.fallback) for k, c in back.choices.items()} == {
        k: (c.engine, c.fallback) for k, c in files.read(texts).choices.items()
    }


def test_what_hears_the_dub_has_the_options_of_what_heard_the_film():
    choices = after("default").choices
    assert choices["hearing"].options["faster_whisper"] == choices["asr"].options["faster_whisper"]
    assert choices["hearing"].options["faster_whisper"]["model"] == "faster-whisper-base"


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("light", []),
        ("default", ["faster-whisper-base", "kokoro"]),
        ("laptop", ["faster-whisper-small", "nllb-200-distilled-600M-int8", "kokoro"]),
        ("kokoro", ["kokoro"]),
    ],
)
def test_a_set_and_a_model_tell_what_is_to_be_fetched(name, models):
    assert sets.needed(files.read(TEXTS), name) == models


def test_without_a_name_what_is_in_use_is_needed():
    assert sets.needed(after("default"), "") == ["faster-whisper-base", "kokoro"]
    assert sets.needed(after("light"), "") == []


def test_the_voices_of_piper_are_models_of_their_own():
    settings = files.read(TEXTS)
    tts = dataclasses.replace(settings.choices["tts"], engine="piper")
    found = sets.needed(dataclasses.replace(after("light"), choices={"tts": tts}), "")
    assert found == ["ca_ES-upc_ona-medium", "ca_ES-upc_pau-x_low", "es_ES-sharvard-medium"]


def test_no_set_has_the_name_of_a_model():
    settings = files.read(TEXTS)
    assert not set(settings.sets) & set(settings.models)


@pytest.mark.parametrize("chosen", [{"vad": Member("none such")}, {"smell": Member("nose")}])
def test_a_set_of_unknown_engines_is_refused(chosen):
    settings = dataclasses.replace(files.read(TEXTS), sets={"mine": chosen})
    with pytest.raises(EngineError, match="there is no such engine"):
        sets.use(settings, "mine")
    with pytest.raises(EngineError, match="There are: mine"):
        sets.use(settings, "yours")


def test_a_set_with_a_wrong_option_is_refused():
    settings = files.read(TEXTS)
    wrong = {"asr": Member("faster_whisper", (), {"modell": "x"})}
    with pytest.raises(RecordError, match="modell"):
        sets.use(dataclasses.replace(settings, sets={"mine": wrong}), "mine")


def test_words_that_yaml_would_read_otherwise_are_quoted():
    assert sets._written("no") == '"no"'
    assert written(f"a: {sets._written(['no', 'a: b', 1, 2.5, True, None, '[x'])}") == {
        "a": ["no", "a: b", 1, 2.5, True, None, "[x"]
    }


def test_a_file_that_cannot_be_edited_is_named():
    with pytest.raises(RecordError, match=r"read params/engines\.yaml: not YAML"):
        sets.use(dataclasses.replace(files.read(TEXTS), text="\x85vad: {}\nasr: {}\n"), "gpu")


def test_an_unknown_model_names_the_known_ones():
    with pytest.raises(EngineError, match=r"There are the models .*kokoro.* and the sets light, default"):
        sets.needed(files.read(TEXTS), "huge")


def test_a_licence_that_nobody_accepted_keeps_its_model_away():
    settings = files.read(TEXTS)
    with pytest.raises(EngineError, match=r"CPML.*accept_licence: true under tts, coqui"):
        sets.model(settings, "XTTS-v2")
    settings.choices["tts"].options["coqui"]["accept_licence"] = True
    assert sets.model(settings, "XTTS-v2") == Model("Coqui", "CPML", 2090, (Source(repo="coqui/XTTS-v2"),))


def test_every_model_that_an_engine_names_can_be_fetched():
    for name in files.read(TEXTS).sets:
        settings = after(name)
        for kind, names in ENGINES.items():
            for engine in names:
                _, options = engines.resolve(kind, engine, settings.choices[kind])
                model = getattr(options, "model", "")
                assert not model or "/" in model or model in settings.models, f"{kind}, {engine}: {model}"


@pytest.mark.parametrize("name", ["default", "laptop"])
def test_a_set_works_with_tiny_models_in_the_place_of_those_it_names(name, monkeypatch, tmp_path):
    """The real libraries, with models that are built here: what the set's options say is what they take."""
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    settings = after(name)
    for model in sets.needed(settings, ""):
        build = {"f": whisper.whisper, "n": translation.nllb, "k": kokoro.model}[model[0]]
        build(places.place(model))
    tts = settings.choices["tts"]
    of_the_tiny_model = {"voices": [{"name": "low", "sex": "m", "pitch_hz": None}], "natives": {}}
    tts = dataclasses.replace(
        tts, options={**tts.options, "kokoro": tts.options["kokoro"] | of_the_tiny_model}
    )
    settings = dataclasses.replace(settings, choices={**settings.choices, "tts": tts})
    assert [row.reason for row in readiness.table(settings) if row.enabled and not row.ready] == []
    spoken, sr = engines.load("tts", settings.choices["tts"]).speak(
        "hola", voice="low", language="es", rate=1.0, seed=0
    )
    assert spoken.size
    heard = engines.load("asr", settings.choices["asr"]).words(
        np.asarray(spoken), sr=sr, language="en", spans=[(0, spoken.size * 1000 // sr)]
    )
    assert "tiny" in " ".join(word.text for word in heard)
    assert engines.load("hearing", settings.choices["hearing"]).name == "faster_whisper"
    if name == "laptop":
        assert engines.load("translate", settings.choices["translate"]).name == "nllb"


def test_without_its_models_the_default_works_by_its_fallbacks_and_says_so(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    choices = after("default").choices
    used = {kind: engines.load(kind, choices[kind]).name for kind in ("asr", "hearing", "tts")}
    assert used == {"asr": "pocketsphinx", "hearing": "pocketsphinx", "tts": "espeak"}
    assert caplog.text.count("engine_fallback") == 3
    assert "wanted=kokoro used=espeak: kokoro: the model kokoro is not there" in caplog.text
