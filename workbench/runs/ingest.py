"""Add films to the library: copied, listed, given to DVC, with what is told of them."""

from __future__ import annotations

import filecmp
import hashlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from workbench import glossary, library, params
from workbench.errors import LibraryError, MediaError
from workbench.library import Dub, Episode, Key, Library
from workbench.runs import batch, pipeline

SERIES = """\
title: "{series}"
casting: {{}}                     # voices that you choose, as {{e01: {{ANNA: f2}}}}: episode, speaker, voice;
                                # of several engines, as {{e01: {{ANNA: {{espeak: f2, kokoro: bella}}}}}}
"""
SUBTITLES = (".srt", ".vtt", ".ass")


def add(
    root: Path,
    film: Path,
    *,
    language: str,
    targets: Sequence[str],
    series: str,
    name: str,
    audio_track: int | None = None,
    speakers: int | None = None,
    transcript: Path | None = None,
    translations: dict[str, Path] | None = None,
    dub_name: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> tuple[Key, list[Key]]:
    """Add a film, and the dubs wanted of it, to the library; return the keys of the episode and dubs.

    The film is copied into ``data/`` and given to DVC. Subtitles become the transcript, and tell who speaks
    where each of their lines does, or become a dub's translation. Adding the same film again changes
    nothing but what is said anew: what stands in ``given/`` stays.

    Raises
    ------
    MediaError
        Where ffmpeg cannot read the film, or it has no such audio track. Nothing is added then, or below.
    SubtitleError
        Where subtitles cannot be read.
    LibraryError
        Where the key is taken by another film, or by this one in another language; where a dub is wanted in
        the film's own language, or a translation is for none that is wanted.
    """
    from workbench import media

    of = Library(root)
    of.names()  # that it cannot be read is told before anything is added
    media.probe(film, audio_track=audio_track or 0)
    key = Key(series).child(name)
    language = library.check_language(language)
    languages = {_dub_key(key, tag, dub_name, targets): library.check_language(tag) for tag in targets}
    named = transcript is not None and _names_speakers(transcript)
    for translation in (translations or {}).values():
        _names_speakers(translation)
    for lang in (*languages.values(), *(translations or {})):
        if lang == language or lang not in languages.values():
            raise LibraryError(
                f"dub {key} into {lang}",
                "that is its own language" if lang == language else "only a translation of it is given",
                "Choose another with --to." if lang == language else f"Add: --to {lang}",
            )
    episode = Episode(root, key)
    source = episode.folder / f"source{film.suffix.lower()}"
    with library.alone(root, f"add.{'.'.join(key.names)}"):
        _refuse_another(episode, film, source, language)
        _refuse_other_languages(root, languages)
        _copy(film, source)
        _new(root, episode.series.folder / "series.yaml", SERIES.format(series=series))
        _new(root, episode.series.folder / "style_guide.yaml", glossary.empty(series))
        said: dict[str, Any] = {
            "audio_track": audio_track,
            "speakers": speakers,
            "engines": {},
            **(facts or {}),
        }
        if transcript:
            _give(transcript, episode.given, "transcript")
            said["engines"] = {"asr": "subtitles"} | ({"diarize": "subtitles"} if named else {})
        new = {"source": source.name, "language": language, "audio_track": 0, "speakers": None, "engines": {}}
        _say(root, episode.given / "episode.yaml", said, new=new)
        _begin(episode.folder / "review" / "segment.jsonl")
        for own, lang in languages.items():
            dub = Dub(root, own)
            given = (translations or {}).get(lang)
            if given:
                _give(given, dub.given, "translation")
            _say(
                root,
                dub.given / "dub.yaml",
                {"engines": {"translate": "subtitles"} if given else {}},
                new={"language": lang, "engines": {}},
            )
            _new(root, episode.series.style_guide_path(lang), glossary.empty(series))
            for stage in ("translate", "cast", "tts"):
                _begin(dub.folder / "review" / f"{stage}.jsonl")
        _list(of, key, [own.name for own in languages])
        _name_on_page(root, key.series)
        _track(root, source)
        pipeline.write(of, key)
    return key, list(languages)


def _dub_key(episode: Key, tag: str, name: str | None, targets: Sequence[str]) -> Key:
    if name is not None and len(targets) != 1:
        raise LibraryError(
            f"name the dub {name}",
            f"{len(targets)} languages are asked for",
            "Name one language with --to, and its dub with --as.",
        )
    return episode.child(name or library.dub_name(library.check_language(tag)))


def _refuse_other_languages(root: Path, languages: Mapping[Key, str]) -> None:
    """Raise `LibraryError` where a name is that of a dub in another language."""
    for key, language in languages.items():
        dub = Dub(root, key)
        if (dub.given / "dub.yaml").is_file() and dub.language != language:
            raise LibraryError(
                f"add the dub {key} in {language}",
                f"it is there, in {dub.language}",
                "Choose another name with --as.",
            )


def _refuse_another(episode: Episode, film: Path, source: Path, language: str) -> None:
    """Raise `LibraryError` where a key is taken by another film, or by this one in another language."""
    asked = f"add {film.name} as {episode.key}"
    if not (episode.given / "episode.yaml").is_file():
        return
    before = episode.facts
    if source.name != before.source or not _same(film, source):
        raise LibraryError(asked, "another film has that name", "Choose another with --name.")
    if language != episode.language:
        raise LibraryError(
            f"{asked}, in {language}",
            f"it is there, in {before.language}",
            f"Correct data/{episode.key}/given/episode.yaml, or choose another name with --name.",
        )


def _same(film: Path, source: Path) -> bool:
    """Say whether a film is the one that was added, by what DVC knows of it where it is not there itself."""
    pointer = source.with_name(f"{source.name}.dvc")
    if source.exists() or not pointer.is_file():
        return not source.exists() or filecmp.cmp(film, source, shallow=False)
    (out,) = params.mapping(library.read_text(pointer), where=pointer.name)["outs"]
    with film.open("rb") as file:
        return bool(hashlib.file_digest(file, "md5").hexdigest() == out["md5"])


def _track(root: Path, source: Path) -> None:
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "-q", "add", str(source.relative_to(root))]
    done = subprocess.run(command, cwd=root, env=batch.environment(), capture_output=True, text=True)
    if done.returncode:
        raise MediaError(
            f"give {source.name} to DVC", done.stderr.strip()[-500:], "Repair that and add the film again."
        )


