"""What the tts stage costs beside XTTS: against the library called directly on the same lines.

Ten minutes of speech by a tiny model, so that the engine's own share is as small as it can be. The two ways
take turns line by line, on one thread, each writes a file a line, and CPU time is counted.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import soundfile

from tests.benchmarks.figures import keep
from tests.tiny import coqui as tiny
from workbench import library, tts
from workbench.audio import Reference
from workbench.engines.coqui import Coqui, CoquiOptions
from workbench.fit import timing
from workbench.records import Casting, Segment, Table, Translation

SECONDS = 600
SLOT = 1100  # ms; what the model says of any line is a little shorter
WORDS = [
    "casa",
    "perro",
    "libro",
    "mesa",
    "noche",
    "camino",
    "ciudad",
    "puerta",
    "agua",
    "fuego",
    "tierra",
    "luna",
]
OPTS = tts.Options(seed=0, max_rate=1.0, min_rate=1.0, slow_below=0.0, max_renders=1)


@pytest.mark.models
def test_overhead_of_voices(tmp_path):
    import torch

    draw = np.random.default_rng(0)
    count = SECONDS * 1000 // SLOT
    texts = [f"{' '.join(draw.choice(WORDS, size=6))} {WORDS[n % 10]}." for n in range(count)]
    lines = [Segment(f"s{n * SLOT:08d}", n * SLOT, (n + 1) * SLOT, "A", "") for n in range(count)]
    clip = draw.normal(0, 0.1, 6 * 24_000).astype(np.float32)
    with tiny.small_vocoder():
        engine = Coqui(CoquiOptions(str(tiny.xtts(tmp_path / "xtts")), (), "cpu", True), given=None)
        reference = Reference((clip,), 24_000)
        network = engine._model
    style, voice = network._heard(reference)
    takes = tts.speak(
        Table(Segment, lines),
        Table(Translation, [Translation(s.id, t, "", (), (), ()) for s, t in zip(lines, texts, strict=True)]),
        Table(Casting, [Casting("A", "clips:A", "coqui", None, "")]),
        engine=engine,
        memo=library.Memo(tmp_path),
        pronounce=str,
        language="es",
        duration=SECONDS * 1000,
        opts=OPTS,
        room=timing.Options(max_early=0, max_late=0, min_gap=0),
        references={"clips:A": reference},
    )
    torch.set_num_threads(1)  # more of them wait for each other, and waiting is counted too
    ours = alone = samples = 0.0
    for text in texts:
        began = time.process_time()
        take, y = next(takes)
        between = time.process_time()
        torch.manual_seed(0)
        made = network.model.inference(text, "es", style, voice, **network.sampling)["wav"]
        soundfile.write(tmp_path / "line.wav", made, 24_000, subtype="FLOAT")
        ours, alone = ours + between - began, alone + time.process_time() - between
        samples += take.samples / take.sample_rate
        assert np.array_equal(made, y)
    keep(
        "voices",
        {
            "xtts": {
                "seconds_of_speech": round(samples),
                "cpu_seconds": round(ours, 2),
                "library_alone": round(alone, 2),
                "overhead": round(ours / alone - 1, 4),
            }
        },
    )
