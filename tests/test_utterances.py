"""What a recogniser is given to hear."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench import activity
from workbench.engines.utterances import snapped, utterances
from workbench.records import Word

SR = 16000
HEARD = {"pad": 150, "gap": 300, "longest": 20_000}


def test_speech_is_padded_and_joined_across_short_gaps():
    y = np.zeros(10 * SR, np.float32)
    spans = [(50, 1000), (1500, 2000), (3000, 4000)]
    assert utterances(y, sr=SR, spans=spans, **HEARD) == [(0, 2150), (2850, 4150)]


def test_a_long_utterance_is_cut_at_its_quietest_point_and_nothing_is_left_out():
    y = np.random.default_rng(1).uniform(-0.1, 0.1, 60 * SR).astype(np.float32)
    y[int(13.0 * SR) : int(13.5 * SR)] *= 0.01
    pieces = utterances(y, sr=SR, spans=[(0, 60_000)], **HEARD)
    assert 13_000 < pieces[0][1] < 13_500
    assert all(end - start <= HEARD["longest"] for start, end in pieces)
    assert activity.union(pieces) == [(0, 60_000)]


def said(*times):
    return [Word(start, end, "a", None, "test") for start, end in times]


def times(words):
    return [(word.start, word.end) for word in words]


class TestSnapped:
    def test_the_first_and_last_word_of_a_span_take_its_edges(self):
        words = said((850, 1200), (1200, 1700), (2900, 3300))
        found = snapped(words, [(1000, 1900), (3000, 3500)], within=300, least=20)
        assert times(found) == [(1000, 1200), (1200, 1900), (3000, 3500)]

    def test_an_edge_that_is_further_off_stays(self):
        assert times(snapped(said((600, 1200)), [(1000, 1600)], within=300, least=20)) == [(600, 1200)]

    def test_a_word_keeps_its_length_and_its_place(self):
        words = said((900, 1010), (905, 1800))
        assert times(snapped(words, [(1000, 1500)], within=300, least=20)) == [(900, 1010), (905, 1500)]

    def test_without_speech_nothing_moves(self):
        assert times(snapped(said((0, 100)), [], within=300, least=20)) == [(0, 100)]

    @given(
        st.lists(st.tuples(st.integers(0, 9000), st.integers(20, 800)), max_size=12),
        st.lists(st.tuples(st.integers(0, 9000), st.integers(50, 2000)), max_size=5),
    )
    def test_words_stay_in_order_and_last(self, words, spans):
        words = said(*((start, start + length) for start, length in sorted(words)))
        found = snapped(words, [(start, start + length) for start, length in spans], within=300, least=20)
        assert len(found) == len(words)
        assert [word.start for word in found] == sorted(word.start for word in found)
        assert all(word.end - word.start >= 20 for word in found)
