"""Models on disk: where they lie, whether they are whole, and which they are.

Conventions
-----------
A model is one folder. It is named by itself (``.cache/models/<name>`` in the project, or under the
folder that ``WORKBENCH_MODELS`` names), or by a path to a folder or file elsewhere. What
``workbench engines fetch`` brought carries `MANIFEST`: every file with its size and SHA-256.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

import msgspec

from workbench.engines.models import devices
from workbench.errors import EngineError
from workbench.records import UNREADABLE

MANIFEST = "fetched.json"
T = TypeVar("T")

_used: WeakValueDictionary[tuple[Hashable, ...], Any] = WeakValueDictionary()
_loading = RLock()


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model: its path in the model's folder, bytes, and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


def home() -> Path:
    """Return the folder of all models."""
    if chosen := os.environ.get("WORKBENCH_MODELS"):
        return Path(chosen)
    here = Path.cwd()
    roots = (folder for folder in (here, *here.parents) if (folder / "params" / "engines.yaml").is_file())
    return next(roots, here) / ".cache" / "models"


def place(model: str) -> Path:
    """Return where a model lies or would lie; `model` is a name, or a path with a slash in it."""
    return Path(model).expanduser() if "/" in model else home() / model


def missing(model: str, files: Sequence[str]) -> str | None:
    """Return what is missing of a model and the command that brings it, or `None` where it is whole.

    `files` are those without which it cannot be loaded; a model's own file list goes before them.
    """
    folder = place(model)
    command = (
        "put the model there, or name another in params/engines.yaml"
        if "/" in model
        else f"run: workbench engines fetch {model}"
    )
    if not folder.exists():
        half = folder.with_name(f".{folder.name}.partial").exists()
        found = "is there in part only" if half else "is not there"
        return f"the model {model} {found}; {command}"
    if not folder.is_dir():
        return None
    wanted = {name: None for name in files} | {file.name: file.size for file in listed(folder)}
    for name, size in wanted.items():
        path = folder / name
        if not path.is_file() or (
            path.stat().st_size != size if size is not None else not path.stat().st_size
        ):
            return f"the model {model} lacks {name}, or has it in part only; {command}"
    return None


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


def size(model: str) -> int:
    """Return the bytes of a model on disk; 0 where it is not there."""
    path = place(model)
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def digest(model: str) -> str:
    """Return a SHA-256 of all of a model's files and their names, in hexadecimal.

    A fetched model's was taken when it came; any other is read through.
    """
    path = place(model)
    files = listed(path)
    if not files:
        found = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        files = tuple(
            File(
                file.relative_to(path).as_posix() if path.is_dir() else "", file.stat().st_size, sha256(file)
            )
            for file in found
        )
    return hashlib.sha256(msgspec.json.encode(sorted(files, key=lambda file: file.name))).hexdigest()


@contextmanager
def loading(model: str) -> Iterator[Path]:
    """Give a model's folder, and turn what its library says of a bad model into an `EngineError`."""
    folder = place(model)
    try:
        held = size(model)
        with devices.memory(f"load the model {model}", lower="the size of the model", size=held):
            yield folder
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise EngineError(
            f"load the model {model} from {folder}",
            str(error).strip().rstrip("."),
            "Bring the model anew, or choose another model, device or compute type in params/engines.yaml.",
        ) from error


def shared(*which: Hashable, load: Callable[[], T]) -> T:
    """Return the model of this key that somebody in this process uses, or load it.

    It is held by its users alone, so its memory is free again once the last of them is gone.
    """
    with _loading:
        model = _used.get(which)
        if model is None:
            model = _used[which] = load()
        return cast(T, model)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
