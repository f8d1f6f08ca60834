"""DVC with the pipelines of some episodes in view, and none of the others.

By itself DVC reads every pipeline of the library before it runs one, and ends with an error where a stage of
one run needs what one of another is at work on. Here an episode costs what it costs in a library of one, and
a run waits for the stage that it needs and takes what was made: runs of different episodes go on side by
side, and of two runs of one episode the second makes only what the first does not. No lock is ever taken
away.

This is the one module that touches DVC's inside, so DVC's version is pinned. Plain ``dvc repro`` does the
same work more slowly. Called as ``python -m workbench.runs.reproduce TARGET …``, each ``FILE:STAGE`` from
the root.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import LibraryError
from workbench.runs import preload

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

PAUSE = 0.5  # s
HOLDER = re.compile(r"\(PID (\d+)\): (.*)")  # in what DVC says of a lock


@contextmanager
def in_view(root: Path, file: str, *, wait: bool = False) -> Iterator[Repo]:
    """Open the library as DVC's repository, of which only the pipeline in one file is in view.

    With `wait`, what another run reads or writes is waited for. The block raises `LibraryError` for what a
    run holds.
    """
    from dvc.lock import LockError
    from dvc.repo import Repo
    from dvc.repo.index import Index

    class OneFile(Repo):  # type: ignore[misc]
        @cached_property
        def index(self) -> Index:
            return Index.from_file(self, str(root / file))

    try:
        with OneFile(str(root), _wait_for_lock=wait) as repo:
            yield repo
    except LockError as error:
        raise LibraryError(
            "ask DVC what has changed",
            "stages are running in this library",
            "Ask again when they have ended.",
        ) from error


def changed(repo: Repo, *targets: str) -> dict[str, list[Any]]:
    """Return what changed: stage -> entries as ``dvc status`` has them; of targets, those before them too."""
    found: dict[str, list[Any]] = repo.status(targets=list(targets) or None, with_deps=bool(targets))
    return {name.rpartition(":")[2]: entries for name, entries in found.items()}


def stale(root: Path, file: str) -> set[str]:
    """Return the stages of a pipeline that would run again, with all that depend on them.

    Raises `LibraryError` while stages run.
    """
    import networkx
    from dvc.repo import lock_repo

    with in_view(root, file) as repo, lock_repo(repo):  # so that the pipeline is read once
        found = set(changed(repo))
        graph = repo.index.graph  # its edges point from a stage to what it needs
        for node in graph.nodes:
            if node.name in found:
                found |= {each.name for each in networkx.ancestors(graph, node)}
    return found


def main(targets: Sequence[str]) -> int:
    """Bring stages up to date, file by file; return 1 where any of them failed."""
    from dvc.exceptions import DvcException
    from dvc.stage import Stage

    sys.argv[0] = "dvc"  # so that whoever waits for this run reads what it is
    Stage.reproduce = _patient(Stage.reproduce)
    files: dict[str, list[str]] = {}
    for target in targets:
        files.setdefault(target.rpartition(":")[0], []).append(target)
    failed = False
    with ExitStack() as servers:
        Stage.run = _warm(Stage.run, servers)
        for file, own in files.items():
            try:
                with in_view(Path.cwd(), file, wait=True) as repo:
                    repo.reproduce(targets=own, on_error="keep-going")
            except DvcException as error:
                print(error, file=sys.stderr, flush=True)
                failed = True
    return int(failed)


def _warm(run: Any, servers: ExitStack) -> Any:
    """Return DVC's way to run a stage, with a warm process to run it in from the first that runs on."""
    started: list[bool] = []

    def warmly(stage: Stage, *arguments: Any, **options: Any) -> Any:
        if not started:
            started.append(True)
            servers.enter_context(preload.serving())
        return run(stage, *arguments, **options)

    return warmly


def _patient(reproduce: Any) -> Any:
    from dvc.lock import LockError

    def patiently(stage: Stage, **options: Any) -> Stage | None:
        told, again = "", False
        while True:
            try:
                if again and not stage.reload().changed(upstream=options.get("upstream")):
                    return None  # for which reading is enough
                made: Stage | None = reproduce(stage, **options)
                return made
            except LockError as error:
                holders = [f"process {pid} ({command})" for pid, command in HOLDER.findall(str(error))]
            if not again:
                again = True
                continue
            says = f"{stage.addressing} waits for {' and '.join(dict.fromkeys(holders)) or 'another run'}"
            if says != told:
                print(f"{says}; Ctrl-C gives up", file=sys.stderr, flush=True)
                told = says
            _wait(stage)

    return patiently


def _wait(stage: Stage) -> None:
    """Let other runs at the library for a moment."""
    stage.repo.lock.unlock()
    try:
        time.sleep(PAUSE)
    finally:
        stage.repo.lock.lock()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
