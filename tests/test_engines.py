"""One contract for every engine: what it says of itself, and what it does with hard input."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest

from workbench import engines, params, tts
from workbench.engines import ENGINES
from workbench.errors import EngineError, LanguageError, RecordError, SpeechError
from workbench.fit import timing
from workbench.library import read_text
from workbench.params import Choice
from workbench.records import Casting, Segment, Table, Translation, parse

from .structure import ROOT
from .tiny import everything
from .tiny.coqui import small_vocoder

ALL = [(kind, name) for kind, names in ENGINES.items() for name in names]
SR = 16000
HARD = {
    "nothing": np.zeros(0, np.float32),
    "silence": np.zeros(2 * SR, np.float32),
    "a fifth of a second": np.random.default_rng(0).normal(0, 0.1, SR // 5).astype(np.float32),
    "noise": np.random.default_rng(1).normal(0, 0.1, 3 * SR).astype(np.float32),
}


def choice(kind: str) -> Choice:
    document = params.mapping(read_text(ROOT / "params" / "engines.yaml"), where="params/engines.yaml")
    return parse(Choice, document[kind], where=kind)


BIG = {"coqui", "ctc", "demucs", "pyannote"}  # of the extra gpu
GIVEN = {"subtitles", "rttm", "llm"}  # what they make depends on files or on an endpoint


def marked(names: Iterable[str]) -> list:
    """Return engines' names as parameters, those of the extra gpu with their mark."""
    return [pytest.param(name, marks=pytest.mark.models) if name in BIG else name for name in sorted(names)]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Iterator:
    """Return what builds an engine's tiny model, once, and returns its options."""
    with ExitStack() as stack:

        @functools.cache
        def build(kind: str, name: str) -> dict:
            if name == "coqui":
                stack.enter_context(small_vocoder())
            return everything.BUILDERS[kind, name](tmp_path_factory.mktemp(f"{kind}-{name}"))

        yield build


def ready(kind: str, name: str, given=None, tiny=None):
    chosen = choice(kind)
    if tiny is not None and (kind, name) in everything.BUILDERS:
        chosen = chosen.with_options(name, tiny(kind, name))
    engine, options = engines.resolve(kind, name, chosen)
    reason = engine.missing(options)
    if reason:
        pytest.skip(f"{kind} engine {name} is not ready here: {reason}")
    return engine(options, given=given)


def test_every_kind_has_its_choice_in_the_params():
    document = params.mapping(read_text(ROOT / "params" / "engines.yaml"), where="params/engines.yaml")
    assert set(document) == set(ENGINES)


@pytest.mark.parametrize(("kind", "name"), ALL)
class TestEveryEngine:
    def test_names_itself_and_documents_its_origin(self, kind, name):
        engine, _ = engines.resolve(kind, name, choice(kind))
        assert engine.name == name
        assert dataclasses.is_dataclass(engine.Options)
        assert engine.__doc__

    def test_refuses_options_that_it_does_not_know(self, kind, name):
        wrong = Choice(name, (), {name: {**choice(kind).options.get(name, {}), "no_such_option": 1}})
        with pytest.raises(RecordError, match="no_such_option"):
            engines.resolve(kind, name, wrong)


def test_an_unknown_engine_names_the_known_ones():
    with pytest.raises(EngineError, match="The vad engines are: silero"):
        engines.load("vad", Choice("none such", (), {}))


class Absent:
    """An engine whose package is not there."""

    name = "absent"

    @dataclasses.dataclass(frozen=True)
    class Options:
        pass

    @classmethod
    def missing(cls, options):
        return "the package nowhere is missing; pip install nowhere"


def test_a_missing_engine_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(ENGINES["vad"], "absent", "tests.test_engines:Absent")
    with pytest.raises(EngineError, match="pip install nowhere"):
        engines.load("vad", Choice("absent", (), {}))


def test_a_fallback_steps_in_only_where_the_params_list_it_and_is_logged(monkeypatch, caplog):
    monkeypatch.setitem(ENGINES["vad"], "absent", "tests.test_engines:Absent")
    known = choice("vad").options
    assert engines.load("vad", Choice("absent", ("silero",), known)).name == "silero"
    assert "engine_fallback" in caplog.text


