"""Where the project is, and what its stages read, as their notebooks say."""

from __future__ import annotations

import ast
from pathlib import Path

from workbench.library import PLACES, STAGES
from workbench.runs import digests

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "workbench"
CODE = digests.Code(ROOT)
RECORD_STAGE = {kind.__name__: stage for kind, (stage, _) in PLACES.items()}


def needs(stage: str) -> set[str]:
    """Return the earlier stages whose outputs a stage's notebook reads."""
    tree = ast.parse(digests.cells(CODE.notebooks[stage]))
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    readers = {node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "read"}
    handed_on = {node for node in readers - called if getattr(node.value, "id", "") in ("ep", "place")}
    kinds_read = list(RECORD_STAGE) if handed_on else digests.calls(tree, "read")
    earlier = {RECORD_STAGE[name] for name in kinds_read if name in RECORD_STAGE}
    earlier |= set(digests.calls(tree, "stage")) & set(STAGES)
    return earlier - {stage}
