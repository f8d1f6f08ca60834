"""Whisper, by the real library, with a model that says what it is told to."""

import dataclasses
import gc
import json
import threading
import weakref

import faster_whisper
import numpy as np
import pytest

from tests.tiny.whisper import whisper
from workbench import activity, engines, params
from workbench.engines.whisper import FasterWhisper, repeated
from workbench.errors import EngineError, LanguageError
from workbench.library import read_text
from workbench.params import Choice

from .structure import ROOT

SR = 16000
SAID = ["Hello", "from", "a", "tiny", "model."]


def noise(seconds, sr=SR, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * sr)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return whisper(tmp_path_factory.mktemp("models") / "tiny")


def options(folder, **changes):
    document = params.mapping(read_text(ROOT / "params" / "engines.yaml"), where="params/engines.yaml")
    known = document["asr"]["options"]["faster_whisper"] | {"model": str(folder), "device": "cpu"} | changes
    choice = Choice("faster_whisper", (), {"faster_whisper": known})
    return engines.resolve("asr", "faster_whisper", choice)[1]


def load(folder, **changes):
    return FasterWhisper(options(folder, **changes), given=None)


@pytest.fixture(scope="module")
def engine(folder):
    return load(folder)


def words(engine, y, spans=None, sr=SR, language="en", **more):
    spans = [(0, 1000 * len(y) // sr)] if spans is None else spans
    return list(engine.words(y, sr=sr, language=language, spans=spans, **more))


def test_who_transcribes_and_who_hears_the_dub_share_one_model(tmp_path, monkeypatch):
    folder, loaded = whisper(tmp_path / "tiny"), []

    class Counted(faster_whisper.WhisperModel):
        def __init__(self, *args, **more):
            loaded.append(weakref.ref(self))
            super().__init__(*args, **more)

    monkeypatch.setattr(faster_whisper, "WhisperModel", Counted)
    known = dataclasses.asdict(options(folder))
    choices = [Choice("faster_whisper", (), {"faster_whisper": known | {"beam": beam}}) for beam in (5, 1)]
    transcriber = engines.load("asr", choices[0], given=tmp_path)
    hearer = engines.load("hearing", choices[1])
    assert [word.text for word in words(transcriber, noise(2))] == SAID
    assert [word.text for word in words(hearer, noise(2))] == SAID
    assert len(loaded) == 1
    del transcriber
    assert [word.text for word in words(hearer, noise(2))] == SAID
    del hearer
    gc.collect()
    assert loaded[0]() is None, "its memory is not given back"


def test_it_writes_what_the_model_says_once_an_utterance(engine):
    heard = words(engine, noise(20), spans=[(1000, 3000), (8000, 9000), (12_000, 19_000)])
    assert [word.text for word in heard] == 3 * SAID
    assert {word.engine for word in heard} == {"faster_whisper"}


def test_words_lie_within_their_utterance_in_order_and_have_a_length(engine):
    spans = [(1000, 3000), (8000, 8100), (12_000, 19_000)]
    heard = words(engine, noise(20), spans=spans)
    padded = activity.pad(spans, by=150, start=0, end=20_000)
    for index, word in enumerate(heard):
        a, b = padded[index // len(SAID)]
        assert a <= word.start < word.end <= b
        assert 0 <= word.confidence <= 1
    assert [word.start for word in heard] == sorted(word.start for word in heard)


def test_speech_longer_than_the_model_hears_goes_in_pieces(engine):
    assert [word.text for word in words(engine, noise(70))] == 4 * SAID


def test_a_sound_of_no_whole_milliseconds_is_heard_to_its_end(engine):
    y = noise(2)[: 2 * SR - 7]  # 1999.6 ms
    assert [word.text for word in words(engine, y, spans=[(0, 2000)])] == SAID


@pytest.mark.parametrize("seconds", [0, 0.001, 0.2, 1])
def test_short_sounds_and_silence_are_no_error(engine, seconds):
    y = np.zeros(int(seconds * SR), np.float32)
    end = 1000 * len(y) // SR
    for word in words(engine, y):
        assert 0 <= word.start < word.end <= max(end, 20)


def test_nothing_is_heard_where_nobody_speaks(engine):
    assert words(engine, noise(3), spans=[]) == []


def test_telephone_speech_is_resampled(engine):
    assert [word.text for word in words(engine, noise(3, sr=8000), sr=8000)] == SAID


def test_the_same_sound_gives_the_same_words_in_batches_of_any_size(engine, folder):
    y, spans = noise(20), [(1000, 3000), (8000, 9000), (12_000, 19_000)]
    heard = words(engine, y, spans)
    assert words(engine, y, spans) == heard
    assert [word.text for word in words(load(folder, batch=1), y, spans)] == [word.text for word in heard]


def test_an_hour_comes_word_by_word_and_may_be_left_half_way(engine):
    y = np.broadcast_to(np.float32(0), 3600 * SR)
    spans = [(start, start + 20_000) for start in range(0, 3_600_000, 30_000)]
    heard = engine.words(y, sr=SR, language="en", spans=spans)
    assert [next(heard).text for _ in SAID] == SAID
    heard.close()


def test_two_threads_hear_the_same(engine):
    y, found = noise(5), {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: words(engine, y)})) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == words(engine, y)


def test_terms_are_given_to_the_model_and_change_nothing_that_is_certain(engine):
    assert [word.text for word in words(engine, noise(3), terms=["Port Salut", "Ana"])] == SAID
    assert [word.text for word in words(engine, noise(3), terms=["Ana"] * 2000)] == SAID


def test_every_letter_of_unicode_comes_through(tmp_path):
    heard = words(load(whisper(tmp_path / "m", " Où¿ 日本 ☕")), noise(3), language="ja")
    assert "".join(word.text for word in heard) == "Où¿日本☕"


class TestLanguage:
    def test_it_is_reported_as_the_model_hears_it(self, tmp_path):
        engine = load(whisper(tmp_path / "m", language="ca"))
        language, probability = engine.language(noise(5), sr=SR, spans=[(1000, 4000)])
        assert language == "ca"
        assert 0.9 < probability <= 1

    def test_silence_has_none(self, engine):
        assert engine.language(noise(5), sr=SR, spans=[]) == ("", 0.0)

    @pytest.mark.parametrize("tag", ["en-GB", "pt-BR", "nb", "fil", "jv", "zh-Hant", "sr-Latn", "he"])
    def test_every_tag_of_a_known_language_will_do(self, engine, tag):
        assert words(engine, noise(1), spans=[], language=tag) == []

    @pytest.mark.parametrize("tag", ["eo", "tlh"])
    def test_an_unknown_one_is_refused(self, engine, tag):
        with pytest.raises(LanguageError, match=f"'{tag}'.*knows 100 languages, and not this one"):
            words(engine, noise(1), language=tag)

    def test_it_is_told_by_speech_alone_which_fills_the_window(self, engine, monkeypatch):
        y, given = np.zeros(50 * SR, np.float32), []
        y[10 * SR : 12 * SR] = 0.5
        monkeypatch.setattr(
            engine._model, "detect_language", lambda heard: given.append(heard) or ("es", 0.75, [])
        )
        assert engine.language(y, sr=SR, spans=[(10_000, 12_000)]) == ("es", 0.75)
        assert given[0].shape == (30 * SR,)
        assert given[0].min() == 0.5

    def test_a_model_of_english_knows_english_alone(self, tmp_path):
        engine = load(whisper(tmp_path / "m", multilingual=False))
        assert [word.text for word in words(engine, noise(3))] == SAID
        assert engine.language(noise(3), sr=SR, spans=[(0, 3000)]) == ("en", 1.0)
        with pytest.raises(LanguageError, match="many languages"):
            words(engine, noise(3), language="es")


class TestDoubts:
    def test_a_loop_is_marked_and_kept(self, tmp_path):
        heard = words(load(whisper(tmp_path / "m", " so it goes", loop=True)), noise(3))
        assert len(heard) > 100
        assert {word.doubt for word in heard} == {"repetition"}

    def test_text_that_shrinks_too_well_is_marked(self, tmp_path):
        engine = load(whisper(tmp_path / "m", " so it goes", loop=True), repeats=1000)
        assert {word.doubt for word in words(engine, noise(3))} == {"compression"}

    def test_text_where_the_model_hears_nobody_is_marked(self, tmp_path):
        heard = words(load(whisper(tmp_path / "m", silence=True, sure=3.0)), noise(3))
        assert [word.text for word in heard] == SAID
        assert {word.doubt for word in heard} == {"no speech"}

    def test_ordinary_text_is_not_doubted(self, engine):
        assert {word.doubt for word in words(engine, noise(3))} == {""}

    @pytest.mark.parametrize(
        ("text", "times", "places"),
        [
            ("a b c", 2, []),
            ("no no no never", 3, [0, 1, 2]),
            ("No no NO", 3, [0, 1, 2]),
            ("no no no", 4, []),
            ("well it is it is it is so", 3, [1, 2, 3, 4, 5, 6]),
            ("", 2, []),
        ],
    )
    def test_a_phrase_said_often_in_a_row_is_found(self, text, times, places):
        assert sorted(repeated(text.split(), times=times)) == places


class TestBadModels:
    def test_one_that_is_not_there_says_how_to_bring_it(self, tmp_path):
        assert "workbench engines fetch none-such" in FasterWhisper.missing(options("none-such"))
        assert "is not there" in FasterWhisper.missing(options(tmp_path / "none"))

    @pytest.mark.parametrize("file", ["model.bin", "config.json", "tokenizer.json"])
    def test_one_without_a_file_is_not_ready(self, tmp_path, file):
        folder = whisper(tmp_path / "m")
        assert FasterWhisper.missing(options(folder)) is None
        (folder / file).unlink()
        assert file in FasterWhisper.missing(options(folder))

    def test_one_cut_short_is_an_error_that_names_it(self, tmp_path):
        folder = whisper(tmp_path / "m")
        whole = (folder / "model.bin").read_bytes()
        (folder / "model.bin").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(EngineError, match=r"load the model .*m.*Bring the model anew"):
            load(folder)

    def test_one_of_another_version_is_an_error(self, tmp_path):
        folder = whisper(tmp_path / "m")
        whole = (folder / "model.bin").read_bytes()
        (folder / "model.bin").write_bytes(b"\xff\0\0\0" + whole[4:])
        with pytest.raises(EngineError, match="version"):
            load(folder)

    def test_a_translator_is_no_recogniser(self, tmp_path):
        from tests.tiny.translation import nllb

        folder = nllb(tmp_path / "m")
        (folder / "tokenizer.json").write_text(json.dumps({}))
        with pytest.raises(EngineError, match="load the model"):
            load(folder)

    def test_a_gpu_asked_for_and_absent_is_an_error(self, folder, monkeypatch):
        monkeypatch.setattr("workbench.engines.models.devices.gpus", lambda: [])
        with pytest.raises(EngineError, match="no CUDA device"):
            load(folder, device="cuda")

    def test_arithmetic_that_the_device_does_not_know_is_an_error(self, folder):
        with pytest.raises(EngineError, match="compute type"):
            load(folder, compute="int8_float16")


def test_its_identity_names_version_checksum_and_where_it_ran(engine, folder, tmp_path):
    assert engine.identity.startswith("faster_whisper 1.")
    assert "tiny" in engine.identity
    assert "cpu" in engine.identity
    other = load(whisper(tmp_path / "tiny", " Another text"))
    assert other.identity != engine.identity
