"""Separation by Demucs: a network hears the film and gives back its vocals and everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from workbench import audio
from workbench.activity import Span
from workbench.audio import Sound
from workbench.engines import installed, models
from workbench.engines.models import devices
from workbench.errors import EngineError

VOICE = "vocals"
REQUIRES = ("demucs", "safetensors", "torch")


class _Bag(msgspec.Struct):
    """``<name>.yaml`` in the model's folder: which networks are heard, and how much each counts."""

    models: list[str]
    weights: list[list[float]] | None = None


class Demucs:
    """The bed is the programme without what the network takes for vocals.

    Model: Hybrid Transformer Demucs (Rouard et al., 2023). Licence: MIT. Languages: any; trained on music,
    so that shouts and whispers may stay in the bed. Memory: about 3 GB. Sample rate: 44.1 kHz, stereo.
    Source: huggingface.co/adefossez, in the safetensors form, which executes nothing.
    """

    name = "demucs"
    requires = REQUIRES
    licence = "MIT"
    splits = True

    @dataclass(frozen=True)
    class Options:
        """Its keys in ``params/engines.yaml``."""

        model: str  # a name in .cache/models, or a path to such a folder
        device: str  # cpu, cuda or auto
        segment: float  # s that the network hears at once, no more than it was trained on
        overlap: float  # part of a segment that the next one hears too, 0..1

    def __init__(self, options: Options, *, given: Path | None) -> None:
        self.options, self.device = options, devices.resolve(options.device)
        folder = models.place(options.model)
        from safetensors import SafetensorError

        try:
            with devices.memory("load the separator", lower="segment"):
                from demucs.apply import BagOfModels
                from demucs.hf import load_safetensors_model

                (file,) = folder.glob("*.yaml")
                bag = msgspec.yaml.decode(file.read_bytes(), type=_Bag)
                networks = [load_safetensors_model(folder / f"{name}.safetensors") for name in bag.models]
                self.model = BagOfModels(networks, bag.weights).eval()
            self._voice = self.model.sources.index(VOICE)
        except (
            OSError,
            RuntimeError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            SafetensorError,
        ) as error:
            raise EngineError(
                f"load the model {options.model} from {folder}",
                f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
                "Move that folder away and fetch the model again.",
            ) from error

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return what is missing and the command that brings it, or `None`."""
        absent = [package for package in REQUIRES if not installed(package)]
        if absent:
            return f"not installed: {', '.join(absent)}; run: pip install '.[demucs]'"
        return models.missing(options.model, [])

    def bed(self, programme: Sound, *, sr: int, spans: Sequence[Span]) -> tuple[Sound, list[Span]]:
        """Return the bed, ducked nowhere; as `separate.Separator` has it.

        The network hears two channels. Of each further pair its own vocals are taken away, and of a single
        channel their mean.
        """
        if not programme.shape[1]:
            return programme.copy(), []
        pairs = [programme[n : n + 2] for n in range(0, len(programme), 2)]
        return np.concatenate([pair - self._vocals(pair, sr=sr) for pair in pairs]), []

    def _vocals(self, pair: Sound, *, sr: int) -> Sound:
        import torch
        from demucs.apply import apply_model

        y = audio.resample(pair, sr=sr, to=self.model.samplerate)
        mean, spread = float(y.mean()), max(float(y.std()), 1e-8)
        heard = torch.from_numpy((np.broadcast_to(y, (2, y.shape[1])) - mean) / spread)
        with devices.memory("separate", lower="segment"):
            stems = apply_model(
                self.model,
                heard[None],
                shifts=0,
                segment=self.options.segment,
                overlap=self.options.overlap,
                device=self.device,
            )
        vocals = stems[0, self._voice].cpu().numpy() * spread + mean
        vocals = vocals.mean(axis=0, keepdims=True) if len(pair) == 1 else vocals
        back = audio.resample(vocals, sr=self.model.samplerate, to=sr)
        out = np.zeros_like(pair)
        n = min(pair.shape[1], back.shape[1])
        out[:, :n] = back[:, :n]
        return out
