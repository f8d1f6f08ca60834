"""Words and turns become lines: no word lost, doubled or cut."""

import dataclasses
import shutil
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.structure import ROOT
from workbench import audio, demo, library, review, segment
from workbench.errors import SpeechError
from workbench.records import LineWord, Segment, Table, Turn, Word
from workbench.runs import notebook

SR = 16000
NOW = "2026-01-01T00:00:00.000000Z"
OPTS = segment.Options(
    min_pause=600, min_duration=1000, max_duration=8000, max_chars=120, unsaid=("no speech",)
)
ANNA = [Turn(0, 600_000, "anna", "test")]


def words(*rows):
    return Table(Word, [Word(start, end, text, None, "test") for start, end, text in rows])


def spoken(text, *, start=0, each=400, gap=50):
    rows = [
        (start + n * (each + gap), start + n * (each + gap) + each, t) for n, t in enumerate(text.split())
    ]
    return words(*rows)


def lines(table, turns=ANNA, **changes):
    opts = segment.Options(**{**OPTS.__dict__, **changes})
    return segment.lines(table, Table(Turn, turns), opts=opts)[0]


def texts(table):
    return [line.text for line in table]


def test_a_line_lasts_from_its_first_word_to_its_last():
    assert lines(words((120, 500, "Good"), (510, 1300, "morning"))).rows == (
        Segment("s00000120", 120, 1300, "anna", "Good morning"),
    )


def test_no_words_make_no_lines_even_where_someone_speaks():
    assert len(lines(words())) == 0


def test_words_without_any_turn_are_refused():
    with pytest.raises(SpeechError, match="there are no turns"):
        lines(words((0, 900, "Hello")), [])


def test_a_line_ends_where_the_speaker_changes():
    turns = [Turn(0, 1000, "anna", "t"), Turn(1000, 2000, "ben", "t")]
    made = lines(words((0, 900, "yes"), (950, 1800, "no")), turns)
    assert [(line.speaker, line.text) for line in made] == [("anna", "yes"), ("ben", "no")]


def test_a_word_goes_to_the_turn_it_shares_most_with_and_else_to_the_nearest():
    turns = [Turn(0, 1000, "anna", "t"), Turn(3000, 4000, "ben", "t")]
    table = words((900, 1300, "a"), (1500, 1900, "b"), (2500, 2700, "c"), (2900, 3400, "d"))
    assert segment.speakers(table, turns) == ["anna", "anna", "ben", "ben"]


def test_a_line_ends_at_a_long_pause_and_at_no_short_one():
    table = words((0, 1200, "one"), (1700, 3000, "two"), (3600, 5000, "three"))
    assert texts(lines(table)) == ["one two", "three"]


@pytest.mark.parametrize("end", ["there.", "there!", "there?”", "there…", "そこ。", "there.)"])
def test_a_line_ends_with_its_sentence(end):
    made = lines(spoken(f"we were all {end} and then we went"))
    assert texts(made) == [f"we were all {end}", "and then we went"]


def test_a_short_sentence_joins_its_neighbour_across_a_short_pause():
    assert texts(lines(spoken("Yes. I have been waiting here."))) == ["Yes. I have been waiting here."]


def test_a_short_sentence_stands_alone_beside_a_long_pause():
    table = words((0, 300, "Yes."), (1200, 2600, "Certainly."))
    assert texts(lines(table)) == ["Yes.", "Certainly."]


def test_a_short_line_never_joins_another_speaker():
    turns = [Turn(0, 400, "anna", "t"), Turn(400, 3000, "ben", "t")]
    assert len(lines(words((0, 350, "Yes."), (420, 3000, "No.")), turns)) == 2


def test_a_long_line_is_cut_at_its_best_pause():
    table = words(
        *[
            (n * 500 + (300 if n >= 9 else 0), n * 500 + 450 + (300 if n >= 9 else 0), f"w{n}")
            for n in range(20)
        ]
    )
    first, second = lines(table)
    assert first.text.split()[-1] == "w8"
    assert second.start == 4800


def test_a_long_line_without_pauses_is_cut_after_a_comma():
    made = lines(spoken("one two three four five six seven eight nine, ten " + "more " * 12, gap=0))
    assert made[0].text.endswith("nine,")


def test_a_single_word_beyond_the_limits_stays_whole():
    made = lines(words((0, 20_000, "a" * 300), (20_000, 20_500, "b")))
    assert texts(made) == ["a" * 300, "b"]


def test_two_lines_that_start_together_have_different_ids():
    turns = [Turn(0, 500, "anna", "t"), Turn(0, 900, "ben", "t")]
    made = lines(words((0, 400, "yes"), (0, 900, "no")), turns)
    assert [line.id for line in made] == ["s00000000", "s00000000-2"]


def test_an_id_does_not_change_when_an_earlier_line_appears():
    later = spoken("and so it goes", start=10_000)
    both = Table(Word, [*spoken("hello there my friend"), *later])
    assert lines(later)[0].id == lines(both)[-1].id == "s00010000"


