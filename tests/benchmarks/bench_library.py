"""What a library of many episodes costs, stages aside: they are stand-ins, and each episode has two dubs.

CPU seconds of whole processes. The peer is ``import dvc.repo.reproduce`` in a process of its own, in the
same run: nobody can ask DVC anything for less.
"""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

from tests import libraries
from tests.benchmarks.figures import keep

SIZES = (1, 10, 100)


def cpu(folder: Path, root: Path, *arguments: str) -> float:
    """Return the CPU seconds of a Python process and of all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    libraries.call(folder, root, *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2)


def test_what_a_library_costs(tmp_path: Path) -> None:
    libraries.environment(tmp_path)
    figures: dict[str, object] = {}
    costs: dict[str, dict[int, float]] = {}
    for size in SIZES:
        root = libraries.library(tmp_path, size)
        episode = root / "data/s/e000"
        workbench = ("-m", "workbench.cli")
        unit = min(cpu(tmp_path, root, "-c", "import dvc.repo.reproduce") for _ in range(3))
        cpu(tmp_path, root, *workbench, "repro", "s/e000")
        shutil.rmtree(root / ".cache")
        cpu(tmp_path, root, *workbench, "code")  # what was read of the code
        measured = {"import": unit, "status_all_cold": cpu(tmp_path, root, *workbench, "status")}
        measured["status_all_warm"] = cpu(tmp_path, root, *workbench, "status")
        measured["status_one"] = cpu(tmp_path, root, *workbench, "status", "s/e000")
        measured["noop_one"] = cpu(tmp_path, root, *workbench, "repro", "s/e000")
        (episode / "es/review/translate.jsonl").write_text('{"edit": 1}\n')
        measured["edit_one"] = cpu(tmp_path, root, *workbench, "repro", "s/e000/es")
        film = tmp_path / "film.wav"
        libraries.film(film)
        add = ("add", str(film), "--from", "en", "--to", "es", "ca", "--series", "s", "--name", "new")
        measured["add_one"] = cpu(tmp_path, root, *workbench, *add)
        measured["lock_kb"] = round((episode / "dvc.lock").stat().st_size / 1000, 1)
        for name, value in measured.items():
            costs.setdefault(name, {})[size] = value
        figures[f"of_{size}"] = measured | {
            f"{name}_to_import": round(value / unit, 2)
            for name, value in measured.items()
            if name not in ("import", "lock_kb")
        }
        shutil.rmtree(root)
    for name in ("noop_one", "edit_one", "add_one", "status_one"):
        figures[f"{name}_of_100"] = costs[name][100]
        figures[f"growth_{name}_100_1"] = round(costs[name][100] / costs[name][1], 2)
    figures["status_all_100"] = costs["status_all_warm"][100]
    keep("library", figures)
