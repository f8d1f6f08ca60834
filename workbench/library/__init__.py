"""Where things lie: series, episodes and dubs as places, and files written whole or not at all.

Conventions
-----------
A `Key` names a place: ``series``, ``series/episode``, ``series/episode/dub``. Path strings live in this
package alone. A stage's output is one folder, written beside and renamed at the end, so that a failed run
leaves the earlier one in place.
"""

from __future__ import annotations

from pathlib import Path

from workbench.library.files import FileMemo
from workbench.library.keys import SOURCE_STAGES, STAGES, TARGET_STAGES, Key, check_name, dub_name
from workbench.library.languages import check_language
from workbench.library.output import PLACES, Output
from workbench.library.places import (
    Dub,
    DubFacts,
    Episode,
    EpisodeFacts,
    Library,
    Place,
    Series,
    SeriesFacts,
    find_root,
)
from workbench.library.sounds import Memo, SoundFile, SoundWriter, read_sound, write_sound
from workbench.library.texts import (
    TextMemo,
    alone,
    append_text,
    change,
    copy,
    read_text,
    replacing,
    write_bytes,
    write_text,
)

__all__ = [
    "PLACES",
    "SOURCE_STAGES",
    "STAGES",
    "TARGET_STAGES",
    "Dub",
    "DubFacts",
    "Episode",
    "EpisodeFacts",
    "FileMemo",
    "Key",
    "Library",
    "Memo",
    "Output",
    "Place",
    "Series",
    "SeriesFacts",
    "SoundFile",
    "SoundWriter",
    "TextMemo",
    "alone",
    "append_text",
    "change",
    "check_language",
    "check_name",
    "copy",
    "dub",
    "dub_name",
    "episode",
    "find_root",
    "read_sound",
    "read_text",
    "replacing",
    "write_bytes",
    "write_sound",
    "write_text",
]


def episode(key: str, root: Path | None = None) -> Episode:
    """Return the episode of a key's text; raises `LibraryError` where the library lists none such."""
    return Library(root or find_root()).episode(Key.parse(key))


def dub(episode: str, name: str, root: Path | None = None) -> Dub:
    """Return the dub of an episode that has a name; raises `LibraryError` where none is listed."""
    return Library(root or find_root()).dub(Key.parse(episode).child(name))
