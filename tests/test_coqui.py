"""The real coqui-tts with an XTTS and a VITS of a megabyte."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.tiny import coqui as tiny
from workbench.audio import Reference
from workbench.engines.coqui import Coqui, CoquiOptions
from workbench.engines.coqui_networks import halves
from workbench.errors import EngineError, SpeechError

SR = 24_000
LINE = "Buenos días, Ana."


@pytest.fixture(scope="module")
def small():
    with tiny.small_vocoder():
        yield


@pytest.fixture(scope="module")
def xtts(small, tmp_path_factory):
    return tiny.xtts(tmp_path_factory.mktemp("coqui") / "xtts")


@pytest.fixture(scope="module")
def vits(tmp_path_factory):
    return tiny.vits(tmp_path_factory.mktemp("coqui") / "vits")


def options(folder, **changed):
    return dataclasses.replace(CoquiOptions(str(folder), (), "cpu", True), **changed)


def engine(folder, **changed):
    chosen = options(folder, **changed)
    assert Coqui.missing(chosen) is None
    return Coqui(chosen, given=None)


def say(coqui, text=LINE, voice="Ana", language="es", rate=1.0, seed=0):
    return coqui.speak(text, voice=voice, language=language, rate=rate, seed=seed)[0]


def clips(*seconds, seed=0, sr=SR):
    draw = np.random.default_rng(seed)
    return Reference(tuple(draw.normal(0, 0.1, int(s * sr)).astype(np.float32) for s in seconds), sr)


def imitate(coqui, reference, text=LINE, seed=0):
    return coqui.imitate(text, reference=reference, language="es", rate=1.0, seed=seed)[0]


@pytest.mark.models
class TestXtts:
    def test_brings_voices_and_imitates_others(self, xtts):
        coqui = engine(xtts)
        assert coqui.clones
        assert [voice.name for voice in coqui.voices("es")] == list(tiny.SPEAKERS)
        assert not np.array_equal(say(coqui), say(coqui, voice="Gene"))

    def test_draws_what_torch_draws_from_that_seed(self, xtts):
        import torch

        coqui = engine(xtts)
        network = coqui._model
        latents = network.model.speaker_manager.speakers["Ana"].values()
        torch.manual_seed(5)
        alone = network.model.inference(LINE, "es", *latents, **network.sampling)["wav"]
        np.testing.assert_array_equal(say(coqui, seed=5), alone)

    def test_draws_from_the_seed_and_leaves_the_process_its_own_draws(self, xtts):
        import torch

        coqui = engine(xtts)
        assert not np.array_equal(say(coqui), say(coqui, seed=1))
        torch.manual_seed(7)
        expected = torch.rand(3)
        torch.manual_seed(7)
        say(coqui)
        assert torch.equal(torch.rand(3), expected)

    def test_rounds_the_same_whichever_thread_calls(self, xtts):
        coqui = engine(xtts)
        before = say(coqui)
        with threadpool_limits(limits=1), ThreadPoolExecutor(1) as other:
            assert np.array_equal(say(coqui), before)
            assert np.array_equal(other.submit(say, coqui).result(), before)

    def test_a_voice_is_heard_once_and_known_by_its_clips(self, xtts):
        coqui = engine(xtts)
        one, other = clips(1.0, 2.0), clips(3.0, seed=1)
        spoken = imitate(coqui, one)
        assert np.array_equal(spoken, imitate(coqui, clips(1.0, 2.0)))
        assert not np.array_equal(spoken, imitate(coqui, other))
        assert len(coqui._model.latents) == 2

    def test_one_model_speaks_for_all_engines_that_name_it(self, xtts):
        coqui, variant = engine(xtts), engine(xtts, languages=["es"])
        assert coqui._model is variant._model

    def test_hears_what_the_library_hears_in_files(self, xtts, tmp_path):
        import soundfile
        import torch

        reference = clips(1.0, 2.0, sr=22_050)
        paths = [tmp_path / f"{n}.wav" for n in range(2)]
        for path, clip in zip(paths, reference.clips, strict=True):
            soundfile.write(path, clip, 22_050, subtype="FLOAT")
        network = engine(xtts)._model
        config = network.model.config
        style, voice = network.model.get_conditioning_latents(
            [str(path) for path in paths],
            max_ref_length=config.max_ref_len,
            gpt_cond_len=config.gpt_cond_len,
            gpt_cond_chunk_len=config.gpt_cond_chunk_len,
        )
        heard = network._heard(reference)
        assert torch.allclose(heard[0], style, atol=1e-5)
        assert torch.allclose(heard[1], voice, atol=1e-5)

    def test_clips_too_short_to_hear_a_voice_are_an_error(self, xtts):
        with pytest.raises(SpeechError, match="its clips hold 200 ms"):
            imitate(engine(xtts), clips(0.1, 0.1))

    def test_a_line_too_long_for_the_model_is_spoken_in_pieces(self, xtts):
        coqui = engine(xtts)
        sentence = "Esta es una frase bastante larga para medir. "
        assert len(say(coqui, sentence * 8)) > 3 * len(say(coqui, sentence))

    def test_a_model_that_comes_to_no_end_is_an_error_and_never_a_line_cut_off(self, small, tmp_path):
        endless = engine(tiny.xtts(tmp_path / "endless", ends_after=99))
        with pytest.raises(SpeechError, match=r"'Buenos'.*without coming to an end"):
            say(endless)

    def test_the_licence_is_asked_and_recorded(self, xtts):
        reason = Coqui.missing(options(xtts, accept_licence=False))
        assert "CPML" in reason
        assert "accept_licence: true" in reason
        assert "licence CPML accepted" in engine(xtts).identity

    def test_a_model_as_it_was_published_is_loaded_and_its_file_left_alone(self, small, tmp_path):
        folder = tiny.xtts(tmp_path / "published", published=True)
        before = (folder / "model.pth").read_bytes()
        say(engine(folder))
        assert (folder / "model.pth").read_bytes() == before


@pytest.mark.models
class TestVits:
    def test_speaks_by_its_speakers_and_asks_for_no_licence(self, vits):
        coqui = engine(vits, accept_licence=False)
        assert [voice.name for voice in coqui.voices("es")] == list(tiny.SPEAKERS)
        assert not np.array_equal(say(coqui), say(coqui, voice="Gene"))
        assert 0.6 < len(say(coqui, rate=1.3)) / len(say(coqui)) < 0.9
        assert np.array_equal(say(coqui), say(coqui)), "a rate is forgotten"

    def test_with_one_voice_is_called_by_its_own_name(self, tmp_path):
        coqui = engine(tiny.vits(tmp_path / "solo", speakers=()))
        assert [voice.name for voice in coqui.voices(None)] == ["solo"]
        assert say(coqui, voice="solo").size

    def test_may_be_moved(self, vits, tmp_path):
        moved = tmp_path / "moved"
        moved.mkdir()
        settings = (vits / "config.json").read_text().replace(str(vits), "/nowhere")
        (moved / "config.json").write_text(settings)
        for name in ("model.pth", "speakers.json"):
            (moved / name).write_bytes((vits / name).read_bytes())
        assert np.array_equal(say(engine(moved)), say(engine(vits)))

    def test_imitates_nobody(self, vits):
        coqui = engine(vits)
        assert not coqui.clones
        with pytest.raises(EngineError, match="vits cannot"):
            imitate(coqui, clips(3.0))

    def test_a_long_line_keeps_all_its_words(self, vits):
        coqui = engine(vits)
        sentence = "Esta es una frase bastante larga para medir. "
        assert len(say(coqui, sentence * 8)) > 7 * len(say(coqui, sentence))


@pytest.mark.models
class TestBadModels:
    def broken(self, vits, folder):
        folder.mkdir()
        for path in vits.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        return folder

    def test_a_model_half_fetched_is_missing(self, vits, tmp_path):
        folder = self.broken(vits, tmp_path / "half")
        (folder / "model.pth").write_bytes((vits / "model.pth").read_bytes()[:5000])
        assert "cut short" in Coqui.missing(options(folder))
        (folder / "model.pth").unlink()
        assert "lacks model.pth" in Coqui.missing(options(folder))
        assert "workbench engines fetch none-such" in Coqui.missing(options("none-such"))

    def test_another_architecture_is_missing_what_this_engine_runs(self, vits, tmp_path):
        folder = self.broken(vits, tmp_path / "other")
        (folder / "config.json").write_text(json.dumps({"model": "tacotron2"}))
        assert "is a tacotron2; this engine runs xtts and vits" in Coqui.missing(options(folder))
        (folder / "config.json").write_text("[")
        assert "config.json" in Coqui.missing(options(folder))

    def test_weights_that_do_not_fit_their_settings_are_an_error(self, vits, tmp_path):
        folder = self.broken(vits, tmp_path / "unfit")
        settings = json.loads((folder / "config.json").read_text())
        settings["model_args"]["hidden_channels"] = 32
        (folder / "config.json").write_text(json.dumps(settings))
        with pytest.raises(EngineError, match=r"load the model .*do not fit"):
            say(engine(folder))

    def test_a_gpu_asked_for_and_absent_is_an_error(self, vits):
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has a CUDA device")
        with pytest.raises(EngineError, match=r"CUDA.*device: cpu"):
            say(engine(vits, device="cuda"))

    def test_want_of_memory_tells_figures_and_what_to_lower(self, vits, monkeypatch):
        coqui = engine(vits)

        def hungry(*_, **__):
            import torch

            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 9.50 GiB. GPU 0 has a total capacity of 8.00 GiB of "
                "which 1.25 GiB is free."
            )

        say(coqui)
        monkeypatch.setattr(coqui._model.model, "synthesize", hungry)
        with pytest.raises(EngineError, match=r"9.50 GiB needed, 1.25 GiB free.*Lower the length"):
            say(coqui)


def test_a_text_is_cut_at_the_best_place_near_its_middle():
    assert halves("Uno dos. Tres, cuatro y cinco.", within_words=False) == [
        "Uno dos.",
        "Tres, cuatro y cinco.",
    ]
    assert halves("Uno, dos y tres", within_words=False) == ["Uno,", "dos y tres"]
    assert halves("uno dos tres", within_words=False) in (["uno dos", "tres"], ["uno", "dos tres"])
    assert halves("Pesa unos 3.5", within_words=False) == ["Pesa", "unos 3.5"]
    assert halves("一二三。四五", within_words=False) == ["一二三。", "四五"]
    assert halves("abcd", within_words=True) == ["ab", "cd"]
    assert halves("abcd", within_words=False) == ["abcd"]
