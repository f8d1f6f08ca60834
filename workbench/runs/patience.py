"""DVC that waits for what another run holds, called as ``python -m workbench.patience``, else as ``dvc``.

By itself DVC ends with an error where a stage of one run needs what one of another is at work on. Here it
waits for that stage alone, and takes what it made: runs of different episodes go on side by side, and of two
runs of the same episode the second makes only what the first does not. No lock is ever taken away.
"""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvc.stage import Stage

PAUSE = 0.5  # s
HOLDER = re.compile(r"\(PID (\d+)\): (.*)")  # in what DVC says of a lock


def main(arguments: list[str]) -> int:
    """Run DVC's command line, patiently, and return its exit code."""
    import dvc.cli
    from dvc.stage import Stage

    sys.argv[0] = "dvc"  # so that whoever waits for this run reads what it is
    Stage.reproduce = _patient(Stage.reproduce)
    code: int = dvc.cli.main(arguments)
    return code


def _patient(reproduce: Any) -> Any:
    from dvc.lock import LockError

    def patiently(stage: Stage, **options: Any) -> Stage | None:
        told, again = "", False
        while True:
            try:
                if again and not stage.reload().changed(upstream=options.get("upstream")):
                    return None  # for which reading is enough
                made: Stage | None = reproduce(stage, **options)
                return made
            except LockError as error:
                holders = [f"process {pid} ({command})" for pid, command in HOLDER.findall(str(error))]
            if not again:
                again = True
                continue
            says = f"{stage.addressing} waits for {' and '.join(dict.fromkeys(holders)) or 'another run'}"
            if says != told:
                print(f"{says}; Ctrl-C gives up", file=sys.stderr, flush=True)
                told = says
            _wait(stage)

    return patiently


def _wait(stage: Stage) -> None:
    """Let other runs at the library for a moment."""
    stage.repo.lock.unlock()
    try:
        time.sleep(PAUSE)
    finally:
        stage.repo.lock.lock()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
