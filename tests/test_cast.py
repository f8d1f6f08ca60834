"""Whose voice speaks for whom: by pitch, by a person's word, and in the language of the dub."""

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import cast, library
from workbench.errors import EngineError, LibraryError
from workbench.records import EngineVoice, Speaker, Table

from .conftest import ROOT

OPTS = library.Place(ROOT, library.Key("s")).options("cast", cast.Options)
CATALOGUE = [
    EngineVoice("low", "m", 90.0),
    EngineVoice("lowish", "m", 95.0),
    EngineVoice("mid", "", 150.0),
    EngineVoice("high", "f", 210.0),
]


def speaker(name, pitch, *, speech=10000):
    return Speaker(name, speech, pitch, pitch, pitch, (), "fake")


def cast_of(*speakers, catalogue=CATALOGUE, speaks=None, overrides=None, opts=OPTS, imitable=()):
    table = Table(Speaker, speakers)
    return cast.cast(
        table, catalogue, speaks=catalogue if speaks is None else speaks, engine="fake",
        overrides=overrides or {}, opts=opts, imitable=imitable,
    )  # fmt: skip


class TestCasting:
    def test_each_speaker_gets_the_voice_nearest_in_pitch(self):
        castings = cast_of(speaker("A", 205.0), speaker("B", 91.0), speaker("C", 140.0))
        assert [(c.speaker, c.voice, c.by) for c in castings] == [
            ("A", "high", "pitch"),
            ("B", "low", "pitch"),
            ("C", "mid", "pitch"),
        ]
        assert all(c.engine == "fake" and 0.9 < c.score <= 1 for c in castings)

    def test_two_speakers_of_one_pitch_get_two_voices_that_differ(self):
        wanted = dataclasses.replace(OPTS, alike_cost=1.0)
        assert {c.voice for c in cast_of(speaker("A", 92.0), speaker("B", 93.0), opts=wanted)} == {
            "low",
            "mid",
        }

    def test_without_a_cost_for_alike_voices_pitch_alone_decides(self):
        alone = dataclasses.replace(OPTS, alike_cost=0.0)
        assert {c.voice for c in cast_of(speaker("A", 92.0), speaker("B", 93.0), opts=alone)} == {
            "low",
            "lowish",
        }

    def test_a_speaker_without_pitch_takes_a_voice_that_is_left(self):
        castings = cast_of(speaker("A", None, speech=300), speaker("B", 210.0))
        assert castings[0].voice != castings[1].voice == "high"
        assert castings[0].score is None

    def test_more_speakers_than_voices_share_and_say_so(self):
        castings = cast_of(*(speaker(name, 200.0, speech=9000 - n) for n, name in enumerate("ABCDEF")))
        assert {c.voice for c in castings[:4]} == {voice.name for voice in CATALOGUE}
        assert [(c.voice, c.by) for c in castings[4:]] == [("high", "pitch, shared")] * 2

    def test_a_voice_with_an_accent_is_cast_with_a_word_of_it(self):
        accented = [dataclasses.replace(voice, accent="with a Spanish accent") for voice in CATALOGUE]
        castings = cast_of(speaker("A", 205.0), catalogue=accented)
        assert [c.by for c in castings] == ["pitch, with a Spanish accent"]

    def test_a_persons_word_goes_before_pitch_and_keeps_its_voice(self):
        castings = cast_of(speaker("A", 205.0), speaker("B", 210.0), overrides={"A": "low"})
        assert [(c.voice, c.by, c.score) for c in castings] == [
            ("low", "series.yaml", None),
            ("high", "pitch", 1.0),
        ]

    def test_a_person_may_give_two_speakers_one_voice(self):
        castings = cast_of(speaker("A", 205.0), speaker("B", 210.0), overrides={"A": "low", "B": "low"})
        assert [c.voice for c in castings] == ["low", "low"]

    def test_a_speaker_is_imitated_where_a_person_says_so_and_only_there(self):
        both = speaker("A", 205.0), speaker("B", 91.0)
        assert [c.voice for c in cast_of(*both, imitable={"A", "B"})] == ["high", "low"]
        castings = cast_of(*both, imitable={"A", "B"}, overrides={"A": "clips:A"})
        assert [(c.voice, c.by) for c in castings] == [("clips:A", "series.yaml"), ("low", "pitch")]
        assert (
            cast_of(both[0], catalogue=[], imitable={"A"}, overrides={"A": "clips:A"})[0].voice == "clips:A"
        )
        with pytest.raises(LibraryError, match=r"'clips:A'.*There are: low, lowish, mid, high, clips:B"):
            cast_of(*both, imitable={"B"}, overrides={"A": "clips:A"})

    def test_an_unknown_voice_is_an_error_that_lists_the_voices(self):
        with pytest.raises(LibraryError, match=r"voice 'bass'.*There are: low, lowish, mid, high"):
            cast_of(speaker("A", 200.0), overrides={"A": "bass"})

    def test_an_unknown_speaker_is_an_error_that_lists_the_speakers(self):
        with pytest.raises(LibraryError, match=r"speaker 'Z'.*There are: A, B"):
            cast_of(speaker("A", 200.0), speaker("B", 100.0), overrides={"Z": "low"})

    def test_a_synthesiser_without_voices_is_an_error(self):
        with pytest.raises(EngineError, match="cast voices of fake: it has none"):
            cast_of(speaker("A", 200.0), catalogue=[])

    @settings(deadline=None)
    @given(
        st.lists(st.one_of(st.none(), st.floats(60, 500)), max_size=7),
        st.lists(st.floats(60, 500), min_size=1, max_size=6),
    )
    def test_voices_are_distinct_as_long_as_they_last(self, pitches, catalogue):
        speakers = [speaker(f"S{n}", pitch) for n, pitch in enumerate(pitches)]
        engine_voices = [EngineVoice(f"v{n}", "", pitch) for n, pitch in enumerate(catalogue)]
        castings = cast_of(*speakers, catalogue=engine_voices)
        own = [c.voice for c in castings if c.by == "pitch"]
        assert [c.speaker for c in castings] == [s.speaker for s in speakers]
        assert len(own) == len(set(own)) == min(len(speakers), len(engine_voices))
        assert castings == cast_of(*speakers, catalogue=engine_voices)

    @given(st.lists(st.floats(60, 500), min_size=1, max_size=4))
    def test_by_pitch_alone_no_other_assignment_is_nearer(self, pitches):
        alone = dataclasses.replace(OPTS, alike_cost=0.0)
        by_name = {voice.name: voice for voice in CATALOGUE}
        castings = cast_of(*(speaker(f"S{n}", pitch) for n, pitch in enumerate(pitches)), opts=alone)

        def far(chosen):
            return sum(cast.octaves(p, v.pitch_hz) for p, v in zip(pitches, chosen, strict=True))

        best = min(map(far, itertools.permutations(CATALOGUE, len(pitches))))
        assert far([by_name[c.voice] for c in castings]) == pytest.approx(best, abs=1e-6)


