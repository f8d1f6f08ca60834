"""What notebooks and reports show of records.

Conventions
-----------
One template serves a notebook's table and a report's. A `Picture` is a matplotlib figure that shows
itself in a notebook as PNG and goes into a report as SVG; the same input gives the same bytes. Colours
are those of Okabe and Ito (Color Universal Design, 2008), which colour-blind readers tell apart, and
nothing is said by colour alone.
"""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import jinja2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from workbench.records import Placement, Segment, Turn

if TYPE_CHECKING:
    from workbench.fit import Cost
    from workbench.records import Budget, Score, Table

MOST_ROWS = 60
ABOVE: Any = {
    "loc": "lower right",
    "bbox_to_anchor": (1, 1),
    "borderaxespad": 0,
}  # a legend that covers nothing
SPEAKER_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
VERDICT_COLOURS = {"ok": "#009E73", "info": "#56B4E9", "warn": "#E69F00", "fail": "#D55E00"}
INK = "#1b1c1d"  # becomes the page's own text colour in a report
PAPER = "#ffffff"
ROW_LENGTHS = (60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000)  # ms of film in one row
MOST_TIMELINE_ROWS = 8
COSTS = ("onset", "ending", "haste", "smoothness", "shot")  # of a line that is fitted
LEAST_BARS = 6  # for which a chart of bars has room
MOST_NAME = 20  # characters of a speaker's name

T = TypeVar("T")


def progress(items: Iterable[T], *, label: str, total: int | None = None) -> Iterator[T]:
    """Pass items on and show a bar on the terminal that the run was started from.

    Nothing of it goes into the notebook: an executed notebook holds results alone.
    """
    from tqdm import tqdm

    return iter(tqdm(items, desc=label, total=total, file=sys.__stderr__, disable=None))


