"""Decisions: what a reviewer can do, what each act carries, and the log that holds them.

Conventions
-----------
A log is JSON lines, one decision each, and is only ever appended to. The order of its lines means
nothing, so that git may merge two people's logs line by line. A decision is named by the hash of its
content. Its value is JSON with a version, the line as it stood when it was decided on, and the decisions
on the same thing that its author had before him (`Value.after`): a decision takes the place of those, and
of no others.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from workbench.errors import RecordError
from workbench.records import UNREADABLE, Decision, Segment, Table, Take, from_json, parse

VERSION = 1
LONGEST_TEXT = 5_000  # characters of a text that a reviewer writes
RATES = (0.5, 2.0)  # slowest and fastest that a take may be asked for
LOGS = ("segment", "translate", "cast", "tts", "qa")
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # controls; halves of a surrogate pair
MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")


@dataclass(frozen=True, slots=True)
class Anchor:
    """A line as it stood when it was decided on: enough to find it again. Ms."""

    start: int
    end: int
    speaker: str
    text: str

    @classmethod
    def of(cls, segment: Segment) -> Anchor:
        """Return the anchor of a segment as it stands."""
        return cls(segment.start, segment.end, segment.speaker, segment.text)


@dataclass(frozen=True, slots=True)
class Value:
    """What a decision carries. Which keys an action needs stands in `ACTIONS`; the others are absent."""

    version: int = VERSION
    line: Anchor | None = None  # add: the new line
    after: tuple[str, ...] = ()  # decisions on the same thing that it takes the place of
    of: str | None = None  # undo, hold: the decision they are about
    text: str | None = None  # edits: the new text; note: it; approve and reject: what was judged
    texts: tuple[str, str] | None = None  # split: the source texts of the two halves
    start: int | None = None  # retime, ms
    end: int | None = None
    cut: int | None = None  # split: where the second half begins, ms
    other: Anchor | None = (
        None  # merge: the line that joins this one; reassign, add: one that the speaker says
    )
    speaker: str | None = None  # reassign
    off_screen: bool | None = None  # off_screen: whether whoever speaks is out of the picture
    voice: str | None = None  # cast
    engine: str | None = None  # cast: the synthesiser that has the voice
    take: str | None = None  # key of the take that was heard
    kept: Take | None = None  # lock: the take to keep
    sound: str | None = None  # lock: SHA-256 of its samples (`tts.digest`)
    seed: int | None = None  # regenerate
    rate: float | None = None  # regenerate: the engine's own rate, 1.0 = natural
    options: dict[str, float | int | str | bool] | None = None  # regenerate: of the engine
    term: str | None = None  # pronounce: as in the style guide's lexicon
    tts: str | None = None
    locale: str | None = None
    everywhere: bool = False  # pronounce: in every line of the dub


@dataclass(frozen=True, slots=True)
class Action:
    """A row of `ACTIONS`.

    `sets` is what of a line the action sets: of two decisions on one thing, the one that knew the other
    takes its place. Those of ``cut`` and ``""`` stand beside each other.
    """

    logs: tuple[str, ...]  # the logs it may stand in
    sets: str
    needs: tuple[str, ...]  # keys of its value


ACTIONS = {
    "edit_source": Action(("segment",), "source", ("line", "text")),
    "retime": Action(("segment",), "time", ("line", "start", "end")),
    "split": Action(("segment",), "cut", ("line", "cut", "texts")),
    "merge": Action(("segment",), "cut", ("line", "other")),
    "reassign": Action(("segment",), "speaker", ("line", "speaker")),
    "off_screen": Action(("segment",), "sight", ("line", "off_screen")),
    "remove": Action(("segment",), "presence", ("line",)),
    "add": Action(("segment",), "presence", ("line", "other")),
    "cast": Action(("cast",), "voice", ("line", "voice", "engine")),
    "edit_text": Action(("translate",), "text", ("line", "text")),
    "lock": Action(("tts",), "lock", ("line", "kept", "sound")),
    "unlock": Action(("tts",), "lock", ("line",)),
    "regenerate": Action(("tts",), "take", ("line",)),
    "pronounce": Action(("tts",), "word", ("line", "term", "tts", "locale")),
    "approve": Action(("qa",), "verdict", ("line", "text")),
    "reject": Action(("qa",), "verdict", ("line", "text")),
    "reopen": Action(("qa",), "verdict", ("line",)),
    "note": Action(("qa",), "", ("line", "text")),
    "undo": Action(LOGS, "", ("of",)),
    "hold": Action(LOGS, "", ("of",)),
}


def log_of(action: str) -> str:
    """Return the log in which an action's decisions stand (for undo and hold: that of their object)."""
    return ACTIONS[action].logs[0]


