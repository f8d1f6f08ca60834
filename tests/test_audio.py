import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import audio


@given(st.integers(0, 10**8), st.sampled_from([8000, 16000, 22050, 44100, 48000]))
def test_a_time_survives_the_way_through_samples(ms, sr):
    assert audio.milliseconds(audio.samples(ms, sr=sr), sr=sr) == ms


def test_mono_is_the_mean_and_leaves_mono_alone():
    y = np.array([[1.0, 0.0], [0.0, 0.0]], np.float32)
    assert audio.mono(y).tolist() == [0.5, 0.0]
    assert audio.mono(y[0]) is not None
    assert audio.mono(y[0]).shape == (2,)


def test_resampling_keeps_level_and_channels():
    t = np.arange(48000) / 48000
    y = np.stack([np.sin(2 * np.pi * 440 * t), np.zeros_like(t)]).astype(np.float32)
    z = audio.resample(y, sr=48000, to=16000)
    assert z.shape == (2, 16000)
    assert audio.level_db(z[0]) == pytest.approx(audio.level_db(y[0]), abs=0.05)
    assert audio.resample(y, sr=48000, to=48000) is y


def test_levels_have_a_floor():
    assert audio.level_db(np.zeros(10)) == -120.0
    assert audio.level_db(np.zeros(0)) == -120.0
