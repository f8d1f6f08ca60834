"""What code each stage runs: its notebook's, and that of every module that this imports, by meaning.

DVC runs a stage again where this changed, and for nothing else that is written here: a comment, a docstring,
a text between a notebook's cells, an output that was saved with it, or a panel's colour makes no film anew.
What is left out, and why, stands in `content.LEFT_OUT`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, MutableMapping
from functools import cached_property
from pathlib import Path

from workbench import content, library
from workbench.content import Package, Source
from workbench.engines import ENGINES

STAGE = "code"  # the name of DVC's stage that writes this
OPTIONS = "options"  # what writes down what each stage is to do, by what all the notebooks read
OTHERS = {"demo": "workbench.demo", OPTIONS: "workbench.runs.options", "page": "workbench.report.index"}
SHOWN = "workbench.display"  # draws for a reader; nothing that a stage puts out passes through it …
DRAWN = "workbench.report"  # … save here
PACKAGE = Path(__file__).parents[1]
KNOWN = Path(".cache") / "code.json"  # what was read of the code's files, by their bytes; safe to delete


def write(root: Path) -> None:
    """Write ``data/.code/<stage>.txt``, one line for each file that a stage runs, where it changed.

    Raises `LibraryError` where the disk is full.
    """
    code, folder = Code(root, known=_known(root)), root / "data" / ".code"
    before = len(code.package.known)
    texts = {f"{stage}.txt": code.text(stage) for stage in (*OTHERS, *code.notebooks)}
    if len(code.package.known) != before:
        library.write_bytes(root / KNOWN, content.dumped(code.package.current))
    if {path.name: path.read_text() for path in folder.glob("*")} != texts:
        with library.replacing(folder) as fresh:
            for name, text in texts.items():
                library.write_text(fresh / name, text)


def _known(root: Path) -> dict[str, Source]:
    path = root / KNOWN
    return content.loaded(path.read_bytes()) if path.is_file() else {}


class Code:
    """The package, and the notebooks of a project, as text."""

    def __init__(
        self, root: Path, folder: Path = PACKAGE, *, known: MutableMapping[str, Source] | None = None
    ) -> None:
        self.root, self.package = root, Package(folder, known)

    @property
    def modules(self) -> dict[str, Path]:
        """Dotted name -> file of each module."""
        return self.package.modules

    @cached_property
    def notebooks(self) -> dict[str, Path]:
        """Stage -> its notebook, where there is one."""
        there = ((stage, (self.root / "notebooks").glob(f"*_{stage}.ipynb")) for stage in library.STAGES)
        return {stage: path for stage, paths in there for path in paths}

    def text(self, stage: str) -> str:
        """Return a line for each file that a stage runs: its path, and the digest of what it means."""
        used, told = self.used(stage), {}
        others = []
        for name, notebook in self.notebooks.items():
            if stage in (name, OPTIONS):
                others.append(content.read(cells(notebook)))
                told[notebook.relative_to(self.root)] = others[-1].digest
        for name, digest in self.package.digests(used, *others).items():
            told[self.modules[name].relative_to(self.package.folder.parent)] = digest
        if _draws(used):
            for path in (self.package.folder / "templates").iterdir():
                if path.is_file():
                    told[path.relative_to(self.package.folder.parent)] = content.address(path.read_bytes())
        return "".join(f"{path.as_posix()} {digest}\n" for path, digest in sorted(told.items()))

    def used(self, stage: str) -> set[str]:
        """Return the modules that a stage or the demo runs; of engines, all that its notebook may choose."""
        if stage not in self.notebooks:
            return self.closure({OTHERS[stage]})
        tree = ast.parse(cells(self.notebooks[stage]))
        used = self.closure(self.imports(tree))
        for kind in kinds(tree):
            used |= self.closure(target.partition(":")[0] for target in ENGINES[kind].values())
        return used

    def closure(self, names: Iterable[str]) -> set[str]:
        """Return modules with everything that they import, save what is left out."""
        used = self.package.closure(names)
        return self.package.closure(used, without=content.LEFT_OUT.keys() - {SHOWN}) if _draws(used) else used

    def imported(self, name: str) -> set[str]:
        """Return the modules that a module imports."""
        return self.package.imported(self.package.source(name))

    def imports(self, tree: ast.AST) -> set[str]:
        """Return the package's modules that some code imports, at its top or inside a function."""
        return self.package.imported(content.read(ast.unparse(tree)))


def _draws(used: Iterable[str]) -> bool:
    return any(name.startswith(DRAWN) for name in used)


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
