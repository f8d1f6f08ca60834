"""Quality of a dub: what can be read or measured to be wrong, line by line and for the whole film.

Conventions
-----------
A check is a function of one `evidence.Line` or of the `evidence.Film` that gives exactly one Score, "ok"
among them, so that the table of scores shows what was looked at. What cannot be checked is "info", never
"ok".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.qa import film as film_checks
from workbench.qa import lines as line_checks
from workbench.qa.evidence import Line
from workbench.qa.findings import Finding, Options
from workbench.qa.material import Film
from workbench.records import Score, Verdict

__all__ = ["FILM_CHECKS", "LINE_CHECKS", "VERDICTS", "Options", "check", "marks", "worst"]

VERDICTS: tuple[Verdict, ...] = ("ok", "info", "warn", "fail")  # from best to worst
LINE_CHECKS = line_checks.CHECKS
FILM_CHECKS = film_checks.CHECKS


def check(film: Film, gathered: Iterable[Line], *, opts: Options) -> Iterator[Score]:
    """Run every check on the film (segment ``""``), then every check on every line."""
    for of_film in FILM_CHECKS:
        yield _score("", of_film.__name__, of_film(film, opts))
    for line in gathered:
        for of_line in LINE_CHECKS:
            yield _score(line.segment.id, of_line.__name__, of_line(line, opts))


def marks(scores: Iterable[Score], *, opts: Options) -> dict[str, int]:
    """Return 0..100 for each segment: 100 less the cost of each finding. The film has none."""
    left: dict[str, int] = {}
    for row in scores:
        if row.segment:
            left[row.segment] = max(0, left.get(row.segment, 100) - opts.cost[row.verdict])
    return left


def worst(scores: Iterable[Score]) -> dict[str, Verdict]:
    """Return the worst verdict of each segment, and of the film under ``""``."""
    found: dict[str, Verdict] = {}
    for row in scores:
        found[row.segment] = max(found.get(row.segment, "ok"), row.verdict, key=VERDICTS.index)
    return found


def _score(segment: str, check: str, found: Finding | None) -> Score:
    name = check.replace("_", " ")
    if found is None:
        return Score(
            segment, name, "info", None, None, "could not be checked: there is nothing to measure", ""
        )
    return Score(segment, name, *found)
