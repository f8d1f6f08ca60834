import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest

from tests import truth
from workbench import audio, demo, library, params
from workbench.errors import EngineError, MediaError
from workbench.records import Segment, Table

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "params" / "demo.yaml"

pytestmark = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.fixture(scope="module")
def opts():
    return params.read(demo.Options, FILE.read_text(), key="demo", where="params/demo.yaml")


@pytest.fixture(scope="module")
def made(opts, tmp_path_factory):
    """The demo's first four lines, as a film."""
    folder = tmp_path_factory.mktemp("demo") / "e01"
    short = dataclasses.replace(opts, lines=opts.lines[:4])
    return folder, short, demo.make(folder, short)


def probe(film):
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(film)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def decode(film, folder):
    command = ["ffmpeg", "-v", "error", "-i", str(film), "-c:a", "pcm_f32le", str(folder / "sound.wav")]
    subprocess.run(command, check=True)
    return library.read_sound(folder / "sound.wav")


def test_the_script_is_a_conversation_of_two_in_under_a_minute(opts):
    takes = [demo.speak(line.text, voice=opts.speakers[line.speaker].voice, sr=16000) for line in opts.lines]
    segments, programme = demo.compose(takes, opts=dataclasses.replace(opts, sample_rate=16000))
    assert {line.speaker for line in opts.lines} == set(opts.speakers)
    assert len(opts.speakers) == 2
    assert [segment.text for segment in segments] == [line.text for line in opts.lines]
    assert 30 <= programme.shape[1] / 16000 <= 60


def test_the_film_has_picture_and_sound_of_the_same_length(made):
    folder, opts, segments = made
    facts = probe(folder / "source.mp4")
    video, sound = facts["streams"]
    assert (video["codec_name"], video["width"], video["height"]) == ("h264", opts.width, opts.height)
    assert (sound["codec_name"], sound["sample_rate"], sound["channels"]) == ("aac", "48000", 2)
    assert float(video["duration"]) == pytest.approx(float(sound["duration"]), abs=0.001)
    assert float(video["duration"]) * 1000 >= segments[-1].end + opts.tail


def test_the_truth_is_written_beside_the_film(made):
    folder, opts, segments = made
    text = library.read_text(folder / "truth" / "segments.jsonl")
    assert Table.from_jsonl(Segment, text, where="truth") == segments
    turns = library.read_text(folder / "truth" / "turns.rttm").splitlines()
    assert len(turns) == len(segments) == len(opts.lines)
    first = segments[0]
    assert turns[0].split()[:8] == [
        *("SPEAKER", "e01", "1", f"{first.start / 1000:.3f}", f"{(first.end - first.start) / 1000:.3f}"),
        *("<NA>", "<NA>", first.speaker),
    ]
    assert sorted(path.name for path in folder.rglob("*")) == [
        *("segments.jsonl", "source.mp4", "truth", "turns.rttm")
    ]


def test_lines_follow_each_other_after_their_pauses(made):
    _, opts, segments = made
    ends = [opts.lead, *(segment.end for segment in segments)]
    pauses = [segment.start - end for segment, end in zip(segments, ends, strict=False)]
    assert pauses == [line.pause for line in opts.lines]
    assert [segment.id for segment in segments] == [f"s{segment.start:08d}" for segment in segments]


def test_the_sound_is_loud_as_asked_and_does_not_clip(made, tmp_path):
    folder, opts, _ = made
    y, sr = decode(folder / "source.mp4", tmp_path)
    assert pyloudnorm.Meter(sr).integrated_loudness(y.T) == pytest.approx(opts.target_lufs, abs=0.5)
    assert np.abs(y).max() < 10 ** (-3 / 20)


