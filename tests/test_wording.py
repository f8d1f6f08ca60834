"""Which take stands for a line, and which text is then heard and read."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from workbench import wording
from workbench.records import Placement, Table, Take, Translation


def take(segment, text, *, number=0, instead_of=""):
    name = f"{segment}.{number}.wav"
    return Take(segment, name, 9, 9, text, text, "v", "e", 1.0, f"{segment} {text}", instead_of)


def translation(segment, text):
    return Translation(segment, text, "llm", ("strange",), ("boat",), ())


LONG = [
    take("a", "a long text"),
    take("b", "the other"),
    take("a", "short", number=1, instead_of="a long text"),
]
TEXTS = [translation("a", "a long text"), translation("b", "the other"), translation("c", "not spoken")]


def test_the_take_that_is_placed_is_heard_and_its_text_is_said():
    heard = wording.heard(LONG, [Placement("b", 0, 1, 1.0, 0), Placement("a", 5, 6, 1.0, 0, take=1)])
    assert [row.text_pre_pronunciation for row in heard] == ["short", "the other"]
    said = wording.said(TEXTS, heard)
    assert list(said) == [replace(TEXTS[0], text="short"), *TEXTS[1:]]


def test_without_a_place_the_first_take_stands_for_a_line():
    heard = wording.heard(LONG, [])
    assert list(heard) == LONG[:2]
    assert list(wording.said(TEXTS, heard)) == TEXTS


def test_a_take_of_a_translation_that_has_changed_since_says_nothing_of_it():
    heard = wording.heard(LONG, [Placement("a", 5, 6, 1.0, 0, take=1)])
    new = translation("a", "another text")
    assert list(wording.said([new], heard)) == [new]


def test_a_place_older_than_the_takes_is_no_reason_to_lose_a_line():
    heard = wording.heard(LONG, [Placement("a", 5, 6, 1.0, 0, take=7)])
    assert [row.segment for row in heard] == ["a", "b"]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=3))),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
)
def test_each_line_with_takes_has_one_of_its_own(takes, places):
    made = [take(segment, text, number=n) for n, (segment, text) in enumerate(takes)]
    heard = wording.heard(made, [Placement(name, 0, 1, 1.0, 0, take=n) for name, n in places.items()])
    assert {row.segment for row in heard} == {row.segment for row in made}
    assert len(heard.by("segment")) == len(heard)
    assert set(heard) <= set(made)
    assert heard.kind is Take
    assert isinstance(heard, Table)