class TestLanguages:
    def test_a_voice_that_does_not_speak_the_language_is_not_cast(self):
        found = cast_of(speaker("A", 210), speaks=CATALOGUE[:3])
        assert [row.voice for row in found] == ["mid"]

    def test_dubs_by_one_synthesiser_give_a_speaker_one_voice_where_it_speaks_both(self):
        people = [speaker("A", 90), speaker("B", 150), speaker("C", 205)]
        everywhere = {row.speaker: row.voice for row in cast_of(*people)}
        here = {row.speaker: row.voice for row in cast_of(*people, speaks=CATALOGUE[:3])}
        assert everywhere == {"A": "low", "B": "mid", "C": "high"}
        assert here == {"A": "low", "B": "mid", "C": "lowish"}

    def test_more_speakers_than_voices_of_the_language_share(self):
        found = cast_of(speaker("A", 90), speaker("B", 205, speech=5), speaks=CATALOGUE[:1])
        assert [(row.voice, row.by) for row in found] == [("low", "pitch"), ("low", "pitch, shared")]

    def test_a_synthesiser_without_voices_for_the_language_is_an_error(self):
        with pytest.raises(EngineError, match="it has none"):
            cast_of(speaker("A", 90), speaks=[])


def test_the_word_of_a_series_may_name_a_voice_of_each_engine():
    said = {"A": {"espeak": "f2"}, "B": "m3"}
    assert cast.wanted(said, engine="espeak") == {"A": "f2", "B": "m3"}
    assert cast.wanted(said, engine="piper") == {"B": "m3"}


@pytest.mark.parametrize("speakers", [1, 7, 30])
def test_no_single_change_of_voice_is_better(speakers):
    voices = [EngineVoice(f"v{n}", "", 80 + 7.0 * (n * 37 % 40)) for n in range(40)]
    people = [speaker(f"s{n}", 90 + 11.0 * (n * 17 % 13)) for n in range(speakers)]
    found = cast.assign(people, voices, taken=voices[:2], opts=OPTS)
    assert len({voice.name for voice in found}) == speakers

    def cost(choice):
        together = itertools.combinations([*voices[:2], *choice], 2)
        alike = sum(max(0.0, 1 - cast.octaves(a.pitch_hz, b.pitch_hz) / OPTS.alike) for a, b in together)
        return (
            sum(map(cast.octaves, [s.pitch_hz for s in people], [v.pitch_hz for v in choice]))
            + OPTS.alike_cost * alike
        )

    free = [voice for voice in voices if voice not in found]
    others = ([*found[:n], voice, *found[n + 1 :]] for n in range(speakers) for voice in free)
    assert min(map(cost, others)) >= cost(found) - 1e-6


def test_nobody_who_speaks_needs_no_voice():
    assert len(cast_of()) == 0


def test_castings_go_to_disk_and_back():
    table = cast_of(speaker("A", 90), speaker("B", None))
    assert Table.from_jsonl(table.kind, table.to_jsonl(), where="test") == table