def _list(of: Library, key: Key, dubs: Sequence[str]) -> None:
    """Write an episode and its dubs into ``params/library.yaml``, keeping its comments and order."""

    def listing(document: dict[str, Any]) -> None:
        series = document[key.series] = document.get(key.series) or {}
        listed = list(map(str, series.get(key.name) or []))
        series[key.name] = [*listed, *(name for name in dubs if name not in listed)]

    library.change(of.root, of.root / "params" / "library.yaml", lambda text: _changed(text, listing))


def _name_on_page(root: Path, series: str) -> None:
    """Have the page over the library depend on the reports of a series, where the library has such a page."""
    path, report = root / pipeline.FILE, f"reports/{series}"

    def naming(document: dict[str, Any]) -> None:
        page = document["stages"].get("page")
        if page and report not in page["deps"]:
            page["deps"].append(report)

    if path.is_file():
        library.change(root, path, lambda text: _changed(text, naming, offset=2))


def _say(root: Path, path: Path, said: Mapping[str, Any], *, new: Mapping[str, Any]) -> None:
    """Write facts into a file, keeping its comments and what else stands there; `new` is all of a new one."""
    import yaml

    def saying(document: dict[str, Any]) -> None:
        for key, value in said.items():
            if isinstance(value, dict):
                document[key] = {**document[key], **value} if value else document[key]
            elif value is not None:
                document[key] = value

    def facts(text: str) -> str:
        if text:
            return _changed(text, saying)
        document = dict(new)
        saying(document)
        return str(yaml.safe_dump(document, sort_keys=False))

    library.change(root, path, facts)


def _changed(text: str, by: Callable[[dict[str, Any]], None], *, offset: int = 0) -> str:
    """Return YAML with its document changed, its comments kept; the same text where nothing changes.

    `offset` says how far the dashes of its lists are indented.
    """
    from io import StringIO

    from ruamel.yaml import YAML

    keeping = YAML()
    keeping.preserve_quotes = True  # the language 'no' without them is a truth value
    keeping.indent(mapping=2, sequence=2 + offset, offset=offset)
    document = keeping.load(text) or {}
    before = deepcopy(document)
    by(document)
    if document == before:
        return text
    changed = StringIO()
    keeping.dump(document, changed)
    return changed.getvalue()


def _new(root: Path, path: Path, text: str) -> None:
    library.change(root, path, lambda there: there or text)


def _begin(log: Path) -> None:
    """Let a log of decisions be there, whatever is appended to it meanwhile."""
    if not log.exists():
        library.append_text(log, "\n")


def _names_speakers(subtitles: Path) -> bool:
    """Say whether every line of a file names who speaks; raises `WorkbenchError` where it cannot be used."""
    from workbench.subtitles import reading

    if subtitles.suffix.lower() not in SUBTITLES or not subtitles.is_file():
        raise LibraryError(
            f"use the subtitles {subtitles}",
            "not a file ending in " + ", ".join(SUBTITLES),
            "Give an SRT, VTT or ASS file.",
        )
    found, _ = reading.lines(reading.read(subtitles), suffix=subtitles.suffix.lower(), where=subtitles.name)
    return bool(found) and all(line.speaker for line in found)


def _give(subtitles: Path, folder: Path, stem: str) -> None:
    """Copy subtitles into a ``given`` folder, in place of those that it has."""
    _copy(subtitles, folder / f"{stem}{subtitles.suffix.lower()}")
    for suffix in SUBTITLES:
        if suffix != subtitles.suffix.lower():
            (folder / f"{stem}{suffix}").unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return
    library.copy(source, target)
