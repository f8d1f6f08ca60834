"""The widget of the review panel: traits that go over to the page, where `board.js` shows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
from traitlets import Dict, Int, List, Unicode, dlink, link

if TYPE_CHECKING:
    from workbench.panels.review import Review

HERE = Path(__file__).parent
BOTH_WAYS = ("verdict", "state", "speaker", "search", "order", "page", "selected")
TO_THE_PAGE = ("rows", "summary", "detail", "sound", "picture", "progress", "message")


class Board(anywidget.AnyWidget):
    """What the page shows of a `Review`."""

    _esm = HERE / "board.js"
    _css = HERE / "board.css"

    place = Dict().tag(sync=True)  # key, source and target language
    verdict = Unicode().tag(sync=True)
    state = Unicode().tag(sync=True)
    speaker = Unicode().tag(sync=True)
    search = Unicode().tag(sync=True)
    order = Unicode().tag(sync=True)
    page = Int().tag(sync=True)
    selected = Unicode().tag(sync=True)
    rows: List[Any] = List().tag(sync=True)
    summary = Dict().tag(sync=True)
    detail = Dict().tag(sync=True)
    sound = Dict().tag(sync=True)
    picture = Unicode().tag(sync=True)
    progress = Dict().tag(sync=True)
    message = Unicode().tag(sync=True)


def linked(model: Review) -> Board:
    """Return a board that shows a model and hands it what the reviewer does."""
    dub = model.dub
    board = Board(
        place={"key": str(dub.key), "source": dub.episode.language, "target": dub.language, "who": model.who}
    )
    for name in BOTH_WAYS:
        link((model, name), (board, name))
    for name in TO_THE_PAGE:
        dlink((model, name), (board, name))

    def act(_: Board, asked: dict[str, Any], __: Any) -> None:
        done = False
        try:
            with board.hold_sync():  # what changes goes over in one message
                done = model.do(str(asked.get("verb")), *asked.get("given", ()), **asked.get("named", {}))
        finally:  # the page asks for nothing while an answer is due
            board.send({"number": asked.get("number"), "ok": done})

    board.on_msg(act)
    return board
