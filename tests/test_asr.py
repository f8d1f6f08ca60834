"""The asr stage with transcribers of every kind, good and bad."""

import dataclasses

import numpy as np
import pytest

from workbench import asr
from workbench.errors import EngineError
from workbench.records import Hearing, Table, Word

SR = 16000
TWO_SECONDS = np.zeros(2 * SR, np.float32)


class Always:
    """A detector that finds speech everywhere."""

    name = "always"

    def spans(self, speech, *, sr):
        return [(0, 1000 * len(speech) // sr)] if len(speech) else []


class Says:
    """A transcriber that hears the same words in anything with speech in it."""

    name = "says"

    def __init__(self, *words):
        self.heard = words

    def words(self, speech, *, sr, language, spans, terms=()):
        self.told = language, terms
        return self.heard if spans else ()


def word(start, end, text="well", confidence=None):
    return Word(start, end, text, confidence, "says")


def transcribe(*words, speech=TWO_SECONDS):
    return list(asr.transcribe(speech, sr=SR, language="en", detector=Always(), transcriber=Says(*words)))


def test_words_come_as_they_were_heard():
    heard = [word(0, 200, "so", 0.5), word(200, 900), word(700, 1100)]
    assert transcribe(*heard) == heard


def test_a_word_that_ends_after_the_sound_ends_with_it():
    assert transcribe(word(1500, 2600))[0].end == 2000


def test_space_around_a_word_goes():
    assert transcribe(word(0, 100, " well\n"))[0].text == "well"


def test_a_sound_without_speech_has_no_words():
    assert transcribe(word(0, 100), speech=np.zeros(0, np.float32)) == []


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ([word(0, 100, " ")], "has no text"),
        ([word(-1, 100)], "outside the sound"),
        ([word(300, 300)], "no length"),
        ([word(2000, 2500)], "outside the sound"),
        ([word(500, 600), word(400, 900)], "comes after one that starts at 500 ms"),
        ([word(0, 100, confidence=1.2)], "confidence 1.2"),
        ([word(0, 100, confidence=float("nan"))], "confidence nan"),
    ],
)
def test_what_no_transcriber_may_give_is_refused(bad, fault):
    with pytest.raises(EngineError, match=fault):
        transcribe(*bad)


def test_the_transcriber_is_told_the_language_and_the_terms():
    says = Says()
    terms = ["Ana", "Port Salut"]
    kit = {"detector": Always(), "transcriber": says}
    list(asr.transcribe(TWO_SECONDS, sr=SR, language="pt-BR", terms=terms, **kit))
    assert says.told == ("pt-BR", terms)


def test_words_come_one_by_one():
    heard = asr.transcribe(
        TWO_SECONDS, sr=SR, language="en", detector=Always(), transcriber=Says(word(0, 100), word(-1, 0))
    )
    assert next(heard) == word(0, 100)


def test_doubtful_words_are_those_known_to_be_below_the_least_and_those_with_a_doubt():
    invented = dataclasses.replace(word(3, 4, "d", 0.9), doubt="repetition")
    words = Table(Word, [word(0, 1, "a", 0.1), word(1, 2, "b", None), word(2, 3, "c", 0.3), invented])
    found = asr.doubtful(words, opts=asr.Options(min_confidence=0.3, terms=(), align=()))
    assert [each.text for each in found] == ["a", "d"]


class Tells(Says):
    """A transcriber that takes every language for Catalan."""

    def language(self, speech, *, sr, spans):
        self.heard_in = spans
        return ("ca", 0.8) if spans else ("", 0.0)


def hearing(transcriber, words):
    return asr.hearing(TWO_SECONDS, sr=SR, language="es", words=words, transcriber=transcriber)


def test_the_language_that_an_engine_hears_is_reported_beside_the_one_told():
    tells = Tells()
    assert hearing(tells, [word(100, 900)]) == Table(Hearing, [Hearing("says", "es", "ca", 0.8)])
    assert tells.heard_in == [(100, 900)]


def test_no_language_is_reported_where_no_word_was_heard_or_the_engine_has_no_ear_for_it():
    assert hearing(Tells(), [])[0] == Hearing("says", "es", "", None)
    assert hearing(Says(), [word(100, 900)])[0] == Hearing("says", "es", "", None)