def test_an_engine_is_loaded_later_where_any_that_may_come_can_do_what_is_wanted(monkeypatch):
    known = choice("translate").options
    cannot, can = Choice("apertium", (), known), Choice("apertium", ("llm",), known)
    assert engines.later("translate", cannot, given=None, able_to="shorten") is None
    load = engines.later("translate", can, given=None, able_to="shorten")
    assert load().name == engines.load("translate", can).name
    assert load() is load()


def test_an_engine_that_was_never_called_for_did_not_work():
    ready("align", "pocketsphinx")
    aligner = engines.Later("align", choice("align"))
    assert not engines.makers(align=aligner, translate=None)
    aligner()
    [maker] = engines.makers(align=aligner)
    assert (maker.kind, maker.engine, maker.identity) == ("align", "pocketsphinx", aligner().identity)


class Imitating(Absent):
    """One that would imitate voices."""

    name = "imitating"
    clones = True


def test_a_fallback_that_imitates_no_voices_is_logged_by_its_own_name(monkeypatch, caplog):
    monkeypatch.setitem(ENGINES["tts"], "imitating", "tests.test_engines:Imitating")
    chosen = dataclasses.replace(choice("tts"), engine="imitating", fallback=("espeak",))
    ready("tts", "espeak")
    assert engines.load("tts", chosen).name == "espeak"
    assert "track_clone_fallback kind=tts wanted=imitating used=espeak" in caplog.text
    assert "engine_fallback" not in caplog.text


@pytest.mark.parametrize("sr", [8_000, SR])
@pytest.mark.parametrize("sound", HARD.values(), ids=HARD.keys())
class TestHardSound:
    @pytest.mark.parametrize("name", ENGINES["vad"])
    def test_speech_lies_inside_the_sound(self, name, sound, sr):
        spans = ready("vad", name).spans(sound, sr=sr)
        end = len(sound) * 1000 // sr + 1
        assert all(0 <= a < b <= end for a, b in spans)
        assert spans == sorted(spans)

    @pytest.mark.parametrize("name", marked(ENGINES["separate"]))
    def test_a_bed_has_the_shape_of_the_programme(self, name, sound, sr, tiny):
        programme, end = np.stack([sound, sound]), len(sound) * 1000 // sr
        spans = [(0, end)] if end else []
        bed, ducked = ready("separate", name, tiny=tiny).bed(programme, sr=sr, spans=spans)
        assert (bed.shape, bed.dtype) == (programme.shape, np.float32)
        assert np.isfinite(bed).all()
        assert all(0 <= a < min(b, end) for a, b in ducked)

    @pytest.mark.parametrize("name", marked(ENGINES["asr"].keys() - GIVEN))
    def test_words_lie_inside_the_sound(self, name, sound, sr, tiny):
        end = len(sound) * 1000 // sr
        spans = [(0, end)] if end else []
        for word in ready("asr", name, tiny=tiny).words(sound, sr=sr, language="en", spans=spans):
            assert 0 <= word.start < word.end <= end
            assert word.text.strip()
            assert word.engine == name

    @pytest.mark.parametrize("name", marked(ENGINES["diarize"].keys() - GIVEN))
    def test_turns_lie_inside_the_sound(self, name, sound, sr, tiny):
        end = len(sound) * 1000 // sr
        spans = [(0, end)] if end else []
        for turn in ready("diarize", name, tiny=tiny).turns(sound, sr=sr, spans=spans, speakers=None):
            assert 0 <= turn.start < turn.end <= end
            assert turn.engine == name


