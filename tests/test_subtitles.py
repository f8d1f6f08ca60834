import html
import re
import unicodedata
from itertools import pairwise

import pysubs2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workbench import subtitles
from workbench.errors import SubtitleError
from workbench.records import Cue, Placement, Table, Translation

OPTS = subtitles.Options(max_columns=42, max_lines=2, max_speed=20.0, min_duration=800, min_gap=80)
FILM = 600_000

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), max_size=12)
texts = st.lists(words, max_size=40).map(" ".join)
hostile = st.lists(
    st.one_of(st.sampled_from(["{\\an8}", "-->", "<b>", "</v>", "&lt;", "\\N", "\n\n", "{", "}", "1"]), words)
).map(" ".join)


def line(text, *, start=0, end=3000, name="s1"):
    translation = Translation(name, text, "test", (), (), ())
    return translation, Placement(name, start, end, 1.0, 0)


def cues_of(*lines, duration=FILM, opts=OPTS):
    translations, placements = zip(*lines, strict=True) if lines else ((), ())
    return subtitles.cues(
        Table(Translation, translations), Table(Placement, placements), duration=duration, opts=opts
    )


def spoken_characters(text):
    return re.sub(r"\s", "", text)


@given(texts)
def test_no_character_is_lost_and_no_line_is_too_long(text):
    pieces = subtitles.split(text, opts=OPTS)
    assert spoken_characters("".join(pieces)) == spoken_characters(subtitles.plain(text))
    for piece in pieces:
        lines = piece.split("\n")
        assert len(lines) <= OPTS.max_lines
        assert all(line.strip() for line in lines)
        assert all(subtitles.columns(line) <= OPTS.max_columns for line in lines)


@given(st.lists(st.from_regex(r"[a-zé]{1,20}[,.]?", fullmatch=True), min_size=1, max_size=60))
def test_words_with_spaces_stay_whole_and_in_order(spoken):
    assert " ".join(subtitles.split(" ".join(spoken), opts=OPTS)).split() == spoken


@given(texts, st.integers(1, 40))
@example(" ".join(["word"] * 17), 2)
def test_every_cue_lasts_or_its_line_is_refused(text, length):
    try:
        cues = cues_of(line(text, end=length), duration=length)
    except SubtitleError:
        return
    assert all(cue.start < cue.end for cue in cues)


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(300, 6000), texts), max_size=8))
def test_cues_keep_the_start_of_speech_and_overlap_only_where_speech_does(lines):
    timed, at = [], 0
    for number, (pause, length, text) in enumerate(lines):
        timed.append(line(text, start=at + pause, end=at + pause + length, name=f"s{number}"))
        at += pause + length
    cues = cues_of(*timed, duration=at)
    for cue, after in pairwise(cues):
        assert cue.start < cue.end <= after.start
    assert all(cue.end <= at for cue in cues)
    for translation, placement in timed:
        own = cues.where(lambda cue, name=translation.segment: cue.segment == name)
        assert bool(own) == bool(subtitles.plain(translation.text))
        if own:
            assert own[0].start == placement.start
            assert own[-1].end >= placement.end - OPTS.min_gap


@pytest.mark.parametrize("kind", subtitles.KINDS)
@given(text=hostile)
def test_a_player_reads_back_the_plain_text_and_nothing_else(kind, text):
    cues = cues_of(line(text), line("The end.", start=5000, end=9000, name="s2"))
    back = pysubs2.SSAFile.from_string(subtitles.render(cues, kind=kind), format_=kind)
    read = [html.unescape(event.plaintext) if kind == "vtt" else event.plaintext for event in back]
    assert read == [cue.text for cue in cues]
    assert all("{" not in event.text and "-->" not in event.text for event in back)


