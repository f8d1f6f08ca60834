"""Adapters to models and tools: one file a vendor, chosen in ``params/engines.yaml``.

Adding one
----------
1. Write ``workbench/engines/<vendor>.py`` with a class that has what `Engine` names and the methods of
   the stage's Protocol (``asr.Transcriber``, ``tts.Synthesizer`` …). Its docstring gives model, licence,
   languages and source. Import the vendor's packages inside its methods, never at the top.
2. Name it in `ENGINES` below, and give its options in ``params/engines.yaml``.
3. The contract tests in ``tests/test_engines.py`` find it by themselves.

A line of code outside this package never names a vendor.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from workbench.engines import models
from workbench.engines.models import devices, offline
from workbench.errors import EngineError
from workbench.params import Choice
from workbench.records import Maker, Table, parse

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")

ENGINES: dict[str, dict[str, str]] = {
    "vad": {"silero": "workbench.engines.silero:Silero"},
    "separate": {
        "mask": "workbench.engines.mask:Mask",
        "demucs": "workbench.engines.demucs:Demucs",
        "none": "workbench.engines.mask:Untouched",
    },
    "asr": {
        "pocketsphinx": "workbench.engines.sphinx:Sphinx",
        "subtitles": "workbench.engines.given:SubtitleWords",
        "faster_whisper": "workbench.engines.whisper:FasterWhisper",
    },
    "align": {
        "pocketsphinx": "workbench.engines.sphinx:SphinxAligner",
        "ctc": "workbench.engines.ctc:Ctc",
    },
    "prints": {
        "resemblyzer": "workbench.engines.resemblyzer:Resemblyzer",
        "pyannote": "workbench.engines.pyannote:Embedding",
    },
    "diarize": {
        "prints": "workbench.engines.clustering:Clustering",
        "pyannote": "workbench.engines.pyannote:Pyannote",
        "rttm": "workbench.engines.given:RttmTurns",
        "subtitles": "workbench.engines.given:SubtitleTurns",
    },
    "translate": {
        "apertium": "workbench.engines.apertium:Apertium",
        "llm": "workbench.engines.llm:Llm",
        "subtitles": "workbench.engines.given:SubtitleLines",
        "nllb": "workbench.engines.ctranslate:Nllb",
        "m2m": "workbench.engines.ctranslate:M2m",
        "opus": "workbench.engines.ctranslate:Opus",
    },
    "tts": {
        "espeak": "workbench.engines.espeak:Espeak",
        "kokoro": "workbench.engines.kokoro:Kokoro",
        "piper": "workbench.engines.piper:Piper",
        "coqui": "workbench.engines.coqui:Coqui",
    },
    "hearing": {
        "pocketsphinx": "workbench.engines.sphinx:Sphinx",
        "faster_whisper": "workbench.engines.whisper:FasterWhisper",
    },
    "reading": {"espeak": "workbench.engines.espeak:Espeak"},
}


class Engine(Protocol):
    """What every engine class has, beside the methods of its stage's Protocol."""

    name: str
    Options: type  # a frozen dataclass; every key required

    def __init__(self, options: Any, *, given: Path | None) -> None:
        """Make ready to work. `given` is the folder of what people gave, where an engine reads it."""

    @classmethod
    def missing(cls, options: Any) -> str | None:
        """Return what is missing and the command that brings it, or `None` where the engine is ready.

        Cheap: imports no vendor's package and starts no process. So are three more that an engine may have.
        `foreign` takes `options`, `source` and `target`, and returns the `LanguageError` for two languages
        between which it cannot work, or `None`. `caution` takes the same, and returns what its results should
        not be trusted in and what mends that, or ""; an engine that worked holds in `told` what holds of its
        work. `model_names` takes `options` and returns the names of the models, where that is not just the
        option `model`.
        """


