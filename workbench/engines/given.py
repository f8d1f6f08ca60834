"""What people gave beside the film: subtitles as transcript, turns or translation, and RTTM turns.

The files lie in the ``given`` folder of the episode or the dub. `workbench.subtitles.reading` says how
subtitles are read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import accumulate, pairwise
from pathlib import Path

from workbench import activity, audio, writing
from workbench.audio import Sound
from workbench.errors import SubtitleError
from workbench.records import Draft, Segment, Table, Turn, Word
from workbench.subtitles import reading
from workbench.subtitles.reading import Line

log = logging.getLogger(__name__)

DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")


class _Given:
    """An engine that reads one file of the ``given`` folder."""

    @dataclass(frozen=True)
    class Options:
        """These engines have nothing to tune."""

    def __init__(self, options: Options, *, given: Path | None) -> None:
        self.given = given

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return `None`: nothing needs to be installed."""
        return None

    def _lines(self, stem: str) -> tuple[str, list[Line]]:
        path = reading.find(self.given, stem, reading.SUBTITLES)
        found, dropped = reading.lines(reading.read(path), suffix=path.suffix.lower(), where=path.name)
        log.info("subtitles_read file=%s lines=%d not_speech=%d", path.name, len(found), dropped)
        return path.name, found


class SubtitleWords(_Given):
    """Takes ``given/transcript.{srt,vtt,ass}`` as what is said (`asr.Transcriber`)."""

    name = "subtitles"

    def words(
        self,
        speech: Sound,
        *,
        sr: int,
        language: str,
        spans: Sequence[activity.Span],
        terms: Sequence[str] = (),
    ) -> Iterator[Word]:
        """Yield the words of the file, each inside its cue and, where there is any, inside speech.

        A cue's time is divided among its words by their length. The pauses between cues stay.

        Raises
        ------
        SubtitleError
            For a file that cannot be used, a cue beyond the sound's end or too short for its words.
        """
        where, found = self._lines("transcript")
        within = _within(found, audio.milliseconds(len(speech), sr=sr), where=where)
        words: list[Word] = []
        for line, own in reading.apart(within, where=where):
            spoken = activity.intersection(own, spans)
            roomy = activity.duration(spoken) >= reading.FASTEST_MS * len(line.text)
            for start, end, text in reading.spread(line.text.split(), spoken if roomy else own):
                if end <= start:
                    raise reading.fault(
                        where, line.cue, line.start, "is too short for its words", "Lengthen it."
                    )
                words.append(Word(start, end, text, None, self.name))
        yield from sorted(words, key=lambda word: word.start)


class SubtitleTurns(_Given):
    """Takes the speakers that ``given/transcript.{srt,vtt,ass}`` names (`diarize.Diarizer`)."""

    name = "subtitles"

    def turns(
        self, speech: Sound, *, sr: int, spans: Sequence[activity.Span], speakers: int | None
    ) -> Iterator[Turn]:
        """Yield one turn a line, or more where another speaker falls in, in order.

        Raises
        ------
        SubtitleError
            For a file that cannot be used, a line whose speaker is not named, or another number of
            speakers than the `speakers` that are said to speak.
        """
        where, found = self._lines("transcript")
        within = _within(found, audio.milliseconds(len(speech), sr=sr), where=where)
        for line in within:
            if not line.speaker:
                do = "Name it as <v Name>, actor or NAME:, or choose another diarize engine."
                raise reading.fault(where, line.cue, line.start, f"names no speaker of {line.text!r}", do)
        _check_speakers(where, {line.speaker for line in within}, speakers)
        timed = reading.apart(within, where=where)
        turns = [Turn(a, b, line.speaker, self.name) for line, own in timed for a, b in own]
        yield from sorted(turns, key=lambda turn: turn.start)


class RttmTurns(_Given):
    """Takes the turns of ``given/turns.rttm`` (`diarize.Diarizer`)."""

    name = "rttm"

    def turns(
        self, speech: Sound, *, sr: int, spans: Sequence[activity.Span], speakers: int | None
    ) -> Iterator[Turn]:
        """Yield the turns of the file in order of their starts, clipped to the sound's length.

        The format is NIST's Rich Transcription Time Marked; records other than SPEAKER are not read.

        Raises
        ------
        SubtitleError
            For a line that is no such record, turns of several recordings, a turn beyond the sound's
            end, or another number of speakers than the `speakers` that are said to speak.
        """
        path, length = reading.find(self.given, "turns", (".rttm",)), audio.milliseconds(len(speech), sr=sr)
        turns, recordings = [], set()
        for number, row in enumerate(reading.read(path).splitlines(), start=1):
            fields = row.split()
            if not fields or fields[0] != "SPEAKER":
                continue
            start, duration = map(_milliseconds, fields[3:5]) if len(fields) >= 8 else (-1, -1)
            if start < 0 or duration <= 0:
                raise SubtitleError(
                    f"read {path.name}, line {number}",
                    f"{row[:120]!r} is no turn",
                    "Write: SPEAKER recording 1 start duration <NA> <NA> speaker <NA> <NA>, in seconds.",
                )
            if start >= length:
                raise SubtitleError(
                    f"read {path.name}, line {number}",
                    f"the turn starts at {start} ms, the sound ends at {length} ms",
                    "Give the turns of this film.",
                )
            recordings.add(fields[1])
            turns.append(Turn(start, min(start + duration, length), fields[7], self.name))
        if len(recordings) != 1:
            raise SubtitleError(
                f"read {path.name}",
                f"it has turns of {len(recordings)} recordings",
                "Give those of this film.",
            )
        _check_speakers(path.name, {turn.speaker for turn in turns}, speakers)
        yield from sorted(turns, key=lambda turn: (turn.start, turn.end))


