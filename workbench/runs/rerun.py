"""Speak lines of a dub again as reviewers decided, and bring the dub up to date with them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workbench import glossary, library, review, wording
from workbench.errors import LibraryError, StageError
from workbench.glossary import Term
from workbench.library import Key, Library, people
from workbench.records import Decision, Placement, Segment, Table, Take, Translation
from workbench.runs import batch, digests, monitor, options, pipeline, reproduce

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rerun:
    """What a rerun did: the lines asked for, those whose take is another now, and how many were made."""

    lines: tuple[str, ...]
    changed: tuple[str, ...]
    syntheses: int
    kept: int  # takes that are as they were


def rerun(
    root: Path,
    key: Key,
    *,
    segments: Sequence[str] = (),
    approved: bool = False,
    stale: bool = False,
    who: str | None = None,
) -> Rerun:
    """Speak lines of a dub again as reviewers decided, and make everything after it; the rest stays.

    Decisions on other lines that are not yet in the film are held back (`review.hold`), in the log, until
    their own lines are rerun; holds on the lines asked for are undone. A new word in the series' lexicon is
    spoken in every line that says it, asked for or not. All runs through DVC.

    Parameters
    ----------
    segments : sequence of str
        Ids of the lines; or `approved`: all that are approved; or `stale`: all whose take is not what was
        decided.
    who : str, optional
        In whose name decisions are held back; by default `people.reviewer`.

    Raises
    ------
    LibraryError
        For a line that is not there, or where more than decisions and the lexicon has changed since the dub
        was made.
    StageError
        Where a stage fails (``resynth_failed``). The earlier takes and film are as before, and the decisions
        of the lines asked for are held back, so that other lines can be rerun.
    """
    dub = Library(root).dub(key)
    before = _heard(dub)
    decisions = review.read(dub.review(*review.LOGS))
    found = lines(dub, decisions)
    unknown = [name for name in segments if name not in found]
    if unknown:
        raise LibraryError(
            f"rerun {', '.join(unknown)} of {key}",
            "there is no such line",
            "Take the ids from the QA report.",
        )
    asked = {
        name
        for name, line in found.items()
        if name in segments or (approved and line.state == "approved") or (stale and "pending" in line.flags)
    }
    _refuse_other_changes(root, dub, [line for name, line in found.items() if name not in asked])
    at, who = datetime.now(UTC), who or people.reviewer(root)
    known = {review.identity(decision): decision for decision in decisions}
    wanted = {review.identity(a.decision) for name in asked for a in found[name].decisions}
    for hold in review.holds(decisions):
        of = review.value(hold).of or ""
        if of in wanted or known[of].subject in asked:
            dub.append(review.log_of(known[of].action), review.undo(hold, who=who, at=at))
    others = [a for name, line in found.items() if name not in asked for a in review.waiting(line)]
    _hold(dub, (a.decision for a in others if a.standing == "holds"), who=who, at=at)
    sounds, runs = library.Memo(root).keys(), len(monitor.runs(root))
    try:
        batch.reproduce(root, [("qa", key)])
    except StageError as error:
        _hold(dub, (a.decision for name in asked for a in review.waiting(found[name])), who=who, at=at)
        reason = next((run.error for run in list(monitor.runs(root))[runs:] if run.error), error.found)
        log.error("resynth_failed key=%s segments=%s reason=%s", key, ",".join(sorted(asked)), reason)
        failure = StageError(
            f"rerun {', '.join(sorted(asked))} of {key}",
            f"resynth_failed: {reason}",
            "The earlier takes and film are as before; what was decided on these lines waits.",
        )
        try:
            batch.reproduce(root, [("qa", key)])  # what ran before the stage that failed goes back
        except StageError as again:
            raise failure from again
        raise failure from error
    former, after = before.by("segment"), _heard(dub)
    changed = tuple(take.segment for take in after if former.get(take.segment) != take)
    new = len(library.Memo(root).keys() - sounds)
    return Rerun(tuple(name for name in found if name in asked), changed, new, len(after) - len(changed))


def lines(dub: library.Dub, decisions: Iterable[Decision]) -> dict[str, review.Line]:
    """Return a dub's lines with what was decided on them (`review.fold`)."""
    takes = _heard(dub)
    return review.fold(decisions, dub.read(Segment), wording.said(dub.read(Translation), takes), takes)


def _heard(dub: library.Dub) -> Table[Take]:
    return wording.heard(dub.read(Take), dub.read(Placement) if dub.made(Placement) else ())


def _hold(dub: library.Dub, decisions: Iterable[Decision], *, who: str, at: datetime) -> None:
    for decision in decisions:
        dub.append(review.log_of(decision.action), review.hold(decision, who=who, at=at))


def _refuse_other_changes(root: Path, dub: library.Dub, rest: Sequence[review.Line]) -> None:
    """Raise `LibraryError` where the takes of the other lines would change by more than was decided.

    That the translations are newer than the takes is no such change, as a rerun that was killed leaves it,
    where each of the others is spoken as it is translated. Nor is a new pronunciation in the style guide: its
    terms are those that the translations were made with.
    """
    digests.write(root)
    pipeline.write(Library(root), dub.key.parent)
    for place in (dub.episode, dub):
        options.write(place)  # so that a parameter counts where it reaches these takes, and nowhere else
    file = batch.root_file(dub.key)
    with reproduce.in_view(root, file) as repo:
        status = reproduce.changed(repo, f"{file}:{pipeline.target('tts', dub.key)}")
    logs = {str(dub.review_log(stage).relative_to(root)) for stage in review.LOGS}
    there = (line for line in rest if not line.locked and line.there)
    spoken = ((line.take, line.translation) for line in there)
    if all(take and text and take.text_pre_pronunciation == text.text for take, text in spoken):
        logs.add(str(dub.stage("translate").relative_to(root)))
    guide, terms = dub.style_guide(), dub.stage("translate") / "terms.jsonl"
    now = Table(Term, glossary.read(guide).glossary_terms).to_jsonl()
    if terms.is_file() and library.read_text(terms) == now:
        logs |= {str((dub.episode.series.folder / name).relative_to(root)) for name in guide}
    other = sorted(
        f"{stage}: {path}"
        for stage, entries in status.items()
        if not stage.startswith(pipeline.OPTIONS)
        for entry in entries
        for path in (next(iter(entry.values())) if isinstance(entry, dict) else [entry])
        if os.path.normpath(path) not in logs
    )
    if other:
        raise LibraryError(
            f"rerun lines of {dub.key}",
            f"more than decisions has changed since it was made: {'; '.join(other[:5])}",
            f"Run: workbench repro {dub.key}",
        )
