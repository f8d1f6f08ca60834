"""The review panel of a dub: hear a line, judge it, change it, run it again.

`Review` is the model: its traits are what the panel shows, its verbs what a reviewer does. It knows no
widget. `view` links it to one (`board`).

Conventions
-----------
Every verb writes its decisions to the logs at once and takes note of what others wrote since. What the
reviewer asked for and cannot have is said in `message`; it never stops the panel.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Dict, Enum, HasTraits, Int, List, Unicode, observe

from workbench import glossary, library, qa, review, tts
from workbench.errors import LibraryError, RecordError, WorkbenchError
from workbench.fit import timing
from workbench.glossary import Pronunciation
from workbench.panels.listing import KINDS, Filters, Listing, changes
from workbench.panels.rerun import Rerun
from workbench.panels.sounds import Clips, server
from workbench.records import Decision, Table
from workbench.review import Line

if TYPE_CHECKING:
    from workbench.panels.board import Board

PAGE = 100  # lines shown at once
FILTERS = ("verdict", "state", "speaker", "search", "order")
UNSURE = {"conflict", "stale", "orphaned", "pending"}  # flags of lines that nobody approves unheard


class Review(HasTraits):
    """One reviewer at work on one dub.

    Parameters
    ----------
    dub : library.Dub
        Its stages must all have run.
    who : str
        The reviewer's name, as it stands in every decision.
    """

    verdict = Enum(("", *qa.VERDICTS), "")
    state = Unicode("")
    speaker = Unicode("")
    search = Unicode("")
    order = Enum(("worst", "time"), "worst")
    page = Int(0)
    selected = Unicode("")

    rows: List[Any] = List()  # of the page
    summary = Dict()  # counts, and how many lines and pages pass the filters
    detail = Dict()  # of the selected line
    sound = Dict()  # of the selected line
    picture = Unicode("")  # address of the film's preview; empty where it has no picture
    progress = Dict()  # of the rerun
    message = Unicode("")

    def __init__(
        self,
        dub: library.Dub,
        *,
        who: str,
        rerun: Rerun | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self.dub, self.who, self.now = dub, who, now
        self._rerun, self._clips = rerun or Rerun(dub), Clips(dub)
        self._seen: dict[str, Any] = {}
        self._ids: list[str] = []
        self._place = 0  # of the selected line in the list, also when it has left it
        self.refresh()
        self.next(0)

    # what a reviewer does

    def approve(self) -> None:
        """Say that the selected line is right as it reads now."""
        self._decide("approve")

    def approve_ok(self) -> None:
        """Approve every open line in which nothing was found. What could not be checked is no finding."""
        fine = [
            line
            for name, line in self._listing.lines.items()
            if self._listing.verdicts[name] in ("ok", "info")
            and line.state == "open"
            and not line.flags & UNSURE
        ]
        self._decide("approve", fine)
        self.message = f"{len(fine)} lines approved"

    def reject(self) -> None:
        """Say that the selected line is not right."""
        self._decide("reject")

    def edit(self, text: str) -> None:
        """Give the selected line another target text."""
        self._write("edit_text", text, self._line.text)

    def edit_source(self, text: str) -> None:
        """Correct what was heard in the selected line."""
        self._write("edit_source", text, self._line.source)

    def note(self, text: str) -> None:
        """Put a note to the selected line."""
        self._write("note", text, "")

    def lock(self) -> None:
        """Keep the selected line's take whatever changes; a locked line is unlocked."""
        line = self._line
        if line.locked:
            self._decide("unlock")
            return
        if line.take is None:
            raise LibraryError(f"lock {line.id}", "it has no take", "Run the line again first.")
        y, _ = library.read_sound(self.dub.stage("tts") / line.take.sound)
        self._decide("lock", sound=tts.digest(y))

    def regenerate(self, seed: int | None = None, rate: float | None = None, **options: Any) -> None:
        """Ask for another take of the selected line, from the next rerun on.

        With the next seed, where none is given; at a rate (1.0 is natural); with settings of the engine.
        """
        asked, known = self._line.regenerate, self._listing.settings
        unknown = [name for name, given in options.items() if type(known.get(name)) is not type(given)]
        if unknown or (rate is not None and not review.RATES[0] <= rate <= review.RATES[1]):
            raise RecordError(
                "ask for a new take",
                f"{unknown[0]} is no such setting of the engine" if unknown else f"the rate is {rate}",
                f"Rates are {review.RATES[0]} to {review.RATES[1]}; settings: {known}.",
            )
        seed = (asked.seed or 0) + 1 if seed is None and asked else 1 if seed is None else seed
        self._decide("regenerate", seed=seed, rate=rate, options=options or None)

    def split(self, at: int) -> None:
        """Cut the selected line in two before the word that begins after `at` ms, one of its `cuts`."""
        halves = {cut: texts for cut, *texts in self._listing.cuts(self._line.id)}
        if at not in halves:
            raise RecordError("split the line", f"no word begins at {at} ms", "Choose one of its words.")
        self._decide("split", cut=at, texts=tuple(halves[at]))

    def merge(self) -> None:
        """Join the selected line with the one after it."""
        after = self._listing.after(self._line.id)
        if after is None:
            raise RecordError("join the line with the next", "it is the last one", "Join the one before it.")
        self._decide("merge", other=review.Anchor.of(after))

    def retime(self, start: int, end: int) -> None:
        """Give the selected line another time, in ms."""
        if end > self._listing.duration:
            raise RecordError(
                f"end the line at {end} ms", f"the film has {self._listing.duration} ms", "End it earlier."
            )
        if (start, end) != (self._line.segment.start, self._line.segment.end):
            self._decide("retime", start=start, end=end)

    def reassign(self, speaker: str) -> None:
        """Say that another of the film's speakers says the selected line."""
        said = review.said_by(speaker, self._listing.lines.values())
        if said is None:
            known = ", ".join(self._listing.counts()["speakers"])
            raise RecordError(
                f"give the line to {speaker!r}", "nobody of that name says a line", f"There are: {known}."
            )
        if speaker != self._line.segment.speaker:
            self._decide("reassign", speaker=speaker, other=said)

    def pronounce(self, term: str, said: str, scope: str = "line") -> None:
        """Say how a word is spoken: in the selected line, in every line of the dub, or in the series.

        The last is no decision: it is written into the series' style guide.
        """
        term, said, locale = term.strip(), said.strip(), self.dub.language
        if not term or not said:
            raise RecordError(f"pronounce {term!r}", "one side is empty", "Write the word and how it sounds.")
        if scope == "series":
            path = self.dub.episode.series.style_guide_path(locale)
            rule = Pronunciation(term, said, locale)
            library.change(
                self.dub.root,
                path,
                lambda text: glossary.with_rule(text, rule, where=path.name, project=path.parent.name),
            )
            self.message = (
                f"written into {path.name}, where it can be changed; the next rerun speaks it in this dub's "
                "lines, workbench repro in the other dubs"
            )
            return
        if scope == "line" and term.casefold() not in self._line.text.casefold():
            raise RecordError(f"pronounce {term!r}", "the line does not say it", "Write a word of the line.")
        self._decide("pronounce", term=term, tts=said, locale=locale, everywhere=scope == "dub")

    def off_screen(self) -> None:
        """Say that whoever speaks the selected line is out of the picture; a second time, in it."""
        self._decide("off_screen", off_screen=not self._line.off_screen)

    def undo(self) -> None:
        """Take back this reviewer's last act on this dub, all of it where it was on many lines."""
        own = [d for d, _ in review.live(self._listing.decisions) if d.who == self.who]
        last = [d for d in own if (d.at, d.action) == (own[-1].at, own[-1].action)]
        self._append([(review.log_of(d.action), review.undo(d, who=self.who, at=self.now())) for d in last])
        self.message = f"undone: {_said(own[-1].action, len(last))}" if last else "nothing to undo"

    def rerun(self) -> None:
        """Speak the selected line again, with all that follows from it."""
        self._start(["--segments", self._line.id])

    def rerun_approved(self) -> None:
        """Run the approved lines again that are not yet in the film as approved."""
        self._start(["--approved"])

    def next(self, step: int = 1) -> None:
        """Select the line that stands so many lines further in the list, turning pages."""
        if self._ids:
            here = self._ids.index(self.selected) if self.selected in self._ids else self._place - (step > 0)
            there = min(max(here + step, 0), len(self._ids) - 1)
            self.selected, self.page = self._ids[there], there // PAGE

    def guess(self, text: str) -> None:
        """Show how an edit of the selected line would read and how long it would take."""
        was = self.detail.get("targetWas", "")
        length = self._listing.length(self.selected, text)
        self.detail = self.detail | {"draft": {"text": text, "changes": changes(was, text), "length": length}}

    def listen(self) -> None:
        """Cut and draw the sounds of the selected line."""
        line = self._line
        start, end = self._listing.window(line.id)
        around = {"id": line.id, "start": start, "end": end} | self._listing.around(start, end)
        try:
            take = self._listing.takes.get(line.id)
            self.sound = around | self._clips.window(start, end, take.sound if take else None)
        except WorkbenchError as error:
            self.sound = around | {"urls": {}, "peaks": {}, "said": str(error)}

    def refresh(self) -> None:
        """Take note of what others decided, and of what a rerun has made."""
        self._follow()
        try:
            made, logs = self._stamp()
            if made != self._seen.get("made"):
                self._load()
                self._show()
                if self.sound.get("id") == self.selected:
                    self.listen()
            elif logs != self._seen.get("logs"):
                self._listing.decide(self._decisions())
                self._show()
            self._seen = {"made": made, "logs": logs}
        except LibraryError:
            if self._rerun.progress().state != "running":  # a stage's folder is being replaced
                raise

    # what the panel calls

    VERBS = (
        "approve", "approve_ok", "reject", "edit", "edit_source", "note", "lock", "regenerate", "split",
        "merge", "retime", "reassign", "pronounce", "off_screen", "undo", "rerun", "rerun_approved", "next",
        "guess", "listen", "refresh",
    )  # fmt: skip

    def do(self, verb: str, *given: Any, **named: Any) -> None:
        """Do one of `VERBS`; why it cannot be done is in `message`."""
        try:
            plain = all(isinstance(g, str | int | float | None) for g in (*given, *named.values()))
            if verb not in self.VERBS or not plain or not _fits(getattr(self, verb), given, named):
                raise RecordError(f"do {verb!r} in the panel", "there is no such act", "Reload the page.")
            if verb not in ("refresh", "guess", "listen", "next"):
                self.message = ""
            getattr(self, verb)(*given, **named)
        except WorkbenchError as error:
            self.message = str(error)

    # how it is done

    @property
    def _line(self) -> Line:
        if self.selected not in self._listing.lines:
            raise LibraryError("decide on a line", "none is selected", "Select one.")
        return self._listing.lines[self.selected]

    def _decide(self, action: str, lines: Iterable[Line] | None = None, **carried: Any) -> None:
        chosen, at = [self._line] if lines is None else lines, self.now()
        made = [review.decide(action, line, who=self.who, at=at, **carried) for line in chosen]
        self._append([(review.log_of(action), decision) for decision in made])
        stage = review.log_of(action)
        if made and stage != "qa":  # what is said of a line changes nothing in it
            shared = ", in every dub of the episode" if stage in library.SOURCE_STAGES else ""
            self.message = f"{_said(action, 1)} noted; the next rerun goes from {stage} on{shared}"

    def _write(self, action: str, text: str, before: str) -> None:
        text = text.strip()
        if text != before:
            self._decide(action, text=text)

    def _append(self, decisions: Iterable[tuple[str, Decision]]) -> None:
        by_log: dict[str, list[Decision]] = {}
        for log, decision in decisions:
            by_log.setdefault(log, []).append(decision)
        for log, made in by_log.items():
            self.dub.append(log, *made)
        self.refresh()

    def _start(self, arguments: list[str]) -> None:
        self._rerun.start([*arguments, "--who", self.who])
        self.message = "the rerun has begun"
        self._follow()

    def _follow(self) -> None:
        progress = self._rerun.progress()
        before = self.progress.get("state")
        at = max(
            (library.TARGET_STAGES.index(s) for s in progress.stages if s in library.TARGET_STAGES), default=0
        )
        self.progress = {
            "state": progress.state,
            "stage": progress.stages[-1] if progress.stages else "",
            "part": at / len(library.TARGET_STAGES),
            "said": progress.said,
        }
        if before == "running" and progress.state == "done":
            self.message = f"the rerun is done; {progress.said}"

    def _load(self) -> None:
        tables: dict[type, Table[Any]] = {kind: self.dub.read(kind) for kind in KINDS}
        self._listing = Listing(
            tables,
            self._decisions(),
            opts=self.dub.options("qa", qa.Options),
            room=self.dub.options("timing", timing.Options),
            settings=self._settings(),
        )
        self.picture = self._preview()

    def _preview(self) -> str:
        """Return the address of the film's preview, another one when it was made anew."""
        path = self.dub.stage("export") / "preview.mp4"
        try:
            return f"{server().url(path)}-{path.stat().st_mtime_ns}" if path.is_file() else ""
        except LibraryError:
            return ""  # what keeps it from being served is said of the sounds

    def _settings(self) -> dict[str, Any]:
        """Return the settings of the synthesiser, with what they are."""
        choice = self.dub.choice("tts")
        return choice.options.get(choice.engine, {})

    def _decisions(self) -> Iterable[Decision]:
        return review.read(self.dub.review(*review.LOGS))

    def _stamp(self) -> tuple[list[Any], list[Any]]:
        made = [self.dub.stage(stage) for stage in library.STAGES]
        logs = [self.dub.review_log(stage) for stage in review.LOGS]
        return [_stamp(path) for path in made], [_stamp(path) for path in logs]

    @observe(*FILTERS, "page")
    def _filter(self, change: Any) -> None:
        if change.name != "page":
            self.page = 0
        self._list()

    @observe("selected")
    def _select(self, _: Any) -> None:
        self._show_line()

    def _show(self) -> None:
        self._list()
        self._show_line()

    def _list(self) -> None:
        if self.selected in self._ids:
            self._place = self._ids.index(self.selected)
        self._ids = self._listing.shown(Filters(**{name: getattr(self, name) for name in FILTERS}))
        self.page = min(self.page, max(0, len(self._ids) - 1) // PAGE)
        self.rows = [self._listing.row(name) for name in self._ids[self.page * PAGE : (self.page + 1) * PAGE]]
        pages = -(-len(self._ids) // PAGE)
        self.summary = self._listing.counts() | {
            "shown": len(self._ids),
            "pages": pages,
            "first": self.page * PAGE,
        }

    def _show_line(self) -> None:
        known = self.selected in self._listing.lines
        self.detail = self._listing.detail(self.selected) if known else {}


def view(model: Review) -> Board:
    """Return the widget that shows a review, linked to it."""
    from workbench.panels import board

    return board.linked(model)


def _fits(act: Callable[..., None], given: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Say whether an act takes as many values, and of these names."""
    try:
        inspect.signature(act).bind(*given, **named)
    except TypeError:
        return False
    return True


def _said(action: str, lines: int) -> str:
    return action.replace("_", " ") + (f" of {lines} lines" if lines > 1 else "")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file or folder is written anew."""
    if not path.exists():
        return None
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
