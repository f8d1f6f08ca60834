import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from tests.project import hear_interrupts
from workbench import audio, export, library, media
from workbench.errors import MediaError, SubtitleError
from workbench.library import blocks
from workbench.records import Loudness, Probe, Product

OPTS = export.Options(
    audio_kbps=96,
    preview_height=48,
    preview_crf=40,
    max_true_peak_db=-1.0,
    max_loudness_error_lu=0.3,
    wav=False,
)
REAL = Path(os.environ.get("WORKBENCH_MEDIA", Path(__file__).parents[1] / "../shared/media"))
SRT = "1\n00:00:00,500 --> 00:00:01,500\nHola, ¿qué tal?\n"


class Exported(NamedTuple):
    source: Path
    made: list[Product]

    def path(self, name: str) -> Path:
        return self.source.with_name("out") / name


def ffmpeg(*args: object) -> None:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, args)]
    subprocess.run(command, check=True)


def picture(seconds: float = 2, rate: int = 25) -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=size=160x90:rate={rate}:duration={seconds}"]


def tone(seconds: float = 2, hz: int = 440) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine={hz}:duration={seconds}:sample_rate=48000"]


def make(source: Path, **changes: object) -> list[Product]:
    """Export a source with a dub of noise, in a folder ``out`` beside it."""
    folder = source.with_name("out")
    folder.mkdir(exist_ok=True)
    probe = media.probe(source, audio_track=0)
    mix = mixed(source.with_name("dub.wav"), probe, level=0.1)
    facts = {"source": source, "probe": probe, "language": "en", "dub_language": "de", "subtitles": []}
    film = export.Film(**{**facts, **changes})
    dub = voice(mix, measured(mix), folder / "preview.m4a")
    files = library.FileMemo(source.parent, "pictures")
    return list(export.products(film, dub, folder=folder, files=files, opts=OPTS))


def voice(mix: Path, reached: Loudness, to: Path, kept: dict[str, bytes] | None = None) -> Product:
    """Encode a mix; nothing was kept before."""
    kept = {} if kept is None else kept
    return export.voice(
        blocks.KeyedSound(mix, kept=kept), reached, language="de", to=to, kept=kept, opts=OPTS
    )


def measured(path: Path) -> Loudness:
    """What ffmpeg's own meter says of a sound."""
    command = ["ffmpeg", "-nostats", "-i", str(path), "-af", "ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr.split("Summary:")[1]
    lufs, peak = (float(re.search(rf"{name}: +(\S+)", said)[1]) for name in ("I", "Peak"))
    return Loudness(lufs if lufs > -70 else None, peak if peak > -100 else None, None, 0.0)


def mixed(path: Path, probe: Probe, *, level: float) -> Path:
    """A dub as long as the film: silence, and noise from the first second on."""
    n = audio.samples(probe.duration, sr=48000)
    noise = np.random.default_rng(1).normal(0, level, (probe.streams[probe.audio].channels, n))
    noise[:, :48000] = 0
    library.write_sound(path, np.clip(noise, -1, 1).astype(np.float32), sr=48000)
    return path


def streams(path: Path) -> list[dict]:
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", path]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"]


def packets(path: Path, stream: str) -> list[str]:
    """The packets of a stream as checksums with their times, in ms, in order."""
    entries = ["-show_data_hash", "md5", "-show_entries", "packet=pts_time,data_hash"]
    entries = ["-show_data_hash", "md5", "-show_entries", "packet=pts_time,data_hash"]
    command = ["ffprobe", "-v", "error", "-select_streams", stream, *entries, "-of", "json", path]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["packets"]
    assert rows
    return [f"{float(row['pts_time']):.2f} {row['data_hash']}" for row in rows]


def hashes(path: Path, stream: str) -> list[str]:
    return [each.split(" ")[1] for each in packets(path, stream)]


def decoded(path: Path, stream: int) -> audio.Sound:
    """A track of sound as a player plays it: from time 0 on."""
    wav = path.with_name("decoded.wav")
    ffmpeg("-i", path, "-map", f"0:a:{stream}", "-af", "aresample=48000:async=1:first_pts=0", wav)
    y, _ = library.read_sound(wav)
    wav.unlink()
    return y


