"""The review of a dub: what people decided on its lines, and what of it holds.

Conventions
-----------
Pure: decisions and records go in, the state of each line comes out. `Place.review` and `Place.append`
read and write the logs.

A line has one state:

| state | when |
|---|---|
| open | nothing is decided |
| edited | something of it was decided, and nobody has yet said yes or no to the line as it now reads |
| approved | somebody approved the line, and it still reads so |
| rejected | somebody rejected the line, and it still reads so |

and any of these flags:

| flag | when | applied |
|---|---|---|
| conflict | two people decided the same thing differently, and neither knew of the other's | neither |
| stale | a decision was taken on other words, on a text that has changed, or on a speaker now unknown | no |
| orphaned | the line that was decided on is gone; it is listed as it was | no |
| moved | a decision followed its line to another time | yes |
| held | a decision waits until the line is rerun | no |
| pending | what is decided is not yet in the take | with the next run |
| locked | the line keeps one take | yes |
| outdated | the take that it keeps says another text than the line now has | yes |
| unheard | it was approved with another take than the present one | yes |
| noted | it has notes | |
| removed | nobody says the line | with the next run |
| added | nobody but a reviewer heard the line | with the next run |
| off_screen | whoever speaks is out of the picture, so that lips need no match | with the next run |

Who decided last is no authority: a decision takes the place of those that its author had before him, and of
his own earlier ones. The next decision on a line in conflict knows both sides, and settles it; so does an
undo of either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from workbench.records import Decision, Score, Segment, Table, Take, Translation, Verdict
from workbench.review.anchors import HOWS, Finder, Found, How
from workbench.review.decisions import (
    ACTIONS,
    LOGS,
    RATES,
    Anchor,
    Value,
    fingerprint,
    hold,
    holds,
    identity,
    live,
    log_of,
    make,
    read,
    slot,
    undo,
    value,
)
from workbench.review.revisions import new_id, revise
from workbench.review.standing import Anchored, anchored, weighed

__all__ = [
    "ACTIONS",
    "HOWS",
    "LOGS",
    "RATES",
    "Anchor",
    "Anchored",
    "Finder",
    "Found",
    "How",
    "Line",
    "Value",
    "anchored",
    "counts",
    "decide",
    "findings",
    "fingerprint",
    "fold",
    "hold",
    "holding",
    "holds",
    "identity",
    "live",
    "log_of",
    "make",
    "new_id",
    "off_screen",
    "read",
    "revise",
    "said_by",
    "slot",
    "undo",
    "unsettled",
    "value",
    "waiting",
    "weighed",
]  # fmt: skip

State = Literal["open", "edited", "approved", "rejected"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line under review. One that is not `there` has its segment as it was, or shall be."""

    segment: Segment
    translation: Translation | None
    take: Take | None
    state: State
    flags: frozenset[str]
    anchor: How  # the worst of its decisions; "exact" without any
    decisions: tuple[Anchored, ...]  # those that stand, in the order of time
    there: bool = True  # whether it is among the film's lines: not gone, nor removed, nor still to be added

    @property
    def id(self) -> str:
        """The segment's id."""
        return self.segment.id

    @property
    def text(self) -> str:
        """The target text as decided, also where it waits to be spoken; else the translation's."""
        decided = self._decided("text")
        return (decided.text if decided else None) or (self.translation.text if self.translation else "")

    @property
    def source(self) -> str:
        """The source text as decided; else the segment's."""
        decided = self._decided("source")
        return (decided.text if decided else None) or self.segment.text

    @property
    def locked(self) -> str:
        """Key of the take that the line keeps; empty where it keeps none."""
        found = self.holding("lock")
        return found[-1].value.kept.key if found and found[-1].value.kept else ""

    @property
    def regenerate(self) -> Value | None:
        """Seed, rate and engine options that somebody asked for."""
        found = self.holding("take")
        return found[-1].value if found else None

    @property
    def off_screen(self) -> bool | None:
        """Whether whoever speaks is out of the picture; `None` where nobody said."""
        decided = self._decided("sight")
        return decided.off_screen if decided else None

    @property
    def presence(self) -> str:
        """``remove`` where somebody decided that nobody says it, ``add`` where somebody heard it; or empty."""
        found = self.holding("presence")
        return found[-1].decision.action if found else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What people noted, in the order of time."""
        return tuple(a.value.text or "" for a in self.decisions if a.decision.action == "note")

    @property
    def outlived(self) -> tuple[Decision, ...]:
        """The verdicts on another text than the line now has, where no reviewer changed it."""
        judged = [a for a in self.holding("verdict") if a.decision.action != "reopen"]
        now = fingerprint(self.text)
        if self.holding("text") or any(a.decision.fingerprint == now for a in judged):
            return ()
        return tuple(a.decision for a in judged)

    def holding(self, thing: str) -> list[Anchored]:
        """Return the decisions on one thing (`slot`) that hold, or wait to, in the order of time."""
        return [a for a in self.decisions if a.standing in ("holds", "held") and slot(a.decision) == thing]

    def last(self, who: str) -> Decision | None:
        """Return a person's last decision on the line: what undo takes back first."""
        own = [a.decision for a in self.decisions if a.decision.who == who]
        return own[-1] if own else None

    def _decided(self, thing: str) -> Value | None:
        found = self.holding(thing)
        return found[-1].value if found else None


