"""What a reviewer sees of the lines of a dub: which, in what order, and everything about one.

Conventions
-----------
Records and decisions go in, plain values for a page come out: text, numbers, lists and mappings. Times are
integer ms.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from statistics import median
from typing import Any

import regex

from workbench import display, qa, review, writing
from workbench.fit import timing
from workbench.records import (
    Casting,
    LineWord,
    Placement,
    Score,
    Segment,
    Table,
    Take,
    Verdict,
)
from workbench.review import Line
from workbench.review.desk import Desk

KINDS = (LineWord, Casting, Placement, Score)  # what a listing is made of
STATES = ("open", "edited", "approved", "rejected")
PIECES = regex.compile(r"\s+|\w+|[^\w\s]")
LEAST_SPOKEN = 4  # letters and digits of a take from which its own pace is believed
MARGIN = 600  # ms shown before and after a line where its neighbours are farther


@dataclass(frozen=True)
class Filters:
    """Which lines are shown; empty means all."""

    verdict: str = ""
    state: str = ""  # a state, or a flag
    speaker: str = ""
    search: str = ""  # in either text, without case
    order: str = "worst"  # or "time"


class Listing:
    """The lines of one dub with all that is known of them."""

    def __init__(
        self,
        desk: Desk,
        tables: Mapping[type, Table[Any]],
        *,
        opts: qa.Options,
        room: timing.Options,
    ) -> None:
        self.desk, self.lines = desk, desk.lines
        self.segments, self.takes = desk.segments, desk.takes
        self.placements: dict[str, Placement] = tables[Placement].by("segment")
        self.voices: dict[str, str] = {row.speaker: row.voice for row in tables[Casting]}
        self.rooms = timing.rooms(self.segments, duration=desk.duration, opts=room)
        self._around = {
            "words": Stretches((word.start, word.end, word) for word in tables[LineWord]),
            "lines": Stretches((row.start, row.end, row) for row in self.segments),
            "placed": Stretches((row.start, row.end, row) for row in self.placements.values()),
        }
        self.marks = qa.marks(tables[Score], opts=opts)
        self._measured: dict[str, list[Score]] = {}
        for score in tables[Score]:
            if score.check != "review":  # what the decisions say is said anew, below
                self._measured.setdefault(score.segment, []).append(score)
        self._pace = self._usual_pace()
        self.verdicts: dict[str, Verdict] = {}
        self.renew(self.lines)

    def renew(self, changed: Iterable[str]) -> None:
        """Take note that lines are no longer as they were."""
        if self.lines is not self.desk.lines:  # the logs were rewritten: every line is another
            self.lines = self.desk.lines
            self.verdicts, changed = {}, self.lines
        for name in changed:
            if name in self.lines:
                self.verdicts[name] = self._worst(name)
            else:
                self.verdicts.pop(name, None)

    def shown(self, filters: Filters) -> list[str]:
        """Return the ids of the lines that pass, in order."""
        wanted = filters.search.casefold().strip()
        found = [
            line
            for name, line in self.lines.items()
            if filters.verdict in ("", self.verdicts[name])
            and (filters.state in ("", line.state) or filters.state in line.flags)
            and filters.speaker in ("", line.segment.speaker)
            and (not wanted or wanted in line.source.casefold() or wanted in line.text.casefold())
        ]

        def badness(line: Line) -> tuple[int, int, int]:
            by_verdict = -qa.VERDICTS.index(self.verdicts[line.id])
            return by_verdict, self.marks.get(line.id, 0), line.segment.start

        if filters.order == "time":
            return [line.id for line in sorted(found, key=lambda line: line.segment.start)]
        return [line.id for line in sorted(found, key=badness)]

    def counts(self) -> dict[str, Any]:
        """Return how many lines have which verdict, state and flag, and how much is said by whom."""
        lines = self.lines.values()
        flags = sorted({flag for line in lines for flag in line.flags})
        return {
            "lines": sum(line.there or line.presence != "remove" for line in lines),
            "approved": sum(line.state == "approved" for line in lines),
            "verdicts": {v: list(self.verdicts.values()).count(v) for v in reversed(qa.VERDICTS)},
            "states": {state: sum(line.state == state for line in lines) for state in STATES},
            "flags": {flag: sum(flag in line.flags for line in lines) for flag in flags},
            "speakers": sorted({line.segment.speaker for line in lines}),
        }

    def row(self, name: str) -> dict[str, Any]:
        """Return what the list shows of a line."""
        line = self.lines[name]
        return {
            "id": name,
            "clock": display.clock(line.segment.start),
            "speaker": line.segment.speaker,
            "source": line.source,
            "target": line.text,
            "verdict": self.verdicts[name],
            "state": line.state,
            "flags": sorted(line.flags),
        }

    def detail(self, name: str) -> dict[str, Any]:
        """Return everything about a line but its sound."""
        line, take, placement = self.lines[name], self.takes.get(name), self.placements.get(name)
        start, end = self.rooms.get(name, (line.segment.start, line.segment.end))
        spoken = line.translation.text if line.translation else ""
        return self.row(name) | {
            "start": line.segment.start,
            "end": line.segment.end,
            "voice": self.voices.get(line.segment.speaker, ""),
            "mark": self.marks.get(name),
            "findings": [
                {"verdict": s.verdict, "check": s.check, "evidence": s.evidence, "action": s.action}
                for s in self.findings(name)
                if s.verdict in ("warn", "fail")
            ],
            "sourceWas": line.segment.text,
            "targetWas": spoken,
            "changes": changes(spoken, line.text),
            "length": self.length(name, line.text),
            "take": None
            if take is None
            else {
                "ms": take.duration,
                "said": "" if take.tts_text == take.text_pre_pronunciation else take.tts_text,
                "rate": take.rate,
                "tempo": placement.tempo if placement else 1.0,
                "engine": take.engine,
                "key": take.key,
            },
            "room": end - start,
            "cuts": [list(cut) for cut in self.desk.cuts(name)],
            "last": self.desk.after(name) is None,
            "settings": dict(self.desk.settings),
            "bounds": {key: list(pair) for key, pair in self.desk.bounds.items()},
            "locked": bool(line.locked),
            "decisions": [
                {
                    "who": one.decision.who,
                    "at": one.decision.at[:16].replace("T", " "),
                    "action": one.decision.action.replace("_", " "),
                    "log": review.log_of(one.decision.action),
                    "text": one.value.text or "",
                    "standing": one.standing,
                }
                for one in line.decisions
            ],
        }

    def findings(self, name: str) -> list[Score]:
        """Return what was found on a line, the worst first."""
        line = self.lines[name]
        found = [*self._measured.get(name, []), *review.unsettled([line])]
        return sorted(found, key=lambda score: -qa.VERDICTS.index(score.verdict))

    def length(self, name: str, text: str) -> dict[str, Any]:
        """Return how long a text of a line will take at its natural rate, in ms, as far as can be guessed.

        The guess goes by the line's own take: as many ms for each letter and digit. `tempo` is how much
        faster than natural it must then be spoken to fit its room.
        """
        start, end = self.rooms.get(name, (0, 0))
        ms = round(self._pace_of(self.takes.get(name)) * letters(text))
        return {"ms": ms, "room": end - start, "tempo": round(max(1.0, ms / max(1, end - start)), 2)}

    def window(self, name: str) -> tuple[int, int]:
        """Return the stretch of film that is drawn with a line: up to the middle of each neighbour."""
        line = self.lines[name].segment
        before, after = self._neighbours(line)
        start = line.start - MARGIN if before is None else max((before.start + before.end) // 2, 0)
        end = line.end + MARGIN if after is None else (after.start + after.end) // 2
        start = min(line.start - MARGIN, max(start, line.start - 4 * MARGIN))
        end = max(line.end + MARGIN, min(end, line.end + 4 * MARGIN))
        return max(0, start), min(end, self.desk.duration)

    def around(self, start: int, end: int) -> dict[str, Any]:
        """Return words, lines and placements between two times."""
        near = {name: stretches.between(start, end) for name, stretches in self._around.items()}
        return {
            "words": [[w.start, w.end, w.text] for w in near["words"]],
            "lines": [
                {"id": row.id, "start": row.start, "end": row.end, "speaker": row.speaker}
                for row in near["lines"]
            ],
            "placed": [
                {"id": row.segment, "start": row.start, "end": row.end, "text": self.lines[row.segment].text}
                for row in near["placed"]
                if row.segment in self.lines
            ],
        }

    def _neighbours(self, line: Segment) -> tuple[Segment | None, Segment | None]:
        lines = self._around["lines"].between(line.start - 8 * MARGIN, line.end + 8 * MARGIN)
        before = [row for row in lines if row.end <= line.start]
        after = [row for row in lines if row.start >= line.end]
        return before[-1] if before else None, after[0] if after else None

    def _worst(self, name: str) -> Verdict:
        return max((s.verdict for s in self.findings(name)), key=qa.VERDICTS.index, default="info")

    def _usual_pace(self) -> float:
        known = [self._own_pace(take) for take in self.takes.values() if letters(take.text_pre_pronunciation)]
        return median(known) if known else 0.0

    def _pace_of(self, take: Take | None) -> float:
        if take is None or letters(take.text_pre_pronunciation) < LEAST_SPOKEN:
            return self._pace
        return self._own_pace(take)

    @staticmethod
    def _own_pace(take: Take) -> float:
        """Return ms for each letter and digit at the engine's natural rate."""
        return take.duration * take.rate / letters(take.text_pre_pronunciation)


