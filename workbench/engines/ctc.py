"""Alignment by a CTC model: any network of transformers that writes letters, in any language it knows.

Model: for instance wav2vec2-base-960h by Meta (English, Apache-2.0, 0.4 GB,
https://huggingface.co/facebook/wav2vec2-base-960h), or one of another language. Sound: 16 kHz. Memory: the
size of the model and about 0.5 GB for 20 s. `viterbi` finds the text in what the network hears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import langcodes
import msgspec
import numpy as np

from workbench import audio
from workbench.audio import Sound
from workbench.engines import models, viterbi
from workbench.engines.models import devices
from workbench.engines.viterbi import Scores
from workbench.records import Timed

FILES = ("config.json", "model.safetensors", "vocab.json", "preprocessor_config.json")


class Ctc:
    """Finds known words in a sound (`align.Aligner`)."""

    name = "ctc"
    requires = ("torch", "transformers")
    licence = "Apache-2.0, model its own"

    @dataclass(frozen=True)
    class Options:
        """What may be tuned.

        Parameters
        ----------
        model : str
            A model's name, or a path to its folder.
        languages : tuple of str
            What the model was trained on, BCP 47.
        device : str
            ``cpu``, ``cuda``, or ``auto`` for the better one there is.
        """

        model: str
        languages: tuple[str, ...]
        device: str

    def __init__(self, options: Options, *, given: Path | None) -> None:
        from safetensors import SafetensorError
        from transformers import AutoModelForCTC, Wav2Vec2FeatureExtractor

        self.options = options
        self._device = devices.resolve(options.device)
        with models.loading(options.model) as folder:
            self._features = Wav2Vec2FeatureExtractor.from_pretrained(folder, local_files_only=True)
            try:
                self._model = AutoModelForCTC.from_pretrained(
                    folder, local_files_only=True, use_safetensors=True
                )
            except SafetensorError as error:
                raise ValueError(str(error)) from error
            self._model.eval().to(self._device)
            self._letters = msgspec.json.decode((folder / "vocab.json").read_bytes(), type=dict[str, int])
        self._blank = self._model.config.pad_token_id

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return what is missing and the command that brings it, or `None`."""
        for package in cls.requires:
            if find_spec(package) is None:
                return f"not installed: {package}; run: pip install '.[gpu]'"
        return models.missing(options.model, FILES)

    @cached_property
    def identity(self) -> str:
        """The library's version, the model, its checksum, and where it runs."""
        return (
            f"transformers {version('transformers')}, {Path(self.options.model).name} "
            f"{models.digest(self.options.model)[:16]}, {self._device}"
        )

    def knows(self, language: str) -> bool:
        """Return whether the params say that the model was trained on the language."""
        told = langcodes.Language.get(language).language
        return told in {langcodes.Language.get(tag).language for tag in self.options.languages}

    def times(self, speech: Sound, *, sr: int, words: Sequence[str]) -> list[Timed] | None:
        """Return when each word is said, and how surely; `None` where they do not fit into the sound.

        What is no letter of the model, such as a numeral, may be any sound.
        """
        rate = self._features.sampling_rate
        y = audio.resample(speech, sr=sr, to=rate)
        columns, owners = viterbi.spelt(words, self._letters)
        silent = {self._blank, self._letters.get(viterbi.BETWEEN, self._blank)}
        scores = viterbi.widened(self._emissions(y), silent=sorted(silent))
        path = viterbi.path(scores, columns, blank=self._blank)
        if path is None:
            return None
        end, step = audio.milliseconds(len(speech), sr=sr), 1000 * self._model.config.inputs_to_logits_ratio
        at, timed = 0, []
        for word in range(len(words)):
            own = np.flatnonzero((path != viterbi.BLANK) & (owners[path] == word))
            first, at = (int(own[0]), int(own[-1]) + 1) if own.size else (at, at + 1)
            start = min(first * step // rate, end - 1)
            score = float(np.exp(scores[own, columns[path[own]]].mean())) if own.size else None
            stop = max(start + 1, min(at * step // rate, end))
            timed.append(Timed(start, stop, None if score is None else round(min(score, 1.0), 4)))
        return timed

    def _emissions(self, y: Sound) -> Scores:
        """Return log probabilities of shape (frames, letters); none for a sound too short for a frame."""
        import torch

        inner = self._model
        if inner._get_feat_extract_output_lengths(len(y)) < 1:
            return np.zeros((0, len(self._letters)), np.float32)
        given = self._features(y, sampling_rate=self._features.sampling_rate, return_tensors="pt")
        with devices.memory("align words", lower="the size of the model of ctc"), torch.inference_mode():
            logits = inner(given.input_values.to(self._device)).logits[0]
            found: Scores = logits.float().log_softmax(dim=-1).cpu().numpy()
        return found
