"""The bed of a dub: where it makes room for the lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench import activity, audio, content
from workbench.audio import Kept, Keyed
from workbench.mix.options import Options
from workbench.mix.speech import Line, span
from workbench.records import Segment

GLANCE = 4800  # samples; sounds that differ mostly do so within as many


@dataclass(frozen=True, slots=True)
class Duck:
    """Where the bed is quieter, in samples, and by how much."""

    start: int
    stop: int
    gain_db: float


def ducks(
    spoken: Sequence[Line],
    segments: Iterable[Segment],
    bed: Keyed,
    dialogue: Keyed,
    *,
    kept: Kept,
    opts: Options,
) -> list[Duck]:
    """Return where the bed makes room for the lines.

    Where a line's original was not taken out of the bed (the dialogue holds nothing there, or as much as
    the bed) the bed falls by `opts.duck_full_db` under the original too, otherwise by `opts.duck_db`
    under the line alone. What was found of a segment before is in `kept`.
    """
    room = audio.samples(opts.duck_attack + opts.duck_release, sr=bed.sr)
    whole, apart = [], []
    sources = {segment.id: segment for segment in segments}
    for line in spoken:
        start, stop = span(sources[line.segment], bed)
        if _apart(bed, dialogue, start, stop, kept=kept):
            apart.append((line.start, line.stop))
        else:
            whole += [(line.start, line.stop), (start, stop)]
    return [
        Duck(start, stop, gain_db)
        for spans, gain_db in ((whole, opts.duck_full_db), (apart, opts.duck_db))
        for start, stop in activity.union(spans, gap=room)
    ]


def _apart(bed: Keyed, dialogue: Keyed, start: int, stop: int, *, kept: Kept) -> bool:
    """Say whether the dialogue holds a sound between two samples, and another one than the bed."""
    key = content.address("apart", bed.key(start, stop), dialogue.key(start, stop))
    if (found := kept.get(key)) is None:
        something = other = False
        for at in range(start, stop, GLANCE):
            original = dialogue.read(at, min(at + GLANCE, stop))
            something = something or bool(original.any())
            other = other or not np.array_equal(original, bed.read(at, min(at + GLANCE, stop)))
            if something and other:
                break
        kept[key] = found = bytes([something and other])
    return found != b"\0"
