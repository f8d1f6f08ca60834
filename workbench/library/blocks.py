"""Long sounds by content: what each block of one holds, and sounds of which only some blocks are new.

Conventions
-----------
A block is `audio.BLOCK` samples, counted from a sound's start. Two blocks are the same where the hashes
(XXH3, 128 bits) of their bytes are. The hashes of a file are kept, and found again as long as its inode,
size and time of change are the same, by which DVC too tells that a file did not change.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import soundfile
import xxhash

from workbench import audio, content
from workbench.audio import Kept, Keyed, Sound
from workbench.errors import LibraryError, MediaError
from workbench.library.files import LIMIT
from workbench.library.sounds import SoundFile, SoundWriter, write_sound
from workbench.library.texts import link

DIGEST = 16  # bytes of a value's own digest, which stands before it
HOUR = 3600  # s; what was used less than that ago counts as used now
ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY}
MEDIAN = "SELECT used FROM results ORDER BY used LIMIT 1 OFFSET (SELECT count(*) / 2 FROM results)"


class Store:
    """Small results kept by content address in one file under ``.cache``; safe to delete, and bounded.

    What another `version` of the code kept, or another version of this module, is not found. A damaged
    file counts as none, whenever that is found, and so does a damaged value. From a file beyond the `limit`
    that half goes that was used longest ago.
    """

    def __init__(self, root: Path, name: str, *, version: str, limit: int = LIMIT) -> None:
        self._version = content.address(version, content.of_code(__name__))
        self._path = root / ".cache" / name / "kept.sqlite"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._now = int(time.time())
        try:
            self._open()
            if self._path.stat().st_size > limit:
                self._file.execute(f"DELETE FROM results WHERE used <= ({MEDIAN})")
                self._file.execute("VACUUM")
        except sqlite3.DatabaseError as error:
            self._renew(error)

    def _renew(self, error: sqlite3.DatabaseError) -> None:
        """Begin an empty file in place of a damaged one; raises `LibraryError` where it is not that."""
        if error.sqlite_errorcode & 0xFF in ROOM:  # of what SQLite says of an error, the kind
            raise _not_kept(error) from error
        self._file.close()
        self._path.unlink(missing_ok=True)
        self._open()

    def _open(self) -> None:
        self._file = sqlite3.connect(self._path, timeout=60, isolation_level=None)
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute("PRAGMA journal_mode = MEMORY")
        columns = "key TEXT PRIMARY KEY, used INTEGER, value BLOB"
        self._file.execute(f"CREATE TABLE IF NOT EXISTS results ({columns}) WITHOUT ROWID")

    def get(self, key: str, /) -> bytes | None:
        """Return what is kept under a key, or `None`."""
        key = self._version + key
        row = self._ask("SELECT used, value FROM results WHERE key = ?", (key,))
        if row is None:
            return None
        value = bytes(row[1])
        if value[:DIGEST] != _digest(key, value[DIGEST:]):
            return None
        if row[0] < self._now - HOUR:
            self._ask("UPDATE results SET used = ? WHERE key = ?", (self._now, key))
        return value[DIGEST:]

    def __setitem__(self, key: str, value: bytes, /) -> None:
        key = self._version + key
        row = (key, self._now, _digest(key, value) + value)
        self._ask("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", row)

    def _ask(self, statement: str, values: tuple[object, ...]) -> Any:
        try:
            return self._file.execute(statement, values).fetchone()
        except sqlite3.DatabaseError as error:
            self._renew(error)
        return self._file.execute(statement, values).fetchone()


def _digest(key: str, value: bytes) -> bytes:
    return xxhash.xxh3_128_digest(key.encode() + value)


def _not_kept(error: sqlite3.Error) -> LibraryError:
    return LibraryError("keep what was measured in .cache", str(error), "Free some space, or remove .cache.")


class KeyedSound(SoundFile):
    """A WAV that can name what it holds. Raises `MediaError` where it cannot be read."""

    def __init__(self, path: Path, *, kept: Kept) -> None:
        super().__init__(path)
        self._kept = kept

    @cached_property
    def hashes(self) -> list[str]:
        """The hashes of the file's head and foot, and of each block."""
        return _held(self.path, kept=self._kept)

    def key(self, start: int, stop: int) -> str:
        """Return a content address of samples `start` to `stop`."""
        first, last = start // audio.BLOCK, -(-stop // audio.BLOCK)
        within = (start - first * audio.BLOCK, stop - start, self.sr, self.channels)
        return content.address("sound", within, self.hashes[1 + first : 1 + last])


