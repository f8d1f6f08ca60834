"""Subtitles that people gave, read with distrust: who says what from when to when.

Conventions
-----------
What cannot be understood is a `SubtitleError` that names the file, the cue and its time: a wrong
encoding, a time that is no time, a cue that ends before it starts, speech in a cue of no length. What
is no speech is dropped and counted: sound descriptions in brackets, music, a line all in parentheses.
Cues may overlap; `apart` gives each line time of its own. A speaker is named by a WebVTT voice tag, an
ASS actor field or a prefix without small letters (``ANNA: Hello``). A dash at the start of a row, or
such a prefix, begins what another speaker says.
"""

from __future__ import annotations

import codecs
import html
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import activity, writing
from workbench.errors import SubtitleError

if TYPE_CHECKING:
    import pysubs2

SUBTITLES = (".srt", ".vtt", ".ass")
MOST_BYTES = 8 * 2**20
MOST_CUES = 20_000
MOST_CHARACTERS = 2_000  # in one cue
FASTEST_MS = 30  # for one character; nobody speaks faster

TIMING = {
    ".srt": re.compile(
        r"\s*\d{1,2}:[0-5]\d:[0-5]\d[.,]\d{3}\s*-->\s*\d{1,2}:[0-5]\d:[0-5]\d[.,]\d{3}(\s.*)?"
    ),
    ".vtt": re.compile(r"(\d{2,4}:)?[0-5]\d:[0-5]\d\.\d{3}\s+-->\s+(\d{2,4}:)?[0-5]\d:[0-5]\d\.\d{3}(\s.*)?"),
}
VOICE = re.compile(r"<v(?:\.[^\s<>]{1,99})?\s([^<>]{1,99})>")
TAG = re.compile(r"</?[A-Za-z][^<>]{0,199}>|<\d[\d:.]{0,19}>")
SOUND = re.compile(r"\[[^\[\]]*\]")
MUSIC = re.compile(r"[♩♪♫♬]")
DASH = re.compile(r"\s*[-‐‑–—]+\s*(?=[^\s\d])")
NAME = re.compile(r"\s*([^\W\d_][^:：\n]{0,39})(?::(?=\s|$)|：)\s*")
PARENTHESES = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Shown:
    """What one cue of a file shows."""

    number: int  # which of the file, from 1
    start: int
    end: int
    actor: str  # of an ASS event; "" elsewhere
    marked: str  # its rows, with the tags that are left

    @property
    def text(self) -> str:
        """Its rows as they are read, without tags."""
        return html.unescape(TAG.sub("", self.marked)).strip()


@dataclass(frozen=True, slots=True)
class Line:
    """What one speaker says in one cue."""

    cue: int  # which of the file, from 1
    start: int
    end: int
    speaker: str  # "" where the file does not say
    text: str


def find(given: Path | None, stem: str, suffixes: Sequence[str]) -> Path:
    """Return the one file of that stem; raises `SubtitleError` where there is none or more than one."""
    paths = [given / f"{stem}{suffix}" for suffix in suffixes] if given else []
    there = [path for path in paths if path.is_file()]
    if len(there) != 1:
        raise SubtitleError(
            f"find given/{stem} as {' or '.join(suffixes)}",
            f"there are {len(there)} such files",
            "Put exactly one into the given/ folder.",
        )
    return there[0]


