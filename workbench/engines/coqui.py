"""Voices by coqui-tts: XTTS v2, which imitates a voice from its clips, and VITS.

Source: https://github.com/idiap/coqui-ai-TTS, MPL-2.0, imported as ``TTS``.

XTTS v2 (https://huggingface.co/coqui/XTTS-v2): licence CPML, not for commercial use; 17 languages: en es
fr de it pt pl tr ru nl cs ar zh ja hu ko hi; 24 kHz; 2 GB on disk and about as much memory.
VITS (the releases of coqui-tts): each model has its own licence and one language; mostly 22.05 kHz; 0.2
GB on disk, 0.5 GB of memory.

A model is a folder with ``config.json`` and ``model.pth`` (some VITS: ``model_file.pth``); XTTS has
``vocab.json`` too, and ``speakers_xtts.pth`` where it brings voices of its own.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import pickle
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from workbench import audio
from workbench.audio import Reference, Sound
from workbench.engines import coqui_networks as networks
from workbench.engines import languages, models
from workbench.engines.coqui_networks import Vits, Xtts
from workbench.engines.models import devices
from workbench.errors import EngineError, SpeechError
from workbench.records import EngineVoice

LICENCES = {"CPML": "https://coqui.ai/cpml"}  # those that must be accepted, and where they stand
SHORTEST_REFERENCE = 330  # ms
DRAWS = threading.RLock()  # one process has one source of random numbers
# What coqui-tts and PyTorch raise for files that do not fit each other
MISFITS = (RuntimeError, OSError, pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError,
           AttributeError, AssertionError)  # fmt: skip
FAILURES = (RuntimeError, IndexError, AssertionError)  # what they raise for a line that cannot be spoken


@dataclass(frozen=True)
class CoquiOptions:
    """Which model speaks, and where.

    Attributes
    ----------
    model : str
        Name of a folder in ``.cache/models``, or a path.
    languages : tuple of str
        BCP 47; what the model speaks, where its own settings do not say so or are wrong; else empty.
    device : str
        ``cpu``, ``cuda``, or ``auto``: CUDA where there is one.
    accept_licence : bool
        Whether you have read the licence of an XTTS and agree.
    """

    model: str
    languages: tuple[str, ...]
    device: Literal["auto", "cpu", "cuda"]
    accept_licence: bool


class Coqui:
    """Speaks by XTTS or VITS; several threads may call it, and one line is spoken at a time."""

    name = "coqui"
    licence = "MPL-2.0; XTTS: CPML"
    requires = ("TTS", "torch")
    Options = CoquiOptions

    def __init__(self, options: CoquiOptions, *, given: Path | None) -> None:
        self.options = options
        self.folder = models.place(options.model)
        self._tags: dict[str, str] = {}

    @classmethod
    def missing(cls, options: CoquiOptions) -> str | None:
        """Return what is missing, or `None`: the package, a whole model, or the licence's acceptance."""
        if not all(importlib.util.find_spec(package) for package in cls.requires):
            return "the package coqui-tts is not installed; pip install '.[gpu]'"
        if reason := models.missing(options.model, ("config.json",)):
            return reason
        folder = models.place(options.model)
        try:
            kind = networks.settings(folder).get("model")
        except EngineError as error:
            return f"{error.asked}: {error.found}; fetch the model again"
        if kind not in networks.NETWORKS:
            return (
                f"the model {options.model} is a {kind}; this engine runs {' and '.join(networks.NETWORKS)}"
            )
        if reason := models.missing(options.model, networks.NETWORKS[kind].files(folder)):
            return reason
        if not zipfile.is_zipfile(networks.weights(folder)):
            return (
                f"{networks.weights(folder)} was cut short or is damaged; remove it and fetch the model again"
            )
        licence = networks.NETWORKS[kind].licence
        if licence and not options.accept_licence:
            return (
                f"the licence {licence} of {options.model} is not accepted; read {LICENCES[licence]}, and if "
                "you agree write accept_licence: true in params/engines.yaml, tts, options, coqui"
            )
        return None

    @property
    def clones(self) -> bool:
        """XTTS imitates a voice from clips, VITS does not."""
        return self._kind is Xtts

    @cached_property
    def identity(self) -> str:
        """Versions, digest of the model, device, and the licence that was accepted."""
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("coqui-tts", "torch"))
        model = f"{self.folder.name} {models.digest(self.options.model)[:16]}"
        licence = f", licence {self._kind.licence} accepted" if self._kind.licence else ""
        return f"{versions}, {model}, {devices.resolve(self.options.device)}{licence}"

    def voices(self, language: str | None) -> tuple[EngineVoice, ...]:
        """Return the voices that the model brings, the same in each of its languages."""
        if language is not None:
            self._language(language)
        return tuple(EngineVoice(name, "", None) for name in self._names)

    def speak(self, text: str, *, voice: str, language: str, rate: float, seed: int) -> tuple[Sound, int]:
        """Speak a text; see `tts.Synthesizer`.

        Raises
        ------
        SpeechError
            For a text in which there is nothing to pronounce, which holds phonemes or letters that the
            model does not read, or on which it does not come to an end.
        LanguageError
            For a language that the model does not speak.
        EngineError
            For an unknown voice, a model that cannot be loaded, or want of memory.
        """
        if voice not in self._names:
            raise EngineError(
                f"speak with the voice {voice!r}",
                f"{self.options.model} has no such voice",
                f"Its voices are: {', '.join(self._names) or 'none'}.",
            )
        return self._spoken(text, voice, language=language, rate=rate, seed=seed)

    def imitate(
        self, text: str, *, reference: Reference, language: str, rate: float, seed: int
    ) -> tuple[Sound, int]:
        """Speak a text in the voice of clips; see `tts.Cloner`. Raises as `speak` does."""
        if not self.clones:
            raise EngineError(
                "imitate a voice", f"{self.options.model} cannot", "Choose XTTS, or cast a voice it has."
            )
        length = audio.milliseconds(sum(clip.size for clip in reference.clips), sr=reference.sr)
        if length < SHORTEST_REFERENCE:
            raise SpeechError(
                "imitate a voice",
                f"its clips hold {length} ms",
                f"Give at least {SHORTEST_REFERENCE} ms, better 6 s.",
            )
        return self._spoken(text, reference, language=language, rate=rate, seed=seed)

    def _spoken(
        self, text: str, voice: str | Reference, *, language: str, rate: float, seed: int
    ) -> tuple[Sound, int]:
        if "[[" in text:
            raise SpeechError(
                f"speak {text!r}",
                f"{self.options.model} reads letters and no phonemes",
                "Spell the word as it sounds in the pronunciation lexicon.",
            )
        if not networks.speakable(text):
            raise SpeechError(
                f"speak {text!r}", "there is nothing in it to pronounce", "Write words, or drop the line."
            )
        tag = self._language(language)
        with DRAWS:
            model = self._model
            try:
                with (
                    _seeded(seed, threads=self._threads),
                    devices.memory(f"speak {text!r}", lower="the length of that line"),
                ):
                    y = model.say(text, voice, language=tag, rate=rate)
            except FAILURES as error:
                raise SpeechError(
                    f"speak {text!r}",
                    f"the model failed: {type(error).__name__}: {error}",
                    "Change the line, or the seed in params/tts.yaml.",
                ) from error
        return np.ascontiguousarray(y, dtype=np.float32), model.sample_rate

    def _language(self, language: str) -> str:
        """Return the model's own tag of a language; it is looked up once."""
        if language not in self._tags:
            known = self.options.languages or self._settings.get("languages") or ()
            self._tags[language] = languages.nearest(language, known, engine=self.options.model)
        return self._tags[language]

    @cached_property
    def _threads(self) -> int:
        import torch

        found: int = torch.get_num_threads()
        return found

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return networks.settings(self.folder)

    @cached_property
    def _kind(self) -> type[Xtts] | type[Vits]:
        return networks.NETWORKS[self._settings["model"]]

    @cached_property
    def _names(self) -> list[str]:
        return self._kind.names(self.folder)

    @cached_property
    def _model(self) -> Xtts | Vits:
        import torch

        device = devices.resolve(self.options.device)
        if device == "cuda" and not torch.cuda.is_available():
            raise EngineError(
                "use the device 'cuda'",
                f"torch {torch.__version__} sees none",
                "Install the torch of the extra gpu, or write device: cpu in params/engines.yaml.",
            )
        try:
            held = models.size(self.options.model)
            with devices.memory(f"load {self.options.model}", lower="the size of the model", size=held):
                return models.shared(
                    self.name, self.folder, device, load=lambda: self._kind(self.folder, device)
                )
        except MISFITS as error:
            raise EngineError(
                f"load the model {self.options.model}",
                f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
                "Its files do not fit each other or this coqui-tts: fetch the model again.",
            ) from error


@contextmanager
def _seeded(seed: int, *, threads: int) -> Iterator[None]:
    """Draw and round the same each time, and leave the process as it was.

    How many threads share a sum decides how it is rounded, and each thread has a number of its own.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with (
            torch.random.fork_rng(devices=range(torch.cuda.device_count())),
            torch.backends.cudnn.flags(enabled=True, deterministic=True),
        ):
            # not torch.manual_seed, which notes the whole stack for each kind of device that is absent
            torch.default_generator.manual_seed(seed)
            if torch.cuda.is_available():
                torch.cuda.manual_seed_all(seed)
            yield
    finally:
        torch.set_num_threads(before)
