"""What Kokoro's lines are worth: words lost to a listener, lengths told before, and the share of the network.

Each line is spoken by another of the voices that may be cast, and by eSpeak NG, and heard by Whisper base.
Figures written as digits by the listener count as the words they stand for only where both sides spell them
alike: `as_written` and `said` of what is written short are to be read against each other.
"""

from __future__ import annotations

import time
from functools import cache
from itertools import cycle

import numpy as np
import pytest

from tests.benchmarks.figures import keep
from tests.benchmarks.spoken import PLAIN, SHORT
from tests.structure import ROOT
from workbench import audio, engines, params, writing
from workbench.engines import models
from workbench.engines.kokoro import Kokoro
from workbench.engines.kokoro.network import Network
from workbench.library import read_text
from workbench.params import Choice
from workbench.records import parse
from workbench.tts import verbalize

LISTENER = "faster-whisper-base"
LISTENS_AT = 16_000  # Hz
FIGURES: dict[str, object] = {}


def choice() -> Choice:
    document = params.mapping(read_text(ROOT / "params" / "engines.yaml"), where="params/engines.yaml")
    return parse(Choice, document["tts"], where="tts")


@cache
def engine(name: str):
    made, options = engines.resolve("tts", name, choice())
    if reason := made.missing(options):
        pytest.skip(f"{name} is not ready here: {reason}")
    return made(options, given=None)


@cache
def listener():
    from faster_whisper import WhisperModel

    if reason := models.missing(LISTENER, ("model.bin", "tokenizer.json")):
        pytest.skip(f"nobody listens: {reason}")
    return WhisperModel(str(models.place(LISTENER)), device="cpu", compute_type="int8", cpu_threads=1)


def heard(y, *, sr: int, language: str) -> str:
    quiet = np.zeros(LISTENS_AT // 3, np.float32)
    y = np.concatenate([quiet, audio.resample(y, sr=sr, to=LISTENS_AT), quiet])
    parts, _ = listener().transcribe(
        y, language=language[:2], beam_size=5, temperature=0.0, condition_on_previous_text=False
    )
    return " ".join(part.text for part in parts)


def lost(lines, *, name: str, language: str) -> float:
    """Return the word error rate of lines, each a text to speak and the words that should be heard."""
    from jiwer import wer

    speaker = engine(name)
    voices = cycle([voice.name for voice in speaker.voices(language)][::3])
    references, found = [], []
    for text, words in lines:
        y, sr = speaker.speak(text, voice=next(voices), language=language, rate=1.0, seed=0)
        references.append(" ".join(writing.words(words)))
        found.append(" ".join(writing.words(heard(y, sr=sr, language=language))))
    return round(wer(references, found), 3)


@pytest.mark.parametrize("language", PLAIN)
def test_words_lost_of_plain_lines(language):
    lines = [(text, text) for text in PLAIN[language]]
    rates = {"kokoro": lost(lines, name="kokoro", language=language)}
    if language != "gl":  # which the other does not speak
        rates["espeak"] = lost(lines, name="espeak", language=language)
    FIGURES[f"words_lost_{language}"] = rates
    keep("speaking", FIGURES)
    assert rates["kokoro"] <= rates.get("espeak", 1.0)


@pytest.mark.parametrize("language", SHORT)
def test_words_lost_of_what_is_written_short(language):
    said = [(verbalize.apply(text, language=language), words) for text, words in SHORT[language]]
    rates = {
        "as_written": lost(SHORT[language], name="kokoro", language=language),
        "said": lost(said, name="kokoro", language=language),
    }
    FIGURES[f"written_short_{language}"] = rates
    keep("speaking", FIGURES)


def test_lengths_are_told_before_and_kept(monkeypatch):
    speaker, times, renders = engine("kokoro"), [0.0, 0.0], [0]
    sound = Network.sound

    def timed(self, *line):
        began = time.process_time()
        y = sound(self, *line)
        times[1] += time.process_time() - began
        renders[0] += 1
        return y

    monkeypatch.setattr(Network, "sound", timed)
    missed, seconds, changes = [], 0.0, []
    for text, voice in zip(PLAIN["es"], speaker.voices("es"), strict=False):
        line = {"voice": voice.name, "language": "es"}
        lengths = {}
        for rate in (0.8, 1.0, 1.25):
            began = time.process_time()
            y, sr = speaker.speak(text, rate=rate, seed=0, **line)
            times[0] += time.process_time() - began
            seconds += y.size / sr
            lengths[rate] = audio.milliseconds(y.size, sr=sr)
            missed.append(abs(lengths[rate] - speaker.duration(text, rate=rate, **line)))
        told = {rate: speaker.duration(text, rate=rate, **line) for rate in lengths}
        changes += [abs((lengths[rate] - lengths[1.0]) - (told[rate] - told[1.0])) for rate in (0.8, 1.25)]
    total, network = times
    renders[0] = 0
    for text, voice in zip(PLAIN["es"][:4], speaker.voices("es"), strict=False):
        wanted = round(1.1 * speaker.duration(text, voice=voice.name, language="es", rate=1.0))
        y, sr = speaker.speak_in(text, voice=voice.name, language="es", duration=wanted, seed=0)
        assert y.size == audio.samples(wanted, sr=sr)
    FIGURES["lengths"] = {
        "missed_ms_median": float(np.median(missed)),
        "missed_ms_most": max(missed),
        "change_missed_ms_median": float(np.median(changes)),
        "change_missed_ms_most": max(changes),
        "renders_a_line_in_a_given_time": renders[0] / 4,
    }
    FIGURES["cost"] = {
        "cpu_seconds_a_second": round(total / seconds, 3),
        "share_of_the_network": round(network / total, 3),
    }
    keep("speaking", FIGURES)
    assert isinstance(speaker, Kokoro)
    assert renders[0] <= 8
