import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import library, voices
from workbench.errors import EngineError, LibraryError
from workbench.records import EngineVoice, Speaker, Table, Turn

from .conftest import ROOT

SR = 16000
OPTS = library.Place(ROOT, "s/e").options("voices", voices.Options)
CATALOGUE = [
    EngineVoice("low", "m", 90.0),
    EngineVoice("lowish", "m", 95.0),
    EngineVoice("mid", "", 150.0),
    EngineVoice("high", "f", 210.0),
]


class Prints:
    name = "fake"
    shortest = 200

    def prints(self, sounds, *, sr):
        assert sounds
        return np.array([[0.6, 0.8]] * len(sounds), dtype=np.float32)


def speaker(name, pitch, *, speech=10000):
    return Speaker(name, speech, pitch, pitch, pitch, (), "fake")


def cast(*speakers, catalogue=CATALOGUE, overrides=None, opts=OPTS, imitable=()):
    table = Table(Speaker, speakers)
    return voices.cast(
        table, catalogue, engine="fake", overrides=overrides or {}, opts=opts, imitable=imitable
    )


def voiced(pitch, seconds):
    t = np.arange(int(seconds * SR)) / SR
    return (0.1 * sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 12))).astype(np.float32)


class TestChoosing:
    def turns(self, *rows):
        return Table(Turn, [Turn(start, end, name, "fake") for name, start, end in rows])

    def test_clips_stand_per_speaker_in_order_of_first_turn_and_are_numbered(self):
        turns = self.turns(("B", 0, 2000), ("A", 3000, 5000), ("B", 6000, 9000))
        clips = voices.choose(voiced(120, 10), sr=SR, turns=turns, opts=OPTS)
        assert [(c.speaker, c.start, c.sound) for c in clips] == [
            ("B", 6000, "B-1.wav"),
            ("B", 0, "B-2.wav"),
            ("A", 3000, "A-1.wav"),
        ]

    def test_names_from_a_file_become_safe_and_distinct_file_names(self):
        turns = self.turns(("../x", 0, 2000), ("--/x", 3000, 5000), ("Zoë " * 40, 6000, 8000))
        clips = voices.choose(voiced(120, 10), sr=SR, turns=turns, opts=OPTS)
        names = [c.sound for c in clips]
        assert len(set(names)) == 3
        assert all(
            set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
            for name in names
        )
        assert not any("/" in name or ".." in name or len(name) > 50 for name in names)

    def test_records_go_to_disk_and_back(self):
        turns = self.turns(("A", 0, 2000))
        y = voiced(120, 3)
        clips = voices.choose(y, sr=SR, turns=turns, opts=OPTS)
        (clip,) = clips
        speakers = Table(
            Speaker, voices.describe(turns, clips, {clip.sound: y}, sr=SR, extractor=Prints(), opts=OPTS)
        )
        for table in (clips, speakers, cast(*speakers)):
            assert Table.from_jsonl(table.kind, table.to_jsonl(), where="test") == table

    def test_no_turns_give_empty_tables(self):
        turns = self.turns()
        clips = voices.choose(voiced(120, 1), sr=SR, turns=turns, opts=OPTS)
        described = list(voices.describe(turns, clips, {}, sr=SR, extractor=Prints(), opts=OPTS))
        assert (len(clips), described, len(cast())) == (0, [], 0)


class TestDescribing:
    def describe(self, y, *rows):
        turns = TestChoosing().turns(*rows)
        clips = voices.choose(y, sr=SR, turns=turns, opts=OPTS)
        sounds = {c.sound: y[None, c.start * 16 : c.end * 16] for c in clips}
        return list(voices.describe(turns, clips, sounds, sr=SR, extractor=Prints(), opts=OPTS))

    def test_a_speaker_has_pitch_print_and_length_of_speech(self):
        (one,) = self.describe(voiced(120, 5), ("A", 500, 2500), ("A", 2000, 4000))
        assert (one.speech, one.engine) == (3500, "fake")
        assert one.pitch_hz == pytest.approx(120, rel=0.02)
        assert one.pitch_low_hz <= one.pitch_hz <= one.pitch_high_hz
        assert one.print == pytest.approx((0.6, 0.8))

    def test_a_speaker_without_clips_is_there_without_pitch_and_print(self):
        (one,) = self.describe(voiced(120, 5), ("A", 500, 900))
        assert (one.pitch_hz, one.pitch_low_hz, one.pitch_high_hz, one.print) == (None, None, None, ())

    def test_where_nothing_is_voiced_there_is_no_pitch(self):
        noise = 0.1 * np.random.default_rng(0).standard_normal(3 * SR).astype(np.float32)
        (one,) = self.describe(noise, ("A", 500, 2500))
        assert one.pitch_hz is None
        assert one.print

    def test_silence_has_no_pitch(self):
        (one,) = self.describe(np.zeros(3 * SR, np.float32), ("A", 0, 3000))
        assert one.pitch_hz is None


