import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import library, tts
from workbench.audio import Reference
from workbench.errors import SpeechError
from workbench.fit import timing
from workbench.records import Casting, EngineVoice, Segment, Table, Take, Translation

ROOM = timing.Options(max_early=0, max_late=0, min_gap=0)
OPTS = tts.Options(seed=0, max_rate=1.35, min_rate=0.9, slow_below=0.7, max_renders=5)


class Speaker:
    """A synthesiser of 100 ms a character, of which the first 200 ms are a pause that keeps its length."""

    name, identity = "fake", "fake 1"

    def __init__(self):
        self.calls = []

    def voices(self, language):
        return (EngineVoice("one", "", 120.0), EngineVoice("two", "", 220.0))

    def speak(self, text, *, voice, language, rate, seed):
        self.calls.append((text, voice, language, rate, seed))
        if not any(c.isalnum() for c in text):
            raise SpeechError(f"speak {text!r}", "nothing to pronounce", "Write words.")
        return np.full(200 + round(100 * len(text) / rate), 0.5, dtype=np.float32), 1000


class Shelf:
    def __init__(self):
        self.kept = {}

    def find(self, key):
        return self.kept.get(key)

    def keep(self, key, y, *, sr):
        assert key not in self.kept
        self.kept[key] = (y[np.newaxis], sr)


def segments(*slots: int) -> Table[Segment]:
    starts = [sum(slots[:k]) for k in range(len(slots))]
    return Table(
        Segment,
        [Segment(f"s{a:08d}", a, a + n, "A", "source") for a, n in zip(starts, slots, strict=True)],
    )


def speak(lines, texts, *, engine=None, memo=None, pronounce=str, castings=None, opts=OPTS, **changed):
    translations = [
        Translation(line.id, text, "t", (), (), ()) for line, text in zip(lines, texts, strict=False)
    ]
    return list(
        tts.speak(
            lines,
            Table(Translation, translations),
            Table(Casting, [Casting("A", "one", "fake", 1.0, "pitch")] if castings is None else castings),
            engine=engine or Speaker(),
            memo=Shelf() if memo is None else memo,
            pronounce=pronounce,
            language=changed.get("language", "es"),
            duration=sum(line.end - line.start for line in lines),
            opts=opts,
            room=ROOM,
            references=changed.get("references", {}),
        )
    )


def test_takes_come_in_the_order_of_the_segments_and_tell_what_was_spoken():
    lines = segments(1200, 1000)
    takes = speak(lines, ["diez letra", "ocho let"])
    assert [take.segment for take, _ in takes] == [line.id for line in lines]
    take, y = takes[0]
    name, text = lines[0].id, "diez letra"
    assert take == Take(name, f"{name}.wav", 1200, 1000, text, text, "one", "fake", 1.0, take.key)
    assert y.shape == (1200,)


def test_the_lexicon_changes_what_is_spoken_and_not_the_translation():
    ((take, _),) = speak(segments(900), ["el GIF"], pronounce=lambda text: text.replace("GIF", "yif"))
    assert (take.tts_text, take.text_pre_pronunciation) == ("el yif", "el GIF")


def test_only_the_lexicon_writes_phoneme_brackets():
    ((take, _),) = speak(
        segments(4000), ["[[x]] [[[y]]] GIF"], pronounce=lambda text: text.replace("GIF", "[[j'if]]")
    )
    assert take.tts_text == "[ [x] ] [ [ [y] ] ] [[j'if]]"


@given(st.text(max_size=40))
def test_spoken_text_is_plain_whatever_was_written(text):
    plain = tts.normal(tts.unbracketed(text))
    assert "[[" not in plain
    assert "]]" not in plain
    assert plain == tts.normal(plain)
    assert plain.isprintable() or not plain.isascii()


def test_a_take_longer_than_its_room_is_spoken_faster_until_it_fits():
    engine = Speaker()
    ((take, y),) = speak(segments(1000), ["diez letra"], engine=engine)
    assert 1.0 < take.rate <= 1.35
    assert y.size <= 1000
    assert y.size > 980, "no faster than needed"
    assert 2 <= len(engine.calls) <= 4


def test_a_take_is_never_spoken_faster_than_the_limit_nor_trimmed():
    ((take, y),) = speak(segments(500), ["diez letra"])
    assert take.rate == 1.35
    assert y.size == 200 + round(1000 / 1.35)


def test_a_take_much_shorter_than_its_line_is_spoken_more_slowly_within_the_limit():
    ((slower, _),) = speak(segments(1800), ["diez letra"])
    ((slowest, _),) = speak(segments(9000), ["diez letra"])
    ((natural, _),) = speak(segments(1600), ["diez letra"])
    assert (natural.rate, slowest.rate) == (1.0, 0.9)
    assert 0.9 < slower.rate < 1.0


class Foretelling(Speaker):
    """Knows how long it will be, give or take a constant."""

    def duration(self, text, *, voice, language, rate):
        y, sr = super().speak(text, voice=voice, language=language, rate=rate, seed=0)
        self.calls.pop()
        return 40 + 1000 * y.size // sr

    def speak_in(self, text, *, voice, language, duration, seed):
        raise NotImplementedError


def test_a_line_of_known_length_is_spoken_twice_at_most():
    engine = Foretelling()
    ((take, y),) = speak(segments(1000), ["diez letra"], engine=engine)
    assert len(engine.calls) == 2
    assert 1.0 < take.rate <= 1.35
    assert 980 < y.size <= 1000
    engine.calls.clear()
    ((fastest, _),) = speak(segments(500), ["diez letra"], engine=engine)
    assert (len(engine.calls), fastest.rate) == (2, 1.35)


