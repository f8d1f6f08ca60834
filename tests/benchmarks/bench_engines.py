"""What our stages cost beside the engines: each one against its library called directly on the same work.

Ten minutes of speech, tiny models, so that the engine's own share is as small as it can be. The two ways take
turns, and CPU time is counted, of all threads; the ratio is of the least of each, which other work on the
machine disturbs least.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from tests.benchmarks.figures import keep
from tests.tiny import translation
from tests.tiny.whisper import whisper
from workbench import asr, audio, library, translate
from workbench.engines.ctranslate import Nllb
from workbench.engines.silero import Silero
from workbench.engines.utterances import utterances
from workbench.engines.whisper import FasterWhisper
from workbench.glossary import Guide
from workbench.records import Segment

SR = 16000
MINUTES = 10
ROUNDS = 25
FIGURES: dict[str, dict[str, float]] = {}


class Found:
    """A detector that has already found its spans."""

    name = "found"

    def __init__(self, spans):
        self.found = spans

    def spans(self, speech, *, sr):
        return self.found


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def compare(name: str, ours: Callable[[], object], library_alone: Callable[[], object]) -> None:
    """Keep the CPU seconds of both ways and what ours costs more, as a ratio."""
    ours(), library_alone()
    times = [(cpu_seconds(ours), cpu_seconds(library_alone)) for _ in range(ROUNDS)]
    mine, alone = (min(column) for column in zip(*times, strict=True))
    FIGURES[name] = {
        "cpu_seconds": round(mine, 3),
        "library_alone": round(alone, 3),
        "overhead": round(mine / alone - 1, 4),
    }
    keep("engines", FIGURES)


@pytest.fixture(scope="module")
def speech(media):
    y, sr = library.read_sound(media / "read1.wav")
    y = audio.resample(audio.mono(y), sr=sr, to=SR)
    return np.resize(y, MINUTES * 60 * SR)


def test_overhead_of_recognition(speech, tmp_path):
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    folder = whisper(tmp_path / "whisper")
    options = FasterWhisper.Options(str(folder), "cpu", "auto", 8, 5, 150, 2000, 30_000, 2.4, 0.6, -1.0, 4)
    spans = Silero(Silero.Options(0.35, 100, 300), given=None).spans(speech, sr=SR)
    engine = FasterWhisper(options, given=None)
    model = WhisperModel(str(folder), device="cpu", compute_type="auto")
    heard = utterances(speech, sr=SR, spans=spans, pad=150, gap=2000, longest=30_000)
    clips = [{"start": a / 1000, "end": b / 1000} for a, b in heard]

    def ours():
        found = asr.transcribe(speech, sr=SR, language="en", detector=Found(spans), transcriber=engine)
        assert len(list(found)) == 5 * len(heard)

    def alone():
        segments, _ = BatchedInferencePipeline(model).transcribe(
            speech, language="en", temperature=0.0, word_timestamps=True, clip_timestamps=clips, batch_size=8
        )
        assert sum(len(segment.words) for segment in segments) == 5 * len(heard)

    compare("faster_whisper", ours, alone)


def test_overhead_of_translation(tmp_path):
    import ctranslate2
    import sentencepiece

    folder = translation.nllb(tmp_path / "nllb")
    engine = Nllb(Nllb.Options(str(folder), "cpu", "auto", 2048, 4, 4), given=None)
    words = [word for word in translation.PAIRS if word.isalpha()]  # a line is one sentence to both
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(words, size=12)) for _ in range(MINUTES * 15)]
    segments = [Segment(f"s{n:08}", n * 4000, n * 4000 + 3500, "A", line) for n, line in enumerate(lines)]
    guide = Guide()
    translator = ctranslate2.Translator(str(folder), device="cpu", compute_type="auto")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))

    def ours():
        opts = translate.Options(batch=32, scene_pause=4000, characters=17)
        ask = {"translator": engine, "guide": guide, "source": "en", "target": "es", "opts": opts}
        assert len(list(translate.translate(segments, **ask))) == len(lines)

    def alone():
        done = []
        for at in range(0, len(lines), 32):
            tokens = [
                ["eng_Latn", *pieces.encode(line, out_type=str), "</s>"] for line in lines[at : at + 32]
            ]
            found = translator.translate_batch(
                tokens, target_prefix=[["spa_Latn"]] * len(tokens), beam_size=4,
                max_batch_size=2048, batch_type="tokens", replace_unknowns=True,
            )  # fmt: skip
            done += [pieces.decode(result.hypotheses[0][1:]) for result in found]
        assert len(done) == len(lines)

    compare("nllb", ours, alone)
