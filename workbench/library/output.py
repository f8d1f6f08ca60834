"""What a stage puts out: which file of its folder holds the records of each type, and how it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from workbench.audio import Sound
from workbench.errors import LibraryError
from workbench.library.sounds import write_sound
from workbench.records import (
    Budget,
    Candidate,
    Casting,
    Clip,
    Cue,
    Hearing,
    LineWord,
    Loudness,
    Maker,
    Placement,
    Probe,
    Product,
    Score,
    Segment,
    Separation,
    Shot,
    Speaker,
    Table,
    Take,
    Translation,
    Turn,
    Word,
)

PLACES: dict[type, tuple[str, str]] = {
    Probe: ("media", "probe.jsonl"),
    Shot: ("media", "shots.jsonl"),
    Separation: ("separate", "separation.jsonl"),
    Word: ("asr", "words.jsonl"),
    Hearing: ("asr", "hearing.jsonl"),
    Turn: ("diarize", "turns.jsonl"),
    Segment: ("segment", "segments.jsonl"),
    LineWord: ("segment", "words.jsonl"),
    Clip: ("voices", "clips.jsonl"),
    Speaker: ("voices", "speakers.jsonl"),
    Casting: ("cast", "castings.jsonl"),
    Translation: ("translate", "translations.jsonl"),
    Take: ("tts", "takes.jsonl"),
    Candidate: ("tts", "candidates.jsonl"),
    Placement: ("fit", "placements.jsonl"),
    Budget: ("fit", "budgets.jsonl"),
    Loudness: ("mix", "loudness.jsonl"),
    Cue: ("subtitles", "cues.jsonl"),
    Product: ("export", "products.jsonl"),
    Score: ("qa", "segment_scores.jsonl"),
}

MAKERS = "makers.jsonl"  # beside the records of each stage in which engines work


class Output:
    """A stage's folder while it is being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the path of a new file; its folder is made. Raises `LibraryError` outside the output."""
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise LibraryError(
                f"write {name!r}", "it lies outside the stage's folder", "Use a plain file name."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def table(self, table: Table[Any]) -> None:
        """Write a table under its record type's own name."""
        self.text(MAKERS if table.kind is Maker else PLACES[table.kind][1], table.to_jsonl())

    def tables(self, rows: Iterable[Any], *kinds: type) -> None:
        """Write rows of several record types, each type as a table under its own name."""
        for kind in kinds:
            self.table(Table(kind, [row for row in rows if isinstance(row, kind)]))

    def text(self, name: str, text: str) -> None:
        """Write a text file in UTF-8."""
        self.path(name).write_text(text, encoding="utf-8", newline="\n")

    def json(self, name: str, value: Any) -> None:
        """Write a value as indented JSON with sorted keys."""
        encoded = msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2)
        self.text(name, encoded.decode() + "\n")

    def files(self, files: Mapping[str, bytes]) -> None:
        """Write files by name."""
        for name, content in files.items():
            self.path(name).write_bytes(content)

    def sound(self, name: str, y: Sound, *, sr: int, subtype: str = "PCM_24") -> None:
        """Write a sound of shape ``(n,)`` or ``(channels, n)`` as WAV."""
        write_sound(self.path(name), y, sr=sr, subtype=subtype)
