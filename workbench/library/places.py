"""Series, episodes and dubs as places: which folder holds what."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from workbench import params
from workbench.audio import Sound
from workbench.errors import LibraryError, MediaError
from workbench.library.names import SOURCE_STAGES, STAGES, TARGET_STAGES, check_language
from workbench.library.sounds import write_sound
from workbench.library.texts import append_text, read_text, replacing
from workbench.records import (
    Budget,
    Candidate,
    Casting,
    Clip,
    Cue,
    Decision,
    Hearing,
    LineWord,
    Loudness,
    Maker,
    Placement,
    Probe,
    Product,
    Score,
    Segment,
    Separation,
    Shot,
    Speaker,
    Table,
    Take,
    Translation,
    Turn,
    Word,
    parse,
)

R = TypeVar("R")
T = TypeVar("T")

PLACES: dict[type, tuple[str, str]] = {
    Probe: ("media", "probe.jsonl"),
    Shot: ("media", "shots.jsonl"),
    Separation: ("separate", "separation.jsonl"),
    Word: ("asr", "words.jsonl"),
    Hearing: ("asr", "hearing.jsonl"),
    Turn: ("diarize", "turns.jsonl"),
    Segment: ("segment", "segments.jsonl"),
    LineWord: ("segment", "words.jsonl"),
    Clip: ("voices", "clips.jsonl"),
    Speaker: ("voices", "speakers.jsonl"),
    Casting: ("voices", "castings.jsonl"),
    Translation: ("translate", "translations.jsonl"),
    Take: ("tts", "takes.jsonl"),
    Candidate: ("tts", "candidates.jsonl"),
    Placement: ("fit", "placements.jsonl"),
    Budget: ("fit", "budgets.jsonl"),
    Loudness: ("mix", "loudness.jsonl"),
    Cue: ("subtitles", "cues.jsonl"),
    Product: ("export", "products.jsonl"),
    Score: ("qa", "segment_scores.jsonl"),
}

MAKERS = "makers.jsonl"  # beside the records of each stage in which engines work


@dataclass(frozen=True)
class EpisodeFacts:
    """``given/episode.yaml``: what people say of one episode."""

    source: str  # file name of the film or sound, in the episode's folder
    language: str  # BCP 47
    audio_track: int  # which of the film's audio tracks, from 0
    speakers: int | None  # how many speak, where that is known
    engines: dict[str, str]  # kind -> engine, where this episode differs from params/engines.yaml


@dataclass(frozen=True)
class DubFacts:
    """``given/dub.yaml``: what people say of one dub."""

    engines: dict[str, str]


@dataclass(frozen=True)
class SeriesFacts:
    """``series.yaml``: what people say of a series.

    `casting` overrides the voices that the machine would choose: episode -> speaker -> voice.
    """

    title: str
    casting: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Place:
    """One folder of the library in which stages write their outputs."""

    root: Path
    key: str

    @property
    def folder(self) -> Path:
        """Where the place's outputs lie."""
        return self.root / "data" / self.key

    @property
    def given(self) -> Path:
        """What people gave: facts, subtitles, turns. In git."""
        return self.folder / "given"

    @property
    def reports(self) -> Path:
        """Where executed notebooks and reports of this place go."""
        return self.root / "reports" / self.key

    def stage(self, stage: str) -> Path:
        """Return the folder of a stage's output."""
        return self.folder / stage

    def options(self, stage: str, kind: type[T]) -> T:
        """Read ``params/<stage>.yaml``; raises `RecordError` for a key unknown, missing or mistyped."""
        path = self.root / "params" / f"{stage}.yaml"
        return params.read(kind, read_text(path), key=stage, where=f"params/{stage}.yaml")

    def engine_overrides(self) -> Mapping[str, str]:
        """Return kind -> engine where this place differs from ``params/engines.yaml``."""
        return {}

    def choice(self, kind: str) -> params.Choice:
        """Return which engine of a kind this place uses; raises `LibraryError` for an unknown kind."""
        document = params.mapping(
            read_text(self.root / "params" / "engines.yaml"), where="params/engines.yaml"
        )
        if kind not in document:
            raise LibraryError(
                f"choose the {kind} engine",
                f"params/engines.yaml has no key {kind!r}",
                "Add it, or restore the file.",
            )
        choice = parse(params.Choice, document[kind], where=f"params/engines.yaml, {kind}")
        override = self.engine_overrides().get(kind)
        return choice if override is None else dataclasses.replace(choice, engine=override)

    def read(self, kind: type[R]) -> Table[R]:
        """Read the records of a type; raises `LibraryError` where their stage has not run."""
        stage, name = PLACES[kind]
        path = self.stage(stage) / name
        if not path.is_file():
            raise LibraryError(
                f"read what {stage} made of {self.key}",
                f"{path.relative_to(self.root)} is not there",
                f"Run: dvc repro {stage}@{self.key}",
            )
        return Table.from_jsonl(kind, read_text(path), where=str(path.relative_to(self.root)))

    def makers(self, *, before: str) -> Table[Maker]:
        """Return the engines that worked in the stages before one, in their order, each once."""
        paths = [self.stage(stage) / MAKERS for stage in STAGES[: STAGES.index(before)]]
        tables = [
            Table.from_jsonl(Maker, read_text(path), where=str(path.relative_to(self.root)))
            for path in paths
            if path.is_file()
        ]
        return Table(Maker, dict.fromkeys(row for table in tables for row in table))

    def made(self, kind: type) -> bool:
        """Say whether the records of a type are there."""
        stage, name = PLACES[kind]
        return (self.stage(stage) / name).is_file()

    def review(self, *stages: str) -> dict[str, str]:
        """Return file name -> text of the logs of decisions, for `review.read`; empty where none is."""
        paths = [self.review_log(stage) for stage in stages]
        return {str(path.relative_to(self.root)): read_text(path) if path.is_file() else "" for path in paths}

    def review_log(self, stage: str) -> Path:
        """Return the log of the decisions on a stage's records."""
        return self.stage(stage).parent / "review" / f"{stage}.jsonl"

    def append(self, stage: str, *decisions: Decision) -> None:
        """Append decisions to a stage's log, one line each, and see them onto the disk.

        People may append at the same time: a line is written in one piece. Nothing is ever rewritten.
        """
        append_text(self.review_log(stage), Table(Decision, decisions).to_jsonl())

    def link(self, stage: str) -> str:
        """Return the way from this place's reports to a stage's output, as a page's link has it."""
        return os.path.relpath(self.stage(stage), self.reports)

    @contextmanager
    def writing(self, stage: str) -> Iterator[Output]:
        """Write a stage's folder: all of it appears at the end, or the earlier one stays.

        Raises `LibraryError` where the disk is full.
        """
        with replacing(self.stage(stage)) as folder:
            yield Output(folder)


