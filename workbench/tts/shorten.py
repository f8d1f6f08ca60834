"""Shorter texts for the lines that are too long: speak, place, ask for a shorter text, and speak that too.

Conventions
-----------
All lines are spoken first. Where a line lacks time, or is heard too fast, it has a budget (`fit.budgets`),
and a translator that can shorten is asked for a text within it, which is spoken as a further take of the
line. Nothing takes the place of anything: the stage fit chooses among a line's takes, and every text that
was offered is a `Candidate`, refused ones with the reason. A text that a person wrote is never shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Protocol, runtime_checkable

import msgspec

from workbench import fit, tts, writing
from workbench.audio import Sound
from workbench.errors import EngineError
from workbench.glossary import Glossary, Guide
from workbench.records import (
    Budget,
    Candidate,
    LongLine,
    Placement,
    Segment,
    Table,
    Take,
    Translation,
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """``params/shorten.yaml``; every key is required."""

    rounds: Annotated[int, msgspec.Meta(ge=0)]  # how often lines are shortened and placed again; 0: never
    batch: Annotated[int, msgspec.Meta(ge=1)]  # lines that the translator is asked for at a time, at most


@runtime_checkable
class Shortener(Protocol):
    """Translates a line in fewer words."""

    name: str

    def shorten(
        self, lines: Sequence[LongLine], *, source: str, target: str, exchanges: MutableMapping[str, str]
    ) -> list[str]:
        """Return a shorter translation of each line, in order; an empty one where there is none.

        What is asked and answered goes into `exchanges`, as `translate.SceneTranslator` has it.
        """


class Speak(Protocol):
    """Speaks the lines that are named, as `tts.speak` does."""

    def __call__(
        self, translations: Table[Translation], *, only: Sequence[str] | None = None
    ) -> Iterator[tuple[Take, Sound]]:
        """Return each line's take and its sound."""


def lines(
    segments: Table[Segment],
    translations: Table[Translation],
    *,
    speak: Speak,
    place: Callable[[Table[Take]], Table[Placement]],
    fitting: fit.Options,
    translator: Callable[[], object] | None,
    guide: Guide,
    source: str,
    target: str,
    opts: Options,
    exchanges: MutableMapping[str, str],
    wishes: Mapping[str, tts.Wish] = MappingProxyType({}),
) -> Iterator[tuple[Take, Sound] | tuple[Candidate, None]]:
    """Yield each line's take with its sound; then candidates, each before its take where it has one.

    Parameters
    ----------
    place : callable
        Places takes in the film, as `fit.place` does.
    translator : callable
        Gives the translator, and is called where a line has a budget; `None` where it cannot shorten.
    source, target : str
        Languages, BCP 47.
    wishes : mapping
        What reviewers want, by segment: the take that a line keeps is left as it is.

    Raises
    ------
    EngineError
        Where the translator fails, naming the lines that it was asked for.
    """
    takes = []
    for take, sound in speak(translations):
        takes.append(take)
        yield take, sound
    if translator is None:
        return
    texts, glossary = translations.by("segment"), Glossary(guide.glossary_terms)
    latest = {take.segment: take for take in takes}
    settled = {name for name, row in texts.items() if row.engine == "review"}
    settled |= {name for name, wish in wishes.items() if wish.kept}
    shortener = None
    for number in range(1, opts.rounds + 1):
        spoken = Table(Take, takes)
        budgets = fit.budgets(place(spoken), segments, spoken, opts=fitting)
        budgets = budgets.where(lambda row: row.segment not in settled and row.characters > 0)
        if not budgets:
            return
        shortener = shortener or translator()
        if not isinstance(shortener, Shortener):
            return
        long = list(_long(budgets, segments, latest, glossary))
        offers = _offers(long, shortener, opts, source=source, target=target, exchanges=exchanges)
        fresh = {}
        for line, budget, text in zip(long, budgets, offers, strict=True):
            refused = _fault(line, text, glossary, target=target)
            made = (number, text, shortener.name, budget.duration, budget.characters, None, refused)
            if refused:
                settled.add(line.id)
                yield Candidate(line.id, *made), None
            else:
                fresh[line.id] = Candidate(line.id, *made)
        worded = [replace(texts[name], text=one.text) for name, one in fresh.items()]
        for take, sound in speak(Table(Translation, worded), only=list(fresh)):
            candidate, before = replace(fresh[take.segment], duration=take.duration), latest[take.segment]
            if take.duration * take.rate >= before.duration * before.rate:
                settled.add(take.segment)
                refused = "it takes no less time to say by nature"
                yield replace(candidate, refused=refused), None
                continue
            file, whole = f"{take.segment}.{number}.wav", texts[take.segment].text
            latest[take.segment] = replace(take, sound=file, instead_of=whole)
            takes.append(latest[take.segment])
            yield candidate, None
            yield takes[-1], sound


def _long(
    budgets: Table[Budget], segments: Table[Segment], latest: Mapping[str, Take], glossary: Glossary
) -> Iterator[LongLine]:
    by_id = segments.by("id")
    for budget in budgets:
        segment, present = by_id[budget.segment], latest[budget.segment].text_pre_pronunciation
        terms = dict.fromkeys(term.sides for term in glossary.confirmed(segment.text, present))
        yield LongLine(segment.id, segment.speaker, segment.text, present, budget.characters, tuple(terms))


def _offers(
    long: Sequence[LongLine],
    shortener: Shortener,
    opts: Options,
    *,
    source: str,
    target: str,
    exchanges: MutableMapping[str, str],
) -> Iterator[str]:
    """Yield the shortener's text for each line."""
    for first in range(0, len(long), opts.batch):
        batch = long[first : first + opts.batch]
        asked = f"shorten {', '.join(line.id for line in batch)} with {shortener.name}"
        try:
            found = shortener.shorten(batch, source=source, target=target, exchanges=exchanges)
        except EngineError as error:
            raise EngineError(f"{asked}: {error.asked}", error.found, error.do) from error
        if len(found) != len(batch):
            raise EngineError(asked, f"{len(found)} texts came back", "Use another engine, or rounds: 0.")
        yield from map(writing.one_line, found)


def _fault(line: LongLine, text: str, glossary: Glossary, *, target: str) -> str:
    """Return why a text will not do, or nothing."""
    if not writing.SPOKEN.search(text):
        return "there is no shorter one"
    if len(text) >= len(line.present):
        return f"it has {len(text)} characters, no fewer than the {len(line.present)} before"
    kept = {term.sides for term in glossary.confirmed(line.text, text)}
    lost = [wanted for source, wanted in line.terms if (source, wanted) not in kept]
    if lost:
        return f"it loses the style guide's {', '.join(lost)}"
    other = writing.another_language(text, expected=target)
    return f"it is in another language, it seems {other}" if other else ""