def load(kind: str, choice: Choice, *, given: Path | None = None) -> Any:
    """Return the engine that is chosen, or the first of its fallbacks that is ready.

    The engine's `name` goes into every record it makes, so that a fallback stands in the record and is a
    finding of qa. It is logged too: ``track_clone_fallback`` where voices are imitated no more, otherwise
    ``engine_fallback``.

    Raises
    ------
    EngineError
        For an unknown kind or name, wrong options, or where neither the engine nor a fallback is ready,
        naming what is missing and the command that brings it.
    """
    offline.keep()
    reasons: list[str] = []
    for name in (choice.engine, *choice.fallback):
        engine, options = resolve(kind, name, choice)
        reason = engine.missing(options)
        if reason is None:
            if reasons:
                wanted, _ = resolve(kind, choice.engine, choice)
                lost = hasattr(wanted, "clones") and not hasattr(engine, "clones")
                event = "track_clone_fallback" if lost else "engine_fallback"
                log.warning("%s kind=%s wanted=%s used=%s: %s", event, kind, choice.engine, name, reasons[0])
            return engine(options, given=given)
        reasons.append(f"{name}: {reason}")
    raise EngineError(
        f"use the {kind} engine {choice.engine!r}",
        "; ".join(reasons),
        f"Bring what is missing, or choose another {kind} engine in params/engines.yaml.",
    )


class Later:
    """An engine that is loaded when it is first called for, and `loaded` from then on."""

    def __init__(self, kind: str, choice: Choice, *, given: Path | None = None) -> None:
        self._kind, self._choice, self._given = kind, choice, given
        self.loaded: Any = None

    def __call__(self) -> Any:
        """Return the engine; raises as `load` does."""
        if self.loaded is None:
            self.loaded = load(self._kind, self._choice, given=self._given)
        return self.loaded


def later(kind: str, choice: Choice, *, able_to: str, given: Path | None = None) -> Later | None:
    """Return what loads the chosen engine once it is wanted; `None` where none of the choice has that method.

    A fallback may lack it: ask the engine that comes.
    """
    known = [resolve(kind, name, choice)[0] for name in (choice.engine, *choice.fallback)]
    if not any(hasattr(engine, able_to) for engine in known):
        return None
    return Later(kind, choice, given=given)


def makers(**working: Any) -> Table[Maker]:
    """Return what is to be recorded of the engines that worked in a stage, given by kind.

    One that was to be loaded `later`, and never was, did not work.
    """
    engines = {kind: each.loaded if isinstance(each, Later) else each for kind, each in working.items()}
    found = [
        Maker(kind, each.name, identity(each), getattr(each, "told", ""))
        for kind, each in engines.items()
        if each is not None
    ]
    return Table(Maker, found)


def identity(engine: Any) -> str:
    """Return what an engine says of itself, or the versions of its packages, its model and its device."""
    if own := getattr(engine, "identity", ""):
        return str(own)
    found = []
    for need in getattr(engine, "requires", ()):
        try:
            found.append(f"{need} {importlib.metadata.version(need)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(need)  # a program
    options = getattr(engine, "options", None)
    if model := getattr(options, "model", ""):
        found.append(f"{Path(model).name} {models.digest(model)[:16]}")
        found.append(devices.resolve(getattr(options, "device", "cpu")))
    return ", ".join(found)


def resolve(kind: str, name: str, choice: Choice) -> tuple[Any, Any]:
    """Return an engine's class and its checked options.

    Raises `EngineError` for an unknown kind or name and `RecordError` for wrong options.
    """
    known = ENGINES.get(kind, {})
    if name not in known:
        raise EngineError(
            f"use the {kind} engine {name!r}",
            "there is no such engine",
            f"The {kind} engines are: {', '.join(known)}.",
        )
    module, _, attribute = known[name].partition(":")
    engine = getattr(importlib.import_module(module), attribute)
    where = f"params/engines.yaml, {kind}, options, {name}"
    return engine, parse(engine.Options, choice.options.get(name, {}), where=where)


def refuse_foreign(kind: str, choice: Choice, *, source: str, target: str) -> None:
    """Raise `LanguageError` where neither the chosen engine nor a fallback can do with two languages.

    One without a `foreign` tells only at work.
    """
    faults = []
    for name in (choice.engine, *choice.fallback):
        engine, options = resolve(kind, name, choice)
        tells = getattr(engine, "foreign", None)
        if tells is None or (fault := tells(options, source=source, target=target)) is None:
            return
        faults.append(fault)
    raise faults[0]


def caution(kind: str, choice: Choice, *, source: str, target: str) -> str:
    """Return what the results of the chosen engine should not be trusted in, or ""."""
    engine, options = resolve(kind, choice.engine, choice)
    tells = getattr(engine, "caution", None)
    return str(tells(options, source=source, target=target)) if tells else ""


def exposed(url: str) -> bool:
    """Say whether others may read on the way what is sent to an address."""
    address = urlsplit(url)
    return address.scheme != "https" and address.hostname not in LOOPBACK


def installed(package: str) -> bool:
    """Whether a package is installed; it is not imported, though those that hold it are."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False
