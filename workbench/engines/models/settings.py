"""What three files of parameters say: which engines are chosen, which go together, whence models come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench import engines, params
from workbench.engines.models.sources import Model, Package, Pin, Source
from workbench.params import Choice
from workbench.records import parse

FILES = ENGINES_FILE, SETS_FILE, MODELS_FILE = (
    "params/engines.yaml",
    "params/engine_sets.yaml",
    "params/models.yaml",
)


@dataclass(frozen=True)
class Member:
    """What a set says of one kind of work.

    Attributes
    ----------
    engine : str
        The engine.
    fallback : tuple of str
        Those that may step in where it is missing, in order.
    options : dict
        What is set among the engine's own options; the others stay as they are.
    """

    engine: str
    fallback: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def choice(self, before: Choice) -> Choice:
        """Return the choice that it makes of an earlier one."""
        settings = {**before.options.get(self.engine, {}), **self.options}
        return Choice(self.engine, self.fallback, {**before.options, self.engine: settings})


@dataclass(frozen=True)
class Settings:
    """What the three files say."""

    text: str  # of params/engines.yaml
    choices: Mapping[str, Choice]  # by kind
    sets: Mapping[str, Mapping[str, Member]]  # name -> kind -> what it chooses
    models: Mapping[str, Model]  # by name


@dataclass(frozen=True)
class _Models:
    """The top of ``params/models.yaml``."""

    offline: bool
    models: dict[str, Any]


def read(texts: Mapping[str, str]) -> Settings:
    """Read the texts of `FILES`, by their names; raises `RecordError` naming what is wrong in which."""
    said = params.mapping(texts[SETS_FILE], where=SETS_FILE)
    sets = parse(dict[str, dict[str, dict[str, Any]]], said, where=SETS_FILE)
    entries = parse(_Models, params.mapping(texts[MODELS_FILE], where=MODELS_FILE), where=MODELS_FILE)
    return Settings(
        texts[ENGINES_FILE],
        choices(texts[ENGINES_FILE]),
        {
            name: {
                kind: parse(Member, it, where=f"{SETS_FILE}, {name}, {kind}") for kind, it in kinds.items()
            }
            for name, kinds in sets.items()
        },
        {name: _model(name, entry) for name, entry in entries.models.items()},
    )


def _model(name: str, entry: Any) -> Model:
    """Read an entry, and its parts by themselves: a misspelt key is an error in each of them."""
    where = f"{MODELS_FILE}, {name}"
    model = parse(Model, entry, where=where)
    for file, pin in entry.get("files", {}).items():
        parse(Pin, pin, where=f"{where}, {file}")
    for source in entry["sources"]:
        parse(Source, source, where=where)
        for package in [*source.get("wheels", ()), *filter(None, [source.get("npm")])]:
            parse(Package, package, where=f"{where}, {package['package']}")
    return model


def choices(text: str) -> dict[str, Choice]:
    """Return what a text of ``params/engines.yaml`` says of each kind of engine; raises `RecordError`."""
    document = params.mapping(text, where=ENGINES_FILE)
    return {
        kind: parse(Choice, document.get(kind, {}), where=f"{ENGINES_FILE}, {kind}")
        for kind in engines.ENGINES
    }
