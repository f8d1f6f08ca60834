"""A dub as quality control sees it: all that the stages said of it, what was wanted, and its sounds.

Conventions
-----------
Times are integer ms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench import audio, wording
from workbench.audio import Keyed
from workbench.glossary import Glossary, Guide
from workbench.params import Choice
from workbench.records import (
    Budget,
    Candidate,
    Casting,
    Cue,
    Hearing,
    LineWord,
    Loudness,
    Placement,
    Probe,
    Product,
    Segment,
    Separation,
    Speaker,
    Table,
    Take,
    Translation,
    Turn,
    Word,
)  # fmt: skip

ENGINE_KINDS = ("separate", "asr", "diarize", "translate", "tts")  # those whose names stand in records


@dataclass(frozen=True)
class Sounds:
    """The sounds of a dub, at one rate; a take before it is fitted at its engine's."""

    programme: Keyed  # of the original
    dialogue: Keyed
    bed: Keyed
    dub: Keyed
    voice: Callable[[str], Keyed]  # segment -> its fitted take, of one channel
    take: Callable[[Take], Keyed]  # a take as its engine spoke it, of one channel

    @property
    def duration(self) -> int:
        """Length of the dub in ms."""
        return audio.milliseconds(self.dub.frames, sr=self.dub.sr)


@dataclass(frozen=True)
class Film:
    """All that the stages said of one dub, each a table, what was wanted of it, and its length.

    Of each line there is the take that is heard, and the translation that it says.
    """

    probe: Table[Probe]
    separation: Table[Separation]
    words: Table[Word]  # as heard
    hearing: Table[Hearing]
    turns: Table[Turn]
    segments: Table[Segment]
    line_words: Table[LineWord]  # as the segments stand
    speakers: Table[Speaker]
    castings: Table[Casting]
    translations: Table[Translation]
    takes: Table[Take]
    placements: Table[Placement]
    candidates: Table[Candidate]
    budgets: Table[Budget]
    loudness: Table[Loudness]
    cues: Table[Cue]
    products: Table[Product]
    chosen: Mapping[str, str]  # kind -> engine, as the params have it
    language: str  # of the dub, BCP 47
    glossary: Glossary  # of the series, for that language
    target_lufs: float
    duration: int  # of the mix, ms

    @classmethod
    def read(
        cls,
        read: Callable[[type], Table[Any]],
        sounds: Sounds,
        guide: Guide,
        chosen: Mapping[str, Choice],
        *,
        language: str,
        target_lufs: float,
    ) -> Film:
        """Return the film of whose records `read`, a place's reader, gives each type."""
        placements = read(Placement)
        takes = wording.heard(read(Take), placements)
        return cls(
            probe=read(Probe),
            separation=read(Separation),
            words=read(Word),
            hearing=read(Hearing),
            turns=read(Turn),
            segments=read(Segment),
            line_words=read(LineWord),
            speakers=read(Speaker),
            castings=read(Casting),
            translations=wording.said(read(Translation), takes),
            takes=takes,
            placements=placements,
            candidates=read(Candidate),
            budgets=read(Budget),
            loudness=read(Loudness),
            cues=read(Cue),
            products=read(Product),
            chosen={kind: choice.engine for kind, choice in chosen.items()},
            language=language,
            glossary=Glossary(guide.glossary_terms),
            target_lufs=target_lufs,
            duration=sounds.duration,
        )

    def made_by(self) -> dict[str, dict[str, int]]:
        """Return how many records each engine made, by kind."""
        tables: tuple[Table[Any], ...]
        tables = (self.separation, self.words, self.turns, self.translations, self.takes)
        counts = (Counter(row.engine for row in table) for table in tables)
        return {kind: dict(sorted(count.items())) for kind, count in zip(ENGINE_KINDS, counts, strict=True)}
