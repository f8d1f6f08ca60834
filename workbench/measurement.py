"""Measure the sounds of a dub, line by line, and nothing twice.

Conventions
-----------
Times are integer ms, levels dB re full scale. What was measured before on the same content is found among
what was kept, so that after an edit a line and its neighbours are measured alone.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
import scipy

from workbench import audio, levels, presence, round_trip, writing, yardstick
from workbench.audio import Kept, Recording, Sound
from workbench.errors import EngineError, LanguageError
from workbench.film import Film, Sounds
from workbench.levels import Levels
from workbench.params import Choice
from workbench.presence import Presence
from workbench.records import Placement, Word
from workbench.references import PrintExtractor
from workbench.round_trip import Heard, Hearer
from workbench.yardstick import Comparison, Reader

T = TypeVar("T")


@dataclass(frozen=True)
class Instrument(Generic[T]):
    """An engine that measures, or why there is none. `identity` is its name, version and options."""

    engine: T | None
    identity: str
    reason: str = ""

    @classmethod
    def ready(cls, load: Callable[[], T], identity: object) -> Instrument[T]:
        """Return the engine that `load` gives, or what it lacks: quality control goes on without it."""
        try:
            return cls(load(), str(identity))
        except EngineError as error:
            return cls(None, str(identity), error.found)


@dataclass(frozen=True)
class Instruments:
    """The engines that quality control measures with."""

    prints: Instrument[PrintExtractor]
    reader: Instrument[Reader]
    hearer: Instrument[Hearer]

    def engines(self) -> dict[str, Any]:
        """Return the engines that are ready, by kind."""
        kinds: dict[str, Instrument[Any]]
        kinds = {"prints": self.prints, "reading": self.reader, "hearing": self.hearer}
        return {kind: each.engine for kind, each in kinds.items() if each.engine is not None}

    @classmethod
    def ready(
        cls, load: Callable[[str, Choice], Any], prints: Choice, reading: Choice, hearing: Choice
    ) -> Instruments:
        """Return the engines that `load` gives for these choices, as far as they are ready."""
        return cls(
            Instrument.ready(partial(load, "prints", prints), prints),
            Instrument.ready(partial(load, "reading", reading), reading),
            Instrument.ready(partial(load, "hearing", hearing), hearing),
        )


@dataclass(frozen=True)
class Measured:
    """What was measured in the sounds of one placed line. What is a text says why it was not."""

    levels: Levels
    presence: Presence
    bed_lost: int  # ms without the bed from the line's start to that of the next
    print: tuple[float, ...] | str
    reading: Comparison | str
    heard: Heard | str


def version() -> str:
    """Return the content address of the code that measures: what another kept is not to be found."""
    sources = (audio, levels, presence, round_trip, sys.modules[__name__], writing, yardstick)
    return audio.address(np.__version__, scipy.__version__, *map(inspect.getsource, sources))


def measure(
    film: Film,
    sounds: Sounds,
    instruments: Instruments,
    *,
    full_scale: float,
    least_bed_db: float,
    kept: Kept,
) -> Iterator[tuple[str, Measured]]:
    """Measure the sounds of each placed line, in order of time; ``dict`` of it is what `evidence` joins.

    Parameters
    ----------
    full_scale : float
        From which absolute value a sample counts as clipped, 0..1.
    least_bed_db : float
        The bed's gain below which it counts as lost, beside the gain of the whole mix.
    kept : mapping
        What was measured before, by content.
    """
    texts = {row.segment: row.text for row in film.translations}
    sources, language = {row.id: row for row in film.segments}, film.language
    gain_db, sr = sum(row.gain_db for row in film.loudness), sounds.dub.sr
    placed = (row for row in film.placements if row.segment in sources)
    ordered = sorted(placed, key=lambda row: (row.start, row.segment))
    heard = _heard(ordered, sounds, texts, language, instruments.hearer, kept)
    margin = audio.samples(presence.REACH, sr=sr)
    ends = [*(row.start for row in ordered), sounds.duration][1:]
    for placement, until in zip(ordered, ends, strict=True):
        segment, v = sources[placement.segment], audio.mono(sounds.voice(placement.segment))
        at = audio.samples(placement.start, sr=sr)
        around = _padded(sounds.dub, at - margin, at + v.size + margin)
        dub = around[:, margin : margin + v.size]
        source = span(sounds.dialogue, segment.start, segment.end)
        beside = [row for row in ordered if row.start < until and row.end > placement.start]
        found = Measured(
            levels=_once(
                kept,
                Levels,
                partial(levels.measure, v, dub, source, sr=sr, full_scale=full_scale),
                ["levels", v, dub, source, sr, full_scale],
            ),
            presence=_once(
                kept, Presence, partial(presence.find, v, around, sr=sr), ["presence", v, around, sr]
            ),
            bed_lost=_bed_lost(placement.start, until, beside, sounds, least_bed_db + gain_db),
            print=_print(v, sr, instruments.prints, kept),
            reading=_reading(v, sr, texts.get(segment.id, ""), language, instruments.reader, kept),
            heard=heard if isinstance(heard, str) else heard[segment.id],
        )
        yield segment.id, found


def span(recording: Recording, start: int, end: int) -> Sound:
    """Return the sound from `start` to `end` ms, shape ``(channels, n)``."""
    return recording.read(audio.samples(start, sr=recording.sr), audio.samples(end, sr=recording.sr))


def _heard(
    placements: Iterable[Placement],
    sounds: Sounds,
    texts: Mapping[str, str],
    language: str,
    hearer: Instrument[Hearer],
    kept: Kept,
) -> dict[str, Heard] | str:
    """Return what a recogniser heard of each line in the dub, or why none did."""
    engine, sr, found = hearer.engine, sounds.dub.sr, dict[str, Heard]()
    if engine is None:
        return hearer.reason
    for (start, end), inside in round_trip.utterances(placements, duration=sounds.duration):
        y = audio.mono(span(sounds.dub, start, end))
        try:
            words = _once(
                kept,
                list[Word],
                partial(round_trip.hear, y, sr=sr, language=language, hearer=engine),
                ["round_trip", hearer.identity, language, y, sr],
            )
        except LanguageError as error:
            return f"{error.asked}: {error.found}"
        said = {row.segment: texts.get(row.segment, "") for row in inside}
        found |= round_trip.compare(said, inside, words, engine=engine.name)
    return found


def _print(v: Sound, sr: int, prints: Instrument[PrintExtractor], kept: Kept) -> tuple[float, ...] | str:
    """Return a take's print, or why it has none."""
    extractor = prints.engine
    if extractor is None:
        return prints.reason
    if audio.milliseconds(v.size, sr=sr) < extractor.shortest or not v.any():
        return "it is too short, or silent"
    found = _once(
        kept,
        list[float],
        lambda: [round(float(x), 5) for x in extractor.prints([v], sr=sr)[0]],
        ["print", prints.identity, v, sr],
    )
    return tuple(found)


