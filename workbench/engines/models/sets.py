"""Sets of engines that go together: choosing one, and the models that it needs.

Conventions
-----------
A set of ``params/engine_sets.yaml`` gives for a kind of work the engine, those that may step in where it is
missing, and what it sets among the engine's options. A kind, or an option, that it does not name stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from workbench import engines
from workbench.engines.models.settings import ENGINES_FILE, MODELS_FILE, Member, Settings, choices
from workbench.engines.models.sources import Model
from workbench.errors import EngineError, RecordError
from workbench.params import Choice

PLAIN = re.compile(r"[A-Za-z][\w.-]*")  # text that YAML reads as it stands …
WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")  # … but for these


def use(settings: Settings, name: str) -> tuple[str, dict[str, str]]:
    """Return ``params/engines.yaml`` with a set chosen and all else kept, and what changed.

    Raises
    ------
    EngineError
        For a set, kind, engine or option that does not exist; it lists those that do.
    RecordError
        Where the file is not as it is edited: YAML 1.2.
    """
    tree, spans, changed = _tree(settings.text), dict[tuple[int, int], str](), dict[str, str]()
    for kind, member in _set(settings, name).items():
        before = settings.choices.get(kind, Choice(member.engine, (), {}))
        engines.resolve(kind, member.engine, member.choice(before))
        for path, old, new in _differences(kind, before, member):
            spans[_place(tree, path)] = _written(new)
            changed[", ".join(part for part in path if part not in ("engine", "options"))] = (
                f"{_written(old)} -> {_written(new)}"
            )
    text = settings.text
    for (start, end), new in sorted(spans.items(), reverse=True):
        text = text[:start] + new + text[end:]
    return text, changed


def needed(settings: Settings, name: str) -> list[str]:
    """Return the models that a set needs, that one model, or with "" those of the engines in use.

    Raises `EngineError` for a name that neither ``params/models.yaml`` nor a set has.
    """
    if name in settings.models:
        return [name]
    if not name:
        used = dict(settings.choices)
    elif name in settings.sets:
        then = choices(
            use(settings, name)[0]
        )  # as written: several kinds may have their options in one place
        used = {kind: then[kind] for kind in settings.sets[name]}
    else:
        raise EngineError(
            f"fetch {name!r}",
            f"{MODELS_FILE} has no such model, and there is no such set",
            f"There are the models {', '.join(settings.models)} and the sets {', '.join(settings.sets)}.",
        )
    found: dict[str, None] = {}
    for kind, choice in used.items():
        engine, options = engines.resolve(kind, choice.engine, choice)
        named = getattr(engine, "model_names", lambda options: (getattr(options, "model", ""),))(options)
        found |= dict.fromkeys(model for model in named if model in settings.models)
    return list(found)


def model(settings: Settings, name: str) -> Model:
    """Return what ``params/models.yaml`` says of a model that it names.

    Raises `EngineError` for a model whose licence an engine wants accepted first.
    """
    found = settings.models[name]
    for kind, choice in settings.choices.items():
        for engine, options in choice.options.items():
            if options.get("model") == name and options.get("accept_licence") is False:
                raise EngineError(
                    f"fetch {name}",
                    f"its licence is {found.licence}, and nobody has accepted it",
                    f"Read it, then write accept_licence: true under {kind}, {engine} in {ENGINES_FILE}.",
                )
    return found


def _set(settings: Settings, name: str) -> Mapping[str, Member]:
    if name not in settings.sets:
        known = ", ".join(settings.sets)
        raise EngineError(f"use the engines {name!r}", "there is no such set", f"There are: {known}.")
    return settings.sets[name]


def _differences(
    kind: str, before: Choice, member: Member
) -> Iterator[tuple[tuple[str, ...], object, object]]:
    """Yield where the file differs from what a set says: the place, what stands there, what shall."""
    if before.engine != member.engine:
        yield (kind, "engine"), before.engine, member.engine
    if before.fallback != member.fallback:
        yield (kind, "fallback"), list(before.fallback), list(member.fallback)
    options = before.options.get(member.engine, {})
    for option, value in member.options.items():
        if options.get(option) != value:
            yield (kind, "options", member.engine, option), options.get(option), value


def _tree(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(pure=True).compose(text)
    except YAMLError as error:  # stricter than what `settings.read` reads with
        raise RecordError(f"read {ENGINES_FILE}", f"not YAML: {error}", "Repair that line.") from error


def _place(tree: Any, path: tuple[str, ...]) -> tuple[int, int]:
    """Return where a key's value stands in the text: its first character, and the one after its last."""
    node = tree
    for key in path:
        node = next((value for name, value in node.value if name.value == key), None)
        if node is None:
            raise EngineError(
                f"set {', '.join(path)} in {ENGINES_FILE}", f"it has no {key} there", "Add that line first."
            )
    return node.start_mark.index, node.end_mark.index


def _written(value: object) -> str:
    """Return a value as it is written in YAML, on one line.

    >>> _written(["faster_whisper", "no", 4, True])
    '[faster_whisper, "no", 4, true]'
    """
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
