"""Keys: where something is in the library. They are joined and split here, and nowhere else.

Conventions
-----------
A key has one to three names: ``series``, ``series/episode``, ``series/episode/dub``. It is parsed once, where
it comes in: from a command line, a notebook's parameters or a file. Each name becomes a folder, so it is
plain, and none that the workbench itself keeps in the same place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.errors import LibraryError

SOURCE_STAGES = ("media", "separate", "asr", "diarize", "segment", "voices")
TARGET_STAGES = ("translate", "cast", "tts", "fit", "mix", "subtitles", "export", "qa")
STAGES = SOURCE_STAGES + TARGET_STAGES

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
LEVELS = ("series", "episode", "dub")
OURS = {  # folders beside those of a level
    "series": ("benchmarks", "pictures"),  # of reports/
    "episode": ("voices", "brand"),
    "dub": (*SOURCE_STAGES, "given", "review", "runs", "truth"),
}


@dataclass(frozen=True, order=True, slots=True)
class Key:
    """A place in the library. Its text is its path below ``data/``.

    >>> Key.parse("demo/e01/es").parent
    Key(series='demo', episode='e01', dub='')
    >>> str(Key("demo", "e01"))
    'demo/e01'
    """

    series: str
    episode: str = ""
    dub: str = ""

    def __post_init__(self) -> None:
        for level, name in zip(LEVELS, self.names, strict=False):
            check_name(name, what=level)

    def __str__(self) -> str:
        return "/".join(self.names)

    @classmethod
    def parse(cls, text: str) -> Key:
        """Return the key that a text says; raises `LibraryError` for one that is none."""
        names = text.strip("/").split("/")
        if len(names) > len(LEVELS):
            raise LibraryError(
                f"open {text!r}",
                f"a key of {len(names)} parts",
                "A key is series, series/episode or series/episode/dub.",
            )
        return cls(*names)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it has, of the series first."""
        own = (self.series, self.episode, self.dub)
        return own[: 1 + max((at for at, name in enumerate(own) if name), default=0)]

    @property
    def level(self) -> str:
        """What it is the key of: a series, an episode or a dub."""
        return LEVELS[len(self.names) - 1]

    @property
    def name(self) -> str:
        """The last of its names."""
        return self.names[-1]

    @property
    def parent(self) -> Key:
        """Of a dub its episode, of an episode its series; raises `LibraryError` for a series."""
        if self.level == "series":
            raise LibraryError(
                f"find what {self} is in", "a series is in nothing", "Name an episode or a dub."
            )
        return Key(*self.names[:-1])

    def child(self, name: str) -> Key:
        """Return the key of what has a name within it; raises `LibraryError` for what may be no name."""
        if not name or self.level == "dub":
            raise LibraryError(f"name what is in {self}", f"{name!r} cannot be there", "A dub holds nothing.")
        return Key.parse(f"{self}/{name}")

    def holds(self, other: Key) -> bool:
        """Return whether another key is this one, or below it."""
        return other.names[: len(self.names)] == self.names


def check_name(name: str, *, what: str) -> str:
    """Return a name of a level that may be a folder's; raises `LibraryError` for another."""
    if not NAME.fullmatch(name) or name in OURS[what]:
        raise LibraryError(
            f"name {what} {name!r}",
            f"the workbench keeps a folder of that name beside each {what}"
            if name in OURS[what]
            else "that cannot be a folder's name here",
            "Use 1 to 64 letters, digits, - and _, starting with a letter or digit"
            + (f", and none of {', '.join(OURS[what])}." if name in OURS[what] else "."),
        )
    return name


def dub_name(language: str) -> str:
    """Return the name that a dub has by default: its language, save where that is a folder of ours.

    >>> dub_name("pt-BR"), dub_name("asr")
    ('pt-BR', 'asr-dub')
    """
    return f"{language}-dub" if language in OURS["dub"] else language
