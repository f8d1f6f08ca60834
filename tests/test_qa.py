"""What QA finds, what it does not invent, and that it looks at everything."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import episodes
from tests.recordings import Held
from workbench import audio, params, qa, records
from workbench.errors import RecordError
from workbench.qa.material import Film
from workbench.records import (
    Budget,
    Cue,
    Hearing,
    LineWord,
    Loudness,
    Product,
    Score,
    Segment,
    Separation,
    Table,
    Turn,
    Word,
)

ROOT = Path(__file__).parents[1]
OPTS = params.read(
    qa.Options, (ROOT / "params" / "qa.yaml").read_text(encoding="utf-8"), key="qa", where="params/qa.yaml"
)


NOT_HERE = {("heard", "info"), ("voice", "info")}  # these films are measured without engines


def scores_of(film: Film, **sounds) -> Table[Score]:
    return Table(Score, qa.check(film, episodes.gather(film, opts=OPTS, **sounds), opts=OPTS))


def found(film: Film, **sounds) -> set[tuple[str, str, str]]:
    """The findings: (index of the line or "", check, verdict)."""
    place = {row.id: str(index) for index, row in enumerate(film.segments)}
    return {
        (place.get(row.segment, ""), row.check, row.verdict)
        for row in scores_of(film, **sounds)
        if row.verdict != "ok" and (row.check, row.verdict) not in NOT_HERE
    }


def altered(table: str, index: int = 1, lines: int = 3, **fields) -> Film:
    film = episodes.film(lines)
    return dataclasses.replace(film, **{table: episodes.change(getattr(film, table), index, **fields)})


def rude(text: str, confidence: float) -> Film:
    """A dub of which one line is heard with another word in it."""
    return altered("line_words", index=10, text=text, confidence=confidence)


def test_nothing_is_found_in_a_good_dub():
    assert found(episodes.film(4)) == set()


def test_every_line_gets_one_score_of_every_check():
    scores = scores_of(episodes.flawed())
    lines = [row for row in scores if row.segment]
    assert len(lines) == 20 * len(qa.LINE_CHECKS) > 0
    assert len({(row.segment, row.check) for row in lines}) == len(lines)
    assert [row.check for row in scores if not row.segment] == [
        check.__name__.replace("_", " ") for check in qa.FILM_CHECKS
    ]


def test_each_finding_says_what_to_do():
    findings = [row for row in scores_of(episodes.flawed()) if row.verdict in ("warn", "fail")]
    assert findings
    assert all(row.evidence and row.action for row in findings)


@pytest.mark.parametrize(
    ("film", "check", "verdict"),
    [
        (altered("translations", text=" … "), "text", "fail"),
        (altered("translations", text="palabra " * 7), "rate", "warn"),
        (altered("translations", text="palabra " * 12), "rate", "fail"),
        (altered("translations", text="言葉言葉言葉言葉言葉言葉言葉言葉言葉言葉言葉"), "rate", "warn"),
        (altered("placements", tempo=1.3), "stretch", "warn"),
        (altered("placements", tempo=0.6), "stretch", "fail"),
        (altered("placements", start=4400), "shift", "warn"),
        (altered("placements", start=2900), "shift", "fail"),
        (altered("placements", lacking=1), "lacking", "warn"),
        (altered("placements", lacking=800), "lacking", "fail"),
        (altered("placements", end=7100), "overlap", "warn"),
        (altered("placements", end=7600), "overlap", "fail"),
        (altered("translations", unknown=("clock",)), "unknown words", "warn"),
        (altered("translations", unknown=("a", "b", "c")), "unknown words", "fail"),
        (altered("translations", engine="subtitles"), "engine", "warn"),
        (altered("takes", engine="piper"), "engine", "warn"),
        (altered("line_words", index=10, engine="whisper"), "engine", "warn"),
        (rude("Damn,", 0.5), "rude words", "warn"),
        (altered("line_words", index=10, doubt="repetition"), "doubt", "warn"),
        (altered("cues", text="x" * 43, end=9000), "reading", "fail"),
        (altered("cues", text="a\nb\nc"), "reading", "fail"),
        (altered("cues", end=5500), "reading", "warn"),
    ],
)
def test_a_flaw_is_found_where_it_lies(film: Film, check: str, verdict: str):
    assert ("1", check, verdict) in found(film)


def test_a_line_that_is_heard_too_fast_is_told_what_would_fit():
    film = altered("translations", text="palabra " * 12)
    name = film.segments[1].id
    film = dataclasses.replace(film, budgets=Table(Budget, [Budget(name, 1200, 800, 57)]))
    (score,) = (row for row in scores_of(film) if row.check == "rate" and row.segment == name)
    assert score.evidence.endswith("characters a second: of 96 characters 57 would fit")
    (score,) = (row for row in scores_of(film) if row.check == "lacking" and row.segment == name)
    assert score.evidence == "lacks 0 ms"


def test_a_line_that_lacks_time_is_told_what_would_fit():
    film = altered("placements", lacking=800)
    name = film.segments[1].id
    film = dataclasses.replace(film, budgets=Table(Budget, [Budget(name, 1200, 800, 17)]))
    (score,) = (row for row in scores_of(film) if row.check == "lacking" and row.segment == name)
    assert score.evidence == f"lacks 800 ms: of {len(film.translations[1].text)} characters 17 would fit"
    candidate = records.Candidate(name, 1, "", "llm", 1200, 17, None, "there is no shorter one")
    film = dataclasses.replace(film, candidates=Table(records.Candidate, [candidate]))
    (score,) = (row for row in scores_of(film) if row.check == "lacking" and row.segment == name)
    assert score.evidence.endswith("would fit; a shorter text was refused: there is no shorter one")


def test_a_line_without_a_take_fails_and_what_cannot_be_measured_is_not_called_good():
    film = episodes.film(2)
    film = dataclasses.replace(film, placements=film.placements[:1], takes=film.takes[:1], cues=film.cues[:1])
    findings = found(film)
    assert {("1", "silence", "fail"), ("1", "reading", "fail")} <= findings
    assert {("1", check, "info") for check in ("rate", "stretch", "cut", "clipping", "loudness")} <= findings


def test_a_line_without_a_translation_fails():
    film = episodes.film(2)
    assert ("1", "text", "fail") in found(dataclasses.replace(film, translations=film.translations[:1]))


def test_a_voice_that_is_not_in_the_mix_fails_however_loud_the_music():
    film = episodes.film(2)
    music = np.random.default_rng(2).normal(0, 0.2, (2, 8 * episodes.SR)).astype(np.float32)
    assert ("1", "silence", "fail") in found(film, dub=Held(music, episodes.SR))


def test_a_silent_take_fails_though_the_dub_sounds():
    film = episodes.film(2)
    mute = episodes.fitted(film)
    name = film.segments[1].id
    mute[name] = np.zeros_like(mute[name])
    assert ("1", "silence", "fail") in found(film, fitted=mute)


def test_a_trimmed_take_is_found():
    film = episodes.film(2)
    short = {name: y[: y.size * 9 // 10] for name, y in episodes.fitted(film).items()}
    assert ("1", "cut", "fail") in found(film, fitted=short)
    assert ("1", "cut", "fail") in found(altered("placements", end=6100))


def test_flat_tops_are_counted_and_a_single_peak_is_none():
    film = episodes.film(2)
    dub, _, _ = episodes.tapes(film)
    at = audio.samples(5000, sr=dub.sr)
    dub.y[0, at : at + 2] = 1.0
    assert not [row for row in found(film, dub=dub) if row[1] == "clipping"]
    dub.y[0, at : at + 5] = 1.0
    assert ("1", "clipping", "warn") in found(film, dub=dub)
    dub.y[:, at : at + 50] = -1.0
    assert ("1", "clipping", "fail") in found(film, dub=dub)


def test_what_an_engine_clipped_is_found_though_it_was_fitted_since():
    film = episodes.film(2)
    name, as_fitted = film.segments[1].id, episodes.fitted(film)
    hot = 4 * as_fitted[name] / np.abs(as_fitted[name]).max()
    assert not [row for row in found(film, takes={name: hot}) if row[1] == "clipping"]
    spoken = {name: np.clip(hot, -1, 1)}
    assert ("1", "clipping", "fail") in found(film, takes=spoken)
    [row] = [row for row in scores_of(film, takes=spoken) if (row.check, row.verdict) == ("clipping", "fail")]
    assert row.evidence.startswith("its engine spoke it flat at full scale in ")
    assert row.action.startswith("Synthesise the line again")


@pytest.mark.parametrize(("gain", "verdict"), [(0.4, "warn"), (3.0, "warn"), (5.0, "fail")])
def test_a_line_much_louder_or_softer_than_the_original_is_found(gain: float, verdict: str):
    film = episodes.film(2)
    _, dialogue, _ = episodes.tapes(film)
    quieter = Held(dialogue.y / np.float32(gain), episodes.SR)
    assert ("1", "loudness", verdict) in found(film, dialogue=quieter)


def test_a_hole_in_a_take_is_found():
    film = episodes.film(2)
    fitted = episodes.fitted(film)
    fitted[film.segments[1].id][3000:30_000] = 0
    assert ("1", "pause", "warn") in found(film, fitted=fitted)


def test_lines_may_overlap_where_the_source_does():
    film = altered("placements", end=7600)
    turns = Table(Turn, [*film.turns, Turn(6500, 8000, "S2", "prints")])
    assert not [row for row in found(dataclasses.replace(film, turns=turns)) if row[1] == "overlap"]


def test_two_lines_that_overlap_in_the_source_may_do_so_a_little_later():
    film = episodes.film(2)
    segments = episodes.change(film.segments, 0, end=4300)
    placements = episodes.change(episodes.change(film.placements, 0, end=4500), 1, start=4200)
    moved = dataclasses.replace(film, segments=segments, placements=placements)
    assert not [row for row in found(moved) if row[1] == "overlap"]


def test_words_heard_without_assurance_are_found_and_silent_recognisers_are_not_blamed():
    film = episodes.film(1)
    unsure = [dataclasses.replace(word, confidence=0.3) for word in film.line_words]
    mute = [dataclasses.replace(word, confidence=None) for word in film.line_words]
    assert ("0", "confidence", "warn") in found(dataclasses.replace(film, line_words=Table(LineWord, unsure)))
    assert ("0", "confidence", "info") in found(dataclasses.replace(film, line_words=Table(LineWord, mute)))


def test_a_rude_word_that_was_surely_heard_is_left_alone():
    assert ("1", "rude words", "warn") not in found(rude("damn", 0.95))


@pytest.mark.parametrize("by", ["letters", "pocketsphinx"])
def test_words_that_a_reviewer_wrote_are_not_judged(by: str):
    written = {"text": "Damn,", "confidence": None, "engine": f"review via {by}"}
    assert found(altered("line_words", index=10, **written)) == found(episodes.film(3))


def test_a_line_of_which_most_may_be_invented_fails():
    film = episodes.film(1)
    invented = [dataclasses.replace(word, doubt="compression") for word in film.line_words]
    scores = scores_of(dataclasses.replace(film, line_words=Table(LineWord, invented)))
    (doubt,) = [row for row in scores if row.check == "doubt"]
    assert doubt.verdict == "fail"
    assert doubt.evidence == f"{len(invented)} of {len(invented)} words may be invented, by compression"


@pytest.mark.parametrize(("told", "heard"), [("en-GB", "en"), ("cmn", "zh"), ("nb", "no")])
def test_a_language_by_another_tag_is_no_other_language(told: str, heard: str):
    film = episodes.film(1, hearing=Table(Hearing, [Hearing("pocketsphinx", told, heard, 0.99)]))
    assert ("", "original language", "fail") not in found(film)


@pytest.mark.parametrize(("table", "kind"), [("translations", "translate"), ("takes", "tts")])
def test_an_engine_that_stepped_in_is_a_finding_of_the_film_and_of_its_lines(table: str, kind: str):
    film = altered(table, engine="another")
    assert {("", "engines", "warn"), ("1", "engine", "warn")} <= found(film)
    (of_film,) = [row for row in scores_of(film) if row.check == "engines"]
    assert f"{kind} by another where {film.chosen[kind]} is chosen" in of_film.evidence


def test_a_pivot_language_is_not_a_foreign_engine():
    assert ("1", "engine", "warn") not in found(altered("translations", engine="apertium via spa"))


@pytest.mark.parametrize(
    ("changes", "check", "verdict"),
    [
        ({"loudness": [Loudness(-23.7, -3, 5, 0)], "products": []}, "programme loudness", "warn"),
        ({"products": [Product("a.mp4", "film", "mp4", 8000, -21.0, -2, "")]}, "programme loudness", "fail"),
        ({"products": [Product("a.mp4", "film", "mp4", 8000, -23.0, -0.8, "")]}, "true peak", "warn"),
        ({"products": [Product("a.mp4", "film", "mp4", 8041, -23.0, -2, "")]}, "drift", "fail"),
        ({"duration": 7950}, "drift", "fail"),
        ({"separation": [Separation("none", 0.0, 0.0, 8000)]}, "separation", "warn"),
        ({"separation": [Separation("untouched", -20.0, -3.0, 0)]}, "engines", "warn"),
        ({"turns": [Turn(1000, 3400, "S1", "rttm")]}, "engines", "warn"),
        ({"hearing": [Hearing("pocketsphinx", "en", "ca", 0.95)]}, "original language", "fail"),
        ({"hearing": [Hearing("pocketsphinx", "en", "ca", 0.6)]}, "original language", "warn"),
        ({"hearing": [Hearing("pocketsphinx", "en", "", None)]}, "original language", "info"),
        ({"words": [Word(3500, 3900, "lost", 0.9, "pocketsphinx")]}, "left out", "warn"),
    ],
)
def test_a_flaw_of_the_whole_film_is_found(changes: dict, check: str, verdict: str):
    kinds = {
        "hearing": Hearing,
        "loudness": Loudness,
        "products": Product,
        "separation": Separation,
        "turns": Turn,
        "words": Word,
    }
    tables = {key: Table(kinds[key], rows) if key in kinds else rows for key, rows in changes.items()}
    assert ("", check, verdict) in found(episodes.film(2, **tables))


def test_one_frame_of_drift_is_allowed():
    products = Table(Product, [Product("a.mp4", "film", "mp4", 8040, -23.0, -2, "")])
    assert ("", "drift", "fail") not in found(episodes.film(2, products=products))


def test_a_film_without_speech_has_nothing_to_dub():
    film = episodes.film(0)
    assert found(film) == {("", "speech", "info")}


def test_takes_of_a_film_without_speech_are_invented():
    film = dataclasses.replace(episodes.film(1), segments=Table(Segment, []))
    assert ("", "speech", "fail") in found(film)


def test_marks_fall_with_each_finding_and_never_below_nothing():
    film = altered("placements", start=2900, tempo=2.0, lacking=900)
    scores = scores_of(film)
    marks = qa.marks(scores, opts=OPTS)
    assert marks[film.segments[2].id] == 100
    assert marks[film.segments[1].id] == 0
    assert qa.worst(scores)[film.segments[1].id] == "fail"


def test_the_same_records_give_the_same_scores():
    assert scores_of(episodes.flawed()).to_jsonl() == scores_of(episodes.flawed()).to_jsonl()


def test_options_are_whole():
    text = (ROOT / "params" / "qa.yaml").read_text(encoding="utf-8").replace("  drift: 40\n", "")
    with pytest.raises(RecordError, match="drift"):
        params.read(qa.Options, text, key="qa", where="params/qa.yaml")


LINE = episodes.gather(episodes.film(1), opts=OPTS)[0]


@given(
    texts=st.lists(st.text(max_size=60), min_size=1, max_size=4),
    tempo=st.floats(0.25, 4),
    start=st.integers(0, 6000),
    length=st.integers(0, 3000),
)
def test_no_text_nor_place_breaks_a_check(texts: list[str], tempo: float, start: int, length: int):
    film = episodes.film(1)
    line = dataclasses.replace(
        LINE,
        translation=dataclasses.replace(film.translations[0], text=texts[0], unknown=tuple(texts)),
        placement=dataclasses.replace(film.placements[0], start=start, end=start + length, tempo=tempo),
        cues=tuple(Cue(film.segments[0].id, 0, length + 1, text) for text in texts),
    )
    scores = list(qa.check(film, [line], opts=OPTS))
    assert len(scores) == len(qa.FILM_CHECKS) + len(qa.LINE_CHECKS)
    assert all(row.verdict in qa.VERDICTS and row.evidence for row in scores)


@pytest.mark.parametrize(("doubt", "says"), [("no speech", "the recogniser doubts each"), ("", "in no line")])
def test_words_that_nobody_said_are_told_apart_from_words_that_were_lost(doubt, says):
    film = episodes.film(1)
    more = [Word(film.duration - 20, film.duration, f"w{n}", 0.1, "test", doubt) for n in range(3)]
    film = dataclasses.replace(film, words=Table(Word, [*film.words, *more]))
    [score] = [row for row in scores_of(film) if row.check == "left out"]
    assert score.verdict == ("info" if doubt else "warn")
    assert says in score.evidence


@pytest.mark.parametrize(("off", "mix", "verdict"), [(69, 0, "ok"), (69, 69, "fail"), (300, 0, "fail")])
def test_the_last_packet_of_a_sound_file_is_no_drift(off, mix, verdict):
    film = episodes.film(1)
    stream = dataclasses.replace(film.probe[0].streams[0], kind="audio", frame_rate=0.0)
    probe = dataclasses.replace(film.probe[0], duration=film.duration - mix, streams=(stream,))
    product = Product("dub.m4a", "audio", "m4a", film.duration - mix + off, None, None, "")
    film = dataclasses.replace(film, probe=Table(type(probe), [probe]), products=Table(Product, [product]))
    [score] = [row for row in scores_of(film) if row.check == "drift"]
    assert score.verdict == verdict
