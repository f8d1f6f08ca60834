"""The review panel of a dub: hear a line, judge it, change it, run it again.

`Review` is the model: its traits are what the panel shows, its verbs what a reviewer does. It knows no
widget. `view` links it to one (`board`).

Conventions
-----------
What a verb does to a line is done by the desk (`review.desk`); the model says on which, and shows what became
of it. What the reviewer asked for and cannot have is said in `message`; it never stops the panel.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec
from traitlets import Dict, Enum, HasTraits, Int, List, Unicode, observe

from workbench import library, qa, review
from workbench.errors import LibraryError, RecordError, WorkbenchError
from workbench.fit import timing
from workbench.panels.listing import KINDS, Filters, Listing, changes
from workbench.panels.rerun import Rerun
from workbench.panels.sounds import Clips, server
from workbench.records import Decision, Table
from workbench.review import Line
from workbench.review.desk import Desk

if TYPE_CHECKING:
    from workbench.panels.board import Board

PAGE = 100  # lines shown at once
FILTERS = ("verdict", "state", "speaker", "search", "order")
UNSURE = {
    "conflict",
    "stale",
    "orphaned",
    "pending",
    "removed",
}  # flags of lines that nobody approves unheard


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
        self.dub, self.who = dub, who
        self._rerun, self._clips = rerun or Rerun(dub), Clips(dub)
        self.desk = Desk(dub, who=who, now=now)
        self._made: list[Any] = []
        self._ids: list[str] = []  # of the lines that pass the filters
        self._order: dict[str, int] = {}  # id -> where it stands among them
        self._place = 0  # of the selected line in the list, also when it has left it
        self.refresh()
        self.next(0)

    # what a reviewer does

    def approve(self, text: str | None = None, source: str | None = None) -> None:
        """Say that the selected line is right as it reads now, or as it reads with texts that are given."""
        if source is not None:
            self.edit_source(source)
        if text is not None:
            self.edit(text)
        self._did(self.desk.approve(self.selected))

    def approve_ok(self) -> None:
        """Approve every open line in which nothing was found. What could not be checked is no finding."""
        fine = [
            name
            for name, line in self.desk.lines.items()
            if self._listing.verdicts[name] in ("ok", "info")
            and line.state == "open"
            and not line.flags & UNSURE
        ]
        self._did(self.desk.approve(*fine))
        self.message = f"{len(fine)} lines approved"

    def reject(self) -> None:
        """Say that the selected line is not right."""
        self._did(self.desk.reject(self.selected))

    def reopen(self) -> None:
        """Withdraw what was said of the selected line, whoever said it."""
        self._did(self.desk.reopen(self.selected))

    def edit(self, text: str) -> None:
        """Give the selected line another target text."""
        self._did(self.desk.edit(self.selected, text))

    def edit_source(self, text: str) -> None:
        """Correct what was heard in the selected line."""
        self._did(self.desk.edit_source(self.selected, text))

    def note(self, text: str) -> None:
        """Put a note to the selected line."""
        self._did(self.desk.note(self.selected, text))

    def lock(self) -> None:
        """Keep the selected line's take whatever changes; a locked line is unlocked."""
        self._did(self.desk.lock(self.selected))

    def regenerate(self, seed: int | None = None, rate: float | None = None, **options: Any) -> None:
        """Ask for another take of the selected line, from the next rerun on."""
        self._did(self.desk.regenerate(self.selected, seed=seed, rate=rate, **options))

    def split(self, at: int) -> None:
        """Cut the selected line in two before the word that begins after `at` ms, one of its `cuts`."""
        self._did(self.desk.split(self.selected, at))

    def merge(self) -> None:
        """Join the selected line with the one after it."""
        self._did(self.desk.merge(self.selected))

    def remove(self) -> None:
        """Say that nobody says the selected line."""
        self._did(self.desk.remove(self.selected))

    def add(self, start: int, end: int, speaker: str, text: str) -> None:
        """Add a line that nobody heard, and select it."""
        made = self.desk.add(start, end, speaker, text)
        self._did(made)
        self.selected = made[0].subject

    def retime(self, start: int, end: int) -> None:
        """Give the selected line another time, in ms."""
        self._did(self.desk.retime(self.selected, start, end))

    def reassign(self, speaker: str) -> None:
        """Say that another of the film's speakers says the selected line."""
        self._did(self.desk.reassign(self.selected, speaker))

    def pronounce(self, term: str, said: str, scope: str = "line") -> None:
        """Say how a word is spoken: in the selected line, in every line of the dub, or in the series."""
        self._did(self.desk.pronounce(self.selected, term, said, scope))
        if scope == "series":
            path = self.dub.episode.series.style_guide_path(self.dub.language)
            self.message = (
                f"written into {path.name}, where it can be changed; the next rerun speaks it in this dub's "
                "lines, workbench repro in the other dubs"
            )

    def off_screen(self) -> None:
        """Say that whoever speaks the selected line is out of the picture; a second time, in it."""
        self._did(self.desk.off_screen(self.selected))

    def undo(self) -> None:
        """Take back this reviewer's last act on this dub, all of it where it was on many lines."""
        last = self.desk.undo()
        self.refresh()
        self.message = f"undone: {_said(last[-1].action, len(last))}" if last else "nothing to undo"

    def rerun(self) -> None:
        """Speak the selected line again, with all that follows from it."""
        self._start(["--segments", self._line.id])

    def rerun_approved(self) -> None:
        """Run the approved lines again that are not yet in the film as approved."""
        self._start(["--approved"])

    def next(self, step: int = 1) -> None:
        """Select the line that stands so many lines further in the list, turning pages."""
        if self._ids:
            here = self._order.get(self.selected, self._place - (step > 0))
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
            made = [_stamp(self.dub.stage(stage)) for stage in library.STAGES]
            if made != self._made:
                self._load()
                self._show()
                if self.sound.get("id") == self.selected:
                    self.listen()
            elif changed := self.desk.follow():
                self._listing.renew(changed)
                self._show()
            self._made = made
        except LibraryError:
            if self._rerun.progress().state != "running":  # a stage's folder is being replaced
                raise

    # what the panel calls

    VERBS = (
        "approve", "approve_ok", "reject", "reopen", "edit", "edit_source", "note", "lock", "regenerate",
        "split", "merge", "remove", "add", "retime", "reassign", "pronounce", "off_screen", "undo", "rerun",
        "rerun_approved", "next", "guess", "listen", "refresh",
    )  # fmt: skip

    def do(self, verb: str, *given: Any, **named: Any) -> bool:
        """Do one of `VERBS`, and say whether it was done; why not is in `message`."""
        try:
            if verb not in self.VERBS:
                raise RecordError(f"do {verb!r} in the panel", "there is no such act", "Reload the page.")
            _refuse_misfits(verb, getattr(self, verb), given, named)
            if verb not in ("refresh", "guess", "listen", "next"):
                self.message = ""
            getattr(self, verb)(*given, **named)
        except WorkbenchError as error:
            self.message = str(error)
            return False
        return True

    # how it is done

    @property
    def _line(self) -> Line:
        return self.desk.line(self.selected)

    def _did(self, made: Sequence[Decision]) -> None:
        """Show what became of an act, and say from where the next rerun goes."""
        self.refresh()
        stage = review.log_of(made[-1].action) if made else "qa"
        if stage != "qa":  # what is said of a line changes nothing in it
            shared = ", in every dub of the episode" if stage in library.SOURCE_STAGES else ""
            act = _said(made[-1].action, 1)
            self.message = f"{act} noted; the next rerun goes from {stage} on{shared}"

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
        self.desk.load()
        self.desk.follow()
        self._listing = Listing(
            self.desk,
            tables,
            opts=self.dub.options("qa", qa.Options),
            room=self.dub.options("timing", timing.Options),
        )
        self.picture = self._preview()

    def _preview(self) -> str:
        """Return the address of the film's preview, another one when it was made anew."""
        path = self.dub.stage("export") / "preview.mp4"
        try:
            return f"{server().url(path)}-{path.stat().st_mtime_ns}" if path.is_file() else ""
        except LibraryError:
            return ""  # what keeps it from being served is said of the sounds

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
        self._place = self._order.get(self.selected, self._place)
        self._ids = self._listing.shown(Filters(**{name: getattr(self, name) for name in FILTERS}))
        self._order = {name: at for at, name in enumerate(self._ids)}
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


def _refuse_misfits(
    verb: str, act: Callable[..., None], given: tuple[Any, ...], named: Mapping[str, Any]
) -> None:
    """Raise `RecordError` where an act does not take as many values, of these names and kinds."""
    try:
        bound = inspect.signature(act).bind(*given, **named).arguments
        hints = get_type_hints(act)
        plain = str | int | float | bool | None
        for name, value in {**bound, **bound.pop("options", {})}.items():
            msgspec.convert(value, hints.get(name, plain), strict=True)
    except (TypeError, msgspec.ValidationError) as error:
        raise RecordError(
            f"do {verb!r} in the panel", f"there is no such act: {error}", "Reload the page."
        ) from error


def _said(action: str, lines: int) -> str:
    return action.replace("_", " ") + (f" of {lines} lines" if lines > 1 else "")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file or folder is written anew."""
    if not path.exists():
        return None
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
