"""A take is found where it lies in the mix, and what is gone is counted."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import episodes
from workbench import audio
from workbench.qa import presence

SR = episodes.SR
REACH = audio.samples(presence.REACH, sr=SR)


def speech(seconds=3.0, seed=0):
    """Noise in syllables: unlike a tone, it is like itself at one time alone."""
    rng, n = np.random.default_rng(seed), round(seconds * SR)
    syllables = np.sin(2 * np.pi * 2 * np.arange(n) / SR) ** 2
    return (0.1 * rng.standard_normal(n) * syllables).astype(np.float32)


def laid(take, *, late=0, gain=1.0, noise=0.01):
    around = np.random.default_rng(9).normal(0, noise, (2, take.size + 2 * REACH)).astype(np.float32)
    at = REACH + audio.samples(late, sr=SR)
    around[:, at : at + take.size] += np.float32(gain) * take
    return around


@settings(deadline=None, max_examples=20)
@given(late=st.integers(-1400, 1400), gain=st.floats(0.1, 4.0), seed=st.integers(0, 99))
def test_a_take_is_found_however_late_and_loud(late: int, gain: float, seed: int):
    take = speech(seed=seed)
    found = presence.find(take, laid(take, late=late, gain=gain, noise=0.005), sr=SR)
    assert found.lag == pytest.approx(late, abs=2)
    assert found.gone == 0
    assert found.likeness > 0.3


@pytest.mark.parametrize("late", range(-3, 4))
def test_a_take_that_is_off_by_a_millisecond_is_there(late):
    found = presence.find(speech(), laid(speech(), late=late), sr=SR)
    assert (found.lag, found.gone) == (late, 0)


def test_another_take_is_not_taken_for_this_one():
    assert presence.find(speech(seed=1), laid(speech(seed=2)), sr=SR).likeness < 0.1


@pytest.mark.parametrize("ms", [150, 300, 600])
def test_a_stretch_that_is_muted_is_gone(ms: int):
    take = speech(seconds=4)
    heard = take.copy()
    start = audio.samples(1070, sr=SR)
    heard[start : start + audio.samples(ms, sr=SR)] = 0
    found = presence.find(take, laid(heard), sr=SR)
    assert found.gone == pytest.approx(ms, abs=120)
    assert found.lag == 0


def test_silence_is_nowhere():
    assert presence.find(np.zeros(SR, np.float32), laid(speech(1.0)), sr=SR).likeness == 0.0
    assert presence.find(speech(1.0), laid(np.zeros(SR, np.float32), noise=0.0), sr=SR).likeness == 0.0


@pytest.mark.parametrize(("gain_db", "lost"), [(0, False), (-20, False), (-45, True), (-90, True)])
def test_a_bed_is_lost_below_its_least_gain(gain_db: float, lost: bool):
    bed = np.random.default_rng(0).normal(0, 0.05, (2, SR)).astype(np.float32)
    other = np.random.default_rng(1).normal(0, 0.0005, (2, SR)).astype(np.float32)
    rest = bed * np.float32(10 ** (gain_db / 20)) + other
    assert presence.is_lost(bed, rest, least_db=-30.0) is lost


def test_a_silent_bed_cannot_be_lost():
    silent = np.zeros((2, SR), np.float32)
    assert not presence.is_lost(silent, silent, least_db=-30.0)


def test_a_voice_is_taken_out_of_the_mix():
    take = speech()
    bed = np.random.default_rng(5).normal(0, 0.003, (2, take.size)).astype(np.float32)
    rest = presence.without(bed + np.float32(0.7) * take, take)
    assert audio.level_db(rest - bed) < audio.level_db(bed) - 20


@given(start=st.integers(0, 10**6), length=st.integers(0, 10**6))
def test_windows_cover_the_time_without_gaps(start: int, length: int):
    found = list(presence.windows(start, start + length, sr=SR))
    if found:
        assert (found[0][0], found[-1][1]) == (start, start + length)
        assert all(a[1] == b[0] for a, b in pairwise(found))
    else:
        assert length <= SR // 2
