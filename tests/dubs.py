"""Whole dubs made by the chain's own parts, of three kinds, to plant faults in.

The original is spoken by flite, its true lines are given; Apertium translates, eSpeak NG speaks, and
tts, fit, mix and subtitles are the project's own with its own parameters. Sounds have 16 kHz.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from tests import episodes
from tests.recordings import Held
from tests.structure import ROOT
from workbench import (
    audio,
    demo,
    engines,
    fit,
    glossary,
    library,
    loudness,
    mix,
    params,
    qa,
    subtitles,
    translate,
    tts,
)
from workbench.audio import Sound
from workbench.fit import timing
from workbench.params import Choice
from workbench.qa import evidence, measurement
from workbench.qa.material import Film, Sounds
from workbench.records import (
    Casting,
    Cue,
    LineWord,
    Loudness,
    Placement,
    Product,
    Score,
    Segment,
    Speaker,
    Table,
    Take,
    Translation,
    Turn,
    parse,
)

SR = episodes.SR
GUIDE = glossary.Guide(
    (
        glossary.Term("Anna", "Anna"),
        glossary.Term("Tom", "Tom"),
    )
)
TERMS = {"es": (("boat", "barco"), ("garden", "jardín")), "ca": (("boat", "vaixell"), ("garden", "jardí"))}
TEXTS = """Have you seen the boat this morning, Anna?
Not yet, but I have heard about the storm.
There is a hole in the bottom of the boat.
We have to repair it before the summer begins.
I left a piece of wood on the table for you.
Very good, then we can start after breakfast.
I think that we can repair it in a single day.
When the sun goes down, we will watch a film.
We can show the film in the garden, Tom.
How many people are coming to the garden tonight?
My brother has invited twenty friends from the city.
Everybody will bring some food and something to drink.
But what will we do if it rains in the evening?
Then we will go into the house and wait there.
Let us start now, and we will finish before night.
That is what you said last year, my friend.
The water was cold, but the children played all day.
She wrote three letters and did not send one of them.
Nobody told me that the door was open last night.
The old man works in the garden every afternoon.
I want to buy a new boat with the money.
The doctor said that your father can come home tomorrow.
They are waiting for us at the door of the church.
It is too late, the train has already left the station.
You can sleep in the small room near the kitchen.
The house of my grandmother is at the end of the road.
We need more time to understand this problem.
The music was beautiful, and the people danced until morning."""


@dataclass(frozen=True)
class Kind:
    """How an episode is made."""

    voices: Mapping[str, str]  # of flite -> of eSpeak NG
    pause: tuple[int, int]  # ms between two lines, from and to; negative where they overlap
    bed_db: float | None  # level of the music against the speech


KINDS = {
    "dialogue with music": Kind({"rms": "m3", "slt": "f5"}, (500, 1500), -16.0),
    "clean monologue": Kind({"awb": "m7"}, (500, 1500), None),
    "fast talk of four, overlapping": Kind(
        {"rms": "m3", "slt": "f5", "awb": "m7", "kal": "Andrea"}, (-250, 1100), -20.0
    ),
}


@dataclass(frozen=True)
class Dubbed:
    """A dub with its sounds. Whoever changes a take mixes again; whoever changes the mix does not."""

    film: Film
    fitted: Mapping[str, Sound]
    dialogue: Held
    bed: Held
    dub: Held
    kind: str
    gains: Mapping[str, float] = field(default_factory=dict)  # of each line in the mix, dB
    notes: Mapping[str, Any] = field(default_factory=dict)

    def mixed(self, *, gains: Mapping[str, float] | None = None) -> Dubbed:
        """The dub mixed anew from its fitted takes, each voice as loud as its original or as told."""
        opts = options("mix", mix.Options)
        takes = {name: Held(y[np.newaxis], SR) for name, y in self.fitted.items()}
        placements, segments = self.film.placements, self.film.segments
        lines = mix.lines(placements, segments, takes, self.dialogue, kept={}, opts=opts)
        if gains is not None:
            lines = [replace(line, gain_db=gains[line.segment]) for line in lines]
        ducks = mix.ducks(lines, segments, self.bed, self.dialogue, kept={}, opts=opts)
        film = mix.Mix(self.bed, lines, mix.voices(takes, opts=opts), ducks, opts)
        done, reached = mix.master(film, list(loudness.listen(film, kept={})), kept={}, opts=opts)
        y = done.read(0, done.frames)
        whole = replace(self.film, loudness=Table(Loudness, [reached]))
        return replace(
            self, film=whole, dub=Held(y, SR), gains={line.segment: line.gain_db for line in lines}
        )

    def altered(self, table: str, segment: str, **fields: Any) -> Dubbed:
        """The dub with the record of one segment changed."""
        rows: Table[Any] = getattr(self.film, table)
        key = "id" if table == "segments" else "segment"
        changed = [replace(row, **fields) if getattr(row, key) == segment else row for row in rows]
        return replace(self, film=replace(self.film, **{table: Table(rows.kind, changed)}))


def options(stage: str, kind: type) -> Any:
    return params.read(
        kind, library.read_text(ROOT / "params" / f"{stage}.yaml"), key=stage, where=f"{stage}.yaml"
    )


@cache
def engine(kind: str) -> Any:
    document = params.mapping(library.read_text(ROOT / "params" / "engines.yaml"), where="engines.yaml")
    return engines.load(kind, parse(Choice, document[kind], where=kind))


def missing() -> str | None:
    """Why a dub cannot be made here, or `None`."""
    document = params.mapping(library.read_text(ROOT / "params" / "engines.yaml"), where="engines.yaml")
    for kind in ("tts", "translate", "prints"):
        choice = parse(Choice, document[kind], where=kind)
        engine_class, opts = engines.resolve(kind, choice.engine, choice)
        if reason := engine_class.missing(opts):
            return str(reason)
    return None


class Takes:
    """A memo of takes in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Sound, int]] = {}

    def find(self, key: str) -> tuple[Sound, int] | None:
        return self.kept.get(key)

    def keep(self, key: str, y: Sound, *, sr: int) -> None:
        self.kept[key] = (y, sr)


