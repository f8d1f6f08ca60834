"""Bring a model onto this machine: whole and checked, or not at all.

Conventions
-----------
``params/models.yaml`` says where each model comes from. Files are written into a folder beside the
model's own, go on where they broke off (HTTP Range, RFC 9110), and take their place by a rename once
every checksum is right. The token of a model that asks for one is in ``HF_TOKEN``, and nowhere else.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from workbench.engines import exposed, models
from workbench.errors import EngineError
from workbench.records import UNREADABLE

HUB = "https://huggingface.co"
TRIES = 5
TIMEOUT = 30  # s without a byte


@dataclass(frozen=True)
class Remote:
    """A file to fetch. `checksum` is ``sha256:…``, or ``git:…``, the id that git gives a text."""

    url: str
    size: int  # bytes
    checksum: str


@dataclass(frozen=True)
class Source:
    """An entry of ``params/models.yaml``: a repository of the Hugging Face Hub, or files by address."""

    licence: str
    size: int  # MB, about
    repo: str = ""
    revision: str = "main"
    under: str = ""  # the folder of the repository that is the model; "" for all of it
    files: Mapping[str, Remote] = field(default_factory=dict)


class _Large(msgspec.Struct):
    sha256: str


class _Blob(msgspec.Struct):
    name: str = msgspec.field(name="rfilename")
    blob: str = msgspec.field(name="blobId", default="")
    size: int = 0
    lfs: _Large | None = None


class _Listing(msgspec.Struct):
    """What the Hub answers of a repository at a revision; `sha` is the commit."""

    sha: str
    siblings: list[_Blob]


@dataclass(frozen=True)
class Progress:
    """How far a file is, in bytes."""

    file: str
    done: int
    size: int


def fetch(name: str, source: Source, *, offline: bool) -> Iterator[Progress]:
    """Fetch a model into its folder, telling how far each file is.

    A model that is there and whole is left alone, and one that is there and damaged stays until the
    new one is complete.

    Raises
    ------
    EngineError
        Where a checksum is wrong, the network fails, a token is wanted or would be exposed, the disk is too
        small, or the model is not there and `offline` forbids to fetch it; where its folder was made by hand.
    """
    import httpx

    folder = models.place(name)
    _restore(folder)
    if folder.exists() and not models.listed(folder):
        raise EngineError(
            f"fetch {name}", f"{folder} was put there by hand", "Use it as it is, or move it away first."
        )
    if folder.exists() and all(
        (folder / file.name).is_file() and models.sha256(folder / file.name) == file.sha256
        for file in models.listed(folder)
    ):
        return
    if offline:
        raise EngineError(
            f"find {name} offline",
            f"{folder} does not hold it whole",
            "Fetch it without --offline, or copy that folder from another machine.",
        )
    beside = folder.with_name(f".{folder.name}.partial")
    beside.mkdir(parents=True, exist_ok=True)
    hub = os.environ.get("HF_ENDPOINT", HUB)
    token = os.environ.get("HF_TOKEN") if source.repo else None
    if token and exposed(hub):
        raise EngineError(
            f"send the token in HF_TOKEN to {hub}",
            "the way there is not encrypted",
            "Use an https:// address in HF_ENDPOINT, or unset HF_TOKEN.",
        )
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with httpx.Client(headers=headers, timeout=TIMEOUT, follow_redirects=True) as client:
        remotes = source.files or _repository(client, hub, name, source)
        _room(name, sum(remote.size for remote in remotes.values()), beside)
        for file, remote in remotes.items():
            path = _inside(beside, file)
            yield from _download(client, remote, path, name=f"{name}/{file}")
            _verify(path, remote, name=f"{name}/{file}")
    found = [
        models.File(file, (beside / file).stat().st_size, models.sha256(beside / file)) for file in remotes
    ]
    (beside / models.MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    _replace(folder, beside)


def _repository(client: Any, hub: str, name: str, source: Source) -> dict[str, Remote]:
    """Return the files of a repository of the Hub by their names in the model's folder."""
    import httpx

    url = f"{hub}/api/models/{source.repo}/revision/{quote(source.revision, safe='')}"
    try:
        answer = client.get(url, params={"blobs": "true"})
    except httpx.RequestError as error:
        raise _unreachable(name, url, error) from error
    if answer.status_code != 200:
        raise _refused(name, answer.status_code, url)
    try:
        listing = msgspec.json.decode(answer.content, type=_Listing)
    except UNREADABLE as error:
        raise EngineError(f"fetch {name}", f"{url} answered no list: {error}", "Try again later.") from error
    prefix = f"{source.under.strip('/')}/" if source.under else ""
    remotes = {
        file.name.removeprefix(prefix): Remote(
            f"{hub}/{source.repo}/resolve/{listing.sha}/{quote(file.name)}",
            file.size,
            f"sha256:{file.lfs.sha256}" if file.lfs else f"git:{file.blob}",
        )
        for file in listing.siblings
        if file.name.startswith(prefix) and not Path(file.name).name.startswith(".")
    }
    if not remotes:
        raise EngineError(
            f"fetch {name}", f"{source.repo} has no file under {prefix!r}", "Correct params/models.yaml."
        )
    return remotes