class KeyedParts:
    """A long sound in a folder of WAVs, each as long as the first but the last; see `splice`.

    Raises `MediaError` where one is missing or cannot be read.
    """

    def __init__(self, folder: Path, *, kept: Kept) -> None:
        self._paths, self._kept = sorted(folder.glob("*.wav")), kept
        for number, path in enumerate(self._paths or [folder]):
            if path.name != _part(number):
                raise _unreadable(folder / _part(number), "it is not there")
        first, last = (KeyedSound(self._paths[at], kept=kept) for at in (0, -1))
        self.sr, self.channels, self._size = first.sr, first.channels, first.frames
        self.frames = (len(self._paths) - 1) * self._size + last.frames

    def read(self, start: int, stop: int) -> Sound:
        """Return samples `start` to `stop`, shape ``(channels, stop - start)``."""
        pieces = [part.read(first, last) for part, first, last in self._over(start, stop)]
        return np.concatenate(pieces, axis=1) if pieces else np.zeros((self.channels, 0), np.float32)

    def key(self, start: int, stop: int) -> str:
        """Return a content address of samples `start` to `stop`."""
        return content.address("parts", [part.key(*within) for part, *within in self._over(start, stop)])

    def _over(self, start: int, stop: int) -> Iterator[tuple[KeyedSound, int, int]]:
        """Yield the parts that hold some of the samples, and from where to where."""
        size = max(self._size, 1)
        for number in range(start // size, -(-min(stop, self.frames) // size)):
            part = KeyedSound(self._paths[number], kept=self._kept)
            yield part, max(start - number * size, 0), min(stop - number * size, part.frames)


def spans(recording: Keyed) -> list[tuple[int, int]]:
    """Return where the blocks of a recording start and stop, in samples; there is one at least."""
    starts = range(0, max(recording.frames, 1), audio.BLOCK)
    return [(start, min(start + audio.BLOCK, recording.frames)) for start in starts]


def splice(film: Keyed, folder: Path, *, earlier: Path, kept: Kept) -> Iterator[bool]:
    """Write a recording as 24-bit WAVs of one block each; what an earlier folder holds stays.

    What an edit costs, here and wherever files are hashed and kept, is so what it reaches. Yields for each
    block whether it was read from the recording. The files are the same, byte for byte, either way.
    """
    folder.mkdir()
    for number, (start, stop) in enumerate(spans(film)):
        name = _part(number)
        yield _renew(film, start, stop, folder / name, earlier=earlier / name, kept=kept, subtype="PCM_24")


def join(recording: Keyed, path: Path) -> Iterator[None]:
    """Write a recording as one 24-bit WAV, and yield after each block.

    Raises `MediaError` where the disk is full.
    """
    with SoundWriter.like(recording, path) as sound:
        for start, stop in spans(recording):
            sound.write(recording.read(start, stop))
            yield


def renew(recording: Keyed, path: Path, *, earlier: Path, kept: Kept) -> bool:
    """Write a short recording as a 32-bit float WAV, or let an earlier file stand that holds the same.

    Returns whether it was read and written. What its key came to is kept.
    """
    return _renew(recording, 0, recording.frames, path, earlier=earlier, kept=kept, subtype="FLOAT")


def _renew(
    recording: Keyed, start: int, stop: int, path: Path, *, earlier: Path, kept: Kept, subtype: str
) -> bool:
    form = (subtype, soundfile.__libsndfile_version__, recording.sr, recording.channels, stop - start)
    key = content.address(form, recording.key(start, stop))
    if _same(earlier, kept.get(key), kept=kept):
        link(earlier, path)
        return False
    write_sound(path, recording.read(start, stop), sr=recording.sr, subtype=subtype)
    kept[key] = " ".join(_held(path, kept=kept)).encode()
    return True


def _part(number: int) -> str:
    """Return the name of a part, of which there may be as many as a film of five days has."""
    return f"{number:05}.wav"


def _same(path: Path, wanted: bytes | None, *, kept: Kept) -> bool:
    """Say whether a file is there and has these hashes."""
    try:
        return wanted is not None and path.is_file() and _held(path, kept=kept) == wanted.decode().split()
    except MediaError:  # what cannot be read is written anew
        return False


def _held(path: Path, *, kept: Kept) -> list[str]:
    """Return the hashes of a WAV's head and foot, and of each block."""
    key, state = _identity(path)
    found = (kept.get(key) or b"").decode().split()
    if found[: len(state)] != state:
        with path.open("rb") as file:
            found = [*state, *_hashes(file, _layout(file))]
        kept[key] = " ".join(found).encode()
    return found[len(state) :]


def _identity(path: Path) -> tuple[str, list[str]]:
    """Return under which key the hashes of a file are kept, and what changes whenever it is written."""
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, str(error)) from error
    state = [str(number) for number in (stat.st_size, stat.st_mtime_ns)]
    return content.address("file", stat.st_dev, stat.st_ino), state


def _hashes(file: BinaryIO, layout: _Layout) -> Iterator[str]:
    end, block = layout.begin + layout.size, audio.BLOCK * layout.frame
    file.seek(0)
    head = file.read(layout.begin)
    file.seek(end)
    yield xxhash.xxh3_128_hexdigest(head + file.read())
    for start in range(layout.begin, end, block):
        file.seek(start)
        yield xxhash.xxh3_128_hexdigest(file.read(min(block, end - start)))


class _Layout(NamedTuple):
    """Where a WAV's samples lie: bytes before them, bytes of them, bytes of one frame."""

    begin: int
    size: int
    frame: int


def _layout(file: BinaryIO) -> _Layout:
    """Read the head of a WAV or RF64."""
    form, long, format = file.read(12)[:4], 0, b""
    while len(head := file.read(8)) == 8:
        name, size = head[:4], _integer(head[4:])
        if name == b"data" and (frame := _integer(format[12:14])):
            return _Layout(file.tell(), long if form == b"RF64" else size, frame)
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
