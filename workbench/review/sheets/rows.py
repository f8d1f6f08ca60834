"""A dub's lines as rows, and what was edited in rows that came back as decisions."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from workbench import review, writing
from workbench.errors import RecordError
from workbench.records import Decision, from_json
from workbench.review import Anchor, Line

VERDICTS = {"approved": "approve", "rejected": "reject"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line: times in ms, `verdict` is approved, rejected or empty."""

    id: str
    start: int
    end: int
    speaker: str
    source: str
    target: str
    verdict: str
    note: str
    seen: str  # JSON of `Seen`; empty where the form has no room for it


@dataclass(frozen=True, slots=True)
class Seen:
    """What a row was made of."""

    dub: str  # its key
    line: Anchor
    cells: tuple[int, int, str, str, str, str]  # start to verdict
    after: dict[str, tuple[str, ...]]  # the decisions that stood, by what they set


@dataclass(frozen=True, slots=True)
class Report:
    """What a sheet that came back lacks or has too much; ids, or the text of rows without one."""

    missing: tuple[str, ...] = ()  # rows deleted: their lines stay as they are
    unknown: tuple[str, ...] = ()  # rows of no line of the dub: not taken in
    moved: tuple[str, ...] = ()  # rows that stand elsewhere than they did: it means nothing
    both: tuple[str, ...] = ()  # edited here, and changed elsewhere since: look at these lines

    def __str__(self) -> str:
        says = {
            "missing": "rows missing (their lines stay as they are)",
            "unknown": "rows that belong to no line (not taken in; split and join lines in the review panel)",
            "moved": "rows in another place (it means nothing)",
            "both": "lines that changed elsewhere too (look at them)",
        }
        found = ((name, getattr(self, name)) for name in says)
        return "\n".join(f"{len(ids)} {says[name]}: {', '.join(ids)}" for name, ids in found if ids)


def rows(lines: Mapping[str, Line], *, dub: str) -> list[Row]:
    """Return the rows of a dub's sheet, by the dub's key; lines that are gone have none."""
    return [_row(line, dub=dub) for line in lines.values() if line.there]


def _row(line: Line, *, dub: str) -> Row:
    verdict = line.state if line.state in VERDICTS else ""
    segment = line.segment
    speaker, source, target = map(writing.one_line, (segment.speaker, line.source, line.text))
    cells = (segment.start, segment.end, speaker, source, target, verdict)
    after: dict[str, list[str]] = {}
    for one in line.decisions:
        after.setdefault(review.slot(one.decision), []).append(review.identity(one.decision))
    decided = {thing: tuple(sorted(names)) for thing, names in after.items()}
    seen = Seen(dub, Anchor.of(segment), cells, decided)
    return Row(line.id, *cells, "", msgspec.json.encode(seen).decode())


def decisions(
    sheet: Sequence[Row],
    lines: Mapping[str, Line],
    *,
    dub: str,
    duration: int,
    who: str,
    at: datetime | str,
    where: str,
) -> tuple[list[Decision], Report]:
    """Return a decision for each cell of a sheet that was edited, and what is odd about its rows.

    `dub` is the key of the dub whose `lines` they are, `duration` the film's, in ms.

    Raises `RecordError` naming the row of another dub, the row and cell of a value that cannot be a decision,
    or an id that stands twice. Nothing is to be taken in then.
    """
    for number, row in enumerate(sheet, start=1):
        if row.seen:
            _refuse_foreign(row, dub=dub, where=f"{where}, row {number} ({row.id})")
    found: list[Decision] = []
    present = {line.id: line for line in lines.values() if line.there}
    both, unknown = [], []
    twice = [name for name, count in Counter(row.id for row in sheet if row.id).items() if count > 1]
    if twice:
        raise RecordError(f"read {where}", f"{twice[0]} stands twice", "Keep one row of each line.")
    for number, row in enumerate(sheet, start=1):
        line = present.get(row.id)
        if line is None:
            unknown.append(row.id or row.target[:40])
            continue
        place = f"{where}, row {number} ({row.id})"
        then = _row(line, dub=dub)
        seen = seen_of(row.seen or then.seen, where=place)
        said = review.said_by(row.speaker, present.values())
        made = list(_edits(row, seen, said, duration=duration, who=who, at=at, where=place))
        if made and row.seen and seen != seen_of(then.seen, where=place):
            both.append(row.id)
        found += made
    order = [row.id for row in sheet if row.id in present]
    missing = tuple(name for name in present if name not in set(order))
    return found, Report(missing, tuple(unknown), _moved(order, list(present)), tuple(both))


