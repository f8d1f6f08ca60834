"""What our stages cost beside the engines: each one against its library called directly on the same work.

Ten minutes of speech, tiny models, so that the engine's own share is as small as it can be. The two ways take
turns, and CPU time is counted, of all threads; the ratio is of the least of each, which other work on the
machine disturbs least. Where ten minutes are long work, they are measured in parts, and the least of each
part are added.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.figures import keep
from tests.dubs import Takes, options
from tests.tiny import coqui, translation
from tests.tiny.whisper import whisper
from workbench import asr, audio, library, translate, tts
from workbench.engines.coqui import Coqui
from workbench.engines.ctranslate import Nllb
from workbench.engines.silero import Silero
from workbench.engines.utterances import utterances
from workbench.engines.whisper import FasterWhisper
from workbench.fit import timing
from workbench.glossary import Guide
from workbench.records import Casting, Segment, Table, Translation

SR = 16000
MINUTES = 10
ROUNDS = 25
PARTS = 130  # of ten minutes by XTTS, which takes a hundred times as long as the others: four lines each
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


def compare(name: str, *parts: tuple[Callable[[], object], Callable[[], object]], rounds: int) -> None:
    """Keep the CPU seconds of both ways, ours and the library alone, and what ours costs more, as a ratio."""
    least = []
    for way in parts[0]:
        way()
    gc.freeze()  # what the tests themselves hold is not searched for garbage while the clock runs
    for ours, library_alone in parts:
        times = [(cpu_seconds(ours), cpu_seconds(library_alone)) for _ in range(rounds)]
        least.append([min(column) for column in zip(*times, strict=True)])
    mine, alone = (sum(column) for column in zip(*least, strict=True))
    FIGURES[name] = {
        "cpu_seconds": round(mine, 3),
        "library_alone": round(alone, 3),
        "overhead": round(mine / alone - 1, 4),
    }
    keep("engines", FIGURES)


def load_xtts(folder: Path):
    """Load an XTTS as coqui-tts says one should."""
    from TTS.tts.configs.xtts_config import XttsConfig
    from TTS.tts.models.xtts import Xtts

    config = XttsConfig()
    config.load_json(str(folder / "config.json"))
    model = Xtts(config)
    model.load_checkpoint(config, checkpoint_dir=str(folder), eval=True)
    return model


@pytest.fixture
def one_thread():
    """Work of a millisecond is not shared among threads that would wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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

    compare("faster_whisper", (ours, alone), rounds=ROUNDS)


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

    compare("nllb", (ours, alone), rounds=4 * ROUNDS)


@pytest.mark.models
def test_overhead_of_speech(tmp_path, one_thread):
    with coqui.small_vocoder():
        folder = coqui.xtts(tmp_path / "xtts", languages=("en", "es"))
        engine = Coqui(Coqui.Options(str(folder), (), "cpu", True), given=None)
        model = load_xtts(folder)
        style, voice = model.speaker_manager.speakers["Ana"].values()
        sampling = {
            name: model.config[name]
            for name in ("temperature", "length_penalty", "repetition_penalty", "top_k", "top_p")
        }
        words = ["hoy", "vamos", "a", "casa", "con", "mi", "hermana", "y", "su", "perro", "de", "noche"]
        rng = np.random.default_rng(0)
        one, _ = engine.speak("hoy", voice="Ana", language="es", rate=1.0, seed=0)
        took = audio.milliseconds(one.size, sr=24_000)  # as any line of this model
        texts = [" ".join(rng.choice(words, size=6)) for _ in range(MINUTES * 60_000 // took)]
        segments = [Segment(f"s{n:08}", n * 2000, n * 2000 + took, "A", text) for n, text in enumerate(texts)]

        def ours(part):
            memo = Takes()
            done = tts.speak(
                Table(Segment, part),
                Table(Translation, [Translation(row.id, row.text, "none", (), (), ()) for row in part]),
                Table(Casting, [Casting("A", "Ana", engine.name, None, "test")]),
                engine=engine, memo=memo, pronounce=lambda text: text, language="es",
                duration=segments[-1].end + 2000, opts=opts, room=room,
            )  # fmt: skip
            assert [take.rate for take, _ in done] == [1.0] * len(part)
            assert len(memo.kept) == len(part)

        def alone(part):
            for row in part:
                assert model.inference(row.text, "es", style, voice, speed=1.0, **sampling)["wav"].size

        opts, room = options("tts", tts.Options), options("timing", timing.Options)
        parts = [segments[first::PARTS] for first in range(PARTS)]
        compare("xtts", *((partial(ours, part), partial(alone, part)) for part in parts), rounds=4)
