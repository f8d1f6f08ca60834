"""What may be tuned about the fit."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.params import Positive


@dataclass(frozen=True)
class Options:
    """``params/fit.yaml``. What costs what: a take's end that is a second off its source line's costs 1."""

    min_tempo: Positive  # slowest a take may be played, 0.5..1
    max_tempo: Positive  # fastest a take may be played, >= 1
    last_resort: Positive  # fastest a take is ever played, where words would be lost otherwise
    max_pace: Positive  # pace above which a line wants a shorter text, and gets it where there is one; >= 1
    max_push: int  # ms that an earlier line may push a later one's start behind its source line
    naturalness: float  # cost of a second of speech hurried to nothing; it grows with the square of the haste
    smoothness: float  # cost of a pace that is twice that of the speaker's line before; times naturalness
    slowness: float  # cost of a second of speech drawn out to two; it grows with the square
    onset: float  # cost of a start that is a second off
    pause: float  # cost of a second by which a pause is shorter than in the source …
    long_pause: int  # … and than this many ms
    shot: float  # cost of a second of speech over a shot change that the source line respects
    off_screen: float  # what starts and ends that are off cost where the speaker is not seen, 0..1
