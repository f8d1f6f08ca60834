"""Rerun lines beside the kernel: ``workbench rerun`` as a process of its own, followed by its log.

The process outlives the kernel that started it, and a panel that opens meanwhile finds it: as long as it
lives it holds a lock on its log, whichever way it ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from workbench import library
from workbench.errors import StageError

STAGE = re.compile(r"^Running stage '(\w+)@", re.MULTILINE)
MOST_SAID = 400  # characters of the reason that is shown
DONE = "lines asked: "  # in what `workbench rerun` says when all went well
FAULT = "workbench: "  # before what it says when not


@dataclass(frozen=True)
class Progress:
    """Where a rerun stands. `stages` are those that ran or run, `said` is what it did, or why it failed."""

    state: Literal["none", "running", "done", "failed"] = "none"
    stages: tuple[str, ...] = ()
    said: str = ""


@dataclass
class Rerun:
    """The reruns of one dub, one at a time."""

    dub: library.Dub
    command: Sequence[str] = (sys.executable, "-m", "workbench.cli", "rerun")
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, arguments: Sequence[str]) -> None:
        """Start a rerun; `arguments` choose its lines. Raises `StageError` while one is running."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink:
            if not _free(sink, fcntl.LOCK_EX):
                raise StageError(
                    f"rerun lines of {self.dub.key}", "a rerun is under way", "Wait until it has ended."
                )
            sink.truncate(0)
            self._process = subprocess.Popen(
                [*self.command, str(self.dub.key), *arguments],
                cwd=self.dub.root,
                stdin=subprocess.DEVNULL,
                stdout=sink,  # the lock goes over with it
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def progress(self) -> Progress:
        """Return where the running rerun stands, or how the last one ended."""
        if not self.log.is_file():
            return Progress()
        with self.log.open("rb") as log:
            ended = _free(log, fcntl.LOCK_SH)  # asked first, so that of one that ends now all is read
            text = log.read().decode(errors="replace")
        stages = tuple(dict.fromkeys(STAGE.findall(text)))
        if not ended:
            return Progress("running", stages)
        if self._process:
            self._process.wait()
        lines = text.splitlines()
        done = [line.partition(DONE)[1:] for line in lines if DONE in line]
        if done:
            return Progress("done", stages, "".join(done[-1])[:MOST_SAID])
        faults = [line.removeprefix(FAULT) for line in lines if line.startswith(FAULT)]
        return Progress("failed", stages, faults[-1][:MOST_SAID] if faults else "It was ended from outside.")

    @property
    def log(self) -> Path:
        """Where the last rerun's output stands."""
        return self.dub.root / ".cache" / "reruns" / f"{'.'.join(self.dub.key.names)}.log"


def _free(log: IO[bytes], lock: int) -> bool:
    """Take the lock of a log, shared or not, if nobody has it; it goes when the file is closed."""
    try:
        fcntl.flock(log, lock | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
