"""Align: the times of words that are known, from the sound in which they are said.

Conventions
-----------
Speech is mono float32 of shape ``(n,)``. Times are integer ms. The text is given and stays as it is: an
aligner finds when each word is said, and how surely. Where it cannot, the words keep the times they had.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Protocol, TypeVar

import msgspec

from workbench import audio, content
from workbench.audio import Kept, Recording, Sound
from workbench.errors import EngineError
from workbench.records import LineWord, Segment, Timed, Word

W = TypeVar("W", bound=Word)

log = logging.getLogger(__name__)

PAUSE = 200  # ms without a word, from which an utterance ends
LONGEST = 20_000  # ms of an utterance
MARGIN = 300  # ms of sound heard around an utterance, no further than its neighbours
LETTERS = "letters"  # named where no aligner is: each word has a share of the time by its letters


class Aligner(Protocol):
    """Finds known words in a sound."""

    name: str

    @property
    def identity(self) -> str:
        """Its version and its model: another one may find other times."""

    def knows(self, language: str) -> bool:
        """Return whether it can align a language, BCP 47."""

    def times(self, speech: Sound, *, sr: int, words: Sequence[str]) -> list[Timed] | None:
        """Return when each word is said in a sound of a few seconds; `None` where they cannot all be.

        Times are from the start of the sound, in order, within it. No word is empty.
        """


def version() -> str:
    """Return the content address of this code: what another kept is not to be found."""
    return content.of_code(__name__)


def realign(
    words: Sequence[Word], speech: Sound, *, sr: int, language: str, aligner: Aligner
) -> Iterator[Word]:
    """Yield words, in order, with the times at which they are said; `Word.engine` names the aligner.

    Words that the aligner cannot find keep their times, and so does every word of a language that it does
    not know. A word without a confidence gets the aligner's score for one.

    Raises
    ------
    EngineError
        Where the aligner gives more or fewer times than words, or times outside the sound.
    """
    if not aligner.knows(language):
        log.info("align_skipped aligner=%s language=%s words=%d", aligner.name, language, len(words))
        yield from words
        return
    groups = _utterances(words)
    edges = [(group[0].start, group[-1].end) for group in groups]
    length, earlier = audio.milliseconds(len(speech), sr=sr), 0
    for at, group in enumerate(groups):
        before = edges[at - 1][1] if at else 0
        after = edges[at + 1][0] if at + 1 < len(edges) else length
        start = max(edges[at][0] - MARGIN, min(before, edges[at][0]))
        end = min(edges[at][1] + MARGIN, max(after, edges[at][1]), length)
        heard = speech[audio.samples(start, sr=sr) : audio.samples(end, sr=sr)]
        timed = aligner.times(heard, sr=sr, words=[word.text for word in group])
        if timed is None:
            log.info("align_failed aligner=%s start=%d end=%d", aligner.name, *edges[at])
            found = group
        else:
            found = [
                word if word.confidence is not None else replace(word, confidence=each.score)
                for word, each in zip(
                    _said(group, timed, at=start, length=end - start, by=aligner.name), timed, strict=True
                )
            ]
        for word in found:
            word = replace(word, start=max(word.start, earlier))
            earlier = word.start
            yield replace(word, end=max(word.end, word.start + 1))


def lines(
    words: Sequence[LineWord],
    segments: Sequence[Segment],
    speech: Recording,
    *,
    language: str,
    aligner: Callable[[], Aligner],
    kept: Kept,
) -> Iterator[LineWord]:
    """Yield the words of lines, each line's together; those that lie by their letters where they are said.

    A line is heard from its start to its end, and so its words stay within it. Words that cannot be found
    keep their times, and so does every line in a language that the aligner does not know.

    Parameters
    ----------
    aligner : callable
        Gives the aligner, and is called only where there is a line to align.
    kept : Kept
        What was found before, of the same words in the same sound by the same aligner.

    Raises
    ------
    EngineError
        As `realign` does.
    """
    by_id = {segment.id: segment for segment in segments}
    for name, group in groupby(words, key=lambda word: word.segment):
        own, line = list(group), by_id[name]
        if any(word.engine.endswith(f" via {LETTERS}") for word in own):
            edges = (min(audio.samples(ms, sr=speech.sr), speech.frames) for ms in (line.start, line.end))
            heard = audio.mono(speech.read(*edges))
            own = _found(own, heard, sr=speech.sr, at=line.start, by=aligner(), language=language, kept=kept)
        yield from own


def _found(
    words: list[LineWord], heard: Sound, *, sr: int, at: int, by: Aligner, language: str, kept: Kept
) -> list[LineWord]:
    """Return a line's words at their times in the sound of it, which begins at `at` ms."""
    timed, texts = None, [word.text for word in words]
    if len(heard) and by.knows(language):
        key = content.address(by.identity, texts, sr, hashlib.sha256(heard.tobytes()).hexdigest())
        if (known := kept.get(key)) is None:
            kept[key] = known = msgspec.json.encode(by.times(heard, sr=sr, words=texts))
        timed = msgspec.json.decode(known, type=list[Timed] | None)
    if timed is None:
        log.info("align_failed aligner=%s start=%d words=%d", by.name, at, len(words))
        return words
    return _said(words, timed, at=at, length=audio.milliseconds(len(heard), sr=sr), by=by.name)


def named(word: W, *, by: str) -> W:
    """Return a word that says by whom it was timed, whoever did so before.

    >>> named(Word(0, 9, "well", None, "review via letters"), by="ctc").engine
    'review via ctc'
    """
    return replace(word, engine=f"{word.engine.partition(' via ')[0]} via {by}")


def _utterances(words: Sequence[Word]) -> list[list[Word]]:
    """Return words in groups that follow each other closely."""
    groups: list[list[Word]] = []
    for word in words:
        open_ = (
            groups and word.start - groups[-1][-1].end < PAUSE and word.end - groups[-1][0].start <= LONGEST
        )
        if open_:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _said(words: Sequence[W], timed: Sequence[Timed], *, at: int, length: int, by: str) -> list[W]:
    """Return words with their times in a sound of `length` ms that begins at `at`, checked."""
    _check(timed, words, length=length, name=by)
    return [
        replace(named(word, by=by), start=at + each.start, end=at + each.end)
        for word, each in zip(words, timed, strict=True)
    ]


def _check(timed: Sequence[Timed], words: Sequence[Word], *, length: int, name: str) -> None:
    """Refuse times that are not one a word, in order and within the sound."""
    fault = ""
    if len(timed) != len(words):
        fault = f"{len(timed)} times came back"
    elif any(not 0 <= each.start < each.end <= length for each in timed):
        fault = f"a time lies outside the {length} ms heard"
    elif any(b.start < a.start for a, b in pairwise(timed)):
        fault = "the times are not in order"
    if fault:
        raise EngineError(
            f"align {len(words)} words from {words[0].start} ms with {name}",
            fault,
            "Choose another align engine in params/engines.yaml and report this one.",
        )
