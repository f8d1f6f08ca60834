"""Subtitles of a dub: its translated lines, broken for reading, at the times where they are spoken.

Conventions
-----------
Times are integer milliseconds from the start of the episode. Text is measured in columns, as on a
terminal: a full-width character takes two, a combining mark none. Text is untrusted: what a format
could take for markup is replaced by a look-alike, so that every format shows the same plain text.
No function here drops a word.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise, zip_longest
from typing import Annotated, Literal, NamedTuple

import msgspec
import pysubs2
import regex

from workbench import writing
from workbench.errors import SubtitleError
from workbench.params import Count, Positive
from workbench.records import Cue, Placement, Table, Translation

Kind = Literal["srt", "vtt", "ass"]
KINDS: tuple[Kind, ...] = ("srt", "vtt", "ass")

# What a break costs where no sentence ends; a piece twice as long as the ideal costs 1.
AFTER_CLAUSE, AFTER_WORD = 0.05, 0.2

LOOKALIKES = str.maketrans({"{": "(", "}": ")", "<": "‹", ">": "›", "\\": "∖"})
CONTROL = regex.compile(r"[\p{Cc}--\s]", regex.V1)
SPACE = regex.compile(r"[\s--[\u00a0\u2007\u202f]]+", regex.V1)  # a no-break space is no place to break
NEVER_FIRST = regex.compile(r"[\p{Pe}\p{Pf}\p{Po}ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々]")
NEVER_LAST = regex.compile(r"[\p{Ps}\p{Pi}]")
SENTENCE_END = regex.compile(r"[.!?…。！？؟।]\W*$")
CLAUSE_END = regex.compile(r"[,;:，、；：،—–]\W*$")


@dataclass(frozen=True)
class Options:
    """``params/subtitles.yaml``; every key is required."""

    max_columns: Annotated[int, msgspec.Meta(ge=2)]  # columns in one line; a full-width character takes two
    max_lines: Count  # lines in one cue
    max_speed: Positive  # columns a second
    min_duration: int  # ms that a cue stays, where time is free
    min_gap: int  # ms between two cues


class Atom(NamedTuple):
    """The smallest piece of text that a break never divides, and the space before it."""

    space: str
    text: str


def cues(
    translations: Table[Translation], placements: Table[Placement], *, duration: int, opts: Options
) -> Table[Cue]:
    """Return the cues of a dub of `duration` ms, ordered by start.

    A line too long for one cue becomes several, which share its time by their length. A cue stays on
    after the speech where it would be read too fast or be shown too briefly, as far as time is free.
    Cues overlap only where speech does.

    Raises
    ------
    SubtitleError
        Where a line has text and no placement, or too little time to show its text at all.
    """
    placed = placements.by("segment")
    spoken: list[Cue] = []
    for translation in translations:
        pieces = split(translation.text, opts=opts)
        if not pieces:
            continue
        if translation.segment not in placed:
            raise SubtitleError(
                f"time the subtitle of line {translation.segment}",
                "the line has no placement",
                "Run the fit stage again.",
            )
        spoken += _share(pieces, placed[translation.segment])
    spoken.sort(key=lambda cue: (cue.start, cue.end, cue.segment))
    return Table(Cue, _stays(spoken, duration=duration, opts=opts))


def split(text: str, *, opts: Options) -> list[str]:
    """Return a text as the texts of cues: at most `max_lines` lines of `max_columns` columns each.

    Breaks are balanced and prefer the end of a sentence, then of a clause, then of a word. Scripts
    without spaces break between characters. Right-to-left text keeps its logical order.

    >>> split("One line.", opts=Options(42, 2, 20.0, 800, 80))
    ['One line.']
    """
    atoms = list(_atoms(plain(text), most=opts.max_columns))

    def one_line(piece: Sequence[Atom]) -> bool:
        return columns(_join(piece)) <= opts.max_columns

    def one_cue(piece: Sequence[Atom]) -> bool:
        return _fewest(piece, one_line) <= opts.max_lines

    return ["\n".join(map(_join, _partition(cue, one_line))) for cue in _partition(atoms, one_cue)]


def plain(text: str) -> str:
    """Return a text that no subtitle format takes for markup: one line, no control characters.

    Braces become parentheses; ``<``, ``>`` and the backslash become characters that look like them.

    >>> plain("{b} a --> <i>b")
    '(b) a --› ‹i›b'
    """
    visible = str(CONTROL.sub("", text.translate(LOOKALIKES)))
    return " ".join(SPACE.split(visible)).strip()


def columns(text: str) -> int:
    """Return the width of a text in columns; line breaks count nothing."""
    return sum(_width(character) for character in text)


def reading_speed(cue: Cue) -> float:
    """Return how fast a cue has to be read, in columns a second."""
    return columns(cue.text) * 1000 / (cue.end - cue.start)


def render(cues: Table[Cue], *, kind: Kind) -> str:
    """Return the cues as the text of an SRT, VTT or ASS file; without cues, a valid empty one."""
    document = pysubs2.SSAFile()
    document.info |= {"PlayResX": "1920", "PlayResY": "1080", "WrapStyle": "2"}
    document.styles["Default"] = pysubs2.SSAStyle(fontsize=54, outline=3, shadow=0, marginv=60)
    for cue in cues:
        lines = [plain(line) for line in cue.text.split("\n")]
        text = r"\N".join(html.escape(line, quote=False) if kind == "vtt" else line for line in lines)
        document.append(pysubs2.SSAEvent(start=cue.start, end=cue.end, text=text))
    return document.to_string(kind, header_notice="")


def _share(pieces: Sequence[str], placement: Placement) -> Iterator[Cue]:
    length = placement.end - placement.start
    sums = list(accumulate((max(1, columns(piece)) for piece in pieces), initial=0))
    times = [placement.start + length * part // sums[-1] for part in sums]
    if any(start == end for start, end in pairwise(times)):
        raise SubtitleError(
            f"time the subtitle of line {placement.segment}",
            f"{length} ms are too short for {len(pieces)} cues",
            "Run the fit stage again.",
        )
    for piece, (start, end) in zip(pieces, pairwise(times), strict=True):
        yield Cue(placement.segment, start, end, piece)


def _stays(spoken: Sequence[Cue], *, duration: int, opts: Options) -> Iterator[Cue]:
    """Yield the cues with the ends that reading wants, as far as the next one or the film's end allow."""
    for cue, following in zip_longest(spoken, spoken[1:]):
        before = following.start if following else duration
        gap = min(opts.min_gap, (before - cue.start) // 2) if following else 0
        if cue.end > before:  # speech overlaps
            yield cue
        else:
            wanted = max(cue.end, cue.start + opts.min_duration, cue.start + _reading_time(cue.text, opts))
            yield replace(cue, end=min(wanted, before - gap))


def _reading_time(text: str, opts: Options) -> int:
    return int(-(-columns(text) * 1000 // opts.max_speed))


def _width(character: str) -> int:
    if character == "\n" or unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _atoms(text: str, *, most: int) -> Iterator[Atom]:
    """Yield the atoms of a text; a word wider than `most` columns is divided between characters."""
    for number, word in enumerate(text.split(" ") if text else ()):
        space, piece, last = " " if number else "", "", ""
        for character in regex.findall(r"\X", word):
            unspaced = writing.UNSPACED.match(last) or writing.UNSPACED.match(character)
            kept = NEVER_LAST.match(last) or NEVER_FIRST.match(character)
            full = columns(piece) + columns(character) > most
            if piece and (full or (unspaced and not kept)):
                yield Atom(space, piece)
                space, piece = "", ""
            piece, last = piece + character, character
        yield Atom(space, piece)


def _join(atoms: Sequence[Atom]) -> str:
    return "".join(atom.space + atom.text for atom in atoms).removeprefix(" ")


def _fewest(atoms: Sequence[Atom], fits: Callable[[Sequence[Atom]], bool]) -> int:
    """Return how many consecutive pieces that fit are needed; `fits` as for `_partition`."""
    pieces, start = min(1, len(atoms)), 0
    for stop in range(1, len(atoms) + 1):
        if not fits(atoms[start:stop]):
            pieces, start = pieces + 1, stop - 1
    return pieces


def _partition(atoms: Sequence[Atom], fits: Callable[[Sequence[Atom]], bool]) -> list[Sequence[Atom]]:
    """Return the fewest consecutive pieces that fit, and of those the most even and best broken.

    `fits` must hold for a single atom, and for every part of a piece for which it holds.
    """
    fewest = _fewest(atoms, fits)
    if fewest <= 1:
        return [atoms] if atoms else []
    ideal = columns(_join(atoms)) / fewest
    # best[stop]: fewest pieces, least cost, and where the last piece starts, for the atoms before stop
    best: list[tuple[int, float, int]] = [(0, 0.0, 0)]
    for stop in range(1, len(atoms) + 1):
        border = _border(atoms[stop - 1].text) if stop < len(atoms) else 0.0
        ways = []
        for start in range(stop - 1, -1, -1):
            if not fits(atoms[start:stop]):
                break
            uneven = (columns(_join(atoms[start:stop])) / ideal - 1) ** 2
            ways.append((best[start][0] + 1, best[start][1] + uneven + border, start))
        best.append(min(ways))
    pieces: list[Sequence[Atom]] = []
    stop = len(atoms)
    while stop:
        start = best[stop][2]
        pieces.append(atoms[start:stop])
        stop = start
    return pieces[::-1]


def _border(text: str) -> float:
    if SENTENCE_END.search(text):
        return 0.0
    return AFTER_CLAUSE if CLAUSE_END.search(text) else AFTER_WORD