def read(path: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with a byte order mark.

    Raises `SubtitleError` for any other encoding, naming the byte, and for a file larger than 8 MiB.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        found = f"it is larger than {MOST_BYTES // 2**20} MiB"
        raise SubtitleError(f"read {path.name}", found, "Give the text of this film alone.")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _encoding(path, error.start, "UTF-16" if wide else "UTF-8") from error
    if "\0" in text:
        raise _encoding(path, data.index(b"\0"), "text")
    return text


def _encoding(path: Path, byte: int, expected: str) -> SubtitleError:
    do = f"Convert it from its own encoding, e.g.: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > new"
    return SubtitleError(f"read {path.name}", f"byte {byte} is not {expected}", do)


def cues(text: str, *, suffix: str, where: str) -> list[Shown]:
    """Return what a subtitle text shows, in the order of the file, without comments and drawings.

    Raises `SubtitleError` naming the cue and its time, or the line that cannot be read.
    """
    if suffix not in SUBTITLES:
        raise SubtitleError(f"read {where}", f"{suffix!r} is no format of subtitles", f"Give {SUBTITLES}.")
    found = []
    events = _events(text, suffix=suffix, where=where)
    if len(events) > MOST_CUES:
        raise SubtitleError(f"read {where}", f"it has {len(events)} cues", f"Give at most {MOST_CUES}.")
    for number, event in enumerate(events, start=1):
        if event.is_comment:
            continue
        if event.start < 0 or event.end < event.start:
            why = f"starts before the film or ends before it starts, at {clock(event.end)}"
            raise fault(where, number, event.start, why, "Correct its times.")
        if len(event.text) > MOST_CHARACTERS:
            raise fault(where, number, event.start, f"has {len(event.text)} characters", "Divide it.")
        if not event.is_drawing:
            found.append(Shown(number, event.start, event.end, event.name.strip(), event.plaintext))
    return found


def lines(text: str, *, suffix: str, where: str) -> tuple[list[Line], int]:
    """Return what a subtitle text says, in order of start, and how many parts of it are no speech.

    Raises `SubtitleError` as `cues` does, for a text without a cue and for speech in a cue of no length.
    """
    found: list[Line] = []
    dropped = 0
    shown = cues(text, suffix=suffix, where=where)
    if not shown:
        raise SubtitleError(f"read {where}", "it has 0 cues", "Give the subtitles of this film.")
    for cue in shown:
        for speaker, said in _parts(cue.actor, cue.marked):
            if not any(letter.isalnum() for letter in said):
                dropped += 1
            elif cue.end == cue.start:
                raise fault(where, cue.number, cue.start, "lasts no time", "Give it an end.")
            else:
                found.append(Line(cue.number, cue.start, cue.end, speaker, said))
    return sorted(found, key=lambda line: line.start), dropped


def _events(text: str, *, suffix: str, where: str) -> list[pysubs2.SSAEvent]:
    import pysubs2

    checked = (
        _dialogue(text, where=where) if suffix == ".ass" else _canonical(text, suffix=suffix, where=where)
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # they are about layout
            events = pysubs2.SSAFile.from_string(checked, suffix[1:], keep_html_tags=True).events
    except ValueError as error:
        raise SubtitleError(f"read {where}", str(error), "Repair that time.") from error
    if suffix != ".ass" and len(events) != checked.count("-->"):
        raise SubtitleError(f"read {where}", "a cue's text holds two times", "Take them out of the text.")
    return list(events)


def _dialogue(text: str, *, where: str) -> str:
    """Return the events of an ASS text alone, each with all its fields."""
    rows = [row.strip() for row in text.splitlines() if row.lstrip().startswith(("Dialogue:", "Comment:"))]
    for row in rows:
        if row.count(",") < 9:
            raise SubtitleError(f"read {where}", f"{row[:80]!r} lacks fields", "Save it again as ASS v4+.")
    return "\n".join(["[Events]", *rows])


def _canonical(text: str, *, suffix: str, where: str) -> str:
    """Return the cues alone, checked and numbered: no header, note, style, identifier or blank line.

    pysubs2 would take notes and identifiers for speech, a last line of digits for a number, and a
    negative time for a positive one.
    """
    rows = text.splitlines()
    if suffix == ".vtt" and not text.startswith("WEBVTT"):
        raise SubtitleError(f"read {where}", "it does not begin with WEBVTT", "Name it by its real format.")
    timings = [at for at, row in enumerate(rows) if "-->" in row]
    for at in timings:
        if not TIMING[suffix].fullmatch(rows[at]):
            raise SubtitleError(
                f"read {where}, line {at + 1}",
                f"{rows[at][:80]!r} is no time of a cue",
                "Write start --> end, neither of them negative, e.g. 00:00:01.000 --> 00:00:02.500",
            )
    cues = []
    for number, (at, stop) in enumerate(pairwise([*timings, len(rows)]), start=2):
        body = rows[at + 1 : stop]
        if suffix == ".vtt":  # a blank row ends a cue; notes, styles and identifiers come after it
            body = list(takewhile(str.strip, body))
        elif stop < len(rows) and body and body[-1].strip().isdecimal():  # the next cue's number
            body.pop()
        cues.append("\n".join([rows[at].strip(), *filter(str.strip, body), "", f"{number}", ""]))
    return "\n".join(cues)


def _parts(actor: str, plain: str) -> Iterator[tuple[str, str]]:
    """Yield (speaker, text) of a cue; the text is empty where it is no speech."""
    before, *voices = VOICE.split(plain)
    for voice, chunk in [(actor, before), *zip(voices[::2], voices[1::2], strict=True)]:
        label = writing.one_line(voice)
        said: list[tuple[str, list[str]]] = [(label, [])]
        for row in SOUND.sub(" ", html.unescape(TAG.sub("", chunk))).splitlines():
            dash = DASH.match(row)
            rest = row[dash.end() :] if dash else row
            name = NAME.match(rest)
            named = name is not None and name[1] == name[1].upper()
            if dash or named:
                said.append((writing.one_line(name[1]) if name and named else label, []))
            said[-1][1].append(rest[name.end() :] if name and named else rest)
        parts = [(speaker, writing.one_line(" ".join(rows))) for speaker, rows in said if rows]
        for speaker, text in parts:
            silent = MUSIC.search(text) or PARENTHESES.fullmatch(text)
            yield speaker, "" if silent else text


def apart(found: Sequence[Line], *, where: str) -> list[tuple[Line, list[activity.Span]]]:
    """Return each line with the time that is its own, so that no two lines share any.

    Where lines overlap, the one that starts last has the floor and the earlier one keeps the rest.
    Lines of which the earlier cannot have been said before the later begins divide their time by
    their lengths; so do two speakers in one cue.

    Raises `SubtitleError` where a line is left with less than a millisecond a word.
    """
    groups: list[list[Line]] = []
    for line in sorted(found, key=lambda line: (line.start, line.cue)):
        said = FASTEST_MS * sum(len(other.text) for other in groups[-1]) if groups else 0
        if (
            groups
            and line.start < max(other.end for other in groups[-1])
            and line.start - groups[-1][0].start < said
        ):
            groups[-1].append(line)
        else:
            groups.append([line])
    shares = sorted((share for group in groups for share in _shares(group)), key=lambda share: share[1])
    result = []
    for at, (line, (start, end)) in enumerate(shares):
        following = (shares[n][1] for n in range(at + 1, len(shares)))
        later = takewhile(partial(_before, end), following)
        own = activity.complement(later, start=start, end=end)
        if activity.duration(own) < len(line.text.split()):
            raise fault(where, line.cue, line.start, "is too short for its words", "Give it more time.")
        result.append((line, own))
    return result


def _before(end: int, span: activity.Span) -> bool:
    return span[0] < end


def _shares(group: Sequence[Line]) -> list[tuple[Line, activity.Span]]:
    start, end = group[0].start, max(line.end for line in group)
    texts = [line.text for line in group]
    return [(line, (a, b)) for line, (a, b, _) in zip(group, spread(texts, [(start, end)]), strict=True)]


def spread(texts: Sequence[str], spans: Sequence[activity.Span]) -> list[tuple[int, int, str]]:
    """Return (start, end, text) for each text: the time of the spans, divided by the texts' lengths.

    No text lies across a gap between spans; each goes where its middle would be.
    """
    total, whole = sum(len(text) + 1 for text in texts), activity.duration(spans)
    inside: list[list[str]] = [[] for _ in spans]
    said = 0
    for text in texts:
        middle, at = whole * (2 * said + len(text) + 1) // (2 * total), 0
        while at < len(spans) - 1 and middle >= spans[at][1] - spans[at][0]:
            middle, at = middle - (spans[at][1] - spans[at][0]), at + 1
        inside[at].append(text)
        said += len(text) + 1
    result = []
    for (start, end), group in zip(spans, inside, strict=True):
        edges = list(accumulate((len(text) + 1 for text in group), initial=0))
        times = [start + (end - start) * edge // max(1, edges[-1]) for edge in edges]
        result += [(a, b, text) for (a, b), text in zip(pairwise(times), group, strict=True)]
    return result


def clock(ms: int) -> str:
    """Return a time as people write it: 0:01:02.500."""
    from pysubs2.time import ms_to_str

    return ms_to_str(ms, fractions=True)


def fault(where: str, cue: int, start: int, found: str, do: str) -> SubtitleError:
    """Return the error of one cue: what it does, and what to do about it."""
    return SubtitleError(f"read {where}, cue {cue} at {clock(start)}", f"it {found}", do)
