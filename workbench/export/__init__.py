"""Export a dub: films with the picture as it was, both languages as tracks, and small previews.

Conventions
-----------
Times are integer milliseconds. The dub is encoded once, measured and corrected; every product holds
that one track, so that one figure of loudness is true of all. Pictures are copied, packet by packet;
only the preview is encoded. Languages are BCP 47 here and ISO 639-2/B in the files.

After an edit only what it changed is encoded again: of the dub the parts that it reaches (`aac`), of the
preview's picture nothing. The files are the same, byte for byte, as those made from nothing.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import langcodes

from workbench import audio, loudness, media, subtitles
from workbench.audio import Kept, Keyed
from workbench.content import address, of_code
from workbench.errors import MediaError
from workbench.export import aac
from workbench.records import Cue, Loudness, Probe, Product, Stream, Table
from workbench.subtitles import reading

# What players expect inside MP4; anything else is copied into Matroska alone.
MP4_PICTURES = {"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video"}
MP4_SOUNDS = {"aac", "mp3", "ac3", "eac3", "alac", "opus"}
FAIR_ENCODINGS = 3  # of the dub for its loudness; those after them only lower a peak that is too high
MOST_ENCODINGS = 9
PEAK_MARGIN_DB = 0.1  # a corrected encoding's peak differs a little from the first one's
LONGEST_PACKET = 120  # ms; a copied sound may stick out by one packet, and Opus has the longest


@dataclass(frozen=True)
class Options:
    """``params/export.yaml``; every key is required."""

    audio_kbps: int  # kbit/s of AAC for each channel
    preview_height: int  # pixels
    preview_crf: int  # x264's constant rate factor, 0..51
    max_true_peak_db: float  # dBTP of the encoded dub
    max_loudness_error_lu: float  # LU between mix and encoded dub
    wav: bool  # whether the mixed dub is written as one WAV too


@dataclass(frozen=True)
class Subtitles:
    """A subtitle file that becomes a track, of a form and encoding that `reading` knows."""

    path: Path
    language: str  # BCP 47


@dataclass(frozen=True)
class Film:
    """An original, film or sound, and what is told of its tracks."""

    source: Path
    probe: Probe
    language: str  # BCP 47
    dub_language: str
    subtitles: Sequence[Subtitles]


class Files(Protocol):
    """Keeps whole files by key."""

    def digest(self, path: Path) -> str:
        """Return a hash of what is in a file."""

    def find(self, key: str) -> Path | None:
        """Return the file kept under a key, or `None`."""

    def keep(self, key: str, path: Path) -> Path:
        """Keep a copy of a file under a key and return it."""


def version() -> str:
    """Return the content address of what encodes: what another kept is not to be found."""
    return address(media.version(), of_code(__name__, libraries=("av",)))


def voice(mix: Keyed, reached: Loudness, *, language: str, to: Path, kept: Kept, opts: Options) -> Product:
    """Encode the dub's sound as AAC, at the loudness of its mix and below the peak limit.

    Encoding changes loudness and peak a little. Both are measured in the encoded sound; where they
    miss, the sound is encoded again with the gain that makes up for it. The peak limit comes first: no dub
    is written that goes over it.

    Parameters
    ----------
    mix : Keyed
        The mixed dub.
    reached : Loudness
        What was measured in it.
    language : str
        The dub's, BCP 47.
    to : Path
        The M4A file to write.
    kept : mapping
        What was encoded and measured before, by content.

    Returns
    -------
    Product
        With the loudness and true peak of the encoded sound; `None` where it is silent.

    Raises
    ------
    MediaError
        Where AAC does not hold so many channels, where its peak cannot be held, or the disk is full.
    """
    gain = 0.0
    for encoding in range(1, MOST_ENCODINGS + 1):
        encoded = aac.Encoded(mix, gain, bits=1000 * mix.channels * opts.audio_kbps, kept=kept)
        found = loudness.programme(loudness.listen(encoded, kept=kept))
        correction = _correction(found, reached.integrated_lufs, opts=opts)
        if not correction or (encoding >= FAIR_ENCODINGS and correction > 0):
            break
        if encoding == MOST_ENCODINGS:
            raise MediaError(
                "encode the dub as AAC",
                f"its peak is {found.true_peak_db} dBTP after {encoding} encodings",
                "Raise audio_kbps in params/export.yaml, or lower max_true_peak_db in params/mix.yaml.",
            )
        gain = round(gain + correction, 1)
    encoded.write(to, language=_code(language))
    return Product(
        file=to.name,
        kind="audio",
        container="m4a",
        duration=media.probe(to, audio_track=0).duration,
        loudness_lufs=found.integrated_lufs,
        true_peak_db=found.true_peak_db,
        note="",
    )


def wav(mix: Keyed, reached: Loudness, *, file: str) -> Product:
    """Return what the mixed dub is, written as one WAV."""
    duration = audio.milliseconds(mix.frames, sr=mix.sr)
    return Product(file, "audio", "wav", duration, reached.integrated_lufs, reached.true_peak_db, note="")


def products(film: Film, dub: Product, *, folder: Path, files: Files, opts: Options) -> Iterator[Product]:
    """Make the files that leave the bench, one after the other, and yield what each one is.

    The dub itself comes first. A film becomes ``film.mkv``, ``film.mp4`` where that can hold its
    picture, and ``preview.mp4``; a sound becomes ``film.mka``. Subtitles that end after the film are
    cut to it.

    Parameters
    ----------
    film : Film
        The original.
    dub : Product
        The encoded dub in `folder`, as `voice` returned it.
    folder : Path
        Where the files go.
    files : Files
        Where the preview's picture is kept.

    Raises
    ------
    MediaError
        Where a file cannot be made, or is not as long as the original.
    SubtitleError
        Where a subtitle file cannot be read.
    """
    yield dub
    picture = media.picture(film.probe)
    with tempfile.TemporaryDirectory() as scratch:
        film = dataclasses.replace(film, subtitles=list(_clipped(film, Path(scratch))))
        if picture is None:
            yield _film(film, dub, folder / "film.mka", note="", opts=opts)
            return
        fits = picture.codec in MP4_PICTURES
        note = "" if fits else f"There is no film.mp4: MP4 does not hold {picture.codec}."
        yield _film(film, dub, folder / "film.mkv", note=note, opts=opts)
        if fits:
            codec = film.probe.streams[film.probe.audio].codec
            note = "" if codec in MP4_SOUNDS else f"The original sound is AAC: MP4 does not hold {codec}."
            yield _film(film, dub, folder / "film.mp4", note=note, opts=opts)
        kept = _small(film, picture, folder=Path(scratch), files=files, opts=opts)
    path = folder / "preview.mp4"
    sound = media.source(path.with_name(dub.file)).audio
    options = {"codec": "copy", "movflags": "+faststart", **_tag("a:0", film.dub_language)}
    small = media.target(media.source(kept).video, sound, path=path, **options)
    media.run(small, asked=f"write {path.name}")
    yield _product(film, dub, path, "preview", note="")


def _film(film: Film, dub: Product, path: Path, *, note: str, opts: Options) -> Product:
    """Write one file with picture, dub, original sound and subtitles as tracks."""
    picture, original = media.picture(film.probe), film.probe.streams[film.probe.audio]
    source = media.source(film.source)
    tracks = [source[str(picture.index)]] if picture else []
    options: dict[str, Any] = {"codec": "copy", **_tags(film, path, first=len(tracks))}
    tracks += [media.source(path.with_name(dub.file)).audio, source[str(original.index)]]
    tracks += [media.source(each.path, formats="srt") for each in film.subtitles]
    if path.suffix == ".mp4":
        options |= {"codec:s": "mov_text", "movflags": "+faststart"}
        if original.codec not in MP4_SOUNDS:
            options |= {"codec:a:1": "aac", "b:a:1": _bitrate(original.channels, opts)}
    else:
        # Matroska knows no time before 0: AAC's priming packet, kept, would delay all other tracks
        primed = [n for n, codec in enumerate(("aac", original.codec)) if codec == "aac"]
        options |= {f"copypriorss:a:{n}": 0 for n in primed}
    media.run(media.target(*tracks, path=path, **options), asked=f"write {path.name}")
    return _product(film, dub, path, "film" if picture else "audio", note=note)


def _small(film: Film, picture: Stream, *, folder: Path, files: Files, opts: Options) -> Path:
    """Return a small picture to be looked at in a browser: encoded in `folder`, or kept from before."""
    content = (files.digest(film.source), picture.index, opts.preview_height, opts.preview_crf)
    key = address(version(), content)
    if found := files.find(key):
        return found
    small = (
        media.source(film.source)[str(picture.index)]
        .filter(
            "scale",
            w=-2,
            h=max(2, min(opts.preview_height, picture.height) // 2 * 2),
            flags="bitexact+accurate_rnd+bicubic",
        )
        .filter("format", "yuv420p")
    )
    # x264 differs from run to run with more than one thread
    encoder = {"codec:v": "libx264", "preset": "veryfast", "crf": opts.preview_crf, "threads:v": 1}
    path = folder / "picture.mp4"
    media.run(media.target(small, path=path, fps_mode="vfr", **encoder), asked="encode the preview's picture")
    return files.keep(key, path)


def _product(
    film: Film, dub: Product, path: Path, kind: Literal["film", "preview", "audio"], *, note: str
) -> Product:
    """Return what a file is, once it has proved to be as long as the original."""
    duration = media.probe(path, audio_track=0).duration
    picture = media.picture(film.probe)
    frame = 1000 / picture.frame_rate if picture and picture.frame_rate else 0
    if abs(duration - film.probe.duration) > max(frame, LONGEST_PACKET):
        raise MediaError(
            f"write {path.name}",
            f"it lasts {duration} ms and the original {film.probe.duration} ms",
            "Copy the original into Matroska with ffmpeg, which mends its times, and start from that.",
        )
    return dataclasses.replace(
        dub, file=path.name, kind=kind, container=path.suffix[1:], duration=duration, note=note
    )


def _clipped(film: Film, folder: Path) -> Iterator[Subtitles]:
    """Yield the subtitles as SRT files in `folder`, none beyond the film; a file without cues is left out."""
    for n, each in enumerate(film.subtitles):
        text, suffix = reading.read(each.path), each.path.suffix.lower()
        shown = reading.cues(text, suffix=suffix, where=each.path.name)
        length = film.probe.duration
        cues = [Cue("", cue.start, min(cue.end, length), cue.text) for cue in shown if cue.start < length]
        if cues:
            path = folder / f"{n}.srt"
            path.write_text(subtitles.render(Table(Cue, cues), kind="srt"), encoding="utf-8")
            yield Subtitles(path, each.language)


def _tags(film: Film, path: Path, *, first: int) -> dict[str, Any]:
    """Return language, title and disposition of the sounds and subtitles, from track `first` on."""
    tracks = [
        ("a:0", film.dub_language, "dub", "default"),
        ("a:1", film.language, "original", "original"),
        *((f"s:{n}", each.language, "subtitles", "0") for n, each in enumerate(film.subtitles)),
    ]
    title = "handler_name" if path.suffix == ".mp4" else "title"  # what a reproducible MP4 has room for
    options: dict[str, Any] = {}
    for track, (spec, tag, role, disposition) in enumerate(tracks, start=first):
        # two ways to name one track, for a key holds one value
        options |= _tag(spec, tag)
        options[f"metadata:s:{track}"] = f"{title}={langcodes.Language.get(tag).display_name()} ({role})"
        options[f"disposition:{spec}"] = disposition
    return options


def _tag(spec: str, language: str) -> dict[str, str]:
    """Return the option that tells a track's language."""
    return {f"metadata:s:{spec}": f"language={_code(language)}"}


def _code(language: str) -> str:
    """Return a BCP 47 language as files have it, in ISO 639-2/B."""
    return langcodes.Language.get(language).to_alpha3(variant="B")


def _bitrate(channels: int, opts: Options) -> str:
    return f"{channels * opts.audio_kbps}k"


def _correction(found: Loudness, wanted: float | None, *, opts: Options) -> float:
    """Return the gain in dB that an encoded sound still needs; 0 where it is as it should be."""
    if found.integrated_lufs is None or found.true_peak_db is None or wanted is None:
        return 0.0
    error = wanted - found.integrated_lufs
    gain = error if abs(error) > opts.max_loudness_error_lu else 0.0
    room = opts.max_true_peak_db - found.true_peak_db
    if gain > room:
        gain = room - PEAK_MARGIN_DB if room < 0 else max(room - PEAK_MARGIN_DB, 0.0)
    return round(gain, 1)
