"""Read films and sounds: what a file holds, and its sound decoded once.

Conventions
-----------
Times are integer milliseconds from the file's first frame, picture or sound. A sound that starts
late is preceded by silence and one that ends early is followed by it, so that the sound is as long
as the film and sample `n` belongs to the picture at ``n / sr``. Files are untrusted: their names
never become options, protocols or patterns, and a file that makes ffmpeg open another is refused.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import ffmpeg
import langcodes
import langcodes.tag_parser

from workbench.audio import samples
from workbench.errors import MediaError
from workbench.records import Probe, Shot, Stream, Table

# ffmpeg's formats of one file that may hold sound. Playlists, image sequences and subtitles are none.
CONTAINERS = (
    "aa,aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,dv,eac3,flac,flv,gxf,ircam,"
    "loas,matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nsv,nut,ogg,oma,rm,shn,swf,tak,"
    "truehd,tta,voc,w64,wav,wtv,wv,xwma"
)
# Formats that state no length; ffmpeg guesses it from the first packets.
UNSTATED = {"aac", "ac3", "amr", "amrnb", "amrwb", "dts", "dtshd", "eac3", "loas", "mlp", "mp3", "truehd"}
KINDS: dict[str, Literal["video", "audio", "subtitle"]] = {
    "video": "video",
    "audio": "audio",
    "subtitle": "subtitle",
}
BITEXACT = {"fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact", "map_metadata": -1}
SLOPPY, UNKNOWN = 64, 2**32 - 64  # bytes by which RIFF headers err; the length of one that was piped
PROGRAMME_RATE, SPEECH_RATE = 48_000, 16_000
FRAME = re.compile(r"frame:\d+ +pts:(\d+) ")
SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")
LOCATION = re.compile(r"^\[[^\]]{1,80}\] |^file:.*: ")  # an address in memory, a path on this machine
MAX_MISSING = 300  # ms; a file that ends earlier than that before its stated length is truncated
GIVE = "Give one film or sound file, such as MP4, MKV, WebM, WAV or FLAC."
MEND = "See whether the source plays; copy it again, or convert it."


@dataclass(frozen=True)
class Options:
    """``params/media.yaml``; every key is required."""

    max_error_rate: float  # share of damaged sound packets, 0..1
    shot_change: float  # difference of two frames that makes them two shots, percent


def source(path: Path, *, formats: str = CONTAINERS) -> Any:
    """Return a file as the input of an ffmpeg graph, fenced: that file alone, of those formats."""
    # the microsecond, lost in rounding, makes ffmpeg count from the first of all streams in a transport
    # stream too, where it counts from the first of those in use
    return ffmpeg.input(_url(path), **_fence(formats), flags="+bitexact", itsoffset="1us")


def target(*streams: Any, path: Path, **options: Any) -> Any:
    """Return a file as a reproducible output of an ffmpeg graph."""
    return ffmpeg.output(*streams, _url(path), **BITEXACT, **options)


@contextmanager
def running(graph: Any, *, asked: str) -> Iterator[Iterable[str]]:
    """Run an ffmpeg graph and yield the lines that it prints; it has ended when the block ends.

    Raises
    ------
    MediaError
        Naming what was `asked`, where ffmpeg is missing, fails or fills the disk.
    """
    # ffmpeg's complaints go to a file: nobody reads that pipe while the lines are read
    with tempfile.TemporaryFile() as log:
        quiet = graph.global_args("-nostdin", "-hide_banner", "-loglevel", "error")
        command = quiet.compile(overwrite_output=True)
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )
        except FileNotFoundError as error:
            raise _missing("ffmpeg", asked) from error
        with process:
            try:
                yield process.stdout or ()
                process.wait()
            finally:
                process.kill()
        if process.returncode:
            log.seek(0)
            raise _failure(asked, log.read(), trouble="ffmpeg cannot do it", do=MEND)


def run(graph: Any, *, asked: str) -> None:
    """Run an ffmpeg graph that prints nothing. Raises `MediaError` as `running` does."""
    with running(graph, asked=asked):
        pass


def version() -> str:
    """Return ffmpeg's version; raises `MediaError` where it is missing."""
    try:
        done = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise _missing("ffmpeg", "ask ffmpeg for its version") from error
    return done.stdout.partition("\n")[0]


