"""Make lines of dubbable length: words joined with the turns in which they are spoken.

Conventions
-----------
Times are integer ms. Every word is in exactly one line, in order, and no word is cut: a single word
beyond the limits is a line of its own. A line has one speaker; it lasts from its first word's start to
its last word's end. Reviewers may change all that later, and the words with it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby, pairwise

import numpy as np

from workbench import align, writing
from workbench.errors import SpeechError
from workbench.records import LineWord, Segment, Table, Turn, Word

SENTENCE_END = re.compile(r".*[.!?…。！？][\"'»”’)\]」』”）]*", re.DOTALL)
CLAUSE_END = re.compile(r".*[,;:،、，；：–—-]", re.DOTALL)
CLAUSE_MS = 200  # what the end of a clause is worth, as a pause, when a line is cut
UNEVEN = 10  # ms by which two halves may differ for each ms of pause between them

Piece = Sequence[Word]


@dataclass(frozen=True)
class Options:
    """``params/segment.yaml``; every key is required.

    Parameters
    ----------
    min_pause : int
        A pause this long ends a line, ms.
    min_duration : int
        A shorter line joins its speaker's neighbour across a pause below `min_pause`, ms.
    max_duration : int
        A longer line is cut, ms.
    max_chars : int
        A line of more characters is cut.
    unsaid : tuple of str
        Doubts of the recogniser; words with one of them make no line, as nobody said them. They stay among
        the words, and quality control names them.
    """

    min_pause: int
    min_duration: int
    max_duration: int
    max_chars: int
    unsaid: tuple[str, ...]


def said(words: Table[Word], *, opts: Options) -> Table[Word]:
    """Return the words of which lines are made: all but those that nobody said (`Options.unsaid`)."""
    return words.where(lambda word: word.doubt not in opts.unsaid)


def lines(words: Table[Word], turns: Table[Turn], *, opts: Options) -> tuple[Table[Segment], Table[LineWord]]:
    """Return the lines of an episode, in order of start, and the words of each.

    A line ends at a change of speaker, at a pause, and at the end of a sentence where there is
    punctuation. What is then too short is joined and what is too long is cut, at its best pause.

    Raises
    ------
    SpeechError
        Where there are words but no turns.
    """
    words = said(words, opts=opts)
    spoken = zip(speakers(words, turns), words, strict=True)
    rows: list[Segment] = []
    owned: list[LineWord] = []
    seen: Counter[int] = Counter()
    for speaker, group in groupby(spoken, key=lambda pair: pair[0]):
        for piece in _pieces([word for _, word in group], opts):
            start = piece[0].start
            seen[start] += 1
            tie = f"-{seen[start]}" if seen[start] > 1 else ""
            rows.append(Segment(f"s{start:08d}{tie}", start, _end(piece), speaker, _text(piece)))
            owned += [LineWord(*astuple(word), segment=rows[-1].id) for word in piece]
    return Table(Segment, rows), Table(LineWord, owned)


def words(lines: Sequence[Segment], heard: Sequence[LineWord]) -> Table[LineWord]:
    """Return the words of lines as these stand now, line by line.

    Words that were heard keep their times, though their case and punctuation may be others. Where a line has
    other words than were heard in its time, all of them are spread over it by their letters, those that were
    heard about where they were, until `align.lines` finds them in the sound.

    Parameters
    ----------
    heard : sequence of LineWord
        The words of the lines as `lines` made them, in order of start.
    """
    own: dict[str, list[LineWord]] = {}
    for word in heard:
        own.setdefault(word.segment, []).append(word)
    by_middle = sorted(heard, key=lambda word: word.middle)
    middles = [word.middle for word in by_middle]
    found: list[LineWord] = []
    for line in lines:
        there = slice(bisect_left(middles, line.start), bisect_left(middles, line.end))
        inside = sorted(by_middle[there], key=lambda word: word.start)
        as_heard = _as_heard(line, own.get(line.id, [])) or _as_heard(line, inside)
        found += as_heard or _spread(line, inside)
    return Table(LineWord, found)


def speakers(words: Sequence[Word], turns: Sequence[Turn]) -> list[str]:
    """Return who speaks each word: the speaker of the turn it shares most time with, else the nearest.

    Raises `SpeechError` where there are words but no turns.
    """
    if not words:
        return []
    if not turns:
        raise SpeechError(
            f"find who speaks {len(words)} words",
            "there are no turns",
            "Choose another diarize engine, or give the turns as given/turns.rttm.",
        )
    starts, ends = np.array([(turn.start, turn.end) for turn in turns]).T
    # where a word lies in no turn, the overlap is negative: the distance to the turn
    overlaps = (np.minimum(ends, word.end) - np.maximum(starts, word.start) for word in words)
    return [turns[int(np.argmax(overlap))].speaker for overlap in overlaps]


def _pieces(words: Piece, opts: Options) -> Iterator[Piece]:
    """Divide one speaker's words, with nobody between them, into lines."""
    cuts = [
        at
        for at, (word, following) in enumerate(pairwise(words), start=1)
        if following.start - word.end >= opts.min_pause or SENTENCE_END.fullmatch(word.text)
    ]
    sentences = [words[a:b] for a, b in pairwise([0, *cuts, len(words)])]
    for piece in _joined(sentences, opts):
        yield from _cut(piece, opts)


