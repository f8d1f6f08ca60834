"""Which decisions hold: each found on its line, and set against what others decided on the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from workbench.records import Decision, Segment
from workbench.review.anchors import Finder, Found
from workbench.review.decisions import (
    ACTIONS,
    Anchor,
    Value,
    effect,
    identity,
    knew,
    live,
    log_of,
    slot,
    value,
)

OF_TIMES = ("lock", "sight")  # hold for a stretch of the film, whatever is said in it
Standing = Literal["holds", "held", "conflict", "stale", "orphaned"]


@dataclass(frozen=True, slots=True)
class Anchored:
    """A decision that stands, where its line is now, and whether it holds."""

    decision: Decision
    found: Found
    standing: Standing

    @property
    def value(self) -> Value:
        """What the decision carries."""
        return value(self.decision)


def anchored(
    decisions: Iterable[Decision],
    segments: Sequence[Segment] | Finder,
    shapes: Collection[tuple[str, Anchor]] = (),
) -> list[Anchored]:
    """Return the decisions that stand, each with its line and whether it holds, in the order of time.

    `shapes` are what lines, by id, have been before decisions changed them: a decision of the segment log
    on such a line is on the line that came of it. A lock, and who is seen, hold for the same stretch of the
    film whatever is said in it, and a note wherever its line is. What was decided on a line that is removed
    is where that line was: its ``found.id`` is `None`, and so is that of a line which is still to be added.
    """
    decisions = list(decisions)
    finder = segments if isinstance(segments, Finder) else Finder(segments)
    former = {shape: shape[0] for shape in shapes}
    joined: dict[Anchor, str] = {}
    standing = live(decisions)
    for decision, _ in standing:
        asked, now = value(decision), in_place(decision, finder)
        if asked.line and now:
            former[decision.subject, asked.line] = now
            if decision.action == "merge" and asked.other:
                joined |= {asked.line: now, asked.other: now}
    for decision, _ in standing:
        was = value(decision).line
        if decision.action == "add" and was in joined:
            former[decision.subject, was] = joined[was]
    removed = {
        decision.subject
        for decision, held in standing
        if decision.action == "remove"
        and not held
        and finder.get(decision.subject) is None
        and not _find(decision, finder, former).same_time
    }

    def find(decision: Decision) -> Found:
        if decision.subject in removed:
            gone = decision.action != "remove"
            return Found(None, "orphaned" if gone else "exact", not gone)
        return _find(decision, finder, former)

    return weighed(decisions, find)


def weighed(decisions: Iterable[Decision], find: Callable[[Decision], Found]) -> list[Anchored]:
    """Return the decisions that stand, in the order of time: where `find` has each, and whether it holds."""
    known = {identity(decision): decision for decision in decisions}
    found = [(decision, held, find(decision)) for decision, held in live(known.values())]
    things: dict[tuple[str, str], list[Decision]] = {}
    for decision, _, where in found:
        if where.how in ("exact", "moved") or slot(decision) in OF_TIMES:
            things.setdefault((where.id or decision.subject, slot(decision)), []).append(decision)
    return [
        Anchored(
            decision,
            where,
            _standing(
                decision, held, where, things.get((where.id or decision.subject, slot(decision)), []), known
            ),
        )
        for decision, held, where in found
    ]


def in_place(decision: Decision, finder: Finder) -> str | None:
    """Return the line that is as a decision of the segment log wanted it, or `None`."""
    line, asked = finder.get(decision.subject), value(decision)
    was = asked.line
    if was is None or log_of(decision.action) != "segment":
        return None
    if decision.action == "merge" and asked.other:
        return finder.covering(min(was.start, asked.other.start), max(was.end, asked.other.end))
    if decision.action == "add":
        return line.id if line else None
    if line is None or min(line.end, was.end) <= max(line.start, was.start):
        return None
    wanted = {
        "edit_source": line.text == asked.text,
        "reassign": line.speaker == finder.speaker(asked.speaker, asked.other),
        "retime": (line.start, line.end) == (asked.start, asked.end),
        "split": asked.cut is not None and line.end <= asked.cut and finder.starting(asked.cut),
    }
    return line.id if wanted.get(decision.action) else None


def _find(decision: Decision, finder: Finder, former: Mapping[tuple[str, Anchor], str]) -> Found:
    was = value(decision).line
    if was is None:
        return Found(None, "orphaned", False)
    now = former.get((decision.subject, was)) if log_of(decision.action) == "segment" else None
    found = Found(now, "exact", True) if now and finder.get(now) else finder.find(decision.subject, was)
    asked = value(decision)
    if decision.action == "add":
        return _added(was, found, finder, finder.speaker(was.speaker, asked.other))
    if decision.action != "reassign" or found.how == "orphaned":
        return found
    speaker = finder.speaker(asked.speaker, asked.other)
    return replace(found, speaker=speaker, how=found.how if speaker else "stale")


def _added(was: Anchor, found: Found, finder: Finder, speaker: str | None) -> Found:
    """Return where a line is that a reviewer added: heard by now, or still to be put beside the others.

    It is stale where its speaker says something else in its time; another may well speak over it.
    """
    there = finder.get(found.id) if found.id and found.same_time else None
    if there and (found.how in ("exact", "moved") or there.speaker == speaker):
        return found
    return Found(None, "exact" if speaker else "stale", False, speaker)


def _standing(
    decision: Decision,
    held: bool,
    where: Found,
    rivals: Sequence[Decision],
    known: Mapping[str, Decision],
) -> Standing:
    if where.how == "orphaned":
        return "orphaned"
    anyway = decision.action == "note" or (slot(decision) in OF_TIMES and where.same_time)
    if where.how == "stale" and not anyway:
        return "stale"
    if ACTIONS[decision.action].sets and any(
        other.who != decision.who
        and effect(other) != effect(decision)
        and not knew(other, decision, known)
        and not knew(decision, other, known)
        for other in rivals
    ):
        return "conflict"
    return "held" if held else "holds"
