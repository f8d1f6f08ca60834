"""Which of a line's takes is heard in a dub, and so which text its viewers hear and read.

Conventions
-----------
A segment has one take or several, each saying a shorter text than the one before; its placement says which
of them lies in the dub. Behind the stage fit, what stands for a line is that take and its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from workbench.records import Placement, Table, Take, Translation


def offered(takes: Iterable[Take]) -> dict[str, list[Take]]:
    """Return each segment's takes, in order of preference."""
    found: dict[str, list[Take]] = {}
    for take in takes:
        found.setdefault(take.segment, []).append(take)
    return found


def heard(takes: Iterable[Take], placements: Iterable[Placement]) -> Table[Take]:
    """Return the one take of each segment that is placed; of a segment without a place, the first."""
    chosen = {row.segment: row.take for row in placements}
    found = ((own, chosen.get(segment, 0)) for segment, own in offered(takes).items())
    return Table(Take, [own[number if number < len(own) else 0] for own, number in found])


def said(translations: Iterable[Translation], takes: Table[Take]) -> Table[Translation]:
    """Return the translations with the text that is heard, where a shorter one is spoken for them.

    `takes` are those that are `heard`. A take of a translation that has changed since says nothing of it.
    """
    spoken = takes.by("segment")
    return Table(
        Translation,
        [
            replace(row, text=take.text_pre_pronunciation)
            if (take := spoken.get(row.segment)) and take.instead_of and take.instead_of == row.text
            else row
            for row in translations
        ],
    )
