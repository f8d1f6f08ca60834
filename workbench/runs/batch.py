"""Run stages: one notebook for DVC, or everything that a dub needs, through DVC."""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workbench import glossary, library, review, wording
from workbench.errors import LibraryError, MediaError, StageError
from workbench.glossary import Term
from workbench.library import people
from workbench.records import Decision, Placement, Segment, Table, Take, Translation
from workbench.runs import digests, monitor, notebook, preload

log = logging.getLogger(__name__)

MOST_LIKE = 5  # keys that are named where one is unknown


def place_of(root: Path, stage: str, key: str) -> library.Place:
    """Return the place of a key at which a stage runs.

    Raises `LibraryError` for an unknown stage or key, or for an episode's stage asked of a dub.
    """
    if stage not in library.STAGES:
        raise LibraryError(
            f"run the stage {stage!r}",
            "there is no such stage",
            f"The stages are: {', '.join(library.STAGES)}.",
        )
    if stage not in library.SOURCE_STAGES:
        return dub_of(root, key)
    if key in library.listing(root)["dubs"]:
        raise LibraryError(
            f"run the stage {stage} of {key}",
            "it runs once an episode",
            f"Its key is {key.rpartition('/')[0]}.",
        )
    return library.episode(key, root)


def dub_of(root: Path, key: str) -> library.Dub:
    """Return the dub of a key; raises `LibraryError`, for an episode or a series with the dubs it has."""
    own = [name for name in keys(root, [key]) if name.count("/") == 2]
    if key not in own:
        raise LibraryError(
            f"open the dub {key}",
            "a dub's key is series/episode/language",
            f"There are: {', '.join(own)}." if own else "There is none of it: workbench add FILM --to LANG",
        )
    return library.Dub(root, key)


def keys(root: Path, asked: Sequence[str] = ()) -> list[str]:
    """Return the episodes and dubs that are asked for, with all that is below them; by default all.

    Raises `LibraryError` for a key that the library does not list, naming those that are most like it.
    """
    listing = library.listing(root)
    known = [*listing["episodes"], *listing["dubs"]]
    for key in asked:
        if not any(f"{name}/".startswith(f"{key}/") for name in known):
            like = difflib.get_close_matches(key, known, MOST_LIKE, 0)
            raise LibraryError(
                f"open {key}",
                "params/library.yaml lists no such key",
                f"Most like it are: {', '.join(like)}." if like else "Add a film with: workbench add",
            )
    return [name for name in known if not asked or any(f"{name}/".startswith(f"{key}/") for key in asked)]


def run_stage(root: Path, stage: str, key: str) -> Path:
    """Run a stage's notebook for one key; return the executed notebook.

    Raises
    ------
    LibraryError
        For an unknown stage or key.
    StageError
        Where a cell fails; the stage's earlier output is then as before.
    """
    place = place_of(root, stage, key)
    found = sorted((root / "notebooks").glob(f"*_{stage}.ipynb"))
    if len(found) != 1:
        raise StageError(
            f"run the stage {stage}",
            f"notebooks/ holds {len(found)} notebooks named *_{stage}.ipynb",
            "Keep one.",
        )
    given = {"episode": key}
    if isinstance(place, library.Dub):
        given = {"episode": place.episode.key, "lang": key.rpartition("/")[2]}
    output = place.reports / f"{stage}.ipynb"
    with monitor.recording(root, stage, key):
        notebook.run(found[0], output, given, root=root)
    return output


def reproduce(root: Path, targets: Sequence[str]) -> None:
    """Have DVC bring these stages up to date (``stage@key``), running only what changed.

    What another run is at work on is waited for (`patience`). Raises `MediaError` where a film is not there,
    and `StageError` where a stage fails; DVC's own output has then said which. Ctrl-C and a termination are
    passed on to DVC and its stages, which end in order; an interrupt is raised once they have.
    """
    for episode in dict.fromkeys("/".join(target.partition("@")[2].split("/")[:2]) for target in targets):
        _refuse_without_film(root, episode)
    command = [sys.executable, "-m", "workbench.runs.patience", "--wait-for-lock", "repro", *targets]
    ends = (signal.SIGINT, signal.SIGTERM)
    asked: list[int] = []
    with preload.serving():
        previous = [signal.signal(number, lambda number, _: asked.append(number)) for number in ends]
        try:  # in a group of its own, so that both signals reach all of it, and each once
            running = subprocess.Popen(
                command, cwd=root, env=environment(), stdin=subprocess.DEVNULL, process_group=0
            )
            code = _ended(running, asked)
        finally:
            for number, handler in zip(ends, previous, strict=True):
                signal.signal(number, handler)
    if asked or code in (-signal.SIGINT, 128 + signal.SIGINT):
        raise KeyboardInterrupt
    if code:
        raise StageError(
            f"bring {', '.join(targets)} up to date",
            "a stage failed",
            "Its error stands above, and a notebook's under reports/. Earlier outputs are as before.",
        )


