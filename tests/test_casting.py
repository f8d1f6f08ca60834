"""The casting panel's model: who plays whom, tried without a browser."""

import json

import pytest

from tests import episodes
from tests.test_panels import Clock, write
from workbench import cast, library, review
from workbench.panels.casting import Casting, view
from workbench.records import Casting as Cast
from workbench.records import Clip, EngineVoice, Speaker, Table, Turn

FILM = episodes.film(4)


class Fake:
    """Speaks noise in two voices."""

    name, identity = "espeak", "1"

    def voices(self, language):
        return (EngineVoice("f1", "", 200.0), EngineVoice("f9", "", 100.0))

    def speak(self, text, *, voice, language, rate, seed):
        return episodes.voice(500, seed=len(voice), sr=4000), 4000


@pytest.fixture
def dub(root):
    dub = library.dub("s/e", "es", root)
    write(dub, FILM)
    turns = Table(Turn, [Turn(row.start, row.end, row.speaker, "e") for row in FILM.segments])
    prints = {"S1": (1.0, 0.0), "S2": (0.6, 0.8)}
    speakers = [Speaker(name, 4000, 120.0, 100.0, 140.0, own, "e") for name, own in prints.items()]
    clips = Table(Clip, [Clip("S1", 0, 900, 20.0, f"S1-{n}.wav") for n in range(4)])
    castings = Table(
        Cast, [Cast("S1", "f1", "espeak", 0.9, "pitch"), Cast("S2", "f9", "espeak", 0.9, "pitch")]
    )
    for table in (turns, Table(Speaker, speakers), clips, castings):
        stage, name = library.PLACES[table.kind]
        library.write_text(dub.stage(stage) / name, table.to_jsonl())
    for clip in clips:
        library.write_sound(dub.stage("voices") / clip.sound, episodes.voice(900, seed=clip.start), sr=4000)
    return dub


@pytest.fixture
def desk(dub):
    return Casting(dub, engine=Fake(), who="ana", now=Clock())


@pytest.fixture
def serving(tmp_path_factory, monkeypatch, root):
    runtime = tmp_path_factory.mktemp("runtime")
    (runtime / "jpserver-7.json").write_text(json.dumps({"root_dir": str(root), "base_url": "/"}))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("JPY_PARENT_PID", "7")


def test_each_speaker_stands_with_the_voice_and_the_distance_to_the_others(desk):
    assert [(row["speaker"], row["voice"], row["distances"]) for row in desk.rows] == [
        ("S1", "f1", {"S2": 0.4}),
        ("S2", "f9", {"S1": 0.4}),
    ]


def test_a_choice_is_a_decision_that_the_voices_stage_takes(desk, dub):
    desk.do("choose", "S1", "f9")
    found = cast.reviewed(review.read(dub.review("cast")), dub.read(Turn), engine="espeak")
    assert cast.decided(found) == {"S1": "f9"}
    assert [row["chosen"] for row in desk.rows] == ["f9", ""]
    assert list(dub.review("cast")) == ["data/s/e/es/review/cast.jsonl"]


def test_a_choice_stays_with_the_person_when_labels_change(desk, dub):
    desk.do("choose", "S1", "f9")
    swapped = {"S1": "S2", "S2": "S1"}
    turns = Table(Turn, [Turn(t.start, t.end, swapped[t.speaker], "e") for t in dub.read(Turn)])
    found = cast.reviewed(review.read(dub.review("cast")), turns, engine="espeak")
    assert cast.decided(found) == {"S2": "f9"}


def test_the_next_choice_takes_the_place_of_another_persons_and_undo_brings_it_back(desk, dub):
    desk.do("choose", "S1", "f9")
    bob = Casting(dub, engine=Fake(), who="bob", now=Clock())
    bob.now = desk.now
    bob.do("choose", "S1", "f1")
    assert (bob.rows[0]["chosen"], bob.rows[0]["open"]) == ("f1", [])
    bob.do("undo")
    assert bob.rows[0]["chosen"] == "f9"
    bob.do("undo")
    assert bob.message == "nothing to undo"


def test_two_who_did_not_know_of_each_other_are_shown(dub):
    ana, bob = (Casting(dub, engine=Fake(), who=who, now=Clock()) for who in ("ana", "bob"))
    ana.do("choose", "S1", "f9")
    bob.do("choose", "S1", "f1")
    assert bob.rows[0]["open"] == ["conflict"]
    assert bob.rows[0]["chosen"] == ""


def test_an_unknown_voice_is_refused(desk, dub):
    desk.do("choose", "S1", "f7")
    assert "there is no such choice" in desk.message
    assert len(review.read(dub.review("cast"))) == 0


def test_clips_take_and_sample_are_served_as_files(serving, desk, root):
    desk.do("listen", "S1")
    assert len(desk.sounds["S1"]["clips"]) == 3
    desk.do("hear", "S1", "f9")
    for url in (*desk.sounds["S1"]["clips"], desk.sounds["S1"]["take"], desk.sample["url"]):
        path = url.removeprefix("/files/").partition("?")[0]
        assert 0 < (root / path).stat().st_size < 100_000
    assert desk.sample["voice"] == "f9"


def test_a_speaker_without_clips_and_lines_is_silent(serving, desk):
    desk.do("listen", "S3")
    assert desk.sounds["S3"] == {"clips": [], "take": ""}
    desk.do("hear", "S3", "f9")
    assert "there is no sample" in desk.message


def test_the_view_only_links(desk):
    import ipywidgets

    shown = view(desk)
    row = shown.children[1]
    voice, choose = row.children[1].children[1], row.children[1].children[3]
    assert isinstance(voice, ipywidgets.Dropdown)
    assert voice.value == "f1"
    voice.value = "f9"
    choose.click()
    assert desk.rows[0]["chosen"] == "f9"
    assert "chosen for the next run: f9" in row.children[0].children[1].value
    assert shown.children[0].children[1].value == desk.message
