"""Where models lie."""

from __future__ import annotations

import os
from pathlib import Path


def project() -> Path:
    """Return the folder of the project that this process works in; the current one where it is in none."""
    here = Path.cwd()
    return next((f for f in (here, *here.parents) if (f / "params" / "engines.yaml").is_file()), here)


def home() -> Path:
    """Return the folder of all models."""
    if chosen := os.environ.get("WORKBENCH_MODELS"):
        return Path(chosen)
    return project() / ".cache" / "models"


def place(model: str) -> Path:
    """Return where a model lies or would lie; `model` is a name, or a path with a slash in it."""
    return Path(model).expanduser() if "/" in model else home() / model
