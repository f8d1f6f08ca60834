"""The round trip: what a recogniser hears in the finished dub, against what should have been said.

Conventions
-----------
Times are integer ms. Words are those of `writing.words`, so that scripts without spaces are compared
by characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rapidfuzz.distance import Levenshtein

from workbench import activity, audio, writing
from workbench.activity import Span
from workbench.audio import Sound
from workbench.records import Placement, Word

PAD = 200  # ms heard before and after
GAP = 400  # ms; lines nearer than this are heard together


class Hearer(Protocol):
    """Hears words, as every `asr.Transcriber` does."""

    name: str

    def words(self, speech: Sound, *, sr: int, language: str, spans: Sequence[Span]) -> Iterable[Word]:
        """Return the words of a mono sound ``(n,)``; raises `LanguageError` for one it does not know."""


@dataclass(frozen=True)
class Heard:
    """What became of a line's words."""

    words: int  # that should have been said
    wrong: int  # not heard, heard as another, or heard beside them
    lost: tuple[str, ...]  # not heard, and nothing in their place
    engine: str

    @property
    def error_rate(self) -> float:
        """Word error rate, or character error rate in scripts without spaces."""
        return self.wrong / max(1, self.words)


def utterances(placements: Iterable[Placement], *, duration: int) -> Iterator[tuple[Span, list[Placement]]]:
    """Yield the stretches of the film that are heard in one piece, each with the lines that lie in it."""
    placed = sorted(placements, key=lambda row: row.start)
    spans = activity.union(((row.start, row.end) for row in placed), gap=GAP)
    for start, end in spans:
        inside = [row for row in placed if start <= row.start < end]
        yield (max(0, start - PAD), min(duration, end + PAD)), inside


def hear(y: Sound, *, sr: int, language: str, hearer: Hearer) -> list[Word]:
    """Return the words of one utterance, mono ``(n,)``."""
    return list(hearer.words(y, sr=sr, language=language, spans=[(0, audio.milliseconds(y.size, sr=sr))]))


def compare(
    texts: Mapping[str, str], placements: Sequence[Placement], heard: Sequence[Word], *, engine: str
) -> dict[str, Heard]:
    """Return what became of the words of each line of an utterance.

    The lines' words, one line after the other, are aligned with the words heard at the least number of
    edits (Levenshtein, 1966). A word heard beside the others counts for the line that it stands in.
    """
    owners = [(row.segment, word) for row in placements for word in writing.words(texts[row.segment])]
    expected = [word for _, word in owners]
    found = [word for row in heard for word in writing.words(row.text)]
    wrong: Counter[str] = Counter()
    lost: dict[str, list[str]] = {row.segment: [] for row in placements}
    for edit in Levenshtein.editops(expected, found):
        if owners:
            segment = owners[min(edit.src_pos, len(owners) - 1)][0]
            wrong[segment] += 1
            if edit.tag == "delete":
                lost[segment].append(expected[edit.src_pos])
    counts = Counter(segment for segment, _ in owners)
    return {
        row.segment: Heard(counts[row.segment], wrong[row.segment], tuple(lost[row.segment]), engine)
        for row in placements
    }
