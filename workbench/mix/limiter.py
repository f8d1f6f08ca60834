"""A gain, and a limiter that looks ahead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench import audio, content
from workbench.audio import Keyed, Sound
from workbench.loudness import BEFORE, REACH, WORST, true_peaks

CELL = 16  # samples; the limiter's gain is straight within each, and no true peak reaches over two


@dataclass(frozen=True)
class Limited:
    """A recording after a gain, its true peak held under a ceiling by a gain that looks ahead.

    Around each peak the gain falls along a cosine over `attack` ms, stays, and rises over `release` ms;
    where such curves meet, the lowest holds. Sound that keeps below the ceiling gets the gain alone.
    Cells are counted from the recording's start, so that a sample is the same however it is read.
    """

    source: Keyed
    gain_db: float
    ceiling_db: float
    attack: int
    release: int

    @property
    def sr(self) -> int:
        """The rate in Hz."""
        return self.source.sr

    @property
    def channels(self) -> int:
        """How many channels."""
        return self.source.channels

    @property
    def frames(self) -> int:
        """How long it is, in samples of one channel."""
        return self.source.frames

    @property
    def gain(self) -> float:
        """The gain as a factor."""
        return float(10 ** (self.gain_db / 20))

    @property
    def ceiling(self) -> float:
        """The ceiling as a linear peak."""
        return float(10 ** (self.ceiling_db / 20))

    def read(self, start: int, stop: int) -> Sound:
        """Return samples `start` to `stop`, shape ``(channels, stop - start)``."""
        first, last = self._around(start, stop)
        y = self.source.read(first, last) * np.float32(self.gain)
        if np.abs(y).max(initial=0) * WORST > self.ceiling:
            y *= self._curve(y)
        return np.asarray(y)[:, start - first : stop - first]

    def key(self, start: int, stop: int) -> str:
        """Return a content address of samples `start` to `stop`."""
        first, last = self._around(start, stop)
        how = (self.gain_db, self.ceiling_db, self.attack, self.release)
        return content.address("limited", how, start - first, stop - first, self.source.key(first, last))

    @cached_property
    def _slopes(self) -> tuple[Sound, Sound]:
        """How much of a cell's limiting holds at the edges of the cells before and after it."""
        rise, fall = (-(-audio.samples(ms, sr=self.sr) // CELL) for ms in (self.attack, self.release))
        return _cosine(rise), _cosine(fall)[::-1]

    def _around(self, start: int, stop: int) -> tuple[int, int]:
        """Return the cells, in samples, that decide on samples `start` to `stop`."""
        margin = CELL * (sum(map(len, self._slopes)) + 6)
        return max(0, start // CELL * CELL - margin), min(self.frames, -(-stop // CELL) * CELL + margin)

    def _curve(self, y: Sound) -> Sound:
        """Return the limiter's gain, shape ``(n,)``, of a sound that begins with a cell."""
        cells = -(-y.shape[1] // CELL)
        excess = np.zeros(cells, np.float32)  # how far below 1 the gain is to be in each cell
        at, peaks = true_peaks(np.pad(y, ((0, 0), (BEFORE, REACH - BEFORE))), over=self.ceiling)
        np.maximum.at(excess, (at - BEFORE) // CELL, (1 - self.ceiling / peaks).astype(np.float32))
        rise, fall = self._slopes
        depths = np.concatenate([rise, np.ones(4, np.float32), fall])
        padded = np.pad(excess, (len(depths), len(depths)))
        lowered = np.zeros(cells + 1, np.float32)  # the same at the edges of cells, slopes included
        for lag, depth in enumerate(depths, start=-1 - len(rise)):
            begin = len(depths) - lag
            np.maximum(lowered, depth * padded[begin : begin + cells + 1], out=lowered)
        straight = np.arange(CELL, dtype=np.float32) / CELL
        curve = 1 - (lowered[:-1, np.newaxis] + np.diff(lowered)[:, np.newaxis] * straight)
        return np.asarray(curve.ravel()[: y.shape[1]], np.float32)


def _cosine(n: int) -> Sound:
    """Return a smooth rise from 0 to 1 over `n` points."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n)).astype(np.float32)
