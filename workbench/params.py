"""Numbers that one might tune: every stage's options come from one file, whole and checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

import msgspec
import yaml

from workbench.errors import RecordError
from workbench.records import parse

T = TypeVar("T")

MERGE = "<<"
MOST_NODES = 10_000  # of a text, which its aliases repeat
DEEPEST = 50  # levels

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
    return parse(kind, under(mapping(text, where=where), key, where=where), where=f"{where}, {key}")


def under(document: Mapping[str, Any], key: str, *, where: str) -> dict[str, Any]:
    """Return what stands under the one top key of a document; raises `RecordError` where others do."""
    if set(document) != {key} or not isinstance(document[key], Mapping):
        found = ", ".join(map(str, document)) or "nothing"
        raise RecordError(
            f"read {where}", f"its top keys are {found}", f"Put everything under the one top key {key!r}."
        )
    return dict(document[key])


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader in the dialect of YAML 1.2, of which each key of a mapping stands once.

    Of two, PyYAML would take the last; and to YAML 1.1 the language ``no`` is false, and ``1:30`` is 90.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        scalars = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in scalars:  # a key is a name here, also where it is written as a number
            if key.tag != "tag:yaml.org,2002:merge":
                key.tag = "tag:yaml.org,2002:str"
        names = Counter(key.value for key in scalars)
        if twice := [name for name, count in names.items() if count > 1 and name != MERGE]:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice", node.start_mark
            )
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


for _tag, _pattern, _first in (  # YAML 1.2.2, section 10.3.2, the core schema; and merge keys
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
    ("merge", MERGE, "<"),
):
    for _letter in (*_first, *([""] if _tag == "null" else [])):
        _Loader.yaml_implicit_resolvers.setdefault(_letter, []).append(
            (f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"))
        )


def _int(loader: yaml.Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _int)


def mapping(text: str, *, where: str) -> dict[str, Any]:
    """Read a YAML text whose top is a mapping; an empty text is an empty mapping.

    Raises `RecordError` for anything else, naming `where`; for a text whose aliases repeat more than
    `MOST_NODES` values, and for one that is nested more than `DEEPEST` levels deep.
    """
    try:
        _refuse_bomb(text)
        document = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # a number of thousands of digits
        raise RecordError(f"read {where}", f"not YAML: {error}", "Repair that line.") from error
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        found = "a list" if isinstance(document, list) else "a single value"
        raise RecordError(f"read {where}", f"its top is {found}", "Write keys and values.")
    return dict(document)


def _refuse_bomb(text: str) -> None:
    """Raise `yaml.YAMLError` for what would be too deep or too large, before any of it is made.

    Counts events alone: each alias counts as all that its anchor holds.
    """
    size: dict[str, int] = {}  # of each anchor
    open_at: list[tuple[str | None, int]] = []
    count = repeated = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            again = size.get(event.anchor, MOST_NODES + 1)  # within its own anchor it would be endless
            count, repeated = count + again, repeated + again
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor:
                size[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            count += 1
            open_at.append((event.anchor, count))
            if len(open_at) > DEEPEST:
                raise yaml.YAMLError(f"it is nested more than {DEEPEST} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, began = open_at.pop()
            if anchor:
                size[anchor] = count - began + 1
        if repeated > MOST_NODES:
            raise yaml.YAMLError(f"its aliases repeat more than {MOST_NODES} values")


@dataclass(frozen=True)
class Layer:
    """What one file says over the numbers of ``params/``."""

    where: str  # the file
    values: Mapping[str, Any]


def overlaid(
    base: Mapping[str, Any], layers: Iterable[Layer], *, where: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return values with those of each layer put over them, and which file gave each that a layer gave.

    The second names values by their path, with dots between the keys. What is no mapping is replaced whole.

    Raises
    ------
    RecordError
        Where a layer has a key that stands in `base` at no such place, or a mapping in place of a value.
    """
    values, whence = dict(base), dict[str, str]()
    for layer in layers:
        values = _over(values, layer.values, layer, where, (), whence)
    return values, whence


def _over(
    base: Mapping[str, Any],
    over: Any,
    layer: Layer,
    where: str,
    path: tuple[str, ...],
    whence: dict[str, str],
) -> dict[str, Any]:
    if not isinstance(over, Mapping):
        raise RecordError(
            f"read {layer.where}",
            f"options of {'.'.join((where, *path))} are a {type(over).__name__}",
            "Write keys and values, as they stand in params/.",
        )
    values = dict(base)
    for key, value in over.items():
        at = (*path, str(key))
        if key not in base:
            raise RecordError(
                f"read {layer.where}",
                f"{where} has no key {'.'.join(at)!r}",
                f"Its keys there are: {', '.join(map(str, base))}.",
            )
        if isinstance(base[key], Mapping):
            values[key] = _over(base[key], value, layer, where, at, whence)
        else:
            values[key] = value
            whence[".".join(at)] = layer.where
    return values
