"""Files of a model from the web: a repository of the Hugging Face Hub by its own client, an address by pooch.

Conventions
-----------
Both give each file and where it lies once it is there; who calls checks it. `CONNECT` bounds how long a place
that is out of reach holds up the next one. The token of a repository that asks for one is in ``HF_TOKEN``,
and nowhere else.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from workbench.engines import exposed
from workbench.engines.models.sources import Pin, Source
from workbench.errors import EngineError

HUB = "https://huggingface.co"
CONNECT = 3.0  # s until a connection stands
SILENCE = 30.0  # s without a byte
BLOCK = 2**20  # bytes
AGAIN = "Try again later: what came is kept."


def pins(source: Source) -> dict[str, Pin]:
    """Return what files a repository has at its revision, as the Hub says; raises `EngineError`."""
    prefix = _prefix(source)
    with _answered(source.repo):
        info = _hub().model_info(
            source.repo, revision=source.revision, files_metadata=True, timeout=_timeout()
        )
        found = {
            file.rfilename.removeprefix(prefix): Pin(
                file.size or 0, sha256=file.lfs.sha256 if file.lfs else "", blob=file.blob_id or ""
            )
            for file in info.siblings or ()
            if file.rfilename.startswith(prefix) and not Path(file.rfilename).name.startswith(".")
        }
    if not found:
        raise EngineError(
            f"ask for {source.repo}", f"it has no file under {prefix!r}", "Correct params/models.yaml."
        )
    return found


def repository(source: Source, files: Mapping[str, Pin], *, into: Path) -> Iterator[tuple[str, Path]]:
    """Bring files of a repository of the Hub, which takes up a line that broke.

    Raises
    ------
    EngineError
        Where the Hub is out of reach, or has no such file or revision; where a token is wanted, or would be
        exposed.
    """
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    hub, prefix = _hub(), _prefix(source)
    with _answered(source.repo):  # a first word: the client would ask for a file again and again
        commit = hub.model_info(source.repo, revision=source.revision, timeout=_timeout()).sha
    for name in files:
        with _answered(f"{source.repo}, {prefix}{name}"):
            path = hub.hf_hub_download(
                source.repo, f"{prefix}{name}", revision=commit, local_dir=into, etag_timeout=_timeout()
            )
        yield name, Path(path)


def addresses(source: Source, files: Mapping[str, Pin], *, into: Path) -> Iterator[tuple[str, Path]]:
    """Bring files by their web addresses; one that is longer than it should be is broken off.

    Raises `EngineError` where an address is out of reach, or its file is another.
    """
    import logging

    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    for name, pin in files.items():
        url = source.addresses[name]
        try:
            path = pooch.retrieve(
                url,
                known_hash=f"sha256:{pin.sha256}",
                fname=name.replace("/", "--"),
                path=into,
                downloader=_downloader(pin.size),
            )
        except requests.RequestException as error:
            if error.response is not None:
                raise _refused(url, error.response.status_code) from error
            raise _unreachable(url, type(error).__name__) from error
        except ValueError as error:  # pooch's word for another checksum, and ours for a longer file
            raise EngineError(f"bring {url}", str(error), "What came is deleted.") from error
        yield name, Path(path)


def _downloader(most: int) -> Any:
    """Return what pooch downloads with: no more than so many bytes, and a bar where a person looks on."""
    import pooch

    load = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=BLOCK, timeout=(CONNECT, SILENCE))

    def bounded(url: str, output: str, of: object) -> None:
        with Path(output).open("wb") as file:
            load(url, _Bounded(file, most), of)

    return bounded


class _Bounded:
    """A file that takes so many bytes, and refuses more."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._left, self._most = file, most, most

    def write(self, block: bytes) -> int:
        self._left -= len(block)
        if self._left < 0:
            raise ValueError(f"its checksum cannot be right: it is longer than {self._most} bytes")
        return self._file.write(block)

    def flush(self) -> None:
        self._file.flush()


def _prefix(source: Source) -> str:
    return f"{source.under.strip('/')}/" if source.under else ""


def _hub() -> Any:
    """Return the Hub's client, at the address and with the token of the environment."""
    from huggingface_hub import HfApi

    address, token = os.environ.get("HF_ENDPOINT", HUB), os.environ.get("HF_TOKEN")
    if token and exposed(address):
        raise EngineError(
            f"send the token in HF_TOKEN to {address}",
            "the way there is not encrypted",
            "Use an https:// address in HF_ENDPOINT, or unset HF_TOKEN.",
        )
    return HfApi(endpoint=address, token=token or False)


def _timeout() -> Any:
    import httpx2  # the Hub client's own

    return httpx2.Timeout(SILENCE, connect=CONNECT)


@contextmanager
def _answered(what: str) -> Iterator[None]:
    """Turn what the Hub's client raises into `EngineError`; a full disk passes."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        raise _refused(what, error.response.status_code) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise _unreachable(what, str(error) or type(error).__name__) from error


def _refused(what: str, status: int) -> EngineError:
    if status in (401, 403):
        token = "the token in HF_TOKEN was refused" if os.environ.get("HF_TOKEN") else "it wants a token"
        return EngineError(
            f"bring {what}",
            f"{status}: {token}",
            "Accept the model's terms on its page, then set HF_TOKEN to a token of that account.",
        )
    gone = " (it is not there, or no more)" if status == 404 else ""
    return EngineError(f"bring {what}", f"the answer was {status}{gone}", AGAIN)


def _unreachable(what: str, why: str) -> EngineError:
    return EngineError(f"bring {what}", f"it cannot be reached: {why.splitlines()[0]}", AGAIN)
