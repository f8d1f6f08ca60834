"""Which stages of an episode DVC would run again; found anew only where a file of it changed.

What DVC said of an episode is kept with a fingerprint of everything that it looked at: the name, size and
time of change of each file of the episode, and of the code, parameters and guides that all share. It is kept
under ``.cache``; deleted or damaged, it is found anew.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from workbench import content, library
from workbench.library import Key, Library
from workbench.runs import pipeline, reproduce

KEPT = Path(".cache") / "freshness.json"


class Found(msgspec.Struct, frozen=True):
    """What was found of an episode, and what its files were then."""

    fingerprint: str
    stale: list[str]


def stale(of: Library, episodes: Iterable[Key]) -> dict[Key, set[str]]:
    """Return for each episode the stages that are not fresh, as its pipeline names them.

    Those are the stages that DVC would run again, and all that depend on them. Raises `LibraryError` while
    stages run.
    """
    kept, now = _kept(of.root), dict[str, Found]()
    for key in episodes:
        pipeline.write(of, key)
        before = kept.get(str(key))
        seen = fingerprint(_looked_at(of, key))
        if before is None or before.fingerprint != seen:
            file = of.episode(key).folder / pipeline.FILE
            found = reproduce.stale(of.root, str(file.relative_to(of.root)))
            before = Found(seen, sorted(found))
        now[str(key)] = before
    if any(kept.get(name) != found for name, found in now.items()):
        library.write_bytes(of.root / KEPT, msgspec.json.encode({**kept, **now}))
    return {Key.parse(name): set(found.stale) for name, found in now.items()}


def _looked_at(of: Library, episode: Key) -> list[Path]:
    place = of.episode(episode)
    shared = [path for path in place.series.folder.glob("*") if path.is_file()]
    return [place.folder, place.reports, of.root / "params", of.root / "data" / ".code", *sorted(shared)]


def fingerprint(paths: Iterable[Path]) -> str:
    """Return the address of the names, sizes and times of change of files, and of all below folders."""
    return content.address([entry for path in paths for entry in _entries(str(path))])


def _entries(path: str) -> Iterator[tuple[str, int, int]]:
    try:
        about = os.lstat(path)
        if not stat.S_ISDIR(about.st_mode):
            yield path, about.st_size, about.st_mtime_ns
            return
        with os.scandir(path) as found:
            below = sorted(found, key=lambda entry: entry.name)
        for entry in below:
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path)
            else:
                about = entry.stat(follow_symlinks=False)
                yield entry.path, about.st_size, about.st_mtime_ns
    except FileNotFoundError:  # as good as another content
        yield path, -1, 0


def _kept(root: Path) -> dict[str, Found]:
    try:
        return msgspec.json.decode((root / KEPT).read_bytes(), type=dict[str, Found])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
