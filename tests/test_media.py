import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.structure import ROOT
from workbench import audio, library, media
from workbench.errors import MediaError, WorkbenchError
from workbench.records import Probe, Shot
from workbench.runs import batch

OPTS = media.Options(max_error_rate=0.1, shot_change=10.0)
REAL = Path(os.environ.get("WORKBENCH_MEDIA", Path(__file__).parents[1] / "../shared/media"))
FRAME = 0.05  # seconds of a test picture's frame, doubled


def ffmpeg(*args: object) -> None:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, args)]
    subprocess.run(command, check=True)


def picture(seconds: float = 2, rate: int = 25) -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=size=160x90:rate={rate}:duration={seconds}"]


def click(seconds: float = 2, at: float = 1, sr: int = 48000) -> list[str]:
    """A sound that is silent but for a short tone at one moment."""
    tone = f"aevalsrc=exprs='if(between(t,{at},{at}+0.05),0.5*sin(2*PI*1000*t),0)':s={sr}:d={seconds}"
    return ["-f", "lavfi", "-i", tone]


def decode(path: Path, *, audio_track: int = 0) -> tuple[Probe, audio.Sound, audio.Sound]:
    """Probe and decode a file: the probe, its programme (channels, n) and its speech (n,)."""
    programme, speech = path.with_name("programme.wav"), path.with_name("speech.wav")
    found = media.probe(path, audio_track=audio_track)
    media.decode(path, found, programme=programme, speech=speech, opts=OPTS)
    (long, sr), (low, low_sr) = library.read_sound(programme), library.read_sound(speech)
    assert (sr, low_sr, low.shape[0]) == (48000, 16000, 1)
    return found, long, low[0]


def onset(y: audio.Sound, *, sr: int) -> float:
    """When a sound first rises above a hundredth of full scale, in seconds."""
    return int(np.argmax(np.abs(audio.mono(y)) > 0.01)) / sr


