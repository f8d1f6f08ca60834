"""The lines of a dub: where each take begins and ends, and the gain it gets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from workbench import audio, loudness
from workbench.audio import Kept, Keyed
from workbench.errors import MediaError, RecordError
from workbench.loudness import Heard
from workbench.mix import effects
from workbench.mix.options import Options
from workbench.records import Placement, Segment


@dataclass(frozen=True, slots=True)
class Line:
    """A take on the timeline, in samples, and the gain it gets."""

    segment: str
    speaker: str
    start: int
    stop: int
    gain_db: float


def front(channels: int) -> slice:
    """Return the channels that carry speech: the centre where there is one, else left and right."""
    return slice(2, 3) if channels >= 5 else slice(0, min(channels, 2))


def lines(
    placements: Iterable[Placement],
    segments: Iterable[Segment],
    takes: Mapping[str, Keyed],
    dialogue: Keyed,
    *,
    kept: Kept,
    opts: Options,
) -> list[Line]:
    """Return the lines in order of time, each speaker's at the loudness of the original.

    A speaker's takes, all together, get the gain that brings them to the loudness (BS.1770) of the
    dialogue in that speaker's segments; where that is too short or too soft to be measured, to
    `opts.speech_lufs`. `takes` holds the sound of each segment's take; what was heard of a sound before
    is found in `kept`.

    Raises
    ------
    RecordError
        For a take of an unknown segment.
    MediaError
        For a take of another rate than the film's, or one that does not end within the film.
    """
    fronts = len(range(*front(dialogue.channels).indices(dialogue.channels)))
    original, dubbed = defaultdict[str, list[Heard]](list), defaultdict[str, list[Heard]](list)
    speakers = {segment.id: segment.speaker for segment in segments}
    for segment in segments:
        heard = loudness.hear_part(dialogue, *span(segment, dialogue), kept=kept)
        original[segment.speaker].append(heard)
    placed = []
    for placement in sorted(placements, key=lambda placement: (placement.start, placement.segment)):
        line = _line(placement, speakers, takes, dialogue)
        take = takes[line.segment]
        heard = loudness.hear_part(take, 0, take.frames, kept=kept)
        dubbed[line.speaker].append(heard.scaled(fronts**0.5))
        placed.append(line)
    gains = {speaker: _speech_gain(original[speaker], heard, opts=opts) for speaker, heard in dubbed.items()}
    return [replace(line, gain_db=gains[line.speaker]) for line in placed]


def voices(takes: Mapping[str, Keyed], *, opts: Options) -> Mapping[str, Keyed]:
    """Return the takes as they are heard in the room of the parameters."""
    if not opts.room_decay:
        return takes
    return {
        segment: effects.Room(take, opts.room_decay, opts.room_delay, opts.room_db)
        for segment, take in takes.items()
    }


def span(segment: Segment, recording: Keyed) -> tuple[int, int]:
    """Return where a segment lies in a recording, in samples."""
    start, stop = (audio.samples(ms, sr=recording.sr) for ms in (segment.start, segment.end))
    return min(start, recording.frames), min(stop, recording.frames)


def stepped(gain_db: float, step: float, *, most: float) -> float:
    """Return the multiple of a step that is nearest to a gain, no further from 0 than `most`.

    A gain in steps stays the same where what it was measured from changes by little.
    """
    return float(np.clip(round(round(gain_db / step) * step, 6), -most, most))


def _line(placement: Placement, speakers: Mapping[str, str], takes: Mapping[str, Keyed], film: Keyed) -> Line:
    asked = f"mix the take of {placement.segment}"
    if placement.segment not in speakers:
        raise RecordError(asked, "no such segment is known", "Run the stages from segment on again.")
    take = takes[placement.segment]
    if take.sr != film.sr:
        raise MediaError(asked, f"it has {take.sr} Hz and the film {film.sr} Hz", "Run the stage fit again.")
    start = audio.samples(placement.start, sr=film.sr)
    late = start + take.frames - film.frames
    if late > 0:
        found = f"it ends {1000 * late / film.sr:.1f} ms after the film"
        raise MediaError(asked, found, "Run the stage fit again.")
    return Line(placement.segment, speakers[placement.segment], start, start + take.frames, 0.0)


def _speech_gain(original: list[Heard], dubbed: list[Heard], *, opts: Options) -> float:
    wanted, found = loudness.integrated(original), loudness.integrated(dubbed)
    if found is None:  # shorter than a gating block, or silent: nothing to go by
        return 0.0
    gain = (opts.speech_lufs if wanted is None else wanted) - found
    return stepped(gain, opts.speech_step_db, most=opts.max_speech_gain_db)
