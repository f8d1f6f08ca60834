"""Measure the sounds of a dub, line by line, and nothing twice.

Conventions
-----------
Times are integer ms, levels dB re full scale. What was measured before on the same content is found among
what was kept, so that after an edit a line and its neighbours are measured alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from workbench import audio, writing
from workbench.audio import Kept, Keyed, Part, Sound
from workbench.content import address, of_code
from workbench.errors import EngineError, LanguageError
from workbench.params import Choice
from workbench.qa import levels, presence, round_trip, yardstick
from workbench.qa.levels import Levels
from workbench.qa.material import Film, Sounds
from workbench.qa.presence import Presence
from workbench.qa.round_trip import Heard, Hearer
from workbench.qa.yardstick import Comparison, Reader
from workbench.records import Placement, Take, Word
from workbench.voices.references import PrintExtractor

T = TypeVar("T")


class Named(Protocol):
    """What every engine has."""

    name: str


E = TypeVar("E", bound=Named)


@dataclass(frozen=True)
class Instrument(Generic[E]):
    """An engine that measures, or why there is none. `identity` is its name, version, model and options."""

    engine: E | None
    identity: str
    reason: str = ""

    @classmethod
    def ready(cls, load: Callable[[], E], identify: Callable[[E], str], choice: Choice) -> Instrument[E]:
        """Return the engine that `load` gives, or what it lacks: quality control goes on without it.

        `identify` tells its version and model. The engine that comes need not be the one that is chosen.
        """
        try:
            engine = load()
        except EngineError as error:
            return cls(None, "", error.found)
        settings = choice.options.get(engine.name)
        return cls(engine, address(engine.name, identify(engine), settings))


@dataclass(frozen=True)
class Instruments:
    """The engines that quality control measures with."""

    prints: Instrument[PrintExtractor]
    reader: Instrument[Reader]
    hearer: Instrument[Hearer]

    @property
    def prints_by(self) -> str:
        """The engine that makes prints, which may be one that stepped in; empty where none is ready."""
        return self.prints.engine.name if self.prints.engine else ""

    def engines(self) -> dict[str, Any]:
        """Return the engines that are ready, by kind."""
        kinds: dict[str, Instrument[Any]]
        kinds = {"prints": self.prints, "reading": self.reader, "hearing": self.hearer}
        return {kind: each.engine for kind, each in kinds.items() if each.engine is not None}

    @classmethod
    def ready(
        cls,
        load: Callable[[str, Choice], Any],
        identify: Callable[[Any], str],
        *,
        prints: Choice,
        reading: Choice,
        hearing: Choice,
    ) -> Instruments:
        """Return the engines that `load` gives for these choices, as far as they are ready."""
        return cls(
            Instrument.ready(partial(load, "prints", prints), identify, prints),
            Instrument.ready(partial(load, "reading", reading), identify, reading),
            Instrument.ready(partial(load, "hearing", hearing), identify, hearing),
        )


@dataclass(frozen=True)
class Measured:
    """What was measured in the sounds of one placed line. What is a text says why it was not."""

    levels: Levels
    clipped: int  # flat tops at full scale of the take as its engine spoke it
    presence: Presence
    bed_lost: int  # ms without the bed from the line's start to that of the next
    print: tuple[float, ...] | str
    reading: Comparison | str
    heard: Heard | str


def version() -> str:
    """Return the content address of the code that measures: what another kept is not to be found."""
    return of_code(__name__, libraries=("numpy", "scipy", "librosa", "soxr"))


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
    texts, takes = {row.segment: row.text for row in film.translations}, film.takes.by("segment")
    sources, language = {row.id: row for row in film.segments}, film.language
    gain_db, sr = sum(row.gain_db for row in film.loudness), sounds.dub.sr
    placed = (row for row in film.placements if row.segment in sources)
    ordered = sorted(placed, key=lambda row: (row.start, row.segment))
    heard = _heard(ordered, sounds, texts, language, instruments.hearer, kept)
    margin = audio.samples(presence.REACH, sr=sr)
    ends = [*(row.start for row in ordered), sounds.duration][1:]
    for placement, until in zip(ordered, ends, strict=True):
        segment, voice = sources[placement.segment], _whole(sounds.voice(placement.segment))
        at = audio.samples(placement.start, sr=sr)
        around = Part(sounds.dub, at - margin, at + voice.stop + margin)
        dub = Part(sounds.dub, at, at + voice.stop)
        source = part(sounds.dialogue, segment.start, segment.end)
        beside = [row for row in ordered if row.start < until and row.end > placement.start]
        found = Measured(
            levels=_once(
                kept,
                Levels,
                lambda v, dub, source: levels.measure(v[0], dub, source, sr=sr, full_scale=full_scale),
                ["levels", voice, dub, source, full_scale],
            ),
            clipped=_clipped(takes.get(segment.id), sounds, full_scale, kept),
            presence=_once(
                kept, Presence, lambda v, mix: presence.find(v[0], mix, sr=sr), ["presence", voice, around]
            ),
            bed_lost=_bed_lost(placement.start, until, beside, sounds, least_bed_db + gain_db, kept),
            print=_print(voice, instruments.prints, kept),
            reading=_reading(voice, texts.get(segment.id, ""), language, instruments.reader, kept),
            heard=heard if isinstance(heard, str) else heard[segment.id],
        )
        yield segment.id, found


def part(recording: Keyed, start: int, end: int) -> Part:
    """Return the sound from `start` to `end` ms, as far as there is any."""
    first, last = (audio.samples(ms, sr=recording.sr) for ms in (start, end))
    return Part(recording, min(first, recording.frames), min(last, recording.frames))


def _whole(recording: Keyed) -> Part:
    return Part(recording, 0, recording.frames)


def _clipped(take: Take | None, sounds: Sounds, full_scale: float, kept: Kept) -> int:
    """Return in how many places a take is flat at full scale, before its rate and length were changed."""
    if take is None:
        return 0
    content = ["clipped", _whole(sounds.take(take)), full_scale]
    return _once(kept, int, partial(levels.flat_tops, full_scale=full_scale), content)


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
        try:
            words = _once(
                kept,
                list[Word],
                lambda y: round_trip.hear(audio.mono(y), sr=sr, language=language, hearer=engine),
                ["round_trip", hearer.identity, language, part(sounds.dub, start, end)],
            )
        except LanguageError as error:
            return f"{error.asked}: {error.found}"
        said = {row.segment: texts.get(row.segment, "") for row in inside}
        found |= round_trip.compare(said, inside, words, engine=engine.name)
    return found


def _print(voice: Part, prints: Instrument[PrintExtractor], kept: Kept) -> tuple[float, ...] | str:
    """Return a take's print, or why it has none."""
    extractor, none, sr = prints.engine, "it is too short, or silent", voice.recording.sr
    if extractor is None:
        return prints.reason
    if audio.milliseconds(voice.recording.frames, sr=sr) < extractor.shortest:
        return none
    found = _once(
        kept,
        list[float],
        lambda v: [round(float(x), 5) for x in extractor.prints([v[0]], sr=sr)[0]] if v.any() else [],
        ["print", prints.identity, voice],
    )
    return tuple(found) or none


