"""Numbers that one might tune: every stage's options come from one file, whole and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
import yaml

from workbench.errors import RecordError
from workbench.records import parse

T = TypeVar("T")

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


@dataclass(frozen=True)
class Choice:
    """What ``params/engines.yaml`` says of one kind of engine.

    `fallback` names those that may step in, in order, where the engine is missing. `options` holds
    each engine's own settings by its name, so that a switch needs one word.
    """

    engine: str
    fallback: tuple[str, ...]
    options: dict[str, dict[str, Any]]

    def with_options(self, name: str, options: Mapping[str, Any]) -> Choice:
        """Return the choice of one engine with some of its settings replaced."""
        settings = {**self.options.get(name, {}), **options}
        return Choice(name, (), {**self.options, name: settings})


def bounds(kind: type) -> dict[str, tuple[float | None, float | None]]:
    """Return the least and the most that each field of a dataclass may be, `None` where nothing says so.

    >>> @dataclass
    ... class Speed:
    ...     words: Annotated[int, msgspec.Meta(ge=80, le=450)]
    >>> bounds(Speed)
    {'words': (80, 450)}
    """
    found: dict[str, tuple[float | None, float | None]] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for meta in getattr(hint, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta):
                found[name] = (
                    meta.ge if meta.gt is None else meta.gt,
                    meta.le if meta.lt is None else meta.lt,
                )
    return found


def read(kind: type[T], text: str, *, key: str, where: str) -> T:
    """Read the options under `key` of a YAML text.

    Every field of `kind` is required and no other key is allowed.

    Raises
    ------
    RecordError
        Naming the file and the key that is unknown, missing or of another type.
    """
    document = mapping(text, where=where)
    if set(document) != {key}:
        found = ", ".join(map(str, document)) or "nothing"
        raise RecordError(
            f"read {where}", f"its top keys are {found}", f"Put everything under the one top key {key!r}."
        )
    return parse(kind, document[key], where=f"{where}, {key}")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, of which each key of a mapping stands once: of two, it would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [name for name, count in names.items() if count > 1]:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice", node.start_mark
            )
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def mapping(text: str, *, where: str) -> dict[str, Any]:
    """Read a YAML text whose top is a mapping; an empty text is an empty mapping.

    Raises `RecordError` for anything else, naming `where`.
    """
    try:
        document = yaml.load(text, _Loader) if text.strip() else {}
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # too deep; a number of thousands of digits
        raise RecordError(f"read {where}", f"not YAML: {error}", "Repair that line.") from error
    if not isinstance(document, Mapping):
        found = "a list" if isinstance(document, list) else "a single value"
        raise RecordError(f"read {where}", f"its top is {found}", "Write keys and values.")
    return dict(document)
