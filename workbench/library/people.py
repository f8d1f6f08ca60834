"""Who is at work here: one rule for everything that writes decisions."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path


def reviewer(root: Path) -> str:
    """Return who is at work: the user of a JupyterHub, git's ``user.name``, or the login name."""
    named = ""
    if git := shutil.which("git"):
        asked = subprocess.run([git, "config", "user.name"], cwd=root, capture_output=True, text=True)
        named = asked.stdout.strip()
    return os.environ.get("JUPYTERHUB_USER") or named or getpass.getuser()