@pytest.mark.parametrize(
    ("kind", "name"),
    [pytest.param(*one, marks=pytest.mark.models) if one[1] in BIG else one for one in ALL],
)
def test_an_engine_that_worked_is_recorded_with_its_versions_and_its_model(kind, name, tiny, tmp_path):
    engine = ready(kind, name, given=tmp_path, tiny=tiny)
    if (kind, name) in everything.BUILDERS and kind == "translate":
        engine.translate(["The house is red."], source="en", target="es")
    (maker,) = engines.makers(**{kind: engine})
    assert (maker.kind, maker.engine) == (kind, name)
    needs = [need for need in getattr(engine, "requires", ()) if engines.installed(need)]
    assert not needs or name == "llm" or re.search(r"\d+\.\d", maker.identity), "no version"
    if (kind, name) in everything.BUILDERS:
        assert re.search(r"\b[0-9a-f]{16}\b", maker.identity), "no checksum of its model"
    assert str(tmp_path.parent) not in maker.identity


@pytest.mark.parametrize("name", marked(ENGINES["align"]))
class TestEveryAligner:
    @pytest.mark.parametrize(
        "words", [["good", "morning,", "Ana!"], ["日本", "1984", "—"], ["♪"], ["x"] * 300]
    )
    @pytest.mark.parametrize("sound", HARD.values(), ids=HARD.keys())
    def test_gives_every_word_a_time_inside_the_sound_or_none_at_all(self, name, words, sound, tiny):
        timed = ready("align", name, tiny=tiny).times(sound, sr=SR, words=words)
        if timed is None:
            return
        assert len(timed) == len(words)
        assert all(0 <= each.start < each.end <= len(sound) * 1000 // SR for each in timed)
        assert [each.start for each in timed] == sorted(each.start for each in timed)
        assert all(each.score is None or 0 <= each.score <= 1 for each in timed)

    def test_knows_english_and_not_every_language(self, name, tiny):
        engine = ready("align", name, tiny=tiny)
        assert engine.knows("en-GB")
        assert not engine.knows("tlh")

    def test_serves_two_threads(self, name, tiny):
        engine, sound = ready("align", name, tiny=tiny), HARD["noise"]
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda _: engine.times(sound, sr=SR, words=["good", "morning"]), range(4)))
        assert all(each == found[0] for each in found)


@pytest.mark.parametrize("name", marked(ENGINES["prints"]))
def test_prints_have_unit_length_and_tell_a_sound_from_another(name, tiny):
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, 2 * SR).astype(np.float32), np.sin(np.arange(2 * SR) / 9).astype(np.float32)]
    prints = ready("prints", name, tiny=tiny).prints(sounds, sr=SR)
    assert prints.shape[0] == 2
    assert np.allclose(np.linalg.norm(prints, axis=1), 1, atol=1e-4)
    assert prints[0] @ prints[1] < 0.99


@pytest.mark.parametrize("name", marked(ENGINES["translate"].keys() - GIVEN))
@pytest.mark.parametrize(
    "lines",
    [[], ["The house is red."], ["One.", "Two.", "Naïve café — 100 % ☕", "a^b$c/<d>{e}\\@[f]", "x " * 300]],
)
def test_translations_keep_count_and_order(name, lines, tiny):
    drafts = ready("translate", name, tiny=tiny).translate(lines, source="en", target="es")
    assert len(drafts) == len(lines)
    assert all(draft.text.strip() for draft in drafts)