@dataclass(frozen=True)
class Episode(Place):
    """An episode in its source language: the place of the source-side stages."""

    @property
    def series(self) -> str:
        """The series' name."""
        return self.key.split("/")[0]

    @property
    def name(self) -> str:
        """The episode's name within its series."""
        return self.key.split("/")[1]

    @property
    def facts(self) -> EpisodeFacts:
        """``given/episode.yaml``."""
        return _facts(EpisodeFacts, self.given / "episode.yaml", self.root)

    @property
    def language(self) -> str:
        """The source language, BCP 47."""
        return check_language(self.facts.language)

    @property
    def source(self) -> Path:
        """The film or sound; raises `MediaError` where it is not there or lies elsewhere."""
        path = self.folder / self.facts.source
        if path.parent != self.folder or not path.is_file():
            raise MediaError(
                f"open the source of {self.key}",
                f"{self.facts.source!r} is not a file in data/{self.key}",
                f"Fetch it with: dvc pull, or name it in data/{self.key}/given/episode.yaml",
            )
        return path

    @property
    def series_folder(self) -> Path:
        """The folder of the series: series.yaml, style_guide.yaml, voices, brand."""
        return self.folder.parent

    @property
    def series_facts(self) -> SeriesFacts:
        """``series.yaml``."""
        return _facts(SeriesFacts, self.series_folder / "series.yaml", self.root)

    def style_guide(self, language: str) -> dict[str, str]:
        """Return file name -> text of the series' style guides: for all languages, then for one."""
        paths = [self.series_folder / "style_guide.yaml", self.style_guide_path(language)]
        return {path.name: read_text(path) for path in paths if path.is_file()}

    def style_guide_path(self, language: str) -> Path:
        """Return where the series' style guide for one language is."""
        return self.series_folder / f"style_guide.{language}.yaml"

    def engine_overrides(self) -> Mapping[str, str]:
        """Return kind -> engine as ``given/episode.yaml`` has it."""
        return self.facts.engines


