"""Builds tiny models for engines and chooses them, so that the real libraries run in the real stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.tiny import coqui, ctc, kokoro, piper, translation, whisper

ON_CPU = {"device": "cpu"}


def voices_of_piper(folder: Path) -> dict[str, Any]:
    """Two voices in Spanish, Catalan and English: the speakers of one file, and files of one speaker."""
    together = piper.voice(folder / "together")
    alone = {tag: str(piper.voice(folder / tag, language=tag, speakers=())) for tag in ("ca", "en")}
    voices = [
        {"name": name, "sex": "", "pitch_hz": None, "speaks": {"es": f"{together}#{name}", **alone}}
        for name in piper.SPEAKERS
    ]
    return {"voices": voices, "noise": 0.5}


def one(build: Callable[[Path], Path], **more: Any) -> Callable[[Path], dict[str, Any]]:
    """Return what builds one model, which runs on the CPU, and names it."""
    return lambda folder: {"model": str(build(folder / "model")), **ON_CPU, **more}


def pipeline(folder: Path) -> Path:
    """Build pyannote's pipeline; its builder needs PyTorch when it is imported."""
    from tests.tiny import pyannote

    return pyannote.build(folder)


def separator(folder: Path) -> Path:
    """Build a Demucs; its builder needs PyTorch when it is imported."""
    from tests.tiny import demucs

    return demucs.build(folder)


# (kind, engine) -> what builds its models in a folder and returns the options that differ from the params
BUILDERS: Mapping[tuple[str, str], Callable[[Path], dict[str, Any]]] = {
    ("separate", "demucs"): one(separator, segment=1.0),
    ("asr", "faster_whisper"): one(whisper.whisper),
    ("align", "ctc"): one(ctc.ctc),
    ("prints", "pyannote"): one(pipeline),
    ("diarize", "pyannote"): one(pipeline),
    ("hearing", "faster_whisper"): one(whisper.whisper),
    ("translate", "nllb"): one(translation.nllb),
    ("translate", "m2m"): one(translation.m2m),
    ("translate", "opus"): one(translation.opus),
    ("tts", "kokoro"): kokoro.options,
    ("tts", "piper"): voices_of_piper,
    ("tts", "coqui"): one(coqui.xtts, accept_licence=True),
}


def choose(root: Path, engines: Iterable[tuple[str, str]]) -> None:
    """Build the models of some engines, by kind and name, and choose them in ``params/engines.yaml``.

    They lie in ``.cache/models`` under `root`, and the parameters name them by their paths.
    """
    yaml, path = YAML(), root / "params" / "engines.yaml"
    document = yaml.load(path.read_text(encoding="utf-8"))
    for kind, name in engines:
        document[kind]["engine"] = name
        built = BUILDERS[kind, name](root / ".cache" / "models" / f"tiny-{kind}-{name}")
        document[kind]["options"][name].update(built)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)
