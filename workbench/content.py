"""Content addresses: of values, and of code by what it means.

Conventions
-----------
An address is 32 hexadecimal digits; equal content has equal addresses, on every machine. The meaning of code
is its syntax tree without comments, docstrings and layout, so that an explanation which is put better changes
no address. It is written the same by every Python that the workbench runs on.

What there is: `address` of values, `of_code` for what a module computes, and `Package` for whoever asks which
modules some code runs.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping, MutableMapping
from functools import cached_property
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
PARTED = frozenset({"workbench.records"})  # of these, a class counts where it is named, and else not
# What is left out of the meaning of a stage, and why a change there cannot change what the stage makes.
LEFT_OUT = {
    "workbench.display": "draws for a reader; nothing that a stage puts out passes through it",
    "workbench.library.people": "who is at work; it is asked where somebody decides, and never by a stage",
}
# What names all records, whichever a stage uses: its names do not count.
LISTS = frozenset({"workbench.library.output"})


def address(*parts: object) -> str:
    """Return the content address of texts and numbers, in hexadecimal."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def of_code(*modules: str, libraries: Iterable[str] = ()) -> str:
    """Return the address of what modules compute, with all that they import and the libraries' versions.

    Results that were kept under another address are those of other code. A module is named as it is imported;
    raises `KeyError` for one that the package does not have.
    """
    package = Package(HERE)
    used = package.closure(modules)
    versions = [(name, installed(name)) for name in libraries]
    return address(versions, sorted(package.digests(used).items()))


class Source(msgspec.Struct, frozen=True):
    """One file of code: its meaning, and what it names."""

    digest: str  # of its meaning; of a module of `PARTED`, without its classes
    imports: list[str]  # each module, or "module.name", that it imports
    names: list[str]  # of `PARTED` alone: the names in what is not a class …
    classes: dict[str, tuple[str, list[str]]]  # … and of each class its digest, and the names in it


class Package:
    """The workbench as text: its modules, what each imports, and what each means.

    `known` holds the `Source` of files by a digest of their bytes; what is read is added to it.
    """

    def __init__(self, folder: Path, known: MutableMapping[str, Source] | None = None) -> None:
        self.folder = folder
        self.known = {} if known is None else known
        self.current: dict[str, Source] = {}  # what is known of the files as they are now
        self._sources: dict[str, Source] = {}

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Dotted name -> file of each module."""
        found = {}
        for path in sorted(self.folder.rglob("*.py")):
            parts = path.relative_to(self.folder.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    def source(self, name: str) -> Source:
        """Return what a module is."""
        if name not in self._sources:
            content = self.modules[name].read_bytes()
            key = address(name in PARTED, content)
            if key not in self.known:
                self.known[key] = read(content.decode("utf-8"), parted=name in PARTED)
            self._sources[name] = self.current[key] = self.known[key]
        return self._sources[name]

    def imported(self, source: Source) -> set[str]:
        """Return the package's modules that some code imports, at its top or inside a function."""
        named = {*source.imports, *(name.rpartition(".")[0] for name in source.imports)}
        return (self.modules.keys() & named) - {self.folder.name}

    def closure(self, names: Iterable[str], *, without: Iterable[str] = LEFT_OUT) -> set[str]:
        """Return modules with everything that they import, save what is left out."""
        left_out, seen = set(without), set()
        todo = set(names) - left_out
        while todo:
            name = todo.pop()
            seen.add(name)
            todo |= self.imported(self.source(name)) - left_out - seen
        return seen

    def digests(self, used: Iterable[str], *others: Source) -> dict[str, str]:
        """Return the digest of each module of a closure; of `PARTED` that of the classes named in it.

        `others` are code outside the package that names classes too, as a notebook does.
        """
        found = {name: self.source(name).digest for name in used}
        sources = [*others, *(self.source(name) for name in found if name not in LISTS)]
        for name in PARTED & found.keys():
            found[name] = _of_classes(name, self.source(name), sources)
        return found


def _of_classes(name: str, source: Source, users: Iterable[Source]) -> str:
    named = {whole for user in users for whole in user.imports}
    wanted = {each for each in source.classes if name in named or f"{name}.{each}" in named}
    todo = wanted | (source.classes.keys() & source.names)
    seen: set[str] = set()
    while todo:
        each = todo.pop()
        seen.add(each)
        todo |= (source.classes.keys() & source.classes[each][1]) - seen
    return address(source.digest, sorted((each, source.classes[each][0]) for each in seen))


def read(text: str, *, parted: bool = False) -> Source:
    """Return what some code is; raises `SyntaxError` where it is none."""
    tree = ast.parse(text)
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imports |= {f"{node.module}.{alias.name}" for alias in node.names}
    classes = [node for node in tree.body if parted and isinstance(node, ast.ClassDef)]
    rest = [node for node in tree.body if node not in classes]
    return Source(
        address(*map(meaning, _told(rest))),
        sorted(imports),
        sorted(_names(rest)) if parted else [],
        {node.name: (address(meaning(node)), sorted(_names([node]))) for node in classes},
    )


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    return {each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name)}


def meaning(node: Any) -> str:
    """Return a syntax tree as text, without docstrings, places and what is empty.

    What a newer Python adds to a kind of node is empty where older code does not use it, and left out.
    """
    if isinstance(node, ast.Constant):
        return repr(node.value)
    if isinstance(node, ast.AST):
        fields = ((name, getattr(node, name, None)) for name in node._fields)
        told = (
            f"{name}={meaning(_told(value) if name == 'body' and isinstance(value, list) else value)}"
            for name, value in fields
            if value is not None and value != []
        )
        return f"{type(node).__name__}({', '.join(told)})"
    if isinstance(node, list):
        return f"[{', '.join(map(meaning, node))}]"
    return repr(node)


def _told(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements without texts that stand for themselves, which is what a docstring is."""
    return [
        node
        for node in body
        if not (isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str))
    ]


def dumped(known: Mapping[str, Source]) -> bytes:
    """Return sources as JSON, in an order of their own; `loaded` reads it."""
    return msgspec.json.encode(dict(sorted(known.items())))


def loaded(content: bytes) -> dict[str, Source]:
    """Return the sources that `dumped` wrote; none where it is damaged or of another form."""
    try:
        return msgspec.json.decode(content, type=dict[str, Source])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
