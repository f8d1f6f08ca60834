"""``workbench engines``: what there is, which are in use, and the models that they want."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import EngineError, WorkbenchError

if TYPE_CHECKING:
    from workbench.engines.models.settings import Settings
    from workbench.engines.models.sources import Model


def show(options: argparse.Namespace) -> None:
    """Print each engine of each kind, whether it is ready, and what makes it so."""
    from workbench.engines.models import readiness

    found = readiness.table(_settings())
    print(
        f"{'kind':10} {'engine':15} {'enabled':9} {'installed':10} {'ready':6} {'device':7} "
        "licence, model, its maker"
    )
    for row in found:
        yes = {True: "yes", False: "no"}
        facts = f"{row.kind:10} {row.engine:15} {row.enabled:9} {yes[row.installed]:10} {yes[row.ready]:6}"
        print(
            f"{facts} {row.device:7} {'; '.join(filter(None, (row.licensed, row.model, row.maker)))}".rstrip()
        )
        if not row.ready:
            print(f"{'':10} {row.reason}; {row.do}")
    print(readiness.machine())


def use(options: argparse.Namespace) -> None:
    """Choose the engines of a set."""
    from workbench import library
    from workbench.engines.models import readiness, sets, settings

    root, changed = library.find_root(), dict[str, str]()

    def chosen(_: str) -> str:
        text, differences = sets.use(_settings(), options.set)
        changed.update(differences)
        return text

    library.change(root, root / settings.ENGINES_FILE, chosen)
    for what, change in changed.items():
        print(f"{what}: {change}")
    print(f"the engines are those of {options.set}" + ("" if changed else ", as before"))
    for row in readiness.table(_settings()):
        if row.enabled == "chosen" and not row.ready:
            print(f"not ready: {row.kind} {row.engine}: {row.reason}; {row.do}")


def bring(options: argparse.Namespace) -> None:
    """Bring models, and say of each that cannot be had why; raises `EngineError` where one cannot."""
    from workbench.engines.models import offline, sets

    if options.offline:
        os.environ[offline.VARIABLE] = "1"
    said, failed = _settings(), []
    names = sets.needed(said, options.name)
    for name in names:
        try:
            _bring_model(name, sets.model(said, name), folder=options.folder)
        except WorkbenchError as error:
            if len(names) == 1:
                raise
            print(f"workbench: {error}", file=sys.stderr)
            failed.append(name)
    if failed:
        raise EngineError(
            f"fetch {', '.join(failed)}", "see above", "What came is kept: the same command goes on."
        )
    if not names:
        print("no model is needed")


def _bring_model(name: str, model: Model, *, folder: Path | None) -> None:
    """Fetch a model, and say what comes from where."""
    from workbench.engines import models
    from workbench.engines.models import fetch

    print(f"{name}, by {model.maker}: licence {model.licence}, about {model.size} MB", flush=True)
    for event in fetch.fetch(name, model, folder=folder):
        if isinstance(event, fetch.Arrived):
            print(f"  {event.file}, {event.size / 1e6:.1f} MB, from {event.source}", flush=True)
        else:
            print(f"  not from {event.source}: {event.error.found}", flush=True)
    print(f"{models.place(name)} is whole", flush=True)


def _settings() -> Settings:
    from workbench import library
    from workbench.engines.models import settings

    root = library.find_root()
    return settings.read({name: library.read_text(root / name) for name in settings.FILES})
