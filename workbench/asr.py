"""Recognise speech: which words are said when.

Conventions
-----------
Speech is mono float32 of shape ``(n,)``. Times are integer ms from its start. The language is told; what
an engine takes it for is reported, and nothing more. No word is dropped for low confidence or doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from workbench import activity, audio
from workbench.audio import Sound
from workbench.errors import EngineError
from workbench.records import Hearing, Table, Word


@dataclass(frozen=True)
class Options:
    """``params/asr.yaml``; every key is required.

    Parameters
    ----------
    min_confidence : float
        A word below counts as doubtful, 0..1. It is kept all the same.
    terms : tuple of str
        Names and terms that are likely to be said, spelt as they should be written.
    align : tuple of str
        Transcribers whose words get their times from the engine of the kind ``align``.
    """

    min_confidence: float
    terms: tuple[str, ...]
    align: tuple[str, ...]


class Transcriber(Protocol):
    """Hears words, or reads them from what people gave."""

    name: str

    def words(
        self,
        speech: Sound,
        *,
        sr: int,
        language: str,
        spans: Sequence[activity.Span],
        terms: Sequence[str] = (),
    ) -> Iterable[Word]:
        """Return the words of a mono sound of shape ``(n,)`` in order of their starts.

        `spans` is where there is speech; `terms` are likely to be said, and heeded where the engine can.
        Raises `LanguageError` for a language it does not know.
        """


@runtime_checkable
class Identifier(Protocol):
    """A transcriber that tells which language it hears."""

    def language(self, speech: Sound, *, sr: int, spans: Sequence[activity.Span]) -> tuple[str, float]:
        """Return the language spoken in the spans, BCP 47, and its probability; "" for no spans."""


def transcribe(
    speech: Sound,
    *,
    sr: int,
    language: str,
    detector: activity.Detector,
    transcriber: Transcriber,
    terms: Sequence[str] = (),
) -> Iterator[Word]:
    """Yield the words of a mono sound, in order, each within the sound; none where nobody speaks.

    Raises
    ------
    EngineError
        Where a word has no text, ends before it starts, lies outside the sound, is out of order or has
        a confidence outside 0..1.
    """
    length = audio.milliseconds(len(speech), sr=sr)
    spans = detector.spans(speech, sr=sr)
    earlier = 0
    for heard in transcriber.words(speech, sr=sr, language=language, spans=spans, terms=terms):
        word = replace(heard, text=heard.text.strip(), end=min(heard.end, length))
        fault = _fault(word, earlier=earlier)
        if fault:
            raise EngineError(
                f"recognise speech with {transcriber.name}",
                f"the word {word.text!r} at {heard.start}-{heard.end} ms of {length} ms {fault}",
                "Choose another asr engine in params/engines.yaml and report this one.",
            )
        earlier = word.start
        yield word


def _fault(word: Word, *, earlier: int) -> str:
    if not word.text:
        return "has no text"
    if word.start < 0 or word.end <= word.start:
        return "lies outside the sound or has no length"
    if word.start < earlier:
        return f"comes after one that starts at {earlier} ms"
    if word.confidence is not None and not 0 <= word.confidence <= 1:
        return f"has the confidence {word.confidence}"
    return ""


def hearing(
    speech: Sound, *, sr: int, language: str, words: Sequence[Word], transcriber: Transcriber
) -> Table[Hearing]:
    """Return how the words were heard, in one row: the language told, and the one the engine hears."""
    if not isinstance(transcriber, Identifier):
        return Table(Hearing, [Hearing(transcriber.name, language, "", None)])
    spans = [(word.start, word.end) for word in words]
    found, probability = transcriber.language(speech, sr=sr, spans=spans)
    return Table(Hearing, [Hearing(transcriber.name, language, found, probability if found else None)])


def doubtful(words: Table[Word], *, opts: Options) -> Table[Word]:
    """Return the words that the recogniser may have invented, and those of too low a confidence."""
    return words.where(
        lambda word: (
            bool(word.doubt) or (word.confidence is not None and word.confidence < opts.min_confidence)
        )
    )
