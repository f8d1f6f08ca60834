"""How other dubbing tools place takes, each rule in our own words, and how good a placing is.

Each rule decides line by line, in order of start, and gets the same lines and the same takes.

`clamp`: what open-dubbing does. A take longer than the time until the next line starts is played faster,
by the ratio of the two rounded to a tenth and at most 1.3; it starts with its line and is laid over
whatever is there.

`trim`: pad or trim to the slot. A take starts with its line; what is longer than the line is cut off.

`push`: what SoniTranslate does with its overlap reduction. A take is played at the ratio of its length to
its line's, rounded to a tenth: 0.8 for 0.79 and less, 1 from 0.8 to 1.15, 1.9 at most. It starts with its
line or where the one before it ends, whichever is later.

`half`: what pyVideoTrans does with both of its switches. Time until the next line starts counts as the
line's own. Up to a ratio of 1.2 the take is played faster by it; above, the sound takes half of the excess
and the picture is slowed for the other half, so that the film grows.

`ours`: `fit.place` with this project's parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench import activity, fit
from workbench.activity import Span
from workbench.fit import timing
from workbench.records import Segment, Table, Take


@dataclass(frozen=True)
class Clip:
    """An episode's lines and takes; `takes` in the order of the lines."""

    name: str
    lines: list[Segment]
    takes: list[Take]
    duration: int


@dataclass(frozen=True)
class Laid:
    """Where a rule lays the lines (the picture may have been slowed) and the takes, in the lines' order."""

    source: list[Span]
    dub: list[Span]
    film: list[Span]  # the takes on the clock of the film as it was
    tempos: list[float]
    lost: int  # ms of takes, as spoken, that nobody hears


def clamp(clip: Clip) -> Laid:
    dub, rates = [], []
    for line, take, until in zip(clip.lines, clip.takes, _next_starts(clip), strict=True):
        rate = min(1.3, max(1.0, round(take.duration / max(1, until - line.start), 1)))
        dub.append((line.start, line.start + round(take.duration / rate)))
        rates.append(rate)
    lost = sum(round(max(0, end - clip.duration) * rate) for (_, end), rate in zip(dub, rates, strict=True))
    return Laid(_spans(clip), dub, dub, rates, lost)


def trim(clip: Clip) -> Laid:
    pairs = list(zip(clip.lines, clip.takes, strict=True))
    dub = [(line.start, min(line.end, line.start + take.duration)) for line, take in pairs]
    lost = sum(max(0, take.duration - (line.end - line.start)) for line, take in pairs)
    return Laid(_spans(clip), dub, dub, [1.0] * len(pairs), lost)


def push(clip: Clip) -> Laid:
    dub, rates, reached, lost = [], [], 0, 0
    for line, take in zip(clip.lines, clip.takes, strict=True):
        ratio = take.duration / max(1, line.end - line.start)
        rate = 0.8 if ratio <= 0.79 else 1.0 if 0.8 <= ratio <= 1.15 else round(min(1.9, ratio), 1)
        start = max(line.start, reached)
        reached = start + round(take.duration / rate)
        dub.append((start, reached))
        rates.append(rate)
        lost += round(min(reached - start, max(0, reached - clip.duration)) * rate)
    return Laid(_spans(clip), dub, dub, rates, lost)


def half(clip: Clip) -> Laid:
    source, dub, film, rates, grown = [], [], [], [], 0
    for line, take, until in zip(clip.lines, clip.takes, _next_starts(clip), strict=True):
        slot = max(1, until - line.start)
        ratio = take.duration / slot
        length = take.duration if ratio <= 1 else slot if ratio <= 1.2 else (slot + take.duration) // 2
        slowed = max(1.0, length / slot)
        start = line.start + grown
        source.append((start, start + round((line.end - line.start) * slowed)))
        dub.append((start, start + length))
        film.append((line.start, line.start + min(length, slot)))
        rates.append(take.duration / length)
        grown += max(0, length - slot)
    return Laid(source, dub, film, rates, 0)


def ours(clip: Clip, *, opts: fit.Options, room: timing.Options) -> Laid:
    table = fit.place(
        Table(Segment, clip.lines),
        Table(Take, clip.takes),
        on=fit.Timeline(clip.duration),
        opts=opts,
        room=room,
    )
    placed = table.by("segment")
    own = [placed[line.id] for line in clip.lines]
    heard = [(min(one.end, clip.duration) - max(0, one.start)) * one.tempo for one in own]
    lost = [max(0, take.duration - ms) for take, ms in zip(clip.takes, heard, strict=True)]
    dub = [(one.start, one.end) for one in own]
    return Laid(_spans(clip), dub, dub, [one.tempo for one in own], round(sum(ms for ms in lost if ms > 1)))


