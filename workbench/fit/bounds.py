"""What bounds each take, and the exact repair that keeps whole milliseconds within it.

Conventions
-----------
Lines stand in the order in which their takes start. A take that lies inside another line of the source
stays inside, where it can be played in its own time; else it waits for the end of that line. Time and
memory grow with the number of lines and of their overlaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from workbench.errors import SpeechError
from workbench.fit import timing
from workbench.records import Segment, Take

Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bounds:
    """What bounds each take; ms, in the order in which the takes start."""

    lines: list[Segment]
    anchor: Times  # where the take wants to start
    spoken: Times  # how long it is
    briefest: Times  # how long it is at the last resort
    permitted: Times  # how long it is at the fastest permitted tempo
    longest: Times  # how long it may be played; inside another line, as its own line
    first: Times  # pairs of lines: the earlier …
    second: Times  # … and the later, sorted by the later …
    apart: Times  # … and the ms from the end of the one to the start of the other, at least
    earliest: Times  # first start that leaves the lines before it their briefest
    latest: Times  # last start that leaves the lines after it their briefest
    latest_end: Times

    def acts(self, *, silence: int, head: int, lines: int) -> Iterator[Bounds]:
        """Yield parts of at least so many lines, between which the source is silent for so many ms.

        Each is a problem of its own: its takes end `head` ms before the next part, unless that needs more
        than the last resort.
        """
        source = np.array([line.end - line.start for line in self.lines], dtype=np.int64)
        reached = np.maximum.accumulate(self.anchor + source)
        cuts = [0]
        for k in (np.flatnonzero(self.anchor[1:] - reached[:-1] >= silence) + 1).tolist():
            if k - cuts[-1] >= lines:
                cuts.append(k)
        for start, stop in pairwise([*cuts, self.anchor.size]):
            until = int(self.latest_end[stop - 1])
            if stop < self.anchor.size:
                brief_end = int((self.earliest + self.briefest)[start:stop].max())
                until = max(brief_end, min(until, int(self.anchor[stop]) - head))
            yield self._part(slice(start, stop), until=until)

    def _part(self, part: slice, *, until: int) -> Bounds:
        held = (self.first >= part.start) & (self.second < part.stop)
        first, second, apart = self.first[held] - part.start, self.second[held] - part.start, self.apart[held]
        latest, latest_end = _latest(self.briefest[part], first, second, apart, until=until)
        return Bounds(
            lines=self.lines[part],
            anchor=self.anchor[part],
            spoken=self.spoken[part],
            briefest=self.briefest[part],
            permitted=self.permitted[part],
            longest=self.longest[part],
            first=first,
            second=second,
            apart=apart,
            earliest=self.earliest[part],
            latest=latest,
            latest_end=latest_end,
        )

    def repair(self, starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64]) -> tuple[Times, Times]:
        """Return whole ms that keep every bound, and are nearest where `starts` and `ends` keep them.

        All bounds are whole differences of two times, so that rounding breaks none of them; this mends
        what the solver's tolerance and the seams between parts left. A take that is a ms off its own length
        gets it, and is played as it was spoken.
        """
        start = np.clip(np.floor(starts + 0.5).astype(np.int64), self.earliest, self.latest)
        end = np.floor(ends + 0.5).astype(np.int64)
        at = np.searchsorted(self.second, np.arange(len(self.lines) + 1))
        for j in range(start.size):
            if j:
                pairs = slice(at[j], at[j + 1])
                behind = end[self.first[pairs]] + self.apart[pairs]
                start[j] = max(start[j], start[j - 1], behind.max(initial=0))
            if abs(end[j] - start[j] - self.spoken[j]) <= 1:
                end[j] = start[j] + self.spoken[j]
            most = min(start[j] + self.longest[j], self.latest_end[j])
            end[j] = max(min(end[j], most), start[j] + self.briefest[j])
        return start, end


def bounds(
    lines: Sequence[Segment],
    takes: Sequence[Take],
    *,
    duration: int,
    min_gap: int,
    tempo: tuple[float, float, float],
) -> Bounds:
    """Return the bounds of one take a line, in a film of `duration` ms.

    Parameters
    ----------
    lines : sequence of Segment
        As `timing.ordered` puts them.
    min_gap : int
        Silence kept between two lines, ms, unless the source has less.
    tempo : tuple of float
        The slowest permitted, the fastest permitted and the last resort.

    Raises
    ------
    SpeechError
        Naming the first line that the film has no time to speak, even if all are played at the last resort.
    """
    slowest, fastest, last_resort = tempo
    spoken = np.array([take.duration for take in takes], dtype=np.int64)
    briefest = np.ceil(spoken / last_resort).astype(np.int64)
    longest = np.maximum(np.floor(spoken / slowest).astype(np.int64), spoken)
    own = np.array([line.end - line.start for line in lines], dtype=np.int64)
    anchor = np.array([line.start for line in lines], dtype=np.int64)
    stays = np.zeros(len(lines), dtype=np.bool_)
    for i, j in timing.overlaps(lines):
        if timing.inside(lines[j], lines[i]):
            if briefest[j] <= own[j]:
                stays[j], longest[j] = True, min(longest[j], own[j])
            else:
                anchor[j] = max(anchor[j], lines[i].end - own[j])
    reached: dict[str, int] = {}
    for j, line in enumerate(lines):
        anchor[j] = reached[line.speaker] = max(int(anchor[j]), reached.get(line.speaker, 0))
    order = np.argsort(anchor, kind="stable")
    lines, stays = [lines[k] for k in order], stays[order]
    spoken, briefest, longest = spoken[order], briefest[order], longest[order]
    first, second, apart = _pairs(lines, stays, min_gap=min_gap)
    earliest = _earliest(briefest, first, second, apart)
    late = np.flatnonzero(earliest + briefest > duration)
    if late.size:
        k = int(late[0])
        raise SpeechError(
            f"place {lines[k].id}",
            f"it needs {briefest[k]} ms at the fastest and may have {max(0, duration - int(earliest[k]))} ms",
            "Shorten its translation, or raise last_resort in params/fit.yaml.",
        )
    latest, latest_end = _latest(briefest, first, second, apart, until=duration)
    return Bounds(
        lines=lines,
        anchor=anchor[order],
        spoken=spoken,
        briefest=briefest,
        permitted=np.ceil(spoken / fastest).astype(np.int64),
        longest=longest,
        first=first,
        second=second,
        apart=apart,
        earliest=earliest,
        latest=latest,
        latest_end=latest_end,
    )


def _pairs(
    lines: Sequence[Segment], stays: npt.NDArray[np.bool_], *, min_gap: int
) -> tuple[Times, Times, Times]:
    """Return which lines bind which later ones, and by how many ms; the order of starts does the rest."""
    found = []
    for i, line in enumerate(lines):
        for j in range(i + 1, len(lines)):
            if stays[j] and timing.inside(lines[j], line):
                continue
            apart = timing.separation(line, lines[j], min_gap=min_gap)
            found.append((j, i, apart))
            if apart >= min_gap:
                break
    pairs = np.array(sorted(found), dtype=np.int64).reshape(-1, 3)
    return pairs[:, 1], pairs[:, 0], pairs[:, 2]


def _earliest(briefest: Times, first: Times, second: Times, apart: Times) -> Times:
    starts = np.zeros_like(briefest)
    at = np.searchsorted(second, np.arange(briefest.size + 1))
    for j in range(1, starts.size):
        pairs = slice(at[j], at[j + 1])
        before = first[pairs]
        behind = (starts[before] + briefest[before] + apart[pairs]).max(initial=0)
        starts[j] = max(starts[j - 1], behind)
    return starts


def _latest(briefest: Times, first: Times, second: Times, apart: Times, *, until: int) -> tuple[Times, Times]:
    ends = np.full_like(briefest, until)
    starts = np.zeros_like(briefest)
    at = np.searchsorted(second, np.arange(briefest.size + 1))
    following = until
    for j in reversed(range(briefest.size)):
        starts[j] = following = min(following, int(ends[j] - briefest[j]))
        pairs = slice(at[j], at[j + 1])
        np.minimum.at(ends, first[pairs], following - apart[pairs])
    return starts, ends