TAKES = Takes()
MEASURED: dict[str, bytes] = {}


@cache
def good(kind: str, lang: str, *, lines: int = 16, seed: int = 0) -> Dubbed:
    """A dub in which nothing is wrong."""
    made, draw = KINDS[kind], random.Random(f"{kind} {seed}")
    texts = [TEXTS.splitlines()[(seed * 11 + n) % 28] for n in range(lines)]
    segments, dialogue, at = [], [], 1000
    for number, text in enumerate(texts):
        voice = list(made.voices)[number % len(made.voices)]
        y = demo.speak(text, voice=voice, sr=SR)
        start = at + draw.randint(*made.pause)
        at = start + audio.milliseconds(y.size, sr=SR)
        segments.append(Segment(f"s{start:08d}", start, at, f"S-{voice}", text))
        dialogue.append((start, y))
    duration = at + 2000
    n = audio.samples(duration, sr=SR)
    speech = np.zeros((2, n), np.float32)
    for start, y in dialogue:
        first = audio.samples(start, sr=SR)
        speech[:, first : first + y.size] += y
    bed = np.random.default_rng(seed).normal(0, 1e-5, (2, n))
    if made.bed_db is not None:
        music = demo.music(n, sr=SR)
        bed += music * 10 ** ((demo.SPEECH_DB + made.bed_db - audio.level_db(music)) / 20)
    film = _film(made, lang, Table(Segment, segments), speech, duration)
    takes = {take.segment: TAKES.kept[take.key] for take in film.takes}
    fitted = {row.segment: fitted_to(row, *takes[row.segment]) for row in film.placements}
    silent = Held(np.zeros_like(speech), SR)
    return Dubbed(film, fitted, Held(speech, SR), Held(bed.astype(np.float32), SR), silent, kind).mixed()


def instruments() -> measurement.Instruments:
    """What this project measures with where nobody has said otherwise."""
    return measurement.Instruments(
        *(measurement.Instrument(engine(kind), kind) for kind in ("prints", "reading", "hearing"))
    )


