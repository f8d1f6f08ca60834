"""What a recogniser hears in the dub, against what should have been said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import dubs
from workbench import demo
from workbench.errors import EngineError
from workbench.qa import round_trip
from workbench.records import Placement, Word

A, B = Placement("a", 0, 2000, 1.0, 0), Placement("b", 2100, 4000, 1.0, 0)


def heard(*texts: str) -> list[Word]:
    return [Word(100 * n, 100 * n + 90, text, 0.9, "ear") for n, text in enumerate(texts)]


def compare(said: dict[str, str], *texts: str) -> dict[str, round_trip.Heard]:
    placements = [row for row in (A, B) if row.segment in said]
    return round_trip.compare(said, placements, heard(*texts), engine="ear")


def test_what_is_heard_as_it_was_written_has_no_error():
    found = compare({"a": "¡Hola, Ana!", "b": "Adiós."}, "hola", "ana", "adiós")
    assert {name: (row.wrong, row.lost) for name, row in found.items()} == {"a": (0, ()), "b": (0, ())}


def test_a_lost_word_is_lost_in_its_own_line():
    found = compare({"a": "uno dos tres", "b": "cuatro cinco"}, "uno", "tres", "cuatro", "cinco")
    assert found["a"].lost == ("dos",)
    assert found["b"].lost == ()
    assert found["a"].error_rate == pytest.approx(1 / 3)


def test_a_word_heard_otherwise_is_wrong_and_not_lost():
    found = compare({"a": "uno dos tres"}, "uno", "dios", "tres")
    assert (found["a"].wrong, found["a"].lost) == (1, ())


def test_scripts_without_spaces_are_compared_by_characters():
    found = compare({"a": "今日は雨だ"}, "今日", "雨だ")
    assert (found["a"].words, found["a"].lost) == (5, ("は",))


def test_words_that_nobody_wrote_count_against_the_line_where_they_stand():
    assert compare({"a": "uno"}, "uno", "dos", "tres")["a"].wrong == 2
    assert compare({"a": ""}, "uno")["a"].wrong == 0


@given(
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 5_000)), max_size=20),
)
def test_every_line_is_heard_in_one_utterance(spans: list[tuple[int, int]]):
    placed = [Placement(f"s{n}", at, at + length, 1.0, 0) for n, (at, length) in enumerate(spans)]
    found = [(span, row) for span, inside in round_trip.utterances(placed, duration=70_000) for row in inside]
    assert sorted(row.segment for _, row in found) == sorted(row.segment for row in placed)
    assert all(span[0] <= row.start and row.end <= span[1] for span, row in found)


def test_a_recogniser_that_knows_the_language_finds_the_lost_word():
    try:
        hearer = dubs.engine("hearing")
        y = demo.speak("Very good. Then we can start the work after breakfast.", voice="slt", sr=16_000)
    except EngineError as error:
        pytest.skip(str(error))
    words = round_trip.hear(y, sr=16_000, language="en", hearer=hearer)
    said = {"a": "Very good. Then we can start the heavy work after breakfast."}
    found = round_trip.compare(said, [A], words, engine=hearer.name)["a"]
    assert "heavy" in found.lost
    assert found.error_rate < 0.4