class SubtitleLines(_Given):
    """Takes ``given/translation.{srt,vtt,ass}`` as the translation, matched by time."""

    name = "subtitles"
    timed = True

    def translate_timed(self, segments: Table[Segment], *, source: str, target: str) -> list[Draft]:
        """Return one draft a segment.

        Raises
        ------
        SubtitleError
            For a file that cannot be used, a segment that no cue translates, or a cue that lies where
            no segment is.
        """
        where, found = self._lines("translation")
        return [Draft(text=text, unknown=()) for text in aligned(found, segments, where=where)]


def aligned(found: Sequence[Line], segments: Sequence[Segment], *, where: str) -> list[str]:
    """Return the text of each segment: what the lines say while it lasts, each word once, in order.

    A line goes to the segments with which it shares half of the shorter's time, else to the one with
    which it shares most. One that spans several is divided at sentence ends, or between words where it
    has too few sentences, in proportion to the segments' durations.

    Raises
    ------
    SubtitleError
        For a segment without a line, a line without a segment, and a line with fewer words than
        segments.
    """
    timed = reading.apart(found, where=where)
    takers = [_takers(own, segments) for _, own in timed]
    for n, segment in enumerate(segments):
        if not any(n in taken for taken in takers):
            shared = [activity.duration(activity.intersection(own, [_span(segment)])) for _, own in timed]
            best = max(range(len(timed)), key=shared.__getitem__, default=-1)
            if best < 0 or not shared[best]:
                raise SubtitleError(
                    f"translate the line at {reading.clock(segment.start)} from {where}",
                    f"no cue lies at {segment.text!r}",
                    "Add one, or correct the times.",
                )
            takers[best] = sorted([*takers[best], n])
    texts: list[list[str]] = [[] for _ in segments]
    for (line, _), taken in zip(timed, takers, strict=True):
        if not taken:
            do = "Remove it, or correct its times or the transcript."
            raise reading.fault(where, line.cue, line.start, f"lies where nobody speaks: {line.text!r}", do)
        for n, text in zip(taken, _divided(line, [segments[n] for n in taken], where=where), strict=True):
            texts[n].append(text)
    return [" ".join(text) for text in texts]


def _span(segment: Segment) -> activity.Span:
    return segment.start, segment.end


def _takers(own: Sequence[activity.Span], segments: Sequence[Segment]) -> list[int]:
    """Return which segments a line is for, by the time that it has."""
    lasts = activity.duration(own)
    near = [n for n, s in enumerate(segments) if own and s.start < own[-1][1] and s.end > own[0][0]]
    shared = {n: activity.duration(activity.intersection(own, [_span(segments[n])])) for n in near}
    taken = [
        n for n in near if shared[n] and 2 * shared[n] >= min(lasts, segments[n].end - segments[n].start)
    ]
    return taken or [n for n in near if shared[n] and shared[n] == max(shared.values())][:1]


def _divided(line: Line, segments: Sequence[Segment], *, where: str) -> list[str]:
    """Divide a line's text among its segments, in proportion to their durations."""
    units = writing.sentences(line.text)
    if len(units) < len(segments):
        units = re.findall(r"\S+\s*", line.text)
    if len(units) < len(segments):
        found = f"has fewer words than the {len(segments)} lines that it spans: {line.text!r}"
        raise reading.fault(where, line.cue, line.start, found, "Divide it.")
    said = list(accumulate((len(unit) for unit in units), initial=0))
    lasts = list(accumulate((s.end - s.start for s in segments), initial=0))
    edges = [0]
    for n in range(1, len(segments)):
        wanted = said[-1] * lasts[n] / lasts[-1]
        allowed = range(edges[-1] + 1, len(units) - (len(segments) - n) + 1)
        edges.append(min(allowed, key=lambda edge: abs(said[edge] - wanted)))
    edges.append(len(units))
    return ["".join(units[a:b]).strip() for a, b in pairwise(edges)]


def _within(found: Sequence[Line], length: int, *, where: str) -> list[Line]:
    for line in found:
        if line.start >= length:
            beyond = f"starts after the sound's end at {reading.clock(length)}"
            raise reading.fault(where, line.cue, line.start, beyond, "Give the subtitles of this film.")
    return [replace(line, end=min(line.end, length)) for line in found]


def _check_speakers(where: str, named: Iterable[str], speakers: int | None) -> None:
    names = sorted(named)
    if speakers is not None and len(names) != speakers:
        raise SubtitleError(
            f"take the speakers of {where}",
            f"it names {len(names)}, given/episode.yaml says {speakers}: {', '.join(names)}",
            "Correct one of the two.",
        )


def _milliseconds(seconds: str) -> int:
    """Return a plain decimal number of seconds in ms; -1 for anything else."""
    return round(Decimal(seconds) * 1000) if DECIMAL.fullmatch(seconds) else -1
