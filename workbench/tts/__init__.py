"""Speak each translation in its cast voice, at a rate that fits the line, and never twice the same.

Conventions
-----------
A rate of 1.10 means that the engine itself speaks 10 % faster than is natural to it. A take is never
trimmed. Each synthesis is kept in a memo under a key made of everything that can change its sound, and
of nothing else.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np

from workbench import audio, review, writing
from workbench.audio import Reference, Sound
from workbench.errors import SpeechError
from workbench.fit import timing
from workbench.glossary import Pronunciation
from workbench.records import Casting, EngineVoice, Segment, Table, Take, Translation
from workbench.tts import lexicon, verbalize

RATE_STEP = 0.01  # rates are multiples of it, so that near ones share a take


class Synthesizer(Protocol):
    """Speaks a line."""

    name: str

    @property
    def identity(self) -> str:
        """Version, digest of the model and options: what beside the arguments changes the sound."""

    def voices(self, language: str | None) -> Sequence[EngineVoice]:
        """Return the voices for a language, or all; raises `LanguageError` for one it does not speak."""

    def speak(self, text: str, *, voice: str, language: str, rate: float, seed: int) -> tuple[Sound, int]:
        """Return a mono sound of shape ``(n,)`` and its rate in Hz.

        `text` is on one line. What stands in ``[[…]]`` is phonemes in the engine's own alphabet; only
        the lexicon writes them. Raises `SpeechError` where nothing can be pronounced.
        """


@runtime_checkable
class Cloner(Synthesizer, Protocol):
    """Speaks in the voice of reference clips too, where its model can."""

    @property
    def clones(self) -> bool:
        """Say whether the model can."""

    def imitate(
        self, text: str, *, reference: Reference, language: str, rate: float, seed: int
    ) -> tuple[Sound, int]:
        """Speak as `Synthesizer.speak` does, in the voice of the clips."""


@runtime_checkable
class Paced(Synthesizer, Protocol):
    """Knows how long a line will be before it is spoken, and can speak it in a given time."""

    def duration(self, text: str, *, voice: str, language: str, rate: float) -> int:
        """Return about how long a text would be, in ms; what another rate changes of it is nearly exact."""

    def speak_in(
        self, text: str, *, voice: str, language: str, duration: int, seed: int
    ) -> tuple[Sound, int]:
        """Speak as `Synthesizer.speak` does, in exactly `duration` ms.

        Raises `SpeechError`, with the times that it can take, where it would not be understood.
        """


class Memo(Protocol):
    """Keeps sounds by key."""

    def find(self, key: str) -> tuple[Sound, int] | None:
        """Return the sound kept under a key and its rate in Hz, or `None`."""

    def keep(self, key: str, y: Sound, *, sr: int) -> None:
        """Keep a sound under a key."""


@dataclass(frozen=True)
class Options:
    """``params/tts.yaml``."""

    seed: int  # for engines that draw random numbers
    max_rate: float  # fastest the engine may speak, >= 1
    min_rate: float  # slowest, <= 1
    slow_below: float  # a take shorter than this share of its source line is spoken more slowly, 0..1
    max_renders: int  # syntheses of one line in search of a rate


@dataclass(frozen=True)
class Wish:
    """What reviewers want of one line's take."""

    kept: Take | None = None  # this very take, whatever the line now says
    sound: str = ""  # its `digest`
    seed: int | None = None
    rate: float | None = None  # instead of the one that fits
    options: Mapping[str, Any] = field(default_factory=dict)  # of the engine, where they differ
    lexicon: tuple[Pronunciation, ...] = ()  # the whole lexicon for it, where it has words of its own


class Tally:
    """A memo that counts: how many sounds were found in it, and how many were new."""

    def __init__(self, memo: Memo) -> None:
        self.memo, self.found, self.spoken = memo, 0, 0

    def find(self, key: str) -> tuple[Sound, int] | None:
        """Find in the memo, and count a hit."""
        kept = self.memo.find(key)
        self.found += kept is not None
        return kept

    def keep(self, key: str, y: Sound, *, sr: int) -> None:
        """Keep in the memo, and count a synthesis."""
        self.memo.keep(key, y, sr=sr)
        self.spoken += 1


def clones(engine: Synthesizer) -> bool:
    """Say whether an engine can speak in the voice of reference clips."""
    return isinstance(engine, Cloner) and engine.clones


