"""The desk: every act of a reviewer as a verb with a line's id, for panel, command line and server alike.

Conventions
-----------
A verb writes its decisions to the logs at once, takes note of what others wrote since, and returns what it
wrote; nothing where it changes nothing. It raises `RecordError` or `LibraryError` for what cannot be, and
then nothing is written. Times are integer ms.

Undo takes back one's own acts. `Desk.reopen` withdraws a verdict, whoever gave it, and stands in the log as
an act of its own. What is no decision (a word of the series' lexicon) is written by a verb too, so that
there is one door for all that people change.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

from workbench import engines, glossary, library, params, review, tts, wording
from workbench.errors import LibraryError, RecordError
from workbench.glossary import Pronunciation
from workbench.records import Decision, LineWord, Placement, Probe, Segment, Table, Take, Translation
from workbench.review import Line

SCOPES = ("line", "dub", "series")  # where a word is pronounced so
Cut = tuple[int, str, str]  # ms at which a line can be split, and the texts of the halves


class Desk:
    """The lines of one dub, and what one reviewer does with them.

    Parameters
    ----------
    dub : library.Dub
        Its stages up to ``fit`` must have run.
    who : str
        The reviewer's name, as it stands in every decision.
    now : callable
        Returns the time of an act, UTC.
    """

    def __init__(
        self, dub: library.Dub, *, who: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.dub, self.who, self.now = dub, who, now
        self._changed: set[str] = set()
        self.load()

    def load(self) -> None:
        """Read what the stages have made and all that was decided."""
        takes = wording.heard(self.dub.read(Take), self.dub.read(Placement))
        self.segments: Table[Segment] = self.dub.read(Segment)
        self.translations: Table[Translation] = wording.said(self.dub.read(Translation), takes)
        self.takes: dict[str, Take] = takes.by("segment")
        self.duration: int = self.dub.read(Probe)[0].duration
        self._after = {one.id: two for one, two in pairwise(self.segments)}
        words: dict[str, list[LineWord]] = {}
        for word in self.dub.read(LineWord):
            words.setdefault(word.segment, []).append(word)
        self._words = words
        self.__dict__.pop("bounds", None)
        self._begin()
        self._take_note()

    def follow(self) -> set[str]:
        """Take note of what was decided; return the ids of lines that may have changed since last asked."""
        self._take_note()
        changed, self._changed = self._changed, set()
        return changed

    def _take_note(self) -> None:
        logs = self.dub.review(*review.LOGS)
        new = self._logs.read(logs)
        if new is None:
            self._begin()
            new = self._logs.read(logs)
        self._changed |= self._fold.add(new or ())

    def _begin(self) -> None:
        self._logs = review.Logs()
        self._fold = review.Fold(self.segments, self.translations, list(self.takes.values()))
        self._changed = set(self._fold.lines)

    @property
    def lines(self) -> Mapping[str, Line]:
        """The lines by id, as `review.fold` has them."""
        return self._fold.lines

    def line(self, name: str) -> Line:
        """Return a line; raises `LibraryError` where there is none of that id."""
        if name not in self.lines:
            raise LibraryError(
                f"decide on the line {name!r}" if name else "decide on a line",
                f"{self.dub.key} has no such line" if name else "none is selected",
                "Take the id from the review panel or the QA report." if name else "Select one.",
            )
        return self.lines[name]

    # what a line says

    def approve(self, *names: str) -> list[Decision]:
        """Say that lines are right as they read now."""
        return self._decide("approve", names)

    def reject(self, *names: str) -> list[Decision]:
        """Say that lines are not right."""
        return self._decide("reject", names)

    def reopen(self, name: str) -> list[Decision]:
        """Withdraw what was said of a line, approval or rejection, whoever said it."""
        given = (a.decision.action for a in self.line(name).decisions if a.standing in ("holds", "conflict"))
        if not {"approve", "reject"} & set(given):
            raise RecordError(f"reopen {name}", "it is neither approved nor rejected", "Choose another line.")
        return self._decide("reopen", [name])

    def edit(self, name: str, text: str) -> list[Decision]:
        """Give a line another target text."""
        return self._write("edit_text", name, text, self.line(name).text)

    def edit_source(self, name: str, text: str) -> list[Decision]:
        """Correct what was heard in a line."""
        return self._write("edit_source", name, text, self.line(name).source)

    def note(self, name: str, text: str) -> list[Decision]:
        """Put a note to a line."""
        return self._write("note", name, text, "")

    # the take

    def lock(self, name: str) -> list[Decision]:
        """Keep a line's take whatever changes; a locked line is unlocked."""
        line = self.line(name)
        if line.locked:
            return self._decide("unlock", [name])
        if line.take is None:
            raise LibraryError(f"lock {name}", "it has no take", "Run the line again first.")
        y, _ = library.read_sound(self.dub.stage("tts") / line.take.sound)
        return self._decide("lock", [name], sound=tts.digest(y))

    def regenerate(
        self, name: str, *, seed: int | None = None, rate: float | None = None, **options: Any
    ) -> list[Decision]:
        """Ask for another take of a line, from the next rerun on.

        With the next seed, where none is given; at a rate (1.0 is natural); with settings of the engine,
        within `bounds`.
        """
        asked, known = self.line(name).regenerate, self.settings
        unknown = [option for option, given in options.items() if type(known.get(option)) is not type(given)]
        if unknown or (rate is not None and not review.RATES[0] <= rate <= review.RATES[1]):
            raise RecordError(
                "ask for a new take",
                f"{unknown[0]} is no such setting of the engine" if unknown else f"the rate is {rate}",
                f"Rates are {review.RATES[0]} to {review.RATES[1]}; settings: {known}.",
            )
        choice = self.dub.choice("tts")
        engines.resolve("tts", choice.engine, choice.with_options(choice.engine, options))
        seed = (asked.seed or 0) + 1 if seed is None and asked else 1 if seed is None else seed
        return self._decide("regenerate", [name], seed=seed, rate=rate, options=options or None)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the synthesiser, with what they are."""
        choice = self.dub.choice("tts")
        return choice.options.get(choice.engine, {})

    @cached_property
    def bounds(self) -> dict[str, tuple[float | None, float | None]]:
        """The least and the most that a setting of the synthesiser may be, `None` where nothing says so."""
        choice = self.dub.choice("tts")
        return params.bounds(type(engines.resolve("tts", choice.engine, choice)[1]))

    def pronounce(self, name: str, term: str, said: str, scope: str = "line") -> list[Decision]:
        """Say how a word is spoken: in a line, in every line of the dub, or in the series (`SCOPES`).

        The last is no decision: it is written into the series' style guide.
        """
        term, said = (unicodedata.normalize("NFC", text.strip()) for text in (term, said))
        if not term or not said:
            raise RecordError(f"pronounce {term!r}", "one side is empty", "Write the word and how it sounds.")
        if scope not in SCOPES:
            raise RecordError(f"pronounce {term!r} in {scope!r}", "there is no such place", f"{SCOPES}")
        if scope == "series":
            self._teach(Pronunciation(term, said, self.dub.language))
            return []
        text = unicodedata.normalize("NFC", self.line(name).text)
        if scope == "line" and term.casefold() not in text.casefold():
            raise RecordError(f"pronounce {term!r}", "the line does not say it", "Write a word of the line.")
        carried = {"term": term, "tts": said, "locale": self.dub.language}
        return self._decide("pronounce", [name], **carried, everywhere=scope == "dub")

    def _teach(self, rule: Pronunciation) -> None:
        path = self.dub.episode.series.style_guide_path(self.dub.language)
        library.change(
            self.dub.root,
            path,
            lambda text: glossary.with_rule(text, rule, where=path.name, project=path.parent.name),
        )

    # which lines there are

    def cuts(self, name: str) -> list[Cut]:
        """Return where a line can be split: between which of its words, and the texts of the halves."""
        line = self.line(name)
        start, end = line.segment.start, line.segment.end
        found, at = [], 0
        for before, word in pairwise(self._words.get(name, ())):
            place, cut = line.source.find(f" {word.text}", at), (before.end + word.start) // 2
            if place > 0 and start < cut < end:
                found.append((cut, line.source[:place].strip(), line.source[place:].strip()))
                at = place + 1
        return found

    def split(self, name: str, at: int) -> list[Decision]:
        """Cut a line in two before the word that begins after `at` ms, one of its `cuts`."""
        halves = {cut: texts for cut, *texts in self.cuts(name)}
        if at not in halves:
            raise RecordError("split the line", f"no word begins at {at} ms", "Choose one of its words.")
        return self._decide("split", [name], cut=at, texts=tuple(halves[at]))

    def after(self, name: str) -> Segment | None:
        """Return the line that comes after one; `None` for the last."""
        return self._after.get(name)

    def merge(self, name: str) -> list[Decision]:
        """Join a line with the one after it."""
        after = self.after(name)
        if after is None:
            raise RecordError("join the line with the next", "it is the last one", "Join the one before it.")
        return self._decide("merge", [name], other=review.Anchor.of(after))

    def remove(self, name: str) -> list[Decision]:
        """Say that nobody says a line: it was heard where there is no speech."""
        if self.line(name).presence == "remove":
            raise RecordError(f"remove {name}", "it is removed", "Undo that to have it again.")
        return self._decide("remove", [name])

    def add(self, start: int, end: int, speaker: str, text: str) -> list[Decision]:
        """Add a line that nobody heard, said by one of the film's speakers.

        Its id is the subject of what is written.
        """
        self._refuse_beyond_the_end(end)
        segment = Segment("", start, end, speaker, text.strip())
        other = self._said_by(speaker)
        for line in self.lines.values():
            row = line.segment
            common = min(row.end, end) - max(row.start, start)
            if (
                line.there
                and row.speaker == speaker
                and 2 * common >= max(row.end, end) - min(row.start, start)
            ):
                raise RecordError(
                    f"add a line from {start} to {end} ms",
                    f"{row.id} of {speaker} stands there",
                    "Correct that line, or give the new one another time.",
                )
        name = review.new_id(start, self.lines)
        new = review.Anchor.of(segment)
        made = review.make("add", name, who=self.who, at=self.now(), line=new, other=other)
        return self._append([made])

    def retime(self, name: str, start: int, end: int) -> list[Decision]:
        """Give a line another time, in ms."""
        self._refuse_beyond_the_end(end)
        segment = self.line(name).segment
        if (start, end) == (segment.start, segment.end):
            return []
        return self._decide("retime", [name], start=start, end=end)

    def reassign(self, name: str, speaker: str) -> list[Decision]:
        """Say that another of the film's speakers says a line."""
        other = self._said_by(speaker)
        if speaker == self.line(name).segment.speaker:
            return []
        return self._decide("reassign", [name], speaker=speaker, other=other)

    def off_screen(self, name: str) -> list[Decision]:
        """Say that whoever speaks a line is out of the picture; a second time, in it."""
        return self._decide("off_screen", [name], off_screen=not self.line(name).off_screen)

    # what was done

    def undo(self) -> list[Decision]:
        """Take back this reviewer's last act on this dub, all of it where it was on many lines.

        Returns what was taken back.
        """
        on_speakers = [d for d in self._logs.decisions if d.action in ("cast", "undo", "hold")]
        standing = [a.decision for line in self.lines.values() for a in line.decisions]
        standing += [d for d, _ in review.live(on_speakers)]
        own = sorted((d for d in standing if d.who == self.who), key=review.when)
        last = [d for d in own if (d.at, d.action) == (own[-1].at, own[-1].action)]
        at = self.now()
        self._append(
            [review.undo(d, who=self.who, at=at) for d in last], [review.log_of(d.action) for d in last]
        )
        return last

    def _decide(self, action: str, names: Iterable[str], **carried: Any) -> list[Decision]:
        at, lines = self.now(), [self.line(name) for name in names]
        return self._append([review.decide(action, line, who=self.who, at=at, **carried) for line in lines])

    def _write(self, action: str, name: str, text: str, before: str) -> list[Decision]:
        text = text.strip()
        return [] if text == before else self._decide(action, [name], text=text)

    def _append(self, decisions: Sequence[Decision], logs: Sequence[str] | None = None) -> list[Decision]:
        by_log: dict[str, list[Decision]] = {}
        for log, decision in zip(
            logs or [review.log_of(d.action) for d in decisions], decisions, strict=True
        ):
            by_log.setdefault(log, []).append(decision)
        for log, made in by_log.items():
            self.dub.append(log, *made)
        self._take_note()
        return list(decisions)

    def _said_by(self, speaker: str) -> review.Anchor:
        said = review.said_by(speaker, (line for line in self.lines.values() if line.there))
        if said is None:
            known = ", ".join(sorted({line.segment.speaker for line in self.lines.values()}))
            raise RecordError(
                f"give the line to {speaker!r}", "nobody of that name says a line", f"There are: {known}."
            )
        return said

    def _refuse_beyond_the_end(self, end: int) -> None:
        if end > self.duration:
            raise RecordError(
                f"end the line at {end} ms", f"the film has {self.duration} ms", "End it earlier."
            )
