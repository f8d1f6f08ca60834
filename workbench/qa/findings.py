"""What a check says, and what it judges by.

Conventions
-----------
A `Band` holds two limits: past the first a value is a warning, past the second a failure. Times are
integer ms, levels dB re full scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from workbench.records import Verdict
from workbench.writing import Unit

Band = tuple[float, float]


@dataclass(frozen=True)
class Options:
    """``params/qa.yaml``; every key is required. A band is (warning past, failure past)."""

    rate: dict[Unit, Band]  # characters, syllables or morae a second of a placed take
    language: Band  # how many times likelier a text is of another language
    short_text: int  # characters of a text whose language is not guessed
    error_rate: Band  # share of a line's words that a recogniser hears otherwise
    lost_words: Band  # words of a line that a recogniser does not hear at all
    lost_speech: Band  # ms of a reading of the text that the take lacks
    apart: Band  # share of take and reading that do not match, beyond what is usual of the voice
    readable: float  # a voice of which more than this usually matches no reading is not judged, 0..1
    likeness: Band  # of a take to the other takes of its voice, at least, -1..1
    stranger: float  # by how much more a take may be like another voice than like its own
    stretch: Band  # factor by which a take is played faster or slower
    shift: Band  # ms between the starts of the line and of its dub
    lacking: Band  # ms that a line lacks
    overlap: Band  # ms of speech over speech that the source has not
    cut: Band  # ms of a take that are not in its placement
    clipped: Band  # places where three samples in a row are alike and at full scale
    full_scale: float  # from here a sample counts as clipped, 0..1
    lag: Band  # ms by which a take sounds earlier or later in the mix than it was placed
    gone: Band  # ms of a take's speech that are not in the mix
    present: float  # a take less like the mix in its place is not there, 0..1
    bed_db: float  # the bed's gain in the mix below which it counts as missing
    bed_lost: Band  # ms without the bed
    level: Band  # dB between a line of the dub and its voice's other lines, either way
    loudness: Band  # dB between the dubbed and the original line, either way
    audible: Band  # dB of the voice over all that sounds with it, at least
    silent_db: float  # a take below this is silence
    pause: Band  # ms of silence between two words of a take
    cue_columns: int  # in one line of a subtitle; a full-width character takes two
    cue_lines: int  # of one subtitle
    cue_speed: Band  # columns a second of a subtitle
    unknown: Band  # source words that the translator does not know
    missed: Band  # glossary terms that are not in the translation
    confidence: Band  # mean confidence of the words heard, at least, 0..1
    rude_confidence: float  # a rude word heard with less is doubted, 0..1
    rude_words: tuple[str, ...]  # in lower case
    doubted: Band  # share of a line's words that the recogniser may have invented
    other_language: Band  # probability that the original is in another language than was told
    left_out: Band  # words heard that stand in no line
    target: Band  # LU between the loudness wanted and reached, either way
    true_peak: Band  # dBTP of the mix and of every encoded dub, at most
    bleed_db: float  # level of the old speech left in the bed against the programme, at most
    drift: int  # ms between the lengths of film and dub where no picture gives the length of a frame
    clips: int  # lines, worst first, whose sounds the report has
    sound: Literal["embedded", "linked"]  # in the report itself, or beside the scores
    cost: dict[Verdict, int]  # what a finding takes off a line's 100 marks


class Finding(NamedTuple):
    """A check's answer: what becomes a Score."""

    verdict: Verdict
    value: float | None
    limit: float | None
    evidence: str
    action: str


def by_another(engine: str, chosen: str) -> bool:
    """Whether neither the chosen engine nor a person made a record."""
    return engine.partition(" ")[0] not in (chosen, "review")


def found(verdict: Verdict, evidence: str, action: str = "") -> Finding:
    """Judge what has no number."""
    return Finding(verdict, None, None, evidence, action)


def above(value: float, band: Band, evidence: str, action: str) -> Finding:
    """Judge a value that should be small."""
    warn, fail = band
    if value > fail:
        return Finding("fail", value, fail, evidence, action)
    return (
        Finding("warn", value, warn, evidence, action)
        if value > warn
        else Finding("ok", value, warn, evidence, "")
    )


def below(value: float, band: Band, evidence: str, action: str) -> Finding:
    """Judge a value that should be large."""
    judged = above(-value, (-band[0], -band[1]), evidence, action)
    return judged._replace(value=value, limit=band[1] if judged.verdict == "fail" else band[0])
