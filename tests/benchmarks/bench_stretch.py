"""How well a recogniser understands takes that were played faster, by ours and by other stretchers.

The demo's lines, spoken by flite, are played at several tempos; each is recognised alone. Writes
``reports/benchmarks/stretch.json``: word errors, and per stretcher the attack that is left of a click and
how far the length was missed.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.benchmarks.figures import keep
from tests.structure import ROOT
from tests.truth import word_error
from workbench import audio, demo, engines, fit, library, params
from workbench.audio import Sound

TEMPOS = (0.85, 1.1, 1.2, 1.4)
MARGIN = 0.03  # of word error, which stretching may cost at the tempos that params permit


def test_stretched_takes_are_understood(tmp_path):
    if missing := [name for name in ("flite", "rubberband", "ffmpeg") if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    stretchers: dict[str, Callable[..., Sound]] = {
        "ours": fit.stretch,
        "rubberband_r3": lambda y, *, sr, length: _rubberband(y, sr, length, tmp_path, "--fine"),
        "rubberband_r2_crisp": lambda y, *, sr, length: _rubberband(y, sr, length, tmp_path, "--crisp=5"),
        "atempo": lambda y, *, sr, length: _atempo(y, sr, length, tmp_path),
    }
    options = params.read(
        demo.Options, library.read_text(ROOT / "params" / "demo.yaml"), key="demo", where="params/demo.yaml"
    )
    sr = options.sample_rate
    text = " ".join(line.text for line in options.lines)
    takes = [
        demo.speak(line.text, voice=options.speakers[line.speaker].voice, sr=sr) for line in options.lines
    ]
    figures: dict[str, object] = {
        "as_spoken": {"word_error": round(word_error(text, _heard(takes, sr)), 3)},
        "margin": MARGIN,
    }
    for name, stretch in stretchers.items():
        found: dict[str, float] = {}
        start = time.perf_counter()
        played = {tempo: [stretch(y, sr=sr, length=round(y.size / tempo)) for y in takes] for tempo in TEMPOS}
        spent = time.perf_counter() - start
        found["times_real_time"] = round(len(TEMPOS) * sum(y.size for y in takes) / sr / spent)
        found["length_missed_ms"] = max(
            round(1000 * abs(out.size - y.size / tempo) / sr, 2)
            for tempo, outs in played.items()
            for out, y in zip(outs, takes, strict=True)
        )
        found["click_kept_db"] = round(_click_kept(stretch, sr), 1)
        for tempo, outs in played.items():
            found[f"word_error_{tempo}"] = round(word_error(text, _heard(outs, sr)), 3)
        figures[name] = found
    keep("stretch", figures)
    for tempo in TEMPOS[:-1]:  # what params permit
        assert figures["ours"][f"word_error_{tempo}"] <= figures["as_spoken"]["word_error"] + MARGIN


def _heard(takes: list[Sound], sr: int) -> str:
    recogniser = engines.load("asr", library.Place(ROOT, "").choice("asr"))
    words = []
    for y in takes:
        quiet = np.pad(y, sr // 4)
        span = (0, audio.milliseconds(quiet.size, sr=sr))
        words += [word.text for word in recogniser.words(quiet, sr=sr, language="en", spans=[span])]
    return " ".join(words)


def _click_kept(stretch: Callable[..., Sound], sr: int) -> float:
    """Return the peak of a click in quiet noise after playing it at 1.2, against before; dB."""
    random = np.random.default_rng(4)
    y = (1e-3 * random.standard_normal(sr)).astype(np.float32)
    y[sr // 2 : sr // 2 + sr // 500] = 0.5 * random.standard_normal(sr // 500)
    louder = np.abs(stretch(y, sr=sr, length=round(sr / 1.2))).max() / np.abs(y).max()
    return float(20 * np.log10(louder))


def _rubberband(y: Sound, sr: int, length: int, folder: Path, quality: str) -> Sound:
    soundfile.write(folder / "in.wav", y, sr, subtype="FLOAT")
    command = ["rubberband", "-q", quality, "--formant", f"--time={length / y.size}", "in.wav", "out.wav"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return soundfile.read(folder / "out.wav", dtype="float32")[0]


def _atempo(y: Sound, sr: int, length: int, folder: Path) -> Sound:
    soundfile.write(folder / "in.wav", y, sr, subtype="FLOAT")
    command = ["ffmpeg", "-v", "error", "-y", "-i", "in.wav", "-af", f"atempo={y.size / length}", "out.wav"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return soundfile.read(folder / "out.wav", dtype="float32")[0]
