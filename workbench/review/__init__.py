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
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from workbench.records import Decision, Score, Table, Verdict
from workbench.review.anchors import HOWS, Finder, Found, How
from workbench.review.decisions import (
    ACTIONS,
    LOGS,
    RATES,
    Anchor,
    Logs,
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
    when,
)
from workbench.review.lines import Fold, Line, fold, waiting
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
    "Fold",
    "Found",
    "How",
    "Line",
    "Logs",
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
    "when",
]  # fmt: skip


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
