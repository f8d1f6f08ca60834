"""Cast a voice for each speaker of a dub: one of those that its synthesiser has in its language.

Conventions
-----------
Pitches are fundamental frequencies in Hz and compared in octaves. A casting says
which of a synthesiser's voices speaks for whom: a different voice for each speaker, not a likeness of
anybody. Nothing is said of anyone's sex: pitch decides. Two dubs by one synthesiser give a speaker one
voice, save where that voice does not speak the language of one of them, or a person says otherwise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from workbench import review
from workbench.errors import EngineError, LibraryError
from workbench.params import Positive
from workbench.records import Casting, Decision, EngineVoice, Score, Speaker, Table, Turn
from workbench.voices import references

LEAST_GAIN = 1e-9  # octaves, by which another voice must be better
Said = Mapping[str, str | Mapping[str, str]]  # speaker -> a voice, or engine -> voice


@dataclass(frozen=True)
class Options:
    """``params/cast.yaml``; every key is required.

    Attributes
    ----------
    alike : float
        Octaves; voices nearer to each other than this count as alike.
    alike_cost : float
        Octaves of pitch that it is worth to keep two voices of the same pitch out of one episode.
    """

    alike: Positive
    alike_cost: float


def wanted(said: Said, *, engine: str) -> dict[str, str]:
    """Return the voices of one engine that a series wants, speaker -> voice.

    A plain voice is wanted of whatever engine speaks; where it is written for each engine, that of this one.

    >>> wanted({"ANNA": {"espeak": "f2", "kokoro": "bella"}, "TOM": "m3"}, engine="espeak")
    {'ANNA': 'f2', 'TOM': 'm3'}
    """
    each = {name: voice if isinstance(voice, str) else voice.get(engine) for name, voice in said.items()}
    return {name: voice for name, voice in each.items() if voice is not None}


def cast(
    speakers: Table[Speaker],
    voices: Sequence[EngineVoice],
    *,
    speaks: Sequence[EngineVoice],
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

    Parameters
    ----------
    voices : sequence of EngineVoice
        All that the synthesiser has, in whatever language.
    speaks : sequence of EngineVoice
        Those of them that speak the language of the dub. Who would get another gets one of these.

    Raises
    ------
    EngineError
        Where the synthesiser has no voices for the dub.
    LibraryError
        Where `overrides` names a speaker or a voice that does not exist; it lists those that do.
    """
    catalogue = {voice.name: voice for voice in speaks}
    own = [references.own_voice(speaker) for speaker in imitable]
    if not (overrides.keys() >= {speaker.speaker for speaker in speakers} or catalogue):
        raise EngineError(f"cast voices of {engine}", "it has none", "Choose another tts engine.")
    by = {**dict.fromkeys(overrides, "series.yaml"), **dict.fromkeys(decided, "review")}
    check("speaker", overrides.keys(), [speaker.speaker for speaker in speakers])
    overrides = {**overrides, **decided}
    check("voice", overrides.values(), [*catalogue, *own])
    rest = sorted((s for s in speakers if s.speaker not in overrides), key=lambda s: (-s.speech, s.speaker))
    chosen = {name: Casting(name, voice, engine, None, by[name]) for name, voice in overrides.items()}
    for known in (voices, speaks):  # what is chosen among all holds where it speaks the language
        taken = {row.voice for row in chosen.values()}
        free = [voice for voice in known if voice.name not in taken]
        alone = rest[: len(free)]
        own_pitch = [catalogue[name] for name in taken if name in catalogue]
        for speaker, voice in zip(alone, assign(alone, free, taken=own_pitch, opts=opts), strict=True):
            if voice.name in catalogue:
                score = nearness(speaker, voice)
                chosen[speaker.speaker] = Casting(speaker.speaker, voice.name, engine, score, "pitch")
        rest = [speaker for speaker in rest if speaker.speaker not in chosen]
    for speaker in rest:
        voice = min(speaks, key=lambda voice: octaves(speaker.pitch_hz, voice.pitch_hz))
        score = nearness(speaker, voice)
        chosen[speaker.speaker] = Casting(speaker.speaker, voice.name, engine, score, "pitch, shared")
    accents = {voice.name: f", {voice.accent}" for voice in speaks if voice.accent}
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
    alike = _alike(voices, voices, opts)
    beside = _alike(voices, taken, opts).sum(axis=1)
    choice, row = linear_sum_assignment(distance)[1], np.arange(len(speakers))
    while True:
        near = alike[:, choice]  # of each voice to each that is cast
        total = near.sum(axis=1) + beside
        now = distance[row, choice] + opts.alike_cost * (total[choice] - near[choice, row])
        then = distance + opts.alike_cost * (total[:, np.newaxis] - near).T
        gain = now[:, np.newaxis] - then
        gain[:, choice] = -np.inf
        speaker, voice = np.unravel_index(int(np.argmax(np.round(gain, 9))), gain.shape)
        if gain[speaker, voice] <= LEAST_GAIN:
            return [voices[number] for number in choice]
        choice[speaker] = voice


def _alike(
    ones: Sequence[EngineVoice], others: Sequence[EngineVoice], opts: Options
) -> npt.NDArray[np.float64]:
    """Return how alike voices are to others, 0..1, of shape ``(ones, others)``."""
    apart = np.array([[octaves(a.pitch_hz, b.pitch_hz) for b in others] for a in ones])
    return np.maximum(0.0, 1 - apart / opts.alike) if apart.size else np.zeros((len(ones), len(others)))