@lru_cache(maxsize=65_536)
def identity(decision: Decision) -> str:
    """Return a decision's name: the first 16 hex digits of the SHA-256 of its JSON."""
    return _hash(msgspec.json.encode(decision))


def fingerprint(thing: Anchor | Segment | Take | str) -> str:
    """Return the fingerprint of what is decided on: a line, a take (its key), a text or a decision."""
    if isinstance(thing, Take):
        return thing.key[:16]
    if isinstance(thing, Segment):
        thing = Anchor.of(thing)
    return _hash(msgspec.json.encode(thing))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


@lru_cache(maxsize=65_536)
def value(decision: Decision) -> Value:
    """Return what a decision carries; raises `RecordError` where its value is not as `ACTIONS` has it."""
    return _value(decision, where=f"the decision on {decision.subject}")


def _value(decision: Decision, *, where: str) -> Value:
    action = ACTIONS.get(decision.action)
    if action is None:
        raise RecordError(
            f"read {where}",
            f"there is no action {decision.action!r}",
            f"The actions are: {', '.join(ACTIONS)}. A newer workbench may know it.",
        )
    try:
        raw = msgspec.json.decode(decision.value)
    except UNREADABLE as error:
        raise RecordError(f"read the value in {where}", str(error), "Repair or remove that line.") from error
    version = raw.get("version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise RecordError(
            f"read {where}",
            f"its version is {version}, and this workbench knows {VERSION}",
            "Update the workbench; the log is as it was.",
        )
    found = parse(Value, raw, where=where)
    missing = [name for name in action.needs if getattr(found, name) is None]
    if missing:
        raise RecordError(
            f"read {where}", f"{decision.action} needs {', '.join(missing)}", "Repair or remove that line."
        )
    fault = _fault(decision, found)
    if fault:
        raise RecordError(f"read {where}", fault, "Repair or remove that line.")
    return found


def _fault(decision: Decision, found: Value) -> str | None:
    """Say what is wrong with a decision that has the right shape."""
    if decision.fingerprint != _seen(decision.action, found):
        return "its fingerprint is of nothing that it carries"
    texts = [found.text, found.term, found.tts, *(found.texts or ())]
    texts += [found.line.text] if decision.action == "add" and found.line else []
    if any(len(text or "") > LONGEST_TEXT for text in texts):
        return f"a text has more than {LONGEST_TEXT} characters"
    if not 0 < len(decision.who) <= 100 or not decision.who.isprintable():
        return "it does not say who decided"
    try:
        datetime.strptime(decision.at, TIME).replace(tzinfo=UTC)
    except ValueError:
        return f"{decision.at!r} is no time such as 2026-01-31T12:00:00.000000Z"
    if decision.action == "retime" and not 0 <= (found.start or 0) < (found.end or 0):
        return f"a line cannot last from {found.start} to {found.end} ms"
    if decision.action == "add" and found.line and not 0 <= found.line.start < found.line.end:
        return f"a line cannot last from {found.line.start} to {found.line.end} ms"
    if decision.action == "add" and found.line and not found.line.text.strip():
        return "nobody says nothing: a new line has a text"
    if decision.action == "split" and found.line and not found.line.start < (found.cut or 0) < found.line.end:
        return f"a line from {found.line.start} to {found.line.end} ms cannot be cut at {found.cut}"
    if found.rate is not None and not RATES[0] <= found.rate <= RATES[1]:
        return f"nobody speaks at the rate {found.rate}; rates are {RATES[0]} to {RATES[1]}"
    kept = found.kept
    if kept and not (kept.key.isascii() and kept.key.isalnum() and min(kept.samples, kept.sample_rate) > 0):
        return "the take that it keeps is none"
    if decision.action in ("edit_text", "edit_source") and not (found.text or "").strip():
        return "a line cannot become empty"
    return None