@dataclass(frozen=True)
class Dub(Place):
    """A dub: an episode in a target language, the place of the target-side stages."""

    @property
    def episode(self) -> Episode:
        """The episode that is dubbed."""
        return Episode(self.root, self.key.rsplit("/", 1)[0])

    @property
    def language(self) -> str:
        """The target language, BCP 47."""
        return check_language(self.key.rsplit("/", 1)[1])

    @property
    def facts(self) -> DubFacts:
        """``given/dub.yaml``."""
        return _facts(DubFacts, self.given / "dub.yaml", self.root)

    def engine_overrides(self) -> Mapping[str, str]:
        """Return kind -> engine: the episode's, then the dub's own."""
        return {**self.episode.engine_overrides(), **self.facts.engines}

    def takes(self) -> dict[str, Path]:
        """Return the sound of each take that there is, by its key; none before the first run."""
        takes = self.read(Take) if self.made(Take) else ()
        return {take.key: self.stage("tts") / take.sound for take in takes}

    def stage(self, stage: str) -> Path:
        """Return the folder of a stage's output: a source-side stage's lies with the episode."""
        return (self.episode.folder if stage in SOURCE_STAGES else self.folder) / stage

    def digests(self, *, before: str) -> dict[str, str]:
        """Return what went into a stage: path -> digest, as ``dvc.lock`` has it; empty without one.

        That is what people gave, and what the stages before put out, the episode's too.
        """
        path = self.root / "dvc.lock"
        document = params.mapping(read_text(path), where="dvc.lock") if path.is_file() else {}
        stages = (document.get("stages") or {}).values()
        entries = [entry for stage in stages for kind in ("deps", "outs") for entry in stage.get(kind, ())]
        digests = {str(entry["path"]): str(entry.get("md5", "")) for entry in entries}
        later = TARGET_STAGES[TARGET_STAGES.index(before) :]
        earlier = [*SOURCE_STAGES, "given", "review", self.episode.facts.source]
        folders = [f"data/{self.episode.key}/{name}" for name in earlier]
        folders += [
            f"data/{self.key}/{name}" for name in ("given", "review", *TARGET_STAGES) if name not in later
        ]
        return {
            path: digest
            for path, digest in sorted(digests.items())
            if any(f"{path}/".startswith(f"{folder}/") for folder in folders)
        }


def _facts(kind: type[T], path: Path, root: Path) -> T:
    where = str(path.relative_to(root))
    return parse(kind, params.mapping(read_text(path), where=where), where=where)


class Output:
    """A stage's folder while it is being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the path of a new file; its folder is made. Raises `LibraryError` outside the output."""
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise LibraryError(
                f"write {name!r}", "it lies outside the stage's folder", "Use a plain file name."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def table(self, table: Table[Any]) -> None:
        """Write a table under its record type's own name."""
        self.text(MAKERS if table.kind is Maker else PLACES[table.kind][1], table.to_jsonl())

    def text(self, name: str, text: str) -> None:
        """Write a text file in UTF-8."""
        self.path(name).write_text(text, encoding="utf-8", newline="\n")

    def json(self, name: str, value: Any) -> None:
        """Write a value as indented JSON with sorted keys."""
        encoded = msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2)
        self.text(name, encoded.decode() + "\n")

    def files(self, files: Mapping[str, bytes]) -> None:
        """Write files by name."""
        for name, content in files.items():
            self.path(name).write_bytes(content)

    def sound(self, name: str, y: Sound, *, sr: int, subtype: str = "PCM_24") -> None:
        """Write a sound of shape ``(n,)`` or ``(channels, n)`` as WAV."""
        write_sound(self.path(name), y, sr=sr, subtype=subtype)