def _download(client: Any, remote: Remote, path: Path, *, name: str) -> Iterator[Progress]:
    """Bring one file, from where it broke off; several tries where the network fails."""
    import httpx
    import tenacity

    path.parent.mkdir(parents=True, exist_ok=True)
    tries = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(httpx.TransportError),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_exponential(multiplier=0.2, max=10),
        reraise=True,
    )
    try:
        for attempt in tries:
            with attempt:
                yield from _stream(client, remote, path, name=name)
    except httpx.RequestError as error:
        raise _unreachable(name, remote.url, error) from error


def _stream(client: Any, remote: Remote, path: Path, *, name: str) -> Iterator[Progress]:
    done = path.stat().st_size if path.exists() else 0
    if done > remote.size:
        path.unlink()
        done = 0
    if done == remote.size and path.exists():
        yield Progress(name, done, remote.size)
        return
    headers = {"Range": f"bytes={done}-"} if done else {}
    with client.stream("GET", remote.url, headers=headers) as answer:
        if answer.status_code not in (200, 206):
            raise _refused(name, answer.status_code, remote.url)
        done = done if answer.status_code == 206 else 0
        with path.open("ab" if done else "wb") as file:
            for block in answer.iter_raw():
                file.write(block)
                done += len(block)
                yield Progress(name, done, remote.size)
                if done > remote.size:  # its checksum says so, too
                    break


def _verify(path: Path, remote: Remote, *, name: str) -> None:
    """Check a file that has come; a wrong one is deleted, and nothing else is."""
    kind, _, wanted = remote.checksum.partition(":")
    if kind == "sha256":
        found = models.sha256(path)
    else:
        data = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    if found != wanted:
        path.unlink()
        raise EngineError(
            f"fetch {name}",
            f"its checksum is {kind}:{found[:12]}…, not {remote.checksum[:19]}…",
            "What came is deleted; an earlier model stands as it was. Fetch it again.",
        )


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or name in ("", models.MANIFEST):
        raise EngineError(f"fetch {name!r}", "it lies outside the model's folder", "Do not use that source.")
    return path


def _room(name: str, needed: int, folder: Path) -> None:
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    free = shutil.disk_usage(folder).free
    if needed - there > free:
        raise EngineError(
            f"fetch {name}",
            f"{(needed - there) / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free on that disk",
            "Free some space, or set WORKBENCH_MODELS to a folder elsewhere.",
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


def _refused(name: str, status: int, url: str) -> EngineError:
    if status in (401, 403):
        token = "the token in HF_TOKEN was refused" if os.environ.get("HF_TOKEN") else "it wants a token"
        return EngineError(
            f"fetch {name}",
            f"{url} answered {status}: {token}",
            "Accept the model's terms on its page, then set HF_TOKEN to a token of that account.",
        )
    return EngineError(
        f"fetch {name}", f"{url} answered {status}", "Correct params/models.yaml, or try later."
    )


def _unreachable(name: str, url: str, error: Exception) -> EngineError:
    return EngineError(
        f"fetch {name}",
        f"{url} cannot be reached: {error}",
        "Try again: what came is kept. Without a network, copy the model's folder here.",
    )
