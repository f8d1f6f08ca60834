"""What the chain costs beside its models: a film of ten minutes, its texts given, its takes in the memo.

The film is the demo, twelve times over, with its true lines and a human translation as subtitles, so
that no recogniser and no translator runs; the second run finds every take in the memo. What is left is
decoding, voice activity, prints, separation, fitting, mixing, encoding and QA, notebooks and DVC. The
peer is the film's own length: the ratio says how many seconds a second of film costs.
"""

from __future__ import annotations

import json
import resource
import shutil
import time

from tests.benchmarks import films
from tests.benchmarks.figures import keep
from tests.project import copy, environment, workbench
from workbench import library
from workbench.runs import monitor

TIMES = 12


def test_overhead_of_the_chain(tmp_path):
    project = copy(tmp_path / "project")
    film, lines = films.long(project, tmp_path, times=TIMES)
    wish = ["--from", "en", "--to", "es", "--translation", f"es={tmp_path / 'long.es.srt'}"]
    workbench(project, "dub", film, *wish)
    dub = library.dub("films/long", "es", project)
    for stage in library.STAGES:
        shutil.rmtree(dub.stage(stage))
    shutil.rmtree(project / ".dvc" / "cache")
    (project / "data/films/long/dvc.lock").unlink()
    (project / ".cache" / "runs.jsonl").unlink()
    environment(project)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    workbench(project, "repro", "films/long/es")
    after, took = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    length = films.milliseconds(film) / 1000
    stages = {run.stage: round(run.seconds / length, 4) for run in monitor.runs(project)}
    keep(
        "chain",
        {
            "film_seconds": round(length),
            "lines": len(lines),
            "wall_to_film": round(took / length, 3),
            "cpu_to_film": round(
                (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / length, 3
            ),
            "wall_to_film_by_stage": stages,
            "outside_stages_to_film": round((took - sum(stages.values()) * length) / length, 4),
            "peak_mb_of_one_process": round(after.ru_maxrss / 1024),
        },
    )
    assert set(stages) == set(library.STAGES)
    summary = json.loads((dub.stage("qa") / "summary.json").read_text())
    assert summary["checks"]["cut"]["fail"] == 0
