"""Learn how each speaker sounds, and cast a voice for each.

Conventions
-----------
Times are integer milliseconds, pitches are fundamental frequencies in Hz and compared in octaves. A
casting says which of a synthesiser's voices speaks for whom: a different voice for each speaker, not a
likeness of anybody. Nothing is said of anyone's sex: pitch decides.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from workbench import activity, audio, review
from workbench.audio import Sound
from workbench.errors import EngineError, LibraryError
from workbench.params import Count, Positive
from workbench.records import Casting, Clip, Decision, EngineVoice, Score, Speaker, Table, Turn
from workbench.voices import references
from workbench.voices.references import PrintExtractor

PITCH_RATE = 16_000  # Hz
PITCH_FRAME, PITCH_STEP = 1024, 320  # samples: 64 ms, 20 ms


@dataclass(frozen=True)
class Options:
    """``params/voices.yaml``; every key is required.

    Attributes
    ----------
    shortest_clip : int
        Ms; shorter stretches are no reference clips.
    longest_clip : int
        Ms; longer stretches are cut in equal parts.
    total : int
        Ms of reference clips a speaker, at most.
    margin : int
        Ms around a clip in which nobody else speaks.
    clean_db : float
        Level above the noise, in dB, from which a clip counts as clean.
    lowest_hz : float
        Lowest pitch looked for.
    highest_hz : float
        Highest pitch looked for.
    alike : float
        Octaves; voices nearer to each other than this count as alike.
    alike_cost : float
        Octaves of pitch that it is worth to keep two voices of the same pitch out of one episode.
    """

    shortest_clip: int
    longest_clip: Count
    total: int
    margin: int
    clean_db: float
    lowest_hz: Positive
    highest_hz: Positive
    alike: Positive
    alike_cost: float


def choose(speech: Sound, *, sr: int, turns: Table[Turn], opts: Options) -> Table[Clip]:
    """Choose reference clips of a mono sound ``(n,)``: per speaker, in order of first turn, best first.

    See `references.choose` for what is best. A speaker with too little speech has no clip.
    """
    numbers: Counter[str] = Counter()
    clips = []
    for speaker in speakers_of(turns):
        stretches = references.choose(
            speech,
            sr=sr,
            turns=turns,
            speaker=speaker,
            shortest=opts.shortest_clip,
            longest=opts.longest_clip,
            total=opts.total,
            margin=opts.margin,
            clean_db=opts.clean_db,
        )
        name = re.sub(r"[^A-Za-z0-9]", "_", speaker)[:32]
        for stretch in stretches:
            numbers[name] += 1
            file = f"{name}-{numbers[name]}.wav"
            clips.append(Clip(speaker, stretch.start, stretch.end, stretch.snr_db, file))
    return Table(Clip, clips)


def describe(
    turns: Table[Turn],
    clips: Table[Clip],
    sounds: Mapping[str, Sound],
    *,
    sr: int,
    extractor: PrintExtractor,
    opts: Options,
) -> Iterator[Speaker]:
    """Yield how each speaker sounds, in order of first turn.

    `sounds` holds each clip's sound ``(channels, n)`` or ``(n,)`` by `Clip.sound`; prints and pitch are
    taken at 16 kHz. A speaker without clips has neither print nor pitch.
    """
    for speaker in speakers_of(turns):
        heard = [
            audio.resample(audio.mono(sounds[clip.sound]), sr=sr, to=PITCH_RATE)
            for clip in clips
            if clip.speaker == speaker
        ]
        low, middle, high = pitch(heard, opts=opts)
        rows = extractor.prints(heard, sr=PITCH_RATE) if heard else None
        yield Speaker(
            speaker,
            activity.duration((turn.start, turn.end) for turn in turns if turn.speaker == speaker),
            middle,
            low,
            high,
            () if rows is None else tuple(round(float(v), 6) for v in references.mean_print(rows)),
            extractor.name,
        )


def speakers_of(turns: Table[Turn]) -> list[str]:
    """Return the speakers in order of first turn."""
    return list(dict.fromkeys(turn.speaker for turn in sorted(turns, key=lambda t: (t.start, t.speaker))))


def pitch(sounds: Sequence[Sound], *, opts: Options) -> tuple[float, float, float] | tuple[None, None, None]:
    """Return the 10th, 50th and 90th percentile of the pitch in Hz of mono sounds ``(n,)`` at 16 kHz.

    Only voiced frames count; `None` where there are none. By probabilistic YIN (Mauch and Dixon, 2014).
    """
    import librosa

    voiced = [np.empty(0)]
    for y in sounds:
        if y.size >= PITCH_FRAME:
            hz, speaking, _ = librosa.pyin(
                y,
                fmin=opts.lowest_hz,
                fmax=opts.highest_hz,
                sr=PITCH_RATE,
                frame_length=PITCH_FRAME,
                hop_length=PITCH_STEP,
            )
            voiced.append(hz[speaking])
    found = np.concatenate(voiced)
    if not found.size:
        return None, None, None
    low, middle, high = (round(float(v), 1) for v in np.percentile(found, (10, 50, 90)))
    return low, middle, high


def cast(
    speakers: Table[Speaker],
    voices: Sequence[EngineVoice],
    *,
    engine: str,
    overrides: Mapping[str, str],
    opts: Options,
    decided: Mapping[str, str] = MappingProxyType({}),
    imitable: Collection[str] = (),
) -> Table[Casting]:
    """Cast one of a synthesiser's voices for each speaker, in the order of `speakers`.

    A reviewer's word (`decided`, speaker -> voice) comes first, then `overrides`, the same of the series.
    They alone may give a speaker of `imitable` the voice that imitates their own clips
    (`references.own_voice`): nobody is imitated unasked. The others get voices of their own, nearest in
    pitch over all and unlike each other. Once every voice is taken, those who speak least share the
    nearest one.

    Raises
    ------
    EngineError
        Where the synthesiser has no voices.
    LibraryError
        Where `overrides` names a speaker or a voice that does not exist; it lists those that do.
    """
    catalogue = {voice.name: voice for voice in voices}
    accents = {voice.name: f", {voice.accent}" for voice in voices if voice.accent}
    own = [references.own_voice(speaker) for speaker in imitable]
    if not (overrides.keys() >= {speaker.speaker for speaker in speakers} or catalogue):
        raise EngineError(f"cast voices of {engine}", "it has none", "Choose another tts engine.")
    by = {**dict.fromkeys(overrides, "series.yaml"), **dict.fromkeys(decided, "review")}
    check("speaker", overrides.keys(), [speaker.speaker for speaker in speakers])
    overrides = {**overrides, **decided}
    check("voice", overrides.values(), [*catalogue, *own])
    rest = sorted((s for s in speakers if s.speaker not in overrides), key=lambda s: (-s.speech, s.speaker))
    free = [voice for voice in voices if voice.name not in overrides.values()]
    taken = [catalogue[name] for name in overrides.values() if name in catalogue]
    alone, sharing = rest[: len(free)], rest[len(free) :]
    chosen = {
        speaker.speaker: Casting(speaker.speaker, voice.name, engine, nearness(speaker, voice), "pitch")
        for speaker, voice in zip(alone, assign(alone, free, taken=taken, opts=opts), strict=True)
    }
    for speaker in sharing:
        voice = min(voices, key=lambda voice: octaves(speaker.pitch_hz, voice.pitch_hz))
        score = nearness(speaker, voice)
        chosen[speaker.speaker] = Casting(speaker.speaker, voice.name, engine, score, "pitch, shared")
    for name, voice_name in overrides.items():
        chosen[name] = Casting(name, voice_name, engine, None, by[name])
    rows = (chosen[speaker.speaker] for speaker in speakers)
    return Table(Casting, [replace(row, by=row.by + accents.get(row.voice, "")) for row in rows])


def reviewed(decisions: Iterable[Decision], turns: Table[Turn], *, engine: str) -> list[review.Anchored]:
    """Return reviewers' choices of voices, each at the speaker it is for, and whether it holds.

    A choice was made on a stretch in which its speaker speaks, and goes to whoever is now said to speak
    most of it, whatever the label. It is stale where nobody does, or where the voice is another
    synthesiser's.
    """
    return review.weighed(decisions, lambda decision: _who(decision, turns, engine))


def decided(choices: Iterable[review.Anchored]) -> dict[str, str]:
    """Return the voices that reviewers chose, speaker -> voice, as far as their choices hold."""
    return {name: found[-1].voice or "" for name, found in review.holding(choices, "voice").items()}


def miscast(decisions: Iterable[Decision], turns: Table[Turn], castings: Iterable[Casting]) -> list[Score]:
    """Return a QA finding, on the film, for each choice of a voice that does not hold (`reviewed`)."""
    engine = next((row.engine for row in castings), "")
    found = review.findings(reviewed(decisions, turns, engine=engine))
    names = (f"speaker {row.segment}, " if row.segment else "" for row in found)
    return [
        replace(row, segment="", evidence=who + row.evidence) for who, row in zip(names, found, strict=True)
    ]


def _who(decision: Decision, turns: Table[Turn], engine: str) -> review.Found:
    chosen = review.value(decision)
    if chosen.line is None:
        return review.Found(None, "orphaned", False)
    spoken: Counter[str] = Counter()
    for turn in turns:
        spoken[turn.speaker] += max(0, min(turn.end, chosen.line.end) - max(turn.start, chosen.line.start))
    speaker, ms = max(spoken.items(), key=lambda pair: pair[1], default=("", 0))
    if not ms:
        return review.Found(None, "orphaned", False)
    if 2 * ms < chosen.line.end - chosen.line.start or chosen.engine != engine:
        return review.Found(speaker, "stale", False)
    return review.Found(speaker, "exact" if speaker == decision.subject else "moved", True)


def check(what: str, asked: Iterable[str], known: Sequence[str]) -> None:
    """Raise `LibraryError` for a name in series.yaml that is not known."""
    for name in asked:
        if name not in known:
            raise LibraryError(
                f"cast the {what} {name!r} as series.yaml or the review has it",
                f"there is no such {what}",
                f"There are: {', '.join(known) or 'none'}.",
            )


def octaves(one: float | None, other: float | None) -> float:
    """Return the distance of two pitches in octaves; 0 where one is unknown."""
    return 0.0 if one is None or other is None else abs(math.log2(one / other))


def nearness(speaker: Speaker, voice: EngineVoice) -> float | None:
    """Return the lower of two pitches as part of the higher, 0..1; `None` where one is unknown."""
    return None if speaker.pitch_hz is None else round(2 ** -octaves(speaker.pitch_hz, voice.pitch_hz), 3)


def assign(
    speakers: Sequence[Speaker],
    voices: Sequence[EngineVoice],
    *,
    taken: Sequence[EngineVoice],
    opts: Options,
) -> list[EngineVoice]:
    """Return a different voice for each speaker; there are at least as many voices.

    The best assignment by pitch alone is improved, one speaker at a time, as long as a voice that
    nobody has lowers the cost: the sum of distances in octaves, and `Options.alike_cost` for each pair of
    voices of one pitch, falling to 0 at `Options.alike` octaves.
    """
    from scipy.optimize import linear_sum_assignment

    distance = np.array([[octaves(s.pitch_hz, v.pitch_hz) for v in voices] for s in speakers])
    if not distance.size:
        return []

    def cost(choice: Sequence[int]) -> float:
        cast_together = [*taken, *(voices[v] for v in choice)]
        apart = [octaves(a.pitch_hz, b.pitch_hz) for a, b in itertools.combinations(cast_together, 2)]
        alike = sum(max(0.0, 1 - d / opts.alike) for d in apart)
        return float(sum(distance[s, v] for s, v in enumerate(choice)) + opts.alike_cost * alike)

    choice = [int(voice) for voice in linear_sum_assignment(distance)[1]]
    while True:
        moves = [
            [*choice[:s], voice, *choice[s + 1 :]]
            for s in range(len(choice))
            for voice in range(len(voices))
            if voice not in choice
        ]
        better = min(moves, key=cost, default=choice)
        if cost(better) >= cost(choice) - 1e-9:
            return [voices[voice] for voice in choice]
        choice = better
