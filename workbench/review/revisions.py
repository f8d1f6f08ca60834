"""Change lines as reviewers decided: their words, times and speakers, and where one ends."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from workbench.records import Decision, Segment, Table
from workbench.review.anchors import Finder
from workbench.review.decisions import ACTIONS, Anchor, identity, value
from workbench.review.standing import Anchored, anchored, in_place


def revise(
    segments: Sequence[Segment], decisions: Iterable[Decision]
) -> tuple[Table[Segment], list[Anchored]]:
    """Return the lines as decided, in order of start, and the decisions that are not applied.

    A line keeps its id when its words, its speaker or its times change. The second half of a split has
    an id of its own time, as an added line has; a merged line has the id of the earlier of the two. Decisions
    on what an earlier decision has made follow it.
    """
    decisions = [decision for decision in decisions if ACTIONS[decision.action].logs[0] == "segment"]
    lines = {segment.id: segment for segment in segments}
    shapes: set[tuple[str, Anchor]] = set()
    done: set[str] = set()
    while True:
        found = anchored(decisions, list(lines.values()), shapes)
        ready = [a for a in found if a.standing == "holds" and identity(a.decision) not in done]
        touched: set[str] = set()
        for one in ready:
            line = lines.get(one.found.id or "") or _new_line(lines, one)
            if line and not touched & {line.id}:
                changed = _apply(lines, line, one)
                touched |= changed
                if changed:
                    shapes |= {(line.id, Anchor.of(line)), (one.decision.subject, _line(one.decision))}
                    done.add(identity(one.decision))
        if not touched:
            break
    finder = Finder(list(lines.values()))
    left = [
        a
        for a in found
        if identity(a.decision) not in done
        and not in_place(a.decision, finder)
        and not (a.decision.action in ("remove", "add") and a.standing == "holds")
    ]
    left = [replace(a, standing="stale") if a.standing == "holds" else a for a in left]
    return Table(Segment, sorted(lines.values(), key=lambda line: (line.start, line.id))), left


def _apply(lines: dict[str, Segment], line: Segment, one: Anchored) -> set[str]:
    """Apply a decision to its line; return the ids it touched, none where it does not fit the line."""
    asked = one.value
    match one.decision.action:
        case "add":
            lines[line.id] = line
        case "remove":
            del lines[line.id]
        case "edit_source":
            lines[line.id] = replace(line, text=asked.text or "")
        case "reassign":
            lines[line.id] = replace(line, speaker=one.found.speaker or "")
        case "retime":
            lines[line.id] = replace(line, start=asked.start or 0, end=asked.end or 0)
        case "split":
            at, (first, second) = asked.cut or 0, asked.texts or ("", "")
            if not line.start < at < line.end:
                return set()
            name = new_id(at, lines)
            lines[line.id] = replace(line, end=at, text=first)
            lines[name] = replace(line, id=name, start=at, text=second)
        case "merge":
            other = _other(list(lines.values()), line, asked.other)
            if other is None:
                return set()
            one_line, two = sorted((line, other), key=lambda row: (row.start, row.id))
            text = f"{one_line.text} {two.text}".strip()
            del lines[two.id]
            lines[one_line.id] = replace(
                line, id=one_line.id, start=one_line.start, end=max(line.end, other.end), text=text
            )
            return {line.id, other.id}
    return {line.id}


def _new_line(lines: Mapping[str, Segment], one: Anchored) -> Segment | None:
    """Return the line that a decision adds; `None` for any other decision."""
    if one.decision.action != "add":
        return None
    was = _line(one.decision)
    name = one.decision.subject if one.decision.subject not in lines else new_id(was.start, lines)
    return Segment(name, was.start, was.end, one.found.speaker or was.speaker, was.text)


def _other(lines: Sequence[Segment], line: Segment, was: Anchor | None) -> Segment | None:
    others = [row for row in lines if row.id != line.id]
    found = Finder(others).find("", was) if was else None
    if found is None or found.how not in ("exact", "moved"):
        return None
    return next(row for row in others if row.id == found.id)


def new_id(start: int, taken: Container[str]) -> str:
    """Return the id of a line that starts at `start` ms, unlike all that are taken."""
    name, number = f"s{start:08d}", 1
    while name in taken:
        number += 1
        name = f"s{start:08d}-{number}"
    return name


def _line(decision: Decision) -> Anchor:
    line = value(decision).line
    assert line is not None
    return line
