"""Kokoro-82M v1.0: a small StyleTTS 2 network, run by ONNX Runtime on one thread.

Source: https://huggingface.co/hexgrad/Kokoro-82M, Apache-2.0; its ONNX form with 8-bit weights by
kokoro-onnx, https://github.com/thewh1teagle/kokoro-onnx, MIT. 24 kHz, 92 MB. English, Spanish, French,
Italian, Portuguese, Hindi, and with an accent Catalan and Galician; any voice speaks all of them.

A model is a folder with ``kokoro-v1.0.int8.onnx`` and ``voices/<name>.bin``. What stands in
``[[…]]`` is IPA. There is nothing random in the network: a seed changes nothing.
"""

from __future__ import annotations

import functools
import importlib.metadata
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from workbench import audio, content
from workbench.audio import Sound
from workbench.engines import espeak, installed, models
from workbench.engines.kokoro import pacing, phonemes
from workbench.engines.kokoro.network import FRAME, SAMPLE_RATE, STYLE, STYLES, TIMBRE, TOKENS, Network, Style
from workbench.errors import EngineError, SpeechError
from workbench.params import Count, Share
from workbench.records import EngineVoice

GRAPH = "kokoro-v1.0.int8.onnx"
SLOWEST, FASTEST = 0.6, 1.5  # rates; beyond them words are lost
CLOSE = 30  # ms by which a length may be missed: mended by silence, or by taking of the air behind a line
RENDERS = 4  # of a line that shall have a length; the second nearly always has it


@dataclass(frozen=True)
class KokoroOptions:
    """How Kokoro speaks, and who may be cast.

    Attributes
    ----------
    model : str
        Name of a folder in ``.cache/models``, or a path.
    level_db : float
        Level of every line's speech, dB re full scale.
    longest : int
        Phonemes spoken in one run, at most; a longer line is spoken in parts. Memory grows with them.
    pauses : dict
        Mark -> ms of silence put in where it ends a word, beside the 75 to 150 ms that the network leaves.
    natives : dict
        Language -> file of a voice -> its share, 0..1, of every voice's timbre in that language. A voice that
        learnt another language's sounds is understood better so; its pitch and its rhythm stay its own.
    voices : tuple of EngineVoice
        A voice is named as its file, and a blend of several as ``one+other``: their mean.
    """

    model: str
    level_db: float
    longest: Count
    pauses: dict[str, int]
    natives: dict[str, dict[str, Share]]
    voices: tuple[EngineVoice, ...]

    def __post_init__(self) -> None:
        if set(self.pauses) != set(pacing.MARKS):
            raise ValueError(f"pauses: there is one for each of {' '.join(pacing.MARKS)}, and no other")
        if unknown := self.natives.keys() - phonemes.SPEAKS.keys():
            raise ValueError(f"natives: {', '.join(sorted(unknown))} is none of {', '.join(phonemes.SPEAKS)}")


