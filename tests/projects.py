"""A project of its own with one short dubbed film, for tests of what people do with a finished dub."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pysubs2

from workbench import demo, params

ROOT = Path(__file__).resolve().parents[1]
KEY = "harbour/e01"
LANG = "es"
SAID = (  # in English by the demo's voices, and what the dub says; the third is far too long for its time
    ("Tom", "Hello, Anna. Have you seen the boat today?", "Hola, Ana. ¿Has visto hoy el barco?"),
    ("Anna", "Not yet. Is there something wrong with it?", "Todavía no. ¿Le pasa algo malo al barco?"),
    (
        "Tom",
        "Look at it.",
        "Míralo tú misma, que yo llevo mirándolo desde el amanecer y sigo sin entender lo que le ha podido "
        "pasar durante la noche a un barco tan nuevo y tan bien hecho.",
    ),
    ("Anna", "I left a piece of wood on the bench for you.", "Te dejé un trozo de madera en el banco."),
)
NEEDED = ("flite", "espeak-ng", "ffmpeg", "git")


def missing() -> str:
    """Return which programs a dubbed project needs and this machine lacks."""
    return ", ".join(name for name in NEEDED if shutil.which(name) is None)


def copied(root: Path) -> None:
    """Copy this project into an empty folder, without its episodes, as a git repository of its own."""
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in found:
        if not name.startswith("data/") and name != "dvc.lock" and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    (root / "params/library.yaml").write_text("")
    for name in ("review", "casting"):
        panel = root / f"notebooks/{name}.ipynb"
        panel.write_text(panel.read_text().replace("demo/e01", KEY))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "config", "user.name", "Ana"], cwd=root, check=True)


def dubbed(root: Path) -> None:
    """Make a project in an empty folder, and in it the dub of a short film, all stages run."""
    copied(root)
    opts = params.read(
        demo.Options, (ROOT / "params/demo.yaml").read_text(), key="demo", where="params/demo.yaml"
    )
    lines = tuple(demo.Line(speaker, 900, text) for speaker, text, _ in SAID)
    film = root / "film"
    segments = demo.make(film, dataclasses.replace(opts, lines=lines, tail=6000))
    for column, name in ((1, "en.srt"), (2, "es.srt")):
        subtitles = pysubs2.SSAFile()
        subtitles.events = [
            pysubs2.SSAEvent(start=row.start, end=row.end, text=said[column])
            for row, said in zip(segments, SAID, strict=True)
        ]
        subtitles.save(str(film / name))
    run(
        root, "add", "film/source.mp4", "--from", "en", "--to", LANG, "--series", "harbour", "--name", "e01",
        "--transcript", "film/en.srt", "--translation", "es=film/es.srt",
    )  # fmt: skip
    run(root, "repro", f"{KEY}/{LANG}")
    shutil.rmtree(film)


def run(root: Path, *arguments: str) -> None:
    """Run the command line in a project; fails with what it said."""
    command = [sys.executable, "-m", "workbench.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
