"""PocketSphinx: an English recogniser and aligner whose model lies inside its wheel.

Model: CMU Sphinx en-us, acoustic and language model with the CMU dictionary (BSD licence). It writes
words of a dictionary in lower case, without punctuation or numerals.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import langcodes
import numpy as np

from workbench import activity, audio
from workbench.audio import Sound
from workbench.engines.utterances import utterances
from workbench.errors import LanguageError
from workbench.records import Timed, Word

RATE = 16000  # Hz, the model's own
FRAME_MS = 10  # the recogniser's step
FILLER = re.compile(r"[<\[+].*")  # <s>, <sil>, [NOISE], [SPEECH], ++UM++: heard, but no word
PART = re.compile(r"[a-z]+(?:'[a-z]+)*|[0-9]")
DIGITS = {
    "0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven",
    "8": "eight", "9": "nine",
}  # fmt: skip
ALTERNATE = re.compile(r"\(\d+\)$")  # "the(2)" is the second way to pronounce "the"
PHONES = {
    "th": "TH", "sh": "SH", "ch": "CH", "ph": "F", "ck": "K", "ng": "NG", "ee": "IY", "oo": "UW",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH",
    "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T",
    "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
LETTERS = re.compile("|".join(PHONES))
MISSING = "the package pocketsphinx is not installed; run: pip install pocketsphinx"


class Sphinx:
    """Recognises English words (`asr.Transcriber`)."""

    name = "pocketsphinx"
    requires = ("pocketsphinx",)
    licence = "BSD-2-Clause"

    @dataclass(frozen=True)
    class Options:
        """What may be tuned.

        Parameters
        ----------
        pad : int
            Sound heard before and after each span of speech, ms.
        gap : int
            Pauses up to this stay inside one utterance, ms.
        longest : int
            A longer utterance is cut at its quietest point, ms.
        """

        pad: int
        gap: int
        longest: int

    def __init__(self, options: Options, *, given: Path | None) -> None:
        self.options = options

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return what is missing and the command that brings it, or `None`."""
        return MISSING if find_spec("pocketsphinx") is None else None

    @classmethod
    def foreign(cls, options: Options, *, source: str, target: str | None) -> LanguageError | None:
        """Return why it cannot work in a language, or `None`."""
        if langcodes.Language.get(source).language == "en":
            return None
        return LanguageError(
            f"recognise speech in {source!r} with {cls.name}",
            "its model knows English alone",
            "Put a transcript into given/ and choose the asr engine subtitles, or, where its models "
            "are, a Whisper engine.",
        )

    def words(
        self,
        speech: Sound,
        *,
        sr: int,
        language: str,
        spans: Sequence[activity.Span],
        terms: Sequence[str] = (),
    ) -> Iterable[Word]:
        """Yield the words heard inside the spans, in order, with their posterior as confidence.

        A sound of another rate than 16 kHz is resampled first. Terms cannot be heeded.

        Raises
        ------
        LanguageError
            For any language but English.
        """
        if fault := self.foreign(self.options, source=language, target=None):
            raise fault
        y = audio.resample(speech, sr=sr, to=RATE)
        return self._heard(y, utterances(y, sr=RATE, spans=spans, **asdict(self.options)))

    def _heard(self, y: Sound, spans: Sequence[activity.Span]) -> Iterator[Word]:
        import pocketsphinx

        decoder = pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL")
        for start, end in spans:
            for segment in _segments(decoder, y[audio.samples(start, sr=RATE) : audio.samples(end, sr=RATE)]):
                yield Word(
                    start=start + segment.start_frame * FRAME_MS,
                    end=min(start + (segment.end_frame + 1) * FRAME_MS, end),
                    text=ALTERNATE.sub("", segment.word),
                    confidence=round(min(segment.prob, 1.0), 4),
                    engine=self.name,
                )


class SphinxAligner:
    """Finds English words in a sound (`align.Aligner`).

    A word that is not in the dictionary is sought by a rough reading of its letters, which its neighbours
    keep in place.
    """

    name = "pocketsphinx"
    requires = ("pocketsphinx",)
    licence = "BSD-2-Clause"

    @dataclass(frozen=True)
    class Options:
        """There is nothing to tune."""

    def __init__(self, options: Options, *, given: Path | None) -> None:
        import pocketsphinx

        self._decoder = pocketsphinx.Decoder(samprate=RATE, lm=None, loglevel="FATAL")
        self._alone = threading.Lock()  # a decoder hears one sound at a time

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return what is missing and the command that brings it, or `None`."""
        return MISSING if find_spec("pocketsphinx") is None else None

    @property
    def identity(self) -> str:
        """The version of the package, which holds the model."""
        return f"pocketsphinx {version('pocketsphinx')}"

    def knows(self, language: str) -> bool:
        """Return whether the language is English."""
        return langcodes.Language.get(language).language == "en"

    def times(self, speech: Sound, *, sr: int, words: Sequence[str]) -> list[Timed] | None:
        """Return when each word is said; `None` where they cannot be found, all and in order.

        A word without a letter or a digit takes no time of its own: one frame beside its neighbour.
        """
        y = audio.resample(speech, sr=sr, to=RATE)
        spoken = [_spoken(word) for word in words]
        if not any(spoken):
            return None
        with self._alone:
            for token in dict.fromkeys(token for tokens in spoken for token in tokens):
                if self._decoder.lookup_word(token) is None:
                    self._decoder.add_word(token, _rough(token), True)
            self._decoder.set_align_text(" ".join(token for tokens in spoken for token in tokens))
            found = [(each.start_frame, each.end_frame + 1) for each in _segments(self._decoder, y)]
        if len(found) != sum(map(len, spoken)):
            return None
        end = audio.milliseconds(len(speech), sr=sr)
        edges, at, timed = iter(found), 0, []
        for tokens in spoken:
            own = [next(edges) for _ in tokens] or [(at, at + 1)]
            at = own[-1][1]
            start = min(own[0][0] * FRAME_MS, end - 1)
            timed.append(Timed(start, max(start + 1, min(at * FRAME_MS, end)), None))
        return timed


def _segments(decoder: Any, y: Sound) -> list[Any]:
    """Return what a decoder hears in an utterance, without silences and noises."""
    if not len(y):
        return []
    pcm = np.round(np.clip(y, -1, 1) * 32767).astype("<i2").tobytes()
    decoder.reinit_feat()  # each utterance is heard afresh, whatever came before it
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    return [segment for segment in decoder.seg() or () if not FILLER.match(segment.word)]


def _spoken(word: str) -> list[str]:
    """Return a word as the dictionary writes it: small letters, digits one by one."""
    plain = unicodedata.normalize("NFKD", word.replace("’", "'")).encode("ascii", "ignore").decode().lower()
    return [DIGITS.get(part, part) for part in PART.findall(plain)]


def _rough(token: str) -> str:
    """Return a pronunciation in the dictionary's phones, letter by letter.

    >>> _rough("shax")
    'SH AE K S'
    """
    return " ".join(PHONES[letters] for letters in LETTERS.findall(token.replace("'", "")))