def decide(action: str, line: Line, *, who: str, at: datetime | str, **carried: Any) -> Decision:
    """Return a decision on a line as it is now, to be appended to ``log_of(action)``.

    `carried` are the keys of `Value` that the action needs in `ACTIONS`; the line itself, what it reads, its
    take, and the decisions that this one takes the place of, are filled in.

    >>> decide("edit_text", line, who="ana", at=now, text="Hasta luego.")  # doctest: +SKIP
    """
    if action in ("approve", "reject"):
        carried.setdefault("text", line.text)
    if line.take and action in ("approve", "reject", "regenerate", "pronounce"):
        carried.setdefault("take", line.take.key)
    if line.take and action == "lock":
        carried.setdefault("kept", line.take)
    draft = make(action, line.id, who=who, at=at, line=Anchor.of(line.segment), **carried)
    same = [a.decision for a in line.decisions if slot(a.decision) == slot(draft)]
    after = tuple(sorted(identity(decision) for decision in same))
    return make(action, line.id, who=who, at=at, line=Anchor.of(line.segment), after=after, **carried)


def said_by(speaker: str, lines: Iterable[Line]) -> Anchor | None:
    """Return the longest line that a speaker says unless reviewers decided so; `None` where there is none.

    `reassign` and `add` carry it (`Value.other`), as labels of speakers change.
    """
    own = [x.segment for x in lines if x.segment.speaker == speaker and not x.holding("speaker")]
    longest = max(own, key=lambda row: (row.end - row.start, -row.start), default=None)
    return Anchor.of(longest) if longest else None


def fold(
    decisions: Iterable[Decision],
    segments: Sequence[Segment],
    translations: Sequence[Translation] = (),
    takes: Sequence[Take] = (),
) -> dict[str, Line]:
    """Return every line by its id with what was decided on it, as the module's tables have it.

    Lines stand in the order of the segments, then those that are gone. The order of `decisions` means
    nothing. Decisions of the voices log, on speakers, are left out. Of each line there is one take, the one
    that is heard, and the translation that it says (`wording`).
    """
    by_line: dict[str, list[Anchored]] = {}
    for one in anchored((d for d in decisions if log_of(d.action) != "voices"), segments):
        by_line.setdefault(one.found.id or one.decision.subject, []).append(one)
    texts = {row.segment: row for row in translations}
    spoken = {row.segment: row for row in takes}
    lines = {
        segment.id: _line(segment, texts.get(segment.id), spoken.get(segment.id), by_line.pop(segment.id, []))
        for segment in segments
    }
    for subject, gone in by_line.items():
        was = gone[-1].value.line
        assert was is not None
        segment = Segment(subject, was.start, was.end, was.speaker, was.text)
        lines[subject] = _line(segment, None, None, gone, there=False)
    return lines


def _line(
    segment: Segment,
    translation: Translation | None,
    take: Take | None,
    decisions: Sequence[Anchored],
    *,
    there: bool = True,
) -> Line:
    worst: How = max((a.found.how for a in decisions), key=HOWS.index, default="exact")
    plain = Line(segment, translation, take, "open", frozenset(), worst, tuple(decisions), there)
    if not decisions:
        return plain
    verdicts = [a for a in plain.holding("verdict") if a.decision.fingerprint == fingerprint(plain.text)]
    judged = verdicts[-1] if verdicts else None
    shaped = any(ACTIONS[a.decision.action].sets not in ("", "verdict") for a in decisions)
    states: dict[str, State] = {"approve": "approved", "reject": "rejected"}
    state = states[judged.decision.action] if judged else "edited" if shaped else "open"
    flags = {str(word) for a in decisions for word in (a.standing, a.found.how)} - {"holds", "exact"}
    signs = {
        "stale": bool(plain.outlived),
        "locked": bool(plain.locked),
        "outdated": bool(plain.locked) and take is not None and take.text_pre_pronunciation != plain.text,
        "noted": bool(plain.notes),
        "removed": plain.presence == "remove",
        "added": plain.presence == "add",
        "off_screen": plain.off_screen is True,
        "pending": _pending(plain),
        "unheard": state == "approved" and judged and take and judged.value.take not in (None, take.key),
    }
    flags |= {sign for sign, shown in signs.items() if shown}
    return Line(segment, translation, take, state, frozenset(flags), worst, tuple(decisions), there)


