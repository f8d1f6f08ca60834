"""What a model's files are: their sizes, their checksums, and the list that lies beside them.

Conventions
-----------
What ``workbench engines fetch`` brought carries `MANIFEST`: every file with its size and SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from workbench.errors import EngineError
from workbench.records import UNREADABLE

MANIFEST = "fetched.json"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model: its path in the model's folder, bytes, and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob(path: Path) -> str:
    """Return the id that git gives a file, in hexadecimal: SHA-1 of its length and its bytes."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def found(folder: Path, name: str) -> File:
    """Return what a file of a folder is, read through."""
    return File(name, (folder / name).stat().st_size, sha256(folder / name))


def listed(folder: Path) -> tuple[File, ...]:
    """Return the files that a fetched model has; none where it was not fetched.

    Raises `EngineError` where the list cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return ()
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[File, ...])
    except UNREADABLE as error:
        raise EngineError(
            f"read {path}", str(error), "Delete that folder and fetch the model again."
        ) from error


def write(folder: Path, files: Sequence[File]) -> None:
    """Write the list of a model's files."""
    beside = folder / f".{MANIFEST}.partial"
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(files)))
    beside.rename(folder / MANIFEST)


def whole(folder: Path, files: Sequence[File]) -> bool:
    """Whether all of these files lie in a folder with those bytes, each read through."""
    return bool(files) and all(
        (folder / file.name).is_file() and found(folder, file.name) == file for file in files
    )


def of(path: Path) -> str:
    """Return a SHA-256 of all files of a model and their names, in hexadecimal.

    A fetched model's were taken when it came; any other is read through.
    """
    files = listed(path)
    if not files and path.is_file():
        files = (File("", path.stat().st_size, sha256(path)),)
    elif not files:
        names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        files = tuple(found(path, name) for name in names)
    return hashlib.sha256(msgspec.json.encode(sorted(files, key=lambda file: file.name))).hexdigest()