class Kokoro:
    """Speaks by ONNX Runtime; several threads may call it at once, and take turns."""

    name = "kokoro"
    licence = "Apache-2.0"
    requires = ("onnxruntime", "onnx", "espeak-ng")
    Options = KokoroOptions

    def __init__(self, options: KokoroOptions, *, given: Path | None) -> None:
        self.options = options
        self._line = functools.lru_cache(maxsize=256)(self._planned)
        self._style = functools.lru_cache(maxsize=64)(self._leaning)

    @classmethod
    def missing(cls, options: KokoroOptions) -> str | None:
        """Return what is missing and the command that brings it, or `None` where the engine is ready."""
        for package in ("onnxruntime", "onnx"):
            if not installed(package):
                return f"the package {package} is not installed; pip install {package}"
        return espeak.absent() or models.missing(options.model, (GRAPH, *_styles(options)))

    @cached_property
    def identity(self) -> str:
        """Versions, digests of the model and of the phonemes' program, and the options."""
        options = msgspec.json.encode(replace(self.options, model=""), order="sorted")
        return ", ".join(
            (
                f"onnxruntime {importlib.metadata.version('onnxruntime')}",
                f"{models.place(self.options.model).name} {models.digest(self.options.model)[:16]}",
                espeak.program(),
                f"options {content.address(options)[:8]}",
            )
        )

    def voices(self, language: str | None) -> tuple[EngineVoice, ...]:
        """Return the voices; they are the same in every language. Raises `LanguageError`."""
        accent = "" if language is None else phonemes.ACCENTED.get(phonemes.nearest(language), "")
        return tuple(replace(voice, accent=accent) for voice in self.options.voices)

    def speak(self, text: str, *, voice: str, language: str, rate: float, seed: int) -> tuple[Sound, int]:
        """Speak a text; see `tts.Synthesizer`. Nothing here is random, so that `seed` changes nothing.

        Raises
        ------
        SpeechError
            For a text in which there is nothing to pronounce, phonemes that the model does not know, or a
            rate beyond `SLOWEST` and `FASTEST`.
        LanguageError
            For a language that Kokoro does not speak.
        EngineError
            For an unknown voice, or a model that cannot be loaded.
        """
        if not SLOWEST <= rate <= FASTEST:
            raise SpeechError(
                f"speak at rate {rate}",
                "that is beyond its limits",
                f"Kokoro keeps to {SLOWEST} to {FASTEST}.",
            )
        return self._spoken(self._line(text, voice, language), rate), SAMPLE_RATE

    def duration(self, text: str, *, voice: str, language: str, rate: float) -> int:
        """Return about how long a text would be, in ms, without speaking it; see `tts.Paced`.

        Within about 200 ms, as voices die away; what a change of rate changes is exact to some 50. Raises as
        `speak` does.
        """
        line = self._line(text, voice, language)
        return audio.milliseconds(self._length(line, rate), sr=SAMPLE_RATE)

    def speak_in(
        self, text: str, *, voice: str, language: str, duration: int, seed: int
    ) -> tuple[Sound, int]:
        """Speak a text in exactly `duration` ms; see `tts.Paced`. Most lines are rendered twice.

        Raises
        ------
        SpeechError
            Where that needs a rate beyond `SLOWEST` and `FASTEST`, and as `speak` does.
        """
        line, wanted = self._line(text, voice, language), audio.samples(duration, sr=SAMPLE_RATE)
        aim = wanted
        for _ in range(RENDERS):
            rate = self._rate(line, aim)
            if rate is None:
                break
            y = self._spoken(line, rate)
            missed = wanted - y.size
            if abs(missed) <= audio.samples(CLOSE, sr=SAMPLE_RATE):
                return pacing.fitted(y, length=wanted), SAMPLE_RATE
            aim = self._length(line, rate) + missed
        longest, shortest = (
            audio.milliseconds(self._length(line, limit), sr=SAMPLE_RATE) for limit in (SLOWEST, FASTEST)
        )
        raise SpeechError(
            f"speak {text!r} in {duration} ms",
            f"it takes about {shortest} to {longest} ms",
            "Write a text that fits, or give it another length.",
        )

    def _rate(self, line: tuple[pacing.Run, ...], length: int) -> float | None:
        """Return the rate at which a line is nearest to a length in samples; `None` beyond the limits."""
        slow, fast = SLOWEST, FASTEST
        if not self._length(line, fast) - FRAME <= length <= self._length(line, slow) + FRAME:
            return None
        for _ in range(24):  # halvings: the last are far below a frame
            middle = (slow + fast) / 2
            slow, fast = (middle, fast) if self._length(line, middle) > length else (slow, middle)
        return min(slow, fast, key=lambda rate: abs(self._length(line, rate) - length))

    def _length(self, line: tuple[pacing.Run, ...], rate: float) -> int:
        return pacing.length(line, rate, silences=self.options.pauses)

    def _spoken(self, line: tuple[pacing.Run, ...], rate: float) -> Sound:
        pieces: list[Sound] = []
        for run in line:
            frames = run.frames(rate)
            y = self._network.sound(run.tokens, run.style, frames)
            pieces += [pacing.trimmed(pacing.paused(y, run.pauses(frames, self.options.pauses), rate=rate))]
            pieces += [pacing.silence(run.joint(self.options.pauses) / rate)] if run is not line[-1] else []
        return pacing.levelled(np.concatenate(pieces), level_db=self.options.level_db)

    def _planned(self, text: str, voice: str, language: str) -> tuple[pacing.Run, ...]:
        """Return a line as it will be spoken: its runs, with how long each phoneme lasts by nature."""
        if voice not in {known.name for known in self.options.voices}:
            raise EngineError(
                f"speak with the voice {voice!r}",
                "Kokoro has no such voice here",
                f"Its voices are: {', '.join(known.name for known in self.options.voices)}.",
            )
        tag = phonemes.nearest(language)
        spelt = phonemes.spell(text, tag=tag)
        runs = []
        for part in pacing.cut(spelt, longest=min(self.options.longest, STYLES)):
            tokens = tuple(TOKENS[letter] for letter in part)
            style = self._style(voice, tag)[len(tokens) - 1]
            runs.append(pacing.Run(part, tokens, style, self._network.durations(tokens, style)))
        if not runs:
            raise SpeechError(
                f"speak {text!r}", "there is nothing in it to pronounce", "Write words, or drop the line."
            )
        return tuple(runs)

    @cached_property
    def _network(self) -> Network:
        with models.loading(self.options.model) as folder:
            return models.shared("kokoro", str(folder.resolve()), load=lambda: Network(folder / GRAPH))

    def _leaning(self, voice: str, tag: str) -> Style:
        """Return a voice's styles in a language, shape ``(STYLES, STYLE)``: of a blend, the mean."""
        style = np.mean([self._table(name) for name in voice.split("+")], axis=0)
        for native, share in self.options.natives.get(tag, {}).items():
            if native not in voice.split("+"):
                style[:, :TIMBRE] += share * (self._table(native) - style)[:, :TIMBRE]
        return np.asarray(style, np.float32)

    def _table(self, name: str) -> Style:
        with models.loading(self.options.model) as folder:
            return np.fromfile(folder / "voices" / f"{name}.bin", "<f4").reshape(STYLES, STYLE)


def _styles(options: KokoroOptions) -> list[str]:
    """Return the files of all voices, natives too, in the model's folder."""
    cast = (name for voice in options.voices for name in voice.name.split("+"))
    natives = (name for shares in options.natives.values() for name in shares)
    return sorted({f"voices/{name}.bin" for name in (*cast, *natives)})
