"""From an edited line to the updated film: what that costs against dubbing the film once.

A film of 600 lines, half an hour long, its texts given, is dubbed by the embedded engines. Then the text
of one line is edited and `workbench rerun` is run for it, as the panel's button does. The bound is copying
and hashing the bytes that the rerun leaves behind: DVC keeps every output, so that nothing that puts out a
new film costs less. Everything runs on one machine, one thing after the other; times are wall clock.

Then the QA report is made in three forms and opened in a browser: a page whose lines can be filtered.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests import browser
from tests.benchmarks import films
from tests.benchmarks.figures import keep
from tests.project import copy, workbench
from workbench import library, review
from workbench.records import Segment
from workbench.runs import monitor
from workbench.runs.rerun import lines as lines_of

TIMES = 34  # the demo over: 612 lines
KEY = "films/long"
OLD, NEW = "esta mañana", "esta semana"  # what the reviewer reads in a line, and wants there

FORMS = {  # of the report
    "embedded, the 200 worst lines": {"clips": 200, "sound": "embedded"},
    "embedded, all lines": {"clips": 10_000, "sound": "embedded"},
    "linked, all lines": {"clips": 10_000, "sound": "linked"},
}
FILTER = """() => {
    const began = performance.now()
    document.querySelector("#only-verdict-0").click()
    document.body.getBoundingClientRect()
    return performance.now() - began
}"""


def timed(do: Callable[[], object]) -> float:
    """Return how many seconds something takes."""
    began = time.monotonic()
    do()
    return time.monotonic() - began


def staged(project: Path, do: Callable[[], object]) -> dict[str, float]:
    """Return how many seconds each stage takes that runs meanwhile, what is beside them, and all."""
    before = len(monitor.runs(project)) if (project / ".cache").is_dir() else 0
    whole = timed(do)
    stages = {run.stage: run.seconds for run in list(monitor.runs(project))[before:]}
    return {**stages, "outside stages": whole - sum(stages.values()), "whole": whole}


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file in a stage's folder."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def bound(dub: library.Dub, scratch: Path) -> float:
    """Return how many seconds it takes to copy what the target side puts out, and to hash it as DVC does."""

    def copied() -> None:
        for stage in library.TARGET_STAGES:
            shutil.copytree(dub.stage(stage), scratch / stage)
        for path in sorted(scratch.rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    hashlib.file_digest(file, "md5")

    took = timed(copied)
    shutil.rmtree(scratch)
    return took


def edit(dub: library.Dub) -> str:
    """Have a reviewer edit the text of a line in the middle; return its id."""
    lines = lines_of(dub, review.read(dub.review(*review.LOGS))).values()
    fitting = [line for line in lines if OLD in line.text and line.take and line.take.rate == 1]
    line = fitting[len(fitting) // 2]
    text = line.text.replace(OLD, NEW)
    decision = review.decide("edit_text", line, who="ana", at=datetime.now(UTC), text=text)
    dub.append(review.log_of(decision.action), decision)
    return line.id


def opened(dub: library.Dub, **changes: object) -> dict[str, float]:
    """Make the QA report with other options, and say how large it is and how it opens and filters."""
    path = dub.root / "params" / "qa.yaml"
    for name, value in changes.items():
        path.write_text(
            re.sub(rf"^  {name}: .*$", f"  {name}: {value}", path.read_text(), flags=re.MULTILINE)
        )
    workbench(dub.root, "repro", dub.key)
    page, clips = dub.reports / "qa.html", dub.stage("qa").rglob("*.ogg")
    with browser.chromium() as chromium:
        tab = chromium.new_page()
        seconds = timed(lambda: tab.goto(page.as_uri()))
        filtering = float(tab.evaluate(FILTER))
    return {
        "page_mb": round(page.stat().st_size / 1e6, 2),
        "clips_beside_mb": round(sum(clip.stat().st_size for clip in clips) / 1e6, 2),
        "opens_s": round(seconds, 2),
        "filters_s": round(filtering / 1000, 3),
    }


def table(full: dict[str, float], again: dict[str, float]) -> str:
    """Return a table of seconds per stage."""
    rows = [f"{'stage':16}{'full':>9}{'rerun':>9}{'ratio':>8}"]
    for stage, seconds in full.items():
        rerun = again.get(stage, 0.0)
        rows.append(f"{stage:16}{seconds:9.1f}{rerun:9.1f}{rerun / seconds:8.3f}")
    return "\n".join(rows)


def rerun(dub: library.Dub, full: dict[str, float], scratch: Path) -> dict[str, object]:
    """Edit a line, rerun it, and return what that took against the full run."""
    project, before, said = dub.root, digests(dub.stage("tts")), []
    line = edit(dub)
    command = ("rerun", dub.key, "--segments", line)
    again = staged(project, lambda: said.append(workbench(project, *command).stdout))
    print("\n" + table(full, again))
    kept = sum(before[name] == digest for name, digest in digests(dub.stage("tts")).items() if name[0] == "s")
    nothing = timed(lambda: workbench(project, "repro", dub.key))
    least = bound(dub, scratch)
    return {
        "ratio_to_full": round(again["whole"] / full["whole"], 4),
        "ratio_to_copying_and_hashing": round(again["whole"] / least, 2),
        "ratio_of_nothing_to_do_to_full": round(nothing / full["whole"], 4),
        "share_of_full_by_stage": {
            stage: [round(times.get(stage, 0.0) / full["whole"], 4) for times in (full, again)]
            for stage in full
        },
        "takes_synthesised": int(said[0].split("syntheses: ")[1].split(",")[0]),
        "takes_byte_identical": kept,
    }


def test_from_edit_to_film(tmp_path):
    project = copy(tmp_path / "project")
    film, _ = films.long(project, tmp_path, times=TIMES)
    said, translated = tmp_path / "long.en.srt", tmp_path / "long.es.srt"
    workbench(project, "add", film, "--from", "en", "--transcript", said)
    workbench(project, "repro", KEY)
    workbench(project, "add", film, "--from", "en", "--to", "es", "--translation", f"es={translated}")
    dub = library.dub(KEY, "es", project)
    full = staged(project, lambda: workbench(project, "repro", dub.key))
    size = {"lines": len(dub.read(Segment)), "film_seconds": round(films.milliseconds(film) / 1000)}
    figures = {**size, **rerun(dub, full, tmp_path / "bound")}
    keep("rerun", {**figures, "report": {name: opened(dub, **changes) for name, changes in FORMS.items()}})
    assert figures["takes_synthesised"] == 1
    assert figures["takes_byte_identical"] == figures["lines"] - 1
