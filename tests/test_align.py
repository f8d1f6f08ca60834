"""Times of known words, with aligners good and bad."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recordings import Held
from workbench import align
from workbench.errors import EngineError
from workbench.records import LineWord, Segment, Timed, Word

SR = 16000
TEN_SECONDS = np.arange(10 * SR, dtype=np.float32)


def word(start, end, text="well", confidence=None):
    return Word(start, end, text, confidence, "subtitles")


class Evenly:
    """An aligner that divides the sound evenly among the words."""

    name = "evenly"
    identity = "evenly 1"

    def __init__(self):
        self.asked = []

    def knows(self, language):
        return language == "en"

    def times(self, speech, *, sr, words):
        self.asked.append((int(speech[0]) * 1000 // sr, 1000 * len(speech) // sr, list(words)))
        step = 1000 * len(speech) // sr // len(words)
        return [Timed(step * i, step * (i + 1), 0.5) for i in range(len(words))]


def realign(words, aligner=None, language="en"):
    aligner = aligner or Evenly()
    return list(align.realign(words, TEN_SECONDS, sr=SR, language=language, aligner=aligner))


def test_words_get_the_aligners_times_and_its_name():
    assert realign([word(1000, 1400, "a"), word(1400, 2000, "b")]) == [
        Word(700, 1500, "a", 0.5, "subtitles via evenly"),
        Word(1500, 2300, "b", 0.5, "subtitles via evenly"),
    ]


def test_a_confidence_that_there_was_stays():
    assert realign([word(1000, 1400, confidence=0.9)])[0].confidence == 0.9


def test_what_follows_closely_is_heard_together_and_a_pause_parts():
    evenly = Evenly()
    realign([word(1000, 1400, "a"), word(1500, 2000, "b"), word(2200, 2600, "c")], evenly)
    assert evenly.asked == [(700, 1500, ["a", "b"]), (2000, 900, ["c"])]


def test_no_utterance_is_longer_than_a_few_seconds():
    evenly = Evenly()
    y = np.zeros(100 * SR, np.float32)
    words = [word(start, start + 1000) for start in range(0, 100_000, 1000)]
    said = list(align.realign(words, y, sr=SR, language="en", aligner=evenly))
    assert len(said) == 100
    assert max(length for _, length, _ in evenly.asked) <= align.LONGEST + 2 * align.MARGIN


class Lost(Evenly):
    """An aligner that finds nothing in the first utterance."""

    def times(self, speech, *, sr, words):
        return None if "lost" in words else super().times(speech, sr=sr, words=words)


def test_words_that_are_not_found_keep_their_times_and_say_so_by_their_engine(caplog):
    caplog.set_level("INFO")
    lost = word(1000, 1400, "lost")
    said = realign([lost, word(3000, 3400)], Lost())
    assert said[0] == lost
    assert said[1].engine == "subtitles via evenly"
    assert "align_failed" in caplog.text


def test_a_language_that_the_aligner_does_not_know_is_left_as_it_is(caplog):
    caplog.set_level("INFO")
    words = [word(1000, 1400)]
    assert realign(words, language="es") == words
    assert "align_skipped" in caplog.text


class Bad(Evenly):
    def __init__(self, *timed):
        self.timed = list(timed)

    def times(self, speech, *, sr, words):
        return self.timed


@pytest.mark.parametrize(
    ("timed", "fault"),
    [
        ([Timed(0, 9, None)], "1 times came back"),
        ([Timed(0, 9, None), Timed(9, 9, None)], "outside the"),
        ([Timed(-1, 9, None), Timed(9, 19, None)], "outside the"),
        ([Timed(0, 9, None), Timed(9, 19_000, None)], "outside the"),
        ([Timed(50, 90, None), Timed(9, 19, None)], "not in order"),
    ],
)
def test_what_no_aligner_may_give_is_refused(timed, fault):
    with pytest.raises(EngineError, match=fault):
        realign([word(1000, 1400), word(1400, 2000)], Bad(*timed))


@given(st.lists(st.tuples(st.integers(0, 800), st.integers(1, 900)), max_size=20))
def test_words_stay_in_order_within_the_sound_and_none_is_lost(steps):
    words, at = [], 0
    for gap, length in steps:
        if at + gap + length <= 10_000:
            words.append(word(at + gap, at + gap + length, f"w{len(words)}"))
            at += gap + length
    said = realign(words)
    assert [each.text for each in said] == [each.text for each in words]
    assert all(0 <= each.start < each.end <= 10_000 for each in said)
    assert [each.start for each in said] == sorted(each.start for each in said)


def test_a_doubt_stays():
    doubted = dataclasses.replace(word(1000, 1400), doubt="repetition")
    assert realign([doubted])[0].doubt == "repetition"


LINES = [Segment("s1", 1000, 2000, "A", "as it was"), Segment("s2", 3000, 5000, "A", "quite another")]
WORDS = [
    LineWord(1000, 1300, "as", 0.9, "heard", segment="s1"),
    LineWord(1300, 1600, "it", 0.9, "heard", segment="s1"),
    LineWord(1600, 2000, "was", 0.9, "heard", segment="s1"),
    LineWord(3000, 3800, "quite", 0.4, "heard via letters", segment="s2"),
    LineWord(3800, 5000, "another", None, "review via letters", segment="s2"),
]


def found(aligner, *, words=WORDS, lines=LINES, language="en", kept=None):
    speech, kept = Held(TEN_SECONDS[np.newaxis], SR), {} if kept is None else kept
    return list(align.lines(words, lines, speech, language=language, aligner=aligner, kept=kept))


def test_of_lines_only_those_that_lie_by_their_letters_are_found_in_their_own_sound():
    evenly = Evenly()
    assert found(lambda: evenly) == [
        *WORDS[:3],
        LineWord(3000, 4000, "quite", 0.4, "heard via evenly", segment="s2"),
        LineWord(4000, 5000, "another", None, "review via evenly", segment="s2"),
    ]
    assert evenly.asked == [(3000, 2000, ["quite", "another"])]


def test_no_aligner_is_loaded_for_lines_as_they_were_heard():
    assert found(None, words=WORDS[:3]) == WORDS[:3]


def test_what_was_found_once_is_not_sought_again_unless_the_words_or_the_aligner_are_others():
    evenly, kept = Evenly(), {}
    once, again = (found(lambda: evenly, kept=kept) for _ in range(2))
    assert once == again
    assert len(evenly.asked) == 1
    other = [*WORDS[:4], dataclasses.replace(WORDS[4], text="others")]
    found(lambda: evenly, words=other, kept=kept)
    assert len(evenly.asked) == 2
    evenly.identity = "evenly 2"
    found(lambda: evenly, kept=kept)
    assert len(evenly.asked) == 3


def test_a_line_that_is_not_found_or_beyond_the_sound_lies_by_its_letters_and_says_so(caplog):
    caplog.set_level("INFO")
    lost = [dataclasses.replace(word, text="lost") for word in WORDS[3:]]
    assert found(Lost, words=lost, kept={}) == found(Lost, words=lost, language="es") == lost
    assert caplog.text.count("align_failed aligner=evenly start=3000 words=2") == 2
    late = [dataclasses.replace(word, start=11_000, end=12_000) for word in WORDS[3:]]
    assert found(Evenly, words=late, lines=[Segment("s2", 11_000, 12_000, "A", "")]) == late


def test_lines_refuse_what_no_aligner_may_give():
    with pytest.raises(EngineError, match="1 times came back"):
        found(lambda: Bad(Timed(0, 9, None)))
