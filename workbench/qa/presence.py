"""Is it in the mix: a take where it was placed, and the bed where it should sound.

Conventions
-----------
Sounds are float32, times integer ms, gains dB. A sound's part in another is its least-squares
projection onto it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt
from scipy import signal

from workbench import audio
from workbench.audio import Sound

Array = npt.NDArray[np.float64]

RATE = 8_000  # Hz; speech is told from speech far below its half
REACH = 1_500  # ms to both sides within which a take is looked for
FRAME = 20  # ms
FRAMES = 5  # over which a take's gain is measured
ACTIVE_DB = 20  # under the take's mean power: too soft to be looked for
GONE = 0.35  # of the take's usual gain: not there
AT_HOME = 0.9  # of the best match: as good where it was placed
BED_WINDOW = 1_000  # ms, about
BED_FREEDOM = 200  # independent samples in that window, at least
INAUDIBLE_DB = -60.0  # dB re full scale: no bed


@dataclass(frozen=True)
class Presence:
    """How a take lies in the mix."""

    lag: int  # ms by which it sounds later than it was placed
    gone: int  # longest stretch of its speech that is not in the mix, ms
    likeness: float  # correlation of the take and the mix there, -1..1


def find(take: Sound, around: Sound, *, sr: int) -> Presence:
    """Look for a take in the mix.

    Parameters
    ----------
    take : float32, shape (n,)
        The fitted take.
    around : float32, shape (channels, n + 2 * REACH)
        The mix from `REACH` ms before the take's place to `REACH` ms after its end; zeros where the
        film has no sound.
    """
    v, x = (_whitened(audio.resample(audio.mono(y), sr=sr, to=RATE)) for y in (take, around))
    if not v.any() or not x.any():
        return Presence(0, 0, 0.0)
    matches = signal.correlate(x, v, mode="valid", method="fft")
    home = audio.samples(REACH, sr=RATE)
    reach = matches[: 2 * home + 1]
    best = int(np.argmax(reach))
    near = slice(max(0, home - 8), home + 9)  # a resampler's edge is worth a millisecond
    if reach[near].max() >= AT_HOME * reach[best]:
        best = near.start + int(np.argmax(reach[near]))
    heard = x[best : best + v.size]
    v = v[: heard.size]
    norm = float(np.linalg.norm(v) * np.linalg.norm(heard))
    likeness = float(v @ heard) / norm if norm else 0.0
    lag = round((best - home) * 1000 / RATE)
    return Presence(lag, _gone(v, heard), round(likeness, 3))


def is_lost(bed: Sound, rest: Sound, *, least_db: float) -> bool:
    """Say whether a bed that is audible by itself is not in the rest of the mix.

    Parameters
    ----------
    bed, rest : float32, shape (channels, n)
        The bed, and the mix without its voices; about a second of both.
    least_db : float
        The bed's gain below which it counts as lost.
    """
    if audio.level_db(bed) <= INAUDIBLE_DB:
        return False
    b, r = (np.asarray(y, np.float64).ravel() for y in (bed, rest))
    energy = float(b @ b)
    error = float(np.sqrt((r @ r) / energy / BED_FREEDOM))
    return float(b @ r) / energy + 2 * error < 10 ** (least_db / 20)


def windows(start: int, stop: int, *, sr: int) -> Iterator[tuple[int, int]]:
    """Yield windows of about a second that cover the time between two samples; none where it is short."""
    count = round((stop - start) / audio.samples(BED_WINDOW, sr=sr))
    edges = np.linspace(start, stop, count + 1).astype(int).tolist() if count > 0 else []
    yield from pairwise(edges)


def without(mix: Sound, voice: Sound) -> Sound:
    """Return a mix, ``(channels, n)``, without a voice's part in it, ``(n,)``."""
    v = voice.astype(np.float64)
    energy = float(v @ v)
    if not energy:
        return mix
    gains = mix.astype(np.float64) @ v / energy
    return np.asarray(mix - gains[:, np.newaxis] * v, dtype=np.float32)


def _whitened(y: Sound) -> Array:
    """Return the first difference: speech and music are then less alike from sample to sample."""
    return np.diff(y.astype(np.float64), prepend=0.0)


def _gone(v: Array, heard: Array) -> int:
    size = audio.samples(FRAME, sr=RATE)
    count = v.size // size
    if count < FRAMES:
        return 0
    cut = slice(0, count * size)
    own = np.square(v[cut]).reshape(count, size).sum(axis=1)
    shared = (v[cut] * heard[cut]).reshape(count, size).sum(axis=1)
    ones = np.ones(FRAMES)
    near, common = np.convolve(own, ones, mode="same"), np.convolve(shared, ones, mode="same")
    active = own > own.mean() / 10 ** (ACTIVE_DB / 10)
    gains = np.divide(common, near, out=np.zeros(count), where=near > 0)
    usual = float(np.median(gains[active])) if active.any() else 0.0
    runs = groupby((gains[active] < GONE * usual).tolist())
    return FRAME * max((len(list(run)) for gone, run in runs if gone), default=0)
