"""What each stage of a place is to do: the parameters, engines and facts that its notebook reads.

DVC's stages depend on ``.options/<stage>.json`` in place of ``params/`` and of the facts that people wrote,
so that an edit which does not change what a stage reads does not run it. What a notebook reads is found in
its code.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from workbench import content, library
from workbench.library import SOURCE_STAGES, TARGET_STAGES, Dub, Episode, Place
from workbench.runs import digests

FOLDER = ".options"
GIVEN = {  # of the files that people give, those that a stage reads, without their endings
    "media": ("shots",),
    "asr": ("transcript",),
    "diarize": ("transcript", "turns"),
    "translate": ("translation",),
    "tts": ("translation",),
    "export": ("transcript",),
}


@dataclass(frozen=True)
class Reads:
    """What a notebook reads beside the outputs of other stages."""

    options: tuple[str, ...]  # files of params/, by name
    engines: tuple[str, ...] | None  # kinds; `None` for all
    facts: tuple[str, ...]


def reads(code: str) -> Reads:
    """Return what a notebook's code reads.

    >>> reads('opts = ep.options("mix", mix.Options); ep.facts.speakers')
    Reads(options=('mix',), engines=(), facts=('speakers',))
    """
    tree = ast.parse(code)
    loaded, choices = digests.kinds(tree), set(digests.calls(tree, "choice"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    facts = {
        node.attr
        for node in attributes
        if isinstance(node.value, ast.Attribute) and node.value.attr == "facts"
    }
    facts |= {node.attr for node in attributes if node.attr in ("language", "source")}
    if any(node.attr == "series" for node in attributes):
        facts.add("casting")
    return Reads(
        tuple(sorted(set(digests.calls(tree, "options")))),
        None if choices - loaded else tuple(sorted(loaded)),
        tuple(sorted(facts)),
    )


def of(place: Place, stage: str, what: Reads) -> dict[str, Any]:
    """Return what a stage is to do at a place, as its file says it.

    Raises `RecordError` for a parameter that is unknown or missing, or said over by one that is.
    """
    engines, _ = place.in_force("engines")
    kinds = sorted(engines) if what.engines is None else what.engines
    return {
        "options": {name: place.in_force(name)[0] for name in what.options},
        "engines": {kind: asdict(place.choice(kind)) for kind in kinds},
        "facts": _facts(place, what.facts),
        "given": _given(place, stage) if stage in GIVEN else {},
    }


def _facts(place: Place, names: tuple[str, ...]) -> dict[str, Any]:
    episode = place.episode if isinstance(place, Dub) else place
    assert isinstance(episode, Episode)
    known: dict[str, Any] = {name: value for name, value in asdict(episode.facts).items()}
    if "casting" in names:
        known["casting"] = episode.series.facts.casting.get(episode.key.name, {})
    if isinstance(place, Dub):
        known["language"] = [episode.language, place.language]
    return {name: known[name] for name in names if name in known}


def _given(place: Place, stage: str) -> dict[str, str]:
    """Return the digest of each file that people gave a stage."""
    folders = {place.given, place.episode.given} if isinstance(place, Dub) else {place.given}
    files = sorted(path for folder in folders for stem in GIVEN[stage] for path in folder.glob(f"{stem}.*"))
    return {
        str(path.relative_to(place.root)): content.address(path.read_bytes())
        for path in files
        if path.is_file()
    }


def write(place: Place) -> None:
    """Write the options of each stage of a place, all at once, where any of them changed.

    Raises what `of` raises.
    """
    code = digests.Code(place.root)
    stages = TARGET_STAGES if isinstance(place, Dub) else SOURCE_STAGES
    texts = {
        f"{stage}.json": _json(of(place, stage, reads(digests.cells(code.notebooks[stage]))))
        for stage in stages
        if stage in code.notebooks
    }
    folder = place.folder / FOLDER
    if {path.name: path.read_text() for path in folder.glob("*")} != texts:
        with library.replacing(folder) as fresh:
            for name, text in texts.items():
                library.write_text(fresh / name, text)


def _json(value: Mapping[str, Any]) -> str:
    encoded = msgspec.json.encode(value, order="sorted")
    return msgspec.json.format(encoded, indent=1).decode() + "\n"


def shown(place: Place, stage: str) -> list[str]:
    """Return what holds of ``params/<stage>.yaml`` at a place, in lines, and which file says otherwise."""
    values, whence = place.in_force(stage)
    lines = []
    for path, value in _leaves(values):
        note = f"  # {whence[path]}" if path in whence else ""
        lines.append(f"{path}: {msgspec.json.encode(value).decode()}{note}")
    return lines


def _leaves(values: Mapping[str, Any], path: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        at = f"{path}.{key}" if path else str(key)
        found += _leaves(value, at) if isinstance(value, Mapping) and value else [(at, value)]
    return found


def names(place: Place) -> list[str]:
    """Return the files of ``params/`` that the stages of a place read, engines last."""
    code = digests.Code(place.root)
    stages = TARGET_STAGES if isinstance(place, Dub) else SOURCE_STAGES
    read = [
        reads(digests.cells(code.notebooks[stage])).options for stage in stages if stage in code.notebooks
    ]
    return [*dict.fromkeys(name for each in read for name in each), "engines"]
