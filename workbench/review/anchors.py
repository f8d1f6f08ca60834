"""Find the line that a decision was taken on, after recogniser, limits or film have changed."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

from workbench.records import Segment
from workbench.review.decisions import Anchor

How = Literal["exact", "moved", "stale", "orphaned"]
HOWS: tuple[How, ...] = ("exact", "moved", "stale", "orphaned")

SAME_TIME = 0.5  # share of two lines' common time in their time together, from which it is one stretch
SAME_TEXT = 0.8  # likeness of two texts from which they say the same
REACH = 5_000  # ms within which a line's own words are looked for where its time is empty or another's


@dataclass(frozen=True, slots=True)
class Found:
    """Where a decision's line is now. `same_time` says that it is the same stretch of the film."""

    id: str | None
    how: How
    same_time: bool
    speaker: str | None = None  # reassign: what the speaker who was meant is called now


class Finder:
    """Finds lines by what they were.

    | how | the line that was decided on |
    |---|---|
    | exact | is there, with the same time, speaker and text |
    | moved | is there, with nearly the same time and text; or its very words, three at least, are near by |
    | stale | is gone, and others words stand in its time: nothing is applied |
    | orphaned | is gone, and no line stands in its time |
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._lines = sorted(segments, key=lambda line: line.start)
        self._starts = [line.start for line in self._lines]
        self._by_id = {line.id: line for line in segments}
        self._longest = max((line.end - line.start for line in segments), default=0)

    def find(self, subject: str, was: Anchor) -> Found:
        """Return where the line is that had this id and was so."""
        line = self._by_id.get(subject)
        if line is not None and Anchor.of(line) == was:
            return Found(line.id, "exact", True)
        around = self._between(was.start - REACH, was.end + REACH)
        likes = {line.id: likeness(line.text, was.text) for line in around}
        overlapping = [line for line in around if _common(line, was) > 0]
        best = max(overlapping, key=lambda line: _share(line, was) + likes[line.id], default=None)
        if best and _share(best, was) >= SAME_TIME:
            return Found(best.id, "moved" if likes[best.id] >= SAME_TEXT else "stale", True)
        said = [line for line in around if likes[line.id] == 1 and len(words(was.text)) >= 3]
        if len(said) == 1:
            return Found(said[0].id, "moved", False)
        if best:
            return Found(best.id, "stale", False)
        return Found(line.id, "stale", False) if line else Found(None, "orphaned", False)

    def speaker(self, label: str | None, said: Anchor | None) -> str | None:
        """Return what the speaker of a label, who said a line, is called now; `None` where nobody can tell.

        Labels come from the diariser, which may give them otherwise the next time. Without a line, a label
        that is still there stands for itself.
        """
        if said is None:
            return label if any(line.speaker == label for line in self._lines) else None
        found = self.find("", said)
        return self._by_id[found.id].speaker if found.id and found.how in ("exact", "moved") else None

    def get(self, name: str) -> Segment | None:
        """Return the line of an id, or `None`."""
        return self._by_id.get(name)

    def starting(self, at: int) -> bool:
        """Say whether a line starts at a time."""
        return at in self._starts

    def covering(self, start: int, end: int) -> str | None:
        """Return the id of a line that lasts at least from `start` to `end`, or `None`."""
        lines = (line for line in self._between(start, end) if line.start <= start and end <= line.end)
        return next((line.id for line in lines), None)

    def _between(self, start: int, end: int) -> list[Segment]:
        first = bisect_left(self._starts, start - self._longest)
        last = bisect_left(self._starts, end)
        return [line for line in self._lines[first:last] if line.end > start]


def words(text: str) -> list[str]:
    """Return a text's words without case, accents of form and punctuation; letters where there are none.

    >>> words("Don't go, Élodie!")
    ["don't", 'go', 'élodie']
    """
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    kept = "".join(c if c.isalnum() or c == "'" or unicodedata.combining(c) else " " for c in plain)
    return kept.split()


@lru_cache(maxsize=65_536)
def likeness(one: str, other: str) -> float:
    """Return how alike two texts are, 0..1: the share of letters in matching runs (Ratcliff, Obershelp)."""
    a, b = " ".join(words(one)), " ".join(words(other))
    if a == b:
        return 1.0
    matcher = SequenceMatcher(None, a[:500], b[:500], autojunk=False)
    return (
        matcher.ratio() if matcher.real_quick_ratio() >= SAME_TEXT else min(0.5, matcher.real_quick_ratio())
    )


def _common(line: Segment, was: Anchor) -> int:
    return min(line.end, was.end) - max(line.start, was.start)


def _share(line: Segment, was: Anchor) -> float:
    return _common(line, was) / max(1, max(line.end, was.end) - min(line.start, was.start))