def waiting(line: Line) -> list[Anchored]:
    """Return the decisions on a line that are not yet in its take, in the order of time."""
    return [a for a in line.decisions if a.standing in ("holds", "held") and not _in_the_film(line, a)]


def _in_the_film(line: Line, one: Anchored) -> bool:
    asked, segment, take = one.value, line.segment, line.take
    match one.decision.action:
        case "remove":
            return not line.there
        case "add":
            return line.there
        case "edit_source":
            return segment.text == asked.text
        case "retime":
            return (segment.start, segment.end) == (asked.start, asked.end)
        case "reassign":
            return segment.speaker == one.found.speaker
        case "split":
            return asked.cut is not None and (segment.end <= asked.cut or segment.start >= asked.cut)
        case "merge":
            return (
                asked.other is not None
                and segment.start <= asked.other.start < asked.other.end <= segment.end
            )
        case "edit_text":
            return line.translation is not None and line.translation.text == asked.text
        case "lock":
            return take is not None and asked.kept is not None and take.key == asked.kept.key
        case "regenerate" | "pronounce":
            return take is not None and take.key != asked.take
    return True


def _pending(line: Line) -> bool:
    """Say whether the take is not, or may not be, what is decided."""
    if waiting(line):
        return True
    if not line.there or line.locked or line.take is None:
        return False
    left_over = (
        line.translation is not None and line.translation.engine == "review" and not line.holding("text")
    )
    return left_over or line.take.text_pre_pronunciation != line.text


def counts(lines: Mapping[str, Line]) -> dict[str, int]:
    """Return how many decisions are exact, moved, stale and orphaned, and how many are in conflict."""
    every = [a for line in lines.values() for a in line.decisions]
    how = Counter(a.found.how for a in every)
    return {name: how[name] for name in HOWS} | {"conflict": sum(a.standing == "conflict" for a in every)}


def findings(decisions: Iterable[Anchored]) -> Table[Score]:
    """Return a QA finding for each decision that does not hold."""
    why = {
        "conflict": ("people decided differently", "Settle it in review: decide again, or undo one."),
        "stale": ("it was decided on other words", "Look at the line again, and decide anew or undo."),
        "orphaned": ("its line is gone", "Decide again on the line that took its place, or undo."),
        "held": ("it waits to be rerun", "Rerun the line, or undo."),
        "cast": ("another speaks there, or another synthesiser", "Choose a voice again, or undo."),
        "reassign": (
            "on other words, or to a speaker who is heard no more",
            "Choose a speaker again, or undo.",
        ),
    }
    rows = []
    for one in decisions:
        if one.standing != "holds":
            of = one.decision.action if one.standing == "stale" else ""
            reason, action = why.get(of, why[one.standing])
            on = "" if one.found.id else f" on {one.decision.subject}"
            evidence = f"{one.decision.action.replace('_', ' ')}{on} by {one.decision.who}: {reason}"
            torn = one.standing == "conflict" and slot(one.decision) == "lock"
            verdict: Verdict = "fail" if torn else "warn"  # which take is right is theirs to say
            rows.append(Score(one.found.id or "", "review", verdict, None, None, evidence, action))
    return Table(Score, rows)


def unsettled(lines: Iterable[Line]) -> Table[Score]:
    """Return a QA finding for each decision on lines that does not hold, or judged another text."""
    rows: list[Score] = []
    for line in lines:
        if line.presence == "remove":  # what was decided on it before is of no matter
            continue
        rows += findings(line.decisions)
        rows += (
            Score(
                line.id,
                "review",
                "warn",
                None,
                None,
                f"{was.action} by {was.who}: the text has changed since",
                "Hear the line again, and approve or reject it.",
            )
            for was in line.outlived
        )
    return Table(Score, rows)


def holding(decisions: Iterable[Anchored], thing: str) -> dict[str, list[Value]]:
    """Return what holds of one thing (`slot`) by line, in the order of time."""
    found: dict[str, list[Value]] = {}
    for one in decisions:
        if one.standing == "holds" and one.found.id and ACTIONS[one.decision.action].sets == thing:
            found.setdefault(one.found.id, []).append(one.value)
    return found


def off_screen(decisions: Iterable[Anchored]) -> frozenset[str]:
    """Return the ids of the lines that are decided to be spoken out of the picture.

    >>> off_screen(anchored(read(dub.episode.review("segment")), segments))  # doctest: +SKIP
    frozenset({'s00012340'})
    """
    return frozenset(line for line, found in holding(decisions, "sight").items() if found[-1].off_screen)
