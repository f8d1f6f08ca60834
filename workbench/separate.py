"""Separate the dialogue from its bed: the music and effects over which the dub is laid.

Conventions
-----------
Times are integer ms, sounds float32 ``(channels, n)``. The film is worked on in pieces, so that memory
does not grow with it. Where nobody speaks the bed is the programme, bit for bit. Dialogue and bed add
up to a 24-bit programme, bit for bit, unless the separator takes nothing apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from workbench import activity, audio
from workbench.activity import Span
from workbench.audio import Recording, Sound
from workbench.params import Count
from workbench.records import Separation

GRID = np.float32(2**23)  # steps of 24-bit sound


@dataclass(frozen=True)
class Options:
    """``params/separate.yaml``; every key is required."""

    pad: int  # ms around detected speech that count as speech too
    fade: Count  # ms over which the bed leaves the programme, inside the padded speech
    piece: Count  # ms worked on at once
    context: int  # ms that the separator hears on both sides of a piece
    join: int  # ms over which one piece fades into the next


class Separator(Protocol):
    """Finds what remains of a programme without its dialogue."""

    name: str
    splits: bool  # whether it takes anything apart; if not, dialogue and bed are both the programme

    def bed(self, programme: Sound, *, sr: int, spans: Sequence[Span]) -> tuple[Sound, list[Span]]:
        """Return the bed, of the programme's shape, and the spans where it was only ducked.

        `spans` is where there may be speech. Times count from the first sample of `programme`.
        """


@dataclass(frozen=True)
class Stems:
    """A piece of the programme taken apart, and how many ms of its bed were only ducked."""

    start: int
    stop: int
    programme: Sound
    dialogue: Sound
    bed: Sound
    ducked: int


def separate(
    programme: Recording, separator: Separator, *, spans: Sequence[Span], opts: Options
) -> Iterator[Stems]:
    """Yield the stems of a programme piece by piece; `spans` is where somebody speaks."""
    sr, end = programme.sr, _end(programme)
    spoken = activity.pad(spans, by=opts.pad, start=0, end=end)
    spill: Sound | None = None  # how the piece before would go on, to fade from
    for start in range(0, end, opts.piece):
        stop = min(start + opts.piece, end)
        y, bed, ducked = _piece(programme, separator, (start, min(stop + opts.join, end)), spoken, opts)
        if spill is not None:
            n = min(spill.shape[1], bed.shape[1])
            fade = np.linspace(0, 1, n, dtype=np.float32)
            differs = spill[:, :n] != bed[:, :n]
            bed[:, :n] = np.where(
                differs, _on_grid(spill[:, :n] * (1 - fade) + bed[:, :n] * fade), bed[:, :n]
            )
        n = audio.samples(stop, sr=sr) - audio.samples(start, sr=sr)
        spill = bed[:, n:]
        y, bed = y[:, :n], bed[:, :n]
        dialogue = y - bed if separator.splits else y
        within = activity.duration(activity.intersection(ducked, [(start, stop)]))
        yield Stems(start, stop, y, dialogue, bed, within)


class Tally:
    """Adds up, piece by piece, how far speech and music were taken apart."""

    def __init__(self, separator: Separator, *, spans: Sequence[Span], sr: int) -> None:
        self._engine, self._spans, self._sr = separator.name, activity.union(spans), sr
        self._ducked = 0
        self._energy = {True: np.zeros(2), False: np.zeros(2)}  # with speech or not: programme's, bed's

    def add(self, stems: Stems) -> None:
        """Count one piece."""
        piece = [(stems.start, stems.stop)]
        silent = activity.complement(self._spans, start=stems.start, end=stems.stop)
        for speech, spans in ((True, activity.intersection(self._spans, piece)), (False, silent)):
            for span in spans:
                a, b = (
                    audio.samples(ms, sr=self._sr) - audio.samples(stems.start, sr=self._sr) for ms in span
                )
                for i, y in enumerate((stems.programme, stems.bed)):
                    self._energy[speech][i] += np.square(y[:, a:b], dtype=np.float64).sum()
        self._ducked += stems.ducked

    def record(self) -> Separation:
        """Return what was counted, levels to hundredths."""
        return Separation(self._engine, self._level(speech=True), self._level(speech=False), self._ducked)

    def _level(self, *, speech: bool) -> float | None:
        programme, bed = self._energy[speech]
        if not programme:
            return None
        return round(float(10 * np.log10(max(bed / programme, 1e-12))), 2)


def _end(programme: Recording) -> int:
    """Return the length of a recording in ms, rounded up."""
    return -(-programme.frames * 1000 // programme.sr)


def _piece(
    programme: Recording, separator: Separator, piece: Span, spoken: Sequence[Span], opts: Options
) -> tuple[Sound, Sound, list[Span]]:
    """Return a piece of the programme, its bed, and where that was only ducked."""
    sr, (start, stop) = programme.sr, piece
    first, last = max(0, start - opts.context), min(_end(programme), stop + opts.context)
    origin, cut, past, until = (
        min(programme.frames, audio.samples(ms, sr=sr)) for ms in (first, start, stop, last)
    )
    if not activity.intersection(spoken, [piece]):
        y = programme.read(cut, past)
        return y, y.copy(), []
    heard = programme.read(origin, until)
    near = [(a - first, b - first) for a, b in activity.intersection(spoken, [(first, last)])]
    estimate, ducked = separator.bed(heard, sr=sr, spans=near)
    y, estimate = heard[:, cut - origin : past - origin], estimate[:, cut - origin : past - origin]
    bed = y.copy()
    for span in activity.intersection(spoken, [piece]):
        whole = next(s for s in spoken if s[0] <= span[0] < s[1])
        a, b = (min(programme.frames, audio.samples(ms, sr=sr)) - cut for ms in span)
        edges = [audio.samples(ms, sr=sr) - cut for ms in whole]
        at = np.arange(a, b)
        depth = np.minimum(at - edges[0], edges[1] - 1 - at) / audio.samples(opts.fade, sr=sr)
        weight = np.minimum(depth, 1).astype(np.float32)
        bed[:, a:b] = _on_grid(y[:, a:b] + weight * (estimate[:, a:b] - y[:, a:b]))
    return y, bed, [(a + first, b + first) for a, b in ducked]


def _on_grid(y: Sound) -> Sound:
    """Return a sound in steps of 24 bits, so that a file of it is equal to it."""
    return np.asarray(np.clip(np.round(y * GRID), -GRID, GRID - 1) / GRID, np.float32)
