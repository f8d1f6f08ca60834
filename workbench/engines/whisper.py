"""Whisper by faster-whisper: a recogniser of a hundred languages, in batches, with word times.

Model: OpenAI Whisper (MIT licence) converted for CTranslate2, of any size, from
https://huggingface.co/Systran: ``faster-whisper-tiny`` (75 MB) to ``faster-whisper-large-v3`` (3 GB). It
writes punctuation, case and numerals. Sound: 16 kHz. Memory in float16: the size of the model and about
0.3 GB for each utterance of a batch; in int8 half of the model.

Where Whisper hears badly it may invent. Such words are marked with a doubt, and none is dropped. What is
doubted follows Radford et al. 2022, section 4.5; the limits of silence and log probability were chosen for
the model ``base`` on game effects without speech and on clean, noisy and telephone English.
"""

from __future__ import annotations

import logging
import math
from bisect import bisect, bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import langcodes
import msgspec
import numpy as np

from workbench import activity, audio
from workbench.audio import Sound
from workbench.engines import languages, models
from workbench.engines.models import devices
from workbench.engines.utterances import snapped, utterances
from workbench.errors import LanguageError
from workbench.params import Count
from workbench.records import Word

log = logging.getLogger(__name__)

RATE = 16000  # Hz, the model's own
WINDOW = 30_000  # ms the model hears at a time
SHORTEST = 20  # ms, the model's step: a word is no shorter
FILES = ("model.bin", "config.json", "tokenizer.json")
NO_SPEECH = "no speech"
BATCHES = 4  # whose spectrograms are in memory at a time
PHRASE = 8  # words of the longest phrase whose repetition is looked for


