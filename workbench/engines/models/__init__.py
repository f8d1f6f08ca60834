"""Models on disk: where they lie, whether they are whole, and which they are.

Conventions
-----------
A model is one folder. It is named by itself (``.cache/models/<name>`` in the project, or under the
folder that ``WORKBENCH_MODELS`` names), or by a path to a folder or file elsewhere. What
``workbench engines fetch`` brought carries a list of its files with their sizes and SHA-256 (`digests`).

Offers: `missing`, `size`, `digest`, `loading` and `shared` of a model; `places` says where it lies, `fetch`
brings it from `sources` (by `web` and `packages`) unless `offline` forbids it, `sets` chooses engines that go
together, and `readiness` shows what is ready on which of the `devices`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from workbench.engines.models import devices, digests, offline
from workbench.engines.models.places import home, place, project
from workbench.errors import EngineError

__all__ = ["digest", "home", "loading", "missing", "place", "project", "shared", "size"]

T = TypeVar("T")

_used: WeakValueDictionary[tuple[Hashable, ...], Any] = WeakValueDictionary()
_loading = RLock()


def missing(model: str, files: Sequence[str]) -> str | None:
    """Return what is missing of a model and the command that brings it, or `None` where it is whole.

    `files` are those without which it cannot be loaded; a model's own file list goes before them.
    """
    folder = place(model)
    if not folder.exists():
        half = folder.with_name(f".{folder.name}.partial").exists()
        return _lacking(model, "is there in part only" if half else "is not there")
    if not folder.is_dir():
        return None
    wanted = {name: None for name in files} | {file.name: file.size for file in digests.listed(folder)}
    for name, size in wanted.items():
        path = folder / name
        if not path.is_file() or (
            path.stat().st_size != size if size is not None else not path.stat().st_size
        ):
            return _lacking(model, f"lacks {name}, or has it in part only")
    return None


def _lacking(model: str, what: str) -> str:
    if "/" in model:
        return f"the model {model} {what}; put the model there, or name another in params/engines.yaml"
    if forbidden := offline.reason():
        away = f"{forbidden} forbids to fetch it"
        return f"the model {model} {what}, and {away}; copy its folder to {home()}, or allow it there"
    return f"the model {model} {what}; run: workbench engines fetch {model}"


def size(model: str) -> int:
    """Return the bytes of a model on disk; 0 where it is not there."""
    path = place(model)
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def digest(model: str) -> str:
    """Return a SHA-256 of all of a model's files and their names, in hexadecimal."""
    return digests.of(place(model))


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
