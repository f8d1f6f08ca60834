"""What bench_mix.py measures, each job in a process of its own: ``python -m tests.benchmarks.mixing JOB …``.

The last line that a job prints says how long it took once its imports were done, how much of a processor,
and how much memory its process ever held.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tests.structure import ROOT
from workbench import audio, library, loudness, mix, params
from workbench.library import blocks
from workbench.records import Placement, Segment, Table

R = TypeVar("R")
SR = 48000
PERIOD = 37  # s after which the made sound repeats


def speech(n: int, seed: int) -> npt.NDArray[np.float32]:
    """Make noise that swells four times a second, as syllables do, at about -23 LUFS."""
    random = np.random.default_rng(seed)
    y = np.convolve(random.standard_normal(n), np.hanning(24), "same")
    y *= 0.5 - 0.5 * np.cos(2 * np.pi * 4 * np.arange(n) / SR + seed)
    return (0.12 * y / np.abs(y).std()).clip(-0.9, 0.9).astype(np.float32)


def make(folder: Path, minutes: int, lines: int, channels: int) -> None:
    """Make a film's bed and dialogue, and the takes of so many lines, evenly placed."""
    folder.mkdir(parents=True)
    frames, period = minutes * 60 * SR, PERIOD * SR
    random = np.random.default_rng(0)
    bed = (0.02 * (np.cumsum(random.standard_normal((channels, period)), axis=1) % 1 - 0.5)).astype("f4")
    voice = np.stack([speech(period, 1)] * channels)
    like = {"sr": SR, "channels": channels, "frames": frames}
    for name, y in (("bed.wav", bed), ("dialogue.wav", voice)):
        with library.SoundWriter(folder / name, **like) as sound:
            for start in range(0, frames, period):
                sound.write(y[:, : min(period, frames - start)])
    (folder / "fit").mkdir()
    slot = minutes * 60_000 // lines
    segments, placements = [], []
    for k in range(lines):
        length = int(random.integers(1500, min(4500, slot)))
        name, start = f"s{k * slot:08}", k * slot
        end = start + length
        y = speech(audio.samples(length, sr=SR), k % 50)[np.newaxis]
        library.write_sound(folder / "fit" / f"{name}.wav", y, sr=SR, subtype="FLOAT")
        segments.append(Segment(name, start, end, "ABCD"[k % 4], "text"))
        placements.append(Placement(name, start, end, 1.0, 0))
    (folder / "segments.jsonl").write_text(Table(Segment, segments).to_jsonl())
    (folder / "placements.jsonl").write_text(Table(Placement, placements).to_jsonl())


def dub(folder: Path, target_lufs: float, lines: int) -> dict[str, object]:
    """Mix the film as the notebook does, with some lines of it; what was made and kept before is used."""
    text = (ROOT / "params" / "mix.yaml").read_text()
    opts = params.read(mix.Options, text, key="mix", where="mix.yaml")
    opts = replace(opts, target_lufs=target_lufs)
    kept = blocks.Store(folder, "mix", version=mix.version())
    placements, segments = chosen(Placement, folder, lines), chosen(Segment, folder, lines)
    bed, dialogue = (blocks.KeyedSound(folder / name, kept=kept) for name in ("bed.wav", "dialogue.wav"))
    takes = {
        line.segment: blocks.KeyedSound(folder / "fit" / f"{line.segment}.wav", kept=kept)
        for line in placements
    }
    spoken = mix.lines(placements, segments, takes, dialogue, kept=kept, opts=opts)
    ducks = mix.ducks(spoken, segments, bed, dialogue, kept=kept, opts=opts)
    film = mix.Mix(bed, spoken, mix.voices(takes, opts=opts), ducks, opts)
    heard = list(loudness.listen(film, kept=kept))
    dubbed, reached = mix.master(film, heard, kept=kept, opts=opts)
    with library.replacing(folder / "mix") as out:
        rendered = sum(blocks.splice(dubbed, out / "dub", earlier=folder / "mix" / "dub", kept=kept))
    return {"rendered": rendered, "blocks": len(blocks.spans(film)), "lufs": reached.integrated_lufs}