def _refuse_foreign(row: Row, *, dub: str, where: str) -> None:
    of = seen_of(row.seen, where=where).dub
    if of != dub:
        raise RecordError(
            f"read {where} into {dub}", f"it is of the dub {of}", f"Read it with: workbench sheet read {of}"
        )


def _moved(order: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the fewest rows whose move explains an order: those outside its longest rising run."""
    place = {name: number for number, name in enumerate(wanted)}
    ends: list[int] = []  # the least place that ends a rising run of each length
    lengths = []
    for name in order:
        at = bisect_left(ends, place[name])
        ends[at : at + 1] = [place[name]]
        lengths.append(at + 1)
    kept, length = set(), len(ends)
    for name, own in zip(reversed(order), reversed(lengths), strict=True):
        if own == length:
            kept.add(name)
            length -= 1
    return tuple(name for name in order if name not in kept)


def _edits(
    row: Row, seen: Seen, said: Anchor | None, *, duration: int, who: str, at: datetime | str, where: str
) -> Iterable[Decision]:
    start, end, speaker, source, target, verdict = seen.cells

    def make(action: str, **carried: object) -> Decision:
        thing = review.ACTIONS[action].sets
        after = () if thing in ("", "cut") else seen.after.get(thing, ())
        try:
            return review.make(action, row.id, who=who, at=at, line=seen.line, after=after, **carried)
        except RecordError as error:
            raise RecordError(f"read {where}", error.found, "Correct that row.") from error

    if (row.start, row.end) != (start, end):
        if row.end > duration:
            raise RecordError(
                f"read {where}, end", f"it is {row.end} ms, the film has {duration}", "End the line earlier."
            )
        yield make("retime", start=row.start, end=row.end)
    if row.speaker != speaker:
        if said is None:
            raise RecordError(
                f"read {where}, speaker", f"nobody is called {row.speaker!r}", "Write one of the speakers."
            )
        yield make("reassign", speaker=row.speaker, other=said)
    if row.source != source:
        yield make("edit_source", text=row.source)
    if row.target != target:
        yield make("edit_text", text=row.target)
    if row.note:
        yield make("note", text=row.note)
    if row.verdict != verdict and row.verdict:
        if row.verdict not in VERDICTS:
            raise RecordError(
                f"read {where}", f"the verdict is {row.verdict!r}", "Write approved, rejected or nothing."
            )
        yield make(VERDICTS[row.verdict], text=row.target)
    elif row.verdict != verdict:
        for name in seen.after.get("verdict", ()):
            yield review.make("undo", row.id, who=who, at=at, of=name)


def seen_of(text: str, *, where: str) -> Seen:
    """Read what a row has seen; raises `RecordError` where somebody changed it."""
    try:
        return from_json(Seen, text, where=f"{where}, seen")
    except RecordError as error:
        raise RecordError(
            f"read {where}", "its cell 'seen' was changed", "Export the sheet again."
        ) from error


def log_of(decision: Decision, known: Iterable[Decision]) -> str:
    """Return the log of a sheet's decision; an undo stands with what it takes back."""
    of = review.value(decision).of
    about = next((one for one in known if review.identity(one) == of), decision)
    return review.log_of(about.action)