def pitch(y: audio.Sound, *, sr: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(audio.mono(y)))) * sr / y.shape[-1])


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two seconds of h264 and stereo AAC, the index at the front."""
    path = tmp_path / "film.mp4"
    ffmpeg(*picture(), *click(), "-c:v", "libx264", "-c:a", "aac", "-ac", 2, "-movflags", "faststart", path)
    return path


def test_a_film_is_probed(film):
    found = media.probe(film, audio_track=0)
    assert "mp4" in found.container
    assert found.duration == 2000
    assert [(each.kind, each.codec) for each in found.streams] == [("video", "h264"), ("audio", "aac")]
    assert (found.streams[0].width, found.streams[0].height, found.streams[0].frame_rate) == (160, 90, 25)
    assert (found.audio, found.streams[1].channels, found.streams[1].sample_rate) == (1, 2, 48000)
    assert media.picture(found) == found.streams[0]


@pytest.mark.parametrize(
    ("rate", "channels"), [(11025, 1), (22050, 2), (44100, 6), (48000, 3), (48000, 4), (96000, 8)]
)
def test_any_rate_and_number_of_channels_is_decoded_at_its_own_length(tmp_path, rate, channels):
    path = tmp_path / "sound.wav"
    ffmpeg(*click(seconds=1.5, at=0.5, sr=rate), "-ac", channels, path)
    found, programme, speech = decode(path)
    assert found.duration == pytest.approx(1500, abs=1)
    assert programme.shape == (channels, found.duration * 48)
    assert speech.shape == (found.duration * 16,)
    assert onset(programme, sr=48000) == pytest.approx(0.5, abs=0.002)
    assert onset(speech, sr=16000) == pytest.approx(0.5, abs=0.002)


@pytest.mark.parametrize(
    "suffix", ["flac", "mp3", "ogg", "opus", "m4a", "aac", "mka", "aiff", "wma", "ac3", "caf", "wv"]
)
def test_a_sound_alone_is_decoded_whatever_its_format(tmp_path, suffix):
    path = tmp_path / f"sound.{suffix}"
    ffmpeg(*click(), path)
    found, programme, speech = decode(path)
    assert media.picture(found) is None
    assert found.duration == pytest.approx(2000, abs=60)
    assert found.duration == audio.milliseconds(programme.shape[1], sr=48000)
    assert len(speech) == pytest.approx(programme.shape[1] / 3, abs=1)
    assert onset(programme, sr=48000) == pytest.approx(1, abs=0.06)


FILMS = {
    "mkv": "libx264",
    "webm": "libvpx",
    "avi": "mpeg4",
    "ts": "mpeg2video",
    "mpg": "mpeg2video",
    "mov": "libx264",
}


@pytest.mark.parametrize("suffix", FILMS)
def test_a_film_is_decoded_whatever_its_format(tmp_path, suffix):
    path = tmp_path / f"film.{suffix}"
    ffmpeg(*picture(), *click(), "-c:v", FILMS[suffix], path)
    found, programme, _ = decode(path)
    assert media.picture(found) is not None
    assert found.duration == pytest.approx(2000, abs=60)
    assert found.duration == audio.milliseconds(programme.shape[1], sr=48000)
    assert onset(programme, sr=48000) == pytest.approx(1, abs=0.06)


def test_a_picture_of_variable_frame_rate_keeps_its_length(tmp_path):
    path = tmp_path / "film.mp4"
    uneven = "select='if(lt(t,1),1,not(mod(n,5)))'"
    ffmpeg(*picture(3, 30), *click(3), "-vf", uneven, "-vsync", "vfr", "-c:v", "libx264", path)
    found, programme, _ = decode(path)
    assert 0 < found.streams[0].frame_rate < 30
    assert programme.shape[1] == pytest.approx(3 * 48000, abs=FRAME * 48000)
    assert onset(programme, sr=48000) == pytest.approx(1, abs=0.002)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_sound_that_starts_late_stays_beside_its_picture(tmp_path, suffix):
    path = tmp_path / f"film.{suffix}"
    ffmpeg(*picture(3), "-itsoffset", 0.5, *click(2, at=1), "-c:v", "libx264", "-c:a", "aac", path)
    found, programme, speech = decode(path)
    assert found.duration == pytest.approx(3000, abs=40)
    assert onset(programme, sr=48000) == pytest.approx(1.5, abs=0.005)
    assert onset(speech, sr=16000) == pytest.approx(1.5, abs=0.005)


def test_sound_that_ends_early_is_followed_by_silence(tmp_path):
    path = tmp_path / "film.mkv"
    ffmpeg(*picture(3), *click(1.2), "-c:v", "libx264", path)
    found, programme, _ = decode(path)
    assert found.duration == pytest.approx(3000, abs=40)
    assert programme.shape[1] == audio.samples(found.duration, sr=48000)
    assert not programme[:, 60000:].any()


def test_a_film_that_states_no_length_gets_that_of_its_picture(tmp_path):
    path = tmp_path / "film.mkv"
    args = [*picture(3), *click(1.2), "-c:v", "libx264", "-f", "matroska", "-live", 1, "-"]
    with path.open("wb") as piped:  # a muxer that cannot go back writes no length
        subprocess.run(["ffmpeg", "-v", "error", *map(str, args)], stdout=piped, check=True)
    assert "duration" not in media.ffmpeg.probe(str(path))["format"]
    found, programme, _ = decode(path)
    assert found.duration == pytest.approx(3000, abs=40)
    assert programme.shape[1] == audio.samples(found.duration, sr=48000)


def test_the_chosen_audio_track_is_decoded(tmp_path):
    path = tmp_path / "film.mkv"
    tones = [each for hz in (300, 900) for each in ("-f", "lavfi", "-i", f"sine={hz}:duration=1")]
    languages = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"]
    ffmpeg(*picture(1), *tones, "-map", 0, "-map", 1, "-map", 2, *languages, "-c:v", "libx264", path)
    for track, hz, language in ((0, 300, "en"), (1, 900, "de")):
        found, programme, speech = decode(path, audio_track=track)
        assert found.streams[found.audio].language == language
        assert pitch(programme, sr=48000) == pytest.approx(hz, abs=2)
        assert pitch(speech, sr=16000) == pytest.approx(hz, abs=2)


def test_an_audio_track_that_is_not_there_is_refused(film):
    for track in (1, -1):
        with pytest.raises(MediaError, match=r"audio track .*: it has 1"):
            media.probe(film, audio_track=track)


def test_speech_holds_what_only_the_centre_channel_says(tmp_path):
    path = tmp_path / "sound.flac"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc=0|0|0.5*sin(2*PI*440*t)|0|0|0:c=5.1:d=1", path)
    _, programme, speech = decode(path)
    assert programme.shape[0] == 6
    assert audio.level_db(speech) > -30
    assert pitch(speech, sr=16000) == pytest.approx(440, abs=2)


def test_speech_of_a_full_scale_programme_does_not_clip(tmp_path):
    path = tmp_path / "sound.wav"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc=0.99*sin(2*PI*440*t)|0.99*sin(2*PI*440*t):d=1", path)
    _, _, speech = decode(path)
    assert 0.9 < np.abs(speech).max() < 1
    assert np.count_nonzero(np.abs(speech) > 0.99) < 600


def test_a_cover_picture_makes_no_film(tmp_path):
    cover, path = tmp_path / "cover.png", tmp_path / "sound.mp3"
    ffmpeg(*picture(0.04), "-frames:v", 1, cover)
    ffmpeg(
        "-i", cover, *click(), "-map", 0, "-map", 1, "-c:v", "copy", "-disposition:v", "attached_pic", path
    )
    found, _, _ = decode(path)
    assert media.picture(found) is None
    assert "other" in [each.kind for each in found.streams]


def test_silence_is_no_error(tmp_path):
    path = tmp_path / "silence.wav"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=d=1", path)
    found, programme, _ = decode(path)
    assert found.duration == 1000
    assert not programme.any()


def test_two_decodings_are_byte_identical(film):
    outputs = ("programme.wav", "speech.wav")
    decode(film)
    first = [film.with_name(name).read_bytes() for name in outputs]
    decode(film)
    assert [film.with_name(name).read_bytes() for name in outputs] == first


@pytest.mark.parametrize(
    "name",
    [
        "-i.mp4",
        "a film 'of' \"quotes\".mp4",
        "50%.mp4",
        "film%03d.mp4",
        "http:film.mp4",
        "concat:a|b.mp4",
        "ü\n.mp4",
    ],
)
def test_a_name_is_never_an_option_a_protocol_or_a_pattern(film, name):
    odd = film.rename(film.with_name(name))
    found, _, _ = decode(odd)
    assert found.duration == 2000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.mp4", "ffconcat version 1.0\nfile film.mp4\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfilm.mp4\n#EXT-X-ENDLIST\n"),
        ("frame%d.png", ""),
        (
            "call.sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        ),
    ],
)
def test_a_file_that_would_open_others_is_refused(film, name, text):
    path = film.with_name(name)
    path.write_text(text)
    ffmpeg(*picture(0.04), "-frames:v", 1, film.with_name("frame1.png"))
    if not text:
        path.write_bytes(film.with_name("frame1.png").read_bytes())
    with pytest.raises(MediaError, match="playlist, or no film"):
        media.probe(path, audio_track=0)


def test_a_film_without_sound_is_refused(tmp_path):
    path = tmp_path / "mute.mp4"
    ffmpeg(*picture(), "-c:v", "libx264", path)
    with pytest.raises(MediaError, match=r"mute\.mp4: it has no audio track"):
        media.probe(path, audio_track=0)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"Good morning, this is a text.\n" * 9, "no film or sound"),
        (b"\0" * 5000, "no film or sound"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path, content, match):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=match) as caught:
        media.probe(path, audio_track=0)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "film.mp4", tmp_path):
        with pytest.raises(MediaError, match="no such file"):
            media.probe(path, audio_track=0)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "wav", "flac", "avi"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_truncated_file_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"film.{suffix}"
    noise = ["-f", "lavfi", "-i", "anoisesrc=d=3:a=0.1:seed=1"]
    options = {"mp4": ["-movflags", "faststart"]}.get(suffix, [])
    ffmpeg(*(picture(3) if suffix in FILMS or suffix == "mp4" else []), *noise, *options, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(MediaError, match=r"truncated|Invalid data"):
        decode(path)


@settings(max_examples=25, deadline=None)
@given(keep=st.integers(0, 4000))
def test_no_beginning_of_a_film_breaks_the_probe_in_another_way(tmp_path_factory, keep):
    folder = tmp_path_factory.mktemp("cut")
    path = folder / "film.mkv"
    path.write_bytes(CUT.setdefault("film", _small_film(folder))[:keep])
    with contextlib.suppress(MediaError):
        assert media.probe(path, audio_track=0).audio == 1


CUT: dict[str, bytes] = {}


def _small_film(folder: Path) -> bytes:
    ffmpeg(*picture(0.2), *click(0.2), "-c:v", "libx264", folder / "whole.mkv")
    return (folder / "whole.mkv").read_bytes()


def test_a_damaged_sound_is_refused(film):
    whole = bytearray(film.read_bytes())
    start = whole.index(b"mdat")
    whole[start + 2000 :] = bytes(255 - byte for byte in whole[start + 2000 :])
    film.write_bytes(whole)
    with pytest.raises(MediaError, match=r"decode film\.mp4"):
        decode(film)


def test_a_full_disk_is_named(film, tmp_path):
    full = tmp_path / "programme.wav"
    full.symlink_to("/dev/full")
    found = media.probe(film, audio_track=0)
    with pytest.raises(MediaError, match="the disk is full"):
        media.decode(film, found, programme=full, speech=tmp_path / "speech.wav", opts=OPTS)


def test_a_missing_ffmpeg_is_named_with_its_package(film, monkeypatch):
    found = media.probe(film, audio_track=0)
    monkeypatch.setenv("PATH", str(film.parent))
    with pytest.raises(MediaError, match=r"ffprobe is not installed.*apt-get install ffmpeg, or conda"):
        media.probe(film, audio_track=0)
    with pytest.raises(MediaError, match="ffmpeg is not installed"):
        media.decode(film, found, programme=film, speech=film, opts=OPTS)


def test_ffmpeg_ends_with_an_interrupted_block(tmp_path, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    endless = media.ffmpeg.input("anullsrc", format="lavfi", re=None)
    graph = media.target(endless, path=tmp_path / "endless.wav")

    def interrupted() -> None:
        with media.running(graph, asked="record"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [each.poll() for each in started] == [-9]


def test_errors_say_what_was_asked_found_and_to_do(tmp_path):
    with pytest.raises(WorkbenchError) as caught:
        media.probe(tmp_path / "none.mp4", audio_track=0)
    assert all((caught.value.asked, caught.value.found, caught.value.do))


@pytest.mark.parametrize(("name", "kinds", "duration"), [("talk.mp4", 2, 9967), ("film.webm", 2, 70542)])
def test_real_films_are_decoded_to_their_length(tmp_path, name, kinds, duration):
    if not (REAL / name).is_file():
        pytest.skip(f"{name} is not there; name its folder in WORKBENCH_MEDIA")
    path = tmp_path / name
    path.symlink_to((REAL / name).resolve())
    found, programme, _ = decode(path)
    assert (len(found.streams), found.duration) == (kinds, duration)
    assert programme.shape[1] == audio.samples(duration, sr=48000)


def scenes(path: Path, *options: object) -> media.Table:
    """Find the cuts of two plain pictures, then a moving one, a second each; a tone lasts as long."""
    pictures = ["color=red:s=64x36:r=25:d=1", "color=blue:s=64x36:r=25:d=1", "testsrc=s=64x36:r=25:d=1"]
    inputs = [word for one in pictures for word in ("-f", "lavfi", "-i", one)]
    joined = ("-filter_complex", "[0][1][2]concat=n=3:v=1:a=0[v]", "-map", "[v]", "-map", "3:a")
    ffmpeg(*inputs, *click(seconds=3), *joined, *options, "-c:v", "libx264", path)
    return media.shots(path, media.probe(path, audio_track=0), opts=OPTS)


def test_cuts_are_found_to_the_frame_and_movement_is_none(tmp_path):
    assert [shot.start for shot in scenes(tmp_path / "film.mp4")] == [1000, 2000]


def test_a_cut_has_the_time_of_the_sound_where_the_file_starts_late(tmp_path):
    late = scenes(tmp_path / "film.ts", "-output_ts_offset", 50)
    assert [shot.start for shot in late] == pytest.approx([1000, 2000], abs=50)


FILM = Probe("mov", 20_000, (), 0)


def listed(text: str) -> list[int]:
    return [shot.start for shot in media.listed_shots(text, FILM, where="shots.csv")]


def test_the_shots_that_a_person_lists_are_taken_in_order_and_once():
    assert listed("start\n0\n12.48\n4.0005\n12.480\n\n19.999\n") == [4000, 12_480, 19_999]
    assert listed('scene,start,"length, s"\r\n1,0.000,3.2\r\n2,3.2,1\r\n') == [3200]
    assert listed("start\n") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "shots.csv: it has no column 'start'"),
        ("12.48\n15.92\n", "shots.csv: it has no column 'start'"),
        ("start\n1\n20\n", r"shots.csv, line 3: '20' is no time in a film of 20.000 s"),
        ("start\n-1\n", "line 2: '-1' is no time"),
        ("start\n00:00:04:12\n", "line 2: '00:00:04:12' is no time"),
        ("start\nnan\n", "line 2: 'nan' is no time"),
        ("start\n" + "9" * 10**6, "field larger than field limit"),
        ("scene,start\n1\n", "line 2: '' is no time"),
    ],
)
def test_what_is_no_list_of_shots_is_named(text, found):
    with pytest.raises(WorkbenchError, match=found):
        listed(text)


def test_the_stage_takes_listed_shots_in_place_of_those_it_would_find_and_says_so(root):
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    episode = library.Episode(root, library.Key.parse("s/e"))
    ffmpeg(*click(), episode.folder / "source.wav")
    library.write_text(episode.given / "shots.csv", "start\n0.3\n")
    for shots, maker in (([300], "given"), ([], "scdet")):
        batch.run_stage(root, "media", episode.key)
        assert [shot.start for shot in episode.read(Shot)] == shots
        assert [one.engine for one in episode.makers(before="separate")] == [maker]
        (episode.given / "shots.csv").unlink(missing_ok=True)


def test_a_sound_alone_has_no_shots(tmp_path):
    path = tmp_path / "sound.wav"
    ffmpeg(*click(), path)
    assert not media.shots(path, media.probe(path, audio_track=0), opts=OPTS)