def speech(rows):
    """Words by (time since the earlier one's end, length, text); below zero they overlap."""
    at, table = 0, []
    for since, length, text in rows:
        at = max(at + since, table[-1][0] if table else 0)
        table.append((at, at + length, text))
        at += length
    return words(*table)


rows = st.tuples(
    st.integers(-500, 1500), st.integers(1, 3000), st.sampled_from(["a", "yes.", "so,", "«no!»", "long" * 9])
)
turn = st.builds(
    lambda start, length, who: Turn(start, start + length, who, "t"),
    st.integers(0, 60_000),
    st.integers(1, 20_000),
    st.sampled_from("abc"),
)


@given(table=st.lists(rows, max_size=40).map(speech), turns=st.lists(turn, min_size=1, max_size=8))
def test_every_word_is_in_one_line_and_in_order(table, turns):
    made = lines(table, turns)
    assert [text for line in made for text in line.text.split(" ")] == [word.text for word in table]
    assert [line.start for line in made] == sorted(line.start for line in made)
    assert len({line.id for line in made}) == len(made)
    edges = {word.end for word in table}
    for line in made:
        assert line.end in edges
        assert line.start < line.end
        within = line.end - line.start <= OPTS.max_duration and len(line.text) <= OPTS.max_chars
        assert within or " " not in line.text


def heard(text, *, start=0, each=400, gap=50, confidence=0.9):
    words = [
        dataclasses.replace(word, confidence=confidence)
        for word in spoken(text, start=start, each=each, gap=gap)
    ]
    return segment.lines(Table(Word, words), Table(Turn, ANNA), opts=OPTS)


def stand(made, words, *texts):
    """Words of lines with other texts: (start, end, text, by) of each."""
    changed = [dataclasses.replace(line, text=text) for line, text in zip(made, texts, strict=True)]
    return [(w.start, w.end, w.text, w.engine) for w in segment.words(changed, words)]


def test_each_line_has_its_words_as_they_were_heard():
    made, words = heard("good morning to you all")
    assert segment.words(made, words) == words
    assert {word.segment for word in words} == {made[0].id}


def test_case_and_punctuation_change_no_times():
    made, words = heard("good morning anna")
    assert stand(made, words, "Good morning, Anna!") == [
        (0, 400, "Good", "test"),
        (450, 850, "morning,", "test"),
        (900, 1300, "Anna!", "test"),
    ]


def test_where_words_changed_all_lie_by_their_letters_and_those_heard_about_where_they_were():
    made, words = heard("look at the boot")
    assert stand(made, words, "look at the boat") == [
        (0, 500, "look", "test via letters"),
        (500, 830, "at", "test via letters"),
        (830, 1277, "the", "test via letters"),
        (1277, 1750, "boat", "review via letters"),
    ]


def test_what_a_reviewer_wrote_has_no_confidence_and_what_was_heard_keeps_its_own():
    made, words = heard("look at the boot")
    changed = [dataclasses.replace(made[0], text="look at the boat")]
    assert [word.confidence for word in segment.words(changed, words)] == [0.9, 0.9, 0.9, None]


def test_halves_of_a_line_and_lines_made_one_have_their_words_as_heard():
    made, words = heard("look at the boat")
    [line] = made
    first = dataclasses.replace(line, end=875, text="look at")
    second = Segment("s00000875", 875, line.end, line.speaker, "the boat")
    halves = segment.words([first, second], words)
    assert [(word.start, word.end, word.text) for word in halves] == [(w.start, w.end, w.text) for w in words]
    assert [word.segment for word in halves] == [line.id, line.id, "s00000875", "s00000875"]
    assert segment.words(made, halves) == words


def test_a_line_with_another_time_has_its_words_within_it():
    made, words = heard("look at the boat")
    cut = [dataclasses.replace(made[0], start=100, end=1700)]
    assert [(w.start, w.end, w.engine) for w in segment.words(cut, words)][::3] == [
        (100, 400, "test"),
        (1350, 1700, "test"),
    ]
    elsewhere = [dataclasses.replace(made[0], start=4000, end=5000)]
    assert {word.engine for word in segment.words(elsewhere, words)} == {"review via letters"}


any_line = st.builds(
    lambda start, length, text: Segment("", start, start + length, "a", " ".join(text)),
    st.integers(0, 20_000),
    st.integers(1, 9000),
    st.lists(st.sampled_from(["a", "yes", "Yes!", "so,", "—", "new\twords", "long" * 9]), max_size=9),
)


@given(st.lists(rows, max_size=40), st.lists(turn, min_size=1, max_size=6), st.lists(any_line, max_size=9))
def test_whatever_was_changed_each_line_has_its_own_words_in_order_within_its_time(spoken, turns, changed):
    made, words = segment.lines(speech(spoken), Table(Turn, turns), opts=OPTS)
    assert segment.words(made, words) == words
    changed = [dataclasses.replace(line, id=f"s{n}") for n, line in enumerate(changed)]
    stand = segment.words(changed, words)
    assert list(dict.fromkeys(word.segment for word in stand)) == [line.id for line in changed if line.text]
    for line in changed:
        own = [word for word in stand if word.segment == line.id]
        assert " ".join(word.text for word in own) == " ".join(line.text.split())
        assert all(line.start <= word.start < word.end <= line.end for word in own)
        assert [word.start for word in own] == sorted(word.start for word in own)


