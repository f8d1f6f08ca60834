"""The library, its series, episodes and dubs as places: which folder holds what."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from workbench import params
from workbench.errors import LibraryError, MediaError
from workbench.library.keys import SOURCE_STAGES, STAGES, TARGET_STAGES, Key
from workbench.library.languages import check_language
from workbench.library.output import MAKERS, PLACES, Output
from workbench.library.texts import append_text, read_text, replacing
from workbench.params import Layer
from workbench.records import (
    Decision,
    Maker,
    Table,
    Take,
    parse,
)

R = TypeVar("R")
T = TypeVar("T")


MOST_LIKE = 5  # keys that are named where one is unknown


Visibility = Literal["private", "team", "public"]
Options = Mapping[
    str, Mapping[str, Any]
]  # name of a file of params/ -> keys and values that it has otherwise


@dataclass(frozen=True)
class SeriesFacts:
    """``series.yaml``: what people say of a series.

    `casting` overrides the voices that the machine would choose: episode -> speaker -> voice, or that of each
    engine.
    """

    title: str
    casting: dict[str, dict[str, str | dict[str, str]]]
    engines: dict[str, str] = field(default_factory=dict)  # kind -> engine, where it differs from params/
    options: dict[str, dict[str, Any]] = field(default_factory=dict)  # file of params/ -> what differs
    owner: str = ""
    visibility: Visibility = "private"


@dataclass(frozen=True)
class EpisodeFacts:
    """``given/episode.yaml``: what people say of one episode."""

    source: str  # file name of the film or sound, in the episode's folder
    language: str  # BCP 47
    audio_track: int  # which of the film's audio tracks, from 0
    speakers: int | None  # how many speak, where that is known
    engines: dict[str, str] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    title: str = ""
    season: int | None = None
    number: int | None = None  # of the episode in its season
    owner: str = ""
    visibility: Visibility = "private"


@dataclass(frozen=True)
class DubFacts:
    """``given/dub.yaml``: what people say of one dub."""

    language: str  # BCP 47
    engines: dict[str, str] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """One folder of the library in which stages write their outputs."""

    root: Path
    key: Key

    @property
    def folder(self) -> Path:
        """Where the place's outputs lie."""
        return self.root / "data" / str(self.key)

    @property
    def given(self) -> Path:
        """What people gave: facts, subtitles, turns. In git."""
        return self.folder / "given"

    @property
    def reports(self) -> Path:
        """Where executed notebooks and reports of this place go."""
        return self.root / "reports" / str(self.key)

    def stage(self, stage: str) -> Path:
        """Return the folder of a stage's output."""
        return self.folder / stage

    def options(self, stage: str, kind: type[T]) -> T:
        """Return the options of ``params/<stage>.yaml`` that hold here.

        Raises `RecordError` for a key unknown, missing or mistyped, in that file or in what is said over it.
        """
        values, _ = self.in_force(stage)
        return parse(kind, values, where=f"params/{stage}.yaml, {stage}")

    def in_force(self, stage: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what holds here of ``params/<stage>.yaml``, and the file of each value that differs from it.

        The series may say otherwise, the episode over it, and the dub over both (`params.overlaid`).
        """
        where = f"params/{stage}.yaml"
        document = params.mapping(read_text(self.root / where), where=where)
        base = document if stage == "engines" else params.under(document, stage, where=where)
        return params.overlaid(base, self.layers(stage), where=where)

    def layers(self, stage: str) -> list[Layer]:
        """Return what is said here over ``params/<stage>.yaml``, the widest place first."""
        layers = []
        for path, facts in self.said():
            if stage == "engines" and facts.engines:
                layers.append(Layer(path, {kind: {"engine": name} for kind, name in facts.engines.items()}))
            if stage in facts.options:
                layers.append(Layer(path, facts.options[stage]))
        return layers

    def said(self) -> list[tuple[str, SeriesFacts | EpisodeFacts | DubFacts]]:
        """Return the facts that hold here with the file of each, the widest place first."""
        return []

    def choice(self, kind: str) -> params.Choice:
        """Return which engine of a kind this place uses; raises `LibraryError` for an unknown kind."""
        document, _ = self.in_force("engines")
        if kind not in document:
            raise LibraryError(
                f"choose the {kind} engine",
                f"params/engines.yaml has no key {kind!r}",
                "Add it, or restore the file.",
            )
        return parse(params.Choice, document[kind], where=f"params/engines.yaml, {kind}")

    def read(self, kind: type[R]) -> Table[R]:
        """Read the records of a type; raises `LibraryError` where their stage has not run."""
        stage, name = PLACES[kind]
        path = self.stage(stage) / name
        if not path.is_file():
            raise LibraryError(
                f"read what {stage} made of {self.key}",
                f"{path.relative_to(self.root)} is not there",
                f"Run: workbench repro {self.key}",
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
class Series(Place):
    """A series: what its episodes share."""

    @property
    def facts(self) -> SeriesFacts:
        """``series.yaml``."""
        return _facts(SeriesFacts, self.folder / "series.yaml", self.root)

    def said(self) -> list[tuple[str, SeriesFacts | EpisodeFacts | DubFacts]]:
        """Return ``series.yaml``; nothing where there is none."""
        path = self.folder / "series.yaml"
        return [(str(path.relative_to(self.root)), self.facts)] if path.is_file() else []

    def style_guide(self, language: str) -> dict[str, str]:
        """Return file name -> text of the style guides: for all languages, then for one."""
        paths = [self.folder / "style_guide.yaml", self.style_guide_path(language)]
        return {path.name: read_text(path) for path in paths if path.is_file()}

    def style_guide_path(self, language: str) -> Path:
        """Return where the style guide for one language is."""
        return self.folder / f"style_guide.{language}.yaml"


@dataclass(frozen=True)
class Episode(Place):
    """An episode in its source language: the place of the source-side stages."""

    @property
    def series(self) -> Series:
        """The series that it belongs to."""
        return Series(self.root, self.key.parent)

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

    def said(self) -> list[tuple[str, SeriesFacts | EpisodeFacts | DubFacts]]:
        """Return the facts of the series and the episode."""
        return [*self.series.said(), (f"data/{self.key}/given/episode.yaml", self.facts)]


@dataclass(frozen=True)
class Dub(Place):
    """A dub: an episode in a target language, the place of the target-side stages."""

    @property
    def episode(self) -> Episode:
        """The episode that is dubbed."""
        return Episode(self.root, self.key.parent)

    @property
    def language(self) -> str:
        """The target language, BCP 47."""
        return check_language(self.facts.language)

    @property
    def facts(self) -> DubFacts:
        """``given/dub.yaml``."""
        return _facts(DubFacts, self.given / "dub.yaml", self.root)

    def said(self) -> list[tuple[str, SeriesFacts | EpisodeFacts | DubFacts]]:
        """Return the facts of the series, the episode and the dub."""
        return [*self.episode.said(), (f"data/{self.key}/given/dub.yaml", self.facts)]

    def style_guide(self) -> dict[str, str]:
        """Return file name -> text of the series' style guides that hold for this dub."""
        return self.episode.series.style_guide(self.language)

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
        folder = self.episode.folder
        path = folder / "dvc.lock"
        document = params.mapping(read_text(path), where="dvc.lock") if path.is_file() else {}
        stages = (document.get("stages") or {}).values()
        entries = [entry for stage in stages for kind in ("deps", "outs") for entry in stage.get(kind, ())]
        digests = {
            os.path.relpath(folder / str(entry["path"]), self.root): str(entry.get("md5", ""))
            for entry in entries
        }
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


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder, from `start` (the working folder) upwards, that holds a library.

    Raises `LibraryError` where there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "params" / "library.yaml").is_file():
            return folder
    raise LibraryError(
        f"find the library from {start}",
        "no params/library.yaml here or above",
        "Change into the project's folder.",
    )


