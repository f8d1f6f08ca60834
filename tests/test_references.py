import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import activity
from workbench.records import Clip, Turn
from workbench.voices import references

SR = 1000
LIMITS = {"shortest": 500, "longest": 3000, "total": 5000, "margin": 100, "clean_db": 20.0}


def turns(*rows):
    return [Turn(start, end, speaker, "fake") for speaker, start, end in rows]


def sound(seconds, *loud):
    """Return noise at -60 dB with louder spans: ``(start, end, level_db)`` in ms."""
    y = np.random.default_rng(0).standard_normal(seconds * SR) * 1e-3
    for start, end, level in loud:
        y[start:end] *= 10 ** ((level + 60) / 20)
    return y.astype(np.float32)


def choose(y, rows, speaker="A", **limits):
    return references.choose(y, sr=SR, turns=rows, speaker=speaker, **{**LIMITS, **limits})


def test_a_longer_clean_stretch_goes_before_a_shorter_one():
    y = sound(10, (1000, 2000, -20), (4000, 6000, -20))
    best = choose(y, turns(("A", 1000, 2000), ("A", 4000, 6000)))
    assert [(s.start, s.end) for s in best] == [(4000, 6000), (1000, 2000)]


def test_a_clean_short_stretch_goes_before_a_long_noisy_one():
    y = sound(10, (1000, 2000, -20), (4000, 6000, -50))
    best = choose(y, turns(("A", 1000, 2000), ("A", 4000, 6000)))
    assert [(s.start, s.end) for s in best] == [(1000, 2000), (4000, 6000)]


def test_the_level_above_the_noise_is_measured_against_speech_free_frames():
    (best,) = choose(sound(10, (1000, 3000, -20)), turns(("A", 1000, 3000)))
    assert best.snr_db == pytest.approx(40, abs=1)


def test_where_people_speak_throughout_the_quietest_frames_are_the_noise():
    y = sound(4, (0, 1800, -20), (2200, 4000, -20))
    assert references.noise_db(y, sr=SR, turns=turns(("A", 0, 4000))) == pytest.approx(-60, abs=1.5)


def test_a_stretch_ends_a_margin_before_another_speaker():
    best = choose(sound(5), turns(("A", 0, 3000), ("B", 2000, 4000)))
    assert [(s.start, s.end) for s in best] == [(0, 1900)]


def test_a_speaker_who_never_speaks_alone_has_no_stretch():
    assert choose(sound(5), turns(("A", 1000, 3000), ("B", 500, 4000))) == []


def test_a_speaker_who_says_too_little_has_no_stretch():
    assert choose(sound(5), turns(("A", 1000, 1400))) == []


def test_no_sound_gives_a_level_and_no_stretch():
    assert references.noise_db(np.zeros(0, np.float32), sr=SR, turns=[]) == -120
    assert choose(np.zeros(0, np.float32), []) == []


spoken = st.lists(
    st.tuples(st.sampled_from("ABC"), st.integers(0, 28000), st.integers(1, 6000)).map(
        lambda row: (row[0], row[1], min(30000, row[1] + row[2]))
    ),
    max_size=12,
)


@given(spoken)
def test_stretches_keep_every_limit(rows):
    rows = turns(*rows)
    best = choose(sound(30), rows)
    spans = sorted((s.start, s.end) for s in best)
    others = [(t.start - 99, t.end + 99) for t in rows if t.speaker != "A"]
    assert all(500 <= b - a <= 3000 for a, b in spans)
    assert sum(b - a for a, b in spans) <= 5000
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    assert activity.intersection(spans, others) == []
    own = [(t.start, t.end) for t in rows if t.speaker == "A"]
    assert activity.duration(activity.intersection(spans, own)) == activity.duration(spans)


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 10**5))
def test_even_parts_cover_the_span_and_keep_the_limit(start, length, longest):
    longest = max(longest, length // 50 + 1)
    parts = references.even((start, start + length), longest=longest)
    assert (parts[0][0], parts[-1][1]) == (start, start + length)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(parts))
    assert max(b - a for a, b in parts) <= longest


def test_the_mean_print_has_unit_length():
    prints = np.array([[1, 0], [0, 1]], dtype=np.float32)
    assert references.mean_print(prints) == pytest.approx([2**-0.5, 2**-0.5])


def test_a_speakers_own_voice_is_all_their_clips_in_mono_best_first():
    clips = [Clip("B", 0, 9, 1.0, "b"), Clip("A", 0, 9, 1.0, "a1"), Clip("A", 0, 9, 1.0, "a2")]
    sounds = {clip.sound: (np.full((2, n + 1), n, np.float32), 48_000) for n, clip in enumerate(clips)}
    voices = references.own(clips, sounds)
    assert list(voices) == ["clips:B", "clips:A"]
    assert [clip.shape for clip in voices["clips:A"].clips] == [(2,), (3,)]
    assert voices["clips:A"].sr == 48_000
    assert voices["clips:A"].digest != voices["clips:B"].digest
