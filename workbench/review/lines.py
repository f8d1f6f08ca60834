"""The state of each line, folded from what people decided on it.

Conventions
-----------
Decisions that share a line, or know one another, are folded together and apart from all others: an act on one
line costs what was decided on that line, not what was decided on the film.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.records import Decision, Segment, Take, Translation
from workbench.review.anchors import HOWS, Finder, How
from workbench.review.decisions import ACTIONS, Value, fingerprint, identity, log_of, slot, value
from workbench.review.standing import Anchored, anchored

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
        """``remove`` where it is decided that nobody says it, ``add`` where a reviewer heard it; or empty."""
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


class Fold:
    """The lines of one film, of which each act folds anew those that it is about.

    `lines` has them by id, as the tables of `workbench.review` say: the film's, then those that are gone or
    still to be added. Of each line there is one take, the one that is heard, and the translation that it
    says (`wording`).
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        translations: Sequence[Translation] = (),
        takes: Sequence[Take] = (),
    ) -> None:
        self._finder = Finder(segments)
        self._segments = {row.id: row for row in segments}
        self._texts = {row.segment: row for row in translations}
        self._takes = {row.segment: row for row in takes}
        self._above: dict[Hashable, Hashable] = {}  # disjoint sets of marks, each but the root below another
        self._together: dict[Hashable, dict[str, Decision]] = {}  # by root: the decisions, by name
        self._folded: dict[Hashable, set[str]] = {}  # by root: the lines that they were folded into
        self.lines = {name: self._line(name, ()) for name in self._segments}

    def add(self, decisions: Iterable[Decision]) -> set[str]:
        """Take in decisions; return the ids of the lines that may have changed, or are there no more.

        Those of the voices log, on speakers, are left out.
        """
        todo: set[Hashable] = set()
        for decision in decisions:
            if log_of(decision.action) != "cast":
                root = self._join(_marks(decision))
                self._together.setdefault(root, {})[identity(decision)] = decision
                todo.add(root)
        changed: set[str] = set()
        while todo:
            root = self._root(todo.pop())
            found = anchored(self._together[root].values(), self._finder)
            before = len(self._together[root])
            root = self._join([root, *(("line", one.found.id) for one in found if one.found.id)])
            if len(self._together[root]) > before:  # others were decided on one of these lines
                todo.add(root)
            else:
                changed |= self._fold(root, found)
        return changed

    def _fold(self, root: Hashable, found: Sequence[Anchored]) -> set[str]:
        by_line: dict[str, list[Anchored]] = {}
        for one in found:
            by_line.setdefault(one.found.id or one.decision.subject, []).append(one)
        changed = self._folded.get(root, set()) | set(by_line)
        self._folded[root] = set(by_line)
        for name in changed:
            if name in self._segments or name in by_line:
                self.lines[name] = self._line(name, by_line.get(name, ()))
            else:
                self.lines.pop(name, None)
        return changed

    def _line(self, name: str, decisions: Sequence[Anchored]) -> Line:
        if name in self._segments:
            return _line(self._segments[name], self._texts.get(name), self._takes.get(name), decisions)
        was = decisions[-1].value.line
        assert was is not None
        segment = Segment(name, was.start, was.end, was.speaker, was.text)
        return _line(segment, None, None, decisions, there=False)

    def _root(self, mark: Hashable) -> Hashable:
        while mark in self._above:
            mark = self._above[mark]
        return mark

    def _join(self, marks: Iterable[Hashable]) -> Hashable:
        """Make one set of those that hold the marks, the largest taking in the others; return its root."""
        roots = {self._root(mark): None for mark in marks}
        root = max(roots, key=lambda mark: len(self._together.get(mark, ())))
        for other in roots:
            if other != root:
                self._above[other] = root
                self._together.setdefault(root, {}).update(self._together.pop(other, {}))
                self._folded.setdefault(root, set()).update(self._folded.pop(other, set()))
        return root


def _marks(decision: Decision) -> list[Hashable]:
    """Return what a decision may share with others that it is to be folded with."""
    asked = value(decision)
    names = [identity(decision), *asked.after, *([asked.of] if asked.of else [])]
    marks: list[Hashable] = [("line", decision.subject), *(("decision", name) for name in names)]
    if decision.action in ("add", "merge"):  # an added line may have been joined with another
        marks += [("anchor", asked.line)]
    if decision.action == "merge":
        marks += [("anchor", asked.other)]
    return marks


def fold(
    decisions: Iterable[Decision],
    segments: Sequence[Segment],
    translations: Sequence[Translation] = (),
    takes: Sequence[Take] = (),
) -> dict[str, Line]:
    """Return every line by its id with what was decided on it (`Fold`), in whatever order that comes."""
    state = Fold(segments, translations, takes)
    state.add(decisions)
    return state.lines


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