def scores(dubbed: Dubbed, opts: qa.Options) -> Table[Score]:
    """What quality control says of a dub; nothing is measured twice."""
    found = measurement.measure(
        dubbed.film,
        Sounds(
            dubbed.dialogue, dubbed.dialogue, dubbed.bed, dubbed.dub, episodes.held(dubbed.fitted), _spoken
        ),
        instruments(),
        full_scale=opts.full_scale,
        least_bed_db=opts.bed_db,
        kept=MEASURED,
    )
    lines = evidence.lines(dubbed.film, dict(found), prints_by=engine("prints").name)
    return Table(Score, qa.check(dubbed.film, lines, opts=opts))


def spoken(text: str, *, voice: str, lang: str, like: Take) -> Sound:
    """Another reading of a line: mono, at the take's own rate in Hz."""
    y, sr = engine("tts").speak(text, voice=voice, language=lang, rate=like.rate, seed=0)
    assert sr == like.sample_rate
    return y


def _spoken(take: Take) -> Held:
    y, sr = TAKES.kept[take.key]
    return Held(np.atleast_2d(y), sr)


def fitted_to(placement: Placement, y: Sound, sr: int) -> Sound:
    """A take as the stage fit leaves it."""
    length = audio.samples(placement.end - placement.start, sr=SR)
    return fit.stretch(audio.resample(audio.mono(y), sr=sr, to=SR), sr=SR, length=length)


def guide(lang: str) -> glossary.Guide:
    return glossary.Guide((*GUIDE.glossary_terms, *(glossary.Term(*pair) for pair in TERMS[lang])))


def _film(made: Kind, lang: str, segments: Table[Segment], speech: Sound, duration: int) -> Film:
    room = options("timing", timing.Options)
    castings = Table(Casting, [Casting(f"S-{a}", b, "espeak", 0.8, "pitch") for a, b in made.voices.items()])
    translations = Table(
        Translation,
        translate.translate(
            segments,
            translator=engine("translate"),
            guide=guide(lang),
            source="en",
            target=lang,
            opts=options("translate", translate.Options),
        ),
    )
    takes = tts.speak(
        segments,
        translations,
        castings,
        engine=engine("tts"),
        memo=TAKES,
        pronounce=lambda text: text,
        language=lang,
        duration=duration,
        opts=options("tts", tts.Options),
        room=room,
    )
    takes = Table(Take, [take for take, _ in takes])
    placements = fit.place(
        segments, takes, on=fit.Timeline(duration), opts=options("fit", fit.Options), room=room
    )
    cues = subtitles.cues(
        translations, placements, duration=duration, opts=options("subtitles", subtitles.Options)
    )
    words = []
    for row in segments:
        texts = row.text.split()
        step = (row.end - row.start) // len(texts)
        words += [
            LineWord(
                row.start + k * step, row.start + (k + 1) * step, text, 0.9, "pocketsphinx", segment=row.id
            )
            for k, text in enumerate(texts)
        ]
    clips = {
        speaker: np.concatenate(
            [
                measurement.part(Held(speech, SR), row.start, row.end).y[0]
                for row in segments
                if row.speaker == speaker
            ]
        )
        for speaker in sorted({row.speaker for row in segments})
    }
    prints = engine("prints").prints(list(clips.values()), sr=SR)
    return replace(
        episodes.film(0),
        probe=episodes.probe(duration),
        turns=Table(Turn, [Turn(row.start, row.end, row.speaker, "prints") for row in segments]),
        segments=segments,
        line_words=Table(LineWord, words),
        speakers=Table(
            Speaker,
            [
                Speaker(name, 1000, None, None, None, tuple(map(float, row)), engine("prints").name)
                for name, row in zip(clips, prints, strict=True)
            ],
        ),
        castings=castings,
        translations=translations,
        takes=takes,
        placements=placements,
        cues=Table(Cue, cues),
        products=Table(Product, []),
        language=lang,
        glossary=glossary.Glossary(guide(lang).glossary_terms),
        duration=duration,
    )
