"""Speech as a recogniser takes it: padded, joined over short pauses, cut where it is too long."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from workbench import activity, audio
from workbench.audio import Sound
from workbench.records import Word

STEP_MS = 10  # a cut lies on this grid
QUIET_MS = 200  # a pause between words, over which loudness is looked at


def utterances(
    y: Sound, *, sr: int, spans: Sequence[activity.Span], pad: int, gap: int, longest: int
) -> list[activity.Span]:
    """Return where to listen, in ms: all of the spans, in pieces of at most `longest`.

    Parameters
    ----------
    y : array of shape (n,)
        Mono sound at rate `sr`.
    spans : sequence of (start, end)
        Where there is speech, ms.
    pad : int
        Sound taken before and after each span, ms.
    gap : int
        Pauses up to this stay inside one utterance, ms.
    longest : int
        A longer utterance is cut at the quietest point of its second half, ms.
    """
    end = audio.milliseconds(len(y), sr=sr)
    joined = activity.union(activity.pad(spans, by=pad, start=0, end=end), gap=gap)
    return [piece for span in joined for piece in _cut(y, span, sr=sr, longest=longest)]


def snapped(words: Sequence[Word], spans: Sequence[activity.Span], *, within: int, least: int) -> list[Word]:
    """Return words of which the first and the last of each span of speech begin and end as the span does.

    Parameters
    ----------
    words : sequence of Word
        In order of start.
    spans : sequence of (start, end)
        Where there is speech, ms. A word belongs to the span that its middle is nearest to.
    within : int
        An edge that is further off stays, ms.
    least : int
        A word is no shorter than this, ms: an edge that would make it so stays.
    """
    disjoint, own = activity.union(spans), dict[int, list[int]]()
    ends = [end for _, end in disjoint]
    for index, word in enumerate(words):
        at = bisect_left(ends, word.middle)
        near = [each for each in (at - 1, at) if 0 <= each < len(disjoint)]
        if near:
            nearest = min(near, key=lambda each: _away(word.middle, disjoint[each]))
            own.setdefault(nearest, []).append(index)
    moved = list(words)
    for span, inside in own.items():
        (start, end), first, last = disjoint[span], inside[0], inside[-1]
        before = moved[first - 1].start if first else 0
        after = min([moved[first].end - least, *(word.start for word in moved[first + 1 : first + 2])])
        if abs(moved[first].start - start) <= within and before <= start <= after:
            moved[first] = replace(moved[first], start=start)
        if abs(moved[last].end - end) <= within and end >= moved[last].start + least:
            moved[last] = replace(moved[last], end=end)
    return moved


def _away(time: int, span: activity.Span) -> int:
    return max(span[0] - time, time - span[1], 0)


def _cut(y: Sound, span: activity.Span, *, sr: int, longest: int) -> Iterator[activity.Span]:
    start, end = span
    while end - start > longest:
        low = start + longest // 2
        at = _quietest(y, (low, min(start + longest, end - STEP_MS)), sr=sr)
        yield start, at
        start = at
    yield start, end


def _quietest(y: Sound, span: activity.Span, *, sr: int) -> int:
    """Return the time, in ms, around which the sound of a span is quietest."""
    step = audio.samples(STEP_MS, sr=sr)
    frames = max(1, (span[1] - span[0]) // STEP_MS)
    first = audio.samples(span[0], sr=sr)
    part = y[first : first + frames * step].astype(np.float64)
    power = np.square(np.pad(part, (0, frames * step - len(part)))).reshape(frames, step).sum(axis=1)
    around = np.convolve(power, np.ones(QUIET_MS // STEP_MS), mode="same")
    return span[0] + int(np.argmin(around)) * STEP_MS