SAID = (
    "we have to repair the old boat",
    "nobody told me about the garden",
    "he works there every morning",
)
HEARD = (
    "we have two pear the bow",
    "nobody told me a bout the guard den",
    "he works there every morning",
)


@pytest.fixture(scope="module")
def said():
    """The sound, and each true word with its times."""
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    spoken, at, parts = [], 0, []
    for line in SAID:
        for first, text in zip([True, *[False] * 9], line.split(), strict=False):
            pause = np.zeros(audio.samples(900 if first else 60, sr=SR), np.float32)
            parts += [pause, demo.speak(text, voice="rms", sr=SR)]
            start = at + len(pause)
            at = start + len(parts[-1])
            spoken.append((text, audio.milliseconds(start, sr=SR), audio.milliseconds(at, sr=SR)))
    return np.concatenate([*parts, np.zeros(SR // 2, np.float32)]), spoken


class TestAReviewedEpisode:
    """The notebook itself, with the embedded aligner, on words that are each spoken alone at a known time."""

    @pytest.fixture
    def place(self, root, said):
        """The episode as it stands before the stage: the words heard lie evenly in each line's time."""
        place, (y, spoken) = library.episode("s/e", root), said
        words, known = [], iter(spoken)
        for true, heard in zip(SAID, HEARD, strict=True):
            times = [next(known)[1:] for _ in true.split()]
            edges = np.linspace(times[0][0], times[-1][1], len(heard.split()) + 1).astype(int).tolist()
            words += [
                Word(a, b, text, 0.8, "pocketsphinx")
                for text, (a, b) in zip(heard.split(), pairwise(edges), strict=True)
            ]
        for stage, table in (("asr", Table(Word, words)), ("diarize", Table(Turn, ANNA))):
            with place.writing(stage) as out:
                out.table(table)
        with place.writing("media") as out:
            out.sound("speech.wav", y, sr=SR, subtype="PCM_16")
        return place

    def run(self, place):
        """Run the notebook; return its words and the engines that it says worked."""
        path = ROOT / "notebooks/050_segment.ipynb"
        notebook.run(path, place.reports / "segment.ipynb", {"episode": str(place.key)}, root=place.root)
        return place.read(LineWord), [(row.kind, row.engine) for row in place.makers(before="voices")]

    def decide(self, place, action, line, **carried):
        anchor = review.Anchor.of(line)
        place.append("segment", review.make(action, line.id, who="ana", at=NOW, line=anchor, **carried))

    def test_that_nobody_edited_needs_neither_sound_nor_aligner(self, place):
        with place.writing("media") as out:
            out.sound("speech.wav", np.zeros(0, np.float32), sr=SR)
        engines = place.root / "params/engines.yaml"
        engines.write_text(
            engines.read_text().replace("align:\n  engine: pocketsphinx", "align:\n  engine: none")
        )
        assert "engine: none" in engines.read_text()
        words, makers = self.run(place)
        assert [dataclasses.astuple(word)[:6] for word in words] == [
            dataclasses.astuple(word) for word in place.read(Word)
        ]
        assert makers == []

    def test_has_the_words_that_its_reviewer_wrote_where_they_are_said(self, place, said):
        self.run(place)
        first, second, third = place.read(Segment)
        self.decide(place, "edit_source", first, text="We have to repair the old boat.")
        self.decide(place, "merge", second, other=review.Anchor.of(third))
        both = dataclasses.replace(second, end=third.end, text=f"{second.text} {third.text}")
        self.decide(place, "edit_source", both, text=" ".join(SAID[1:]))
        words, makers = self.run(place)
        assert [line.text for line in place.read(Segment)] == [
            "We have to repair the old boat.",
            " ".join(SAID[1:]),
        ]
        assert {word.engine for word in words} == {"review via pocketsphinx", "pocketsphinx via pocketsphinx"}
        assert makers == [("align", "pocketsphinx")]
        errors = [abs(word.start - start) for word, (_, start, _) in zip(words, said[1], strict=True)]
        assert np.median(errors) <= 20
        assert max(errors) <= 60


def doubted(text, doubt, *, start=0):
    return Table(Word, [dataclasses.replace(word, doubt=doubt) for word in spoken(text, start=start)])


class TestWhatNobodySaid:
    def test_makes_no_line(self):
        assert not lines(doubted("who won", "no speech"))

    @pytest.mark.parametrize("doubt", ["", "repetition", "compression"])
    def test_is_what_the_options_name_alone(self, doubt):
        assert texts(lines(doubted("who won", doubt))) == ["who won"]

    def test_may_stand_right_after_what_was_said(self):
        table = Table(Word, [*spoken("he left."), *doubted("thank you", "no speech", start=1200)])
        assert texts(lines(table)) == ["he left."]
