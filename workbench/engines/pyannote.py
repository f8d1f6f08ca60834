"""Who speaks when, and speaker prints, by pyannote.audio (CNRS and pyannoteAI).

The library's own telemetry is switched off before it is loaded, and it may fetch nothing by itself: a
pipeline holds all its parts. Sounds are handed over in memory, so that
no decoder is needed. A model's files are read by torch, which executes what stands in them: use models from
their makers alone; ``workbench engines fetch`` checks that they came as published.
"""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench import audio
from workbench.activity import Span
from workbench.audio import Sound
from workbench.engines import installed, models
from workbench.engines.clustering import letters
from workbench.engines.models import devices
from workbench.errors import EngineError
from workbench.records import Turn

RATE = 16_000  # Hz
REQUIRES = ("pyannote.audio", "torch")
EMBEDDING = "embedding"  # folder of the pipeline's model of prints
WEIGHTS = "pytorch_model.bin"
BROKEN = (
    OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, ImportError, EOFError,
    pickle.UnpicklingError,
)  # fmt: skip


def missing(model: str, files: Sequence[str]) -> str | None:
    """Return what the engines of this module lack, or `None`."""
    absent = [package for package in REQUIRES if not installed(package)]
    if absent:
        return f"not installed: {', '.join(absent)}; run: pip install '.[gpu]'"
    return models.missing(model, files)


@contextmanager
def loading(model: str) -> Iterator[None]:
    """Keep the library silent and off the network, and say of a model that cannot be loaded why."""
    os.environ |= {"PYANNOTE_METRICS_ENABLED": "0", "HF_HUB_OFFLINE": "1"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyannote.audio.utils.dependencies import MissingDependency, WrongDependencyVersion

        try:
            yield
        except (*BROKEN, MissingDependency, WrongDependencyVersion) as error:
            if "out of memory" in str(error):
                raise
            raise EngineError(
                f"load the model {model} from {models.place(model)}",
                f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
                "Move that folder away and fetch the model again, or name one that this version of "
                "pyannote.audio reads.",
            ) from error


class Pyannote:
    """Turns by segmentation, speaker prints and clustering; one speaker at a time.

    Model: speaker-diarization-community-1. Licence: MIT, the model CC-BY-4.0. Languages: any. Memory: about
    2 GB. Sample rate: 16 kHz. Source: huggingface.co/pyannote, where its terms are accepted; the token to
    fetch it is in ``HF_TOKEN``.
    """

    name = "pyannote"
    requires = REQUIRES
    licence = "MIT, model CC-BY-4.0"

    @dataclass(frozen=True)
    class Options:
        """Its keys in ``params/engines.yaml``."""

        model: str  # a pipeline: a name in .cache/models, or a path
        device: str  # cpu, cuda or auto
        batch: int  # windows that the models read side by side

    def __init__(self, options: Options, *, given: Path | None) -> None:
        self.options, device = options, devices.resolve(options.device)
        with devices.memory("load the diarisation", lower="batch"), loading(options.model):
            import torch
            from pyannote.audio import Pipeline

            self.pipeline = Pipeline.from_pretrained(models.place(options.model))
            self.pipeline.segmentation_batch_size = options.batch
            self.pipeline.embedding_batch_size = options.batch
            self.pipeline.to(torch.device(device))

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return what is missing and the command that brings it, or `None`."""
        return missing(options.model, ["config.yaml"])

    def turns(self, speech: Sound, *, sr: int, spans: Sequence[Span], speakers: int | None) -> Iterator[Turn]:
        """Yield turns of a mono sound ``(n,)``; as `diarize.Diarizer` has it.

        They do not overlap. The pipeline finds speech by itself; where `spans` is empty there is none.
        """
        if not spans:
            return
        y, end = audio.resample(speech, sr=sr, to=RATE), audio.milliseconds(len(speech), sr=sr)
        with devices.memory("diarise", lower="batch"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torch

            sound = {"waveform": torch.from_numpy(y[None]), "sample_rate": RATE}
            found = self.pipeline(sound, num_speakers=speakers).exclusive_speaker_diarization
        names: dict[str, str] = {}
        for stretch, _, label in found.itertracks(yield_label=True):
            start, stop = max(0, round(stretch.start * 1000)), min(end, round(stretch.end * 1000))
            if start < stop:
                yield Turn(start, stop, names.setdefault(label, letters(len(names))), self.name)


class Embedding:
    """Speaker prints by the model that the diarisation pipeline clusters with.

    Model: WeSpeaker's ResNet34 inside speaker-diarization-community-1, 256 numbers. Licence: MIT, the model
    CC-BY-4.0. Languages: any. Memory: under 1 GB. Sample rate: 16 kHz. Source: huggingface.co/pyannote.
    """

    name = "pyannote"
    requires = REQUIRES
    licence = "MIT, model CC-BY-4.0"
    shortest = 200

    @dataclass(frozen=True)
    class Options:
        """Its keys in ``params/engines.yaml``."""

        model: str  # a pipeline: a name in .cache/models, or a path
        device: str  # cpu, cuda or auto
        window: int  # ms; a longer sound is read in parts
        same: float  # cosine similarity from which two of its prints are one voice

    def __init__(self, options: Options, *, given: Path | None) -> None:
        self.options, self.same, self.device = options, options.same, devices.resolve(options.device)
        with devices.memory("load the speaker prints", lower="window"), loading(options.model):
            import torch
            from pyannote.audio import Model

            self.model = Model.from_pretrained(models.place(options.model) / EMBEDDING)
            self.model.eval().to(torch.device(self.device))

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return what is missing and the command that brings it, or `None`."""
        return missing(options.model, [f"{EMBEDDING}/{WEIGHTS}"])

    def prints(self, sounds: Sequence[Sound], *, sr: int) -> Sound:
        """Return one print a sound, rows of unit length; as `references.PrintExtractor` has it.

        A sound longer than the window gets the mean over its parts. Raises `EngineError` for a sound that
        is too short.
        """
        rows = [self._print(y, sr=sr) for y in sounds]
        size = self.model.dimension
        return np.stack(rows) if rows else np.zeros((0, size), np.float32)

    def _print(self, y: Sound, *, sr: int) -> Sound:
        import torch

        if y.size < audio.samples(self.shortest, sr=sr):
            raise EngineError(
                "make a speaker print",
                f"the sound lasts {audio.milliseconds(y.size, sr=sr)} ms",
                f"Give at least {self.shortest} ms.",
            )
        y = audio.resample(y, sr=sr, to=RATE)
        parts = np.array_split(y, -(-y.size // audio.samples(self.options.window, sr=RATE)))
        with devices.memory("make speaker prints", lower="window"), torch.inference_mode():
            made = [
                self.model(torch.from_numpy(part[None, None]).to(self.device))[0].cpu().numpy()
                for part in parts
            ]
        total = np.sum([row / max(float(np.linalg.norm(row)), 1e-9) for row in made], axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)
