"""What each stage runs, by content: the code of its notebook, and every module that this imports.

DVC runs a stage again where this changed, and for nothing else that is written here: a text between a
notebook's cells, an output that was saved with it, or a panel's colour makes no film anew.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import xxhash

from workbench import library
from workbench.engines import ENGINES

STAGE = "code"  # the name of DVC's stage that writes this
SHOWN = "workbench.display"  # draws for a reader; nothing that a stage puts out passes through it
DRAWN = "workbench.report"  # save here
PACKAGE = Path(__file__).parents[1]


def write(root: Path) -> None:
    """Write ``data/.code/<stage>.txt``, one line for each file that a stage runs, where it changed.

    Raises `LibraryError` where the disk is full.
    """
    code, folder = Code(root), root / "data" / ".code"
    texts = {f"{stage}.txt": code.text(stage) for stage in ("demo", *code.notebooks)}
    if {path.name: path.read_text() for path in folder.glob("*")} != texts:
        with library.replacing(folder) as fresh:
            for name, text in texts.items():
                library.write_text(fresh / name, text)


class Code:
    """The package, and the notebooks of a project, as text."""

    def __init__(self, root: Path, package: Path = PACKAGE) -> None:
        self.root, self.package = root, package
        self._imports: dict[str, set[str]] = {}

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Dotted name -> file of each module."""
        found = {}
        for path in sorted(self.package.rglob("*.py")):
            parts = path.relative_to(self.package.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    @cached_property
    def notebooks(self) -> dict[str, Path]:
        """Stage -> its notebook, where there is one."""
        there = ((stage, (self.root / "notebooks").glob(f"*_{stage}.ipynb")) for stage in library.STAGES)
        return {stage: path for stage, paths in there for path in paths}

    def text(self, stage: str) -> str:
        """Return a line for each file that a stage runs: its path, and a hash (XXH3, 128 bits)."""
        used = self.used(stage)
        files = {self.modules[name] for name in used}
        if DRAWN in used:
            files |= {path for path in (self.package / "templates").iterdir() if path.is_file()}
        told = {path.relative_to(self.package.parent): path.read_bytes() for path in files}
        if notebook := self.notebooks.get(stage):
            told[notebook.relative_to(self.root)] = cells(notebook).encode()
        return "".join(
            f"{path.as_posix()} {xxhash.xxh3_128_hexdigest(content)}\n"
            for path, content in sorted(told.items())
        )

    def used(self, stage: str) -> set[str]:
        """Return the modules that a stage or the demo runs; of engines, all that its notebook may choose."""
        if stage not in self.notebooks:
            return self.closure({f"workbench.{stage}"})
        tree = ast.parse(cells(self.notebooks[stage]))
        used = self.closure(self.imports(tree))
        for kind in kinds(tree):
            used |= self.closure(target.partition(":")[0] for target in ENGINES[kind].values())
        return used

    def closure(self, names: Iterable[str]) -> set[str]:
        """Return modules with everything that they import, save what only draws for a reader."""
        seen: set[str] = set()
        todo = set(names) - {SHOWN}
        while todo:
            name = todo.pop()
            seen.add(name)
            todo |= self.imported(name) - (set() if name == DRAWN else {SHOWN}) - seen
        return seen

    def imported(self, name: str) -> set[str]:
        """Return the modules that a module imports."""
        if name not in self._imports:
            self._imports[name] = self.imports(ast.parse(self.modules[name].read_text(encoding="utf-8")))
        return self._imports[name]

    def imports(self, tree: ast.AST) -> set[str]:
        """Return the package's modules that some code imports, at its top or inside a function."""
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        return (found & self.modules.keys()) - {"workbench"}


def cells(path: Path) -> str:
    """Return the code of a notebook's cells."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in found if cell["cell_type"] == "code")


def calls(tree: ast.AST, name: str) -> list[str]:
    """Return the first argument of every call of a function or method of that name."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if called == name:
                found.append(
                    str(first.value) if isinstance(first, ast.Constant) else getattr(first, "id", "")
                )
    return found


def kinds(tree: ast.AST) -> set[str]:
    """Return the kinds of engine that some code chooses."""
    return ENGINES.keys() & calls(tree, "choice")