@pytest.mark.parametrize("name", marked(ENGINES["tts"]))
class TestEveryVoice:
    @pytest.fixture
    def engine(self, name, tiny):
        return ready("tts", name, tiny=tiny)

    @pytest.fixture
    def say(self, engine):
        voice = engine.voices("es")[0].name
        return lambda text, rate=1.0: engine.speak(text, voice=voice, language="es", rate=rate, seed=0)

    def test_speaks_the_same_twice(self, say):
        (one, sr), (two, again) = say("Buenos días, Ana."), say("Buenos días, Ana.")
        assert sr == again > 0
        assert np.array_equal(one, two)
        assert (one.ndim, one.dtype) == (1, np.float32)
        assert len(one) > sr // 2

    def test_speaks_a_line_the_same_whatever_was_spoken_before_it(self, say):
        before, _ = say("Buenos días, Ana.")
        say("Otra cosa, y más larga.")
        assert np.array_equal(before, say("Buenos días, Ana.")[0])

    def test_speaks_the_same_from_two_threads(self, say):
        lines = [f"Esta es la línea {word}." for word in ("primera", "segunda", "tercera", "cuarta")]
        with ThreadPoolExecutor(2) as threads:
            together = list(threads.map(say, lines))
        for line, (y, _) in zip(lines, together, strict=True):
            np.testing.assert_array_equal(y, say(line)[0])

    def test_has_several_distinct_voices(self, engine):
        voices = engine.voices("es")
        assert len({voice.name for voice in voices}) == len(voices) >= 2
        assert all(voice.pitch_hz is None or voice.pitch_hz > 0 for voice in voices)
        assert set(voices) <= set(engine.voices(None))

    def test_says_what_makes_its_sound(self, engine, say):
        before = engine.identity
        say("Hola.")
        assert before == engine.identity
        assert "/" not in before, "no path"

    @pytest.mark.parametrize("text", ["", "   ", "…", "\n"])
    def test_says_that_it_cannot_speak_rather_than_be_silent(self, say, text):
        with pytest.raises(SpeechError):
            say(text)

    @pytest.mark.parametrize("text", ["<b>negrita</b> & más", "[[raro]]", "100 € y ½", "日本", "a" * 2000])
    def test_speaks_hard_text_or_says_what_it_cannot(self, name, say, text):
        if name == "coqui" and text in ("[[raro]]", "100 € y ½", "日本"):
            with pytest.raises(
                SpeechError, match=r"the model has no sound for|reads letters and no phonemes"
            ):
                say(text)
            return
        y, _ = say(text)
        assert np.abs(y).max() > 0.01
        assert np.isfinite(y).all()

    def test_speaks_faster_when_asked(self, say):
        text = "Esta es una frase bastante larga para medir."
        assert 0.7 < len(say(text, 1.3)[0]) / len(say(text)[0]) < 0.85

    def test_refuses_a_language_and_a_voice_that_it_does_not_have(self, engine):
        voice = engine.voices("es")[0].name
        with pytest.raises(LanguageError, match="'zu'"):
            engine.voices("zu")
        with pytest.raises(LanguageError, match="'zu'"):
            engine.speak("Sawubona", voice=voice, language="zu", rate=1.0, seed=0)
        with pytest.raises(EngineError, match=r"no such voice.* voices are"):
            engine.speak("Hola", voice="nobody", language="es", rate=1.0, seed=0)

    def test_a_dub_that_was_stopped_half_way_goes_on_where_it_was(self, engine, say):
        voice = engine.voices("es")[0].name
        lines = [Segment(f"s{n:08d}", 9000 * n, 9000 * n + 900, "A", "") for n in range(3)]
        memo = tts.Tally(Kept())

        def speaking():
            return tts.speak(
                Table(Segment, lines),
                Table(
                    Translation, [Translation(s.id, f"Línea de {s.id[-1]}a.", "", (), (), ()) for s in lines]
                ),
                Table(Casting, [Casting("A", voice, engine.name, None, "")]),
                engine=engine,
                memo=memo,
                pronounce=lambda text: text.replace("0", "uno").replace("1", "dos").replace("2", "tres"),
                language="es",
                duration=30_000,
                opts=tts.Options(seed=0, max_rate=1.0, min_rate=1.0, slow_below=0.0, max_renders=1),
                room=timing.Options(max_early=0, max_late=0, min_gap=0),
            )

        stopped = speaking()
        first, sound = next(stopped)
        stopped.close()
        takes = list(speaking())
        assert (memo.spoken, memo.found) == (3, 1)
        assert takes[0][0] == first
        assert np.array_equal(takes[0][1], sound)


class Kept(dict):
    """A memo in memory."""

    find = dict.get

    def keep(self, key, y, *, sr):
        self[key] = (y, sr)


def test_tiny_models_may_be_chosen_in_a_library(root):
    chosen = [("asr", "faster_whisper"), ("translate", "nllb"), ("tts", "piper")]
    everything.choose(root, chosen)
    document = params.mapping(read_text(root / "params" / "engines.yaml"), where="params/engines.yaml")
    for kind, name in chosen:
        assert engines.load(kind, parse(Choice, document[kind], where=kind)).name == name
