"""What one may tune of a mix."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.params import Positive


@dataclass(frozen=True)
class Options:
    """``params/mix.yaml``; every key is required."""

    duck_db: float  # gain of a bed without dialogue while the dub speaks, ≤ 0
    duck_full_db: float  # the same where the bed still holds the original dialogue
    duck_attack: int  # ms over which the bed falls, before the first word
    duck_release: int  # ms over which it rises again; shorter pauses stay ducked
    speech_lufs: float  # a speaker's loudness where the original's cannot be measured
    speech_step_db: Positive  # a speaker's gain is a multiple of this
    max_speech_gain_db: float  # most that a speaker's takes are raised or lowered
    room_decay: int  # ms in which the room around the takes falls by 60 dB; 0 for none
    room_delay: int  # ms before its first reflection
    room_db: float  # how loud the room is against the take
    target_lufs: float  # loudness of the dub
    gain_step_db: Positive  # its gain is a multiple of this: the target is met within half a step
    max_gain_db: float  # most that the whole is raised or lowered to get there
    max_true_peak_db: float  # dBTP
    limiter_attack: int  # ms over which the limiter's gain falls before a peak
    limiter_release: int  # ms over which it rises again