def _joined(pieces: Iterable[Piece], opts: Options) -> list[Piece]:
    joined: list[Piece] = []
    for piece in pieces:
        if joined and _belong(joined[-1], piece, opts):
            joined[-1] = [*joined[-1], *piece]
        else:
            joined.append(piece)
    return joined


def _belong(one: Piece, other: Piece, opts: Options) -> bool:
    short = min(_end(one) - one[0].start, _end(other) - other[0].start) < opts.min_duration
    near = other[0].start - _end(one) < opts.min_pause
    return short and near and not _too_long([*one, *other], opts)


def _cut(piece: Piece, opts: Options) -> Iterator[Piece]:
    if len(piece) == 1 or not _too_long(piece, opts):
        yield piece
        return
    at = max(range(1, len(piece)), key=lambda at: _worth(piece, at))
    yield from _cut(piece[:at], opts)
    yield from _cut(piece[at:], opts)


def _worth(piece: Piece, at: int) -> float:
    """Return how good a cut before a word is: the pause there, less what makes the halves uneven."""
    before, after = piece[at - 1], piece[at]
    pause = after.start - before.end + (CLAUSE_MS if CLAUSE_END.fullmatch(before.text) else 0)
    uneven = abs((before.end - piece[0].start) - (piece[-1].end - after.start))
    return pause - uneven / UNEVEN


def _too_long(piece: Piece, opts: Options) -> bool:
    return _end(piece) - piece[0].start > opts.max_duration or len(_text(piece)) > opts.max_chars


def _end(piece: Piece) -> int:
    return max(word.end for word in piece)


def _text(piece: Piece) -> str:
    return " ".join(word.text for word in piece)


def _as_heard(line: Segment, heard: Sequence[LineWord]) -> list[LineWord]:
    """Return a line's words with the times of those heard, or none where they are others."""
    texts = [word.text for word in heard]
    if " ".join(texts) != line.text:
        texts = line.text.split()
        if list(map(_plain, texts)) != [_plain(word.text) for word in heard]:
            return []
    if not all(line.start <= word.middle < line.end for word in heard):
        return []
    times = [(max(word.start, line.start), min(word.end, line.end)) for word in heard]
    return [
        replace(word, start=start, end=end, text=text, segment=line.id)
        for word, text, (start, end) in zip(heard, texts, times, strict=True)
    ]


def _spread(line: Segment, heard: Sequence[LineWord]) -> Iterator[LineWord]:
    """Yield a line's words, each with a share of its time, those heard with their middles where they were."""
    texts = line.text.split()
    edges = np.cumsum([0, *map(len, texts)])
    plain = [_plain(word.text) for word in heard], list(map(_plain, texts))
    same = SequenceMatcher(None, *plain, autojunk=False).get_matching_blocks()
    kept = {b + n: heard[a + n] for a, b, size in same for n in range(size)}
    letters = [0, *((edges[at] + edges[at + 1]) / 2 for at in kept), edges[-1]]
    times = [line.start, *(word.middle for word in kept.values()), line.end]
    found = np.interp(edges, letters, np.maximum.accumulate(times)).round().astype(int).tolist()
    for at, (text, start, end) in enumerate(zip(texts, found, found[1:], strict=False)):
        word = kept.get(at) or LineWord(0, 0, "", None, "review", segment=line.id)
        first = min(start, line.end - 1)
        yield replace(
            align.named(word, by=align.LETTERS),
            start=first, end=max(end, first + 1), text=text, segment=line.id,
        )  # fmt: skip


def _plain(word: str) -> tuple[str, ...]:
    return tuple(writing.words(word))