def speak(
    segments: Table[Segment],
    translations: Table[Translation],
    castings: Table[Casting],
    *,
    engine: Synthesizer,
    memo: Memo,
    pronounce: Callable[[str], str],
    language: str,
    duration: int,
    opts: Options,
    room: timing.Options,
    wishes: Mapping[str, Wish] = MappingProxyType({}),
    variant: Callable[[Mapping[str, Any]], Synthesizer] | None = None,
    references: Mapping[str, Reference] | None = None,
    only: Collection[str] | None = None,
) -> Iterator[tuple[Take, Sound]]:
    """Speak every line, in the order of the segments.

    A line is spoken at its natural rate first. Where that is longer than its room (`timing.rooms`) it
    is spoken faster, up to ``opts.max_rate``; where it is much shorter than its source line, slower.

    Parameters
    ----------
    pronounce : callable
        Turns a translation into the text to speak; the lexicon. The translation itself is kept.
    language : str
        Target language, BCP 47.
    duration : int
        Length of the film in ms.
    wishes : mapping
        What reviewers want, by segment. A line that keeps a take is not spoken.
    variant : callable
        Returns the engine with some of its options replaced, where a wish asks for it.
    references : mapping
        Name of a voice that is imitated -> its clips; see `references.own`.
    only : collection of str
        Ids of the lines to speak, where not all are.

    Raises
    ------
    SpeechError
        Naming the segment that has no translation, whose speaker has no voice of this engine, whose
        text cannot be spoken, or whose kept take is neither in the memo nor can be spoken the same again.
    LanguageError
        Where the engine does not speak the language.
    """
    imitated = references if references and clones(engine) else {}
    names = {voice.name for voice in engine.voices(language)} | set(imitated)
    texts, cast = translations.by("segment"), castings.by("speaker")
    rooms = timing.rooms(segments, duration=duration, opts=room)
    for segment in segments:
        if only is not None and segment.id not in only:
            continue
        translation, casting = texts.get(segment.id), cast.get(segment.speaker)
        wish = wishes.get(segment.id, Wish())
        if wish.kept:
            yield _kept(
                segment, wish, engine=engine, imitated=imitated, memo=memo, language=language, opts=opts
            )
            continue
        if translation is None:
            raise SpeechError(f"speak {segment.id}", "it has no translation", "Run translate again.")
        if casting is None:
            raise SpeechError(
                f"speak {segment.id}", f"{segment.speaker!r} is cast with no voice", "Run voices again."
            )
        if casting.engine != engine.name or casting.voice not in names:
            raise SpeechError(
                f"speak {segment.id}",
                f"{segment.speaker!r} is cast with {casting.voice!r} of {casting.engine!r}, "
                f"which {engine.name!r} does not have",
                f"Run voices with this engine, or cast one of: {', '.join(sorted(names))}.",
            )
        text = unbracketed(translation.text)
        text = lexicon.apply(text, wish.lexicon, language=language) if wish.lexicon else pronounce(text)
        text = normal(verbalize.apply(text, language=language))
        seed = opts.seed if wish.seed is None else wish.seed
        speaker = variant(wish.options) if wish.options and variant else engine
        reference = imitated.get(casting.voice)
        line = _Line(text, casting.voice, reference, language, seed, speaker, memo)
        start, end = rooms[segment.id]
        try:
            rate, y, sr = (
                (wish.rate, *line.at(wish.rate))
                if wish.rate is not None
                else _at_a_rate_that_fits(
                    line,
                    longest=max(1, end - start),
                    shortest=opts.slow_below * (segment.end - segment.start),
                    opts=opts,
                )
            )
        except SpeechError as error:
            raise SpeechError(f"speak {segment.id}, {text!r}", error.found, error.do) from error
        yield (
            Take(
                segment=segment.id,
                sound=f"{segment.id}.wav",
                samples=y.size,
                sample_rate=sr,
                tts_text=text,
                text_pre_pronunciation=translation.text,
                voice=casting.voice,
                engine=engine.name,
                rate=rate,
                key=line.key(rate),
            ),
            y,
        )


def wishes(
    decisions: Iterable[review.Anchored], segments: Iterable[Segment], *, words: Sequence[Pronunciation]
) -> dict[str, Wish]:
    """Return what reviewers want, by segment, as far as their decisions hold.

    `words` is the series' lexicon, before which a reviewer's words go.

    A line that two people have locked to different takes, or whose lock was for another stretch of the film,
    keeps neither and is spoken as it reads: which take is right is theirs to say, and quality control asks
    them (`review.findings`).
    """
    decisions = list(decisions)
    locks, takes = review.holding(decisions, "lock"), review.holding(decisions, "take")
    said = review.holding(decisions, "word")
    everywhere = [word for line in said.values() for word in line if word.everywhere]
    found = {}
    for segment in segments:
        lock, take = (what.get(segment.id, [review.Value()])[-1] for what in (locks, takes))
        own = [*everywhere, *(word for word in said.get(segment.id, ()) if not word.everywhere)]
        rules = (Pronunciation(word.term or "", word.tts or "", word.locale or "*") for word in own)
        entries = (*words, *rules) if own else ()
        wish = Wish(lock.kept, lock.sound or "", take.seed, take.rate, take.options or {}, entries)
        if wish != Wish():
            found[segment.id] = wish
    return found


