"""The casting panel of a dub: hear who speaks in the original and which voice plays them, and choose another.

`Casting` is the model: its traits are what the panel shows, its verbs what a reviewer does. It knows no
widget. `view` links it to one (`cast_list`).

Conventions
-----------
A choice is a decision of the dub's log ``cast``. It is made on the longest stretch
in which the speaker speaks, so that it stays with the person where the diariser gives labels otherwise
(`cast.reviewed`). The dub has the voice after the next rerun.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import Dict, HasTraits, List, Unicode

from workbench import cast, library, review, tts
from workbench.errors import LibraryError, WorkbenchError
from workbench.panels.sounds import Clips
from workbench.records import Casting as Cast
from workbench.records import Clip, Segment, Speaker, Take, Turn
from workbench.review import Anchor
from workbench.voices import references

if TYPE_CHECKING:
    import ipywidgets

MOST_CLIPS = 3  # reference clips of a speaker that are offered


class Casting(HasTraits):
    """One reviewer at work on the voices of one dub.

    Parameters
    ----------
    dub : library.Dub
        Its stages up to tts must have run.
    engine : tts.Synthesizer
        The dub's own: it has the voices, and speaks samples of them.
    who : str
        The reviewer's name, as it stands in every decision.
    """

    rows: List[Any] = List()  # of the speakers, in order of first turn
    choices: Dict[str, Any] = Dict()  # speaker -> voices that they may get
    sounds: Dict[str, Any] = Dict()  # speaker -> addresses of the reference clips and of a take
    sample: Dict[str, Any] = Dict()  # the voice that was asked for, and the address of its sample
    message = Unicode("")

    def __init__(
        self,
        dub: library.Dub,
        *,
        engine: tts.Synthesizer,
        who: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self.dub, self.engine, self.who, self.now = dub, engine, who, now
        self._turns, self._speakers, self._clips = dub.read(Turn), dub.read(Speaker), dub.read(Clip)
        self._cast, self._takes = dub.read(Cast).by("speaker"), dub.read(Take)
        self._served = Clips(dub)
        catalogue = [voice.name for voice in engine.voices(dub.language)]
        heard = {clip.speaker for clip in self._clips} if tts.clones(engine) else set()
        self.choices = {
            row.speaker: [*catalogue, *([references.own_voice(row.speaker)] if row.speaker in heard else [])]
            for row in self._speakers
        }
        self.refresh()

    def choose(self, speaker: str, voice: str) -> None:
        """Give a speaker another voice, from the next rerun on."""
        if voice not in self.choices.get(speaker, ()):
            raise LibraryError(
                f"cast {voice!r} as {speaker!r}", "there is no such choice", "Choose of those shown."
            )
        turn = max(
            (t for t in self._turns if t.speaker == speaker), key=lambda t: (t.end - t.start, -t.start)
        )
        before = tuple(review.identity(one.decision) for one in self._found if one.found.id == speaker)
        decision = review.make(
            "cast", speaker, who=self.who, at=self.now(), after=before, voice=voice, engine=self.engine.name,
            line=Anchor(turn.start, turn.end, speaker, ""),
        )  # fmt: skip
        self.dub.append("cast", decision)
        self.refresh()
        self.message = f"{voice} for {speaker}; workbench repro {self.dub.key} makes the dub so"

    def undo(self) -> None:
        """Take back this reviewer's last choice."""
        own = [one.decision for one in self._found if one.decision.who == self.who]
        if own:
            self.dub.append("cast", review.undo(own[-1], who=self.who, at=self.now()))
        self.refresh()
        self.message = f"undone: the voice of {own[-1].subject}" if own else "nothing to undo"

    def listen(self, speaker: str) -> None:
        """Serve a speaker's reference clips, and the longest take of their lines."""
        own = [clip.sound for clip in self._clips if clip.speaker == speaker][:MOST_CLIPS]
        paths = [self.dub.stage("voices") / name for name in own]
        longest = max(self._spoken(speaker), key=lambda take: take.duration, default=None)
        take = self._served.file(self.dub.stage("tts") / longest.sound) if longest else ""
        self.sounds = {**self.sounds, speaker: {"clips": [*map(self._served.file, paths)], "take": take}}

    def hear(self, speaker: str, voice: str) -> None:
        """Serve a sample of a voice: it says a line of the speaker's. One that imitates has none yet."""
        spoken = self._spoken(speaker)
        if not spoken or voice not in {known.name for known in self.engine.voices(self.dub.language)}:
            raise LibraryError(f"hear {voice!r}", "there is no sample of it", "Choose it, and run the dub.")
        text = max((take.tts_text for take in spoken), key=len)
        y, sr = self.engine.speak(text, voice=voice, language=self.dub.language, rate=1.0, seed=0)
        self.sample = {"speaker": speaker, "voice": voice, "url": self._served.serve(y, sr=sr)}

    def refresh(self) -> None:
        """Take note of what others chose."""
        log = review.read(self.dub.review("cast"))
        self._found = cast.reviewed(log, self._turns, engine=self.engine.name)
        decided = cast.decided(self._found)
        self.rows = [
            {
                "speaker": row.speaker,
                "speech": row.speech,
                "pitch": row.pitch_hz,
                "voice": self._cast[row.speaker].voice,
                "by": self._cast[row.speaker].by,
                "chosen": decided.get(row.speaker, ""),
                "distances": self.distances(row),
                "open": sorted({o.standing for o in self._found if o.found.id == row.speaker} - {"holds"}),
            }
            for row in self._speakers
        ]

    def _spoken(self, speaker: str) -> list[Take]:
        lines = {row.id for row in self.dub.read(Segment) if row.speaker == speaker}
        return [take for take in self._takes if take.segment in lines]

    def distances(self, one: Speaker) -> dict[str, float]:
        """Return how unlike the other speakers sound: 1 less the cosine of their prints, 0..2."""
        others = (row for row in self._speakers if row.print and row.speaker != one.speaker)
        return {row.speaker: round(1 - float(np.dot(one.print, row.print)), 2) for row in others if one.print}

    def do(self, verb: str, *given: str) -> None:
        """Do one of the acts above; why it cannot be done is in `message`."""
        self.message = ""
        try:
            getattr(self, verb)(*given)
        except WorkbenchError as error:
            self.message = str(error)


def view(model: Casting) -> ipywidgets.Widget:
    """Return the widget that shows a casting, linked to it."""
    from workbench.panels import cast_list

    return cast_list.linked(model)
