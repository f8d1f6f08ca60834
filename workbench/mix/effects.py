"""The room around a voice: a short reverberation, so that a take does not stand before the scene.

Conventions
-----------
Times are in ms, levels in dB. A room's sound is noise that decays exponentially (Moorer, "About This
Reverberation Business", 1979), the same in every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import signal

from workbench import audio, content
from workbench.audio import Keyed, Sound

SEED = 1


@lru_cache(maxsize=2)
def impulse(*, sr: int, decay: int, delay: int, level_db: float) -> Sound:
    """Return what a room answers to a click, shape ``(n,)``: noise that falls by 60 dB over `decay`.

    It begins after `delay` and holds as much energy as `level_db` says, against the click.
    """
    n = audio.samples(decay, sr=sr)
    noise = np.random.RandomState(SEED).standard_normal(n)  # the generator whose numbers never change
    answer = noise * 10 ** (-3 * np.arange(n) / n)
    answer *= 10 ** (level_db / 20) / np.sqrt(np.sum(answer**2))
    return np.concatenate([np.zeros(audio.samples(delay, sr=sr)), answer]).astype(np.float32)


@dataclass(frozen=True)
class Room:
    """A take, shape ``(1, n)``, and the room's answer to it, which is heard for a while after its end.

    A take is as short as a line is: it is read whole, so that a sample is the same however it is read.
    """

    take: Keyed
    decay: int  # > 0
    delay: int
    level_db: float

    @property
    def sr(self) -> int:
        """The rate in Hz."""
        return self.take.sr

    @property
    def channels(self) -> int:
        """The take's channels."""
        return self.take.channels

    @property
    def frames(self) -> int:
        """The take's length and the room's after it."""
        return (
            self.take.frames
            + audio.samples(self.delay, sr=self.sr)
            + audio.samples(self.decay, sr=self.sr)
            - 1
        )

    def read(self, start: int, stop: int) -> Sound:
        """Return samples `start` to `stop`, shape ``(channels, stop - start)``."""
        dry = self.take.read(0, self.take.frames)
        answer = impulse(sr=self.sr, decay=self.decay, delay=self.delay, level_db=self.level_db)
        y = signal.oaconvolve(dry, answer[np.newaxis], axes=1).astype(np.float32)
        y[:, : dry.shape[1]] += dry
        return np.asarray(y[:, start:stop])

    def key(self, start: int, stop: int) -> str:
        """Return a content address of samples `start` to `stop`."""
        how = (self.decay, self.delay, self.level_db, start, stop)
        return content.address("room", how, self.take.key(0, self.take.frames))
