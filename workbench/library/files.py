"""Files kept by content address under ``.cache``, outside DVC and git; safe to delete, and bounded.

One rule holds for all that is kept there: whenever a kind of it is opened, what was used longest ago goes
where the kind has grown beyond its limit.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import xxhash

LIMIT = 4 * 2**30  # bytes of one kind


def prune(files: Iterable[Path], *, limit: int) -> None:
    """Remove the files that were used longest ago, as their times say, until the rest is within a limit.

    Other processes may keep and remove files meanwhile.
    """
    there = []
    for path in files:
        with suppress(FileNotFoundError):
            there.append((path.stat(), path))
    size = sum(stat.st_size for stat, _ in there)
    for stat, path in sorted(there, key=lambda one: (one[0].st_mtime_ns, one[1])):
        if size <= limit:
            break
        path.unlink(missing_ok=True)
        size -= stat.st_size


def used(path: Path) -> None:
    """Note that a kept file is used now, if it is still there."""
    with suppress(FileNotFoundError):
        os.utime(path)


class FileMemo:
    """Whole files by key. Each one's name holds a hash of what is in it: a damaged file counts as none."""

    def __init__(self, root: Path, name: str, *, limit: int = LIMIT) -> None:
        self.folder = root / ".cache" / name
        prune(self.folder.glob("*.*"), limit=limit)

    def find(self, key: str) -> Path | None:
        """Return the file kept under a key, or `None`."""
        for path in self.folder.glob(f"{key}.*"):
            with suppress(FileNotFoundError):  # another process may prune meanwhile
                if path.name.split(".")[1] == self.digest(path):
                    used(path)
                    return path
                path.unlink()
        return None

    def keep(self, key: str, path: Path) -> Path:
        """Keep a copy of a file under a key and return it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self.folder / f"{key}.{self.digest(path)}{path.suffix}"
        fresh = self.folder / f".{os.getpid()}.{kept.name}"
        shutil.copyfile(path, fresh)
        fresh.replace(kept)
        return kept

    def digest(self, path: Path) -> str:
        """Return a hash (XXH3, 128 bits) of what is in a file."""
        found = xxhash.xxh3_128()
        with path.open("rb") as file:
            while block := file.read(2**20):
                found.update(block)
        return found.hexdigest()