def _reading(
    voice: Part, text: str, language: str, reader: Instrument[Reader], kept: Kept
) -> Comparison | str:
    """Return how a take differs from a reading of its text, or why it was not compared."""
    engine, sr = reader.engine, voice.recording.sr
    if engine is None:
        return reader.reason
    if not writing.SPOKEN.search(text):
        return "there is no text"
    try:
        return _once(
            kept,
            Comparison,
            lambda v: yardstick.compare(v[0], text, sr=sr, language=language, reader=engine),
            ["yardstick", reader.identity, text, language, voice],
        )
    except LanguageError as error:
        return f"{error.asked}: {error.found}"


def _bed_lost(
    start: int, end: int, beside: Iterable[Placement], sounds: Sounds, least_db: float, kept: Kept
) -> int:
    """Return for how many ms from `start` to `end` the bed is missing from the dub."""
    sr, lost = sounds.dub.sr, 0
    takes = [(audio.samples(row.start, sr=sr), sounds.voice(row.segment)) for row in beside]
    for a, b in presence.windows(audio.samples(start, sr=sr), audio.samples(end, sr=sr), sr=sr):
        heard = [Part(take, a - at, b - at) for at, take in takes if at < b and a < at + take.frames]
        content = [Part(sounds.bed, a, b), Part(sounds.dub, a, b), *heard, least_db]
        if _once(kept, bool, partial(_is_lost, least_db=least_db), ["bed", *content]):
            lost += audio.milliseconds(b - a, sr=sr)
    return lost


def _is_lost(bed: Sound, dub: Sound, *voices: Sound, least_db: float) -> bool:
    for voice in voices:
        dub = presence.without(dub, voice[0])
    return presence.is_lost(bed, dub, least_db=least_db)


def _once(kept: Kept, kind: type[T], measure: Callable[..., T], content: Sequence[object]) -> T:
    """Return what `measure` gives for the sounds in a content, or what it gave before for the same."""
    key = address(*(each.digest(kept=kept) if isinstance(each, Part) else each for each in content))
    found = kept.get(key)
    if found is not None:
        return msgspec.json.decode(found, type=kind)
    value = measure(*(each.y for each in content if isinstance(each, Part)))
    kept[key] = msgspec.json.encode(value)
    return value
