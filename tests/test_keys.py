"""Keys: parsed once, joined and split in one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import LibraryError
from workbench.library import STAGES, Key, dub_name
from workbench.library.keys import OURS

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_a_key_is_what_its_text_says(names):
    if any(name in OURS[level] for name, level in zip(names, OURS, strict=False)):
        return
    key = Key.parse("/".join(names))
    assert key.names == tuple(names)
    assert Key.parse(str(key)) == key
    assert key.level == ("series", "episode", "dub")[len(names) - 1]
    assert key.holds(key)
    if len(names) > 1:
        assert key.parent.holds(key)
        assert not key.holds(key.parent)
        assert key.parent.child(key.name) == key


@pytest.mark.parametrize(
    "text", ["", "/", "a/b/c/d", "..", "a/..", "a//b", "a/.b", "a/b c", "s/e/" + "x" * 65]
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(LibraryError, match=r"Use 1 to 64 letters|A key is"):
        Key.parse(text)


def test_a_name_that_begins_as_another_is_not_below_it():
    assert not Key.parse("s/e").holds(Key.parse("s/e1"))


@pytest.mark.parametrize("language", ["es", "pt-BR", "tts", "mix", "fit", "asr", "qaa"])
def test_no_language_is_refused_as_a_dubs_name(language):
    assert Key("s", "e").child(dub_name(language)).level == "dub"


@pytest.mark.parametrize("name", ["asr", "given", "review"])
def test_a_dub_is_not_named_as_a_folder_beside_it(name):
    with pytest.raises(LibraryError, match="keeps a folder of that name"):
        Key("s", "e", name)


def test_source_stages_are_folders_beside_a_dub():
    assert set(OURS["dub"]) & set(STAGES) == set(STAGES[: STAGES.index("translate")])
