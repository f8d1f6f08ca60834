"""Bed and lines together, before any loudness gain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workbench import audio, content
from workbench.audio import Keyed, Sound
from workbench.mix.bed import Duck
from workbench.mix.options import Options
from workbench.mix.speech import Line, front

Spans = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Mix:
    """The bed, ducked, with the lines over it.

    `takes` holds the sound of each segment's take, mono at the bed's rate; what of it (a room's echo)
    would sound after the film's end is not heard. Ducks of one depth are far enough apart for a fall and
    a rise between them, as `ducks` makes them.
    """

    bed: Keyed
    lines: Sequence[Line]
    takes: Mapping[str, Keyed]
    ducks: Sequence[Duck]
    opts: Options

    @property
    def sr(self) -> int:
        """The bed's rate in Hz."""
        return self.bed.sr

    @property
    def channels(self) -> int:
        """The bed's channels."""
        return self.bed.channels

    @property
    def frames(self) -> int:
        """The bed's length."""
        return self.bed.frames

    def read(self, start: int, stop: int) -> Sound:
        """Return samples `start` to `stop`, shape ``(channels, stop - start)``."""
        y = self.bed.read(start, stop).copy()
        before, after = self._slopes
        for duck in self._ducks_near(start, stop):
            low = np.broadcast_to(_linear(duck.gain_db), duck.stop - duck.start)
            _multiply(y, _fall(before, duck.gain_db), at=duck.start - before - start)
            _multiply(y, low, at=duck.start - start)
            _multiply(y, _fall(after, duck.gain_db)[::-1], at=duck.stop - start)
        for line, first, last in self._lines_near(start, stop):
            take = self.takes[line.segment].read(first - line.start, last - line.start)
            y[front(self.channels), first - start : last - start] += take * _linear(line.gain_db)
        return y

    def key(self, start: int, stop: int) -> str:
        """Return a content address of samples `start` to `stop`."""
        return content.address(
            "mix",
            self.bed.key(start, stop),
            self._slopes,
            [
                (max(duck.start - start, 0), min(duck.stop, stop) - start, duck.gain_db)
                for duck in self._ducks_near(start, stop)
            ],
            [
                (
                    first - start,
                    self.takes[line.segment].key(first - line.start, last - line.start),
                    line.gain_db,
                )
                for line, first, last in self._lines_near(start, stop)
            ],
        )

    @cached_property
    def _slopes(self) -> tuple[int, int]:
        """How many samples the bed takes to fall before a duck, and to rise after it."""
        before, after = (self.opts.duck_attack, self.opts.duck_release)
        return audio.samples(before, sr=self.sr), audio.samples(after, sr=self.sr)

    @cached_property
    def _heard(self) -> Spans:
        """Where each line's take is heard, shape ``(lines, 2)``."""
        spans = [(line.start, line.start + self.takes[line.segment].frames) for line in self.lines]
        return np.array(spans, np.int64).reshape(-1, 2)

    @cached_property
    def _ducked(self) -> Spans:
        """Where each duck is heard, its slopes included, shape ``(ducks, 2)``."""
        before, after = self._slopes
        spans = [(duck.start - before, duck.stop + after) for duck in self.ducks]
        return np.array(spans, np.int64).reshape(-1, 2)

    def _ducks_near(self, start: int, stop: int) -> Iterator[Duck]:
        for index in _over(self._ducked, start, stop):
            yield self.ducks[index]

    def _lines_near(self, start: int, stop: int) -> Iterator[tuple[Line, int, int]]:
        """Yield the lines that are heard between two samples, and from where to where."""
        for index in _over(self._heard, start, stop):
            first, last = self._heard[index].tolist()
            yield self.lines[index], max(start, first), min(stop, last)


def _over(spans: Spans, start: int, stop: int) -> Sequence[int]:
    """Return which spans lie, at least in part, between two samples."""
    over: list[int] = np.flatnonzero((spans[:, 0] < stop) & (spans[:, 1] > start)).tolist()
    return over


def _fall(n: int, gain_db: float) -> Sound:
    """Return a gain that falls from 1 towards `gain_db` over `n` samples, straight in decibels."""
    return (10 ** (gain_db / 20 * np.arange(1, n + 1) / (n + 1))).astype(np.float32)


def _linear(gain_db: float) -> np.float32:
    return np.float32(10 ** (gain_db / 20))


def _multiply(y: Sound, gain: Sound, *, at: int) -> None:
    """Multiply `y` by a gain from sample `at` on, as far as that lies within it."""
    start, stop = max(at, 0), min(at + len(gain), y.shape[1])
    if start < stop:
        y[:, start:stop] *= gain[start - at : stop - at]
