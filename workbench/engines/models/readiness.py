"""What each engine needs, whether it is here, and the command that brings it.

Conventions
-----------
Nothing here opens the network or imports a vendor's package: files and names are looked up. Beside what
`engines.Engine` asks of every engine, three facts are read where an engine tells them: `requires`, the
packages and programs it works with; `licence`; and the options `model`, `device`, `url` and
`accept_licence`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench import engines, params
from workbench.engines import models
from workbench.engines.models import devices, fetch
from workbench.errors import EngineError, RecordError
from workbench.params import Choice
from workbench.records import Table, parse

FILES = ENGINES_FILE, SETS_FILE, MODELS_FILE = (
    "params/engines.yaml",
    "params/engine_sets.yaml",
    "params/models.yaml",
)
PAIR = re.compile(r"\{\w+\}")  # in the name of a model that there is for each pair of languages


@dataclass(frozen=True)
class Settings:
    """What the three files of parameters say of engines."""

    text: str  # of params/engines.yaml
    choices: Mapping[str, Choice]  # by kind
    sets: Mapping[str, Mapping[str, str]]  # name -> kind -> engine
    models: Mapping[str, fetch.Source]  # by name


def read(texts: Mapping[str, str]) -> Settings:
    """Read the texts of `FILES`, by their names; raises `RecordError` naming what is wrong in which."""
    document = params.mapping(texts[ENGINES_FILE], where=ENGINES_FILE)
    choices = {
        kind: parse(Choice, document.get(kind, {}), where=f"{ENGINES_FILE}, {kind}")
        for kind in engines.ENGINES
    }
    sets = params.mapping(texts[SETS_FILE], where=SETS_FILE)
    sources = params.mapping(texts[MODELS_FILE], where=MODELS_FILE)
    return Settings(
        texts[ENGINES_FILE],
        choices,
        parse(dict[str, dict[str, str]], sets, where=SETS_FILE),
        {name: parse(fetch.Source, entry, where=f"{MODELS_FILE}, {name}") for name, entry in sources.items()},
    )


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether one engine can work here.

    Attributes
    ----------
    enabled : str
        "chosen", "fallback" or "".
    licensed : str
        Its licence, and whether it still wants to be accepted.
    model : str
        The model's name and its size, here or to fetch; "" where it needs none beside its packages.
    device : str
        Where it would run: a device of this machine, or an endpoint's address.
    do : str
        The command, or what else to do, where it is not ready.
    """

    kind: str
    engine: str
    enabled: str
    installed: bool
    licensed: str
    model: str
    device: str
    ready: bool
    reason: str
    do: str


def table(settings: Settings) -> Table[Readiness]:
    """Return the readiness of every engine; raises `EngineError` where one that is not there is chosen."""
    found = devices.gpus()
    for kind, choice in settings.choices.items():
        engines.resolve(kind, choice.engine, choice)
    return Table(
        Readiness,
        (
            _readiness(kind, name, settings, gpus=found)
            for kind, names in engines.ENGINES.items()
            for name in names
        ),
    )


def _readiness(kind: str, name: str, settings: Settings, *, gpus: Sequence[devices.Gpu]) -> Readiness:
    choice = settings.choices[kind]
    engine, options = engines.resolve(kind, name, choice)
    absent = [need for need in getattr(engine, "requires", ()) if not _here(need)]
    accepted = getattr(options, "accept_licence", True)
    asked = getattr(options, "device", "cpu")
    device = ("cuda" if gpus else "cpu") if asked == "auto" else asked
    found = engine.missing(options)
    if found is None and device != "cpu" and not gpus:
        found = f"this machine has no CUDA device; write device: auto in {ENGINES_FILE}"
    reason, _, do = (found or "").partition("; ")
    return Readiness(
        kind=kind,
        engine=name,
        enabled="chosen" if name == choice.engine else "fallback" if name in choice.fallback else "",
        installed=not absent,
        licensed=getattr(engine, "licence", "") + ("" if accepted else ", not accepted"),
        model=_model(getattr(options, "model", ""), settings.models),
        device=getattr(options, "url", device),
        ready=found is None,
        reason=reason,
        do=do,
    )


def _here(need: str) -> bool:
    return shutil.which(need) is not None or engines.installed(need)


def _model(model: str, sources: Mapping[str, fetch.Source]) -> str:
    if not model:
        return ""
    if PAIR.search(model):
        like = models.place(PAIR.sub("*", model))
        pairs = [models.size(str(folder)) for folder in like.parent.glob(like.name)]
        if pairs:
            return f"{model}, {len(pairs)} of them, {megabytes(sum(pairs))}"
    if there := models.size(model):
        return f"{model}, {megabytes(there)}"
    return (
        f"{model}, {megabytes(sources[model].size * 10**6)} to fetch"
        if model in sources
        else f"{model}, absent"
    )


def megabytes(size: int) -> str:
    """Return bytes for a reader.

    >>> megabytes(3_090_000_000)
    '3,090 MB'
    """
    return f"{size / 1e6:,.0f} MB" if size >= 10**6 else "under 1 MB"


def machine() -> str:
    """Return the room on this machine: the models' disk, and each CUDA device's memory."""
    home = models.home()
    there = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    told = [f"disk: {shutil.disk_usage(there).free / 1e9:,.0f} GB free for models in {home}"]
    told += [f"{gpu.name}: {gpu.free:,} of {gpu.total:,} MiB free" for gpu in devices.gpus()]
    return "\n".join(told if len(told) > 1 else [*told, "no CUDA device"])


def use(settings: Settings, name: str) -> tuple[str, dict[str, str]]:
    """Return ``params/engines.yaml`` with a set's engines chosen and all else kept, and what changed.

    Raises
    ------
    EngineError
        For a set, kind or engine that does not exist; it lists those that do.
    RecordError
        Where the file is not as it is edited: YAML 1.2.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if name not in settings.sets:
        known = ", ".join(settings.sets)
        raise EngineError(f"use the engines {name!r}", "there is no such set", f"There are: {known}.")
    try:
        document = YAML().load(settings.text)
    except YAMLError as error:  # stricter than what `read` reads with
        raise RecordError(f"read {ENGINES_FILE}", f"not YAML: {error}", "Repair that line.") from error
    lines, changed = settings.text.splitlines(keepends=True), dict[str, str]()
    for kind, engine in settings.sets[name].items():
        engines.resolve(kind, engine, settings.choices.get(kind, Choice(engine, (), {})))
        before = settings.choices[kind].engine
        if before != engine:
            changed[kind] = f"{before} -> {engine}"
            row, column = document[kind].lc.value("engine")  # its place alone is written
            lines[row] = lines[row][:column] + lines[row][column:].replace(before, engine, 1)
    return "".join(lines), changed


def source(settings: Settings, model: str) -> fetch.Source:
    """Return where a model comes from.

    Raises
    ------
    EngineError
        For a model that ``params/models.yaml`` does not name, and for one whose licence an engine wants
        accepted first.
    """
    if model not in settings.models:
        known = ", ".join(settings.models)
        raise EngineError(f"fetch {model!r}", f"{MODELS_FILE} has no such model", f"There are: {known}.")
    found = settings.models[model]
    for kind, choice in settings.choices.items():
        for engine, options in choice.options.items():
            if options.get("model") == model and options.get("accept_licence") is False:
                raise EngineError(
                    f"fetch {model}",
                    f"its licence is {found.licence}, and nobody has accepted it",
                    f"Read it, then write accept_licence: true under {kind}, {engine} in {ENGINES_FILE}.",
                )
    return found