class FasterWhisper:
    """Recognises words (`asr.Transcriber`) and tells which language is spoken (`asr.Identifier`)."""

    name = "faster_whisper"
    requires = ("faster_whisper",)
    licence = "MIT"

    @dataclass(frozen=True)
    class Options:
        """What may be tuned.

        Parameters
        ----------
        model : str
            A model's name, or a path to its folder.
        device : str
            ``cpu``, ``cuda``, or ``auto`` for the better one there is.
        compute : str
            Type of the arithmetic, as CTranslate2 names it; ``auto`` for the fastest.
        batch : int
            Utterances recognised side by side.
        beam : int
            Hypotheses followed at a time.
        pad, gap, longest : int
            Of an utterance, ms; see `utterances`. The longest is 30 s at most.
        compression : float
            Text that zlib shrinks by more than this factor is doubted.
        no_speech, log_probability : float
            Doubted, too: an utterance with a higher probability of silence, 0..1, and a lower mean log
            probability of its text.
        repeats : int
            A phrase said so often in a row is doubted.
        snap : int
            Where the speech that was found begins or ends, the word there does too, if it is no further off
            than this, ms: Whisper's own times lie before the edges of what it is given. 0 leaves them.
        """

        model: str
        device: str
        compute: str
        batch: Count
        beam: Count
        pad: int
        gap: int
        longest: Annotated[int, msgspec.Meta(ge=1000, le=WINDOW)]
        compression: float
        no_speech: float
        log_probability: float
        repeats: Annotated[int, msgspec.Meta(ge=2)]
        snap: Annotated[int, msgspec.Meta(ge=0)]

    def __init__(self, options: Options, *, given: Path | None) -> None:
        from faster_whisper import WhisperModel

        self.options = options
        device = devices.resolve(options.device)
        with models.loading(options.model) as folder:
            self._model = models.shared(
                self.name, folder, device, options.compute,
                load=lambda: WhisperModel(str(folder), device=device, compute_type=options.compute),
            )  # fmt: skip
        log.info("engine_loaded %s", self.identity)

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return what is missing and the command that brings it, or `None`."""
        if find_spec("faster_whisper") is None:
            return "the package faster-whisper is not installed; run: pip install faster-whisper"
        return models.missing(options.model, FILES)

    @cached_property
    def identity(self) -> str:
        """The library's version, the model, its checksum, and where and how it runs."""
        inner = self._model.model
        return (
            f"{self.name} {version('faster-whisper')}, {Path(self.options.model).name} "
            f"{models.digest(self.options.model)[:16]}, {inner.device} {inner.compute_type}"
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
        """Yield the words heard inside the spans, in order; a doubt stands on those maybe invented.

        A sound of another rate than 16 kHz is resampled first. Terms are given to the model as if they
        had been said before.

        Raises
        ------
        LanguageError
            For a language that the model does not know.
        EngineError
            Where memory is too short for the batch.
        """
        code = self._code(language)
        y = audio.resample(speech, sr=sr, to=RATE)
        o = self.options
        heard = utterances(y, sr=RATE, spans=spans, pad=o.pad, gap=o.gap, longest=o.longest)
        return self._heard(y, heard, activity.union(spans), code=code, prompt=", ".join(terms) or None)

    def language(self, speech: Sound, *, sr: int, spans: Sequence[activity.Span]) -> tuple[str, float]:
        """Return the language of the first half minute of speech, BCP 47, and its probability.

        What lies between the spans is not heard, and shorter speech is heard again until the window is full:
        music or silence in it would be taken for a language too.
        """
        y = audio.resample(speech, sr=sr, to=RATE)
        found = activity.intersection(spans, [(0, audio.milliseconds(len(y), sr=RATE))])
        if not found:
            return "", 0.0
        if not self._model.model.is_multilingual:
            return "en", 1.0
        said = np.concatenate([y[slice(*(audio.samples(ms, sr=RATE) for ms in span))] for span in found])
        heard = np.resize(said, audio.samples(WINDOW, sr=RATE))
        code, probability, _ = self._model.detect_language(heard)
        return str(langcodes.Language.get(code)), round(float(probability), 4)

    def _code(self, language: str) -> str:
        known = {str(langcodes.Language.get(code)): code for code in self._model.supported_languages}
        match = langcodes.Language.get(language).language
        if match not in known:
            match = languages.match(language, known)
        if match is None:
            raise LanguageError(
                f"recognise speech in {language!r} with {self.name}",
                f"the model {self.options.model} knows {len(known)} languages, and not this one",
                "Name a model of many languages in params/engines.yaml, or give a transcript.",
            )
        code: str = known[match]
        return code

    def _heard(
        self,
        y: Sound,
        heard: Sequence[activity.Span],
        speech: Sequence[activity.Span],
        *,
        code: str,
        prompt: str | None,
    ) -> Iterator[Word]:
        from faster_whisper import BatchedInferencePipeline

        o = self.options
        starts, ends = [start for start, _ in speech], [end for _, end in speech]
        for at in range(0, len(heard), BATCHES * o.batch):
            stretch = heard[at : at + BATCHES * o.batch]
            with devices.memory("recognise speech", lower="batch or model of faster_whisper"):
                segments, _ = BatchedInferencePipeline(self._model).transcribe(
                    y,
                    language=code,
                    beam_size=o.beam,
                    temperature=0.0,
                    initial_prompt=prompt,
                    word_timestamps=True,
                    clip_timestamps=[
                        {"start": start / 1000, "end": min(end / 1000, len(y) / RATE)}  # a ms may round up
                        for start, end in stretch
                    ],
                    batch_size=o.batch,
                )
                found = list(segments)
            of = [min(stretch, key=lambda span: abs(span[0] - 10 * segment.seek)) for segment in found]
            for span in stretch:
                within = [segment for segment, own in zip(found, of, strict=True) if own == span]
                edges = speech[bisect(ends, span[0]) : bisect_left(starts, span[1])]
                yield from snapped(list(self._words(within, span)), edges, within=o.snap, least=SHORTEST)

    def _words(self, segments: Sequence[Any], span: activity.Span) -> Iterator[Word]:
        """Return an utterance's words, each inside it, in order, and no shorter than a step."""
        said = [(word, segment) for segment in segments for word in segment.words if word.word.strip()]
        again = repeated([word.word.strip() for word, _ in said], times=self.options.repeats)
        earlier, last = span[0], span[1] - SHORTEST
        for index, (word, segment) in enumerate(said):
            start = earlier = max(0, min(max(round(1000 * word.start), earlier), last))
            yield Word(
                start=start,
                end=max(min(round(1000 * word.end), span[1]), start + SHORTEST),
                text=word.word.strip(),
                confidence=_probability(word.probability),
                engine=self.name,
                doubt=self._doubt(segment, repeats=index in again),
            )

    def _doubt(self, segment: Any, *, repeats: bool) -> str:
        o = self.options
        if segment.no_speech_prob > o.no_speech and segment.avg_logprob < o.log_probability:
            return NO_SPEECH
        if repeats:
            return "repetition"
        return "compression" if segment.compression_ratio > o.compression else ""


def repeated(texts: Sequence[str], *, times: int) -> set[int]:
    """Return the places of words in phrases of up to eight words said `times` in a row or more.

    >>> sorted(repeated("so it goes it goes it goes on".split(), times=3))
    [1, 2, 3, 4, 5, 6]
    """
    folded, found = [text.casefold() for text in texts], set()
    for n in range(1, PHRASE + 1):
        run = 0  # how many words in a row are the same as n words before
        for at in range(n, len(folded)):
            run = run + 1 if folded[at] == folded[at - n] else 0
            if run >= n * (times - 1):
                found |= set(range(at - n * times + 1, at + 1))
    return found


def _probability(value: float) -> float | None:
    return round(min(float(value), 1.0), 4) if math.isfinite(value) else None
