"""Every notebook: its shape, and that all of them run end to end (see test_chain)."""

from __future__ import annotations

import ast
import json

import pytest

from tests.structure import ROOT
from workbench.library import SOURCE_STAGES, STAGES
from workbench.runs import digests, notebook

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OF_THE_MACHINE = {"models"}  # notebooks of no episode


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= len(STAGES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestEachNotebook:
    def test_has_its_place_as_its_only_parameters(self, path):
        if path.stem in OF_THE_MACHINE:
            assert '"parameters"' not in path.read_text(encoding="utf-8")
        else:
            expected = {"episode"} if path.stem[4:] in SOURCE_STAGES else {"episode", "dub"}
            assert notebook.parameters(path) == expected

    def test_tells_and_calls_but_defines_nothing(self, path):
        tree = ast.parse(digests.cells(path))
        for node in ast.walk(tree):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("open", "exec", "eval")
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert "subprocess" not in names

    def test_is_short_and_explains(self, path):
        lines = [
            line
            for line in digests.cells(path).splitlines()
            if line.strip() and not line.strip().startswith("#")
        ]
        assert 0 < len(lines) <= 40
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert cells[0]["cell_type"] == "markdown"
        assert "".join(cells[0]["source"]).startswith("# ")

    def test_is_committed_without_outputs(self, path):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        ran = [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
        assert not ran
