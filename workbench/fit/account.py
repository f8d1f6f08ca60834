"""What a placing costs, line by line, and what a translation may be where time lacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench import wording
from workbench.fit.options import Options
from workbench.fit.timeline import Timeline
from workbench.records import Budget, Placement, Segment, Table, Take


@dataclass(frozen=True, slots=True)
class Cost:
    """What one line costs, by wish, and its pace: above 1, faster than its voice by nature."""

    segment: str
    start: int  # of its take, ms
    pace: float
    onset: float
    ending: float
    haste: float  # or slowness
    smoothness: float
    shot: float


def costs(
    placements: Table[Placement],
    segments: Table[Segment],
    takes: Table[Take],
    *,
    on: Timeline,
    opts: Options,
) -> Table[Cost]:
    """Return what each line costs, in the order of `placements`."""
    lines, heard = segments.by("id"), _heard(placements, takes)
    edges = shot_edges([lines[one.segment] for one in placements], on.shots)
    last: dict[str, float] = {}
    found = []
    for one, began, ended in zip(placements, *edges, strict=True):
        line, take = lines[one.segment], heard[one.segment]
        natural = take.duration * take.rate
        slowness = (one.end - one.start) / natural
        before = last.get(line.speaker, slowness)
        last[line.speaker] = slowness
        sight = opts.off_screen if line.id in on.off_screen else 1.0
        over = max(0.0, began - one.start) + max(0.0, one.end - ended)
        unnatural = opts.naturalness if slowness < 1 else opts.slowness
        found.append(
            Cost(
                segment=one.segment,
                start=one.start,
                pace=round(1 / slowness, 4),
                onset=round(opts.onset * sight * abs(one.start - line.start) / 1000, 4),
                ending=round(sight * abs(one.end - line.end) / 1000, 4),
                haste=round(unnatural * natural / 1000 * (slowness - 1) ** 2, 4),
                smoothness=round(opts.naturalness * opts.smoothness * abs(slowness - before), 4),
                shot=round(opts.shot * over / 1000, 4),
            )
        )
    return Table(Cost, found)


def shot_edges(
    lines: Sequence[Segment], shots: Sequence[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the last shot change before each line and the first behind it, ms; infinite where none is."""
    times = np.array([-np.inf, *sorted(shots), np.inf])
    before = np.searchsorted(times, [line.start for line in lines], side="right") - 1
    behind = np.searchsorted(times, [line.end for line in lines], side="left")
    return times[before], times[behind]


def wanting(one: Placement, take: Take, *, opts: Options) -> int:
    """Return the ms that a line would need beyond its place, to be heard at a permitted tempo and pace."""
    unhurried = math.ceil(take.duration * take.rate / opts.max_pace)
    return max(one.lacking, unhurried - (one.end - one.start), 0)


def budgets(
    placements: Table[Placement], segments: Table[Segment], takes: Table[Take], *, opts: Options
) -> Table[Budget]:
    """Return what the translations may be of the lines that are `wanting`, in their order.

    A voice's speaking rate is measured over all its takes, in characters as spoken by nature; a line that
    is spoken more slowly than that is counted at its own rate, so that the budget is always the shorter.
    """
    speakers = {line.id: line.speaker for line in segments}
    heard = _heard(placements, takes)
    characters: dict[str, int] = {}
    natural: dict[str, float] = {}
    for segment, take in heard.items():
        speaker = speakers[segment]
        characters[speaker] = characters.get(speaker, 0) + len(take.text_pre_pronunciation)
        natural[speaker] = natural.get(speaker, 0.0) + take.duration * take.rate
    found = []
    for one in placements:
        take, speaker = heard[one.segment], speakers[one.segment]
        if not wanting(one, take, opts=opts):
            continue
        duration = int((one.end - one.start) * min(opts.max_tempo, opts.max_pace / take.rate))
        own = len(take.text_pre_pronunciation) / (take.duration * take.rate)
        rate = min(own, characters[speaker] / natural[speaker])
        fitting = int(rate * duration * take.rate)
        found.append(Budget(one.segment, duration, take.duration - duration, fitting))
    return Table(Budget, found)


def _heard(placements: Table[Placement], takes: Table[Take]) -> dict[str, Take]:
    return wording.heard(takes, placements).by("segment")
