"""Translate lines: one Translation a segment, with the glossary kept.

Conventions
-----------
A translator is asked for lines in batches, and for each distinct line once, so that a line said twice is
translated twice alike. Where a line's glossary terms do not come out as the guide wants them, the line is
translated again with the terms held by words that no translator knows, which then give way to the targets.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from workbench import review
from workbench.errors import EngineError
from workbench.glossary import Glossary, Guide, Held
from workbench.params import Count
from workbench.records import Draft, SceneLine, Segment, Translation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """``params/translate.yaml``; every key is required."""

    batch: Count  # lines given to the translator at a time, at most
    scene_pause: int  # ms of silence at which a scene ends, for translators of whole scenes
    characters: float  # a second that can be spoken, their length budget


class Translator(Protocol):
    """Translates lines of text."""

    name: str

    def translate(self, lines: Sequence[str], *, source: str, target: str) -> list[Draft]:
        """Return one draft a line, in order. Languages are BCP 47. No line is empty."""


@runtime_checkable
class TimedTranslator(Protocol):
    """Knows the translation by its time, as a human subtitle file does."""

    name: str
    timed: bool  # True

    def translate_timed(self, segments: Sequence[Segment], *, source: str, target: str) -> list[Draft]:
        """Return one draft a segment, in order."""


@runtime_checkable
class SceneTranslator(Protocol):
    """Translates the lines of a scene together, so that each is understood from the others."""

    name: str

    def translate_scene(
        self, lines: Sequence[SceneLine], *, source: str, target: str, exchanges: MutableMapping[str, str]
    ) -> list[Draft]:
        """Return one draft a line, in order. No line is empty.

        What is asked and answered goes into `exchanges`, by a name made from the question, and an answer
        that stands there is not asked for again.
        """


def translate(
    segments: Sequence[Segment],
    *,
    translator: Translator | TimedTranslator | SceneTranslator,
    guide: Guide,
    source: str,
    target: str,
    opts: Options,
    exchanges: MutableMapping[str, str] | None = None,
    edits: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Translation]:
    """Translate segments, one Translation each, in order.

    A segment without text has an empty translation. A timed translator's drafts, and a reviewer's words
    (`edits`, segment -> text; their engine is ``review``), are people's: the glossary is checked against
    them and changes nothing. No engine is asked for a line that a reviewer has put into words.

    Parameters
    ----------
    source, target : str
        Languages, BCP 47.
    exchanges : mapping of str to str, optional
        Where a translator of scenes keeps its questions and answers.

    Raises
    ------
    EngineError
        Where the translator gives more or fewer drafts than lines, or nothing for a line with text.
    """
    glossary = Glossary(guide.glossary_terms)
    if isinstance(translator, TimedTranslator):
        drafts = translator.translate_timed(segments, source=source, target=target)
        wanted = ["" if segment.id in edits else segment.text for segment in segments]
        _check(wanted, drafts, translator.name)
        for segment, draft in zip(segments, drafts, strict=True):
            judged = _judged(segment.text, draft, glossary, engine=translator.name)
            yield _reviewed(segment, edits, glossary) or replace(judged, segment=segment.id)
        return
    if isinstance(translator, SceneTranslator):
        kept = {} if exchanges is None else exchanges
        ask_scene = partial(translator.translate_scene, source=source, target=target, exchanges=kept)
        for scene in scenes(segments, pause=opts.scene_pause, most=opts.batch):
            yield from _by_scene(scene, ask_scene, glossary, edits, opts, engine=translator.name)
        return
    done: dict[str, Translation] = {}
    for first in range(0, len(segments), opts.batch):
        batch = segments[first : first + opts.batch]
        texts = (s.text for s in batch if s.text.strip() and s.id not in edits)
        lines = [text for text in dict.fromkeys(texts) if text not in done]
        ask = partial(_ask, translator=translator, source=source, target=target)
        for line, draft in zip(lines, ask(lines), strict=True):
            done[line] = _judged(line, draft, glossary, engine=translator.name)
        held = {line: glossary.hold(line, done[line].glossary_missed) for line in lines}
        held = {line: hold for line, hold in held.items() if hold.terms}
        for line, draft in zip(held, ask([hold.text for hold in held.values()]), strict=True):
            forced = _judged(line, _released(held[line], draft), glossary, engine=translator.name)
            if len(forced.glossary_missed) < len(done[line].glossary_missed):
                log.info("glossary_fallback_applied terms=%s", ", ".join(done[line].glossary_missed))
                done[line] = forced
        for segment in batch:
            known = done.get(segment.text, Translation("", "", translator.name, (), (), ()))
            yield _reviewed(segment, edits, glossary) or replace(known, segment=segment.id)


def edited(decisions: Iterable[review.Anchored]) -> dict[str, str]:
    """Return the texts that reviewers gave to lines, segment -> text, as far as they hold."""
    return {line: found[-1].text or "" for line, found in review.holding(decisions, "text").items()}


def _reviewed(segment: Segment, edits: Mapping[str, str], glossary: Glossary) -> Translation | None:
    if segment.id not in edits:
        return None
    judged = _judged(segment.text, Draft(edits[segment.id], ()), glossary, engine="review")
    return replace(judged, segment=segment.id)


def scenes(segments: Sequence[Segment], *, pause: int, most: int) -> Iterator[list[Segment]]:
    """Yield segments in runs that belong together: at most `most`, and without `pause` ms of silence."""
    scene: list[Segment] = []
    for segment in segments:
        if scene and (len(scene) == most or segment.start - max(s.end for s in scene) >= pause):
            yield scene
            scene = []
        scene.append(segment)
    if scene:
        yield scene


def _by_scene(
    scene: Sequence[Segment],
    ask: Callable[[Sequence[SceneLine]], list[Draft]],
    glossary: Glossary,
    edits: Mapping[str, str],
    opts: Options,
    *,
    engine: str,
) -> Iterator[Translation]:
    said = [segment for segment in scene if segment.text.strip()]
    lines = [_scene_line(s, glossary, opts, needed=s.id not in edits) for s in said]
    drafts = ask(lines) if any(line.needed for line in lines) else [Draft("", ()) for _ in lines]
    _check([line.text if line.needed else "" for line in lines], drafts, engine)
    by_id = {segment.id: draft for segment, draft in zip(said, drafts, strict=True)}
    for segment in scene:
        judged = _judged(segment.text, by_id.get(segment.id, Draft("", ())), glossary, engine=engine)
        yield _reviewed(segment, edits, glossary) or replace(judged, segment=segment.id)


def _scene_line(segment: Segment, glossary: Glossary, opts: Options, *, needed: bool) -> SceneLine:
    longest = max(1, round((segment.end - segment.start) / 1000 * opts.characters))
    terms = tuple(dict.fromkeys(term.sides for term in glossary.fires(segment.text)))
    return SceneLine(segment.id, segment.speaker, segment.text, longest, terms, needed)


def _ask(lines: Sequence[str], *, translator: Translator, source: str, target: str) -> list[Draft]:
    drafts = translator.translate(lines, source=source, target=target) if lines else []
    _check(lines, drafts, translator.name)
    return drafts


def _released(held: Held, draft: Draft) -> Draft:
    unknown = tuple(word for word in draft.unknown if word.casefold() not in held.terms)
    return replace(draft, text=held.release(draft.text) or "", unknown=unknown)


def _judged(line: str, draft: Draft, glossary: Glossary, *, engine: str) -> Translation:
    """Return the draft, of no segment yet, and which of the glossary's rules it keeps."""
    fired, kept = glossary.fires(line), glossary.confirmed(line, draft.text)
    applied = tuple(dict.fromkeys(term.source for term in kept))
    missed = tuple(dict.fromkeys(term.source for term in fired if term not in kept))
    settled = {word for source in applied for word in source.casefold().split()}
    return Translation(
        segment="",
        text=draft.text,
        engine=f"{engine} via {draft.via}" if draft.via else engine,
        unknown=tuple(word for word in draft.unknown if word.casefold() not in settled),
        glossary_applied=applied,
        glossary_missed=missed,
    )


def _check(lines: Sequence[str], drafts: Sequence[Draft], engine: str) -> None:
    """Refuse drafts that are not one a line, or that leave a line without text."""
    if len(drafts) != len(lines):
        raise EngineError(
            f"translate {len(lines)} lines with {engine}, beginning {' '.join(lines)[:60]!r}",
            f"{len(drafts)} drafts came back",
            "Nothing is written, as lines would shift. Use another engine, or repair that one.",
        )
    for line, draft in zip(lines, drafts, strict=True):
        if line.strip() and not draft.text.strip():
            raise EngineError(
                f"translate {line[:60]!r} with {engine}",
                "the draft is empty",
                "Reword that line in review, or use another engine.",
            )
