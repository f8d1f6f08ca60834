"""Kokoro: a tiny network that the tests build, and the real one where it has been fetched."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import shutil
import subprocess
import sys
import weakref

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.structure import ROOT
from tests.tiny import kokoro as tiny
from workbench import audio, params
from workbench.engines import models
from workbench.engines.kokoro import GRAPH, Kokoro, KokoroOptions, pacing, phonemes
from workbench.engines.kokoro.network import FRAME, SAMPLE_RATE, STYLE, TIMBRE, TOKENS, Network
from workbench.errors import EngineError, LanguageError, RecordError, SpeechError
from workbench.library import read_text
from workbench.records import EngineVoice, parse

pytestmark = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not on this machine")

TEXT = "Buenas tardes, me llamo Ana. Vivo en una casa grande cerca del mar."
PAUSES = {",": 0, ";": 80, ":": 80, "—": 80, ".": 150, "!": 150, "?": 150, "…": 250}
REAL = parse(
    KokoroOptions,
    params.mapping(read_text(ROOT / "params" / "engines.yaml"), where="engines.yaml")["tts"]["options"][
        "kokoro"
    ],
    where="kokoro",
)
real = pytest.mark.skipif(Kokoro.missing(REAL) is not None, reason=f"no real model: {Kokoro.missing(REAL)}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.model(tmp_path_factory.mktemp("kokoro") / "model")


@pytest.fixture(scope="module")
def options(folder):
    voices = (
        EngineVoice("low", "m", 100.0),
        EngineVoice("high", "f", 160.0),
        EngineVoice("low+high", "", 130.0),
    )
    return KokoroOptions(str(folder), -20.0, 150, PAUSES, {}, voices)


@pytest.fixture(scope="module")
def engine(options):
    return Kokoro(options, given=None)


def changed(engine, **differences):
    return Kokoro(dataclasses.replace(engine.options, **differences), given=None)


def say(engine, text=TEXT, *, voice="low", language="es", rate=1.0):
    y, sr = engine.speak(text, voice=voice, language=language, rate=rate, seed=0)
    assert sr == SAMPLE_RATE
    return y


def spelt(text, tag="es"):
    return phonemes.spell(text, tag=tag)


# --- phonemes


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        ("es", "¿Qué tal, Ana?", "kˈe tˈal, ˈana?"),
        ("es", "«Hola» (dijo) – y se fue...", "“ˈola” (dˈixo) — i se fwˈe…"),
        ("es", 'Dijo "hola" y ya.', "dˈixo “ˈola” i ʝˈa."),
        ("es", "Son 3,5 o 1.250 a las 10:30.", None),
        ("en", "The judge may go now.", "ðə ʤˈʌʤ mˈA ɡˌO nˈW."),
        ("en-GB", "Go there.", "ɡˌQ ðˈɛː."),
        ("pt-BR", "Olá.", "olˈa."),
    ],
)
def test_text_becomes_phonemes_and_its_marks_stay(tag, text, expected):
    found = spelt(text, tag)
    if expected is None:
        assert not set(found[:-1]) & set(pacing.MARK.pattern[1:-1]), "a mark inside a number is none"
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("tag", "text"),
    [("en", "The judge saw a little bird."), ("fr", "Un bon vin blanc, où ça ?"), ("it", "Gli zii."),
     ("pt-BR", "A mãe não veio ontem."), ("hi", "नमस्ते, आप कैसे हैं?"), ("ca", "L'Anna és aquí, amb la noia.")],
)  # fmt: skip
def test_the_network_knows_every_phoneme_of_a_language(tag, text):
    assert len(spelt(text, tag)) > len(text) / 2


def test_galician_letters_are_read_as_spanish_ones_spell_them():
    assert spelt("xente", "gl") == "ʃˈɛnte"


def test_another_script_is_read_in_latin_letters_and_a_picture_not_at_all():
    assert spelt("Привет 😀") == spelt("Privet")
    assert spelt("😀👍🏽 🇪🇸 ♪") == ""
    assert "siinoˈ" not in spelt("日本")


def test_marks_of_other_scripts_are_marks():
    assert spelt("नमस्ते।", "hi").endswith(".")
    assert spelt("hola。", "es") == "ˈola."


def test_phonemes_in_brackets_are_kept_and_must_be_known():
    assert spelt("hola [[ˈxoan]]!") == "ˈola ˈxoan!"
    with pytest.raises(SpeechError, match=r"no sound for €.*lexicon"):
        spelt("[[o€la]]")
    with pytest.raises(SpeechError, match="has no ]]"):
        spelt("hola [[ola")


@pytest.mark.parametrize(
    ("language", "tag"),
    [("en", "en"), ("en-US", "en"), ("en-GB", "en-GB"), ("en-AU", "en-GB"), ("es-MX", "es-419"), ("es", "es"),
     ("pt", "pt-BR"), ("fr-CA", "fr"), ("hi", "hi"), ("ca", "ca"), ("gl", "gl")],
)  # fmt: skip
def test_a_language_finds_its_phonemes(language, tag):
    assert phonemes.nearest(language) == tag


def test_languages_that_are_not_spoken_are_refused_and_those_with_an_accent_said(engine):
    with pytest.raises(
        LanguageError, match="knows Japanese, and nothing here turns its script into phonemes"
    ):
        engine.voices("ja")
    with pytest.raises(LanguageError, match="'de'"):
        engine.voices("de")
    assert {voice.accent for voice in engine.voices("gl")} == {"with a Spanish accent"}
    assert {voice.accent for voice in engine.voices("es-MX")} == {""}


# --- the two halves, and how long a line takes


def test_the_halves_together_speak_as_the_whole_graph_does(folder):
    import onnxruntime

    whole = onnxruntime.InferenceSession(str(folder / GRAPH), providers=["CPUExecutionProvider"])
    network, tokens, style = Network(folder / GRAPH), [20, 31, 2, 44], np.full(STYLE, 1.2, np.float32)
    natural = network.durations(tokens, style)
    frames = np.maximum(1, np.round(natural)).astype(np.int64)
    (expected,) = whole.run(
        None, {"tokens": np.array([[0, *tokens, 0]]), "style": style[None], "speed": np.float32([1.0])}
    )
    assert natural.shape == (6,)
    assert np.array_equal(network.sound(tokens, style, frames), expected)
    assert expected.size == FRAME * frames.sum()


def test_another_graph_is_refused(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Floor", ["x"], ["y"])], "g", [value("x", TensorProto.FLOAT, [1])],
        [value("y", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    other = tiny.model(tmp_path / "other")
    onnx.save(helper.make_model(graph), other / GRAPH)
    wrong = KokoroOptions(str(other), -20.0, 150, PAUSES, {}, (EngineVoice("low", "", None),))
    with pytest.raises(EngineError, match=r"load the model .*does not round durations in one place"):
        say(Kokoro(wrong, given=None))


@given(
    natural=st.lists(st.floats(1.5, 12, allow_nan=False), min_size=5, max_size=80),
    rate=st.floats(0.6, 1.4),
)
def test_rounding_loses_nothing_of_a_length_and_the_edges_are_never_hurried(natural, rate):
    run = pacing.Run("a" * (len(natural) - 3) + ".", (), np.empty(0), np.array(natural))
    frames = run.frames(rate)
    assert frames.min() >= 1
    last = len(natural) - 3  # the token of the last phoneme
    assert list(frames[[0, *range(last, len(natural))]]) == [
        max(1, round(x)) for x in [natural[0], *natural[last:]]
    ]
    assert abs(frames[1:last].sum() - np.array(natural)[1:last].sum() / rate) <= 1


@pytest.mark.parametrize("rate", [0.6, 0.85, 1.0, 1.17, 1.35, 1.5])
def test_a_length_is_known_before_it_is_spoken(engine, rate):
    y = say(engine, rate=rate)
    told = engine.duration(TEXT, voice="low", language="es", rate=rate)
    assert abs(audio.milliseconds(y.size, sr=SAMPLE_RATE) - told) <= 100
    natural = engine.duration(TEXT, voice="low", language="es", rate=1.0)
    assert abs((y.size - say(engine).size) * 1000 / SAMPLE_RATE - (told - natural)) <= 30


@pytest.mark.parametrize("duration", [4321, 5000, 6001])
@pytest.mark.parametrize("text", [TEXT, "Uno; dos… ¡Tres!"])
def test_a_line_is_spoken_in_exactly_the_time_it_shall_take(engine, text, duration):
    duration = duration if text is TEXT else duration // 3
    y, sr = engine.speak_in(text, voice="low", language="es", duration=duration, seed=0)
    assert y.size == audio.samples(duration, sr=sr)
    assert np.abs(y[-sr // 5 :]).max() > 0.01, "no long silence behind it"


def test_a_line_is_rendered_twice_at_most_for_its_length(engine, monkeypatch):
    rendered = []
    spoken = Network.sound
    monkeypatch.setattr(Network, "sound", lambda self, *line: rendered.append(line) or spoken(self, *line))
    for duration in (2400, 3100, 3800):
        engine.speak_in(TEXT, voice="high", language="es", duration=duration, seed=0)
    assert len(rendered) <= 6


def test_a_length_beyond_what_can_be_understood_is_refused_with_those_that_are_not(engine):
    with pytest.raises(SpeechError, match=r"in 300 ms: it takes about \d+ to \d+ ms"):
        engine.speak_in(TEXT, voice="low", language="es", duration=300, seed=0)
    with pytest.raises(SpeechError, match=r"rate 1.6.*0.6 to 1.5"):
        say(engine, rate=1.6)


# --- the sound


def test_a_line_starts_and_ends_with_its_speech(engine):
    y = say(engine)
    for side in (y, y[::-1]):
        loud = np.flatnonzero(np.abs(side) > 0.02)[0]
        assert loud < 0.05 * SAMPLE_RATE
        assert abs(side[0]) < 1e-4, "no click"


@pytest.mark.parametrize(("mark", "longer"), [(",", 0), (";", 80), (".", 150), ("…", 250)])
@pytest.mark.parametrize("rate", [1.0, 1.25])
def test_a_pause_is_made_at_a_mark(engine, mark, longer, rate):
    silent = changed(engine, pauses=dict.fromkeys(PAUSES, 0))
    text = f"uno{mark} dos"
    added = say(engine, text, rate=rate).size - say(silent, text, rate=rate).size
    assert added == pytest.approx(longer / 1000 * SAMPLE_RATE / rate, abs=240), "to a hundredth of a second"


def test_every_voice_is_as_loud_and_no_peak_is_clipped(engine):
    for voice in engine.voices("es"):
        y = say(engine, voice=voice.name)
        assert audio.speech_level_db(y, sr=SAMPLE_RATE) == pytest.approx(-20, abs=0.1)
    quiet, loud = say(engine), say(changed(engine, level_db=3.0))
    assert np.abs(loud).max() == pytest.approx(pacing.HIGHEST, abs=1e-6)
    assert np.allclose(loud, quiet * (np.abs(loud).max() / np.abs(quiet).max()), atol=1e-6), "scaled alone"


def test_a_share_of_a_natives_timbre_changes_how_a_voice_sounds_and_not_how_it_goes(folder):
    style = np.fromfile(folder / "voices" / "low.bin", "<f4")
    leaning = Kokoro(
        KokoroOptions(
            str(folder), -20.0, 150, PAUSES, {"fr": {"high": 0.5}}, (EngineVoice("low", "", None),)
        ),
        given=None,
    )
    table = leaning._style("low", "fr")
    assert np.allclose(table[:, :TIMBRE], 1.3)
    assert np.allclose(table[:, TIMBRE:], style[0])
    assert np.allclose(leaning._style("low", "es"), style[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"pauses": {",": 0}},
        {"pauses": {**PAUSES, "#": 1}},
        {"natives": {"xx": {}}},
        {"natives": {"fr": {"a": 2}}},
    ],
)
def test_options_are_checked(options, wrong):
    plain = msgspec.to_builtins(options) | wrong
    with pytest.raises(RecordError, match=next(iter(wrong))):
        parse(KokoroOptions, plain, where="kokoro")


def test_a_blend_is_a_voice_of_its_own(engine):
    low, high, both = (say(engine, voice=name) for name in ("low", "high", "low+high"))
    assert not np.array_equal(both, low)
    assert not np.array_equal(both, high)


@pytest.mark.parametrize("text", ["", "  ", "…", "¿?", "😀", "😀👍🏽", "♪ ♪", "(—)", "\n", "\x00"])
def test_nothing_to_pronounce_is_an_error_and_not_silence(engine, text):
    with pytest.raises(SpeechError, match="nothing in it to pronounce"):
        say(engine, text)


@pytest.mark.parametrize(
    "text", ["a", "Y", "7", "1 2 3 1984", "Hola 😀 Ана 日本", "--version -f /etc/passwd", "<b>x"]
)
def test_hard_text_is_spoken(engine, text):
    y = say(engine, text)
    assert y.size > 0.05 * SAMPLE_RATE
    assert np.isfinite(y).all()


@pytest.mark.parametrize("text", [TEXT * 30, "a" * 2000, "una casa " * 220, "一" * 300])
def test_a_long_text_is_spoken_in_parts_to_its_end(engine, text):
    whole = spelt(text)
    parts = list(pacing.cut(whole, longest=150))
    assert max(map(len, parts)) <= 150
    assert "".join(parts).replace(" ", "") == whole.replace(" ", "")
    assert set(whole) <= TOKENS.keys()
    assert say(engine, text).size > 1000 * len(whole)


def test_parts_end_with_sentences_where_they_can():
    text = "ˈuno dˈos tɾˈes. kwˈatɾo θˈinko, sˈeis sjˈete ˈot͡ʃo"
    assert list(pacing.cut(text, longest=25)) == ["ˈuno dˈos tɾˈes.", "kwˈatɾo θˈinko,", "sˈeis sjˈete ˈot͡ʃo"]
    assert list(pacing.cut("… ! ,", longest=3)) == []


def test_an_unknown_voice_is_an_error(engine):
    with pytest.raises(EngineError, match=r"no such voice.* voices are: low, high"):
        say(engine, voice="nobody")


def test_bytes_are_equal_whatever_was_spoken_before_and_in_another_process(engine, folder):
    first = hashlib.sha256(say(engine)).hexdigest()
    say(engine, "Otra cosa.", voice="high")
    assert hashlib.sha256(say(Kokoro(engine.options, given=None))).hexdigest() == first
    program = (
        "import hashlib, sys; from tests import test_kokoro as t; from workbench.engines.kokoro import *;"
        "o = KokoroOptions(sys.argv[1], -20.0, 150, t.PAUSES, {}, (t.EngineVoice('low', 'm', 100.0),));"
        "print(hashlib.sha256(t.say(Kokoro(o, given=None))).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == first


def test_an_engine_that_is_gone_holds_no_memory(options):
    gone = Kokoro(options, given=None)
    say(gone)
    engine = weakref.ref(gone)
    del gone
    gc.collect()
    assert engine() is None


# --- what it says of itself


def test_the_identity_tells_versions_model_phonemes_and_options_and_no_path(engine, tmp_path):
    moved = changed(
        engine, model=str(shutil.copytree(models.place(engine.options.model), tmp_path / "model"))
    )
    assert moved.identity == engine.identity
    assert changed(engine, level_db=-23.0).identity != engine.identity
    assert "eSpeak NG text-to-speech: 1." in engine.identity
    assert "onnxruntime 1." in engine.identity
    assert "/" not in engine.identity


def test_what_is_missing_is_named(options, tmp_path, monkeypatch):
    assert Kokoro.missing(options) is None
    absent = dataclasses.replace(options, model="kokoro-nowhere")
    assert "workbench engines fetch kokoro-nowhere" in Kokoro.missing(absent)
    half = tiny.model(tmp_path / "half")
    (half / "voices" / "high.bin").unlink()
    assert "lacks voices/high.bin" in Kokoro.missing(dataclasses.replace(options, model=str(half)))
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "apt-get install espeak-ng" in Kokoro.missing(options)


@pytest.mark.parametrize("harm", ["graph cut short", "voice cut short"])
def test_a_damaged_model_is_an_error(tmp_path, harm):
    bad = tiny.model(tmp_path / "bad")
    file = bad / (GRAPH if harm == "graph cut short" else "voices/low.bin")
    file.write_bytes(file.read_bytes()[:500])
    broken = KokoroOptions(str(bad), -20.0, 150, PAUSES, {}, (EngineVoice("low", "", None),))
    with pytest.raises(EngineError, match="load the model"):
        say(Kokoro(broken, given=None))


# --- the real model


@pytest.fixture(scope="module")
def kokoro():
    return Kokoro(REAL, given=None)


@real
def test_the_real_model_speaks_for_as_long_as_it_said(kokoro):
    y = say(kokoro, voice="ef_dora")
    assert np.array_equal(y, say(kokoro, voice="ef_dora"))
    told = kokoro.duration(TEXT, voice="ef_dora", language="es", rate=1.0)
    assert abs(audio.milliseconds(y.size, sr=SAMPLE_RATE) - told) <= 150
    assert kokoro.speak_in(TEXT, voice="ef_dora", language="es", duration=3700, seed=0)[0].size == 88_800


@real
@pytest.mark.parametrize("name", ["ef_dora", "am_onyx"])
def test_real_voices_have_the_pitch_that_is_written_down(kokoro, name):
    import librosa

    (voice,) = (voice for voice in kokoro.voices("es") if voice.name == name)
    pitch, _, _ = librosa.pyin(say(kokoro, voice=name), fmin=50, fmax=500, sr=SAMPLE_RATE)
    assert abs(np.nanmedian(pitch) / voice.pitch_hz - 1) < 0.1
