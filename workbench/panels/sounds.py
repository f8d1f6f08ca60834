"""What a panel plays and draws of a line: short clips that the Jupyter server hands out, and their peaks.

Conventions
-----------
A clip is Ogg Opus of one channel, some kB a second, in a file named by its content; it is served from
``reports/``, with ranges and out of the browser's cache, and never travels in a notebook. Times are integer
ms.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np

from workbench import audio, library, report
from workbench.audio import Sound
from workbench.errors import LibraryError
from workbench.library.blocks import KeyedParts

COLUMNS = 800  # of a drawn waveform
MOST_CLIPS = 300  # kept of one dub; older ones are made again when they are wanted


class Server(msgspec.Struct):
    """The Jupyter server that started this kernel: what its own runtime file says of where it serves."""

    root_dir: str
    base_url: str

    def url(self, path: Path) -> str:
        """Return the address of a file; raises `LibraryError` for one outside the server's folder."""
        if not path.resolve().is_relative_to(Path(self.root_dir).resolve()):
            raise LibraryError(
                "play the sounds",
                f"JupyterLab was started in {self.root_dir}, and the library lies outside",
                "Start it with: make lab",
            )
        name = quote(path.resolve().relative_to(Path(self.root_dir).resolve()).as_posix())
        return f"{self.base_url}files/{name}?v={path.stem}"  # with v, the browser may keep it


def server() -> Server:
    """Return the Jupyter server of this kernel; raises `LibraryError` where there is none."""
    from jupyter_core.paths import jupyter_runtime_dir

    path = Path(jupyter_runtime_dir()) / f"jpserver-{os.environ.get('JPY_PARENT_PID', '')}.json"
    if not path.is_file():
        raise LibraryError(
            "play the sounds", "no Jupyter server started this kernel", "Open the notebook with: make lab"
        )
    return msgspec.json.decode(path.read_bytes(), type=Server)


@dataclass(frozen=True)
class Clips:
    """The sounds of a dub."""

    dub: library.Dub

    def window(self, start: int, end: int, take: str | None) -> dict[str, Any]:
        """Return addresses and peaks of a stretch of film, original and dub, and the address of a take.

        Peaks are whole percents of full scale, `COLUMNS` of them. Raises `MediaError` where a sound
        cannot be read, `LibraryError` where it cannot be served.
        """
        programme = library.SoundFile(self.dub.stage("media") / "programme.wav")
        mixed = KeyedParts(self.dub.stage("mix") / "dub", kept={})
        source, dub = (
            sound.read(*(audio.samples(at, sr=sound.sr) for at in (start, end)))
            for sound in (programme, mixed)
        )
        urls = {"source": self.serve(source, sr=programme.sr), "dub": self.serve(dub, sr=mixed.sr)}
        if take is not None:
            spoken, take_sr = library.read_sound(self.dub.stage("tts") / take)
            urls["take"] = self.serve(spoken, sr=take_sr)
        return {"urls": urls, "peaks": {"source": peaks(source), "dub": peaks(dub)}}

    def file(self, path: Path) -> str:
        """Return the address of a sound that a stage put out."""
        y, sr = library.read_sound(path)
        return self.serve(y, sr=sr)

    def serve(self, y: Sound, *, sr: int) -> str:
        """Return the address of a sound; raises `LibraryError` where it cannot be served."""
        folder = self.dub.reports / "clips"
        path = folder / f"{hashlib.sha256(y.tobytes()).hexdigest()[:24]}.ogg"
        address = server().url(path)
        if not path.is_file():
            library.write_bytes(path, report.clip(y, sr=sr))
            for old in sorted(folder.glob("*.ogg"), key=lambda file: file.stat().st_mtime)[:-MOST_CLIPS]:
                old.unlink(missing_ok=True)
        return address


def peaks(y: Sound, *, columns: int = COLUMNS) -> list[int]:
    """Return the highest absolute sample in each column of a sound, in percent of full scale."""
    if not y.size:
        return [0] * columns
    level = np.abs(np.atleast_2d(y)).max(axis=0)
    edges = np.linspace(0, level.size, columns, endpoint=False).astype(int)
    return [int(value) for value in np.minimum(100, np.rint(100 * np.maximum.reduceat(level, edges)))]
