"""Run stages: one notebook for DVC, or everything that a dub needs, through DVC."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from workbench.errors import LibraryError, MediaError, StageError
from workbench.library import SOURCE_STAGES, STAGES, Dub, Key, Library, Place
from workbench.runs import digests, monitor, notebook, pipeline

DEMO = "demo"  # the series whose first film a stage of the library itself makes


def place_of(root: Path, stage: str, key: Key) -> Place:
    """Return the place of a key at which a stage runs.

    Raises `LibraryError` for an unknown stage or key, or for an episode's stage asked of a dub.
    """
    if stage not in STAGES:
        raise LibraryError(
            f"run the stage {stage!r}", "there is no such stage", f"The stages are: {', '.join(STAGES)}."
        )
    if stage not in SOURCE_STAGES:
        return Library(root).dub(key)
    if key.level == "dub":
        raise LibraryError(
            f"run the stage {stage} of {key}", "it runs once an episode", f"Its key is {key.parent}."
        )
    return Library(root).episode(key)


def run_stage(root: Path, stage: str, key: Key) -> Path:
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
    given = {"episode": str(place.key)}
    if isinstance(place, Dub):
        given = {"episode": str(place.key.parent), "dub": place.key.name}
    output = place.reports / f"{stage}.ipynb"
    with monitor.recording(root, stage, str(key)):
        notebook.run(found[0], output, given, root=root)
    return output


def reproduce(root: Path, targets: Iterable[tuple[str, Key]]) -> None:
    """Have DVC bring these stages of places up to date, running only what changed.

    What another run is at work on is waited for (`workbench.runs.reproduce`). Raises `MediaError` where a
    film is not there, and `StageError` where a stage fails; DVC's own output has then said which. Ctrl-C and
    a termination are passed on to DVC and its stages, which end in order; an interrupt is raised once they
    have.
    """
    wanted = list(targets)
    names = [f"{root_file(key)}:{pipeline.target(stage, key)}" for stage, key in wanted]
    digests.write(root)
    for episode in dict.fromkeys(Key(*key.names[:2]) for _, key in wanted):
        pipeline.write(Library(root), episode)
        _refuse_without_film(root, episode)
    if any(key.series == DEMO for _, key in wanted):
        names.insert(0, f"{pipeline.FILE}:{DEMO}")
    command = [sys.executable, "-m", "workbench.runs.reproduce", *names]
    ends = (signal.SIGINT, signal.SIGTERM)
    asked: list[int] = []
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
            f"bring {', '.join(dict.fromkeys(str(key) for _, key in wanted))} up to date",
            "a stage failed",
            "Its error stands above, and a notebook's under reports/. Earlier outputs are as before.",
        )


def root_file(key: Key) -> str:
    """Return where the pipeline of an episode, or of a dub's, is, from the library's root."""
    return f"data/{Key(*key.names[:2])}/{pipeline.FILE}"


def _ended(running: subprocess.Popen[bytes], asked: Sequence[int]) -> int:
    """Return the exit code of a process, whose group is interrupted as often as an end is asked for."""
    passed = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return running.wait(0.1)
        if len(asked) > passed:
            os.killpg(running.pid, signal.SIGINT)
            passed = len(asked)


def refuse_foreign(root: Path, keys: Sequence[Key]) -> None:
    """Raise `LanguageError` where no engine that is chosen for a dub can do with its languages.

    So that it is said before hours of other work, not after them.
    """
    from workbench import engines

    for key in keys:
        dub = Library(root).dub(key)
        for kind in ("asr", "translate"):
            engines.refuse_foreign(kind, dub.choice(kind), source=dub.episode.language, target=dub.language)


def cautions(root: Path, keys: Sequence[Key]) -> list[str]:
    """Return what the translations of some dubs should not be trusted in, as their engines say, each once."""
    from workbench import engines

    dubs = [Library(root).dub(key) for key in keys]
    told = [
        engines.caution(
            "translate", dub.choice("translate"), source=dub.episode.language, target=dub.language
        )
        for dub in dubs
    ]
    return [sentence for sentence in dict.fromkeys(told) if sentence]


def bring(root: Path, keys: Sequence[Key]) -> list[Key]:
    """Bring episodes and dubs up to date, each as far as it goes; return those in which a stage failed.

    One that fails does not keep the others from being made. Raises what `reproduce` raises where the failure
    is of no stage of theirs, as where a file of parameters cannot be read.
    """
    before = len(monitor.runs(root))
    try:
        reproduce(root, [(stage, key) for key in keys for stage in pipeline.last(key)])
    except StageError:
        broken = [Key.parse(run.key) for run in list(monitor.runs(root))[before:] if run.error]
        lost = [key for key in keys if any(each.holds(key) for each in broken)]
        if not lost:
            raise
        return lost
    return []


def _refuse_without_film(root: Path, episode: Key) -> None:
    for pointer in sorted(Library(root).episode(episode).folder.glob("*.dvc")):
        film = pointer.with_suffix("").relative_to(root)
        if not (root / film).is_file():
            raise MediaError(
                f"bring {episode} up to date",
                f"{film} is not there",
                f"Bring it back with: dvc checkout {film}.dvc (or dvc pull), or add the film again.",
            )


def environment() -> dict[str, str]:
    """Return the environment for DVC: its stages call `workbench` by name, so its folder comes first."""
    own = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": own + os.pathsep + os.environ.get("PATH", "")}
