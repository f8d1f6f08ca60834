"""The speech detector, on sounds whose speech is known."""

import shutil
import subprocess

import numpy as np
import pytest

from workbench import activity
from workbench.engines.silero import LEAD, Silero

SR = 16000


@pytest.fixture(scope="module")
def sentence():
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    done = subprocess.run(
        [
            "flite",
            "-voice",
            "rms",
            "-t",
            "Good morning, it is nice to see you here again.",
            "-o",
            "/dev/stdout",
        ],
        check=True,
        capture_output=True,
    )
    return np.frombuffer(done.stdout[44:], "<i2").astype(np.float32) / 32768


def silero(**changes):
    return Silero(
        Silero.Options(**{"threshold": 0.35, "min_speech": 100, "min_silence": 300, **changes}), given=None
    )


def silence(seconds):
    return np.zeros(int(seconds * SR), np.float32)


def test_it_needs_nothing_but_its_wheel():
    assert Silero.missing(Silero.Options(0.35, 100, 300)) is None


@pytest.mark.parametrize("samples", [0, 1, 511, 512, 3200, SR])
def test_there_is_no_speech_in_silence_of_any_length(samples):
    assert silero().spans(np.zeros(samples, np.float32), sr=SR) == []


def test_a_sound_of_a_fifth_of_a_second_is_judged(sentence):
    found = silero(min_speech=0).spans(sentence[SR : SR + SR // 5], sr=SR)
    assert found
    assert all(0 <= start < end <= 200 for start, end in found)


def test_speech_between_silences_is_found_where_it_is(sentence):
    y = np.concatenate([silence(2), sentence, silence(1.5), sentence, silence(1)])
    first, second = 2000, 2000 + len(sentence) // 16 + 1500
    length = len(sentence) // 16
    found = silero().spans(y, sr=SR)
    truth = [(first, first + length), (second, second + length)]
    hit = activity.duration(activity.intersection(found, truth))
    assert hit >= 0.85 * activity.duration(truth)
    assert activity.duration(found) - hit <= 0.05 * activity.duration(truth)


def test_the_sound_is_left_as_it_was(sentence):
    before = sentence.copy()
    silero().spans(sentence, sr=SR)
    assert np.array_equal(sentence, before)


def test_a_long_sound_is_judged_in_stretches_as_it_would_be_whole(sentence, monkeypatch):
    y = np.tile(np.concatenate([silence(0.9), sentence]), 8)
    whole = silero().spans(y, sr=SR)
    monkeypatch.setattr("workbench.engines.silero.STRETCH", LEAD)
    stretches = silero().spans(y, sr=SR)
    assert len(whole) == len(stretches) >= 8
    assert np.abs(np.array(whole) - np.array(stretches)).max() <= 64


def test_short_speech_and_short_silence_are_settled_by_the_options(sentence):
    y = np.concatenate([sentence, silence(0.6), sentence])
    assert len(silero(min_silence=2000).spans(y, sr=SR)) == 1
    assert silero(min_speech=60_000).spans(y, sr=SR) == []


def test_a_sound_of_another_rate_gives_the_same_times(sentence):
    from workbench import audio

    y = np.concatenate([silence(1), sentence, silence(1)])
    wide = audio.resample(y, sr=SR, to=48000)
    here, there = silero().spans(y, sr=SR), silero().spans(wide, sr=48000)
    assert len(here) == len(there) >= 1
    assert np.abs(np.array(here) - np.array(there)).max() <= 64
