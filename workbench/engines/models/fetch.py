"""Bring a model onto this machine: whole and checked, or not at all.

Conventions
-----------
``params/models.yaml`` says where each model comes from. A file that came is checked and then laid beside the
model's own folder, so that what is there already need not come again; the model takes its place by a rename
once all of it is right. Of two fetches the second waits.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench.engines import models
from workbench.engines.models import digests, offline, packages, web
from workbench.engines.models.digests import File
from workbench.engines.models.sources import Model, Pin, Source
from workbench.errors import EngineError

log = logging.getLogger(__name__)

INCOMING = ".incoming"  # in the folder beside the model's: what is not checked yet
LOCK = ".fetching.partial"  # in the folder of all models
Bring = Callable[..., Iterator[tuple[str, Path]]]


@dataclass(frozen=True)
class Arrived:
    """A file that is there and right."""

    file: str
    size: int  # bytes
    source: str


@dataclass(frozen=True)
class Failed:
    """A source that did not give what it should; the next one is asked."""

    source: str
    error: EngineError


def fetch(name: str, model: Model, *, folder: Path | None = None) -> Iterator[Arrived | Failed]:
    """Fetch a model into its folder, telling which files came and which sources failed.

    A model that is there and whole is left alone, and one that is there and damaged, or of another version,
    stays until the new one is complete. `folder` holds models, too: it is asked last.

    Raises
    ------
    EngineError
        Where no source gives all files with the right checksums, each with its reason; where the disk is
        full, `offline` forbids to fetch, or the model's folder was made by hand and holds other files.
    """
    place = models.place(name)
    if _settled(place, model):  # though nobody may write there
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _alone(place.parent):
            _restore(place)
            if _settled(place, model):
                return
            _refuse_handmade(name, place)
            sources = [*model.sources, *([Source(folder=str(folder.absolute() / name))] if folder else [])]
            beside = place.with_name(f".{place.name}.partial")
            (beside / INCOMING).mkdir(parents=True, exist_ok=True)
            yield from _gather(name, model, sources, place=place, beside=beside)
            shutil.rmtree(beside / INCOMING)
            _replace(place, beside)
    except OSError as error:
        raise _unwritten(name, error) from error


def _settled(place: Path, model: Model) -> bool:
    """Whether nothing is to do; a folder made by hand that holds what it should counts as fetched."""
    wanted = tuple(File(file, pin.size, pin.sha256) for file, pin in sorted(model.files.items()))
    listed = digests.listed(place)
    if not digests.whole(place, wanted or listed):
        return False
    if wanted and listed != wanted and os.access(place, os.W_OK):
        digests.write(place, wanted)
    return True


def _refuse_handmade(name: str, place: Path) -> None:
    if place.exists() and not digests.listed(place):
        raise EngineError(
            f"fetch {name}",
            f"{place} was put there by hand, and does not hold what params/models.yaml says",
            "Use it as it is, or move it away first.",
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of models; say so where somebody else has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.warning("fetch_waits for another fetch into %s", folder)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _gather(
    name: str, model: Model, sources: list[Source], *, place: Path, beside: Path
) -> Iterator[Arrived | Failed]:
    """Have all files of a model in `beside`, each right, and their list."""
    forbidden, reasons = offline.reason(), list[str]()
    if forbidden:
        sources = [source for source in sources if source.folder]
    pins = model.files or _pins(name, sources, forbidden)
    for file in pins:
        _inside(beside, file)
    lacking = {file: pin for file, pin in pins.items() if not _right(beside / file, pin)}
    before = Source(folder=str(place.absolute()))
    for source in [before, *sources]:
        wanted = {file: lacking[file] for file in source.offered(lacking)}
        try:
            for file, size in _brought(name, source, wanted, beside=beside):
                del lacking[file]
                if source is not before:
                    yield Arrived(file, size, str(source))
        except EngineError as error:
            reasons.append(str(error))
            yield Failed(str(source), error)
    if lacking:
        because = [f"{forbidden} forbids to fetch it"] if forbidden else []
        raise EngineError(
            f"fetch {name}",
            "; ".join([f"{', '.join(lacking)} could not be had", *because, *reasons]),
            "What came is kept, and an earlier model stands as it was: try again, "
            f"or name a folder that holds {name} with --from.",
        )
    strays = [path for path in beside.rglob("*") if path.is_file() and _stray(path, beside, pins)]
    for path in strays:  # of another version, whose fetch was broken off
        path.unlink()
    digests.write(beside, [digests.found(beside, file) for file in sorted(pins)])


def _stray(path: Path, beside: Path, pins: Mapping[str, Pin]) -> bool:
    name = path.relative_to(beside)
    return name.parts[0] != INCOMING and name.as_posix() not in pins


def _pins(name: str, sources: list[Source], forbidden: str) -> Mapping[str, Pin]:
    """Return what a model consists of that ``params/models.yaml`` does not list: its first source says."""
    for source in sources:
        if source.repo:
            return web.pins(source)
        if listed := digests.listed(Path(source.folder)):
            return {file.name: Pin(file.size, file.sha256) for file in listed}
    found = f"{forbidden} forbids to fetch it" if forbidden else "no source lists its files"
    raise EngineError(
        f"fetch {name}", found, "Copy its folder from another machine, or name that folder with --from."
    )


def _brought(
    name: str, source: Source, files: Mapping[str, Pin], *, beside: Path
) -> Iterator[tuple[str, int]]:
    """Bring files of one source, and lay each in its place once its checksum is right."""
    if not files:
        return
    bring: Bring = (
        web.repository if source.repo
        else web.addresses if source.addresses
        else packages.wheels if source.wheels
        else packages.tarball if source.npm
        else _copied
    )  # fmt: skip
    archives = sum(
        package.size * 10**6 for package in source.packages if package.members.keys() & files.keys()
    )
    _room(name, archives + sum(pin.size for pin in files.values()), beside)
    try:
        for file, path in bring(source, files, into=beside / INCOMING):
            _verify(path, files[file], name=f"{name}/{file}", source=source)
            there = _inside(beside, file)
            there.parent.mkdir(parents=True, exist_ok=True)
            path.replace(there)
            yield file, files[file].size
    except OSError as error:
        raise _unwritten(name, error) from error


def _copied(source: Source, files: Mapping[str, Pin], *, into: Path) -> Iterator[tuple[str, Path]]:
    """Bring files of a folder on this machine; one that it lacks, or has in another version, is no error."""
    folder = models.project() / source.folder
    for name, pin in files.items():
        if _right(folder / name, pin):
            yield name, Path(shutil.copyfile(folder / name, into / "copied"))


def _right(path: Path, pin: Pin) -> bool:
    if not path.is_file() or path.stat().st_size != pin.size:
        return False
    return digests.sha256(path) == pin.sha256 if pin.sha256 else digests.git_blob(path) == pin.blob


def _verify(path: Path, pin: Pin, *, name: str, source: Source) -> None:
    """Check a file that has come; a wrong one is deleted, and nothing else is."""
    if _right(path, pin):
        return
    found = digests.sha256(path) if pin.sha256 else digests.git_blob(path)
    size = path.stat().st_size
    path.unlink()
    raise EngineError(
        f"fetch {name} from {source}",
        f"its checksum is {found[:12]}… of {size} bytes, not {(pin.sha256 or pin.blob)[:12]}… of {pin.size}",
        "What came is deleted.",
    )


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    inner = (
        path.resolve().relative_to(folder.resolve())
        if path.resolve().is_relative_to(folder.resolve())
        else None
    )
    if inner is None or not inner.parts or inner.parts[0] in (INCOMING, digests.MANIFEST):
        raise EngineError(f"fetch {name!r}", "it lies outside the model's folder", "Do not use that source.")
    return path


def _room(name: str, needed: int, folder: Path) -> None:
    there = sum(file.stat().st_size for file in (folder / INCOMING).rglob("*") if file.is_file())
    free = shutil.disk_usage(folder).free
    if needed - there > free:
        raise _full(
            name, f"{(needed - there) / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free on it"
        )


def _unwritten(name: str, error: OSError) -> EngineError:
    if error.errno == errno.ENOSPC:
        return _full(name, f"it is full: {error}")
    return EngineError(f"fetch {name}", str(error), "Repair that, then try again: what came is kept.")


def _full(name: str, found: str) -> EngineError:
    return EngineError(
        f"fetch {name} to the disk of {models.home()}",
        found,
        "Free some space, or set WORKBENCH_MODELS to a folder elsewhere; what came is kept.",
    )


def _replace(folder: Path, beside: Path) -> None:
    aside = _aside(folder)
    if folder.exists():
        folder.rename(aside)
    beside.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def _restore(folder: Path) -> None:
    """Undo the first of two renames where an earlier run was killed before the second."""
    aside = _aside(folder)
    if aside.exists() and not folder.exists():
        aside.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old.partial")
