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


def needs(stage: str) -> tuple[set[str], dict[str, set[str] | None]]:
    """Return what a stage's outputs depend on: the earlier stages, and parameter files with their keys.

    `None` as keys means the whole file.
    """
    tree = ast.parse(digests.cells(CODE.notebooks[stage]))
    loaded = digests.kinds(tree)
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    readers = {node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "read"}
    handed_on = {node for node in readers - called if getattr(node.value, "id", "") in ("dub", "ep", "place")}
    kinds_read = list(RECORD_STAGE) if handed_on else digests.calls(tree, "read")
    earlier = {RECORD_STAGE[name] for name in kinds_read if name in RECORD_STAGE}
    earlier |= set(digests.calls(tree, "stage")) & set(STAGES)
    options = digests.calls(tree, "options")
    params: dict[str, set[str] | None] = {f"params/{name}.yaml": None for name in options}
    if set(digests.calls(tree, "choice")) - loaded:
        params["params/engines.yaml"] = None  # every choice, to compare with what the records say
    elif loaded:
        params["params/engines.yaml"] = loaded
    return earlier - {stage}, params