def test_speech_stands_above_the_music_by_as_much_as_asked(made, tmp_path):
    folder, opts, segments = made
    y, sr = decode(folder / "source.mp4", tmp_path)
    speech = np.concatenate(
        [y[:, audio.samples(s.start, sr=sr) : audio.samples(s.end, sr=sr)] for s in segments], axis=1
    )
    music = y[:, : audio.samples(opts.lead - 20, sr=sr)]
    assert audio.level_db(speech) - audio.level_db(music) > -opts.bed_db - 3
    assert audio.level_db(music) > -60


def test_two_runs_give_the_same_bytes(made, tmp_path):
    folder, opts, _ = made
    demo.make(tmp_path / "e01", opts)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) == 3
    for path in files:
        assert path.read_bytes() == (tmp_path / "e01" / path.relative_to(folder)).read_bytes()


def test_the_figure_of_who_speaks_is_lit(opts):
    segments = Table(Segment, [Segment("s1", 0, 500, "Anna", "a"), Segment("s2", 500, 1000, "Tom", "b")])
    pictures = list(demo.frames(segments, np.full((2, 48000), 0.1, np.float32), opts=opts))
    assert len(pictures) == opts.frame_rate
    shape = opts.height, 2, opts.width // 2, 3
    early, late = (np.frombuffer(pictures[i], np.uint8).reshape(shape).astype(int) for i in (2, -2))
    brightness = [[np.ptp(picture[:, side], axis=-1).sum() for side in (0, 1)] for picture in (early, late)]
    assert brightness[0][0] > 1.5 * brightness[1][0]
    assert brightness[1][1] > 1.5 * brightness[0][1]


def test_a_voice_that_flite_lacks_is_refused():
    with pytest.raises(EngineError, match=r"voice '/etc/passwd'.*Choose one"):
        demo.speak("Hello.", voice="/etc/passwd", sr=16000)


def test_a_missing_flite_is_named_with_its_command(monkeypatch, opts):
    demo.voices.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match="apt-get install flite"):
        demo.speak("Hello.", voice="slt", sr=16000)


def test_a_film_that_cannot_be_written_leaves_the_earlier_one(made, tmp_path):
    folder, opts, _ = made
    copy = shutil.copytree(folder, tmp_path / "e01")
    odd = dataclasses.replace(opts, width=641, lines=opts.lines[:1])
    with pytest.raises(MediaError, match="width not divisible by 2"):
        demo.make(copy, odd)
    assert (copy / "source.mp4").read_bytes() == (folder / "source.mp4").read_bytes()
    assert (copy / "truth" / "turns.rttm").read_text() == (folder / "truth" / "turns.rttm").read_text()


def test_word_error_counts_words_and_not_their_dress():
    assert truth.word_error("It’s two o'clock, Anna.", "it's TWO o'clock anna") == 0
    assert truth.word_error("one two three four", "one too three four") == 0.25


def test_diarisation_error_forgives_borders_and_names_but_not_a_wrong_speaker():
    true = [Segment("a", 0, 2000, "A", ""), Segment("b", 3000, 5000, "B", "")]
    shifted = [Segment("a", 100, 2100, "1", ""), Segment("b", 2900, 4900, "2", "")]
    merged = [Segment("a", 0, 2000, "1", ""), Segment("b", 3000, 5000, "1", "")]
    assert truth.diarisation_error(true, shifted) == 0
    assert truth.diarisation_error(true, shifted, collar=0) > 0
    assert truth.diarisation_error(true, merged) == pytest.approx(0.5)
    assert truth.diarisation_error(true, [*true, Segment("c", 6000, 7000, "B", "")]) == pytest.approx(1 / 3)


def test_start_errors_compare_lines_that_overlap():
    true = [
        Segment("a", 0, 2000, "A", ""),
        Segment("b", 3000, 5000, "B", ""),
        Segment("c", 9000, 9500, "A", ""),
    ]
    heard = [Segment("x", 2900, 5100, "B", ""), Segment("y", 30, 2950, "A", "")]
    assert truth.start_errors(true, heard) == [30, 100, None]
