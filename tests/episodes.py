"""A made-up episode with its records and sounds, for tests of what looks at a whole dub."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from tests.recordings import Held
from workbench import audio, qa
from workbench.audio import Sound
from workbench.glossary import Glossary
from workbench.qa import evidence, measurement
from workbench.qa.material import Film, Sounds
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
    Stream,
    Table,
    Take,
    Translation,
    Turn,
    Word,
)

SR = 16_000
CHOSEN = {
    "separate": "mask",
    "asr": "pocketsphinx",
    "diarize": "prints",
    "translate": "apertium",
    "tts": "espeak",
}
SAID = (
    ("Good morning, did the boat come in?", "Buenos días, ¿ha llegado el barco?"),
    ("It came in before the sun was up.", "Llegó antes de que saliera el sol."),
    ("And nobody told me.", "Y nadie me lo dijo."),
    ("You were asleep, and the harbour was quiet.", "Dormías, y el puerto estaba tranquilo."),
    ("Then tell me now, what did it bring?", "Entonces dime ahora, ¿qué trajo?"),
    ("Salt, two letters and a clock.", "Sal, dos cartas y un reloj."),
    ("A clock? Who sends a clock by sea?", "¿Un reloj? ¿Quién manda un reloj por mar?"),
)


def probe(duration: int) -> Table[Probe]:
    """The facts of a film with a picture."""
    streams = (
        Stream(0, "video", "h264", "und", 0, 0, 640, 360, 25.0),
        Stream(1, "audio", "aac", "en", 48_000, 2, 0, 0, 0.0),
    )
    return Table(Probe, [Probe("mp4", duration, streams, 1)])


def segment(start: int = 1000, end: int = 3000, speaker: str = "S1", text: str = SAID[0][0]) -> Segment:
    return Segment(f"s{start:08d}", start, end, speaker, text)


def voice(ms: int, *, seed: int = 0, sr: int = SR) -> Sound:
    """Something with the pitch, harmonics and syllables of a voice, float32 (n,)."""
    return _voice(ms, seed, sr).copy()


@cache
def _voice(ms: int, seed: int, sr: int) -> Sound:
    t = np.arange(audio.samples(ms, sr=sr)) / sr
    pitch = 110 + 30 * (seed % 4)
    tone = sum(np.sin(2 * np.pi * pitch * k * t + seed * k) / k for k in range(1, 9))
    syllables = 0.15 + 0.85 * np.sin(2 * np.pi * 2.1 * t + seed) ** 2
    return (0.12 * tone * syllables).astype(np.float32)


def film(lines: int = 20, **changes: Any) -> Film:
    """A dub in which nothing is wrong; `changes` replace fields of the Film."""
    segments, words, placements, translations, takes, cues = [], [], [], [], [], []
    for number in range(lines):
        text, target = SAID[number % len(SAID)]
        line = segment(1000 + 3000 * number, 3400 + 3000 * number, f"S{1 + number % 2}", text)
        step = (line.end - line.start) // len(text.split())
        for index, word in enumerate(text.split()):
            at = line.start + index * step
            words.append(LineWord(at, at + step - 20, word, 0.9, "pocketsphinx", segment=line.id))
        placement = Placement(line.id, line.start + 40, line.end, 1.05, 0)
        length = round((placement.end - placement.start) * 1.05)
        segments.append(line)
        placements.append(placement)
        translations.append(Translation(line.id, target, "apertium", (), (), ()))
        n = audio.samples(length, sr=22_050)
        takes.append(
            Take(
                line.id,
                f"{line.id}.wav",
                n,
                22_050,
                target,
                target,
                f"f{1 + number % 2}",
                "espeak",
                1.1,
                line.id,
            )
        )
        cues.append(Cue(line.id, line.start, line.end + 400, target))
    duration = 3000 * max(1, lines) + 2000
    whole = Film(
        probe=probe(duration),
        separation=Table(Separation, [Separation("mask", -24.5, -10.2, 0)]),
        words=Table(Word, [Word(w.start, w.end, w.text, w.confidence, w.engine) for w in words]),
        hearing=Table(Hearing, [Hearing("pocketsphinx", "en", "en", 0.97)]),
        turns=Table(Turn, [Turn(row.start, row.end, row.speaker, "prints") for row in segments]),
        segments=Table(Segment, segments),
        line_words=Table(LineWord, words),
        speakers=Table(Speaker, []),
        castings=Table(Casting, [Casting(f"S{n}", f"f{n}", "espeak", 0.7, "pitch") for n in (1, 2)]),
        translations=Table(Translation, translations),
        takes=Table(Take, takes),
        placements=Table(Placement, placements),
        candidates=Table(Candidate, []),
        budgets=Table(Budget, []),
        loudness=Table(Loudness, [Loudness(-23.1, -3.2, 5.0, 2.0)]),
        cues=Table(Cue, cues),
        products=Table(Product, [Product("dub.mp4", "film", "mp4", duration, -23.1, -2.9, "")]),
        chosen=CHOSEN,
        language="es",
        glossary=Glossary(()),
        target_lufs=-23.0,
        duration=duration,
    )
    return dataclasses.replace(whole, **changes)


def change(table: Table[Any], index: int, **fields: Any) -> Table[Any]:
    """The table with fields of one row replaced."""
    rows = list(table)
    rows[index] = dataclasses.replace(rows[index], **fields)
    return Table(table.kind, rows)


def fitted(whole: Film, *, sr: int = SR) -> dict[str, Sound]:
    """The fitted take of each placed line."""
    return {
        row.segment: voice(row.end - row.start, seed=number, sr=sr)
        for number, row in enumerate(whole.placements)
    }


def held(fitted: Mapping[str, Sound]) -> Callable[[str], Held]:
    """Fitted takes as quality control asks for them."""
    return lambda segment: Held(np.atleast_2d(fitted[segment]), SR)


def listening(
    dub: Held,
    dialogue: Held,
    bed: Held,
    fitted: Mapping[str, Sound],
    takes: Mapping[str, Sound] | None = None,
) -> Sounds:
    """Sounds as quality control asks for them; takes that are not given are as they were fitted."""
    spoken = held(fitted | (takes or {}))
    return Sounds(dialogue, dialogue, bed, dub, held(fitted), lambda take: spoken(take.segment))


def tapes(whole: Film, *, sr: int = SR) -> tuple[Held, Held, Held]:
    """The dub, with its voices over a soft bed, the dialogue and the bed; all in stereo."""
    [probe] = whole.probe
    n = audio.samples(probe.duration, sr=sr)
    gain = np.float32(10 ** (2.0 / 20))
    bed = np.random.default_rng(1).normal(0, 0.003, (2, n)).astype(np.float32)
    dub, dialogue = bed * gain, np.zeros((2, n), np.float32)
    for name, y in fitted(whole, sr=sr).items():
        at = audio.samples(whole.placements.by("segment")[name].start, sr=sr)
        room = dub[:, at : at + y.size]
        room += y[: room.shape[1]] * gain
    for number, row in enumerate(whole.segments):
        start, stop = audio.samples(row.start, sr=sr), audio.samples(row.end, sr=sr)
        dialogue[:, start:stop] = voice(row.end - row.start, seed=number + 3, sr=sr)[: stop - start]
    return Held(dub, sr), Held(dialogue, sr), Held(bed, sr)


def flawed() -> Film:
    """A dub of which about a third of the lines has something wrong."""
    whole = film()
    t = whole.translations
    t = change(
        t, 2, text="Y nadie, absolutamente nadie en todo este puerto tan lleno de gente, me lo dijo nunca."
    )
    t = change(t, 5, unknown=("clock", "letters", "salt"), glossary_missed=("clock",))
    t = change(t, 9, text="  ")
    t = change(t, 12, engine="subtitles")
    placements = change(whole.placements, 4, start=13_400, lacking=620, tempo=1.6)
    placements = change(placements, 7, start=21_700, end=25_300)
    words = list(whole.line_words)
    words[60] = dataclasses.replace(words[60], text="shit", confidence=0.31)
    words = [dataclasses.replace(w, confidence=0.35) if 43_000 < w.start < 46_000 else w for w in words]
    cues = change(whole.cues, 14, text="Buenos días, ¿ha llegado por fin el barco de las islas?", end=44_000)
    return dataclasses.replace(
        whole, translations=t, placements=placements, line_words=Table(LineWord, words), cues=cues
    )


NO_ENGINE: measurement.Instrument[Any] = measurement.Instrument(None, "", "no engine is here")


def gather(whole: Film, *, opts: qa.Options, **other: Any) -> list[evidence.Line]:
    """What quality control sees; `other` sounds and instruments take the place of these."""
    dub, dialogue, bed = tapes(whole)
    sounds = {"dub": dub, "dialogue": dialogue, "bed": bed, "fitted": fitted(whole), **other}
    found = measurement.measure(
        whole,
        listening(sounds["dub"], sounds["dialogue"], sounds["bed"], sounds["fitted"], sounds.get("takes")),
        sounds.get("instruments", measurement.Instruments(NO_ENGINE, NO_ENGINE, NO_ENGINE)),
        full_scale=opts.full_scale,
        least_bed_db=opts.bed_db,
        kept=sounds.get("kept", {}),
    )
    return list(evidence.lines(whole, dict(found), prints_by="prints"))
