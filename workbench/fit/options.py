"""What may be tuned about the fit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """``params/fit.yaml``. Costs are of a line, for errors in seconds and paces as ratios, squared."""

    min_tempo: float  # slowest a take may be played, 0.5..1
    max_tempo: float  # fastest a take may be played, >= 1
    last_resort: float  # fastest a take is ever played, where words would be lost otherwise
    max_pace: float  # pace above which a line wants a shorter text, and gets it where there is one; >= 1
    max_push: int  # ms that an earlier line may push a later one's start behind its source line
    onset: float  # cost of a start that is not the source line's
    length: float  # cost of a take that lasts longer or shorter than its source line
    overrun: float  # cost of an end behind the source line's
    pace: float  # cost of a pace that is not the voice's own
    smoothness: float  # cost of a pace that is not that of the same speaker's line before
    pause: float  # cost of a pause that is shorter than in the source …
    long_pause: int  # … and than this many ms
    shot: float  # cost of speech over a shot change that the source line respects
    off_screen: float  # what onset, length and overrun cost where the speaker is not seen, 0..1