def _seen(action: str, carried: Value) -> str:
    """Return the fingerprint of what a decision was taken on, from what it carries of it."""
    if action in ("undo", "hold"):
        return carried.of or ""
    if action in ("approve", "reject"):
        return fingerprint(carried.text or "")
    if action == "lock":
        return fingerprint(carried.kept) if carried.kept else ""
    return fingerprint(carried.line) if carried.line else ""


def make(action: str, subject: str, *, who: str, at: datetime | str, **carried: Any) -> Decision:
    """Return a decision; `carried` are keys of `Value`, `at` is UTC.

    Raises `RecordError` where the action does not exist or lacks something.
    """
    _refuse_unwritable(carried.values(), of=f"{action} of {subject}")
    found = Value(**carried)
    when = at if isinstance(at, str) else at.astimezone(UTC).strftime(TIME)
    text = msgspec.json.encode(_sparse(found)).decode()
    decision = Decision(subject, action, _seen(action, found), text, who, when)
    _value(decision, where=f"{action} of {subject}")
    return decision


def _refuse_unwritable(carried: Iterable[Any], *, of: str) -> None:
    """Raise `RecordError` for a text that has no JSON, before it is written as such."""
    texts = [one for given in carried for one in (given if isinstance(given, tuple) else (given,))]
    texts += [one.text for one in texts if isinstance(one, Anchor)]
    for text in texts:
        if isinstance(text, str) and (found := UNWRITABLE.search(text)):
            raise RecordError(
                f"write {of}",
                f"a text holds U+{ord(found[0]):04X}, which is no character that one could write",
                "Type it anew, without what was pasted.",
            )


def _sparse(found: Value) -> dict[str, Any]:
    given = asdict(found)
    defaults = {field.name: field.default for field in fields(found) if field.default is not MISSING}
    return {k: v for k, v in given.items() if k == "version" or v != defaults.get(k)}


def undo(decision: Decision, *, who: str, at: datetime | str) -> Decision:
    """Return the decision that takes one back. Undoing an undo brings the first one back."""
    return make("undo", decision.subject, who=who, at=at, of=identity(decision))


def hold(decision: Decision, *, who: str, at: datetime | str) -> Decision:
    """Return the decision that lets one wait: stages do not apply it until the hold is undone."""
    return make("hold", decision.subject, who=who, at=at, of=identity(decision))


def read(logs: Mapping[str, str]) -> Table[Decision]:
    """Read logs, file name (ending in ``<stage>.jsonl``) -> text, in the order of time.

    A decision that stands twice counts once. Raises as `Logs.read` does.
    """
    found = Logs()
    found.read(logs)
    return Table(Decision, sorted(found.decisions, key=when))


