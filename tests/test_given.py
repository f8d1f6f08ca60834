"""What people gave beside the film: transcript, turns and translation."""

import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from workbench import activity
from workbench.engines.given import RttmTurns, SubtitleLines, SubtitleTurns, SubtitleWords, aligned
from workbench.errors import SubtitleError
from workbench.records import Draft, Segment, Table, Turn
from workbench.subtitles import reading
from workbench.subtitles.reading import Line

SR = 16000
MINUTE = np.zeros(60 * SR, np.float32)

TRANSCRIPT = """1
00:00:01,000 --> 00:00:03,000
ANNA: Good morning, Ben.

2
00:00:03,400 --> 00:00:06,000
BEN: Good morning!
How are you?

3
00:00:08,000 --> 00:00:10,000
- ANNA: Fine.
- BEN: Great.
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "transcript.srt").write_text(TRANSCRIPT)
    return tmp_path


def engine(kind, folder):
    return kind(kind.Options(), given=folder)


def words(folder, *, spans=(), speech=MINUTE):
    return list(engine(SubtitleWords, folder).words(speech, sr=SR, language="en", spans=spans))


def turns(kind, folder, *, speakers=None, speech=MINUTE):
    return list(engine(kind, folder).turns(speech, sr=SR, spans=[], speakers=speakers))


def write(folder, name, text):
    for path in folder.iterdir():
        path.unlink()
    (folder / name).write_text(text)
    return folder


def test_nothing_needs_to_be_installed():
    assert SubtitleWords.missing(SubtitleWords.Options()) is None


# words


def test_every_word_of_the_file_is_heard_once_and_in_order(folder):
    said = "Good morning, Ben. Good morning! How are you? Fine. Great."
    assert [word.text for word in words(folder)] == said.split()


def test_the_words_of_a_cue_fill_it_in_proportion_to_their_length(folder):
    first = words(folder)[:3]
    assert (first[0].start, first[-1].end) == (1000, 3000)
    good, morning, ben = (word.end - word.start for word in first)
    assert morning > max(good, ben)


def test_the_pauses_between_cues_stay(folder):
    table = words(folder)
    assert table[3].start - table[2].end == 400


def test_words_lie_where_speech_is_within_their_cue(folder):
    table = words(folder, spans=[(1500, 2000), (2300, 2900)])
    assert table[0].start == 1500
    assert all(word.end <= 2000 or word.start >= 2300 for word in table[:3])
    assert table[2].end == 2900


def test_speech_too_short_for_a_cue_is_not_believed(folder):
    assert words(folder, spans=[(1500, 1600)])[0].start == 1000


def test_words_know_no_confidence_and_name_their_engine(folder):
    assert {(word.confidence, word.engine) for word in words(folder)} == {(None, "subtitles")}


def test_a_cue_that_ends_after_the_sound_ends_with_it(folder):
    assert words(folder, speech=MINUTE[: 9 * SR])[-1].end == 9000


def test_a_cue_that_starts_after_the_sound_is_refused(folder):
    with pytest.raises(SubtitleError, match=r"transcript.srt, cue 3 at 0:00:08.*after the sound's end"):
        words(folder, speech=MINUTE[: 7 * SR])


@pytest.mark.parametrize("given", [None, "empty"])
def test_a_file_that_is_not_there_is_named(tmp_path, given):
    with pytest.raises(SubtitleError, match=r"given/transcript as .srt or .vtt or .ass: there are 0"):
        words(tmp_path if given else None)


def test_two_transcripts_are_one_too_many(folder):
    (folder / "transcript.vtt").write_text("WEBVTT\n")
    with pytest.raises(SubtitleError, match="there are 2 such files"):
        words(folder)


# turns of subtitles


def test_turns_are_those_that_the_cues_name(folder):
    made = turns(SubtitleTurns, folder, speakers=2)
    assert [turn.speaker for turn in made] == ["ANNA", "BEN", "ANNA", "BEN"]
    assert (made[0].start, made[0].end) == (1000, 3000)
    assert made[2].end == made[3].start


def test_a_cue_that_names_no_speaker_is_named(tmp_path):
    write(
        tmp_path,
        "transcript.vtt",
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Anna>Hi\n\n00:03.000 --> 00:04.000\nHo",
    )
    with pytest.raises(SubtitleError, match=r"cue 2 at 0:00:03.000: it names no speaker of 'Ho'"):
        turns(SubtitleTurns, tmp_path)


def test_another_number_of_speakers_than_people_say_is_refused(folder):
    with pytest.raises(SubtitleError, match=r"it names 2, given/episode.yaml says 3: ANNA, BEN"):
        turns(SubtitleTurns, folder, speakers=3)


def test_a_speaker_who_falls_in_has_the_floor():
    long = Line(1, 0, 10_000, "anna", "and so it goes on and on without an end")
    short = Line(2, 4000, 5000, "ben", "but why")
    assert reading.apart([long, short], where="x") == [
        (long, [(0, 4000), (5000, 10_000)]),
        (short, [(4000, 5000)]),
    ]


# turns of RTTM


def rttm(folder, *rows):
    return write(folder, "turns.rttm", "\n".join(rows))


def test_turns_are_read_from_rttm_in_order(tmp_path):
    rttm(
        tmp_path,
        ";; made by hand",
        "SPKR-INFO film 1 <NA> <NA> <NA> unknown b <NA> <NA>",
        "SPEAKER film 1 5.25 1.5 <NA> <NA> b <NA> <NA>",
        "SPEAKER film 1 0.0015 70 <NA> <NA> a <NA>",
    )
    assert turns(RttmTurns, tmp_path, speakers=2) == [
        Turn(2, 60_000, "a", "rttm"),
        Turn(5250, 6750, "b", "rttm"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        "SPEAKER film 1 -0.5 1 <NA> <NA> a <NA> <NA>",
        "SPEAKER film 1 1 0 <NA> <NA> a <NA> <NA>",
        "SPEAKER film 1 1 -2 <NA> <NA> a <NA> <NA>",
        "SPEAKER film 1 nan 1 <NA> <NA> a <NA> <NA>",
        "SPEAKER film 1 1e3 1 <NA> <NA> a <NA> <NA>",
        "SPEAKER film 1 1 2 <NA> <NA>",
        "SPEAKER",
    ],
)
def test_a_row_that_is_no_turn_is_named(tmp_path, row):
    with pytest.raises(SubtitleError, match=r"turns.rttm, line 2: .* is no turn"):
        turns(RttmTurns, rttm(tmp_path, "SPEAKER film 1 0 1 <NA> <NA> a <NA> <NA>", row))


def test_turns_of_two_recordings_or_of_none_are_refused(tmp_path):
    one = "SPEAKER one 1 0 1 <NA> <NA> a <NA> <NA>"
    with pytest.raises(SubtitleError, match="turns of 2 recordings"):
        turns(RttmTurns, rttm(tmp_path, one, one.replace("one", "two")))
    with pytest.raises(SubtitleError, match="turns of 0 recordings"):
        turns(RttmTurns, rttm(tmp_path, "nothing"))


def test_a_turn_after_the_sounds_end_is_refused(tmp_path):
    with pytest.raises(SubtitleError, match="starts at 61000 ms, the sound ends at 60000 ms"):
        turns(RttmTurns, rttm(tmp_path, "SPEAKER film 1 61 1 <NA> <NA> a <NA> <NA>"))


# translation


def segments(*spans):
    return Table(Segment, [Segment(f"s{a:08d}", a, b, "anna", f"line {n}") for n, (a, b) in enumerate(spans)])


def lines(*rows):
    return [Line(n, a, b, "", text) for n, (a, b, text) in enumerate(rows, start=1)]


def align(found, made):
    return aligned(found, made, where="translation.srt")


def test_cues_and_segments_that_agree_meet_one_to_one():
    found = lines((900, 2100, "Hola."), (2900, 5000, "¿Qué tal?"))
    assert align(found, segments((1000, 2000), (3000, 4900))) == ["Hola.", "¿Qué tal?"]


def test_several_cues_of_one_segment_are_joined_in_order():
    found = lines((0, 2000, "Hola, Ben,"), (2000, 4000, "¿qué tal?"))
    assert align(found, segments((100, 3900))) == ["Hola, Ben, ¿qué tal?"]


def test_a_cue_of_several_segments_is_divided_at_its_sentences():
    found = lines((0, 6000, "Sí. Claro que sí, hombre. ¿Por qué no?"))
    assert align(found, segments((0, 400), (500, 3500), (4000, 6000))) == [
        "Sí.",
        "Claro que sí, hombre.",
        "¿Por qué no?",
    ]


def test_a_sentence_over_several_segments_is_divided_between_words_by_their_durations():
    found = lines((0, 4000, "uno dos tres cuatro cinco seis siete ocho"))
    assert align(found, segments((0, 1000), (1000, 4000))) == ["uno dos", "tres cuatro cinco seis siete ocho"]


def test_a_segment_without_any_cue_is_named():
    with pytest.raises(
        SubtitleError, match=r"the line at 0:00:09.000 from translation.srt: no cue lies at 'line 1'"
    ):
        align(lines((0, 1000, "Hola.")), segments((0, 1000), (9000, 9500)))


def test_a_cue_where_nobody_speaks_is_named():
    with pytest.raises(SubtitleError, match=r"cue 2 at 0:00:05.000: it lies where nobody speaks: 'Adiós.'"):
        align(lines((0, 1000, "Hola."), (5000, 6000, "Adiós.")), segments((0, 1000)))


def test_one_word_for_two_segments_is_refused():
    with pytest.raises(SubtitleError, match="fewer words than the 2 lines"):
        align(lines((0, 2000, "Sí")), segments((0, 900), (1000, 2000)))


def test_a_segment_that_a_cue_only_touches_takes_part_where_it_has_no_other():
    assert align(lines((0, 2000, "uno dos tres")), segments((0, 1500), (1600, 4000))) == ["uno", "dos tres"]


@hypothesis_given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(200, 6000), st.integers(1, 12)), max_size=12),
    st.lists(st.tuples(st.integers(0, 900), st.integers(200, 6000)), max_size=12),
)
def test_each_word_is_used_once_or_the_file_is_refused(rows, spans):
    at, found, said = 0, [], 0
    for since, length, count in rows:
        text = " ".join(f"w{said + n}" + ("." if n % 3 == 2 else "") for n in range(count))
        found.append(Line(len(found) + 1, at + since, at + since + length, "", text))
        at, said = at + since + length, said + count
    at, made = 0, []
    for since, length in spans:
        made.append((at + since, at + since + length))
        at += since + length
    try:
        texts = align(found, segments(*made))
    except SubtitleError:
        return
    assert all(texts)
    assert " ".join(texts).split() == " ".join(line.text for line in found).split()


def test_a_translation_file_gives_one_draft_a_segment(tmp_path):
    write(tmp_path, "translation.srt", "1\n00:00:01,000 --> 00:00:02,000\nHola.\n")
    drafts = engine(SubtitleLines, tmp_path).translate_timed(segments((1000, 2000)), source="en", target="es")
    assert drafts == [Draft("Hola.", ())]


def test_lines_that_overlap_get_time_of_their_own():
    @hypothesis_given(
        st.lists(st.tuples(st.integers(0, 20_000), st.integers(50, 8000), st.integers(1, 40)), max_size=12)
    )
    def check(rows):
        found = [Line(n, a, a + length, "", "x" * size) for n, (a, length, size) in enumerate(rows)]
        try:
            timed = reading.apart(found, where="x")
        except SubtitleError:
            return
        assert sorted(line.cue for line, _ in timed) == [line.cue for line in found]
        spans = [span for _, own in timed for span in own]
        assert activity.duration(spans) == sum(b - a for a, b in spans)
        assert activity.union(spans) == activity.union((line.start, line.end) for line in found)

    check()