def probe(path: Path, *, audio_track: int) -> Probe:
    """Say what a file holds. All of it is read and nothing is decoded.

    Parameters
    ----------
    path : Path
        A film or a sound.
    audio_track : int
        Which of its audio tracks is dubbed, from 0.

    Raises
    ------
    MediaError
        Where the file is missing, empty, truncated, no film or sound, or has no such audio track.
    """
    asked = f"read {path.name}"
    if not path.is_file():
        raise MediaError(asked, "there is no such file", GIVE)
    if path.stat().st_size == 0:
        raise MediaError(asked, "it is empty", "Copy the file again.")
    try:
        facts = ffmpeg.probe(_url(path), v="error", **_fence(CONTAINERS))
    except FileNotFoundError as error:
        raise _missing("ffprobe", asked) from error
    except ffmpeg.Error as error:
        raise _failure(
            asked, error.stderr, trouble="it is no film or sound, or damaged or truncated", do=GIVE
        ) from error
    streams = tuple(_stream(each) for each in facts["streams"])
    audio = [stream.index for stream in streams if stream.kind == "audio"]
    if not audio:
        raise MediaError(asked, "it has no audio track", "Give a file with speech in it.")
    if not 0 <= audio_track < len(audio):
        raise MediaError(
            f"{asked}, audio track {audio_track}",
            f"it has {len(audio)}, counted from 0",
            "Correct audio_track in given/episode.yaml.",
        )
    container = str(facts["format"]["format_name"])
    if container in ("wav", "avi"):
        _refuse_short_riff(path)
    stated = 0 if container in UNSTATED else _ceil(facts["format"].get("duration", "0"))
    found = Probe(container=container, duration=stated, streams=streams, audio=audio[audio_track])
    return dataclasses.replace(found, duration=_duration(path, found))


def picture(found: Probe) -> Stream | None:
    """Return the first video stream, or `None` where there is sound alone."""
    return next((stream for stream in found.streams if stream.kind == "video"), None)


def shots(path: Path, found: Probe, *, opts: Options) -> Table[Shot]:
    """Return where one shot of a film changes to the next, in order; nothing where there is no picture.

    Cuts are found by ffmpeg's scdet: a frame that differs from the one before it by more than
    ``shot_change``, and more than that one did from its own. Dissolves and fades are not. All of the picture
    is decoded.

    Raises
    ------
    MediaError
        Where ffmpeg cannot read the film.
    """
    seen = picture(found)
    if seen is None:
        return Table(Shot, [])
    frames = source(path)[str(seen.index)].filter("scdet", threshold=opts.shot_change)
    cuts = frames.filter("settb", "1/1000").filter("metadata", "print", key="lavfi.scd.time", file="-")
    with running(ffmpeg.output(cuts, "pipe:", format="null"), asked=f"find the shots of {path.name}") as told:
        return Table(Shot, [Shot(int(frame[1])) for frame in map(FRAME.match, told) if frame])


def listed_shots(text: str, found: Probe, *, where: str) -> Table[Shot]:
    """Return the shot changes that a person lists: CSV with a column ``start``, seconds into the film.

    Other columns are not read. The shot with which the film begins is no change.

    Raises
    ------
    MediaError
        Naming the line that is no time in the film.
    """
    rows, starts = csv.DictReader(io.StringIO(text, newline="")), set()
    do = "Write a line `start`, and under it the start of each shot in seconds, as 12.48."
    try:
        if "start" not in (rows.fieldnames or ()):
            raise MediaError(f"read {where}", "it has no column 'start'", do)
        for row in rows:
            said = (row["start"] or "").strip()
            at = round(1000 * Decimal(said)) if SECONDS.fullmatch(said) else -1
            if not 0 <= at < found.duration:
                reached = f"{said[:40]!r} is no time in a film of {found.duration / 1000:.3f} s"
                raise MediaError(f"read {where}, line {rows.line_num}", reached, do)
            starts.add(at)
    except csv.Error as error:
        raise MediaError(f"read {where}, line {rows.line_num}", str(error), do) from error
    return Table(Shot, map(Shot, sorted(starts - {0})))


def decode(path: Path, found: Probe, *, programme: Path, speech: Path, opts: Options) -> None:
    """Decode the chosen audio track once, into two sounds that are exactly as long as the film.

    Parameters
    ----------
    path : Path
        The file that was probed.
    found : Probe
        What `probe` said of it.
    programme, speech : Path
        WAV files to write: 48 kHz with the source's channels in 24 bits, and 16 kHz mono in 16 bits.

    Raises
    ------
    MediaError
        Where the sound cannot be decoded or the disk is full.
    """
    sound = source(path)[str(found.audio)]
    long = _fitted(sound, sr=PROGRAMME_RATE, length=found.duration)
    mono = sound.filter("aresample", rematrix_maxval=1.0)  # mixes down without clipping
    mono = mono.filter("aformat", channel_layouts="mono")
    heard = _fitted(mono, sr=SPEECH_RATE, length=found.duration)
    graph = ffmpeg.merge_outputs(
        target(long, path=programme, acodec="pcm_s24le", rf64="auto"),
        target(heard, path=speech, acodec="pcm_s16le", rf64="auto"),
    )
    limit = ("-max_error_rate", str(opts.max_error_rate))
    run(graph.global_args(*limit), asked=f"decode {path.name}")


