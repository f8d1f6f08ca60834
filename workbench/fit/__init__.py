"""Fit takes to the timeline: one optimisation over the whole episode.

Conventions
-----------
Times are integer ms from the start of the film. A tempo of 1.10 means that a take is played 10 % faster
than it was spoken. The pace of a line is how long it lasts against how long its voice takes for it by
nature, so that it counts the engine's own rate and the stretch alike. Nothing here removes sound.

What gives way, last to first: every word is heard; inside the film; no overlap that the source lacks; the
push that is permitted; the tempo that is permitted; and the rest by its weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
from scipy import sparse

from workbench import wording
from workbench.errors import SpeechError
from workbench.fit import timing
from workbench.fit.account import Cost, budgets, costs, shot_edges, wanting
from workbench.fit.bounds import Bounds, bounds
from workbench.fit.options import Options
from workbench.fit.programme import Programme
from workbench.fit.tempo import SAMPLE_RATE, Fitted, stretch, version
from workbench.fit.timeline import Timeline
from workbench.records import Placement, Segment, Table, Take

__all__ = [
    "SAMPLE_RATE",
    "Cost",
    "Fitted",
    "Options",
    "Timeline",
    "budgets",
    "costs",
    "place",
    "stretch",
    "version",
    "wanting",
]

PUSHED, HURRIED, LATE = 2e3, 2e2, 1e1  # cost of each second beyond what is permitted, in that order
ACT = 200  # lines that are placed together, at least, so that time grows with the number of lines


def place(
    segments: Table[Segment],
    takes: Table[Take],
    *,
    on: Timeline,
    opts: Options,
    room: timing.Options,
) -> Table[Placement]:
    """Place every take of a film so that the sum of all costs is least.

    A take that fits only beyond the permitted tempo is played faster, up to ``last_resort``; ``lacking``
    then tells the ms by which it is shorter than the permitted tempo makes it.

    A segment may have several takes, in order of preference and each shorter than the one before it: the
    first that is not `wanting` is placed, or the last. Each round gives way in one line of every run of lines
    that are, so that there are at most as many rounds as takes.

    Returns one Placement per line, in order of start.

    Raises
    ------
    SpeechError
        For a line without a take or a take without a line; and naming the line that cannot be played
        whole, what it needs and what it may have.
    """
    lines, candidates = timing.ordered(segments), wording.offered(takes)
    if set(candidates) != {line.id for line in lines}:
        odd = sorted(set(candidates) ^ {line.id for line in lines})
        raise SpeechError("place the takes", f"lines and takes differ in {', '.join(odd)}", "Run tts again.")
    chosen = dict.fromkeys(candidates, 0)
    while True:
        placed = _place(lines, candidates, chosen, on, opts=opts, room=room)
        worst = list(_worst(placed, candidates, opts))
        if not worst:
            return Table(Placement, placed)
        for segment in worst:
            chosen[segment] += 1


def _worst(
    placed: Sequence[Placement], candidates: Mapping[str, Sequence[Take]], opts: Options
) -> Iterator[str]:
    """Yield, of each run of lines that are `wanting`, the one that is most, of those with a further take.

    It may be why its neighbours are, so it gives way first.
    """
    wants = {one.segment: wanting(one, candidates[one.segment][one.take], opts=opts) for one in placed}
    for want, run in groupby(placed, key=lambda one: wants[one.segment] > 0):
        further = [one.segment for one in run if one.take + 1 < len(candidates[one.segment])]
        if want and further:
            yield max(further, key=wants.__getitem__)


def _place(
    lines: list[Segment],
    candidates: Mapping[str, Sequence[Take]],
    chosen: Mapping[str, int],
    on: Timeline,
    *,
    opts: Options,
    room: timing.Options,
) -> list[Placement]:
    if not lines:
        return []
    takes = {segment: candidates[segment][number] for segment, number in chosen.items()}
    limits = bounds(
        lines,
        [takes[line.id] for line in lines],
        duration=on.duration,
        min_gap=room.min_gap,
        tempo=(opts.min_tempo, opts.max_tempo, opts.last_resort),
    )
    head = room.max_early + room.min_gap
    acts = limits.acts(silence=head + room.max_late + opts.max_push, head=head, lines=ACT)
    ideal = [_ideal(act, takes, on, opts=opts, room=room) for act in acts]
    starts, ends = limits.repair(*np.concatenate(ideal, axis=1))
    placed = [
        Placement(
            segment=line.id,
            start=start,
            end=end,
            tempo=round(spoken / (end - start), 4),
            lacking=max(0, permitted - (end - start)),
            take=chosen[line.id],
        )
        for line, start, end, spoken, permitted in zip(
            limits.lines,
            starts.tolist(),
            ends.tolist(),
            limits.spoken.tolist(),
            limits.permitted.tolist(),
            strict=True,
        )
    ]
    return sorted(placed, key=lambda one: (one.start, one.segment))


def _ideal(
    limits: Bounds,
    takes: Mapping[str, Take],
    on: Timeline,
    *,
    opts: Options,
    room: timing.Options,
) -> npt.NDArray[np.float64]:
    """Return starts and ends in ms, shape ``(2, n)``, as the programme has them.

    Its variables are the shift of each start against its anchor, in seconds, and the pace of each line.

    Starts and ends count by the second that they are off, which is what isochrony measures, and changes of
    pace by their size, so that a voice keeps a pace for several lines. Haste counts by its square and by the
    second of speech, so that an end pulls no line, long or short, above ``1 / (1 - 1 / (2 * naturalness))``
    for its own sake alone.
    """
    lines, n = limits.lines, len(limits.lines)
    anchor = limits.anchor / 1000
    natural = limits.spoken * np.array([takes[line.id].rate for line in lines]) / 1000
    source = np.array([line.end - line.start for line in lines]) / 1000
    shift = sparse.eye_array(n, 2 * n, format="csr")
    pace = sparse.eye_array(n, 2 * n, k=n, format="csr")
    length = sparse.diags_array(natural) @ pace
    end = (shift + length).tocsr()  # against the anchor

    programme = Programme(2 * n)
    programme.at_most(-length, -limits.briefest / 1000)
    programme.at_most(length, limits.longest / 1000)
    programme.at_most(end, limits.latest_end / 1000 - anchor)
    first_start = np.maximum(np.minimum(limits.anchor - room.max_early, limits.latest), limits.earliest)
    programme.at_most(-shift, anchor - first_start / 1000)
    first, second = limits.first, limits.second
    distance = anchor[second] - anchor[first]
    overlap = end[first] - shift[second]
    programme.at_most(overlap, distance - limits.apart / 1000)
    if n > 1:
        programme.at_most(shift[:-1] - shift[1:], np.diff(anchor))

    programme.excess(shift, opts.max_push / 1000, linear=PUSHED)
    programme.excess(-length, -limits.permitted / 1000, linear=HURRIED)
    programme.excess(end, source + room.max_late / 1000, linear=LATE)

    sight = np.array([opts.off_screen if line.id in on.off_screen else 1.0 for line in lines])
    programme.distance(shift, 0, linear=opts.onset * sight)
    programme.distance(end, source, linear=sight)
    programme.excess(-pace, -1, squared=opts.naturalness * natural)
    programme.excess(pace, 1, squared=opts.slowness * natural)
    before, after = _neighbours(lines)
    programme.distance(pace[after] - pace[before], 0, linear=opts.naturalness * opts.smoothness)
    gaps = np.array([lines[j].start - lines[i].end for i, j in zip(first, second, strict=True)])
    paused = gaps > 0
    silence = np.minimum(gaps, opts.long_pause)[paused] / 1000
    programme.excess(overlap[paused], distance[paused] - silence, linear=opts.pause)
    began, ended = shot_edges(lines, on.shots)
    for edge, spare in ((end, ended / 1000 - anchor), (-shift, anchor - began / 1000)):
        cut = np.isfinite(spare)
        programme.excess(edge[cut], spare[cut], linear=opts.shot)

    solution = programme.solve()
    starts = anchor + solution[:n]
    return 1000 * np.stack([starts, starts + natural * solution[n:]])


def _neighbours(lines: Sequence[Segment]) -> tuple[list[int], list[int]]:
    """Return the indices of lines that have one of the same speaker before them, and of those."""
    last: dict[str, int] = {}
    pairs = []
    for j, line in enumerate(lines):
        if line.speaker in last:
            pairs.append((last[line.speaker], j))
        last[line.speaker] = j
    return [i for i, _ in pairs], [j for _, j in pairs]
