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

from workbench import engines
from workbench.engines import models
from workbench.engines.models import devices, digests, offline
from workbench.engines.models.settings import ENGINES_FILE, Settings
from workbench.engines.models.sources import Model
from workbench.records import Table

PAIR = re.compile(r"\{\w+\}")  # in the name of a model that there is for each pair of languages


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
    maker : str
        Who made that model, and its licence, where ``params/models.yaml`` says so.
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
    maker: str
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
    known = settings.models.get(getattr(options, "model", ""))
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
        maker=f"{known.maker}, {known.licence}" if known else "",
        device=getattr(options, "url", device),
        ready=found is None,
        reason=reason,
        do=do,
    )


def _here(need: str) -> bool:
    return shutil.which(need) is not None or engines.installed(need)


def _model(model: str, sources: Mapping[str, Model]) -> str:
    if not model:
        return ""
    if PAIR.search(model):
        like = models.place(PAIR.sub("*", model))
        pairs = [models.size(str(folder)) for folder in like.parent.glob(like.name)]
        if pairs:
            return f"{model}, {len(pairs)} of them, {megabytes(sum(pairs))}"
    if there := models.size(model):
        other = ", another version than params/models.yaml names" if _differs(model, sources) else ""
        return f"{model}, {megabytes(there)}{other}"
    return (
        f"{model}, {megabytes(sources[model].size * 10**6)} to fetch"
        if model in sources
        else f"{model}, absent"
    )


def _differs(model: str, sources: Mapping[str, Model]) -> bool:
    """Whether a fetched model's own list names other files than it should; nothing is read through."""
    listed = {file.name: file.sha256 for file in digests.listed(models.place(model))}
    wanted = sources[model].files if model in sources else {}
    return bool(listed and wanted) and listed != {name: pin.sha256 for name, pin in wanted.items()}


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
    if forbidden := offline.reason():
        told.append(f"offline: {forbidden} forbids every fetch")
    found = devices.gpus()
    told += [f"{gpu.name}: {gpu.free:,} of {gpu.total:,} MiB free" for gpu in found]
    return "\n".join(told if found else [*told, "no CUDA device"])