def _fitted(sound: Any, *, sr: int, length: int) -> Any:
    """Resample to `sr` Hz and `length` ms; silence fills a late start, gaps and an early end."""
    n = samples(length, sr=sr)
    sound = sound.filter("aresample", sr, **{"async": 1}, first_pts=0)
    return sound.filter("apad", whole_len=n).filter("atrim", end_sample=n)


def _duration(path: Path, found: Probe) -> int:
    """Return the length in ms: what the file states, where its packets reach about that far."""
    film = source(path)
    packets = [film[str(stream.index)] for stream in found.streams if stream.kind != "other"]
    graph = ffmpeg.output(*packets, "pipe:", format="framecrc", codec="copy")
    asked = f"read {path.name}"
    with running(graph, asked=asked) as listing:
        end = _last_end(listing)
    if not end:
        raise MediaError(asked, "it holds no sound and no picture", GIVE)
    if end < found.duration - MAX_MISSING:
        raise MediaError(
            asked,
            f"it ends at {end / 1000:.1f} s and states {found.duration / 1000:.1f} s: it is truncated",
            "Copy or download the file again.",
        )
    return found.duration if end <= found.duration + MAX_MISSING else end


def _last_end(listing: Iterable[str]) -> int:
    """Return when the last packet of a framecrc listing ends, in ms."""
    ticks: dict[str, Fraction] = {}
    ends: dict[str, int] = {}
    for line in listing:
        if line.startswith("#tb "):
            stream, tick = line[4:].split(":")
            ticks[stream] = Fraction(tick.strip())
        elif not line.startswith("#"):
            stream, dts, pts, duration, *_ = line.split(",")
            ends[stream] = max(ends.get(stream, 0), max(int(dts), int(pts)) + int(duration))
    return max((_ceil(ends[stream] * ticks[stream]) for stream in ends), default=0)


def _ceil(seconds: Fraction | str) -> int:
    """Return a time in ms, rounded up, so that no sample is beyond it."""
    return math.ceil(1000 * Fraction(seconds))


def _stream(facts: dict[str, Any]) -> Stream:
    cover = facts.get("disposition", {}).get("attached_pic", 0)
    rate = str(facts.get("avg_frame_rate", "0/0"))
    return Stream(
        index=facts["index"],
        kind="other" if cover else KINDS.get(facts.get("codec_type", ""), "other"),
        codec=facts.get("codec_name", ""),
        language=_language(facts.get("tags", {}).get("language", "und")),
        sample_rate=int(facts.get("sample_rate", 0)),
        channels=facts.get("channels", 0),
        width=facts.get("width", 0),
        height=facts.get("height", 0),
        frame_rate=0.0 if rate.endswith("/0") or cover else round(float(Fraction(rate)), 6),
    )


def _language(tag: str) -> str:
    try:
        return langcodes.standardize_tag(tag)
    except langcodes.tag_parser.LanguageTagError:
        return "und"


def _refuse_short_riff(path: Path) -> None:
    """Raise `MediaError` for a WAV or AVI shorter than it states, which ffmpeg would read as whole."""
    with path.open("rb") as file:
        form, stated = struct.unpack("<4sI", file.read(8))
    size = path.stat().st_size
    if form == b"RIFF" and size + SLOPPY < stated < UNKNOWN:
        raise MediaError(
            f"read {path.name}",
            f"it has {size} bytes and states {stated + 8}: it is truncated",
            "Copy or download the file again.",
        )


def _url(path: Path) -> str:
    return f"file:{path.absolute()}"


def _fence(formats: str) -> dict[str, str]:
    return {"protocol_whitelist": "file", "format_whitelist": formats}


def _missing(program: str, asked: str) -> MediaError:
    return MediaError(
        asked,
        f"{program} is not installed",
        "Install it: apt-get install ffmpeg, or conda install -c conda-forge ffmpeg",
    )


def _failure(asked: str, log: bytes, *, trouble: str, do: str) -> MediaError:
    words = log.decode(errors="replace")
    if "No space left on device" in words:
        return MediaError(asked, "the disk is full", "Free some space and run it again.")
    if "Format not on whitelist" in words:
        return MediaError(asked, "it is a playlist, or no film or sound", GIVE)
    plain = "; ".join(LOCATION.sub("", line) for line in words.splitlines()[-3:])
    return MediaError(asked, f"{trouble} ({plain})", do)
