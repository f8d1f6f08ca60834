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
from typing import Literal, get_args

from workbench import library
from workbench.library import SOURCE_STAGES, TARGET_STAGES, Dub, Key, Library
from workbench.records import Table
from workbench.runs import digests, freshness, pipeline

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


def status(of: Library, keys: Iterable[Key]) -> Table[Status]:
    """Return where every stage of some episodes and dubs stands, as DVC sees it.

    A stage is stale where DVC would run it again, or where one that it depends on is not fresh. Raises
    `LibraryError` while stages run.
    """
    last = {(run.stage, run.key): run for run in runs(of.root)}
    digests.write(of.root)
    asked, rows = list(keys), []
    stale = freshness.stale(of, dict.fromkeys(Key(*key.names[:2]) for key in asked))
    for key in asked:
        place = of.place(key)
        for stage in TARGET_STAGES if isinstance(place, Dub) else SOURCE_STAGES:
            run = last.get((stage, str(key)))
            error = run.error if run else ""
            state: State = (
                "failed"
                if error
                else "missing"
                if not place.stage(stage).is_dir()
                else "stale"
                if pipeline.target(stage, key) in stale[Key(*key.names[:2])]
                else "fresh"
            )
            rows.append(Status(str(key), stage, state, run.seconds if run else None, error))
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


def _log(root: Path) -> Path:
    return root / ".cache" / "runs.jsonl"
