"""What quality control looks at: the records of a dub joined by line, with what its sounds measure.

Conventions
-----------
Times are integer ms, levels dB re full scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from workbench import activity, writing
from workbench.activity import Span
from workbench.qa import likeness
from workbench.qa.likeness import Likeness
from workbench.qa.material import Film
from workbench.qa.measurement import Measured
from workbench.qa.yardstick import Comparison
from workbench.records import (
    Budget,
    Casting,
    Cue,
    LineWord,
    Placement,
    Segment,
    Take,
    Translation,
    Turn,
)
from workbench.writing import Guess


@dataclass(frozen=True)
class Line:
    """All that is known of one segment. What is `None` was not made."""

    segment: Segment
    words: tuple[LineWord, ...]  # what a reviewer wrote, no recogniser was sure of or doubted
    casting: Casting | None
    translation: Translation | None
    missed: tuple[str, ...]  # source terms of the glossary whose targets are not in the translation
    written: Guess | None  # the language of the translation, where there is a model of the dub's
    take: Take | None
    placement: Placement | None
    budget: Budget | None  # where it lacks time or is heard too fast
    refused: tuple[str, ...]  # why shorter texts of it were
    cues: tuple[Cue, ...]
    measured: Measured | None
    usual_db: float | None  # median level of the voice's other lines in the dub
    usual_apart: float | None  # median of what of the voice's takes matches no reading
    likeness: Likeness | str
    overlap: int  # ms over other placed lines, where the source has no such overlap
    gain_db: float  # what the mix added to the whole dub
    language: str  # of the dub
    chosen: Mapping[str, str]  # kind -> engine


def lines(film: Film, measured: Mapping[str, Measured], *, prints_by: str) -> Iterator[Line]:
    """Join what is known of each segment.

    Parameters
    ----------
    prints_by : str
        Name of the engine that made the measured prints; only its own prints of the original speakers
        are compared with them.
    """
    translations, takes = film.translations.by("segment"), film.takes.by("segment")
    placements, castings = film.placements.by("segment"), film.castings.by("speaker")
    budgets = film.budgets.by("segment")
    refused: dict[str, list[str]] = {}
    for row in film.candidates.where(lambda row: bool(row.refused)):
        refused.setdefault(row.segment, []).append(row.refused)
    words: dict[str, list[LineWord]] = {}
    for word in film.line_words:
        words.setdefault(word.segment, []).append(word)
    doubled = activity.union(_overlaps(film.turns) + _overlaps(film.segments))
    likenesses = _likenesses(film, measured, prints_by)
    cues: dict[str, list[Cue]] = {}
    for cue in film.cues:
        cues.setdefault(cue.segment, []).append(cue)
    same_voice: dict[str, list[Measured]] = {}
    for segment in film.segments:
        if segment.id in measured:
            same_voice.setdefault(segment.speaker, []).append(measured[segment.id])
    for segment in film.segments:
        placement, translation = placements.get(segment.id), translations.get(segment.id)
        text = translation.text if translation else ""
        own = measured.get(segment.id)
        others = [row for row in same_voice.get(segment.speaker, []) if row is not own]
        readings = [row.reading.apart for row in others if isinstance(row.reading, Comparison)]
        kept = film.glossary.confirmed(segment.text, text)
        yield Line(
            segment=segment,
            words=tuple(words.get(segment.id, ())),
            casting=castings.get(segment.speaker),
            translation=translation,
            missed=tuple(term.source for term in film.glossary.fires(segment.text) if term not in kept),
            written=writing.language(text, expected=film.language),
            take=takes.get(segment.id),
            placement=placement,
            budget=budgets.get(segment.id),
            refused=tuple(refused.get(segment.id, ())),
            cues=tuple(cues.get(segment.id, ())),
            measured=own,
            usual_db=round(median(row.levels.voice_db for row in others), 1) if others else None,
            usual_apart=median(readings) if readings else None,
            likeness=likenesses.get(segment.id, "there is no print of it"),
            overlap=sum(
                _new_overlap(segment, other, placement, placements[other.id], doubled)
                for other in film.segments
                if placement and other.id != segment.id and other.id in placements
            ),
            gain_db=sum(row.gain_db for row in film.loudness),
            language=film.language,
            chosen=film.chosen,
        )


def _likenesses(film: Film, measured: Mapping[str, Measured], prints_by: str) -> dict[str, Likeness | str]:
    voices = {row.speaker: row.voice for row in film.castings}
    cast = {row.id: voices.get(row.speaker, row.speaker) for row in film.segments}
    prints = {
        name: np.array(row.print, np.float32)
        for name, row in measured.items()
        if not isinstance(row.print, str)
    }
    originals = {
        row.speaker: np.array(row.print, np.float32)
        for row in film.speakers
        if row.print and row.engine == prints_by
    }
    sources = {row.id: originals[row.speaker] for row in film.segments if row.speaker in originals}
    why = {name: row.print for name, row in measured.items() if isinstance(row.print, str)}
    return why | likeness.compare(prints, cast, sources, engine=prints_by)


def _overlaps(rows: Iterable[Turn | Segment]) -> list[Span]:
    """Return where two rows lie over each other."""
    both, reach = [], 0
    for row in sorted(rows, key=lambda row: row.start):
        both.append((row.start, min(row.end, reach)))
        reach = max(reach, row.end)
    return activity.union(both)


def _new_overlap(one: Segment, two: Segment, first: Placement, second: Placement, doubled: list[Span]) -> int:
    """Return for how many ms two dubbed lines lie over each other beyond what the source does.

    The source may do so in these two lines, or (`doubled`) in others at that time.
    """
    start, end = max(first.start, second.start), min(first.end, second.end)
    if start >= end:
        return 0
    own = min(one.end, two.end) - max(one.start, two.start)
    allowed = max(0, own, activity.duration(activity.intersection([(start, end)], doubled)))
    return max(0, end - start - allowed)
