"""The widget of the casting panel: a row for each speaker, made of ipywidgets. All text goes in as text."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from workbench.panels.casting import Casting

PLAIN = {"overflow": "visible"}  # a box that scrolls must be reached by keys
WRAPPED = {**PLAIN, "flex_flow": "row wrap"}
BLOCK = {**PLAIN, "border_bottom": "1px solid var(--jp-border-color2)", "padding": "6px 0"}


def linked(model: Casting) -> w.Widget:
    """Return a list of the speakers that shows a model and hands it what the reviewer does."""
    message = w.Label(model.message)
    undo = w.Button(description="Undo", icon="undo")
    undo.on_click(lambda _: model.do("undo"))
    model.observe(lambda change: setattr(message, "value", change.new), "message")
    rows = [_row(model, row["speaker"]) for row in model.rows]
    first = w.HBox([undo, message], layout=WRAPPED) if rows else w.Label("Nobody speaks in this film.")
    return w.VBox([first, *rows], layout=PLAIN)


def _row(model: Casting, speaker: str) -> w.Widget:
    facts, players = w.VBox(layout=PLAIN), w.HBox(layout=WRAPPED)
    voice = w.Dropdown(options=model.choices[speaker], description="Voice")
    hear, choose, play = (w.Button(description=text) for text in ("Hear it", "Choose it", "Listen"))
    hear.on_click(lambda _: model.do("hear", speaker, voice.value))
    choose.on_click(lambda _: model.do("choose", speaker, voice.value))
    play.on_click(lambda _: model.do("listen", speaker))

    def show(_: Any = None) -> None:
        [row] = [row for row in model.rows if row["speaker"] == speaker]
        name, *rest = _facts(row)
        facts.children = [w.Label(name, style={"font_weight": "bold"}), *map(w.Label, rest)]
        if _ is None:
            voice.value = (
                row["chosen"] or row["voice"] if (row["chosen"] or row["voice"]) in voice.options else None
            )

    def sound(_: Any) -> None:
        own = model.sounds.get(speaker, {"clips": [], "take": ""})
        named = [(f"clip {n}", url) for n, url in enumerate(own["clips"], start=1)] + [
            ("in the dub", own["take"])
        ]
        if model.sample.get("speaker") == speaker:
            named.append((f"sample of {model.sample['voice']}", model.sample["url"]))
        players.children = [_player(label, url) for label, url in named if url]

    model.observe(show, "rows")
    model.observe(sound, ["sounds", "sample"])
    show()
    return w.VBox([facts, w.HBox([play, voice, hear, choose], layout=WRAPPED), players], layout=BLOCK)


def _facts(row: dict[str, Any]) -> list[str]:
    pitch = f", pitch {row['pitch']:.0f} Hz" if row["pitch"] else ""
    chosen = f"; chosen for the next run: {row['chosen']}" if row["chosen"] not in ("", row["voice"]) else ""
    apart = ", ".join(f"{name} {far:.2f}" for name, far in row["distances"].items())
    unsure = f" — look again: {', '.join(row['open'])}" if row["open"] else ""
    return [
        f"{row['speaker']}, {row['speech'] / 1000:.1f} s of speech{pitch}",
        f"played by {row['voice']}, chosen by {row['by']}{chosen}{unsure}",
        *([f"how far from the others' voices, 0 alike: {apart}"] if apart else []),
    ]


def _player(label: str, url: str) -> w.Widget:
    sound = w.Audio(value=url.encode(), format="url", autoplay=False, loop=False, layout={"width": "260px"})
    return w.VBox([w.Label(label), sound], layout=PLAIN)
