"""Play a take faster or slower and keep its pitch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench import audio, content
from workbench.audio import Keyed, Sound
from workbench.errors import SpeechError

SAMPLE_RATE = 48_000  # Hz, of a fitted take

WINDOW = 50  # ms of the phase vocoder; a recogniser makes fewer errors than with its own 120
MARGIN = 100  # ms of silence put around a take while it is stretched, so that its edges stay whole
LIMITS = (0.5, 4.0)  # tempo, beyond which the sound is no longer speech


def stretch(y: Sound, *, sr: int, length: int) -> Sound:
    """Return a take of shape ``(n,)`` made to last exactly `length` samples, its pitch kept.

    Within 1 ms of its own length it is left as it is, with zeros behind it. Else it is played at tempo
    ``n / length`` by the phase vocoder of Signalsmith Stretch, which gives the same samples every time.

    Raises `SpeechError` for a tempo outside `LIMITS`.
    """
    if 0 <= length - y.size <= sr // 1000:
        return np.pad(y, (0, length - y.size))
    if not LIMITS[0] * length <= y.size <= LIMITS[1] * length:
        raise SpeechError(
            f"play {y.size} samples in {length}",
            f"a tempo outside {LIMITS[0]} to {LIMITS[1]} is no speech",
            "Shorten or lengthen the translation.",
        )
    from python_stretch import Signalsmith

    tempo, margin = y.size / length, sr * MARGIN // 1000
    stretcher = Signalsmith.Stretch()
    stretcher.configure(1, WINDOW * sr // 1000, WINDOW * sr // 4000)
    stretcher.setTimeFactor(tempo)
    whole: Sound = np.asarray(stretcher.process(np.pad(y, (margin, 2 * margin))[np.newaxis]))[0]
    first = round(margin / tempo)
    return np.ascontiguousarray(whole[first : first + length])


def version() -> str:
    """Return the content address of what stretches: what another made is not to be kept."""
    return content.of_code(__name__, libraries=("python-stretch", "soxr"))


@dataclass(frozen=True)
class Fitted:
    """A take, mono at `SAMPLE_RATE`, made to last `frames` samples; it is made when it is read."""

    spoken: Keyed
    frames: int
    sr: int = SAMPLE_RATE
    channels: int = 1

    def read(self, start: int, stop: int) -> Sound:
        """Return samples `start` to `stop`, shape ``(1, stop - start)``; raises as `stretch` does."""
        return self._whole[np.newaxis, start:stop]

    def key(self, start: int, stop: int) -> str:
        """Return a content address of samples `start` to `stop`."""
        return content.address("fitted", self.spoken.key(0, self.spoken.frames), self.frames, start, stop)

    @cached_property
    def _whole(self) -> Sound:
        spoken = audio.mono(self.spoken.read(0, self.spoken.frames))
        spoken = audio.resample(spoken, sr=self.spoken.sr, to=self.sr)
        return stretch(spoken, sr=self.sr, length=self.frames)
