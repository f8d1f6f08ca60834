"""How much room each line has: its own time, and the silence around it up to the next line.

Conventions
-----------
Lines stand in order of start; of two that start together the longer comes first. A line is *inside*
another when the other lasts from before its start until after its end. Where two source lines overlap,
their takes may overlap for as long and no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from workbench.activity import Span
from workbench.records import Segment


@dataclass(frozen=True)
class Options:
    """``params/timing.yaml``; all in ms."""

    max_early: int  # how far before its source line a take may start
    max_late: int  # how far after its source line a take may end
    min_gap: int  # silence kept between two lines, unless the source has less


def ordered(segments: Iterable[Segment]) -> list[Segment]:
    """Return the lines in order of start, the longer first where two start together."""
    return sorted(segments, key=lambda line: (line.start, -line.end, line.id))


def separation(line: Segment, later: Segment, *, min_gap: int) -> int:
    """Return the ms between the end of a line's take and the start of a later line's, at least.

    Negative where the source lines overlap: by so much may the takes overlap.

    >>> separation(Segment("a", 0, 900, "A", ""), Segment("b", 800, 2000, "B", ""), min_gap=80)
    -100
    """
    gap = later.start - line.end
    if gap >= 0:
        return min(gap, min_gap)
    return -max(0, min(line.end, later.end) - max(line.start, later.start))


def inside(line: Segment, other: Segment) -> bool:
    """Return whether a line lies inside another, which comes first."""
    return other.start <= line.start < other.end and line.end <= other.end


def overlaps(lines: Sequence[Segment]) -> Iterator[tuple[int, int]]:
    """Yield the index of each two lines that overlap, the earlier one first; `lines` are ordered."""
    speaking: list[int] = []
    for j, line in enumerate(lines):
        speaking = [i for i in speaking if lines[i].end > line.start]
        yield from ((i, j) for i in speaking)
        speaking.append(j)


def rooms(segments: Iterable[Segment], *, duration: int, opts: Options) -> dict[str, Span]:
    """Return each line's room by its id: earliest start and latest end within a film of `duration` ms.

    A room is the line's own time and the silence around it, as far as `opts` allow and up to the
    neighbours, whoever speaks them. The silence between two lines belongs to the rooms of both. A line
    inside another has its own time alone.
    """
    lines, room = ordered(segments), {}
    reached = -opts.min_gap  # the latest end so far, so that the first room may start at 0
    for index, line in enumerate(lines):
        if line.start < reached and line.end <= reached:
            start, end = line.start, line.end
        else:
            following = next((later.start for later in lines[index + 1 :] if later.end > line.end), None)
            start = min(line.start, max(line.start - opts.max_early, reached + opts.min_gap))
            end = line.end + opts.max_late
            if following is not None:
                end = max(line.end, min(end, following - opts.min_gap))
        room[line.id] = (max(0, start), min(end, duration))
        reached = max(reached, line.end)
    return room
