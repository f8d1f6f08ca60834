"""A copy of this project in a folder of its own, and its command line run as a user would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.structure import ROOT


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `workbench` is the copy's."""
    programs = folder / ".bin"
    programs.mkdir(exist_ok=True)
    script = programs / "workbench"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m workbench.cli "$@"\n')
    script.chmod(0o755)
    own = {name: value for name, value in os.environ.items() if name != "WORKBENCH_PRELOAD"}
    path = os.pathsep.join((str(programs), str(Path(sys.executable).parent), own["PATH"]))
    return {**own, "PYTHONPATH": str(folder), "PATH": path}


def copy(folder: Path) -> Path:
    """Copy what git knows or would know of this project, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    names = [name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]
    assert "dvc.yaml" in names
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "copy"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


def workbench(folder: Path, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command line in a copy; both streams are kept."""
    command = [sys.executable, "-m", "workbench.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def hear_interrupts() -> None:
    """Undo, in a child, that a shell's background jobs start with Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(folder: Path, *arguments: str, when: Callable[[], bool]) -> int:
    """Start a command, press Ctrl-C once `when` says so, and return the exit code."""
    command = [sys.executable, "-m", "workbench.cli", *arguments]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(folder), stderr=subprocess.DEVNULL, preexec_fn=hear_interrupts
    )
    for _ in range(6000):
        if when():
            break
        assert process.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    return process.wait(60)


def ran(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the stages that DVC ran, as ``stage key``, in order; but not what writes down their options."""
    found = re.findall(r"^Running stage '(?:data/(.*)/dvc\.yaml:)?([^']*)'", done.stdout, re.M)
    stages = []
    for episode, name in found:
        stage, _, dub = name.partition("-")
        if stage != "options":
            stages.append(" ".join(filter(None, (stage, "/".join(filter(None, (episode, dub)))))))
    return stages


def contents(folder: Path) -> dict[str, bytes]:
    """Return relative name -> bytes of every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
