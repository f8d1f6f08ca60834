"""The one switch that forbids every fetch, for this project or this process.

Conventions
-----------
It is on where ``params/models.yaml`` says ``offline: true``, or the environment variable `VARIABLE` is set to
anything but 0, false, no or nothing. A folder on this machine may still be copied from.
"""

from __future__ import annotations

import os
import sys

from workbench import params
from workbench.engines.models import places

VARIABLE = "WORKBENCH_OFFLINE"
OFF = ("", "0", "false", "no")
LIBRARIES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")  # each keeps a library at home


def reason() -> str:
    """Return what forbids to fetch, for a message; "" where nothing does.

    Raises `RecordError` where ``params/models.yaml`` is no YAML.
    """
    if os.environ.get(VARIABLE, "").strip().lower() not in OFF:
        return f"the environment variable {VARIABLE}"
    path = places.project() / "params" / "models.yaml"
    if path.is_file() and params.mapping(path.read_text("utf-8"), where=str(path)).get("offline") is True:
        return "offline: true in params/models.yaml"
    return ""


def keep() -> None:
    """Where the switch is on, have the vendors' libraries of this process stay off the network, too."""
    if not reason():
        return
    os.environ.update(dict.fromkeys(LIBRARIES, "1"))
    loaded = sys.modules.get("huggingface_hub.constants")  # it has read its variable already
    if loaded is not None:
        loaded.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
