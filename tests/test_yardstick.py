"""A take that lacks a word differs from a reading of its text, and a whole one does not."""

import numpy as np
import pytest

from tests import dubs
from workbench.audio import Sound
from workbench.qa import yardstick

TEXT = "Mañana por la tarde vendrán los amigos de mi hermano."
WITHOUT = "Mañana por la tarde vendrán los amigos."
OTHER = "Hay un agujero en el fondo del barco viejo."


@pytest.fixture(scope="module")
def say():
    if reason := dubs.missing():
        pytest.skip(reason)

    def said(text: str, voice: str = "m7", rate: float = 1.0) -> tuple[Sound, int]:
        return dubs.engine("tts").speak(text, voice=voice, language="es", rate=rate, seed=0)

    return said


def compare(take: tuple[Sound, int]) -> yardstick.Comparison:
    return yardstick.compare(take[0], TEXT, sr=take[1], language="es", reader=dubs.engine("reading"))


@pytest.mark.parametrize("voice", ["m7", "f5", "Gene"])
@pytest.mark.parametrize("rate", [0.9, 1.3])
def test_a_take_of_another_voice_and_rate_lacks_nothing(say, voice: str, rate: float):
    found = compare(say(TEXT, voice, rate))
    assert found.lost <= 60
    assert found.apart < 0.1


@pytest.mark.parametrize("voice", ["m7", "f5", "Gene"])
def test_lost_words_are_found_where_they_lie(say, voice: str):
    found = compare(say(WITHOUT, voice))
    assert found.lost > 200
    assert 0.6 < found.start < found.end <= 1.0


def test_another_text_matches_little(say):
    assert compare(say(OTHER)).apart > 0.3


def test_silence_matches_nothing(say):
    found = compare((np.zeros(16_000, np.float32), 16_000))
    assert (found.apart, found.added) == (1.0, 0)
    assert found.lost > 1000


def test_the_same_sounds_give_the_same_comparison(say):
    assert compare(say(TEXT)) == compare(say(TEXT))