def onset(y: audio.Sound) -> float:
    return int(np.argmax(np.abs(y).max(axis=0) > 0.02)) / 48000


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A film with B-frames and Spanish subtitles, and what was made of it."""
    source = tmp_path_factory.mktemp("film") / "source.mp4"
    ffmpeg(*picture(rate=50), *tone(), "-c:v", "libx264", "-bf", 2, "-c:a", "aac", "-ac", 2, source)
    return Exported(source, make(source, subtitles=[spanish(source)]))


def spanish(source: Path) -> export.Subtitles:
    path = source.with_name("dub.srt")
    path.write_text(SRT, encoding="utf-8")
    return export.Subtitles(path, "es-MX")


def test_a_film_becomes_mkv_mp4_and_two_previews(exported):
    made = [(each.file, each.kind, each.note) for each in exported.made]
    assert made == [
        ("preview.m4a", "audio", ""),
        ("film.mkv", "film", ""),
        ("film.mp4", "film", ""),
        ("preview.mp4", "preview", ""),
    ]
    assert {path.name for path in exported.path("").iterdir()} == {each.file for each in exported.made}


def test_the_picture_is_the_source_s_own_packet_by_packet(exported):
    for name in ("film.mp4", "film.mkv"):
        assert packets(exported.path(name), "v") == packets(exported.source, "v")


def test_the_original_sound_is_copied_too(exported):
    original = hashes(exported.source, "a:0")
    assert hashes(exported.path("film.mp4"), "a:1") == original
    assert hashes(exported.path("film.mkv"), "a:1") == original[1:]  # without the packet before time 0


def test_tracks_are_tagged_and_the_dub_is_the_default(exported):
    for name, title in (("film.mkv", "title"), ("film.mp4", "handler_name")):
        _, dub, original, subtitles = streams(exported.path(name))
        assert [each["codec_type"] for each in (dub, original, subtitles)] == ["audio", "audio", "subtitle"]
        assert [each["tags"]["language"] for each in (dub, original, subtitles)] == ["ger", "eng", "spa"]
        assert [each["disposition"]["default"] for each in (dub, original)] == [1, 0]
        assert dub["tags"][title] == "German (dub)"
        assert original["tags"][title] == "English (original)"
        assert subtitles["codec_name"] == ("mov_text" if name == "film.mp4" else "subrip")


def test_every_product_is_as_long_as_the_source_to_one_frame(exported):
    probe = media.probe(exported.source, audio_track=0)
    for each in exported.made:
        assert abs(each.duration - probe.duration) <= 20
        assert media.probe(exported.path(each.file), audio_track=0).duration == each.duration


def test_two_runs_are_byte_identical(exported):
    paths = [exported.path(each.file) for each in exported.made]
    first = [path.read_bytes() for path in paths]
    assert make(exported.source, subtitles=[spanish(exported.source)]) == exported.made
    assert [path.read_bytes() for path in paths] == first


@pytest.mark.parametrize("harm", ["none", "damaged", "forgotten"])
def test_the_preview_s_picture_is_kept_and_the_same_as_one_encoded_anew(exported, harm, monkeypatch):
    run, did = media.run, []
    monkeypatch.setattr(media, "run", lambda graph, asked: did.append(asked) or run(graph, asked=asked))
    folder = exported.source.parent / ".cache" / "pictures"
    [picture], preview = folder.glob("*/*"), exported.path("preview.mp4").read_bytes()
    if harm == "damaged":
        picture.write_bytes(picture.read_bytes()[:-1])
    elif harm == "forgotten":
        picture.unlink()
    make(exported.source, subtitles=[spanish(exported.source)])
    assert exported.path("preview.mp4").read_bytes() == preview
    assert [path.name for path in folder.glob("*/*")] == [picture.name]
    assert ("encode the preview's picture" in did) is (harm != "none")


def test_the_previews_tell_the_dub_s_language(exported):
    for name in ("preview.m4a", "preview.mp4"):
        sound = streams(exported.path(name))[-1]
        assert (sound["codec_type"], sound["tags"]["language"]) == ("audio", "ger")


def test_the_preview_is_small(exported):
    shown, _ = streams(exported.path("preview.mp4"))
    assert (shown["codec_name"], shown["height"], shown["width"] % 2) == ("h264", 48, 0)
    assert hashes(exported.path("preview.mp4"), "a:0") == hashes(exported.path("preview.m4a"), "a:0")


def test_the_encoded_dub_is_as_loud_as_its_mix(exported):
    mix = measured(exported.source.with_name("dub.wav"))
    for each in exported.made:
        assert each.loudness_lufs == pytest.approx(mix.integrated_lufs, abs=0.3)
        assert each.true_peak_db <= -1


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "source.flac"
    ffmpeg(*tone(), path)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_dub_and_original_keep_their_time_beside_the_picture(tmp_path, suffix):
    source = tmp_path / f"source.{suffix}"
    ffmpeg(*picture(), "-itsoffset", 0.5, *tone(1.5), "-c:v", "libx264", "-c:a", "aac", source)
    made = make(source)
    films = [each for each in made if each.kind != "audio"]
    assert len(films) == 3
    for each in films:
        path = tmp_path / "out" / each.file
        first = min(float(packet.split(" ")[0]) for packet in packets(path, "v"))
        assert first == pytest.approx(0, abs=0.011)
        assert onset(decoded(path, 0)) == pytest.approx(1, abs=0.003)
        if each.kind == "film":
            assert onset(decoded(path, 1)) == pytest.approx(0.5, abs=0.03)


def test_a_film_of_another_length_is_refused(exported):
    found = media.probe(exported.source, audio_track=0)
    film = export.Film(exported.source, dataclasses.replace(found, duration=1500), "en", "es", [])
    files = library.FileMemo(exported.path(""), "pictures")
    products = export.products(film, exported.made[0], folder=exported.path(""), files=files, opts=OPTS)
    with pytest.raises(MediaError, match=r"film\.mkv: it lasts 20\d\d ms and the original 1500 ms"):
        list(products)


def test_a_picture_that_mp4_cannot_hold_gives_mkv_and_says_so(tmp_path):
    source = tmp_path / "source.webm"
    ffmpeg(*picture(), *tone(), "-c:v", "libvpx", "-c:a", "libvorbis", source)
    made = make(source)
    assert [each.file for each in made] == ["preview.m4a", "film.mkv", "preview.mp4"]
    assert made[1].note == "There is no film.mp4: MP4 does not hold vp8."
    path = tmp_path / "out" / "film.mkv"
    assert hashes(path, "v") == hashes(source, "v")
    assert hashes(path, "a:1") == hashes(source, "a:0")


def test_a_sound_that_mp4_cannot_hold_is_encoded_there_and_this_is_said(tmp_path):
    source = tmp_path / "source.mkv"
    ffmpeg(*picture(), *tone(), "-c:v", "libx264", "-c:a", "flac", source)
    by_name = {each.file: each for each in make(source)}
    assert by_name["film.mp4"].note == "The original sound is AAC: MP4 does not hold flac."
    assert by_name["film.mkv"].note == ""
    assert [each["codec_name"] for each in streams(tmp_path / "out" / "film.mp4")] == ["h264", "aac", "aac"]
    assert [each["codec_name"] for each in streams(tmp_path / "out" / "film.mkv")] == ["h264", "aac", "flac"]


@pytest.mark.parametrize("suffix", ["flac", "mp3", "opus"])
def test_a_sound_becomes_sounds(tmp_path, suffix):
    source = tmp_path / f"source.{suffix}"
    ffmpeg(*tone(), source)
    made = make(source, subtitles=[spanish(source)])
    assert [(each.file, each.kind) for each in made] == [("preview.m4a", "audio"), ("film.mka", "audio")]
    tracks = streams(tmp_path / "out" / "film.mka")
    assert [each["codec_type"] for each in tracks] == ["audio", "audio", "subtitle"]
    assert hashes(tmp_path / "out" / "film.mka", "a:1") == hashes(source, "a:0")


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_the_dub_keeps_the_channels_of_its_mix(tmp_path, channels):
    source = tmp_path / "source.flac"
    ffmpeg(*tone(), "-ac", channels, source)
    make(source)
    assert streams(tmp_path / "out" / "preview.m4a")[0]["channels"] == channels


def test_a_film_of_variable_frame_rate_keeps_its_times(tmp_path):
    source = tmp_path / "source.mkv"
    uneven = "select='if(lt(t,1),1,not(mod(n,5)))'"
    ffmpeg(*picture(3, 30), *tone(3), "-vf", uneven, "-vsync", "vfr", "-c:v", "libx264", "-bf", 0, source)
    make(source)
    assert packets(tmp_path / "out" / "film.mkv", "v") == packets(source, "v")
    preview, original = (
        sorted(float(each.split(" ")[0]) for each in packets(path, "v"))
        for path in (tmp_path / "out" / "preview.mp4", source)
    )
    assert preview == pytest.approx(original, abs=0.04)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dub.srt", ""),
        ("given.vtt", "WEBVTT\n\n"),
        ("given.vtt", "WEBVTT\n\n00:09.000 --> 00:10.000\nToo late\n"),
    ],
)
def test_subtitles_without_a_cue_in_the_film_make_no_track(sound, name, text):
    path = sound.with_name(name)
    path.write_text(text)
    make(sound, subtitles=[export.Subtitles(path, "en")])
    tracks = streams(sound.with_name("out") / "film.mka")
    assert [each["codec_type"] for each in tracks] == ["audio", "audio"]


def test_subtitles_that_end_after_the_film_do_not_make_it_longer(sound):
    path = sound.with_name("given.ass")
    columns = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
    line = "0,0:00:01.00,0:05:00.00,Default,,0,0,0,,The end"
    path.write_text(f"[Script Info]\n\n[Events]\nFormat: {columns}\nDialogue: {line}\n")
    made = make(sound, subtitles=[export.Subtitles(path, "en")])
    assert len(streams(sound.with_name("out") / "film.mka")) == 3
    assert made[-1].duration == pytest.approx(2000, abs=1)


def test_subtitles_with_a_time_that_is_none_are_refused(sound):
    path = sound.with_name("given.ass")
    columns = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
    path.write_text(f"[Events]\nFormat: {columns}\nDialogue: 0,soon,0:05:00.00,Default,,0,0,0,,The end\n")
    with pytest.raises(SubtitleError, match=r"given\.ass: .*'soon'"):
        make(sound, subtitles=[export.Subtitles(path, "en")])


def shown(sound):
    ffmpeg = ["ffmpeg", "-v", "error", "-i", sound.with_name("out") / "film.mka", "-map", "0:s:0"]
    return subprocess.run([*ffmpeg, "-f", "srt", "-"], capture_output=True, check=True).stdout.decode()


def test_a_note_in_a_webvtt_file_is_not_shown(sound):
    path = sound.with_name("given.vtt")
    path.write_text("WEBVTT\n\n00:00.500 --> 00:01.000\n<v Ann>Hi &amp; bye\n\nNOTE ask Ann again\n")
    make(sound, subtitles=[export.Subtitles(path, "en")])
    assert shown(sound).split("\n")[2:] == ["Hi & bye", "", ""]


def test_subtitles_in_utf_16_become_a_track(sound):
    path = sound.with_name("given.srt")
    path.write_text("1\n00:00:00,500 --> 00:00:01,000\n¿Qué, Łukasz?\n", encoding="utf-16")
    make(sound, subtitles=[export.Subtitles(path, "es")])
    assert "¿Qué, Łukasz?" in shown(sound)


def test_subtitles_that_are_not_utf_8_are_refused(sound):
    path = sound.with_name("given.srt")
    path.write_bytes(SRT.encode("latin-1"))
    with pytest.raises(SubtitleError, match=r"given\.srt: .*byte .* is not UTF-8"):
        make(sound, subtitles=[export.Subtitles(path, "es")])


def test_an_encoding_that_misses_is_corrected(tmp_path):
    mix, to = tmp_path / "dub.wav", tmp_path / "preview.m4a"
    ffmpeg(*tone(), mix)
    found = measured(mix)
    wanted = Loudness(found.integrated_lufs + 4, found.true_peak_db + 4, 0.0, 0.0)
    made = voice(mix, wanted, to)
    assert made.loudness_lufs == pytest.approx(wanted.integrated_lufs, abs=0.1)
    assert measured(to).integrated_lufs == pytest.approx(made.loudness_lufs, abs=0.1)


def test_the_peak_limit_comes_before_the_loudness(tmp_path):
    mix, to = tmp_path / "dub.wav", tmp_path / "preview.m4a"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc='0.99*min(1,t)*sin(2*PI*997*t)':d=2:s=48000", mix)
    made = voice(mix, measured(mix), to)
    assert -1.5 < made.true_peak_db <= -1
    wanted = Loudness(0.0, 0.0, 0.0, 0.0)
    assert voice(mix, wanted, to).true_peak_db <= -1


def test_the_peak_limit_holds_in_music_that_every_encoding_changes(tmp_path):
    mix, to = tmp_path / "dub.wav", tmp_path / "preview.m4a"
    noise = np.random.default_rng(1).normal(0, 1, (4 * 48_000, 2)).clip(-1, 1) * 10 ** (-1.5 / 20)
    soundfile.write(mix, noise, 48_000, subtype="FLOAT")
    made = voice(mix, measured(mix), to)
    assert made.true_peak_db <= -1
    assert measured(to).true_peak_db <= -0.9


def test_a_silent_dub_has_no_loudness(tmp_path):
    mix = tmp_path / "dub.wav"
    soundfile.write(mix, np.zeros((96000, 2)), 48000)
    silence = measured(mix)
    assert (silence.integrated_lufs, silence.true_peak_db) == (None, None)
    made = voice(mix, silence, tmp_path / "preview.m4a")
    assert (made.loudness_lufs, made.true_peak_db) == (None, None)


INTERRUPTED = """
import sys
from pathlib import Path
from workbench import export, library, media
from workbench.library import blocks, replacing
from workbench.records import Loudness
source, folder = Path(sys.argv[1]), Path(sys.argv[2])
opts = export.Options(96, 1080, 1, -1.0, 0.3, wav=False)
probe = media.probe(source, audio_track=0)
with replacing(folder) as out:
    silent = Loudness(None, None, None, 0.0)
    mix, files = blocks.KeyedSound(source.with_name("dub.wav"), kept={}), library.FileMemo(folder, "pictures")
    dub = export.voice(mix, silent, language="es", to=out / "preview.m4a", kept={}, opts=opts)
    film = export.Film(source, probe, "en", "es", [])
    for each in export.products(film, dub, folder=out, files=files, opts=opts):
        print(each.file, flush=True)
