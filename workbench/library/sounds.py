"""Sounds on disk: read whole, in part or in blocks; written; kept by content.

Conventions
-----------
Arrays are float32 of shape ``(channels, n)``, files are WAV (RF64 where they are long).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from workbench.audio import Recording, Sound
from workbench.errors import MediaError
from workbench.library import files

LONGEST_WAV = 2**31  # bytes of samples; a longer one is an RF64


def read_sound(path: Path, *, start: int = 0, stop: int | None = None) -> tuple[Sound, int]:
    """Read samples `start` to `stop` of a WAV: ``(channels, n)`` float32 and the rate in Hz.

    Raises `MediaError` where it cannot be read.
    """
    try:
        y, sr = soundfile.read(path, start=start, stop=stop, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise MediaError(
            f"read the sound {path.name}", str(error), "Run the stage that makes it again."
        ) from error
    return np.ascontiguousarray(y.T), int(sr)


def write_sound(path: Path, y: Sound, *, sr: int, subtype: str = "PCM_24") -> None:
    """Write a sound of shape ``(n,)`` or ``(channels, n)`` as WAV (RF64 where it is long).

    `subtype` is libsndfile's. A ``FLOAT`` file is RF64 at any length: in a plain one libsndfile notes
    the time of writing, and equal sounds would differ. Raises `MediaError` where the disk is full.
    """
    long = subtype == "FLOAT" or y.size * 4 > LONGEST_WAV
    try:
        soundfile.write(path, y.T, sr, subtype=subtype, format="RF64" if long else "WAV")
    except soundfile.SoundFileError as error:
        raise _full(path.name) from error


class SoundFile:
    """A WAV as an `audio.Recording`: read piece by piece, so that memory does not grow with its length.

    Raises `MediaError` where it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            info = soundfile.info(path)
        except (soundfile.SoundFileError, OSError) as error:
            raise MediaError(
                f"read the sound {path.name}", str(error), "Run the stage that makes it again."
            ) from error
        self.sr, self.channels, self.frames = int(info.samplerate), int(info.channels), int(info.frames)

    def read(self, start: int, stop: int) -> Sound:
        """Return samples `start` to `stop`, shape ``(channels, stop - start)``."""
        return read_sound(self.path, start=start, stop=stop)[0]


class SoundWriter:
    """A 24-bit WAV written block by block; `frames` is its length to be, in samples (RF64 where long).

    >>> with SoundWriter.like(programme, out.path("bed.wav")) as bed:  # doctest: +SKIP
    ...     bed.write(y)
    """

    def __init__(self, path: Path, *, sr: int, channels: int, frames: int) -> None:
        form = "RF64" if frames * channels * 3 > LONGEST_WAV else "WAV"
        self._file = soundfile.SoundFile(path, "w", sr, channels, subtype="PCM_24", format=form)

    @classmethod
    def like(cls, recording: Recording, path: Path) -> SoundWriter:
        """Return a writer for a sound of a recording's rate, channels and length."""
        return cls(path, sr=recording.sr, channels=recording.channels, frames=recording.frames)

    def write(self, y: Sound) -> None:
        """Append a block of shape ``(channels, n)``; raises `MediaError` where the disk is full."""
        try:
            self._file.write(y.T)
        except soundfile.SoundFileError as error:
            raise _full(Path(self._file.name).name) from error

    def __enter__(self) -> SoundWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _full(name: str) -> MediaError:
    return MediaError(f"write {name}", "the disk took no more of it", "Free some space and run it again.")


class Memo:
    """Sounds kept by content address under ``.cache``, outside DVC and git; safe to delete, and bounded.

    `also` names sounds that lie elsewhere, by key: those of an earlier run.
    """

    def __init__(
        self,
        root: Path,
        name: str = "takes",
        *,
        also: Mapping[str, Path] | None = None,
        limit: int = files.LIMIT,
    ) -> None:
        self._files, self.also = files.FileMemo(root, name, limit=limit), also or {}

    def find(self, key: str) -> tuple[Sound, int] | None:
        """Return the sound kept under a key, or `None`; a damaged one counts as none."""
        path = self._files.find(key)
        if path is not None:
            return read_sound(path)
        earlier = self.also.get(key)
        return read_sound(earlier) if earlier and earlier.is_file() else None

    def keys(self) -> set[str]:
        """Return the keys under which a sound is kept."""
        return self._files.keys()

    def keep(self, key: str, y: Sound, *, sr: int) -> None:
        """Keep a sound under a key, as 32-bit float, so that it comes back bit-equal."""
        self._files.write(key, ".wav", lambda path: write_sound(path, y, sr=sr, subtype="FLOAT"))
