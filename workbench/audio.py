"""Arithmetic on sound: arrays in, arrays out.

Conventions
-----------
A sound is float32 of shape ``(channels, n)`` within ±1; speech for models is mono of shape ``(n,)``.
``sr`` is in Hz and always passed. Times are integer ms. Nothing here resamples unasked.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from workbench.content import address

Sound = npt.NDArray[np.float32]

BLOCK = 2**18  # samples; what is read at once of a long sound
GATE_DB = 10  # below the mean: the relative gate of ITU-R BS.1770-5


class Recording(Protocol):
    """Sound that is read piece by piece, so that memory does not grow with its length."""

    @property
    def sr(self) -> int:
        """The rate in Hz."""

    @property
    def channels(self) -> int:
        """How many channels."""

    @property
    def frames(self) -> int:
        """How long it is, in samples of one channel."""

    def read(self, start: int, stop: int) -> Sound:
        """Return samples `start` to `stop`, shape ``(channels, stop - start)``."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Clips of one voice, each of shape ``(n,)``, from which a synthesiser may imitate it."""

    clips: tuple[Sound, ...]
    sr: int  # Hz

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the rate and every sample."""
        content = hashlib.sha256(str(self.sr).encode())
        for clip in self.clips:
            content.update(str(clip.size).encode() + np.ascontiguousarray(clip).tobytes())
        return content.hexdigest()


class Keyed(Recording, Protocol):
    """A recording that can name what it holds, without reading it."""

    def key(self, start: int, stop: int) -> str:
        """Return a content address of samples `start` to `stop`: equal keys mean equal samples."""


class Kept(Protocol):
    """Small results kept by content address; a `dict` is one."""

    def get(self, key: str, /) -> bytes | None:
        """Return what is kept under a key, or `None`."""

    def __setitem__(self, key: str, value: bytes, /) -> None:
        """Keep something under a key."""


@dataclass(frozen=True, eq=False)
class Part:
    """Samples `start` to `stop` of a recording, zeros outside of it; read where they are needed."""

    recording: Keyed
    start: int
    stop: int

    @cached_property
    def y(self) -> Sound:
        """The samples, shape ``(channels, stop - start)``."""
        y = np.zeros((self.recording.channels, self.stop - self.start), np.float32)
        first, last = self._inside
        if first < last:
            y[:, first - self.start : last - self.start] = self.recording.read(first, last)
        return y

    def digest(self, *, kept: Kept) -> str:
        """Return a content address of the very samples, found in `kept` where they were read before."""
        first, last = self._inside
        known = self.recording.key(first, last) if first < last else ""
        key = address("part", known, first - self.start, self.stop - self.start)
        if (found := kept.get(key)) is None:
            content = hashlib.blake2b(np.ascontiguousarray(self.y).tobytes(), digest_size=16).hexdigest()
            kept[key] = found = address(self.y.shape, self.recording.sr, content).encode()
        return found.decode()

    @property
    def _inside(self) -> tuple[int, int]:
        return max(self.start, 0), min(self.stop, self.recording.frames)


def samples(ms: int, *, sr: int) -> int:
    """Return the index of the sample at a time: the nearest one, halves up."""
    return (2 * ms * sr + 1000) // 2000


def milliseconds(n: int, *, sr: int) -> int:
    """Return the time of a sample in ms: the nearest one, halves up."""
    return (2000 * n + sr) // (2 * sr)


def mono(y: Sound) -> Sound:
    """Return the mean of the channels, shape ``(n,)``."""
    return y if y.ndim == 1 else y.mean(axis=0, dtype=np.float32)


def resample(y: Sound, *, sr: int, to: int) -> Sound:
    """Return `y` at another rate, by soxr at its high quality; shape ``(..., n * to / sr)``."""
    if sr == to:
        return y
    import soxr

    return np.ascontiguousarray(soxr.resample(y.T, sr, to, quality="HQ").T, dtype=np.float32)


def level_db(y: npt.NDArray[Any], *, floor: float = -120.0) -> float:
    """Return the root mean square level in dB re full scale, no lower than `floor`."""
    power = float(np.mean(np.square(y, dtype=np.float64))) if y.size else 0.0
    return max(floor, 10 * math.log10(power)) if power > 0 else floor


def frame_powers(y: Sound, *, sr: int, frame: int = 20) -> npt.NDArray[np.float64]:
    """Return the mean power over all channels of each whole frame of `frame` ms; a rest is left out."""
    size = samples(frame, sr=sr)
    channels = np.atleast_2d(y)
    whole = channels[:, : channels.shape[1] // size * size].astype(np.float64)
    return np.asarray(np.square(whole).reshape(len(channels), -1, size).mean(axis=(0, 2)))


def speech_level_db(y: Sound, *, sr: int) -> float:
    """Return the level of speech without its pauses, shape ``(n,)`` or ``(channels, n)``.

    It is the mean power of the frames that lie at most 10 dB under the mean of all of them: the
    relative gate of ITU-R BS.1770-5, without that standard's weighting. -120 for silence.
    """
    power = frame_powers(y, sr=sr)
    if not power.any():
        return level_db(y)
    spoken = power[power >= power.mean() / 10 ** (GATE_DB / 10)]
    return float(10 * np.log10(spoken.mean()))