class Logs:
    """Logs that are read again and again as they grow: each line is decoded once."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._known: dict[str, Decision] = {}

    @property
    def decisions(self) -> list[Decision]:
        """All that were read, each once, in no order."""
        return list(self._known.values())

    def read(self, logs: Mapping[str, str]) -> list[Decision] | None:
        """Return the decisions that are new in logs, file name (ending in ``<stage>.jsonl``) -> text.

        `None` where a log is no longer what was read of it with more behind, as after a merge by git: begin
        anew then.

        Raises
        ------
        RecordError
            Naming file and line: a line that is no decision, a merge conflict's marker, an unknown action,
            one of another log, a value of a future version or without what its action needs, a fingerprint
            of nothing, or an undo of a decision that no log holds. The files are as they were, and what was
            read before stands.
        """
        if any(not logs.get(name, "").startswith(text) for name, text in self._texts.items()):
            return None
        found: dict[str, tuple[Decision, str]] = {}
        for name, text in logs.items():
            log, old = name.rsplit("/", 1)[-1].removesuffix(".jsonl"), self._texts.get(name, "")
            for number, line in enumerate(text[len(old) :].split("\n"), start=old.count("\n") + 1):
                if line.strip():
                    where = f"{name}, line {number}"
                    decision = _decision(line, where=where, log=log)
                    if identity(decision) not in self._known:
                        found.setdefault(identity(decision), (decision, where))
        for decision, where in found.values():
            of = value(decision).of
            if of is not None and of not in found and of not in self._known:
                raise RecordError(
                    f"read {where}",
                    f"it is about the decision {of}, which no log holds",
                    "Restore that line, or remove this one.",
                )
        self._texts = dict(logs)
        new = {name: decision for name, (decision, _) in found.items()}
        self._known |= new
        return list(new.values())


def when(decision: Decision) -> tuple[str, str, str]:
    """Return the key that puts decisions in order: time, person, name."""
    return decision.at, decision.who, identity(decision)


def _decision(line: str, *, where: str, log: str) -> Decision:
    if line.startswith(MARKERS):
        raise RecordError(
            f"read {where}",
            "it is the marker of a merge conflict",
            "Keep the lines of both sides and remove the markers: the order of lines means nothing.",
        )
    decision = from_json(Decision, line, where=where)
    action = ACTIONS.get(decision.action)
    if action and log not in action.logs:
        raise RecordError(
            f"read {where}",
            f"{decision.action} does not belong into this log",
            f"Move the line to {' or '.join(action.logs)}.jsonl.",
        )
    _value(decision, where=where)
    return decision


def live(decisions: Iterable[Decision]) -> list[tuple[Decision, bool]]:
    """Return the decisions that stand, in the order of time, each with whether it is held.

    Not among them: undo and hold themselves, what is undone, and what another that stands took the place
    of: one that knew it (`Value.after`), or a later one of the same person on the same thing.
    """
    known = {identity(decision): decision for decision in decisions}
    about: dict[str, list[str]] = {}
    for name, decision in known.items():
        if decision.action in ("undo", "hold"):
            about.setdefault(value(decision).of or "", []).append(name)

    def subject_to(action: str, name: str) -> bool:
        acts = (act for act in about.get(name, ()) if known[act].action == action)
        return any(
            not subject_to("undo", act) and not (action == "undo" and subject_to("hold", act)) for act in acts
        )

    standing = sorted(
        (d for n, d in known.items() if d.action not in ("undo", "hold") and not subject_to("undo", n)),
        key=when,
    )
    replaced = set().union(*(_before(d, known.get) for d in standing if _replaces(d)))
    own: dict[tuple[str, str, str], str] = {}
    for decision in standing:
        if _replaces(decision):
            thing = (decision.who, decision.subject, slot(decision))
            if thing in own:
                replaced.add(own[thing])
            own[thing] = identity(decision)
    names = ((identity(decision), decision) for decision in standing)
    return [(decision, subject_to("hold", name)) for name, decision in names if name not in replaced]


def holds(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the holds that nobody has undone."""
    decisions = list(decisions)
    undone = {value(d).of for d in decisions if d.action == "undo"}
    return [d for d in decisions if d.action == "hold" and identity(d) not in undone]


def slot(decision: Decision) -> str:
    """Return what of its line a decision sets; the words of a lexicon are things of their own."""
    sets = ACTIONS[decision.action].sets
    return f"word {(value(decision).term or '').casefold()}" if sets == "word" else sets


def effect(decision: Decision) -> tuple[str, Value]:
    """Return what a decision does, without on what and knowing what: equal for two that agree."""
    done = replace(value(decision), line=None, after=(), take=None)
    return decision.action, replace(done, other=None) if decision.action == "reassign" else done


def knew(decision: Decision, other: Decision, known: Mapping[str, Decision]) -> bool:
    """Say whether a decision's author had another one before him."""
    return identity(other) in _before(decision, known.get)


def _replaces(decision: Decision) -> bool:
    return ACTIONS[decision.action].sets not in ("", "cut")


def _before(decision: Decision, find: Callable[[str], Decision | None]) -> set[str]:
    """Return the names of all decisions that one comes after, directly or through others."""
    seen: set[str] = set()
    todo = list(value(decision).after)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            former = find(name)
            todo += value(former).after if former else ()
    return seen