"""


def test_ctrl_c_leaves_the_earlier_output_and_no_ffmpeg(tmp_path):
    source, folder = tmp_path / "source.mp4", tmp_path / "export"
    slow = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25:duration=20"]
    ffmpeg(*slow, *tone(20), "-c:v", "libx264", "-preset", "ultrafast", source)
    folder.mkdir()
    (folder / "film.mkv").write_text("the earlier one")
    mixed(tmp_path / "dub.wav", media.probe(source, audio_track=0), level=0.1)
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, source, folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=hear_interrupts,
    ) as child:
        done = [child.stdout.readline().strip() for _ in range(3)]
        time.sleep(0.3)  # the preview is being encoded
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=20) != 0
    assert done == ["preview.m4a", "film.mkv", "film.mp4"]
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []
    assert [path.name for path in folder.iterdir()] == ["film.mkv"]
    running = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            running.append(path.read_bytes())
    assert not [line for line in running if str(tmp_path).encode() in line]


def test_a_real_film_is_exported_at_its_length(tmp_path):
    if not (REAL / "talk.mp4").is_file():
        pytest.skip("talk.mp4 is not there; name its folder in WORKBENCH_MEDIA")
    source = tmp_path / "talk.mp4"
    source.symlink_to((REAL / "talk.mp4").resolve())
    made = make(source)
    assert [each.duration for each in made] == pytest.approx([9967] * 4, abs=33)
    for name in ("film.mkv", "film.mp4"):
        assert hashes(tmp_path / "out" / name, "v") == hashes(source, "v")
