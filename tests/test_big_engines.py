"""The demo dubbed by the big engines' own libraries, with tiny models: the chain, and what it records."""

from __future__ import annotations

import html
import importlib.util
import re

import pytest

from tests.project import copy, ran, workbench
from tests.tiny import everything
from workbench import library
from workbench.records import Casting, Hearing, Placement, Product, Score, Segment, Take, Translation, Word

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("piper") is None, reason="piper-tts is not installed here"),
]
EPISODE, LANG = "demo/e01", "es"
CHOSEN = {"asr": "faster_whisper", "hearing": "faster_whisper", "translate": "opus", "tts": "piper"}
SAID = {"Hello": "Hola", "from": "de", "a": "a", "tiny": "pequeño", "model.": "modelo."}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a copy of the project in which the demo was dubbed by these engines."""
    folder = copy(tmp_path_factory.mktemp("project"))
    everything.choose(folder, CHOSEN.items())
    workbench(folder, "repro", f"{EPISODE}/{LANG}")
    return folder


@pytest.fixture
def dub(project):
    return library.dub(EPISODE, LANG, project)


def test_every_line_is_heard_translated_spoken_and_placed(dub):
    segments = dub.read(Segment)
    assert segments
    assert " ".join(line.text for line in segments) == " ".join(word.text for word in dub.read(Word))
    for kind in (Translation, Take, Placement):
        assert {row.segment for row in dub.read(kind)} == {line.id for line in segments}
    for line, translation in zip(segments, dub.read(Translation), strict=True):
        assert translation.text.split() == [SAID[word] for word in line.text.split()]
    assert {product.file for product in dub.read(Product)} >= {"film.mp4", "film.mkv", "preview.m4a"}


def test_every_record_names_the_engine_that_made_it(dub):
    for kind, name in (
        (Word, "faster_whisper"),
        (Hearing, "faster_whisper"),
        (Translation, "opus"),
        (Casting, "piper"),
        (Take, "piper"),
    ):
        assert {row.engine for row in dub.read(kind)} == {name}, kind
    (hearing,) = dub.read(Hearing)
    assert (hearing.told, hearing.language) == ("en", "en")


def test_every_model_is_recorded_with_its_checksum_and_where_it_ran(dub):
    makers = dub.makers(before="qa").by("kind")
    assert set(makers) == {"shots", "vad", "separate", "asr", "diarize", "prints", "translate", "tts"}
    assert re.fullmatch(r"faster_whisper [\d.]+, model [0-9a-f]{16}, cpu \w+", makers["asr"].identity)
    assert re.fullmatch(r"ctranslate2 [\d.]+, model [0-9a-f]{16}, cpu \w+", makers["translate"].identity)
    assert re.match(r"piper-tts [\d.]+, onnxruntime [\d.]+, [0-9a-f]{16}", makers["tts"].identity)


def test_the_report_says_which_engine_made_what(dub):
    page = (dub.reports / "qa.html").read_text()
    rows = [re.sub(r"<[^>]*>", " ", row).split() for row in re.findall(r"<tr>.*?</tr>", page)]
    for kind, name in CHOSEN.items():
        assert any(row[:2] == [kind, name] for row in rows), kind
    for maker in dub.makers(before="qa"):
        assert html.escape(maker.identity) in page
    heard = [score.evidence for score in dub.read(Score) if score.check == "heard"]
    assert heard
    assert all("by faster_whisper" in evidence for evidence in heard)


def test_a_second_run_runs_nothing(project):
    assert ran(workbench(project, "repro", f"{EPISODE}/{LANG}")) == []
