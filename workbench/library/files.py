"""Files kept by content address under ``.cache``, outside DVC and git; safe to delete, and bounded.

One rule holds for all that is kept there: whenever a kind of it is opened, what was used longest ago goes
where the kind has grown beyond its limit.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path

import xxhash

from workbench.library import texts

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
        prune(self.folder.glob("*/*.*"), limit=limit)

    def find(self, key: str) -> Path | None:
        """Return the file kept under a key, or `None`."""
        for path in self._folder(key).glob(f"{key}.*"):
            with suppress(FileNotFoundError):  # another process may prune meanwhile
                if path.name.split(".")[1] == self.digest(path):
                    used(path)
                    return path
                path.unlink()
        return None

    def keep(self, key: str, path: Path) -> Path:
        """Keep a copy of a file under a key and return it."""
        return self.write(key, path.suffix, lambda fresh: shutil.copyfile(path, fresh))

    def write(self, key: str, suffix: str, by: Callable[[Path], object]) -> Path:
        """Keep a file under a key, which `by` writes at the path that it is given; return it.

        Raises `LibraryError` where the disk is full.
        """
        folder = self._folder(key)
        fresh = folder / f".{os.getpid()}.{key}{suffix}"
        with texts.room(key):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                by(fresh)
                kept = fresh.replace(folder / f"{key}.{self.digest(fresh)}{suffix}")
            finally:
                fresh.unlink(missing_ok=True)
        for earlier in set(folder.glob(f"{key}.*")) - {kept}:
            earlier.unlink(missing_ok=True)
        return kept

    def keys(self) -> set[str]:
        """Return the keys under which a file is kept."""
        found = (path.name for path in self.folder.glob("*/*.*"))
        return {name.split(".")[0] for name in found if not name.startswith(".")}

    def digest(self, path: Path) -> str:
        """Return a hash (XXH3, 128 bits) of what is in a file."""
        found = xxhash.xxh3_128()
        with path.open("rb") as file:
            while block := file.read(2**20):
                found.update(block)
        return found.hexdigest()

    def _folder(self, key: str) -> Path:
        return self.folder / key[:2]


class TextMemo(MutableMapping[str, str]):
    """Texts by key, in files as `FileMemo` keeps them.

    `used` holds those that were read or written through this object, in that order.
    """

    def __init__(self, root: Path, name: str = "exchanges", *, limit: int = LIMIT) -> None:
        self._files = FileMemo(root, name, limit=limit)
        self.used: dict[str, str] = {}

    def __getitem__(self, key: str) -> str:
        path = self._files.find(key)
        if path is None:
            raise KeyError(key)
        self.used[key] = path.read_bytes().decode()
        return self.used[key]

    def __setitem__(self, key: str, text: str) -> None:
        self._files.write(key, ".txt", lambda fresh: fresh.write_bytes(text.encode()))
        self.used[key] = text

    def __delitem__(self, key: str) -> None:
        path = self._files.find(key)
        if path is None:
            raise KeyError(key)
        path.unlink()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._files.keys()))

    def __len__(self) -> int:
        return len(self._files.keys())
