"""What takes are placed on: how long the film is, and what is seen in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from workbench import review
from workbench.records import Decision, Probe, Segment, Shot


@dataclass(frozen=True)
class Timeline:
    """A film's length, its shot changes, and the lines whose speaker is not seen; times in ms."""

    duration: int
    shots: Sequence[int] = ()
    off_screen: Collection[str] = ()  # ids of segments

    @classmethod
    def of(
        cls,
        segments: Sequence[Segment],
        probe: Probe,
        shots: Iterable[Shot],
        decisions: Iterable[Decision],
    ) -> Timeline:
        """Return the timeline of a film; `decisions` are what reviewers said of its segments."""
        unseen = review.off_screen(review.anchored(decisions, segments))
        return cls(probe.duration, tuple(shot.start for shot in shots), unseen)
