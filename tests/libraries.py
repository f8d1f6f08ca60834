"""Libraries of many episodes whose stages are stand-ins: what DVC and the workbench cost, stages aside."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.structure import ROOT

DUBS = ("es", "ca")
STAND_IN = """#!/bin/sh
# in place of `workbench`, as DVC calls it: each stage puts out what the decisions of its place are
root=$(cd ../../.. && pwd)
case "$1" in
  code) exec "{python}" -m workbench.cli code;;
  options) key=$2; mkdir -p "$root/data/$key/.options"
    for stage in {stages}; do echo '{{}}' > "$root/data/$key/.options/$stage.json"; done;;
  run) key=$3; mkdir -p "$root/data/$key/$2"; cat "$root/data/$key"/review/*.jsonl > "$root/data/$key/$2/made"
    if [ "$2" = export ]; then : > "$root/data/$key/export/products.jsonl"; fi
    if [ "$2" = segment ]; then : > "$root/data/$key/segment/segments.jsonl"; fi
    if [ "$2" = qa ]; then
      mkdir -p "$root/reports/$key" && cp "$root/data/$key/qa/made" "$root/reports/$key/qa.html"
    fi;;
esac
"""


def environment(folder: Path) -> dict[str, str]:
    """Return an environment whose `python` finds the project's packages, with a stand-in `workbench`."""
    from workbench.library import STAGES

    programs = folder / "bin"
    if not programs.is_dir():
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(Path(sys.executable).resolve())
        script = programs / "workbench"
        script.write_text(STAND_IN.format(python=programs / "python", stages=" ".join(STAGES)))
        script.chmod(script.stat().st_mode | stat.S_IEXEC)
    paths = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))
    own = {name: value for name, value in os.environ.items() if name != "WORKBENCH_PRELOAD"}
    return {**own, "PYTHONPATH": paths, "PATH": os.pathsep.join((str(programs), own["PATH"]))}


def library(folder: Path, episodes: int) -> Path:
    """Make a library of some episodes of two dubs each, all of them made; return its root."""
    root = folder / f"library-{episodes}"
    shutil.copytree(ROOT / "params", root / "params")
    shutil.copytree(ROOT / "notebooks", root / "notebooks", ignore=shutil.ignore_patterns(".ipynb*"))
    (root / "workbench").mkdir()
    (root / "params/library.yaml").write_text("s: {e000: [es, ca]}\n")
    (root / "dvc.yaml").write_text("stages: {}\n")
    for command in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        ["dvc", "config", "core.analytics", "false"],
    ):
        call(folder, root, *(["-m", *command] if command[0] == "dvc" else ["-c", _git(command)]))
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root)
    _write(root, "data/s/series.yaml", "title: S\ncasting: {}\n")
    for name in ("style_guide", *(f"style_guide.{dub}" for dub in DUBS)):
        _write(root, f"data/s/{name}.yaml", "version: 1\nproject: s\n")
    episode = root / "data/s/e000"
    facts = "source: source.wav\nlanguage: en\naudio_track: 0\nspeakers: null\nengines: {}\n"
    _write(episode, "given/episode.yaml", facts)
    _write(episode, "source.wav", "film\n")
    _write(episode, "review/segment.jsonl", "\n")
    for dub in DUBS:
        _write(episode, f"{dub}/given/dub.yaml", f"language: {dub}\nengines: {{}}\n")
        for log in ("translate", "cast", "tts"):
            _write(episode, f"{dub}/review/{log}.jsonl", "\n")
    call(folder, root, "-m", "workbench.cli", "repro", "s")
    for number in range(1, episodes):
        name = f"e{number:03}"
        shutil.copytree(episode, root / "data/s" / name)
        shutil.copytree(root / "reports/s/e000", root / "reports/s" / name)
        for file in ("dvc.yaml", "dvc.lock"):
            path = root / "data/s" / name / file
            path.write_text(path.read_text().replace("s/e000", f"s/{name}"))
    names = "".join(f"  e{number:03}: [{', '.join(DUBS)}]\n" for number in range(episodes))
    (root / "params/library.yaml").write_text(f"s:\n{names}")
    return root


def call(folder: Path, root: Path, *arguments: str) -> str:
    """Run Python with some arguments in a library; return what it printed, and fail where it fails."""
    done = subprocess.run(
        [str(folder / "bin/python"), *arguments], cwd=root, env=environment(folder), capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def _git(command: list[str]) -> str:
    return f"import subprocess; subprocess.run({command!r}, check=True)"


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def film(path: Path) -> None:
    """Write a second of sound."""
    import wave

    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 16_000, 16_000, "NONE", ""))
        sound.writeframes(bytes(32_000))
