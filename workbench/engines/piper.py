"""Voices by Piper: small VITS networks run by ONNX Runtime, several times faster than speech on a CPU.

Source: https://github.com/OHF-Voice/piper1-gpl, GPL-3.0-or-later, in an extra of its own and imported only
where it is chosen. Voices: https://huggingface.co/rhasspy/piper-voices, each with its own licence, in some
50 languages, 16 or 22.05 kHz, 20 to 110 MB on disk and about as much memory.

A voice is a folder ``<name>`` with ``<name>.onnx`` and ``<name>.onnx.json``. What stands in ``[[…]]`` is IPA.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from workbench.audio import Sound
from workbench.engines import languages, models
from workbench.errors import EngineError, SpeechError
from workbench.params import Share
from workbench.records import EngineVoice

if TYPE_CHECKING:
    from piper import PiperVoice, SynthesisConfig


@dataclass(frozen=True)
class CastVoice:
    """One voice to cast, and who speaks for it in each language.

    Attributes
    ----------
    name : str
        What castings call it.
    sex : str
        ``f``, ``m``, or empty.
    pitch_hz : float or None
        Median fundamental, where somebody has measured it.
    speaks : dict
        BCP 47 -> name of a folder in ``.cache/models``, or a path; of several speakers, ``name#speaker``.
    """

    name: str
    sex: Literal["f", "m", ""]
    pitch_hz: float | None
    speaks: dict[str, str]


@dataclass(frozen=True)
class PiperOptions:
    """Which voices there are, and how they speak.

    Attributes
    ----------
    voices : tuple of CastVoice
        Those that may be cast.
    noise : float
        How much the sound of a line varies at random, 0..1. Above 0 a voice is loaded anew for each
        line, so that it draws the same numbers each time; that takes about as long as to speak it.
    noise_w : float
        The same for how long the phonemes last.
    """

    voices: tuple[CastVoice, ...]
    noise: Share
    noise_w: Share


class Piper:
    """Speaks by piper-tts; several threads may call it at once."""

    name = "piper"
    licence = "GPL-3.0"
    requires = ("piper",)
    Options = PiperOptions

    def __init__(self, options: PiperOptions, *, given: Path | None) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._voices: dict[str, PiperVoice] = {}

    @classmethod
    def missing(cls, options: PiperOptions) -> str | None:
        """Return what is missing and the command that brings it, or `None` where the engine is ready."""
        if importlib.util.find_spec("piper") is None:
            return "the package piper-tts is not installed; pip install '.[piper]'"
        reasons = (models.missing(name, _files(name)) for name in _names(options))
        return next((reason for reason in reasons if reason), None)

    @classmethod
    def model_names(cls, options: PiperOptions) -> tuple[str, ...]:
        """Return the models of all voices."""
        return tuple(_names(options))

    @cached_property
    def identity(self) -> str:
        """Versions, a digest of the voices' files, who speaks for whom, and the noise."""
        versions = [f"{name} {importlib.metadata.version(name)}" for name in ("piper-tts", "onnxruntime")]
        speaks = [
            (voice.name, tag, models.place(spec.partition("#")[0]).name, spec.partition("#")[2])
            for voice in self.options.voices
            for tag, spec in sorted(voice.speaks.items())
        ]
        digests = [models.digest(name)[:16] for name in _names(self.options)]
        noise = f"noise {self.options.noise} {self.options.noise_w}"
        return ", ".join(
            (*versions, *digests, hashlib.sha256(repr(sorted(speaks)).encode()).hexdigest()[:8], noise)
        )

    def voices(self, language: str | None) -> tuple[EngineVoice, ...]:
        """Return the voices that speak a language, or all. Raises `LanguageError` where none does."""
        speaking = [
            voice
            for voice in self.options.voices
            if language is None or languages.match(language, voice.speaks)
        ]
        if language is not None and not speaking:
            known = {tag for voice in self.options.voices for tag in voice.speaks}
            languages.nearest(language, known, engine="Piper")
        return tuple(EngineVoice(voice.name, voice.sex, voice.pitch_hz) for voice in speaking)

    def speak(self, text: str, *, voice: str, language: str, rate: float, seed: int) -> tuple[Sound, int]:
        """Speak a text; see `tts.Synthesizer`.

        Raises
        ------
        SpeechError
            For a text in which there is nothing to pronounce, phoneme brackets left open, or a phoneme
            that the voice was not trained on.
        LanguageError
            For a language that the voice does not speak.
        EngineError
            For an unknown voice, or one whose file cannot be loaded.
        """
        cast = {known.name: known for known in self.options.voices}.get(voice)
        if cast is None:
            raise EngineError(
                f"speak with the voice {voice!r}",
                "Piper has no such voice here",
                f"Its voices are: {', '.join(known.name for known in self.options.voices)}.",
            )
        if text.count("[[") != text.count("]]"):
            raise SpeechError(
                f"speak {text!r}", "a [[ of phonemes has no ]]", "Close it in the pronunciation lexicon."
            )
        tag = languages.nearest(language, cast.speaks, engine=f"Piper's voice {voice}")
        model, _, speaker = cast.speaks[tag].partition("#")
        network = self._loaded(model, seed)
        settings = self._settings(network, speaker, model=model, rate=rate)
        sentences = [sentence for sentence in network.phonemize(text) if any(p.isalpha() for p in sentence)]
        if not sentences:
            raise SpeechError(
                f"speak {text!r}", "there is nothing in it to pronounce", "Write words, or drop the line."
            )
        if unknown := {p for sentence in sentences for p in sentence} - network.config.phoneme_id_map.keys():
            raise SpeechError(
                f"speak {text!r}",
                f"the voice {model} has no sound for {' '.join(sorted(unknown))}",
                "Write other phonemes in the pronunciation lexicon.",
            )
        ids = [network.phonemes_to_ids(sentence) for sentence in sentences]
        y: Sound = np.hstack([np.asarray(network.phoneme_ids_to_audio(each, settings)) for each in ids])
        return (y / max(1.0, float(np.abs(y).max()))).astype(np.float32), network.config.sample_rate

    def _settings(self, network: PiperVoice, speaker: str, *, model: str, rate: float) -> SynthesisConfig:
        from piper import SynthesisConfig

        known = network.config.speaker_id_map
        if speaker and speaker not in known:
            raise EngineError(
                f"speak with the speaker {speaker!r} of {model}",
                "the voice has no such speaker",
                f"It has: {', '.join(known) or 'one, without a name'}.",
            )
        return SynthesisConfig(
            speaker_id=known[speaker] if speaker else None,
            length_scale=network.config.length_scale / rate,
            noise_scale=self.options.noise,
            noise_w_scale=self.options.noise_w,
        )

    def _loaded(self, model: str, seed: int) -> PiperVoice:
        """Return a voice: the one that is there, or with noise one that starts from the seed."""
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failed
        from piper import PiperVoice

        noisy = self.options.noise > 0 or self.options.noise_w > 0
        with self._lock:
            if model in self._voices and not noisy:
                return self._voices[model]
            onnxruntime.set_seed(seed)
            try:
                voice = PiperVoice.load(models.place(model) / _files(model)[0])
            except (failed.Fail, failed.InvalidGraph, failed.InvalidProtobuf, failed.RuntimeException,
                    OSError, LookupError, TypeError, ValueError) as error:  # fmt: skip
                raise EngineError(
                    f"load the voice {model}",
                    f"{type(error).__name__}: {error}",
                    "Its .onnx and .onnx.json do not fit each other or this piper-tts: fetch them again.",
                ) from error
            self._voices[model] = voice
            return voice


def _names(options: PiperOptions) -> list[str]:
    """Return the models of all voices."""
    return sorted({spec.partition("#")[0] for voice in options.voices for spec in voice.speaks.values()})


def _files(model: str) -> tuple[str, str]:
    """Return the two files of a model: the network and its settings."""
    name = models.place(model).name
    return f"{name}.onnx", f"{name}.onnx.json"
