"""Hear a take against a yardstick: the same text read by a voice that is known to say all of it.

It stands in where no recogniser knows the language. Both sounds become mel cepstra without their
pauses, and are aligned by dynamic time warping (Sakoe and Chiba, 1978) that may also leave frames of
either side unmatched, at a price. A stretch of the yardstick that nothing matches is a word lost.

Conventions
-----------
Sounds are mono float32 ``(n,)``; times are integer ms of speech without its pauses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
import numpy.typing as npt

from workbench import audio
from workbench.audio import Sound
from workbench.records import EngineVoice

RATE = 16_000  # Hz
HOP = 10  # ms
WINDOW = 25  # ms
QUIET_DB = 38  # under the loudest frame: a pause
CEPSTRA = 13
GAP = 0.6  # price of an unmatched frame; a pair that fits costs about 0.3, one that does not 1.0
STEPS = np.array([[1, 1], [1, 2], [2, 1], [1, 0], [0, 1]])
FACTORS = np.array([1.0, 1.5, 1.5, 0.0, 0.0])
PRICES = np.array([0.0, 0.0, 0.0, GAP, GAP])


class Reader(Protocol):
    """Reads a text aloud, as every `tts.Synthesizer` does."""

    name: str

    def voices(self, language: str) -> Sequence[EngineVoice]:
        """Return the voices for a language; raises `LanguageError` for one it does not speak."""

    def speak(self, text: str, *, voice: str, language: str, rate: float, seed: int) -> tuple[Sound, int]:
        """Return a mono sound of shape ``(n,)`` and its rate in Hz."""


@dataclass(frozen=True)
class Comparison:
    """What a take has and its yardstick has not, and the other way round."""

    lost: int  # longest stretch of the yardstick that the take lacks, ms
    start: float  # where in the yardstick's speech it begins and ends, 0..1
    end: float
    added: int  # longest stretch of the take that the yardstick lacks, ms
    apart: float  # share of both that nothing matches, 0..1
    engine: str  # whose reading it is


def compare(take: Sound, text: str, *, sr: int, language: str, reader: Reader) -> Comparison:
    """Return how a take differs from a reading of its text, by the likest of two voices.

    They are the reader's first voice of each sex. Raises what the reader raises.
    """
    voices = {voice.sex: voice.name for voice in reversed(reader.voices(language))}
    heard = audio.resample(take, sr=sr, to=RATE)
    found = []
    for voice in voices.values():
        reading, rate = reader.speak(text, voice=voice, language=language, rate=1.0, seed=0)
        read = audio.resample(reading, sr=rate, to=RATE)
        found.append(align(read, heard, sr=RATE, engine=reader.name))
    return min(found, key=lambda one: (one.apart, one.lost))


def align(reading: Sound, take: Sound, *, sr: int, engine: str) -> Comparison:
    """Return how a take differs from a reading of the same text. Nothing of silence matches anything."""
    import librosa
    from scipy.spatial.distance import cdist

    rows, columns = cepstra(reading, sr=sr), cepstra(take, sr=sr)
    if not rows.size or not columns.size:
        return Comparison(HOP * len(rows), 0.0, 1.0, HOP * len(columns), 1.0, engine)
    costs = cdist(rows, columns) / np.sqrt(rows.shape[1])
    _, path = librosa.sequence.dtw(
        C=costs, step_sizes_sigma=STEPS, weights_mul=FACTORS, weights_add=PRICES, backtrack=True
    )
    path = path[::-1]
    down, across = np.diff(path, axis=0).T
    lost, added = _longest(across == 0), _longest(down == 0)
    start, end = (float(path[at, 0]) / len(rows) for at in lost)
    apart = float(np.mean((across == 0) | (down == 0))) if len(down) else 1.0
    return Comparison(
        lost=HOP * (lost[1] - lost[0]),
        start=round(start, 3),
        end=round(end, 3),
        added=HOP * (added[1] - added[0]),
        apart=round(apart, 3),
        engine=engine,
    )


def cepstra(y: Sound, *, sr: int) -> npt.NDArray[np.float32]:
    """Return mel cepstra and their slopes, ``(frames, 26)``, each of mean 0 and variance 1, no pauses."""
    import librosa

    hop, window = audio.samples(HOP, sr=sr), audio.samples(WINDOW, sr=sr)
    if y.size < 12 * hop or not y.any():  # the slopes are over nine frames
        return np.zeros((0, 2 * CEPSTRA), np.float32)
    found = librosa.feature.mfcc(
        y=y, sr=sr, n_mfcc=CEPSTRA + 1, hop_length=hop, n_fft=512, win_length=window, n_mels=40, fmin=60
    )[1:]
    level = librosa.feature.rms(y=y, frame_length=window, hop_length=hop)[0, : found.shape[1]]
    both = np.vstack([found, librosa.feature.delta(found, width=9)])
    both = both[:, level > level.max() * 10 ** (-QUIET_DB / 20)]
    spread = both.std(axis=1, keepdims=True)
    scaled = (both - both.mean(axis=1, keepdims=True)) / np.maximum(spread, np.float32(1e-6))
    return np.ascontiguousarray(scaled.T, dtype=np.float32)


def _longest(mask: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return start and stop of the longest run of `True`."""
    best, at = (0, 0), 0
    for held, run in groupby(mask.tolist()):
        length = len(list(run))
        if held and length > best[1] - best[0]:
            best = (at, at + length)
        at += length
    return best
