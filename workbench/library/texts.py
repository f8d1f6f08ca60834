"""Texts and folders written whole or not at all.

Effects are atomic: what is new is written beside and takes the place of the old by a rename. What people and
several programs write is changed by `change` alone.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import LibraryError
from workbench.library import files

LARGEST_TEXT = 64 * 2**20  # bytes; a text a person gives is never longer
COMPARED = 2**24  # bytes of the largest file that is compared with an earlier one


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place once the block ends well.

    A file that came out as it was before stays the file that it was, so that nobody, DVC least of all,
    need read it again. Large ones are not compared, since that costs as much as reading them again.

    Raises `LibraryError` where the disk is full; `target` is then as before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.partial")
    aside = target.with_name(f".{target.name}.old.partial")
    _restore(target, aside)  # an earlier run may have been killed between its two renames
    for leftover in (fresh, aside):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with _room(target.name):
            fresh.mkdir()
            yield fresh
            if target.exists():
                _share(fresh, target)
                target.rename(aside)
            fresh.rename(target)
    finally:
        _restore(target, aside)
        for leftover in (fresh, aside):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def alone(root: Path, what: str) -> Iterator[None]:
    """Let no other process do something in the library at `root` while the block does it.

    `what` names it, as a file's name; another process in the same block is waited for. No block of the same
    name may stand within it.
    """
    from filelock import FileLock

    folder = root / ".cache" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / what, poll_interval=0.01):
        yield


@contextmanager
def _room(name: str) -> Iterator[None]:
    """Raise `LibraryError` where the disk has no room for what the block writes."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise LibraryError(
            f"write {name}", "the disk is full", "Free some space and run it again."
        ) from error


def change(root: Path, path: Path, by: Callable[[str], str]) -> None:
    """Change a text of the library that people write too, one process at a time.

    `by` takes what stands there now, empty where there is no file, and returns what shall stand there; the
    file stays as it is where that is the same, or where `by` raises. Raises what `read_text` raises, and
    `LibraryError` where the disk is full.
    """
    with alone(root, "texts"):
        before = read_text(path) if path.exists() else ""
        after = by(before)
        if after != before:
            write_text(path, after)


def copy(source: Path, target: Path) -> None:
    """Copy a file so that all of it appears at once; raises `LibraryError` where the disk is full."""
    with _appearing(target) as fresh:
        shutil.copyfile(source, fresh)


def link(earlier: Path, path: Path) -> None:
    """Let a file also stand at another path, or a copy of it where the file system has no links."""
    try:
        os.link(earlier, path)
    except OSError:
        shutil.copyfile(earlier, path)


def _share(fresh: Path, target: Path) -> None:
    """Put the earlier files of a folder in place of new ones with the same bytes, if these are not large."""
    for path in fresh.rglob("*"):
        earlier = target / path.relative_to(fresh)
        if (
            path.is_file()
            and earlier.is_file()
            and not earlier.is_symlink()
            and not path.samefile(earlier)
            and path.stat().st_size <= COMPARED
            and filecmp.cmp(path, earlier, shallow=False)
        ):
            path.unlink()
            link(earlier, path)


def _restore(target: Path, aside: Path) -> None:
    """Undo the first of the two renames where the second never came."""
    if aside.exists() and not target.exists():
        aside.rename(target)


def write_text(path: Path, text: str) -> None:
    """Write one text file beside and rename it, so that a reader sees the old or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write one file beside and rename it; of two that write at once, each writes a whole one.

    Raises `LibraryError` where the disk is full.
    """
    with _appearing(path) as fresh:
        fresh.write_bytes(content)


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Yield the path of a new file that takes the place of another when the block ends well."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with _room(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield fresh
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


def append_text(path: Path, text: str) -> None:
    """Append lines to a text file in one write that is on the disk when this returns.

    A last line without its end, as a crash may leave it, is ended first, so that it spoils no other.
    Raises `LibraryError` where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(log).st_size
        torn = size > 0 and os.pread(log, 1, size - 1) != b"\n"
        content = ("\n" if torn else "").encode() + text.encode()
        if os.write(log, content) != len(content):
            raise LibraryError(f"append to {path.name}", "the disk is full", "Free some space and repeat it.")
        os.fsync(log)
    except OSError as error:
        raise LibraryError(f"append to {path.name}", str(error), "Repair that and repeat it.") from error
    finally:
        os.close(log)


def read_text(path: Path) -> str:
    """Read a text that a person may have written.

    Raises `LibraryError` where the file is missing, larger than 64 MiB, or not UTF-8.
    """
    try:
        if path.stat().st_size > LARGEST_TEXT:
            raise LibraryError(f"read {path.name}", "it is larger than 64 MiB", "Give the text alone.")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise LibraryError(
            f"read {path.name}", f"{path} is not there", "Restore it from git, or make it."
        ) from error
    except UnicodeDecodeError as error:
        raise LibraryError(
            f"read {path.name}", f"byte {error.start} is not UTF-8", "Save the file as UTF-8."
        ) from error


class TextMemo(MutableMapping[str, str]):
    """Texts kept by content address under ``.cache``, outside DVC and git; safe to delete, and bounded.

    `used` holds those that were read or written through this object, in that order.
    """

    def __init__(self, root: Path, name: str = "exchanges", *, limit: int = files.LIMIT) -> None:
        self.folder = root / ".cache" / name
        self.used: dict[str, str] = {}
        files.prune(map(self._path, self), limit=limit)

    def __getitem__(self, key: str) -> str:
        path = self._path(key)
        if not path.is_file():
            raise KeyError(key)
        files.used(path)
        self.used[key] = read_text(path)
        return self.used[key]

    def __setitem__(self, key: str, text: str) -> None:
        write_text(self._path(key), text)
        self.used[key] = text

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        return (path.name for path in sorted(self.folder.glob("*")) if not path.name.startswith("."))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, key: str) -> Path:
        return self.folder / key