class Stretches:
    """Things that last, to be found by time without looking at all of them. Ms."""

    def __init__(self, lasting: Iterable[tuple[int, int, Any]]) -> None:
        self._sorted = sorted(lasting, key=lambda one: one[:2])
        self._starts = [start for start, _, _ in self._sorted]
        self._longest = max((end - start for start, end, _ in self._sorted), default=0)

    def between(self, start: int, end: int) -> list[Any]:
        """Return what lasts at a moment after `start` and before `end`, in order of start."""
        first = bisect_left(self._starts, start - self._longest)
        last = bisect_left(self._starts, end)
        return [one for _, until, one in self._sorted[first:last] if until > start]


def letters(text: str) -> int:
    """Return how many letters and digits a text has."""
    return len(writing.SPOKEN.findall(text))


def changes(before: str, after: str) -> list[list[str]]:
    """Return an edit word by word: pieces that stay (``same``), go (``gone``) and come (``new``).

    >>> changes("Hola, Ana.", "Hola, Eva.")
    [['same', 'Hola, '], ['gone', 'Ana'], ['new', 'Eva'], ['same', '.']]
    """
    old, new = PIECES.findall(before), PIECES.findall(after)
    found: list[list[str]] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        pieces = [("same", old[a:b])] if kind == "equal" else [("gone", old[a:b]), ("new", new[c:d])]
        found += [[name, "".join(words)] for name, words in pieces if words]
    return found
