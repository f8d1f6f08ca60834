"""Long sounds by content: what each block of a file holds, and a file of which only some blocks are new.

Conventions
-----------
A block is `audio.BLOCK` samples, counted from a sound's start. Two blocks are the same where the hashes
(XXH3, 128 bits) of their bytes are. The hashes of a file are kept, and found again as long as the file
system tells that the file did not change, as git and DVC do.
"""

from __future__ import annotations

import inspect
import io
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import soundfile
import xxhash

from workbench import audio
from workbench.audio import Kept, Keyed, Sound
from workbench.errors import LibraryError, MediaError
from workbench.library.files import LIMIT
from workbench.library.sounds import SoundWriter, read_sound, write_sound
from workbench.library.texts import link

HOUR = 3600  # s; what was used less than that ago counts as used now
MEDIAN = "SELECT used FROM results ORDER BY used LIMIT 1 OFFSET (SELECT count(*) / 2 FROM results)"


class Store:
    """Small results kept by content address in one file under ``.cache``; safe to delete, and bounded.

    What another `version` of the code kept, or another version of this module, is not found. A damaged
    file counts as none. From a file beyond the `limit` that half goes that was used longest ago.
    """

    def __init__(self, root: Path, name: str, *, version: str, limit: int = LIMIT) -> None:
        self._version = audio.address(
            version, inspect.getsource(audio), inspect.getsource(sys.modules[__name__])
        )
        path = root / ".cache" / name / "kept.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._now = int(time.time())
        try:
            self._open(path)
            if path.stat().st_size > limit:
                self._file.execute(f"DELETE FROM results WHERE used <= ({MEDIAN})")
                self._file.execute("VACUUM")
        except sqlite3.OperationalError as error:  # in use, or the disk is full: not damaged
            raise _not_kept(error) from error
        except sqlite3.DatabaseError:
            path.unlink()
            self._open(path)

    def _open(self, path: Path) -> None:
        self._file = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute("PRAGMA journal_mode = MEMORY")
        columns = "key TEXT PRIMARY KEY, used INTEGER, value BLOB"
        self._file.execute(f"CREATE TABLE IF NOT EXISTS results ({columns}) WITHOUT ROWID")

    def get(self, key: str, /) -> bytes | None:
        """Return what is kept under a key, or `None`."""
        key = self._version + key
        row = self._file.execute("SELECT used, value FROM results WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        if row[0] < self._now - HOUR:
            self._write("UPDATE results SET used = ? WHERE key = ?", (self._now, key))
        return bytes(row[1])

    def __setitem__(self, key: str, value: bytes, /) -> None:
        self._write(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (self._version + key, self._now, value)
        )

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._file.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise _not_kept(error) from error


def _not_kept(error: sqlite3.Error) -> LibraryError:
    return LibraryError("keep what was measured in .cache", str(error), "Free some space, or remove .cache.")


class KeyedSound:
    """A WAV that can name what it holds. Raises `MediaError` where it cannot be read."""

    def __init__(self, path: Path, *, kept: Kept) -> None:
        key, state = _identity(path)
        found = (kept.get(key) or b"").decode().split()
        if found[: len(state)] != state:
            with path.open("rb") as file:
                layout = _layout(file)
                every = range(1 + -(-layout.frames // audio.BLOCK))
                found = [*state, *layout.facts, *_hashes(file, layout, every)]
            kept[key] = " ".join(found).encode()
        sr, channels, frames, *self.hashes = found[len(state) :]
        self.path, self.sr, self.channels, self.frames = path, int(sr), int(channels), int(frames)

    def read(self, start: int, stop: int) -> Sound:
        """Return samples `start` to `stop`, shape ``(channels, stop - start)``."""
        return read_sound(self.path, start=start, stop=stop)[0]

    def key(self, start: int, stop: int) -> str:
        """Return a content address of samples `start` to `stop`."""
        first, last = start // audio.BLOCK, -(-stop // audio.BLOCK)
        within = (start - first * audio.BLOCK, stop - start, self.sr, self.channels)
        return audio.address("sound", within, self.hashes[1 + first : 1 + last])


def spans(recording: Keyed) -> list[tuple[int, int]]:
    """Return where the blocks of a recording start and stop, in samples."""
    starts = range(0, recording.frames, audio.BLOCK)
    return [(start, min(start + audio.BLOCK, recording.frames)) for start in starts]


def splice(film: Keyed, path: Path, *, earlier: Path, kept: Kept) -> Iterator[bool]:
    """Write a recording as a new 24-bit WAV; the blocks that an earlier file holds are taken from there.

    The file is the same, byte for byte, as one written whole. Yields for each block whether it was read
    from the recording. What each key of the recording came to is kept when all is written.
    """
    form = ("WAV", soundfile.__libsndfile_version__, film.sr, film.channels)
    keys = [audio.address(form, film.frames), *(audio.address(form, film.key(*span)) for span in spans(film))]
    wanted = [kept.get(key) for key in keys]
    hashes = _held(earlier, like=film, kept=kept)
    known = [bool(found) and found == held.encode() for found, held in zip(wanted, hashes, strict=False)]
    if known and all(known):
        link(earlier, path)
        yield from (False for _ in spans(film))
    elif known and known[0] and any(known[1:]):
        _copy(earlier, path)
        with path.open("r+b") as file:
            layout = _layout(file)
            for (start, stop), there in zip(spans(film), known[1:], strict=True):
                if not there:
                    file.seek(layout.begin + start * layout.frame)
                    file.write(_encoded(film.read(start, stop), sr=film.sr))
                yield not there
    else:
        known, hashes = [False] * len(keys), [""] * len(keys)
        with SoundWriter.like(film, path) as sound:
            for start, stop in spans(film):
                sound.write(film.read(start, stop))
                yield True
    with path.open("rb") as file:
        layout = _layout(file)
        new = [index for index, there in enumerate(known) if not there]
        for index, found in zip(new, _hashes(file, layout, new), strict=True):
            hashes[index] = found
            kept[keys[index]] = found.encode()
    key, state = _identity(path)
    kept[key] = " ".join([*state, *layout.facts, *hashes]).encode()


def renew(recording: Keyed, path: Path, *, earlier: Path, kept: Kept) -> bool:
    """Write a short recording as a 32-bit float WAV, or let an earlier file stand that holds the same.

    Returns whether it was read and written. What its key came to is kept.
    """
    form = ("FLOAT", soundfile.__libsndfile_version__, recording.sr, recording.channels, recording.frames)
    key = audio.address(form, recording.key(0, recording.frames))
    hashes = _held(earlier, like=recording, kept=kept)
    if hashes and kept.get(key) == " ".join(hashes).encode():
        link(earlier, path)
        return False
    write_sound(path, recording.read(0, recording.frames), sr=recording.sr, subtype="FLOAT")
    kept[key] = " ".join(KeyedSound(path, kept=kept).hashes).encode()
    return True


def _held(earlier: Path, *, like: Keyed, kept: Kept) -> list[str]:
    """Return the hashes of an earlier file; none where it is not there, or of another length."""
    if not earlier.is_file():
        return []
    try:
        sound = KeyedSound(earlier, kept=kept)
        return sound.hashes if sound.frames == like.frames else []
    except MediaError:  # what cannot be read is written anew
        return []


def _copy(source: Path, to: Path) -> None:
    """Copy a file; at no cost where the file system lets two files share what is the same in both."""
    try:
        with source.open("rb") as old, to.open("wb") as new:
            while os.copy_file_range(old.fileno(), new.fileno(), 2**30):
                pass
    except (AttributeError, OSError):  # not Linux, or from one file system to another
        shutil.copyfile(source, to)


def _encoded(y: Sound, *, sr: int) -> bytes:
    """Return the bytes of a sound in a 24-bit WAV."""
    file = io.BytesIO()
    soundfile.write(file, y.T, sr, subtype="PCM_24", endian="LITTLE", format="RAW")
    return file.getvalue()


def _identity(path: Path) -> tuple[str, list[str]]:
    """Return under which key the hashes of a file are kept, and what changes whenever it is written."""
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, str(error)) from error
    state = [str(number) for number in (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)]
    return audio.address("file", stat.st_dev, stat.st_ino), state


def _hashes(file: BinaryIO, layout: _Layout, which: Iterable[int]) -> Iterator[str]:
    """Yield the hashes of a WAV's head and foot (0), or of a block (1 and on)."""
    end, block = layout.begin + layout.size, audio.BLOCK * layout.frame
    for index in which:
        found = xxhash.xxh3_128()
        if index:
            file.seek(layout.begin + (index - 1) * block)
            found.update(file.read(min(block, end - file.tell())))
        else:
            file.seek(0)
            found.update(file.read(layout.begin))
            file.seek(end)
            found.update(file.read())
        yield found.hexdigest()


class _Layout(NamedTuple):
    """Where a WAV's samples lie: bytes before them, bytes of them, bytes of one frame."""

    sr: int
    channels: int
    begin: int
    size: int
    frame: int

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.size // self.frame

    @property
    def facts(self) -> list[str]:
        """Rate, channels and frames."""
        return [str(number) for number in (self.sr, self.channels, self.frames)]


def _layout(file: BinaryIO) -> _Layout:
    """Read the head of a WAV or RF64."""
    form, long, format = file.read(12)[:4], 0, b""
    while len(head := file.read(8)) == 8:
        name, size = head[:4], _integer(head[4:])
        if name == b"data" and len(format) >= 16:
            channels, sr, frame = _integer(format[2:4]), _integer(format[4:8]), _integer(format[12:14])
            if channels and frame:
                return _Layout(sr, channels, file.tell(), long if form == b"RF64" else size, frame)
            break
        after = file.tell() + size + size % 2
        chunk = file.read(min(size, 32))
        if name == b"ds64":
            long = _integer(chunk[8:16])
        elif name == b"fmt ":
            format = chunk
        file.seek(after)
    raise _unreadable(Path(file.name), "it is no WAV")


def _integer(little: bytes) -> int:
    return int.from_bytes(little, "little")


def _unreadable(path: Path, found: str) -> MediaError:
    return MediaError(f"read the sound {path.name}", found, "Run the stage that makes it again.")
