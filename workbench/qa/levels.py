"""Levels of one dubbed line: the voice as it lies in the mix, what sounds with it, and the original.

Conventions
-----------
Levels are dB re full scale, rounded to 0.1 dB; times are integer ms. A sound is ``(channels, n)``, a
voice mono.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench import audio
from workbench.audio import Sound

FRAME = 20  # ms
FLAT = 3  # samples in a row at full scale and alike: a flat top
STEP = 2**-15  # of 16 bits: samples that differ by less are alike
PAUSE_DB = 30  # below the voice's own level: a pause


@dataclass(frozen=True)
class Levels:
    """What was measured in the sounds of one line."""

    length: int  # of the fitted voice, ms
    own_db: float  # the fitted voice by itself
    voice_db: float  # the voice as it lies in the dub
    rest_db: float  # everything else in the dub at that time
    source_db: float  # the original line
    pause: int  # longest silence between two words of the fitted voice, ms
    clipped: int  # flat tops at full scale, of the fitted voice and of the dub


def measure(voice: Sound, dub: Sound, source: Sound, *, sr: int, full_scale: float) -> Levels:
    """Measure one line.

    The voice's part in the dub is its least-squares projection onto each channel, so that music under
    it does not pass for speech.

    Parameters
    ----------
    voice : float32, shape (n,) or (1, n)
        The fitted take.
    dub : float32, shape (channels, n)
        The mix, from where the take was placed.
    source : float32, shape (channels, k)
        The original line.
    full_scale : float
        From which absolute value a sample counts as clipped, 0..1.
    """
    v = audio.mono(voice).astype(np.float64)
    mix = dub[:, : v.size].astype(np.float64)
    heard = v[: mix.shape[1]]
    energy = float(heard @ heard)
    gain = mix @ heard / energy if energy else np.zeros(len(mix))
    lift = float(np.mean(gain**2))
    own_db = audio.speech_level_db(voice, sr=sr)
    return Levels(
        length=audio.milliseconds(v.size, sr=sr),
        own_db=_rounded(own_db),
        voice_db=_rounded(max(-120.0, own_db + 10 * np.log10(lift)) if lift > 0 else -120.0),
        rest_db=_rounded(audio.level_db(mix - gain[:, None] * heard)),
        source_db=_rounded(audio.speech_level_db(source, sr=sr)),
        pause=longest_pause(voice, sr=sr),
        clipped=flat_tops(v, full_scale=full_scale) + flat_tops(mix, full_scale=full_scale),
    )


def longest_pause(voice: Sound, *, sr: int) -> int:
    """Return the longest time in ms between two sounds of a voice; 0 for silence."""
    power = audio.frame_powers(voice, sr=sr, frame=FRAME)
    floor = 10 ** ((audio.speech_level_db(voice, sr=sr) - PAUSE_DB) / 10)
    loud = np.flatnonzero(power > floor)
    return int(np.max(np.diff(loud) - 1, initial=0)) * FRAME


def flat_tops(y: npt.NDArray[Any], *, full_scale: float) -> int:
    """Return at how many places of ``(n,)`` or ``(channels, n)`` three samples are at full scale and alike.

    Sound that was resampled or stretched is flat no more. It is kept in floating point: a round peak of it
    above full scale is whole, and the mix brings it down.
    """
    sound = np.atleast_2d(y)
    if sound.shape[1] < FLAT:
        return 0
    near = np.lib.stride_tricks.sliding_window_view(sound, FLAT, axis=1)
    return int(np.sum((np.abs(near).min(axis=2) >= full_scale) & (np.ptp(near, axis=2) < STEP)))


def _rounded(db: float) -> float:
    return round(float(db), 1) + 0.0  # no negative zero
