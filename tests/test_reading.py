"""Subtitles that people gave: what is speech, who says it, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import writing
from workbench.errors import SubtitleError
from workbench.subtitles import reading


def srt(*texts):
    return "".join(
        f"{n}\n00:00:{2 * n:02d},000 --> 00:00:{2 * n + 1:02d},500\n{text}\n\n"
        for n, text in enumerate(texts, 1)
    )


def vtt(*blocks):
    return "WEBVTT\n\n" + "\n\n".join(blocks)


def ass(*rows):
    head = "[Script Info]\nTitle: x\n\n[Events]\n"
    return head + "\n".join(rows)


def said(text, suffix=".srt"):
    found, _ = reading.lines(text, suffix=suffix, where="film" + suffix)
    return [(line.speaker, line.text) for line in found]


def refused(text, match, suffix=".srt"):
    with pytest.raises(SubtitleError, match=match):
        reading.lines(text, suffix=suffix, where="film" + suffix)


# files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encodings_that_name_themselves_are_read(tmp_path, encoding):
    path = tmp_path / "film.srt"
    path.write_bytes("¿Qué tal, Łukasz? 你好".encode(encoding))
    assert reading.read(path) == "¿Qué tal, Łukasz? 你好"


def test_another_encoding_is_refused_with_the_byte_and_the_way_out(tmp_path):
    path = tmp_path / "film.srt"
    path.write_bytes("¡Qué!".encode("windows-1252"))
    with pytest.raises(SubtitleError, match=r"film.srt: byte 0 is not UTF-8.*iconv -f WINDOWS-1252"):
        reading.read(path)


@pytest.mark.parametrize("data", ["Hello".encode("utf-16-le"), b"Hel\0lo", b"\xff\xfeH\0e"])
def test_bytes_that_are_no_text_are_refused(tmp_path, data):
    path = tmp_path / "film.srt"
    path.write_bytes(data)
    with pytest.raises(SubtitleError, match=r"byte \d+ is not (text|UTF-16)"):
        reading.read(path)


@pytest.mark.parametrize("data", [b"", b" \n\n"])
def test_an_empty_file_is_refused(tmp_path, data):
    (tmp_path / "film.srt").write_bytes(data)
    with pytest.raises(SubtitleError, match="it has 0 cues"):
        reading.lines(reading.read(tmp_path / "film.srt"), suffix=".srt", where="film.srt")


def test_a_file_beyond_any_film_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_BYTES", 2**20)
    (tmp_path / "film.srt").write_bytes(b"a" * (2**20 + 1))
    with pytest.raises(SubtitleError, match="larger than 1 MiB"):
        reading.read(tmp_path / "film.srt")


# times


@pytest.mark.parametrize(
    ("timing", "suffix"),
    [
        ("-00:00:01,000 --> 00:00:02,000", ".srt"),
        ("00:00:01,000 --> -00:00:02,000", ".srt"),
        ("00:00:01 --> 00:00:02", ".srt"),
        ("00:61:01,000 --> 00:62:02,000", ".srt"),
        ("00:00:01,000 -->", ".srt"),
        ("soon --> later", ".srt"),
        ("-00:01.000 --> 00:02.000", ".vtt"),
        ("00:01,000 --> 00:02,000", ".vtt"),
    ],
)
def test_a_time_that_is_no_time_is_named_with_its_line(timing, suffix):
    text = f"WEBVTT\n\n{timing}\nHello" if suffix == ".vtt" else f"1\n\n{timing}\nHello"
    refused(text, r"film\....?, line 3: .* is no time of a cue", suffix)


def test_a_cue_that_ends_before_it_starts_is_named():
    text = srt("Hello") + "2\n00:01:05,000 --> 00:01:04,000\nNo\n"
    refused(text, r"film.srt, cue 2 at 0:01:05.000: it .* ends before it starts, at 0:01:04.000")


def test_a_negative_time_in_ass_is_named():
    refused(
        ass("Dialogue: 0,-0:00:01.00,0:00:02.00,Default,,0,0,0,,Hello"),
        r"cue 1 at -0:00:01.000: it starts before the film",
        ".ass",
    )


def test_speech_in_no_time_is_refused_and_a_sign_in_no_time_is_not():
    refused("1\n00:00:01,000 --> 00:00:01,000\nHello\n", "cue 1 at 0:00:01.000: it lasts no time")
    assert said("1\n00:00:01,000 --> 00:00:01,000\n♪\n") == []


@pytest.mark.parametrize(
    ("text", "suffix"), [("Hello there", ".srt"), ("WEBVTT", ".vtt"), (ass(), ".ass"), ("{}", ".ass")]
)
def test_a_file_without_cues_is_refused(text, suffix):
    refused(text, "it has 0 cues", suffix)


def test_more_cues_than_a_film_has_are_refused(monkeypatch):
    monkeypatch.setattr(reading, "MOST_CUES", 2)
    refused(srt("a", "b", "c"), "it has 3 cues")


def test_more_text_than_a_cue_holds_is_refused():
    refused(srt("{" * 3000), "cue 1 at 0:00:02.000: it has 3000 characters")


def test_a_file_named_as_another_format_is_refused():
    refused(srt("Hello"), "does not begin with WEBVTT", ".vtt")
    refused("Dialogue: 0,0:00:01.00,Hello", "lacks fields", ".ass")
    refused(ass("Dialogue: 0,soon,0:00:02.00,Default,,0,0,0,,Hello"), "Failed to parse timestamp", ".ass")


def test_two_times_within_a_text_are_refused():
    refused(srt("from 00:00:01,000 to 00:00:02,000"), "a cue's text holds two times")


# speech


def test_tags_are_no_speech():
    assert said(srt("{\\an8}<i>Well</i>, <font color=red>you</font> know", "a < b")) == [
        ("", "Well, you know"),
        ("", "a < b"),
    ]


def test_a_last_row_of_digits_is_speech():
    assert said(srt("The answer is\n42", "In the year\n1984")) == [
        ("", "The answer is 42"),
        ("", "In the year 1984"),
    ]


def test_cues_without_numbers_keep_their_digits():
    text = "00:00:01,000 --> 00:00:02,000\nIn\n1984\n\n00:00:03,000 --> 00:00:04,000\nit was"
    assert said(text) == [("", "In 1984"), ("", "it was")]


def test_a_blank_row_ends_no_cue_of_srt():
    assert said(srt("One\n\ntwo")) == [("", "One two")]


def test_sounds_and_music_are_dropped_and_counted():
    found, dropped = reading.lines(
        srt("[door slams]", "♪ la la ♪", "(sighs)", "...", "[softly] Come in.", "He (the cat) left."),
        suffix=".srt",
        where="film.srt",
    )
    assert [line.text for line in found] == ["Come in.", "He (the cat) left."]
    assert dropped == 4


def test_two_dashes_are_two_speakers():
    assert said(srt("- Hi there.\n- Hello,\nyou.")) == [("", "Hi there."), ("", "Hello, you.")]


def test_one_dash_goes_and_a_number_keeps_its_sign():
    assert said(srt("– Hello", "-5 degrees")) == [("", "Hello"), ("", "-5 degrees")]


def test_a_name_in_capitals_is_the_speaker():
    assert said(srt("ANNA: Hi.\nDR. BO-LEE: Hello.", "Listen: no name.", "At 12:30 sharp", "ÉVA: Jó.")) == [
        ("ANNA", "Hi."),
        ("DR. BO-LEE", "Hello."),
        ("", "Listen: no name."),
        ("", "At 12:30 sharp"),
        ("ÉVA", "Jó."),
    ]


def test_webvtt_gives_voices_and_hides_notes_styles_and_identifiers():
    text = vtt(
        "STYLE\n::cue { color: red }",
        "NOTE made by\nhand",
        "intro-1\n00:01.000 --> 00:02.000 align:start\n<v.loud Anna Lee>Fish &amp; <b>chips</b></v>",
        "NOTE not speech",
        "00:00:03.000 --> 00:00:04.000\n<v Ben>Why?</v> <v Anna Lee>Be<00:00:03.500>cause.",
    )
    assert said(text, ".vtt") == [("Anna Lee", "Fish & chips"), ("Ben", "Why?"), ("Anna Lee", "Because.")]


def test_ass_gives_actors_and_hides_comments_drawings_and_styling():
    text = ass(
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Anna,x,0,0,,{\\i1}Hello{\\i0}, you,\\Nthere",
        "Comment: 0,0:00:01.00,0:00:02.00,Default,Anna,0,0,0,,not this",
        "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}",
        "Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,BEN: Bye.",
    )
    assert said(text, ".ass") == [("Anna", "Hello, you, there"), ("BEN", "Bye.")]


def test_a_name_is_the_same_however_it_is_spaced():
    actor = "Dialogue: 0,0:00:01.00,0:00:02.00,Default, Anna \t Lee ,0,0,0,,Hello\\N- Why?"
    assert {name for name, _ in said(ass(actor), ".ass")} == {"Anna Lee"}
    voice = "00:00:01.000 --> 00:00:02.000\n<v Anna  Lee >Hello"
    assert said(vtt(voice), ".vtt") == [("Anna Lee", "Hello")]


def test_sentences_join_to_their_text():
    text = "Hi there! How are you?” «Fine…» そうだ。行こう。 end"
    parts = writing.sentences(text)
    assert parts == ["Hi there! ", "How are you?” ", "«Fine…» ", "そうだ。", "行こう。 ", "end"]
    assert "".join(parts) == text


@given(st.text(st.sampled_from("ab1 \n<>/v.:&;-–[](){}\\N♪\"'\u2028\r"), max_size=60))
def test_any_text_in_a_cue_is_read_or_refused(text):
    for suffix, whole in ((".srt", srt(text)), (".vtt", vtt(f"00:01.000 --> 00:02.000\n{text}"))):
        try:
            found, _ = reading.lines(whole, suffix=suffix, where="x")
        except SubtitleError:
            continue
        assert all(line.text == " ".join(line.text.split()) != "" for line in found)


@given(
    st.lists(
        st.sampled_from(["Yes.", "No", "why?", "42", "1984", "so,", "-", "it's"]), min_size=1, max_size=12
    )
)
def test_no_word_of_plain_speech_is_lost(words):
    rows = [" ".join(words[:4]), " ".join(words[4:])]
    found, _ = reading.lines(srt("\n".join(rows), "end"), suffix=".srt", where="x")
    kept = " ".join(line.text for line in found).split()
    assert [word for word in kept if word != "-"] == [*(word for word in words if word != "-"), "end"]
