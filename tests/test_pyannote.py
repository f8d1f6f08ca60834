import dataclasses
import itertools
import os
import threading

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed; run: make test-models")
pytest.importorskip("pyannote.audio", reason="pyannote.audio is not installed; run: make test-models")
pytestmark = pytest.mark.models

from tests.tiny import pyannote as tiny  # noqa: E402
from workbench import diarize  # noqa: E402
from workbench.engines.models import devices  # noqa: E402
from workbench.engines.pyannote import Embedding, Pyannote  # noqa: E402
from workbench.errors import EngineError  # noqa: E402

SR = 16_000


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny.build(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def diarizer(model):
    return Pyannote(Pyannote.Options(model=model, device="cpu", batch=8), given=None)


@pytest.fixture(scope="module")
def extractor(model):
    return Embedding(Embedding.Options(model=model, device="auto", window=4000, same=0.3), given=None)


class Whole:
    """A detector that takes everything for speech."""

    def spans(self, speech, *, sr):
        return [(0, len(speech) * 1000 // sr)] if len(speech) else []


def through_the_stage(diarizer, y, *, sr=SR, speakers=None):
    return diarize.diarize(
        y, sr=sr, detector=Whole(), diarizer=diarizer, speakers=speakers, opts=diarize.Options(shortest=100)
    )


def near(turns, truth):
    return len(turns) == len(truth) and all(
        turn.speaker == speaker and abs(turn.start - start) < 100 and abs(turn.end - end) < 100
        for turn, (start, end, speaker) in zip(turns, truth, strict=True)
    )


@pytest.mark.parametrize("sr", [8000, 16_000, 44_100])
def test_two_voices_are_told_apart_at_any_rate(diarizer, sr):
    y, truth = tiny.low_and_high()
    from workbench import audio

    turns = through_the_stage(diarizer, audio.resample(y, sr=SR, to=sr), sr=sr)
    assert near(turns, truth)
    assert {turn.engine for turn in turns} == {"pyannote"}


def test_the_number_of_speakers_is_kept_to(diarizer):
    y, truth = tiny.low_and_high()
    one = through_the_stage(diarizer, y, speakers=1)
    assert {turn.speaker for turn in one} == {"A"}
    assert near(through_the_stage(diarizer, y, speakers=2), truth)


def test_turns_neither_overlap_nor_pass_the_end(diarizer):
    y, _ = tiny.low_and_high()
    y = y[: 12_345 * SR // 1000]
    turns = through_the_stage(diarizer, y)
    assert all(a.end <= b.start for a, b in itertools.pairwise(turns))
    assert turns[-1].end <= 12_345


@pytest.mark.parametrize("n", [0, 1, SR // 5, 2 * SR])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_short_sounds_silence_and_noise_give_turns_within(diarizer, n, level):
    y = np.random.default_rng(0).normal(0, level, n).astype(np.float32)
    assert all(0 <= t.start < t.end <= n * 1000 // SR for t in through_the_stage(diarizer, y))


def test_no_speech_is_no_turn_and_asks_nothing(diarizer):
    y, _ = tiny.low_and_high()
    assert list(diarizer.turns(y, sr=SR, spans=[], speakers=None)) == []


def test_the_same_sound_gives_the_same_turns_from_two_threads(diarizer):
    y, _ = tiny.low_and_high()
    found = {}

    def work(number):
        found[number] = through_the_stage(diarizer, y)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == through_the_stage(diarizer, y)


def test_telemetry_is_off(diarizer):
    from pyannote.audio.telemetry.metrics import is_metrics_enabled

    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "0"
    assert not is_metrics_enabled()


def test_prints_have_unit_length_and_tell_the_voices_apart(extractor):
    y, truth = tiny.low_and_high()
    cut = [y[start * SR // 1000 : end * SR // 1000] for start, end, _ in truth]
    prints = extractor.prints(cut, sr=SR)
    assert prints.shape == (4, 32)
    assert prints.dtype == np.float32
    assert np.allclose(np.linalg.norm(prints, axis=1), 1, atol=1e-5)
    alike = prints @ prints.T
    assert min(alike[0, 2], alike[1, 3]) > max(alike[0, 1], alike[2, 3])
    assert extractor.prints([], sr=SR).shape == (0, 32)


def test_a_long_sound_gets_the_mean_of_its_parts(extractor):
    y, truth = tiny.low_and_high()
    low = y[: truth[0][1] * SR // 1000]
    one, long = extractor.prints([low, np.tile(low, 20)], sr=SR)
    assert one @ long > 0.99


def test_a_print_of_too_short_a_sound_is_an_error(extractor):
    with pytest.raises(EngineError, match="lasts 100 ms"):
        extractor.prints([np.zeros(SR // 10, np.float32)], sr=SR)


def test_a_pipeline_of_a_later_version_is_an_error(tmp_path):
    folder = tiny.build(tmp_path / "new", version="99.0.0")
    with pytest.raises(EngineError, match="WrongDependencyVersion"):
        Pyannote(Pyannote.Options(model=str(folder), device="cpu", batch=8), given=None)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("segmentation/pytorch_model.bin", b""),
        ("segmentation/pytorch_model.bin", b"PK\x03\x04 half a file"),
        ("config.yaml", b"pipeline: {name: no.such.Pipeline}"),
        ("config.yaml", b"- no\n- mapping\n"),
        ("config.yaml", tiny.CONFIG.format(version="4.0.0").replace("$model/plda", "someone/some").encode()),
    ],
)
def test_a_damaged_model_is_an_error_that_names_its_folder(tmp_path, file, content):
    folder = tiny.build(tmp_path / "damaged")
    (folder / file).write_bytes(content)
    with pytest.raises(EngineError, match=r"load the model .*damaged"):
        Pyannote(Pyannote.Options(model=str(folder), device="cpu", batch=8), given=None)


def test_a_model_of_another_architecture_is_an_error(tmp_path):
    import torch

    folder = tiny.build(tmp_path / "other")
    path = folder / "embedding" / "pytorch_model.bin"
    checkpoint = torch.load(path, weights_only=False)
    checkpoint["state_dict"] = {"something.else": torch.zeros(3)}
    torch.save(checkpoint, path)
    with pytest.raises(EngineError, match="load the model"):
        Embedding(Embedding.Options(model=str(folder), device="cpu", window=4000, same=0.3), given=None)


def test_an_absent_gpu_that_is_asked_for_is_an_error(model, monkeypatch):
    monkeypatch.setattr(devices, "gpus", list)
    with pytest.raises(EngineError, match="no CUDA device"):
        Pyannote(Pyannote.Options(model=model, device="cuda", batch=8), given=None)


def test_want_of_memory_names_the_option(diarizer, monkeypatch):
    def full(*args, **kwargs):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. of which 1.00 GiB is free.")

    monkeypatch.setattr(type(diarizer.pipeline), "apply", full)
    with pytest.raises(EngineError, match=r"2.00 GiB needed, 1.00 GiB free. Lower batch"):
        list(diarizer.turns(np.zeros(SR, np.float32), sr=SR, spans=[(0, 1000)], speakers=None))


def test_a_model_that_lacks_a_file_is_not_ready(tmp_path):
    options = Embedding.Options(model=str(tmp_path), device="cpu", window=4000, same=0.3)
    assert "lacks embedding/pytorch_model.bin" in Embedding.missing(options)
    absent = dataclasses.replace(options, model="no-such-model")
    assert "run: workbench engines fetch no-such-model" in Embedding.missing(absent)
