"""The page over the library: every dub with its length, its languages, its marks and the way to its report.

It is for who has no JupyterLab: one HTML file beside the reports, which opens from disk. It says what the
reports say; whether they are up to date is not in it, as only a run can tell (`workbench status`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import langcodes
import msgspec

from workbench import display
from workbench.library import Dub, Key, Library, Series, read_text, write_text

FILE = "index.html"


@dataclass(frozen=True)
class Row:
    """A dub on the page; of one that was not made yet, there is no more than its name and languages."""

    key: Key
    title: str  # of the episode
    season: int | None
    number: int | None
    source: str  # languages, in words
    target: str
    facts: dict[str, Any]  # ``qa/summary.json``; empty where the dub was not made
    report: str  # the way from the page to the report


def rows(of: Library) -> Iterator[Row]:
    """Yield every dub of a library, in the order in which they are listed."""
    for key in of.keys():  # noqa: SIM118
        if key.level != "dub":
            continue
        dub = of.dub(key)
        facts = dub.episode.facts
        yield Row(
            key, facts.title or key.parent.name, facts.season, facts.number,
            _name(dub.episode.language), _name(dub.language), _summary(dub),
            os.path.relpath(dub.reports / "qa.html", of.root / "reports"),
        )  # fmt: skip


def write(of: Library) -> None:
    """Write ``reports/index.html``."""
    known = {name: Series(of.root, Key(name)).facts.title for name in of.names()}
    write_text(of.root / "reports" / FILE, page(rows(of), titles=known))


def _summary(dub: Dub) -> dict[str, Any]:
    path = dub.stage("qa") / "summary.json"
    found: dict[str, Any] = msgspec.json.decode(read_text(path)) if path.is_file() else {}
    return found


def _name(language: str) -> str:
    return langcodes.Language.get(language).display_name("en")


def page(found: Iterable[Row], *, titles: dict[str, str]) -> str:
    """Return the page; `titles` are those of the series, by name. The same rows give the same bytes."""
    series: dict[str, list[Row]] = {}
    for row in found:
        series.setdefault(row.key.series, []).append(row)
    template = display.templates().get_template("index.html.j2")
    return template.render(series=series, titles=titles, clock=display.clock)
