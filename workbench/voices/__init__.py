"""Learn how each speaker sounds: reference clips, print and pitch.

Conventions
-----------
Times are integer milliseconds, pitches are fundamental frequencies in Hz.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench import activity, audio
from workbench.audio import Sound
from workbench.params import Count, Positive
from workbench.records import Clip, Speaker, Table, Turn
from workbench.voices import references
from workbench.voices.references import PrintExtractor

PITCH_RATE = 16_000  # Hz
PITCH_FRAME, PITCH_STEP = 1024, 320  # samples: 64 ms, 20 ms


@dataclass(frozen=True)
class Options:
    """``params/voices.yaml``; every key is required.

    Attributes
    ----------
    shortest_clip : int
        Ms; shorter stretches are no reference clips.
    longest_clip : int
        Ms; longer stretches are cut in equal parts.
    total : int
        Ms of reference clips a speaker, at most.
    margin : int
        Ms around a clip in which nobody else speaks.
    clean_db : float
        Level above the noise, in dB, from which a clip counts as clean.
    lowest_hz : float
        Lowest pitch looked for.
    highest_hz : float
        Highest pitch looked for.
    """

    shortest_clip: int
    longest_clip: Count
    total: int
    margin: int
    clean_db: float
    lowest_hz: Positive
    highest_hz: Positive


def choose(speech: Sound, *, sr: int, turns: Table[Turn], opts: Options) -> Table[Clip]:
    """Choose reference clips of a mono sound ``(n,)``: per speaker, in order of first turn, best first.

    See `references.choose` for what is best. A speaker with too little speech has no clip.
    """
    numbers: Counter[str] = Counter()
    clips = []
    for speaker in speakers_of(turns):
        stretches = references.choose(
            speech,
            sr=sr,
            turns=turns,
            speaker=speaker,
            shortest=opts.shortest_clip,
            longest=opts.longest_clip,
            total=opts.total,
            margin=opts.margin,
            clean_db=opts.clean_db,
        )
        name = re.sub(r"[^A-Za-z0-9]", "_", speaker)[:32]
        for stretch in stretches:
            numbers[name] += 1
            file = f"{name}-{numbers[name]}.wav"
            clips.append(Clip(speaker, stretch.start, stretch.end, stretch.snr_db, file))
    return Table(Clip, clips)


def describe(
    turns: Table[Turn],
    clips: Table[Clip],
    sounds: Mapping[str, Sound],
    *,
    sr: int,
    extractor: PrintExtractor,
    opts: Options,
) -> Iterator[Speaker]:
    """Yield how each speaker sounds, in order of first turn.

    `sounds` holds each clip's sound ``(channels, n)`` or ``(n,)`` by `Clip.sound`; prints and pitch are
    taken at 16 kHz. A speaker without clips has neither print nor pitch.
    """
    for speaker in speakers_of(turns):
        heard = [
            audio.resample(audio.mono(sounds[clip.sound]), sr=sr, to=PITCH_RATE)
            for clip in clips
            if clip.speaker == speaker
        ]
        low, middle, high = pitch(heard, opts=opts)
        rows = extractor.prints(heard, sr=PITCH_RATE) if heard else None
        yield Speaker(
            speaker,
            activity.duration((turn.start, turn.end) for turn in turns if turn.speaker == speaker),
            middle,
            low,
            high,
            () if rows is None else tuple(round(float(v), 6) for v in references.mean_print(rows)),
            extractor.name,
        )


def speakers_of(turns: Table[Turn]) -> list[str]:
    """Return the speakers in order of first turn."""
    return list(dict.fromkeys(turn.speaker for turn in sorted(turns, key=lambda t: (t.start, t.speaker))))


def pitch(sounds: Sequence[Sound], *, opts: Options) -> tuple[float, float, float] | tuple[None, None, None]:
    """Return the 10th, 50th and 90th percentile of the pitch in Hz of mono sounds ``(n,)`` at 16 kHz.

    Only voiced frames count; `None` where there are none. By probabilistic YIN (Mauch and Dixon, 2014).
    """
    import librosa

    voiced = [np.empty(0)]
    for y in sounds:
        if y.size >= PITCH_FRAME:
            hz, speaking, _ = librosa.pyin(
                y,
                fmin=opts.lowest_hz,
                fmax=opts.highest_hz,
                sr=PITCH_RATE,
                frame_length=PITCH_FRAME,
                hop_length=PITCH_STEP,
            )
            voiced.append(hz[speaking])
    found = np.concatenate(voiced)
    if not found.size:
        return None, None, None
    low, middle, high = (round(float(v), 1) for v in np.percentile(found, (10, 50, 90)))
    return low, middle, high
