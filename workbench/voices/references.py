"""Reference clips: which stretches of sound show a voice best, and the prints made of them.

Conventions
-----------
Times are integer milliseconds. A print is a vector of unit length that stands for a voice; prints come
as rows, shape ``(k, d)``. A stretch is a span of one speaker's sound with its level above the noise.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from workbench import activity, audio
from workbench.activity import Span
from workbench.audio import Reference, Sound
from workbench.records import Clip, Turn

FRAME = 20  # ms
QUIETEST = 5  # percentile of frames that counts as noise where people speak throughout


class PrintExtractor(Protocol):
    """Makes speaker prints."""

    name: str
    shortest: int  # ms; a print can be made of a sound of this length
    same: float  # cosine similarity from which two of its prints are one voice; no other engine's

    def prints(self, sounds: Sequence[Sound], *, sr: int) -> Sound:
        """Return one print a mono sound ``(n,)``: float32 ``(len(sounds), d)``, rows of unit length.

        Any rate and length are taken. Raises `EngineError` for a sound under `shortest` ms: the caller
        leaves such sounds out.
        """


@dataclass(frozen=True)
class Stretch:
    """A span in ms and its level above the noise in dB."""

    start: int
    end: int
    snr_db: float


def own_voice(speaker: str) -> str:
    """Return the name of the voice that imitates a speaker from their own clips."""
    return f"clips:{speaker}"


def own(clips: Sequence[Clip], sounds: Mapping[str, tuple[Sound, int]]) -> dict[str, Reference]:
    """Return each speaker's own voice by its name: the clips, best first, that it is imitated from.

    `sounds` holds each clip's sound ``(channels, n)`` or ``(n,)`` and its rate in Hz by `Clip.sound`; the
    rate is the same for all clips of a speaker.
    """
    voices = {}
    for speaker in dict.fromkeys(clip.speaker for clip in clips):
        heard = [sounds[clip.sound] for clip in clips if clip.speaker == speaker]
        voices[own_voice(speaker)] = Reference(tuple(audio.mono(y) for y, _ in heard), heard[0][1])
    return voices


def alone(turns: Sequence[Turn], *, speaker: str, margin: int) -> list[Span]:
    """Return when a speaker speaks and nobody else does within `margin` ms.

    >>> alone([Turn(0, 900, "A", ""), Turn(800, 2000, "B", "")], speaker="A", margin=50)
    [(0, 750)]
    """
    own = activity.union((turn.start, turn.end) for turn in turns if turn.speaker == speaker)
    others = [(turn.start - margin, turn.end + margin) for turn in turns if turn.speaker != speaker]
    if not own:
        return []
    return activity.intersection(own, activity.complement(others, start=own[0][0], end=own[-1][1]))


def noise_db(speech: Sound, *, sr: int, turns: Sequence[Turn]) -> float:
    """Return the level of a mono sound ``(n,)`` where nobody speaks, in dB re full scale.

    It is the median over frames outside all turns, or the quietest frames' where there are none.
    """
    step = audio.samples(FRAME, sr=sr)
    count = len(speech) // step
    if not count:
        return audio.level_db(speech)
    frames = speech[: count * step].reshape(count, step)
    power = np.einsum("fn,fn->f", frames, frames, dtype=np.float64) / step
    free = np.ones(count, dtype=bool)
    for turn in turns:
        free[max(0, turn.start // FRAME) : -(-turn.end // FRAME)] = False
    noise = np.median(power[free]) if free.any() else np.percentile(power, QUIETEST)
    return audio.level_db(np.sqrt(noise)[None])


def choose(
    speech: Sound,
    *,
    sr: int,
    turns: Sequence[Turn],
    speaker: str,
    shortest: int,
    longest: int,
    total: int,
    margin: int,
    clean_db: float,
) -> list[Stretch]:
    """Return a speaker's best stretches of a mono sound ``(n,)``, best first, none overlapping.

    A stretch lasts `shortest` to `longest` ms and has nobody else within `margin` ms. Those of at least
    `clean_db` above the noise come first, longer before shorter, then the others by how clean they are.
    They are taken as long as they sum up to at most `total` ms. None where there is too little speech.
    """
    noise = noise_db(speech, sr=sr, turns=turns)
    stretches = []
    for span in alone(turns, speaker=speaker, margin=margin):
        for a, b in even(span, longest=longest):
            if b - a >= shortest:
                y = speech[audio.samples(a, sr=sr) : audio.samples(b, sr=sr)]
                stretches.append(Stretch(a, b, round(float(audio.level_db(y) - noise), 1)))
    clean = [s for s in stretches if s.snr_db >= clean_db]
    noisy = [s for s in stretches if s.snr_db < clean_db]
    clean.sort(key=lambda s: (s.start - s.end, -s.snr_db, s.start))
    noisy.sort(key=lambda s: (-s.snr_db, s.start - s.end, s.start))
    chosen, left = [], total
    for stretch in clean + noisy:
        if stretch.end - stretch.start <= left:
            chosen.append(stretch)
            left -= stretch.end - stretch.start
    return chosen


def even(span: Span, *, longest: int) -> list[Span]:
    """Return a span in as few equal parts as keep each within `longest` ms.

    >>> even((0, 2500), longest=1000)
    [(0, 833), (833, 1667), (1667, 2500)]
    """
    start, end = span
    parts = max(1, -(-(end - start) // longest))
    edges = [start + (2 * n * (end - start) + parts) // (2 * parts) for n in range(parts + 1)]
    return list(itertools.pairwise(edges))


def mean_print(prints: Sound) -> Sound:
    """Return the print of unit length that is nearest to all rows of ``(k, d)``, shape ``(d,)``."""
    mean: Sound = prints.mean(axis=0, dtype=np.float32)
    return mean / np.float32(np.linalg.norm(mean))
