"""Makes the README's pictures from the demo as it was last dubbed: ``make pictures``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests import browser
from tests.structure import ROOT
from workbench import display, library
from workbench.records import Placement, Segment

REVIEWER = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Ana"}


def main(folder: Path = ROOT / "reports" / "pictures") -> None:
    """Write report.png, panel.png, timeline.png; raises `LibraryError` where the demo is not dubbed yet."""
    dub = library.dub("demo/e01", "es", ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(REVIEWER)
    timeline = display.timeline(dub.read(Segment), dub.read(Placement))
    (folder / "timeline.png").write_bytes(timeline.png())
    with browser.chromium() as chromium:
        report = chromium.new_page(viewport={"width": 1280, "height": 1120})
        report.goto((dub.reports / "qa.html").as_uri())
        report.screenshot(path=folder / "report.png")
        with tempfile.TemporaryDirectory() as home, browser.lab(ROOT, Path(home)) as lab:
            panel = browser.Page(chromium, lab).run("notebooks/review.ipynb", until=".wb .wb-row")
            panel.wait_for_selector(".wb canvas, .wb svg, .wb img")
            panel.locator(".wb").screenshot(path=folder / "panel.png")


if __name__ == "__main__":
    main()
