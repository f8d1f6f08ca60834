"""Where things lie: series, episodes and dubs as places, and files written whole or not at all.

Conventions
-----------
A key names a place: ``series/episode`` an episode, ``series/episode/lang`` a dub of it. Path strings
live in this package alone. A stage's output is one folder, written beside and renamed at the end, so
that a failed run leaves the earlier one in place.
"""

from __future__ import annotations

from pathlib import Path

from workbench.errors import LibraryError
from workbench.library.files import FileMemo
from workbench.library.names import (
    SOURCE_STAGES,
    STAGES,
    TARGET_STAGES,
    check_language,
    check_name,
    find_root,
    listing,
)
from workbench.library.places import (
    PLACES,
    Dub,
    DubFacts,
    Episode,
    EpisodeFacts,
    Output,
    Place,
    SeriesFacts,
)
from workbench.library.sounds import Memo, SoundFile, SoundWriter, read_sound, write_sound
from workbench.library.texts import TextMemo, append_text, read_text, replacing, write_bytes, write_text

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
    "Memo",
    "Output",
    "Place",
    "SeriesFacts",
    "SoundFile",
    "SoundWriter",
    "TextMemo",
    "append_text",
    "check_language",
    "check_name",
    "dub",
    "episode",
    "find_root",
    "listing",
    "read_sound",
    "read_text",
    "replacing",
    "write_bytes",
    "write_sound",
    "write_text",
]


def episode(key: str, root: Path | None = None) -> Episode:
    """Return the episode of a key; raises `LibraryError` where the library lists none such."""
    return Episode(*_listed("episodes", key, root))


def dub(key: str, lang: str, root: Path | None = None) -> Dub:
    """Return the dub of an episode into a language; raises `LibraryError` where none is listed."""
    return Dub(*_listed("dubs", f"{key}/{lang}", root))


def _listed(kind: str, key: str, root: Path | None) -> tuple[Path, str]:
    root = root or find_root()
    known = listing(root)[kind]
    if key not in known:
        raise LibraryError(
            f"open {key!r}",
            f"params/library.yaml lists no such key under {kind}",
            f"It lists: {', '.join(known) or 'none'}. Add one with: workbench add",
        )
    return root, key