@pytest.mark.parametrize("kind", subtitles.KINDS)
def test_times_come_back_within_a_hundredth(kind):
    cues = cues_of(
        line("One.", start=1234, end=2345), line("Two.", start=3_600_007, end=3_601_507, name="s2")
    )
    back = pysubs2.SSAFile.from_string(subtitles.render(cues, kind=kind), format_=kind)
    assert [event.start for event in back] == pytest.approx([cue.start for cue in cues], abs=10)
    assert [event.end for event in back] == pytest.approx([cue.end for cue in cues], abs=10)


@pytest.mark.parametrize("kind", subtitles.KINDS)
def test_without_cues_the_file_is_valid_and_empty(kind):
    text = subtitles.render(Table(Cue), kind=kind)
    assert list(pysubs2.SSAFile.from_string(text, format_=kind)) == []


def test_a_line_in_one_row_stays_in_one_row():
    assert subtitles.split("Good morning, Anna.", opts=OPTS) == ["Good morning, Anna."]


def test_breaks_are_even_and_prefer_the_end_of_a_clause():
    text = "Tengo un trozo de madera en el banco de trabajo, y es del tamaño que hace falta para el agujero."
    assert subtitles.split(text, opts=OPTS) == [
        "Tengo un trozo de madera\nen el banco de trabajo,",
        "y es del tamaño que hace\nfalta para el agujero.",
    ]


def test_scripts_without_spaces_break_between_characters_but_not_before_a_full_stop():
    text = "我有一块木头，放在工作台上，大小正好合适。" * 3
    lines = [line for piece in subtitles.split(text, opts=OPTS) for line in piece.split("\n")]
    assert "".join(lines) == text
    assert len(lines) > 2
    assert all(subtitles.columns(line) <= OPTS.max_columns for line in lines)
    assert not any(line[0] in "，。" for line in lines)


def test_right_to_left_text_is_left_as_it_is():
    assert subtitles.split("صباح الخير يا آنا.", opts=OPTS) == ["صباح الخير يا آنا."]


def test_a_character_and_its_marks_stay_together():
    text = unicodedata.normalize("NFD", "é" * 80)
    lines = subtitles.split(text, opts=OPTS)[0].split("\n")
    assert len(lines) == 2
    assert not any(unicodedata.combining(line[0]) for line in lines)


def test_a_no_break_space_is_no_place_to_break():
    text = "Je ne sais pas du tout ce que vous voulez\u00a0! Vraiment."
    assert any("voulez\u00a0!" in piece for piece in subtitles.split(text, opts=OPTS))


def test_a_fast_line_stays_on_in_the_free_time_after_it():
    (cue,) = cues_of(line("x" * 40, start=1000, end=2000))
    assert (cue.start, cue.end) == (1000, 3000)
    assert subtitles.reading_speed(cue) == 20


def test_a_short_line_stays_for_the_shortest_time_and_not_past_the_film():
    assert cues_of(line("Yes.", start=1000, end=1200))[0].end == 1800
    assert cues_of(line("Yes.", start=1000, end=1200), duration=1500)[0].end == 1500


def test_a_fast_line_before_another_keeps_the_gap():
    cue, _ = cues_of(line("x" * 40, end=1000), line("Then.", start=1300, end=2000, name="s2"))
    assert cue.end == 1300 - OPTS.min_gap


def test_lines_that_are_spoken_at_once_are_shown_at_once():
    first, second = cues_of(line("One.", end=2000), line("Two.", start=1000, end=3000, name="s2"))
    assert (first.end, second.start) == (2000, 1000)


def test_the_parts_of_a_long_line_share_its_time_by_their_length():
    first, second = cues_of(line(("a" * 40 + " ") * 2 + "b" * 20, end=10_000))
    assert first.start == 0
    assert second.start == 4000
    assert second.end == 10_000


def test_a_line_without_a_placement_is_refused():
    translation, _ = line("Hello.")
    with pytest.raises(SubtitleError, match=r"line s1.*no placement"):
        subtitles.cues(Table(Translation, [translation]), Table(Placement), duration=FILM, opts=OPTS)


def test_a_line_without_time_is_refused():
    with pytest.raises(SubtitleError, match="0 ms are too short"):
        cues_of(line("Hello.", start=5, end=5))
