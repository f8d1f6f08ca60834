"""How alike the takes of one voice are, told by speaker prints.

Conventions
-----------
A print is a row of unit length; likeness is the cosine of two, -1..1. A voice is the mean print of the half
of its takes that are most like its other ones, so that takes in a wrong voice do not draw it to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Print = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Likeness:
    """A take's likeness to others. `None` where there is nothing to compare with."""

    own: float | None  # to the other takes of its voice
    nearest: str  # the other voice of the episode that it is most like; empty where there is none
    other: float | None  # to that voice's takes
    source: float | None  # to the original speaker
    engine: str


def compare(
    prints: Mapping[str, Print],
    voices: Mapping[str, str],
    sources: Mapping[str, Print],
    *,
    engine: str,
) -> dict[str, Likeness]:
    """Return each take's likeness to its voice's other takes, to other voices, and to its source.

    Parameters
    ----------
    prints : mapping
        Segment -> print of its take.
    voices : mapping
        Segment -> voice that shall speak it.
    sources : mapping
        Segment -> print of the original speaker, where there is one.
    """
    takes: dict[str, list[str]] = {}
    for segment in prints:
        takes.setdefault(voices[segment], []).append(segment)
    typical = {voice: _typical(prints, segments) for voice, segments in takes.items()}
    found = {}
    for segment, row in prints.items():
        likes = {
            voice: _cosine(row, _mean(prints, [other for other in others if other != segment]))
            for voice, others in typical.items()
            if others != [segment]
        }
        own = likes.pop(voices[segment], None)
        nearest = max(likes, key=lambda voice: likes[voice], default="")
        found[segment] = Likeness(
            own=own,
            nearest=nearest,
            other=likes.get(nearest),
            source=_cosine(row, sources[segment]) if segment in sources else None,
            engine=engine,
        )
    return found


def _typical(prints: Mapping[str, Print], segments: Sequence[str]) -> list[str]:
    """Return a voice's takes, those that are most like the others first."""
    rows = np.stack([prints[segment] for segment in segments])
    usual = np.median(rows @ rows.T, axis=1)
    return [segments[index] for index in np.argsort(-usual, kind="stable")]


def _mean(prints: Mapping[str, Print], typical: Sequence[str]) -> Print:
    half: Print = np.mean([prints[segment] for segment in typical[: -(-len(typical) // 2)]], axis=0)
    return half


def _cosine(one: Print, other: Print) -> float:
    return round(float(one @ other / max(1e-9, float(np.linalg.norm(one) * np.linalg.norm(other)))), 3)
