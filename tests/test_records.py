import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import RecordError, WorkbenchError
from workbench.records import Table, Take, Turn, Word, parse

times = st.integers(0, 10**9)
words = st.builds(Word, times, times, st.text(), st.none() | st.floats(0, 1), st.sampled_from(["a", "b"]))


@given(st.lists(words))
def test_a_table_comes_back_from_its_lines(rows):
    table = Table(Word, rows)
    assert Table.from_jsonl(Word, table.to_jsonl(), where="here") == table


@pytest.mark.parametrize("line", ["{broken", "[" * 100_000], ids=["broken", "deep"])
def test_a_broken_line_is_named(line):
    text = Table(Turn, [Turn(0, 9, "A", "x")]).to_jsonl() + f"{line}\n"
    with pytest.raises(RecordError, match=r"^read turns\.jsonl, line 2: "):
        Table.from_jsonl(Turn, text, where="turns.jsonl")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"start": 0, "end": 9, "speaker": "A", "engine": "x", "more": 1}, "unknown key more"),
        ({"start": 0, "end": 9, "speaker": "A"}, "missing required field `engine`"),
        ({"start": 0.5, "end": 9, "speaker": "A", "engine": "x"}, "Expected `int`"),
        ([], "Expected `object`"),
    ],
)
def test_what_is_no_such_record_is_refused(value, says):
    with pytest.raises(RecordError, match=says) as raised:
        parse(Turn, value, where="turns.jsonl, line 2")
    assert str(raised.value).startswith("read turns.jsonl, line 2: ")


def test_an_index_refuses_two_of_a_kind():
    table = Table(Turn, [Turn(0, 1, "A", "x"), Turn(2, 3, "A", "x")])
    assert set(table.by("start")) == {0, 2}
    with pytest.raises(RecordError, match="find each record by its speaker: 'A' stands twice"):
        table.by("speaker")


def test_a_take_lasts_as_long_as_all_its_samples():
    take = Take("s1", "s1.wav", 22051, 22050, "hola", "hola", "f2", "fake", 1.0, "k")
    assert take.duration == 1001  # one sample more than a second


def test_a_table_shows_itself_and_escapes_what_it_shows():
    html = Table(Turn, [Turn(0, 1, "<script>", "x")])._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert list(Table(Turn, []).to_frame().columns) == ["start", "end", "speaker", "engine"]


def test_errors_pickle_and_say_three_things():
    error = WorkbenchError("open x", "it is not there", "Make it.")
    assert str(pickle.loads(pickle.dumps(error))) == "open x: it is not there. Make it."
