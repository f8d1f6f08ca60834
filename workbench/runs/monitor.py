"""What ran, how it ended and how long it took; and what is fresh, stale, missing or failed.

The record of runs is a local file under ``.cache``: times never go into anything that DVC hashes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from workbench import library
from workbench.errors import LibraryError
from workbench.records import Table
from workbench.runs import digests

if TYPE_CHECKING:
    from dvc.repo import Repo

State = Literal["fresh", "stale", "missing", "failed"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a stage."""

    stage: str
    key: str
    ended: int  # Unix time, s
    seconds: float
    error: str  # empty where it ended well


@dataclass(frozen=True, slots=True)
class Status:
    """Where a stage of an episode or dub stands, and how long its last run took."""

    key: str
    stage: str
    state: State
    seconds: float | None  # of the last run on this machine; None where none is known
    error: str


@contextmanager
def recording(root: Path, stage: str, key: str) -> Iterator[None]:
    """Record how long the block takes and how it ends; its error passes through."""
    began, error = time.monotonic(), ""
    try:
        yield
    except BaseException as failure:
        error = f"{type(failure).__name__}: {failure}"
        raise
    finally:
        run = Run(stage, key, int(time.time()), round(time.monotonic() - began, 3), error)
        library.append_text(_log(root), Table(Run, [run]).to_jsonl())


def runs(root: Path) -> Table[Run]:
    """Return every recorded run, oldest first."""
    path = _log(root)
    text = library.read_text(path) if path.is_file() else ""
    return Table.from_jsonl(Run, text, where=".cache/runs.jsonl")


@contextmanager
def repository(root: Path) -> Iterator[Repo]:
    """Open the library as DVC's repository; the block raises `LibraryError` for what a run holds."""
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            yield repo
    except LockError as error:
        raise LibraryError(
            "ask DVC what has changed",
            "stages are running in this library",
            "Ask again when they have ended.",
        ) from error


def status(root: Path) -> Table[Status]:
    """Return where every stage of every episode and dub stands, as DVC sees it.

    A stage is stale where DVC would run it again, or where one that it depends on is not fresh. Raises
    `LibraryError` while stages run.
    """
    last = {(run.stage, run.key): run for run in runs(root)}
    digests.write(root)
    with repository(root) as repo:
        changed = set(repo.status()) - {digests.STAGE}  # what it puts out is as it should be now
        graph = repo.index.graph
        nodes = {node.addressing: node for node in graph.nodes}
        stale = {name for name in nodes if name in changed}
        for name in list(stale):
            stale |= {node.addressing for node in _downstream(graph, nodes[name])}
    rows = []
    for place, stages in places(root):
        for stage in stages:
            run = last.get((stage, place.key))
            error = run.error if run else ""
            state: State = (
                "failed"
                if error
                else "missing"
                if not place.stage(stage).is_dir()
                else "stale"
                if f"{stage}@{place.key}" in stale
                else "fresh"
            )
            rows.append(Status(place.key, stage, state, run.seconds if run else None, error))
    return Table(Status, rows)


def brief(rows: Iterable[Status]) -> list[str]:
    """Return one line for each episode and dub: how many stages stand how, and the first that is to run."""
    lines = []
    for key, own in groupby(rows, key=lambda row: row.key):
        stages = list(own)
        counts = Counter(row.state for row in stages)
        stands = ", ".join(f"{counts[state]} {state}" for state in get_args(State) if counts[state])
        first = next((row for row in stages if row.state != "fresh"), None)
        after = f"from {first.stage} on" + (f": {first.error}" if first.error else "") if first else ""
        lines.append(f"{key:30} {stands:32} {after}".rstrip())
    return lines


def places(root: Path) -> list[tuple[library.Place, tuple[str, ...]]]:
    """Return every episode and dub of the library with the stages that run in it, dubs after theirs."""
    listing = library.listing(root)
    found: list[tuple[library.Place, tuple[str, ...]]] = []
    for key in listing["episodes"]:
        found.append((library.Episode(root, key), library.SOURCE_STAGES))
        found += [
            (library.Dub(root, dub), library.TARGET_STAGES)
            for dub in listing["dubs"]
            if dub.rsplit("/", 1)[0] == key
        ]
    return found


def _downstream(graph, node):  # type: ignore[no-untyped-def]
    import networkx

    return networkx.ancestors(graph, node)  # DVC's edges point from a stage to what it needs


def _log(root: Path) -> Path:
    return root / ".cache" / "runs.jsonl"
