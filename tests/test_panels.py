"""The review panel's model: what a reviewer does, tried without a browser."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import sys
import time
import unicodedata
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests import episodes
from tests.test_qa import OPTS
from workbench import glossary, library, qa, review, tts
from workbench.errors import LibraryError, RecordError, StageError
from workbench.panels import listing, rerun, sounds
from workbench.panels.rerun import Rerun
from workbench.panels.review import PAGE, Review
from workbench.records import LineWord, Score, Table, Take
from workbench.review import sheets
from workbench.runs.rerun import lines as lines_of

FLAWED = episodes.flawed()
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@functools.cache
def found() -> Table[Score]:
    """What quality control says of the flawed film."""
    return Table(Score, qa.check(FLAWED, episodes.gather(FLAWED, opts=OPTS), opts=OPTS))


def write(dub: library.Dub, film=FLAWED, *, sr: int = 2000) -> None:
    """Lay a film's records and sounds out as its stages would; nothing is found in any but the flawed one."""
    tables = [
        film.probe, film.segments, film.line_words, film.castings, film.translations, film.takes,
        film.placements,
    ]  # fmt: skip
    fine = (Score(line.id, "text", "ok", None, None, "", "") for line in film.segments)
    tables.append(found() if film is FLAWED else Table(Score, fine))
    for table in tables:
        stage, name = library.PLACES[table.kind]
        library.write_text(dub.stage(stage) / name, table.to_jsonl())
    [probe] = film.probe
    y = np.random.default_rng(1).normal(0, 0.1, (2, probe.duration * sr // 1000)).astype(np.float32)
    for stage, name in (("media", "programme.wav"), ("mix/dub", "00000.wav")):
        dub.stage(stage).mkdir(parents=True, exist_ok=True)
        library.write_sound(dub.stage(stage) / name, y, sr=sr)
    dub.stage("tts").mkdir(exist_ok=True)
    for number, take in enumerate(film.takes):
        voice = episodes.voice(take.duration, seed=number, sr=4000)
        library.write_sound(dub.stage("tts") / take.sound, voice, sr=4000, subtype="FLOAT")


class Clock:
    """A time that goes on by a second whenever it is asked for."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@pytest.fixture
def dub(root):
    dub = library.dub("s/e", "es", root)
    write(dub)
    return dub


@pytest.fixture
def desk(dub):
    return Review(dub, who="ana", now=Clock())


def ids(desk: Review) -> list[str]:
    return [row["id"] for row in desk.rows]


def row(desk: Review, name: str) -> dict:
    return next(row for row in desk.rows if row["id"] == name)


class TestTheList:
    def test_stands_with_the_worst_lines_first(self, desk):
        verdicts = [qa.VERDICTS.index(row["verdict"]) for row in desk.rows]
        assert verdicts == sorted(verdicts, reverse=True)
        assert verdicts[0] == qa.VERDICTS.index("fail")
        assert desk.selected == ids(desk)[0]

    def test_stands_in_order_of_time_when_asked(self, desk):
        desk.order = "time"
        assert ids(desk) == [line.id for line in FLAWED.segments]

    @pytest.mark.parametrize("verdict", ["fail", "warn", "info"])
    def test_is_narrowed_by_verdict_and_the_counts_say_so(self, desk, verdict):
        desk.verdict = verdict
        assert ids(desk)
        assert {row["verdict"] for row in desk.rows} == {verdict}
        assert desk.summary["shown"] == desk.summary["verdicts"][verdict] == len(desk.rows)

    def test_is_narrowed_by_speaker_and_by_state(self, desk):
        desk.approve()
        approved = desk.selected
        desk.speaker = "S2"
        assert {row["speaker"] for row in desk.rows} == {"S2"}
        desk.speaker, desk.state = "", "approved"
        assert ids(desk) == [approved]
        desk.state = "open"
        assert approved not in ids(desk)

    @pytest.mark.parametrize("words", ["CLOCK by sea", "reloj por MAR"])
    def test_is_searched_in_either_text_without_case(self, desk, words):
        desk.search = words
        assert len(ids(desk)) == 2
        assert all("clock" in row["source"] for row in desk.rows)

    def test_comes_in_pages(self, root):
        dub = library.dub("s/e", "es", root)
        write(dub, episodes.film(PAGE + 5), sr=500)
        desk = Review(dub, who="ana")
        desk.order = "time"
        assert (len(desk.rows), desk.summary["pages"], desk.page) == (PAGE, 2, 0)
        desk.page = 1
        assert (len(desk.rows), desk.summary["first"]) == (5, PAGE)
        desk.selected = ids(desk)[0]
        desk.next(-1)
        assert (desk.page, desk.selected) == (0, ids(desk)[-1])
        desk.search = "nobody says this"
        assert (desk.rows, desk.page, desk.summary["shown"]) == ([], 0, 0)

    def test_is_walked_line_by_line_and_ends_at_its_ends(self, desk):
        first, second = ids(desk)[:2]
        desk.next()
        assert desk.selected == second
        desk.next(-1)
        desk.next(-1)
        assert desk.selected == first
        desk.next(1000)
        assert desk.selected == ids(desk)[-1]

    def test_goes_on_from_where_a_line_left_it(self, desk):
        desk.state = "open"
        before = ids(desk)
        desk.selected = before[3]
        desk.approve()
        assert before[3] not in ids(desk)
        desk.next()
        assert desk.selected == before[4]


class TestALineThatIsHeardShorter:
    """One with a second take, which is placed because the first lacked time."""

    TEXT = "Hasta luego, hermana."

    @pytest.fixture
    def desk(self, dub):
        whole, short = FLAWED.takes[3], dict(sound="shorter.wav", samples=11_025, key="shorter")
        take = dataclasses.replace(
            whole, **short, tts_text=self.TEXT, text_pre_pronunciation=self.TEXT,
            instead_of=whole.text_pre_pronunciation,
        )  # fmt: skip
        film = dataclasses.replace(
            FLAWED,
            takes=Table(Take, [*FLAWED.takes, take]),
            placements=episodes.change(FLAWED.placements, 3, take=1),
        )
        write(dub, film)
        desk = Review(dub, who="ana", now=Clock())
        desk.selected = whole.segment
        return desk

    def test_shows_that_text_and_that_take(self, desk):
        assert row(desk, desk.selected)["target"] == desk.detail["targetWas"] == self.TEXT
        assert (desk.detail["take"]["key"], desk.detail["take"]["ms"]) == ("shorter", 500)
        assert desk.detail["flags"] == []

    def test_is_approved_and_locked_as_it_is_heard(self, desk, dub):
        desk.approve()
        desk.do("lock")
        approval, lock = (review.value(one) for one in review.read(dub.review("qa", "tts")))
        assert (approval.text, approval.take) == (self.TEXT, "shorter")
        assert lock.kept.key == "shorter"
        assert lock.sound == tts.digest(library.read_sound(dub.stage("tts") / "shorter.wav")[0])
        assert set(desk.detail["flags"]) <= {"locked"}
        assert row(desk, desk.selected)["state"] == "approved"

    def test_goes_into_the_review_sheet_so(self, desk, dub):
        lines = lines_of(dub, [])
        [cell] = [one.target for one in sheets.rows(lines, dub=dub.key) if one.id == desk.selected]
        assert cell == self.TEXT

    def test_is_edited_like_any_other(self, desk):
        desk.edit("Adiós, hermana.")
        assert row(desk, desk.selected)["target"] == "Adiós, hermana."
        assert desk.detail["targetWas"] == self.TEXT


class TestDecisions:
    def test_are_on_the_disk_at_once(self, desk, dub):
        desk.approve()
        [decision] = review.read(dub.review("qa"))
        assert (decision.subject, decision.action, decision.who) == (desk.selected, "approve", "ana")
        assert desk.message == ""
        assert row(desk, desk.selected)["state"] == "approved"
        assert desk.summary["approved"] == 1

    def test_are_found_again_by_the_next_session(self, desk, dub):
        desk.edit("Hasta luego.")
        desk.reject()
        again = Review(dub, who="ana")
        again.selected = desk.selected
        assert again.detail["target"] == "Hasta luego."
        assert again.detail["state"] == "rejected"

    def test_of_two_sessions_are_all_kept_and_seen(self, dub):
        clock = Clock()
        ana, ben = Review(dub, who="ana", now=clock), Review(dub, who="ben", now=clock)
        one, two = ids(ana)[:2]
        ana.selected, ben.selected = one, two
        ana.approve()
        ben.edit("Hasta luego.")
        ana.refresh()
        assert (row(ana, one)["state"], row(ana, two)["target"]) == ("approved", "Hasta luego.")
        assert (row(ben, one)["state"], row(ben, two)["target"]) == ("approved", "Hasta luego.")

    def test_that_contradict_each_other_are_shown_to_both(self, dub):
        clock = Clock()
        ana = Review(dub, who="ana", now=clock)
        line = ana._line
        ana.dub.append("qa", review.decide("reject", line, who="ben", at=clock()))
        ana.dub.append("qa", review.decide("approve", line, who="ana", at=clock()))
        ana.refresh()
        assert "conflict" in ana.detail["flags"]
        assert {one["standing"] for one in ana.detail["decisions"]} == {"conflict"}

    def test_are_undone_one_by_one(self, desk):
        line = desk.selected
        was = desk.detail["target"]
        desk.edit("Hasta luego.")
        desk.approve()
        desk.undo()
        assert (desk.detail["state"], desk.detail["target"]) == ("edited", "Hasta luego.")
        desk.undo()
        assert (desk.detail["state"], desk.detail["target"]) == ("open", was)
        desk.undo()
        assert desk.message == "nothing to undo"
        assert desk.selected == line

    def test_of_others_are_not_undone(self, desk, dub):
        desk.approve()
        ben = Review(dub, who="ben")
        ben.undo()
        desk.refresh()
        assert desk.detail["state"] == "approved"

    def test_of_others_are_reopened_and_that_stands_in_the_log(self, desk, dub):
        desk.approve()
        ben = Review(dub, who="ben", now=Clock())
        ben.selected = desk.selected
        assert ben.do("reopen")
        desk.refresh()
        assert (desk.detail["state"], desk.summary["approved"]) == ("open", 0)
        assert [(one["who"], one["action"]) for one in desk.detail["decisions"]] == [("ben", "reopen")]
        ben.undo()
        desk.refresh()
        assert desk.detail["state"] == "approved"

    def test_approve_what_is_being_written_or_nothing(self, desk):
        assert desk.do("approve", text="Hasta luego.", source="So long.")
        assert (desk.detail["state"], desk.detail["target"]) == ("approved", "Hasta luego.")
        assert desk.detail["source"] == "So long."
        desk.next()
        assert not desk.do("approve", text="x" * 10_000)
        assert desk.detail["state"] == "open"

    def test_remove_a_line_and_add_another(self, desk, dub):
        line, lines = desk.selected, desk.summary["lines"]
        assert desk.do("remove")
        assert {"removed", "pending"} <= set(desk.detail["flags"])
        assert desk.do("add", 100, 900, "S1", "Hello?")
        new = desk.selected
        assert {"added", "pending"} <= set(desk.detail["flags"])
        assert (desk.detail["source"], desk.detail["target"], desk.detail["take"]) == ("Hello?", "", None)
        assert desk.summary["lines"] == lines + 1
        made, left = review.revise(FLAWED.segments, review.read(dub.review("segment")))
        assert not left
        assert new in {row.id for row in made}
        assert line not in {row.id for row in made}
        desk.undo()
        assert new not in ids(desk)
        desk.undo()
        desk.selected = line
        assert "removed" not in desk.detail["flags"]

    def test_on_all_lines_without_findings_are_one_act(self, desk):
        fine = desk.summary["verdicts"]["ok"] + desk.summary["verdicts"]["info"]
        assert fine > 3
        desk.approve_ok()
        assert desk.summary["approved"] == fine
        assert {r["verdict"] for r in desk.rows if r["state"] == "approved"} <= {"ok", "info"}
        desk.undo()
        assert desk.summary["approved"] == 0

    def test_on_all_lines_leave_out_what_somebody_has_touched(self, desk):
        desk.verdict = "info"
        desk.selected = ids(desk)[0]
        desk.reject()
        desk.approve_ok()
        assert row(desk, desk.selected)["state"] == "rejected"

    def test_lock_and_unlock_the_take_that_was_heard(self, desk, dub):
        desk.do("lock")
        [decision] = review.read(dub.review("tts"))
        assert review.value(decision).kept.segment == desk.selected
        assert desk.detail["locked"]
        desk.do("lock")
        assert not desk.detail["locked"]

    def test_ask_for_one_new_take_after_the_other(self, desk, dub):
        desk.do("regenerate")
        desk.do("regenerate")
        seeds = [review.value(decision).seed for decision in review.read(dub.review("tts"))]
        assert seeds == [1, 2]

    def test_put_a_line_out_of_the_picture_and_back(self, desk, dub):
        desk.do("off_screen")
        assert "off_screen" in desk.detail["flags"]
        desk.do("off_screen")
        assert "off_screen" not in desk.detail["flags"]
        seen = [review.value(decision).off_screen for decision in review.read(dub.episode.review("segment"))]
        assert seen == [True, False]

    def test_that_change_nothing_are_none(self, desk, dub):
        desk.edit(f"  {desk.detail['target']} ")
        desk.note("  ")
        assert len(review.read(dub.review(*review.LOGS))) == 0

    def test_keep_every_sign_of_what_was_written(self, desk, dub):
        desk.edit(EVIL)
        desk.note(EVIL)
        again = Review(dub, who="ben")
        again.selected = desk.selected
        assert again.detail["target"] == EVIL
        assert [one["text"] for one in again.detail["decisions"]] == [EVIL, EVIL]


class TestWhatShapesALine:
    """Each act stands in the log of the stage that applies it, and the next rerun goes from there."""

    @pytest.fixture
    def decided(self, dub, desk):
        desk.selected = FLAWED.segments[3].id

        def in_the_log(stage):
            [decision] = review.read(dub.review(stage))
            assert decision.subject == desk.selected
            assert f"goes from {stage} on" in desk.message
            assert [one["log"] for one in desk.detail["decisions"]] == [stage]
            assert "pending" in desk.detail["flags"]
            return review.value(decision)

        return in_the_log

    def test_split_between_two_words_that_were_heard(self, desk, dub, decided):
        cut, first, second = desk.detail["cuts"][1]
        desk.do("split", cut)
        assert decided("segment").cut == cut
        made, left = review.revise(FLAWED.segments, review.read(dub.review("segment")))
        assert not left
        assert [row.text for row in made if row.start in (desk.detail["start"], cut)] == [first, second]
        assert f"{first} {second}" == FLAWED.segments[3].text

    def test_merge_with_the_next_line(self, desk, dub, decided):
        desk.do("merge")
        assert decided("segment").other == review.Anchor.of(FLAWED.segments[4])
        made, _ = review.revise(FLAWED.segments, review.read(dub.review("segment")))
        assert len(made) == len(FLAWED.segments) - 1

    def test_retime(self, desk, decided):
        desk.do("retime", desk.detail["start"] + 100, desk.detail["end"])
        assert decided("segment").start == FLAWED.segments[3].start + 100

    def test_reassign_to_another_speaker(self, desk, decided):
        [other] = set(desk.summary["speakers"]) - {desk.detail["speaker"]}
        desk.do("reassign", other)
        assert decided("segment").speaker == other

    def test_a_new_take_with_a_seed_a_rate_and_a_setting_of_the_engine(self, desk, decided):
        [name] = desk.detail["settings"]
        desk.do("regenerate", seed=7, rate=1.1, **{name: 140})
        asked = decided("tts")
        assert (asked.seed, asked.rate, asked.options) == (7, 1.1, {name: 140})

    @pytest.mark.parametrize(("scope", "everywhere"), [("line", False), ("dub", True)])
    def test_a_word_and_how_it_sounds(self, desk, decided, scope, everywhere):
        word = desk.detail["target"].split()[-1].strip(".?!")
        desk.do("pronounce", f" {word} ", "bar-co", scope)
        said = decided("tts")
        assert (said.term, said.tts, said.locale, said.everywhere) == (word, "bar-co", "es", everywhere)

    def test_a_word_of_the_series_is_written_into_its_style_guide(self, desk, dub):
        path = dub.episode.series.folder / "style_guide.es.yaml"
        desk.do("pronounce", "Kobayashi", "cobaiachi", "series")
        [rule] = glossary.read(dub.style_guide()).pronunciation_lexicon
        assert (rule.term, rule.tts, rule.locale) == ("Kobayashi", "cobaiachi", "es")
        assert path.name in desk.message
        assert "the next rerun speaks it" in desk.message
        assert len(review.read(dub.review(*review.LOGS))) == 0

    @pytest.mark.parametrize(
        ("verb", "given", "named", "says"),
        [
            ("split", (1,), {}, "no word begins at 1 ms"),
            ("retime", (5000, 4000), {}, "cannot last from 5000 to 4000"),
            ("retime", (0, 10**9), {}, "the film has"),
            ("reassign", ("S9",), {}, "nobody of that name says a line"),
            ("pronounce", ("GIF", " "), {}, "one side is empty"),
            ("pronounce", ("Nabucodonosor", "x"), {}, "the line does not say it"),
            ("regenerate", (), {"rate": 9.0}, "the rate is 9.0"),
            ("regenerate", (), {"colour": "red"}, "colour is no such setting"),
            ("regenerate", (), {"words_per_minute": 0}, "Expected `int` >= 80"),
            ("reopen", (), {}, "neither approved nor rejected"),
            ("add", (0, 10**9, "S1", "More."), {}, "the film has"),
            ("add", (0, 900, "S9", "More."), {}, "nobody of that name says a line"),
            ("add", (900, 100, "S1", "More."), {}, "cannot last from 900 to 100"),
            ("add", (0, 90, "S1", " "), {}, "a new line has a text"),
        ],
    )
    def test_what_cannot_be_is_said_and_not_decided(self, desk, dub, verb, given, named, says):
        desk.do(verb, *given, **named)
        assert says in desk.message
        assert len(review.read(dub.review(*review.LOGS))) == 0

    def test_the_form_knows_the_bounds_of_the_engine(self, desk):
        assert desk.detail["bounds"] == {"words_per_minute": [80, 440]}

    def test_a_term_is_changed_in_whichever_form_it_is_typed(self, desk, dub):
        for form in ("NFC", "NFD", "NFC"):
            desk.do("pronounce", unicodedata.normalize(form, "Zoë"), f"so {form}", "series")
            [rule] = glossary.read(dub.episode.series.style_guide("es")).pronunciation_lexicon
            assert rule.tts == f"so {form}"
        desk.edit(unicodedata.normalize("NFD", "Adiós, Zoë."))
        assert desk.do("pronounce", "Zoë", "soe")

    def test_the_last_line_has_none_to_be_joined_with(self, desk):
        desk.selected = FLAWED.segments[len(FLAWED.segments) - 1].id
        desk.do("merge")
        assert desk.detail["last"]
        assert "it is the last one" in desk.message

    def test_a_corrected_line_is_split_where_its_words_were_heard(self, desk):
        desk.selected = FLAWED.segments[3].id
        words = desk.detail["source"].split()
        desk.edit_source(" ".join(["Well,", *words]))
        assert [f"{one} {two}" for _, one, two in desk.detail["cuts"]] == [" ".join(["Well,", *words])] * len(
            desk.detail["cuts"]
        )
        desk.edit_source("Nothing like it.")
        assert desk.detail["cuts"] == []

    def test_a_line_that_was_made_anew_is_split_between_the_words_that_it_has_now(self, dub):
        line, texts = FLAWED.segments[3], ["Nothing", "like", "it."]
        edges = range(line.start, line.end + 1, (line.end - line.start) // 3)
        words = [
            LineWord(a, b, text, None, "review via pocketsphinx", segment=line.id)
            for text, (a, b) in zip(texts, pairwise(edges), strict=True)
        ]
        others = FLAWED.line_words.where(lambda word: word.segment != line.id)
        segments = episodes.change(FLAWED.segments, 3, text=" ".join(texts))
        write(
            dub, dataclasses.replace(FLAWED, segments=segments, line_words=Table(LineWord, [*others, *words]))
        )
        desk = Review(dub, who="ana")
        desk.selected = line.id
        assert desk.detail["cuts"] == [[edges[1], "Nothing", "like it."], [edges[2], "Nothing like", "it."]]
        desk.listen()
        assert [text for start, _, text in desk.sound["words"] if line.start <= start < line.end] == texts


class TestTheSelectedLine:
    def test_shows_what_was_found_and_what_to_do(self, desk):
        findings = desk.detail["findings"]
        assert findings
        assert all(found["evidence"] and found["action"] for found in findings)
        assert {found["verdict"] for found in findings} <= {"warn", "fail"}

    def test_guesses_the_length_of_a_text_of_signs_alone_by_the_other_takes(self, dub):
        takes = [*FLAWED.takes]
        takes[0] = dataclasses.replace(takes[0], text_pre_pronunciation="&", tts_text="y")
        write(dub, dataclasses.replace(FLAWED, takes=Table(Take, takes)))
        desk = Review(dub, who="ana")
        desk.selected = takes[0].segment
        desk.guess("Hola, hermana.")
        assert desk.detail["draft"]["length"]["ms"] > 0

    def test_tells_what_its_take_says_where_that_is_not_as_it_is_written(self, dub):
        takes = [*FLAWED.takes]
        takes[0] = dataclasses.replace(takes[0], text_pre_pronunciation="3 kg", tts_text="3 kilogramos")
        write(dub, dataclasses.replace(FLAWED, takes=Table(Take, takes)))
        desk = Review(dub, who="ana")
        said = []
        for take in takes[:2]:
            desk.selected = take.segment
            said.append(desk.detail["take"]["said"])
        assert said == ["3 kilogramos", ""]

    def test_shows_an_edit_before_and_after_with_its_length(self, desk):
        desk.selected = FLAWED.segments[0].id
        desk.guess("Buenos días, ¿ha llegado el barco de las islas?")
        draft = desk.detail["draft"]
        assert ["new", " de las islas"] in draft["changes"]
        assert draft["length"]["ms"] > desk.detail["length"]["ms"]

    def test_guesses_the_length_of_its_own_text_right(self, desk):
        desk.selected = FLAWED.segments[0].id
        take = desk.detail["take"]
        assert desk.detail["length"]["ms"] == pytest.approx(take["ms"] * take["rate"], abs=2)

    def test_is_drawn_with_its_neighbours_and_words(self, desk):
        desk.order = "time"
        desk.selected = ids(desk)[3]
        desk.listen()
        names = [line["id"] for line in desk.sound["lines"]]
        assert ids(desk)[3] in names
        assert len(names) >= 2
        assert desk.sound["start"] < desk.detail["start"] < desk.detail["end"] < desk.sound["end"]
        said = " ".join(word for *_, word in desk.sound["words"])
        assert desk.detail["source"] in said

    def test_says_why_it_cannot_be_played_without_a_server(self, desk, monkeypatch):
        monkeypatch.delenv("JPY_PARENT_PID", raising=False)
        desk.listen()
        assert "make lab" in desk.sound["said"]
        assert desk.sound["urls"] == {}


class TestTheSounds:
    @pytest.fixture
    def serving(self, tmp_path_factory, monkeypatch, root):
        runtime = tmp_path_factory.mktemp("runtime")
        (runtime / "jpserver-7.json").write_text(
            json.dumps({"root_dir": str(root), "base_url": "/user/ana/", "pid": 7})
        )
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
        monkeypatch.setenv("JPY_PARENT_PID", "7")
        return runtime

    def test_are_served_as_small_files_by_the_server_of_the_notebook(self, serving, desk, dub, root):
        desk.listen()
        urls = desk.sound["urls"]
        assert set(urls) == {"source", "dub", "take"}
        for url in urls.values():
            match = re.fullmatch(r"/user/ana/files/(reports/s/e/es/clips/\w+\.ogg)\?v=\w+", url)
            assert match, url
            assert 0 < (root / match[1]).stat().st_size < 200_000
        assert len(desk.sound["peaks"]["dub"]) == sounds.COLUMNS

    def test_are_not_made_twice_and_do_not_pile_up(self, serving, desk, dub, monkeypatch):
        monkeypatch.setattr(sounds, "MOST_CLIPS", 5)
        desk.listen()
        first = desk.sound
        desk.listen()
        assert desk.sound == first
        for _ in range(4):
            desk.next()
            desk.listen()
        assert desk.sound["urls"] != first["urls"]
        assert len(list((dub.reports / "clips").glob("*.ogg"))) <= 6

    def test_follow_a_new_take(self, serving, desk, dub):
        desk.listen()
        before = desk.sound["urls"]
        with dub.writing("tts") as out:
            out.table(FLAWED.takes)
            for take in FLAWED.takes:
                out.sound(take.sound, episodes.voice(200, sr=4000), sr=4000, subtype="FLOAT")
        desk.refresh()
        assert desk.sound["urls"]["take"] != before["take"]
        assert desk.sound["urls"]["dub"] == before["dub"]

    def test_of_a_library_that_the_server_does_not_hold_are_refused(self, serving, tmp_path):
        with pytest.raises(LibraryError, match="make lab"):
            sounds.server().url(tmp_path.parent / "elsewhere.ogg")


def test_peaks_follow_the_sound():
    y = np.zeros((2, 8000), np.float32)
    y[1, 4000:] = -0.5
    drawn = sounds.peaks(y, columns=10)
    assert drawn == [0] * 5 + [50] * 5
    assert sounds.peaks(y[:, :0], columns=3) == [0, 0, 0]
    assert len(sounds.peaks(y[:, :2], columns=10)) == 10


def test_changes_are_told_word_by_word_and_lose_nothing():
    before, after = "Hola, Ana. ¿Vienes?", "Hola. ¿Vienes hoy, Ana?"
    found = listing.changes(before, after)
    assert "".join(text for kind, text in found if kind != "new") == before
    assert "".join(text for kind, text in found if kind != "gone") == after


class TestReruns:
    def script(self, tmp_path: Path, text: str) -> tuple[str, ...]:
        path = tmp_path / "rerun.py"
        path.write_text(text)
        return (sys.executable, str(path))

    def ended(self, desk: Review) -> None:
        while True:
            desk.do("refresh")
            if desk.progress["state"] != "running":
                return
            time.sleep(0.02)

    def test_go_on_beside_the_panel_and_show_where_they_stand(self, dub, tmp_path):
        go = tmp_path / "go"
        command = self.script(
            tmp_path,
            "import pathlib, sys, time\n"
            "print(\"Running stage 'tts@s/e/es':\", flush=True)\n"
            f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(.01)\n"
            "print('ARGUMENTS', *sys.argv[1:])\n"
            "print('s/e/es  lines asked: 1, takes changed: 1')\n",
        )
        desk = Review(dub, who="ana", rerun=Rerun(dub, command))
        desk.do("rerun")
        while desk.progress["stage"] != "tts":
            desk.do("refresh")
            assert desk.progress["state"] == "running"
        other = Review(dub, who="ben", rerun=Rerun(dub, command))
        assert other.progress["state"] == "running"
        other.do("rerun")
        assert "a rerun is under way" in other.message
        go.touch()
        self.ended(desk)
        assert desk.progress["state"] == "done"
        assert desk.message == "the rerun is done; lines asked: 1, takes changed: 1"
        self.ended(other)
        assert other.progress["state"] == "done"
        assert f"ARGUMENTS s/e/es --segments {desk.selected} --who ana" in Rerun(dub).log.read_text()

    def test_that_end_while_they_are_looked_at_are_done(self, dub, monkeypatch):
        one = Rerun(dub)
        one.log.parent.mkdir(parents=True)
        one.log.write_text("Running stage 'tts@s/e/es':\n")

        def ends(*_: object) -> bool:
            one.log.write_text("s/e/es  lines asked: 1, takes changed: 1\n")
            return True

        monkeypatch.setattr(rerun, "_free", ends)
        assert (one.progress().state, one.progress().said[:14]) == ("done", "lines asked: 1")

    def test_that_fail_say_so_also_to_the_next_session(self, dub, tmp_path):
        command = self.script(
            tmp_path,
            "print('workbench: rerun x of y: resynth_failed: no voice. Mend it.')\nraise SystemExit(1)\n",
        )
        desk = Review(dub, who="ana", rerun=Rerun(dub, command))
        desk.do("rerun_approved")
        self.ended(desk)
        for one in (desk, Review(dub, who="ben")):
            assert one.progress["state"] == "failed"
            assert "resynth_failed: no voice" in one.progress["said"]

    def test_that_are_killed_count_as_failed(self, dub, tmp_path):
        command = self.script(tmp_path, "import os\nos.kill(os.getpid(), 9)\n")
        desk = Review(dub, who="ana", rerun=Rerun(dub, command))
        desk.do("rerun")
        self.ended(desk)
        for one in (desk, Review(dub, who="ben")):
            assert (one.progress["state"], one.progress["said"]) == ("failed", "It was ended from outside.")

    def test_bring_their_new_takes_to_the_panel(self, dub, desk):
        line = desk.selected
        takes = [*FLAWED.takes]
        index = next(i for i, take in enumerate(takes) if take.segment == line)
        new = episodes.change(FLAWED.takes, index, samples=22_050, key="new")
        was = desk.detail["take"]["ms"]
        with dub.writing("tts") as out:
            out.table(new)
            for take in new:
                out.sound(take.sound, episodes.voice(200, sr=4000), sr=4000, subtype="FLOAT")
        desk.refresh()
        assert (desk.selected, desk.detail["take"]["ms"]) == (line, 1000)
        assert was != 1000


class TestWhatThePageSends:
    @pytest.mark.parametrize(
        ("verb", "given"),
        [("__init__", ()), ("_append", ()), ("who", ()), ("edit", ("a", "b")), ("edit", (["a"],)), ("", ())],
    )
    def test_is_done_only_where_it_is_a_verb(self, desk, dub, verb, given):
        desk.do(verb, *given)
        assert "there is no such act" in desk.message
        assert len(review.read(dub.review(*review.LOGS))) == 0

    def test_is_answered_by_a_message_where_it_cannot_be_done(self, desk):
        desk.selected = "s99999999"
        assert desk.detail == {}
        desk.do("approve")
        assert "has no such line" in desk.message
        desk.next()
        desk.do("edit", "x" * 100_000)
        assert "5000 characters" in desk.message
        desk.do("edit", " ")
        assert "cannot become empty" in desk.message

    @pytest.mark.parametrize("given", [(None,), ("half of a pair \ud800",), ("an end \x00",)])
    @pytest.mark.parametrize("verb", ["edit", "edit_source", "note"])
    def test_is_refused_aloud_where_it_is_no_text(self, desk, dub, verb, given):
        assert not desk.do(verb, *given)
        assert desk.message
        assert len(review.read(dub.review(*review.LOGS))) == 0


def test_a_broken_log_is_named_and_nothing_is_lost(desk, dub):
    desk.approve()
    log = dub.review_log("qa")
    log.write_text(log.read_text() + "<<<<<<< HEAD\n")
    before = log.read_text()
    with pytest.raises(RecordError, match=r"qa\.jsonl, line 2"):
        Review(dub, who="ana")
    desk.do("refresh")
    assert "qa.jsonl, line 2" in desk.message
    assert log.read_text() == before


def test_a_dub_that_is_not_made_says_what_to_run(root):
    with pytest.raises(LibraryError, match="workbench repro s/e/es"):
        Review(library.dub("s/e", "es", root), who="ana")


def test_a_second_rerun_at_once_is_refused(dub, tmp_path):
    path = tmp_path / "wait.py"
    path.write_text("import time; time.sleep(1)")
    one = Rerun(dub, (sys.executable, str(path)))
    one.start([])
    with pytest.raises(StageError, match="under way"):
        Rerun(dub, (sys.executable, str(path))).start([])
    while one.progress().state == "running":
        time.sleep(0.02)
    assert one.progress().state == "failed"


def test_the_page_is_answered_also_where_an_act_fails(desk, monkeypatch):
    from workbench.panels.review import view

    board, sent = view(desk), []
    monkeypatch.setattr(board, "send", sent.append)
    board._handle_custom_msg({"verb": "edit", "given": [5]}, [])  # no page of ours says so
    board._handle_custom_msg({"verb": "next", "number": 7}, [])
    assert sent == [{"number": None, "ok": False}, {"number": 7, "ok": True}]


def test_the_view_only_links(desk):
    from workbench.panels.review import view

    board = view(desk)
    assert (board.rows, board.selected) == (desk.rows, desk.selected)
    board.verdict = "fail"
    assert desk.verdict == "fail"
    assert board.rows == desk.rows
    desk.next()
    assert board.selected == desk.selected
    board._handle_custom_msg({"verb": "approve", "given": []}, [])
    assert board.detail["state"] == desk.detail["state"] == "approved"