def test_what_is_written_short_is_spoken_out_and_the_translation_stays():
    [(take, _)] = speak(segments(2000), ["El Sr. Paz a las 10:30."])
    assert take.tts_text == "El señor Paz a las 10 y 30."
    assert take.text_pre_pronunciation == "El Sr. Paz a las 10:30."


def test_the_search_for_a_rate_is_bounded_where_the_engine_ignores_it():
    class Stubborn(Speaker):
        def speak(self, text, *, voice, language, rate, seed):
            return super().speak(text, voice=voice, language=language, rate=1.0, seed=seed)

    engine = Stubborn()
    speak(segments(1195), ["diez letra"], engine=engine)
    assert len(engine.calls) <= OPTS.max_renders


def test_a_second_run_speaks_nothing_and_gives_the_same_takes():
    memo, lines, texts = Shelf(), segments(1000, 1200, 500), ["diez letra", "otra", "y otra más"]
    first = speak(lines, texts, memo=memo)
    engine, tally = Speaker(), tts.Tally(memo)
    second = speak(lines, texts, memo=tally, engine=engine)
    assert engine.calls == []
    assert (tally.spoken, tally.found) == (0, len(memo.kept))
    assert [take for take, _ in first] == [take for take, _ in second]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(first, second, strict=True))


def test_one_edited_line_of_many_is_one_line_spoken():
    lines, texts = segments(*[1500] * 40), [f"la línea {k:02d}" for k in range(40)]
    memo = Shelf()
    speak(lines, texts, memo=memo)
    texts[7] = "otra cosa"
    tally = tts.Tally(memo)
    speak(lines, texts, memo=tally)
    assert (tally.spoken, tally.found) == (1, 39)


def test_the_library_keeps_takes_bit_for_bit(tmp_path):
    lines, texts = segments(1000), ["diez letra"]
    ((first, a),) = speak(lines, texts, memo=library.Memo(tmp_path))
    ((second, b),) = speak(lines, texts, memo=library.Memo(tmp_path))
    assert first == second
    assert np.array_equal(a, b)


def test_the_key_changes_with_all_that_changes_the_sound_and_with_nothing_else():
    lines, texts = segments(1200), ["diez letra"]
    ((base, _),) = speak(lines, texts)
    other = Speaker()
    other.identity = "fake 2"
    assert base.key == speak(segments(1300), texts)[0][0].key
    assert base.key == speak(lines, ["  diez\nletra "])[0][0].key
    changed = [
        speak(lines, ["diez letro"]),
        speak(lines, texts, engine=other),
        speak(lines, texts, language="ca"),
        speak(lines, texts, opts=dataclasses.replace(OPTS, seed=1)),
        speak(lines, texts, castings=[Casting("A", "two", "fake", 1.0, "pitch")]),
        speak(segments(1100), texts),  # another rate
    ]
    assert len({take.key for ((take, _),) in changed} | {base.key}) == 7


@pytest.mark.parametrize("text", ["", "…", "\x00"])
def test_a_line_that_cannot_be_spoken_is_named(text):
    with pytest.raises(SpeechError, match=r"speak s00000900.*nothing to pronounce"):
        speak(segments(900, 900), ["hola", text])


def test_a_line_without_translation_is_an_error():
    with pytest.raises(SpeechError, match="speak s00000900: it has no translation"):
        speak(segments(900, 900), ["hola"])


def test_a_speaker_without_a_voice_is_an_error():
    with pytest.raises(SpeechError, match="speak s00000000: 'A' is cast with no voice"):
        speak(segments(900), ["hola"], castings=[])


@pytest.mark.parametrize(("voice", "engine"), [("three", "fake"), ("one", "another")])
def test_a_voice_that_the_engine_lacks_is_an_error(voice, engine):
    with pytest.raises(SpeechError, match=r"cast with .* which 'fake' does not have.* one, two"):
        speak(segments(900), ["hola"], castings=[Casting("A", voice, engine, 1.0, "pitch")])


class Mimic(Speaker):
    """A synthesiser that imitates: the reference's first sample is its level."""

    clones = True

    def imitate(self, text, *, reference, language, rate, seed):
        y, sr = super().speak(text, voice="imitated", language=language, rate=rate, seed=seed)
        return y * reference.clips[0][0], sr


def imitated(level, *, sr=1000):
    return {"clips:A": Reference((np.full(9, level, np.float32),), sr)}


OWN = [Casting("A", "clips:A", "fake", None, "series.yaml")]


def test_a_speaker_cast_with_their_own_voice_is_imitated_from_their_clips():
    ((take, y),) = speak(segments(1200), ["hola"], engine=Mimic(), castings=OWN, references=imitated(0.5))
    assert take.voice == "clips:A"
    assert np.all(y == 0.25)


def test_other_clips_are_another_take():
    memo, lines = tts.Tally(Shelf()), segments(1200)
    for references in (imitated(0.5), imitated(0.5), imitated(0.25), imitated(0.5, sr=2000)):
        speak(lines, ["diez letra"], engine=Mimic(), memo=memo, castings=OWN, references=references)
    assert (memo.spoken, memo.found) == (3, 1)


@pytest.mark.parametrize("clones", [False, None])
def test_an_engine_that_does_not_imitate_says_so(clones):
    engine = Speaker() if clones is None else Mimic()
    engine.clones = clones
    with pytest.raises(SpeechError, match=r"cast with 'clips:A' of 'fake', which 'fake' does not have"):
        speak(segments(1200), ["hola"], engine=engine, castings=OWN, references=imitated(0.5))


def test_no_lines_are_no_takes():
    assert speak(segments(), []) == []
