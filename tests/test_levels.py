"""Levels of a voice by itself, in a mix, and against an original."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import episodes
from workbench import audio
from workbench.qa import levels

SR = episodes.SR


def test_a_voice_is_measured_in_the_mix_as_loud_as_it_was_laid_there():
    voice = episodes.voice(2000)
    noise = np.random.default_rng(0).normal(0, 0.02, (2, voice.size)).astype(np.float32)
    measured = levels.measure(voice, noise + voice * np.float32(0.5), noise, sr=SR, full_scale=0.999)
    assert measured.voice_db == pytest.approx(measured.own_db - 6.02, abs=0.3)
    assert measured.rest_db == pytest.approx(20 * np.log10(0.02), abs=0.3)
    assert measured.length == 2000


def test_what_is_not_in_the_mix_is_far_below_it():
    voice = episodes.voice(2000)
    noise = np.random.default_rng(0).normal(0, 0.2, (2, voice.size)).astype(np.float32)
    measured = levels.measure(voice, noise, noise, sr=SR, full_scale=0.999)
    assert measured.voice_db < measured.rest_db - 20


def test_a_voice_in_one_channel_of_six_is_found():
    voice = episodes.voice(1000)
    mix = np.zeros((6, voice.size), np.float32)
    mix[2] = voice
    measured = levels.measure(voice, mix, mix, sr=SR, full_scale=0.999)
    assert measured.voice_db == pytest.approx(measured.source_db, abs=0.2)


def test_pauses_do_not_make_speech_softer():
    voice = episodes.voice(2000)
    paused = np.concatenate([voice, np.zeros(3 * SR, np.float32), voice])
    whole = audio.speech_level_db(voice, sr=SR)
    assert audio.speech_level_db(paused, sr=SR) == pytest.approx(whole, abs=1.5)
    assert levels.longest_pause(paused, sr=SR) == pytest.approx(3000, abs=60)


def test_silence_at_the_ends_is_no_pause():
    edge = np.zeros(SR, np.float32)
    voice = np.full(SR, 0.1, np.float32)
    assert levels.longest_pause(np.concatenate([edge, voice, edge]), sr=SR) == 0


@given(n=st.integers(0, 700), m=st.integers(0, 700), channels=st.integers(1, 6))
def test_any_length_can_be_measured(n: int, m: int, channels: int):
    voice, mix = np.zeros(n, np.float32), np.zeros((channels, m), np.float32)
    measured = levels.measure(voice, mix, mix, sr=SR, full_scale=0.999)
    assert measured.voice_db == measured.own_db == -120.0
    assert measured.pause == 0


@pytest.mark.parametrize("hz", [60, 110, 440])
def test_a_round_peak_above_full_scale_is_whole_and_a_flat_one_is_clipped(hz):
    wave = np.sin(2 * np.pi * hz * np.arange(48_000) / 48_000).astype(np.float32)
    quiet = np.zeros((2, wave.size), np.float32)

    def clipped(voice):
        return levels.measure(voice, quiet, quiet, sr=48_000, full_scale=0.999).clipped

    assert clipped(1.2 * wave) == 0
    assert clipped(np.clip(1.2 * wave, -1, 1)) > 100
    assert clipped(np.round(np.clip(1.2 * wave, -1, 1) * 32767) / np.float32(32768)) > 100