@dataclass(frozen=True)
class Library:
    """All that there is: ``params/library.yaml`` lists the names, and the facts lie with each place."""

    root: Path

    def names(self) -> dict[str, dict[str, list[str]]]:
        """Return series -> episode -> the names of its dubs, as they are listed.

        Raises `LibraryError` for a file of another form, and for a name that may not be a place's.
        """
        where = "params/library.yaml"
        document = params.mapping(read_text(self.root / where), where=where)
        try:
            listed = msgspec.convert(document, dict[str, dict[str, list[str] | None] | None])
        except msgspec.ValidationError as error:
            raise LibraryError(
                f"read {where}", str(error), "Write series, episodes and dubs, as: s: {e01: [es, ca]}"
            ) from error
        return {
            series: {name: dubs or [] for name, dubs in (episodes or {}).items()}
            for series, episodes in listed.items()
        }

    def keys(self, *below: Key) -> list[Key]:
        """Return every episode followed by its dubs, or those that are one of some keys, or below one."""
        found = []
        for series, episodes in self.names().items():
            for episode, dubs in episodes.items():
                own = Key(series, episode)
                found += [own, *(own.child(str(dub)) for dub in dubs)]
        return [key for key in found if not below or any(each.holds(key) for each in below)]

    def place(self, key: Key) -> Place:
        """Return the place of a listed key; raises `LibraryError` for another, with what is like it."""
        known = self.keys()
        if not any(key.holds(each) for each in known):
            like = difflib.get_close_matches(str(key), map(str, known), MOST_LIKE, 0)
            raise LibraryError(
                f"open {key}",
                "params/library.yaml lists no such key",
                f"Most like it are: {', '.join(like)}." if like else "Add a film with: workbench add",
            )
        return {"series": Series, "episode": Episode, "dub": Dub}[key.level](self.root, key)

    def episode(self, key: Key) -> Episode:
        """Return an episode that is listed, of its own key or of a dub's; raises `LibraryError`."""
        place = self.place(key)
        if isinstance(place, Dub):
            return place.episode
        if not isinstance(place, Episode):
            raise LibraryError(f"open the episode {key}", "that is a series", f"It has: {self._below(key)}.")
        return place

    def dub(self, key: Key) -> Dub:
        """Return a dub that is listed; raises `LibraryError`, for what is none with the dubs that it has."""
        place = self.place(key)
        if not isinstance(place, Dub):
            raise LibraryError(
                f"open the dub {key}",
                f"that is {'an episode' if isinstance(place, Episode) else 'a series'}",
                f"It has: {self._below(key)}.",
            )
        return place

    def _below(self, key: Key) -> str:
        dubs = [str(each) for each in self.keys(key) if each.level == "dub"]
        return ", ".join(dubs) or "no dub yet; workbench add FILM --to LANG adds one"


def _facts(kind: type[T], path: Path, root: Path) -> T:
    where = str(path.relative_to(root))
    return parse(kind, params.mapping(read_text(path), where=where), where=where)