def chosen(kind: type[R], folder: Path, lines: int | None = None) -> Table[R]:
    """Return so many of the film's segments or placements, evenly chosen; or all."""
    name = f"{kind.__name__.lower()}s.jsonl"
    rows = Table.from_jsonl(kind, (folder / name).read_text(), where=name)
    return rows[:: len(rows) // lines] if lines else rows


def same(folder: Path, target_lufs: float, lines: int) -> dict[str, object]:
    """Say whether the dub that was spliced has the bytes of one that is made from nothing."""
    spliced = _hashes(folder / "mix" / "dub")
    shutil.rmtree(folder / ".cache")
    shutil.rmtree(folder / "mix")
    dub(folder, target_lufs, lines)
    return {"equal": bool(spliced) and _hashes(folder / "mix" / "dub") == spliced}


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def edit(folder: Path) -> None:
    """Say one line of the middle anew; the other takes stay the files they were, as after the stage fit."""
    takes = sorted((folder / "fit").iterdir())
    with library.replacing(folder / "fit") as out:
        for k, path in enumerate(takes):
            if k == len(takes) // 2:
                y, sr = library.read_sound(path)
                library.write_sound(out / path.name, y[:, ::-1], sr=sr, subtype="FLOAT")
            else:
                os.link(path, out / path.name)


def copy(folder: Path) -> None:
    """Read the bed and write it again, block by block, with the library that the mix does it with."""
    bed = library.SoundFile(folder / "bed.wav")
    with library.SoundWriter.like(bed, folder / "copy.wav") as sound:
        for start, stop in blocks.spans(bed):
            sound.write(bed.read(start, stop))
    (folder / "copy.wav").unlink()


def copy_bytes(folder: Path) -> None:
    """Copy a file of as many bytes as the dub has, without looking at them."""
    with (folder / "bed.wav").open("rb") as old, (folder / "copy.wav").open("wb") as new:
        while os.copy_file_range(old.fileno(), new.fileno(), 2**30):
            pass
    (folder / "copy.wav").unlink()


def segments_library(folder: Path) -> None:
    """Overlay each take with pydub, as many tools do: the film's sound is made anew for every line."""
    import warnings

    warnings.simplefilter("ignore")
    from pydub import AudioSegment

    film = AudioSegment.from_file(folder / "bed.wav")
    for line in chosen(Placement, folder):
        take = AudioSegment.from_file(folder / "fit" / f"{line.segment}.wav")
        film = film.overlay(take, position=line.start)
    film.export(folder / "peer.wav", format="wav")


def inputs_of_ffmpeg(folder: Path) -> None:
    """Give ffmpeg each take as an input of its own, delayed to its place, and mix them all."""
    placements = chosen(Placement, folder)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(folder / "bed.wav")]
    graph = []
    for k, line in enumerate(placements, start=1):
        command += ["-i", str(folder / "fit" / f"{line.segment}.wav")]
        graph.append(f"[{k}:a]adelay={line.start}:all=1[t{k}]")
    names = "".join(f"[t{k}]" for k in range(1, len(placements) + 1))
    graph.append(f"[0:a]{names}amix=inputs={len(placements) + 1}:duration=first:normalize=0[out]")
    script = folder / "graph.txt"
    script.write_text(";".join(graph))
    command += ["-filter_complex_script", str(script), "-map", "[out]", "-c:a", "pcm_s24le"]
    subprocess.run([*command, str(folder / "peer.wav")], check=True)


def measured(job: str, *arguments: object) -> dict[str, object]:
    """Run a job in a process of its own; return its seconds, its memory, and what it says."""
    command = [sys.executable, "-m", "tests.benchmarks.mixing", job, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main(job: str, folder: str, *arguments: str) -> None:
    """Do a job and print what it took."""
    jobs = {
        "make": lambda: make(Path(folder), *map(int, arguments)),
        "dub": lambda: dub(Path(folder), float(arguments[0]), int(arguments[1])),
        "same": lambda: same(Path(folder), float(arguments[0]), int(arguments[1])),
        "edit": lambda: edit(Path(folder)),
        "copy": lambda: copy(Path(folder)),
        "copy_bytes": lambda: copy_bytes(Path(folder)),
        "segments_library": lambda: segments_library(Path(folder)),
        "inputs_of_ffmpeg": lambda: inputs_of_ffmpeg(Path(folder)),
    }
    began, used = time.monotonic(), _processor()
    said = jobs[job]() or {}
    status = Path("/proc/self/status").read_text()  # getrusage would also tell of the process it came from
    (peak,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    took = {"wall": time.monotonic() - began, "cpu": _processor() - used, "mb": peak / 1024}
    print(json.dumps({**took, **said}))


def _processor() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main(*sys.argv[1:])