@cache
def templates() -> jinja2.Environment:
    """Return the templates of this package; every value in them is escaped."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("workbench"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def table(records: Table[Any], *, columns: Sequence[str] = ()) -> str:
    """Return the HTML of a table: its first rows, and how many there are in all.

    Texts stand to the left, numbers to the right. `columns` are those that are shown, by default all.
    """
    frame = records[:MOST_ROWS].to_frame()
    frame = frame[list(columns)] if columns else frame
    numbers = frame.select_dtypes(["number", "bool"]).columns
    return (
        templates()
        .get_template("table.html.j2")
        .render(
            name=records.kind.__name__,
            columns=list(frame.columns),
            texts=set(frame.columns) - set(numbers),
            rows=frame.values.tolist(),
            total=len(records),
        )
    )


class Picture(Figure):
    """A figure that shows itself in a notebook and turns into SVG for a report."""

    def __init__(
        self, *, width: float, height: float, rows: int = 1, columns: int = 1, alt: str = "A chart"
    ) -> None:
        self.alt = alt  # what it shows, for who does not see it
        super().__init__(figsize=(width, height), layout="constrained", facecolor=PAPER)
        panels = self.subplots(rows, columns, squeeze=False)
        self.panels: list[Axes] = list(panels.ravel())
        for panel in self.panels:
            panel.set_facecolor("none")
            panel.tick_params(colors=INK, labelsize=9)
            for side, spine in panel.spines.items():
                spine.set_visible(side == "bottom")
                spine.set_color(INK)

    def svg(self) -> str:
        """Return an ``<svg>`` element to stand in a page: transparent, text kept as text.

        What is drawn in ink takes the page's text colour, so it can be read on light and dark.
        """
        sink = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": "workbench", "svg.fonttype": "none"}):
            _save(self, sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        drawn = sink.getvalue()
        drawn = re.sub(r'<g id="[^"]*"', "<g", drawn[drawn.index("<svg") :])
        return re.sub(r' (?:width|height)="[0-9.]+pt"', "", drawn, count=2).replace(INK, "currentColor")

    def png(self) -> bytes:
        """Return the picture on white paper, 110 pixels to the inch."""
        sink = io.BytesIO()
        _save(self, sink, format="png", dpi=110, metadata={"Software": None})
        return sink.getvalue()

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return self.png(), {"alt": self.alt}


def clock(ms: int) -> str:
    """Return a time for a reader.

    >>> clock(62_345), clock(3_600_000)
    ('1:02.3', '1:00:00.0')
    """
    tenths = ms // 100
    minutes, seconds = divmod(tenths // 10, 60)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{front}:{seconds:02d}.{tenths % 10}"


def timeline(
    segments: Sequence[Segment] | Sequence[Turn],
    placements: Sequence[Placement] = (),
    shots: Sequence[int] = (),
) -> Picture:
    """Draw who speaks when: each speaker's original lines and, under them, where the dub lies.

    Lines that lack time are hatched, ringed and marked with a triangle; `shots` are the times, in ms, at
    which upright lines are drawn. Long films go over several rows.
    """
    speakers = sorted({row.speaker for row in segments})
    last = max([row.end for row in (*segments, *placements)], default=1000)
    rows, length = _rows(last)
    lanes = 2 if placements else 1
    height = rows * (0.55 + 0.28 * lanes * max(1, len(speakers))) + 0.75
    picture = Picture(width=12, height=height, rows=rows, alt="When each line is spoken, original above dub")
    placed = {row.segment: row for row in placements}
    for number, panel in enumerate(picture.panels):
        panel.set_xlim(number * length, (number + 1) * length)
        for shot in shots:
            panel.axvline(shot, color=INK, linewidth=0.5, linestyle=":", clip_on=True)
        for index, speaker in enumerate(speakers):
            colour = SPEAKER_COLOURS[index % len(SPEAKER_COLOURS)]
            top = index * (lanes + 0.5)
            own = [row for row in segments if row.speaker == speaker]
            dubs = [placed[row.id] for row in own if isinstance(row, Segment) and row.id in placed]
            _bars(panel, own, y=top, facecolor=colour, alpha=0.4, edgecolor=colour)
            _bars(panel, [row for row in dubs if not row.lacking], y=top + 1, facecolor=colour)
            late = [row for row in dubs if row.lacking]
            _bars(panel, late, y=top + 1, facecolor=colour, hatch="////", edgecolor=INK, linewidth=1.2)
            panel.plot(
                [row.start for row in late], [top + 0.55] * len(late), "v", color=INK, ms=5, clip_on=True
            )
        _time_axis(panel, length)
        panel.set_ylim(max(1, len(speakers)) * (lanes + 0.5) - 0.4, -0.6)
        names = [f"{name[:MOST_NAME]} {lane}" for name in speakers for lane in ("original", "dub")[:lanes]]
        ticks = [index * (lanes + 0.5) + lane for index in range(len(speakers)) for lane in range(lanes)]
        panel.set_yticks(ticks, names)
        panel.tick_params(axis="y", length=0)
    picture.panels[-1].set_xlabel("time in the film (min:s)", color=INK, fontsize=9)
    if any(row.lacking for row in placements):
        picture.panels[0].set_title("▼ and hatching: the line lacks time", loc="right", color=INK, fontsize=9)
    return picture


def costs(table: Sequence[Cost], budgets: Sequence[Budget], *, max_pace: float) -> Picture:
    """Draw what each line costs, by wish, above; and its pace against its voice's own, below.

    Lines with a budget are marked with a triangle: those that lack time, and those above `max_pace`, which is
    a dashed line.
    """
    picture = Picture(width=12, height=4.2, rows=2, alt="What each line cost, and its pace")
    bars, paces = picture.panels
    places, under = range(len(table)), np.zeros(len(table))
    for colour, wish in zip(SPEAKER_COLOURS, COSTS, strict=False):
        values = np.array([getattr(row, wish) for row in table])
        bars.bar(places, values, bottom=under, color=colour, label=wish)
        under = under + values
    above = {"bbox_to_anchor": (0, 1), "borderaxespad": 0}
    bars.legend(fontsize=8, frameon=False, labelcolor=INK, ncols=len(COSTS), loc="lower left", **above)
    bars.set_title("Cost of each line", loc="right", color=INK, fontsize=10)
    paces.step(places, [row.pace for row in table], where="mid", color=SPEAKER_COLOURS[0])
    paces.axhline(1, color=INK, linewidth=0.6)
    paces.axhline(max_pace, color=INK, linewidth=0.8, linestyle="--")
    long = {row.segment for row in budgets}
    marked = [(place, row.pace) for place, row in zip(places, table, strict=True) if row.segment in long]
    paces.plot(*np.reshape(marked, (-1, 2)).T, "v", color=INK, ms=5)
    said = "Pace; dashed: the highest wanted" + ("; ▼: wants a shorter text" if marked else "")
    paces.set_title(said, loc="right", color=INK, fontsize=10)
    paces.set_xlabel("line", color=INK, fontsize=9)
    return picture


@dataclass(frozen=True)
class Course:
    """How something goes over the film: points of (ms, value) by name, and limits to draw."""

    title: str
    points: Mapping[str, Sequence[tuple[int, float]]]
    limits: Sequence[float] = ()


def courses(drawn: Sequence[Course]) -> Picture:
    """Draw how several things go over the film, one above the other; limits are dashed lines."""
    alt = "; ".join(course.title for course in drawn)
    picture = Picture(width=12, height=0.6 + 1.7 * len(drawn), rows=len(drawn), alt=alt)
    every = [at for course in drawn for points in course.points.values() for at, _ in points]
    length = max([1000, *every]) + 1000
    for panel, course in zip(picture.panels, drawn, strict=True):
        for marker, colour, (name, points) in zip(
            "o^s", SPEAKER_COLOURS, course.points.items(), strict=False
        ):
            panel.plot(
                [at for at, _ in points],
                [value for _, value in points],
                marker,
                color=colour,
                markersize=5,
                label=name,
            )
        for limit in course.limits:
            panel.axhline(limit, color=INK, linewidth=0.8, linestyle="--")
        panel.set_title(course.title, loc="left", color=INK, fontsize=10)
        panel.set_xlim(0, length)
        _time_axis(panel, length)
        if len(course.points) > 1:
            panel.legend(fontsize=8, frameon=False, labelcolor=INK, ncols=3, **ABOVE)
    picture.panels[-1].set_xlabel("time in the film (min:s)", color=INK, fontsize=9)
    return picture


def histogram(scores: Sequence[Score], marks: Mapping[str, int]) -> Picture:
    """Draw how many lines have which mark (0..100), and what each check found.

    Only checks that found something have a bar; each piece of a bar carries its count.
    """
    from workbench import qa

    checks = sorted({row.check for row in scores if row.verdict in ("warn", "fail")})
    alt = "Findings of each check by verdict, and how many lines have which mark"
    picture = Picture(width=12, height=max(2.6, 0.9 + 0.3 * len(checks)), columns=2, alt=alt)
    lines, found = picture.panels
    worst = qa.worst(scores)
    kinds = [kind for kind in VERDICT_COLOURS if kind in worst.values()] or ["ok"]
    lines.hist(
        [[mark for key, mark in marks.items() if worst[key] == kind] for kind in kinds],
        bins=list(range(0, 101, 10)),
        stacked=True,
        color=[VERDICT_COLOURS[kind] for kind in kinds],
        label=kinds,
        edgecolor=INK,
        linewidth=0.5,
    )
    lines.set_xlabel("mark of a line (100: nothing found)", color=INK, fontsize=9)
    lines.set_title("Lines by mark, and their worst finding", loc="left", color=INK, fontsize=10)
    lines.yaxis.set_major_locator(MaxNLocator(integer=True))
    lines.legend(fontsize=8, frameon=False, labelcolor=INK, ncols=len(kinds), **ABOVE)
    left = np.zeros(len(checks))
    for kind in ("fail", "warn"):
        counts = [sum(row.check == check and row.verdict == kind for row in scores) for check in checks]
        bars = found.barh(checks, counts, left=left, color=VERDICT_COLOURS[kind], label=kind)
        found.bar_label(
            bars,
            [f"{n} {kind}" if n else "" for n in counts],
            label_type="center",
            fontsize=8,
            color="#000000",
        )
        left += counts
    found.set_ylim(max(len(checks), LEAST_BARS) - 0.5, -0.5)  # from the top down, no bar a block
    found.xaxis.set_major_locator(MaxNLocator(integer=True))
    found.set_title(
        "Findings by check" if checks else "No check found anything", loc="left", color=INK, fontsize=10
    )
    return picture


def _save(picture: Picture, sink: io.StringIO | io.BytesIO, **how: Any) -> None:
    """Save a figure. A name that matplotlib's font lacks, or that holds a $, is no reason to fail."""
    for text in picture.findobj(Text):
        text.set_parse_math(False)
    with warnings.catch_warnings(), matplotlib.rc_context({"text.parse_math": False}):
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        picture.savefig(sink, **how)


def _rows(last: int) -> tuple[int, int]:
    """Return into how many rows of how many ms a film of `last` ms goes."""
    longest = next((ms for ms in ROW_LENGTHS if last <= ms * MOST_TIMELINE_ROWS), ROW_LENGTHS[-1])
    rows = -(-last // longest)
    return rows, -(-last // (rows * 1000)) * 1000


def _bars(panel: Axes, rows: Sequence[Segment | Turn | Placement], *, y: float, **style: Any) -> None:
    left, right = panel.get_xlim()
    spans = [(row.start, row.end - row.start) for row in rows if row.start < right and row.end > left]
    panel.broken_barh(spans, (y - 0.42, 0.84), **style)


def _time_axis(panel: Axes, length: int) -> None:
    start = panel.get_xlim()[0]
    step = next(
        (s for s in (100, 500, 1000, 5000, 10_000, 30_000, 60_000, 300_000) if length / s <= 14), 600_000
    )
    ticks = np.arange(-(-start // step) * step, start + length + 1, step).astype(int)
    panel.set_xticks(ticks, [clock(int(ms)).removesuffix(".0") for ms in ticks])
