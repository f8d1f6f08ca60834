"""What may be a name in the library, and what it lists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import langcodes
import langcodes.tag_parser

from workbench import params
from workbench.errors import LanguageError, LibraryError
from workbench.library.texts import read_text

SOURCE_STAGES = ("media", "separate", "asr", "diarize", "segment", "voices")
TARGET_STAGES = ("translate", "tts", "fit", "mix", "subtitles", "export", "qa")
STAGES = SOURCE_STAGES + TARGET_STAGES

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder, from `start` (the working folder) upwards, that holds a library.

    Raises `LibraryError` where there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "params" / "library.yaml").is_file():
            return folder
    raise LibraryError(
        f"find the library from {start}",
        "no params/library.yaml here or above",
        "Change into the project's folder.",
    )


def check_name(name: str, *, what: str) -> str:
    """Return a name that may become a folder; raises `LibraryError` for any other."""
    if not NAME.fullmatch(name) or name in STAGES or name in ("review", "given", "voices", "brand"):
        raise LibraryError(
            f"name {what} {name!r}",
            "that cannot be a folder's name here",
            "Use 1 to 64 letters, digits, - and _, starting with a letter or digit, and no stage's name.",
        )
    return name


def check_language(tag: str) -> str:
    """Return a BCP 47 tag in its standard form; raises `LanguageError` for what is none."""
    try:
        language = langcodes.Language.get(tag)
    except langcodes.tag_parser.LanguageTagError as error:
        raise LanguageError(
            f"use the language {tag!r}", str(error), "Give a BCP 47 tag such as en or pt-BR."
        ) from error
    if not language.is_valid() or language.language in (None, "und"):
        raise LanguageError(
            f"use the language {tag!r}",
            "no such language is registered",
            "Give a BCP 47 tag such as en or pt-BR.",
        )
    return language.to_tag()


def listing(root: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return ``params/library.yaml``: episodes and dubs by key.

    Raises `LibraryError` naming a key that may not be a place.
    """
    document = params.mapping(read_text(root / "params" / "library.yaml"), where="params/library.yaml")
    for kind, parts in (("episodes", 2), ("dubs", 3)):
        listed = document[kind] = document.get(kind) or {}  # nothing is left where the last one was taken out
        if not isinstance(listed, dict):
            raise LibraryError(
                f"read {kind} of params/library.yaml",
                f"it is a {type(listed).__name__}",
                "Write keys and values, as s/e: {}.",
            )
        for key in listed:
            names = str(key).split("/")
            if len(names) != parts:
                raise LibraryError(
                    f"read {kind} of params/library.yaml",
                    f"the key {key!r} has {len(names)} parts",
                    "An episode is series/episode, a dub series/episode/lang.",
                )
            for name in names:
                check_name(name, what=kind)
    return document