def _reading(
    v: Sound, sr: int, text: str, language: str, reader: Instrument[Reader], kept: Kept
) -> Comparison | str:
    """Return how a take differs from a reading of its text, or why it was not compared."""
    engine = reader.engine
    if engine is None:
        return reader.reason
    if not writing.SPOKEN.search(text):
        return "there is no text"
    try:
        return _once(
            kept,
            Comparison,
            lambda: yardstick.compare(v, text, sr=sr, language=language, reader=engine),
            ["yardstick", reader.identity, engine.identity, text, language, v, sr],
        )
    except LanguageError as error:
        return f"{error.asked}: {error.found}"


def _bed_lost(start: int, end: int, beside: Iterable[Placement], sounds: Sounds, least_db: float) -> int:
    """Return for how many ms from `start` to `end` the bed is missing from the dub."""
    sr, lost = sounds.dub.sr, 0
    voices = [(audio.samples(row.start, sr=sr), audio.mono(sounds.voice(row.segment))) for row in beside]
    for a, b in presence.windows(audio.samples(start, sr=sr), audio.samples(end, sr=sr), sr=sr):
        bed, rest = sounds.bed.read(a, b), sounds.dub.read(a, b)
        for at, y in voices:
            first, last = max(at, a), min(at + y.size, b)
            if first < last:
                laid = np.pad(y[first - at : last - at], (first - a, b - last))
                rest = presence.without(rest, laid)
        if presence.is_lost(bed, rest[:, : bed.shape[1]], least_db=least_db):
            lost += audio.milliseconds(b - a, sr=sr)
    return lost


def _padded(recording: Recording, start: int, stop: int) -> Sound:
    """Return samples `start` to `stop` of a recording, zeros outside of it."""
    y = np.zeros((recording.channels, stop - start), np.float32)
    a, b = max(start, 0), min(stop, recording.frames)
    if a < b:
        y[:, a - start : b - start] = recording.read(a, b)
    return y


def _once(kept: Kept, kind: type[T], measure: Callable[[], T], content: Sequence[object]) -> T:
    """Return what `measure` gives, or what it gave before on the same content."""
    key = audio.address(*(_digest(part) if isinstance(part, np.ndarray) else part for part in content))
    found = kept.get(key)
    if found is not None:
        return msgspec.json.decode(found, type=kind)
    value = measure()
    kept[key] = msgspec.json.encode(value)
    return value


def _digest(y: Sound) -> tuple[tuple[int, ...], str]:
    return y.shape, hashlib.blake2b(np.ascontiguousarray(y).tobytes(), digest_size=16).hexdigest()