def _ended(running: subprocess.Popen[bytes], asked: Sequence[int]) -> int:
    """Return the exit code of a process, whose group is interrupted as often as an end is asked for."""
    passed = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return running.wait(0.1)
        if len(asked) > passed:
            os.killpg(running.pid, signal.SIGINT)
            passed = len(asked)


def refuse_foreign(root: Path, keys: Sequence[str]) -> None:
    """Raise `LanguageError` where no engine that is chosen for a dub can do with its languages.

    So that it is said before hours of other work, not after them.
    """
    from workbench import engines

    for key in keys:
        dub = library.Dub(root, key)
        for kind in ("asr", "translate"):
            engines.refuse_foreign(kind, dub.choice(kind), source=dub.episode.language, target=dub.language)


def cautions(root: Path, keys: Sequence[str]) -> list[str]:
    """Return what the translations of some dubs should not be trusted in, as their engines say, each once."""
    from workbench import engines

    dubs = [library.Dub(root, key) for key in keys]
    told = [
        engines.caution(
            "translate", dub.choice("translate"), source=dub.episode.language, target=dub.language
        )
        for dub in dubs
    ]
    return [sentence for sentence in dict.fromkeys(told) if sentence]


def bring(root: Path, keys: Sequence[str]) -> list[str]:
    """Bring episodes and dubs up to date, each as far as it goes; return those in which a stage failed.

    One that fails does not keep the others from being made. Raises what `reproduce` raises where the failure
    is of no stage of theirs, as where a file of parameters cannot be read.
    """
    left, failed = list(keys), []
    while left:
        before = len(monitor.runs(root))
        try:
            reproduce(root, [f"{stage}@{key}" for key in left for stage in _last(key)])
            break
        except StageError:
            broken = {run.key for run in list(monitor.runs(root))[before:] if run.error}
            lost = [key for key in left if any(f"{key}/".startswith(f"{name}/") for name in broken)]
            if not lost:
                raise
            failed += lost
            left = [key for key in left if key not in lost]
    return failed


def _last(key: str) -> tuple[str, ...]:
    return ("qa",) if key.count("/") == 2 else ("segment", "voices")


def _refuse_without_film(root: Path, episode: str) -> None:
    for pointer in sorted((root / "data" / episode).glob("*.dvc")):
        film = pointer.with_suffix("").relative_to(root)
        if not (root / film).is_file():
            raise MediaError(
                f"bring {episode} up to date",
                f"{film} is not there",
                f"Bring it back with: dvc checkout {film}.dvc (or dvc pull), or add the film again.",
            )


@dataclass(frozen=True)
class Rerun:
    """What a rerun did: the lines asked for, those whose take is another now, and how many were made."""

    lines: tuple[str, ...]
    changed: tuple[str, ...]
    syntheses: int
    kept: int  # takes that are as they were


def rerun(
    root: Path,
    key: str,
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
    dub = dub_of(root, key)
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
        reproduce(root, [f"qa@{key}"])
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
            reproduce(root, [f"qa@{key}"])  # what ran before the stage that failed goes back
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
    with monitor.repository(root) as repo:
        status = repo.status(targets=[f"tts@{dub.key}"], with_deps=True)
    status.pop(digests.STAGE, None)
    logs = {str(dub.review_log(stage).relative_to(root)) for stage in review.LOGS}
    there = (line for line in rest if not line.locked and line.there)
    spoken = ((line.take, line.translation) for line in there)
    if all(take and text and take.text_pre_pronunciation == text.text for take, text in spoken):
        logs.add(str(dub.stage("translate").relative_to(root)))
    guide, terms = dub.episode.style_guide(dub.language), dub.stage("translate") / "terms.jsonl"
    now = Table(Term, glossary.read(guide).glossary_terms).to_jsonl()
    if terms.is_file() and library.read_text(terms) == now:
        logs |= {str((dub.episode.series_folder / name).relative_to(root)) for name in guide}
    other = sorted(
        f"{stage}: {path}"
        for stage, entries in status.items()
        for entry in entries
        for path in (next(iter(entry.values())) if isinstance(entry, dict) else [entry])
        if path not in logs
    )
    if other:
        raise LibraryError(
            f"rerun lines of {dub.key}",
            f"more than decisions has changed since it was made: {'; '.join(other[:5])}",
            f"Run: workbench repro {dub.key}",
        )


def environment() -> dict[str, str]:
    """Return the environment for DVC: its stages call `workbench` by name, so its folder comes first."""
    own = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": own + os.pathsep + os.environ.get("PATH", "")}
