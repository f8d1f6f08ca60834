"""Loudness and true peak by ITU-R BS.1770-4 and EBU R128, of parts of a sound and of the whole.

Conventions
-----------
Sounds are float32 ``(channels, n)``. Loudness is in LUFS, its range in LU, true peak in dBTP. What is
heard of a part depends on that part and a little around it alone, so that parts may be measured one by
one, in any order, and kept; memory does not grow with a sound's length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from workbench import audio, content
from workbench.audio import Kept, Keyed, Sound
from workbench.records import Loudness

Array = npt.NDArray[np.float64]

SURROUND = 1.41  # BS.1770-4, table 3
ABSOLUTE_GATE = -70.0  # LUFS
RELATIVE_GATE = -10.0  # LU, for the integrated loudness
RANGE_GATE = -20.0  # LU, EBU Tech 3342
STEP = 100  # ms; gating blocks of 400 ms overlap by three quarters
MOMENTARY, SHORT_TERM = 4, 30  # steps
PART = 5_000  # ms of a recording that are heard at once
SETTLING = 200  # ms before a part: by then, what the K filter rings with has fallen below 1e-20

# Two of the four phases of the interpolator of BS.1770-4, annex 2, there given as fractions of 8192; the
# other two are these, turned round.
PHASES = [
    [14, 90, -161, 272, -487, 1125, 7964, -838, 390, -218, 122, -68],
    [-239, 240, -424, 730, -1364, 3810, 6388, -1641, 832, -477, 271, -155],
]
TAPS = np.array([*PHASES, PHASES[1][::-1], PHASES[0][::-1]], np.float32) / np.float32(8192)
REACH = TAPS.shape[1] - 1  # samples that a true peak needs beside its own,
BEFORE = REACH // 2  # and how many of them come before it
WORST = float(np.abs(TAPS).sum(axis=1).max())  # no true peak is higher than this times a sample peak


def channel_weights(channels: int) -> Array:
    """Return the weight of each channel, shape ``(channels,)``, by BS.1770-4, table 3.

    From five channels on, the order is L R C (LFE) and then surrounds; the LFE counts for nothing.
    """
    weights = np.ones(channels)
    if channels >= 5:
        weights[3:] = SURROUND
    if channels >= 6:
        weights[3] = 0
    return weights


def k_weighting(sr: int) -> Array:
    """Return the K filter of BS.1770-4, annex 1, as second-order sections of shape ``(2, 6)``.

    The standard tabulates it for 48 kHz. These are the analogue prototypes behind that table, by the
    bilinear transform, so that other rates may be measured too.
    """
    k = np.tan(np.pi * 1681.974450955533 / sr)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k]
    shelf += [a0, 2 * (k * k - 1), 1 - k / q + k * k]
    k = np.tan(np.pi * 38.13547087602444 / sr)
    q = 0.5003270373238773
    b0 = 1 + k / q + k * k
    highpass = [1, -2, 1, 1, 2 * (k * k - 1) / b0, (1 - k / q + k * k) / b0]
    return np.array([np.divide(shelf, a0), highpass])


@dataclass(frozen=True)
class Heard:
    """What a meter heard of a part: the weighted power of its whole steps, and its highest true peak."""

    power: Array  # shape (steps,)
    peak: float  # linear

    def scaled(self, gain: float) -> Heard:
        """Return what it would have heard after a constant gain, given as a factor."""
        return Heard(self.power * gain**2, self.peak * gain)


def hear(y: Sound, *, sr: int, before: int = 0, after: int = 0) -> Heard:
    """Hear a sound, shape ``(channels, n)``, of which the first and last samples only surround it.

    `before` samples are for the filter to settle, `after` for a true peak over the end.
    """
    counted = np.flatnonzero(channel_weights(len(y)))
    kept = slice(before, y.shape[1] - after)
    weighted = signal.sosfilt(k_weighting(sr), y[counted].astype(np.float64))[:, kept]
    step = audio.samples(STEP, sr=sr)
    whole = weighted.shape[1] // step
    squares = weighted[:, : whole * step]
    np.square(squares, out=squares)
    power = channel_weights(len(y))[counted] @ squares.reshape(len(counted), whole, step).mean(axis=2)
    edges = (max(0, REACH - before), max(0, REACH - after))
    near = np.pad(y[:, max(0, before - REACH) :], ((0, 0), edges))
    highest = float(np.abs(y[:, kept]).max(initial=0))
    _, peaks = true_peaks(near, over=highest)
    return Heard(power, max(highest, float(peaks.max(initial=0))))


def hear_part(recording: Keyed, start: int, stop: int, *, kept: Kept) -> Heard:
    """Hear samples `start` to `stop` of a recording, or find in `kept` what was heard of them before."""
    first = max(0, start - audio.samples(SETTLING, sr=recording.sr))
    last = min(recording.frames, stop + REACH)
    key = content.address("heard", recording.key(first, last), start - first, last - stop)
    if (found := kept.get(key)) is None:
        y = recording.read(first, last)
        heard = hear(y, sr=recording.sr, before=start - first, after=last - stop)
        kept[key] = found = np.array([heard.peak, *heard.power]).tobytes()
    figures = np.frombuffer(found)
    return Heard(figures[1:], float(figures[0]))


def parts(recording: Keyed) -> list[tuple[int, int]]:
    """Return where the parts of a recording start and stop, in samples: whole steps, the last one less."""
    size = audio.samples(PART, sr=recording.sr)
    return [(start, min(start + size, recording.frames)) for start in range(0, recording.frames, size)]


def listen(recording: Keyed, *, kept: Kept) -> Iterator[Heard]:
    """Hear a recording, part by part."""
    for start, stop in parts(recording):
        yield hear_part(recording, start, stop, kept=kept)


def programme(heard: Iterable[Heard], *, gain_db: float = 0.0) -> Loudness:
    """Return the loudness of parts that follow each other, to hundredths. `gain_db` is only noted."""
    heard = list(heard)
    peak = max((part.peak for part in heard), default=0.0)
    return Loudness(
        _hundredths(integrated(heard)),
        _hundredths(20 * float(np.log10(peak)) if peak else None),
        _hundredths(loudness_range(heard)),
        round(gain_db, 2),
    )


def measure(y: Sound, *, sr: int) -> Loudness:
    """Return the loudness of a whole sound, shape ``(n,)`` or ``(channels, n)``.

    >>> tone = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000, dtype=np.float32)
    >>> round(measure(tone, sr=48000).integrated_lufs, 1)  # at full scale; BS.1770-4, annex 1
    -3.0
    """
    return programme([hear(np.atleast_2d(y), sr=sr)])


def true_peaks(y: Sound, *, over: float) -> tuple[npt.NDArray[np.intp], Sound]:
    """Return where, between one sample and the next, the true peak is over a level, and how high it is.

    From ``(channels, n)``, four times oversampled by the interpolator of BS.1770-4, annex 2, which hears
    five samples before and six after: these get no peak at the ends of `y`. Only the neighbourhood of
    samples that may lead to such a peak is looked at. Sums run in one order, so that a peak is the same
    wherever a block begins.
    """
    n = y.shape[1] - REACH
    loud = np.flatnonzero(np.abs(y).max(axis=0) * np.float32(WORST) > over)
    near = np.zeros(y.shape[1] + REACH, bool)
    for shift in range(TAPS.shape[1]):
        near[loud + shift] = True
    at = np.flatnonzero(near[REACH : REACH + n])
    highest = np.abs(y[:, at + BEFORE]).max(axis=0, initial=0)
    between = np.zeros((len(TAPS), len(y), len(at)), np.float32)
    for tap, shifted in zip(TAPS.T, (y[:, at + i] for i in range(TAPS.shape[1])), strict=True):
        between += tap[:, np.newaxis, np.newaxis] * shifted
    highest = np.maximum(highest, np.abs(between).max(axis=(0, 1), initial=0))
    found = highest > over
    return at[found] + BEFORE, highest[found]


def integrated(heard: Iterable[Heard]) -> float | None:
    """Return the gated loudness of parts that follow each other; BS.1770-4, equations 3 to 7."""
    loud = _windows(heard, MOMENTARY)
    if not loud.size:
        return None
    gate = _lufs(loud.mean()) + RELATIVE_GATE
    return float(_lufs(loud[_lufs(loud) > gate].mean()))


def loudness_range(heard: Iterable[Heard]) -> float | None:
    """Return the loudness range of parts that follow each other; EBU Tech 3342."""
    loud = _windows(heard, SHORT_TERM)
    if not loud.size:
        return None
    levels = _lufs(loud)
    low, high = np.percentile(levels[levels > _lufs(loud.mean()) + RANGE_GATE], [10, 95])
    return float(high - low)


def _windows(heard: Iterable[Heard], steps: int) -> Array:
    """Return the mean power of each run of `steps` steps that is over the absolute gate."""
    power = np.concatenate([np.zeros(0), *(part.power for part in heard)])
    if power.size < steps:
        return np.zeros(0)
    means: Array = np.lib.stride_tricks.sliding_window_view(power, steps).mean(axis=1)
    return means[_lufs(means) > ABSOLUTE_GATE]


def _lufs(power: Array) -> Array:
    """Return the loudness of weighted mean powers; BS.1770-4, equation 2."""
    with np.errstate(divide="ignore"):
        return -0.691 + 10 * np.log10(power)


def _hundredths(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