def figures(clip: Clip, laid: Laid) -> dict[str, float]:
    """Measure a placing, as it sounds and as it would have to be.

    isochrony
        Share of frames of 10 ms in which source and dub agree on speech or silence.
    rate_median, rate_p95
        Pace at which takes are heard, 1 as the voice is by nature.
    jump
        Mean difference of pace between a line and the same speaker's line before.
    fair_isochrony, fair_p95, fair_jump
        The same, in one currency for all: see `fair`.
    onset_ms
        Mean distance of a take's start from its line's.
    lost_s
        Speech that nobody hears.
    overlap_s
        Time in which two takes are heard and their lines are not.
    slowed_s
        By how much the film grows.
    """
    natural = [take.duration * take.rate for take in clip.takes]
    rates = [take.rate * tempo for take, tempo in zip(clip.takes, laid.tempos, strict=True)]
    whole = fair(clip, laid)
    needed = [ms / max(1, end - start) for ms, (start, end) in zip(natural, whole, strict=True)]
    onsets = [abs(a - b) for (a, _), (b, _) in zip(laid.dub, laid.source, strict=True)]
    return {
        "isochrony": round(_agreement(laid.source, laid.dub), 4),
        "rate_median": round(float(np.median(rates)), 3),
        "rate_p95": round(float(np.percentile(rates, 95)), 3),
        "jump": round(_jump(clip.lines, rates), 3),
        "fair_isochrony": round(_agreement(_spans(clip), whole), 4),
        "fair_p95": round(float(np.percentile(needed, 95)), 3),
        "fair_jump": round(_jump(clip.lines, needed), 3),
        "onset_ms": round(float(np.mean(onsets))),
        "lost_s": round(laid.lost / 1000, 2),
        "overlap_s": round(_overlap(laid) / 1000, 2),
        "slowed_s": round(max(end for _, end in laid.source) / 1000 - clip.lines[-1].end / 1000, 2),
    }


def fair(clip: Clip, laid: Laid) -> list[Span]:
    """Return where each take may lie, as a rule starts it, if nobody is to pay for it but its own pace.

    A rule can buy calm with what a figure of pace does not show: words that are cut or run out of the film,
    speech over speech, a picture in slow motion. So each take keeps its start and gets, on the clock of the
    film as it was, the time until it is cut, the film ends, or a later take has been spoken over for as long
    as the source lines overlap. What it takes to say the whole of it in that time is the pace that the rule
    needs.
    """
    order = sorted(range(len(laid.film)), key=lambda k: laid.film[k])
    spans, speaking = list(laid.film), []
    for j in order:
        start, end = spans[j]
        spans[j] = (start, min(end, max(start + 1, clip.duration)))
        speaking = [i for i in speaking if spans[i][1] > start]
        for i in speaking:
            a, b = clip.lines[i], clip.lines[j]
            shared = max(0, min(a.end, b.end) - max(a.start, b.start))
            spans[i] = (spans[i][0], min(spans[i][1], start + shared))
        speaking.append(j)
    return spans


def ceiling(clip: Clip, *, p95: float, shift: int = 1000) -> float:
    """Return an isochrony that no placing exceeds which plays every take whole, whatever its rule.

    It holds for placings that start each take within `shift` ms of its line, overlap for no longer than the
    source, and have such a 95th percentile of pace. Then all takes but a twentieth last at least as long as
    at that pace, wherever they lie they cover so much silence of the source at least, and no silence is
    covered twice but where lines overlap.
    """
    end = max(line.end for line in clip.lines)
    silence = np.ones(2 * end + shift, dtype=np.int64)
    for start, stop in activity.union(_spans(clip)):
        silence[start:stop] = 0
    before = np.concatenate([[0], np.cumsum(silence)])
    covered = []
    for line, take in zip(clip.lines, clip.takes, strict=True):
        starts = np.arange(max(0, line.start - shift), line.start + shift + 1)
        stops = np.minimum(starts + int(take.duration * take.rate / p95), silence.size)
        covered.append(int((before[stops] - before[starts]).min()))
    hurried = int(np.ceil(0.05 * (len(covered) - 1)))
    least = sum(sorted(covered)[: len(covered) - hurried])
    spans = _spans(clip)
    twice = sum(_shared(spans, i, j) for i, j in timing.overlaps(clip.lines))
    return round(1 - max(0, least - twice) / end, 4)


def _spans(clip: Clip) -> list[Span]:
    return [(line.start, line.end) for line in clip.lines]


def _next_starts(clip: Clip) -> list[int]:
    return [*(line.start for line in clip.lines[1:]), clip.duration]


def _agreement(source: Sequence[Span], dub: Sequence[Span]) -> float:
    frames = -(-max(end for _, end in (*source, *dub)) // 10)
    tracks = np.zeros((2, frames), dtype=np.bool_)
    for track, spans in zip(tracks, (source, dub), strict=True):
        for start, end in activity.union(spans):
            track[round(start / 10) : round(end / 10)] = True
    return float(np.mean(tracks[0] == tracks[1]))


def _jump(lines: Sequence[Segment], rates: Sequence[float]) -> float:
    last: dict[str, float] = {}
    jumps = []
    for line, rate in zip(lines, rates, strict=True):
        if line.speaker in last:
            jumps.append(abs(rate - last[line.speaker]))
        last[line.speaker] = rate
    return float(np.mean(jumps)) if jumps else 0.0


def _overlap(laid: Laid) -> int:
    """Return the ms in which two takes are heard beyond what their lines overlap, over all pairs."""
    order = sorted(range(len(laid.dub)), key=lambda k: laid.dub[k])
    total, speaking = 0, []
    for j in order:
        speaking = [i for i in speaking if laid.dub[i][1] > laid.dub[j][0]]
        total += sum(max(0, _shared(laid.dub, i, j) - _shared(laid.source, i, j)) for i in speaking)
        speaking.append(j)
    return total


def _shared(spans: Sequence[Span], i: int, j: int) -> int:
    return max(0, min(spans[i][1], spans[j][1]) - max(spans[i][0], spans[j][0]))