def digest(y: Sound) -> str:
    """Return the SHA-256 of a sound's samples, as 32-bit floats."""
    return hashlib.sha256(np.ascontiguousarray(audio.mono(y), dtype="<f4").tobytes()).hexdigest()


def _kept(
    segment: Segment,
    wish: Wish,
    *,
    engine: Synthesizer,
    imitated: Mapping[str, Reference],
    memo: Memo,
    language: str,
    opts: Options,
) -> tuple[Take, Sound]:
    """Return the take that a line keeps: from the memo, or spoken again where that gives the same."""
    assert wish.kept is not None
    take = wish.kept
    found = memo.find(take.key)
    seed = opts.seed if wish.seed is None else wish.seed
    line = _Line(take.tts_text, take.voice, imitated.get(take.voice), language, seed, engine, memo)
    if found is None and line.key(take.rate) == take.key:
        found = line.at(take.rate)
    if found is None or digest(found[0]) != wish.sound:
        raise SpeechError(
            f"keep the take of {segment.id}, {take.tts_text!r}, spoken by {take.engine}",
            "it is not in the memo, and this engine does not speak it so"
            if found is None
            else "what the memo has under its key is another sound",
            "Fetch it with: dvc pull, or unlock the line in review.",
        )
    y, sr = audio.mono(found[0]), found[1]
    file = f"{segment.id}.wav"
    return replace(take, segment=segment.id, sound=file, samples=y.size, sample_rate=sr), y


def normal(text: str) -> str:
    """Return a text in the one form in which it is spoken and looked up: NFC, on one line."""
    return writing.one_line(unicodedata.normalize("NFC", text))


def unbracketed(text: str) -> str:
    """Return a text without double brackets, which are the lexicon's sign of phonemes.

    >>> unbracketed("see [[1]]")
    'see [ [1] ]'
    """
    return re.sub(r"\[(?=\[)|\](?=\])", lambda bracket: bracket[0] + " ", text)


@dataclass(frozen=True)
class _Line:
    text: str
    voice: str
    reference: Reference | None  # what the voice imitates
    language: str
    seed: int
    engine: Synthesizer
    memo: Memo

    def key(self, rate: float) -> str:
        """Return the content address: SHA-256 over canonical JSON of what can change the sound."""
        content = {
            "text": self.text,
            "voice": self.voice if self.reference is None else self.reference.digest,
            "language": self.language,
            "seed": self.seed,
            "rate": rate,
            "engine": self.engine.name,
            "identity": self.engine.identity,
        }
        return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()

    def at(self, rate: float) -> tuple[Sound, int]:
        """Return the line spoken at a rate, from the memo where it has it."""
        key = self.key(rate)
        kept = self.memo.find(key)
        if kept is None:
            y, sr = self._spoken(rate)
            self.memo.keep(key, y, sr=sr)
            return y, sr
        return audio.mono(kept[0]), kept[1]

    def faster(self, rate: float, length: float, *, longest: int, most: float) -> float:
        """Return the rate, at `most`, at which a line that takes `length` ms at `rate` takes `longest`."""
        engine = self.engine
        if self.reference is not None or not isinstance(engine, Paced):
            return min(most, rate * length / longest)
        told = partial(engine.duration, self.text, voice=self.voice, language=self.language)
        excess, before, found = length - longest, told(rate=rate), rate
        while found < most and before - told(rate=found) < excess:
            found = _step(found + RATE_STEP)
        return min(most, found)

    def _spoken(self, rate: float) -> tuple[Sound, int]:
        if self.reference is not None and isinstance(self.engine, Cloner):
            return self.engine.imitate(
                self.text, reference=self.reference, language=self.language, rate=rate, seed=self.seed
            )
        return self.engine.speak(
            self.text, voice=self.voice, language=self.language, rate=rate, seed=self.seed
        )


def _at_a_rate_that_fits(
    line: _Line, *, longest: int, shortest: float, opts: Options
) -> tuple[float, Sound, int]:
    """Return rate, sound and sample rate: natural where it is short enough, else as fast as needed.

    Pauses do not shrink with the rate as words do, so that the length at a rate is guessed too short
    and the rates tried rise towards the one that fits. A `Paced` engine's is known: one is enough.
    """
    rate = 1.0
    y, sr = line.at(rate)
    length = 1000 * y.size / sr
    if length < shortest:
        rate = _step(max(opts.min_rate, length / shortest))
        return rate, *line.at(rate)
    for _ in range(opts.max_renders - 1):
        if length <= longest or rate >= opts.max_rate:
            break
        wanted = line.faster(rate, length, longest=longest, most=opts.max_rate)
        rate = _step(min(opts.max_rate, max(wanted, rate + RATE_STEP)))
        y, sr = line.at(rate)
        length = 1000 * y.size / sr
    return rate, y, sr


def _step(rate: float) -> float:
    """Return the next multiple of `RATE_STEP` upwards."""
    return round(math.ceil(round(rate / RATE_STEP, 6)) * RATE_STEP, 6)