class TestCasting:
    def test_each_speaker_gets_the_voice_nearest_in_pitch(self):
        castings = cast(speaker("A", 205.0), speaker("B", 91.0), speaker("C", 140.0))
        assert [(c.speaker, c.voice, c.by) for c in castings] == [
            ("A", "high", "pitch"),
            ("B", "low", "pitch"),
            ("C", "mid", "pitch"),
        ]
        assert all(c.engine == "fake" and 0.9 < c.score <= 1 for c in castings)

    def test_two_speakers_of_one_pitch_get_two_voices_that_differ(self):
        wanted = dataclasses.replace(OPTS, alike_cost=1.0)
        assert {c.voice for c in cast(speaker("A", 92.0), speaker("B", 93.0), opts=wanted)} == {"low", "mid"}

    def test_without_a_cost_for_alike_voices_pitch_alone_decides(self):
        alone = dataclasses.replace(OPTS, alike_cost=0.0)
        assert {c.voice for c in cast(speaker("A", 92.0), speaker("B", 93.0), opts=alone)} == {
            "low",
            "lowish",
        }

    def test_a_speaker_without_pitch_takes_a_voice_that_is_left(self):
        castings = cast(speaker("A", None, speech=300), speaker("B", 210.0))
        assert castings[0].voice != castings[1].voice == "high"
        assert castings[0].score is None

    def test_more_speakers_than_voices_share_and_say_so(self):
        castings = cast(*(speaker(name, 200.0, speech=9000 - n) for n, name in enumerate("ABCDEF")))
        assert {c.voice for c in castings[:4]} == {voice.name for voice in CATALOGUE}
        assert [(c.voice, c.by) for c in castings[4:]] == [("high", "pitch, shared")] * 2

    def test_a_voice_with_an_accent_is_cast_with_a_word_of_it(self):
        accented = [dataclasses.replace(voice, accent="with a Spanish accent") for voice in CATALOGUE]
        castings = cast(speaker("A", 205.0), catalogue=accented)
        assert [c.by for c in castings] == ["pitch, with a Spanish accent"]

    def test_a_persons_word_goes_before_pitch_and_keeps_its_voice(self):
        castings = cast(speaker("A", 205.0), speaker("B", 210.0), overrides={"A": "low"})
        assert [(c.voice, c.by, c.score) for c in castings] == [
            ("low", "series.yaml", None),
            ("high", "pitch", 1.0),
        ]

    def test_a_person_may_give_two_speakers_one_voice(self):
        castings = cast(speaker("A", 205.0), speaker("B", 210.0), overrides={"A": "low", "B": "low"})
        assert [c.voice for c in castings] == ["low", "low"]

    def test_a_speaker_is_imitated_where_a_person_says_so_and_only_there(self):
        both = speaker("A", 205.0), speaker("B", 91.0)
        assert [c.voice for c in cast(*both, imitable={"A", "B"})] == ["high", "low"]
        castings = cast(*both, imitable={"A", "B"}, overrides={"A": "clips:A"})
        assert [(c.voice, c.by) for c in castings] == [("clips:A", "series.yaml"), ("low", "pitch")]
        assert cast(both[0], catalogue=[], imitable={"A"}, overrides={"A": "clips:A"})[0].voice == "clips:A"
        with pytest.raises(LibraryError, match=r"'clips:A'.*There are: low, lowish, mid, high, clips:B"):
            cast(*both, imitable={"B"}, overrides={"A": "clips:A"})

    def test_an_unknown_voice_is_an_error_that_lists_the_voices(self):
        with pytest.raises(LibraryError, match=r"voice 'bass'.*There are: low, lowish, mid, high"):
            cast(speaker("A", 200.0), overrides={"A": "bass"})

    def test_an_unknown_speaker_is_an_error_that_lists_the_speakers(self):
        with pytest.raises(LibraryError, match=r"speaker 'Z'.*There are: A, B"):
            cast(speaker("A", 200.0), speaker("B", 100.0), overrides={"Z": "low"})

    def test_a_synthesiser_without_voices_is_an_error(self):
        with pytest.raises(EngineError, match="cast voices of fake: it has none"):
            cast(speaker("A", 200.0), catalogue=[])

    @settings(deadline=None)
    @given(
        st.lists(st.one_of(st.none(), st.floats(60, 500)), max_size=7),
        st.lists(st.floats(60, 500), min_size=1, max_size=6),
    )
    def test_voices_are_distinct_as_long_as_they_last(self, pitches, catalogue):
        speakers = [speaker(f"S{n}", pitch) for n, pitch in enumerate(pitches)]
        engine_voices = [EngineVoice(f"v{n}", "", pitch) for n, pitch in enumerate(catalogue)]
        castings = cast(*speakers, catalogue=engine_voices)
        own = [c.voice for c in castings if c.by == "pitch"]
        assert [c.speaker for c in castings] == [s.speaker for s in speakers]
        assert len(own) == len(set(own)) == min(len(speakers), len(engine_voices))
        assert castings == cast(*speakers, catalogue=engine_voices)

    @given(st.lists(st.floats(60, 500), min_size=1, max_size=4))
    def test_by_pitch_alone_no_other_assignment_is_nearer(self, pitches):
        alone = dataclasses.replace(OPTS, alike_cost=0.0)
        by_name = {voice.name: voice for voice in CATALOGUE}
        castings = cast(*(speaker(f"S{n}", pitch) for n, pitch in enumerate(pitches)), opts=alone)

        def far(chosen):
            return sum(voices.octaves(p, v.pitch_hz) for p, v in zip(pitches, chosen, strict=True))

        best = min(map(far, itertools.permutations(CATALOGUE, len(pitches))))
        assert far([by_name[c.voice] for c in castings]) == pytest.approx(best, abs=1e-6)
