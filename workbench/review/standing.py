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
    segments: Sequence[Segment],
    shapes: Collection[tuple[str, Anchor]] = (),
) -> list[Anchored]:
    """Return the decisions that stand, each with its line and whether it holds, in the order of time.

    `shapes` are what lines, by id, have been before decisions changed them: a decision of the segment log
    on such a line is on the line that came of it. A lock, and who is seen, hold for the same stretch of the
    film whatever is said in it, and a note wherever its line is.
    """
    decisions = list(decisions)
    finder, former = Finder(segments), {shape: shape[0] for shape in shapes}
    for decision, _ in live(decisions):
        was, now = value(decision).line, in_place(decision, finder)
        if was and now:
            former[decision.subject, was] = now
    return weighed(decisions, lambda decision: _find(decision, finder, former))


def weighed(decisions: Iterable[Decision], find: Callable[[Decision], Found]) -> list[Anchored]:
    """Return the decisions that stand, in the order of time: where `find` has each, and whether it holds."""
    known = {identity(decision): decision for decision in decisions}
    found = [(decision, held, find(decision)) for decision, held in live(known.values())]
    things: dict[tuple[str | None, str], list[Decision]] = {}
    for decision, _, where in found:
        if where.how in ("exact", "moved") or slot(decision) in OF_TIMES:
            things.setdefault((where.id, slot(decision)), []).append(decision)
    return [
        Anchored(
            decision,
            where,
            _standing(decision, held, where, things.get((where.id, slot(decision)), []), known),
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
    if decision.action != "reassign" or found.how == "orphaned":
        return found
    asked = value(decision)
    speaker = finder.speaker(asked.speaker, asked.other)
    return replace(found, speaker=speaker, how=found.how if speaker else "stale")


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
