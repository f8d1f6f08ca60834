import numpy as np
import pytest

from workbench import library, voices
from workbench.records import Speaker, Table, Turn

from .conftest import ROOT

SR = 16000
OPTS = library.Place(ROOT, "s/e").options("voices", voices.Options)


class Prints:
    name = "fake"
    shortest = 200

    def prints(self, sounds, *, sr):
        assert sounds
        return np.array([[0.6, 0.8]] * len(sounds), dtype=np.float32)


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
        for table in (clips, speakers):
            assert Table.from_jsonl(table.kind, table.to_jsonl(), where="test") == table

    def test_no_turns_give_empty_tables(self):
        turns = self.turns()
        clips = voices.choose(voiced(120, 1), sr=SR, turns=turns, opts=OPTS)
        described = list(voices.describe(turns, clips, {}, sr=SR, extractor=Prints(), opts=OPTS))
        assert (len(clips), described) == (0, [])


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
