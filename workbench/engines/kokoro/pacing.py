"""How long a line takes to say, before it is said, and the silence in it: arithmetic, no model.

Conventions
-----------
Durations are in frames of `network.FRAME` samples. A rate of 1.10 speaks 10 % faster than is natural. The
edges of a run are never hurried: the network's silence before a line, and the last phoneme with what follows
it, in which a voice dies away. It counts them in frames, and where they are cut short, phonemes go with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench import audio
from workbench.audio import Sound
from workbench.engines.kokoro.network import FRAME, SAMPLE_RATE, Durations, Style

ENDS = (r"[.!?…][\"”)]*(?=\s)", r"[;:,—][\"”)]*(?=\s)", r"\s")  # where a text may be cut, best first
MARKS = ";:,.!?…—"  # those at which silence may be put in
MARK = re.compile(f"[{MARKS}]")
QUIET_DB = 45  # below the level of a line's speech: its silence
AIR = 20, 40  # ms of it that stay before and behind a line
JOINT = 150  # ms between two runs, about what the network leaves at a mark within one
FADE = 5  # ms
HEARD = 3, 5  # frames of the silence before a line and of its last phoneme in which something is heard
HIGHEST = 0.98  # peak, of full scale


@dataclass(frozen=True, eq=False)
class Run:
    """A stretch of a line that the network speaks at once."""

    phonemes: str
    tokens: tuple[int, ...]
    style: Style
    natural: Durations  # of the tokens and the two pads, at rate 1

    def frames(self, rate: float) -> npt.NDArray[np.int64]:
        """Return whole durations of the tokens and the two pads, each at least 1, shape ``(n + 2,)``.

        What rounding takes from one phoneme goes to the next (error diffusion), so that the whole is as
        long as asked for, though most phonemes last one to three frames.
        """
        whole = np.maximum(1, np.round(self.natural)).astype(np.int64)
        owed = 0.0
        for at in range(1, 1 + max(1, self._last)):
            owed += float(self.natural[at]) / rate
            whole[at] = max(1, round(owed))
            owed -= whole[at]
        return whole

    def heard(self, frames: npt.NDArray[np.int64]) -> int:
        """Return about how many samples are left of so many frames once they are `trimmed`."""
        opening, dying, behind = frames[0], frames[1 + self._last], frames[2 + self._last :].sum()
        return FRAME * int(frames.sum() - max(0, opening - HEARD[0]) - max(0, dying - HEARD[1]) - behind)

    def pauses(
        self, frames: npt.NDArray[np.int64], silences: Mapping[str, int]
    ) -> list[tuple[int, int, int]]:
        """Return where silence is put in at a mark: the samples of the mark with the space, and ms of it."""
        at, found = FRAME * np.r_[0, np.cumsum(frames)], []
        for mark in MARK.finditer(self.phonemes):
            following = mark.end()
            if following < len(self.phonemes) and self.phonemes[following] == " " and silences[mark[0]]:
                found.append((int(at[following]), int(at[following + 2]), silences[mark[0]]))
        return found

    def joint(self, silences: Mapping[str, int]) -> int:
        """Return the ms of silence between this run and the next: as at a mark within one."""
        marks = MARK.findall(self.phonemes[self._last :])
        return JOINT + silences[marks[-1]] if marks else 0

    @property
    def _last(self) -> int:
        """The index of the last phoneme: behind it are marks alone."""
        return max((at for at, letter in enumerate(self.phonemes) if letter.isalpha()), default=0)


def length(line: Sequence[Run], rate: float, *, silences: Mapping[str, int]) -> int:
    """Return about how many samples a line takes at a rate, trimmed; rates are compared nearly exactly."""
    total = 0
    for run in line:
        frames = run.frames(rate)
        still = sum(ms for *_, ms in run.pauses(frames, silences))
        still += run.joint(silences) if run is not line[-1] else 0
        total += run.heard(frames) + silence(still / rate).size
    return total


def cut(phonemes: str, *, longest: int) -> Iterator[str]:
    """Yield the parts of a text of phonemes, none of more than so many characters.

    They end with a sentence where one ends in time, else with a clause, else with a word. A part in which
    nothing is pronounced is left out.
    """
    rest = phonemes.strip()
    while rest:
        end = len(rest)
        if end > longest:
            found = ([m.end() for m in re.finditer(pattern, rest[: longest + 1])] for pattern in ENDS)
            end = next((ends[-1] for ends in found if ends and ends[-1] <= longest), longest)
        part, rest = rest[:end].strip(), rest[end:].strip()
        if any(letter.isalpha() for letter in part):
            yield part


def paused(y: Sound, pauses: list[tuple[int, int, int]], *, rate: float) -> Sound:
    """Return a sound with silence put in at the quietest place of each stretch, faded in and out.

    `pauses` are `Run.pauses`; at a rate, the silence is that much shorter.
    """
    pieces, done = [], 0
    step = audio.samples(FADE, sr=SAMPLE_RATE)
    for start, stop, ms in pauses:
        powers = audio.frame_powers(y[start:stop], sr=SAMPLE_RATE, frame=FADE)
        middle = start + step * int(np.argmin(powers)) + step // 2
        pieces += [_faded(y[done:middle], opening=done > 0, closing=True), silence(ms / rate)]
        done = middle
    return np.concatenate([*pieces, _faded(y[done:], opening=done > 0, closing=False)])


def trimmed(y: Sound) -> Sound:
    """Return a sound without the silence around it, but for `AIR`; `y` itself where nothing is heard."""
    step = audio.samples(FADE, sr=SAMPLE_RATE)
    powers = audio.frame_powers(y, sr=SAMPLE_RATE, frame=FADE)
    floor = 10 ** ((audio.speech_level_db(y, sr=SAMPLE_RATE) - QUIET_DB) / 10)
    loud = np.flatnonzero(powers > floor)
    if not loud.size:
        return y
    before, behind = (audio.samples(ms, sr=SAMPLE_RATE) for ms in AIR)
    start, stop = max(0, int(loud[0]) * step - before), (int(loud[-1]) + 1) * step + behind
    return _faded(y[start:stop], opening=True, closing=True)


def levelled(y: Sound, *, level_db: float) -> Sound:
    """Return a line at a level of its speech, in dB re full scale, or as loud as its peaks allow.

    The gain is a tenth of a dB, so that no machine's last digits change it. Nothing is clipped.
    """
    gain = 10 ** (round(level_db - audio.speech_level_db(y, sr=SAMPLE_RATE), 1) / 20)
    peak = float(np.abs(y).max(initial=0.0))
    return y * np.float32(min(gain, HIGHEST / peak if peak else gain))


def fitted(y: Sound, *, length: int) -> Sound:
    """Return a sound of exactly `length` samples: silence behind it, or its end cut off and faded."""
    if y.size < length:
        return np.concatenate([y, np.zeros(length - y.size, np.float32)])
    return y if y.size == length else _faded(y[:length], opening=False, closing=True)


def silence(ms: float) -> Sound:
    """Return so much silence."""
    return np.zeros(round(ms * SAMPLE_RATE / 1000), np.float32)


def _faded(y: Sound, *, opening: bool, closing: bool) -> Sound:
    z, n = y.copy(), min(audio.samples(FADE, sr=SAMPLE_RATE), y.size // 2)
    ramp = np.linspace(0, 1, n, endpoint=False, dtype=np.float32)
    if opening:
        z[:n] *= ramp
    if closing and n:
        z[-n:] *= ramp[::-1]
    return z
