import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.glossary import Pronunciation as P
from workbench.tts import lexicon


def test_whole_words_are_given_as_they_shall_be_spoken():
    rules = [P("Kobayashi", "Ko bye ah she", "en")]
    assert lexicon.apply("Kobayashi's kobayashi, Kobayashis", rules, language="en") == (
        "Ko bye ah she's Ko bye ah she, Kobayashis"
    )


def test_case_counts_where_the_rule_says_so():
    assert lexicon.apply("IT, it", [P("IT", "I T", "en", True)], language="en") == "I T, it"


@pytest.mark.parametrize(
    ("locale", "language", "holds"),
    [
        ("en", "en", True),
        ("en", "en-GB", True),
        ("EN", "en-gb", True),
        ("en-GB", "en", False),
        ("en-GB", "en-US", False),
        ("e", "en", False),
        ("pt-BR", "pt-BR", True),
        ("*", "ja", True),
    ],
)
def test_a_locale_holds_for_its_language_and_what_is_narrower(locale, language, holds):
    assert lexicon.covers(locale, language) is holds
    assert (lexicon.apply("a", [P("a", "b", locale)], language=language) == "b") is holds


def test_the_narrower_locale_holds_whatever_the_order():
    rules = [P("route", "root", "en-GB"), P("route", "rowt", "en"), P("Route", "star", "*")]
    for order in (rules, rules[::-1]):
        assert lexicon.apply("route", order, language="en-GB") == "root"
        assert lexicon.apply("route", order, language="en-US") == "rowt"
        assert lexicon.apply("route", order, language="es") == "star"


def test_the_longest_term_goes_first():
    rules = [P("New", "niu", "*"), P("New York", "niu iork", "*")]
    assert lexicon.apply("New York, New", rules, language="es") == "niu iork, niu"


def test_what_a_rule_has_put_in_is_not_looked_at_again():
    rules = [P("a", "b", "*"), P("b", "a", "*")]
    assert lexicon.apply("a b", rules, language="es") == "b a"


def test_a_replacement_is_never_read_as_a_pattern():
    assert lexicon.apply("x", [P("x", r"\1\g<0>[[k@]]", "*")], language="es") == r"\1\g<0>[[k@]]"


@given(st.text(max_size=50))
def test_without_rules_a_text_stays_as_it_is_but_for_its_normal_form(text):
    assert lexicon.apply(lexicon.apply(text, [], language="es"), [], language="es") == lexicon.apply(
        text, [], language="es"
    )
