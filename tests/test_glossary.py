import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import glossary
from workbench.errors import GlossaryError
from workbench.glossary import Finder, Glossary, Pronunciation, Term

HEAD = "version: 1\nproject: demo\n"
TERM = HEAD + "glossary_terms:\n  - "


def standing(term, text, *, case_sensitive=False):
    return [found for _, found in Finder({term: case_sensitive}).find(text)]


def test_a_guide_is_read_whole():
    guide = glossary.read(
        {
            "style_guide.yaml": TERM + "{source: Kobayashi, target: Kobayashi, case_sensitive: true}\n"
            "pronunciation_lexicon:\n"
            "  - {term: Kobayashi, tts: Ko bye ah she, locale: en, case_sensitive: false}\n"
        }
    )
    assert guide.glossary_terms == (Term("Kobayashi", "Kobayashi", True),)
    assert guide.pronunciation_lexicon[0].tts == "Ko bye ah she"


def test_a_rule_is_written_into_a_guide_and_its_comments_stay():
    text = (
        "# The words of this series.\n"
        + HEAD
        + "glossary_terms:  # what stands where\n"
        + "  - {source: boat, target: barca, case_sensitive: false}\n"
        + "pronunciation_lexicon: []  # none yet\n"
    )
    rule = Pronunciation("no: #1", "número uno", "es")
    once = glossary.with_rule(text, rule, where="g.yaml", project="x")
    assert glossary.read({"g.yaml": once}).pronunciation_lexicon == (rule,)
    assert once.startswith(text[: text.index("pronunciation")])
    other = Pronunciation("GIF", "yif", "es", case_sensitive=True)
    twice = glossary.with_rule(once, other, where="g.yaml", project="x")
    assert twice.startswith(once)
    again = glossary.with_rule(twice, Pronunciation("No: #1", "uno", "es"), where="g.yaml", project="x")
    assert [row.tts for row in glossary.read({"g.yaml": again}).pronunciation_lexicon] == ["uno", "yif"]


def test_a_rule_makes_a_guide_where_there_is_none():
    made = glossary.with_rule("", Pronunciation("GIF", "yif", "es"), where="g.yaml", project="demo")
    assert 'version: 1\nproject: "demo"\n' in made
    assert len(glossary.read({"g.yaml": made}).pronunciation_lexicon) == 1


@pytest.mark.parametrize(
    "word", ["no", "on", "Yes", "null", "~", "1:30", "0x1F", "2026-01-31", "1e3", "=", "è"]
)
def test_a_word_that_yaml_may_take_for_something_else_stays_a_word(word):
    rule = Pronunciation(word, word, "no")
    made = glossary.with_rule("", rule, where="g.yaml", project="demo")
    assert glossary.read({"g.yaml": made}).pronunciation_lexicon == (rule,)
    other = Pronunciation(word, f"{word}{word}", "no")
    again = glossary.with_rule(made, other, where="g.yaml", project="demo")
    assert glossary.read({"g.yaml": again}).pronunciation_lexicon == (other,)


@pytest.mark.parametrize("project", ["1984", "on", "null"])
def test_a_guide_may_be_of_a_project_with_such_a_name(project):
    made = glossary.with_rule("", Pronunciation("a", "b", "es"), where="g.yaml", project=project)
    assert len(glossary.read({"g.yaml": made}).pronunciation_lexicon) == 1


@pytest.mark.parametrize(
    "text",
    ["\x85version: 1\nproject: demo\n", "version: 2\nproject: demo\n", "- a list\n", HEAD + "colour: red\n"],
)
def test_a_guide_that_is_none_is_not_written_over(text):
    with pytest.raises(GlossaryError, match=r"g\.yaml"):
        glossary.with_rule(text, Pronunciation("GIF", "yif", "es"), where="g.yaml", project="demo")


@pytest.mark.parametrize("texts", [{}, {"style_guide.yaml": ""}, {"style_guide.yaml": HEAD}])
def test_no_guide_is_an_empty_guide(texts):
    assert glossary.read(texts) == glossary.Guide()


def test_the_guide_of_one_language_takes_the_place_of_a_general_rule():
    general = TERM + "{source: Take, target: take}\n  - {source: film, target: film}\n"
    guide = glossary.read(
        {"style_guide.yaml": general, "style_guide.es.yaml": TERM + "{source: take, target: toma}"}
    )
    assert [(term.source, term.target) for term in guide.glossary_terms] == [
        ("take", "toma"),
        ("film", "film"),
    ]


BAD = {
    "not YAML": ("a: [", "not YAML"),
    "a list": ("- 1", "its top is a list"),
    "a section twice": (TERM + "{source: a, target: b}\nglossary_terms: []", "'glossary_terms' stands twice"),
    "an unknown key": (HEAD + "terms: []", "unknown key terms"),
    "no version": ("project: demo", "version"),
    "a later version": ("version: 2\nproject: demo", "its version is 2"),
    "a version in quotes": ("version: '1'\nproject: demo", "int"),
    "an unknown key in an entry": (TERM + "{source: a, target: b, colour: c}", "entry 1.*unknown key colour"),
    "a missing target": (TERM + "{source: a}", "entry 1.*target"),
    "a word that is a truth value": (TERM + "{source: true, target: b}", "entry 1.*str"),
    "an entry that is a string": (TERM + "word", "entry 1"),
    "an empty source": (TERM + "{source: '', target: b}", "entry 1.*empty"),
    "an empty target": (TERM + "{source: a, target: '  '}", "entry 1.*empty"),
    "a padded term": (TERM + "{source: ' a', target: b}", "begins or ends with a space"),
    "an over-long term": (TERM + f"{{source: {'a' * 201}, target: b}}", "longer than 200"),
    "a control character": (TERM + r'{source: "a\tb", target: b}', "control character"),
    "a private-use character": (TERM + r'{source: "a\uE000b", target: b}', "control character"),
    "one term twice": (TERM + "{source: Film, target: b}\n  - {source: film, target: c}", "entry 2.*already"),
    "one spelling twice": (
        TERM + "{source: US, target: b, case_sensitive: true}\n  - {source: US, target: c}",
        "entry 2.*already",
    ),
    "a locale that is none": (
        HEAD + "pronunciation_lexicon: [{term: a, tts: b, locale: nonsense tag}]",
        "pronunciation_lexicon, entry 1.*no language tag",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_guide_is_refused_with_its_file_and_entry(name):
    text, found = BAD[name]
    with pytest.raises(GlossaryError, match=f"(?s)style_guide.yaml.*{found}|{found}.*style_guide.yaml"):
        glossary.read({"style_guide.yaml": text})


def test_a_guide_that_is_too_long_is_refused():
    entries = "".join(f"  - {{source: t{n}, target: t}}\n" for n in range(glossary.MOST_ENTRIES + 1))
    with pytest.raises(GlossaryError, match="more than 2000 entries"):
        glossary.read({"g.yaml": HEAD + "glossary_terms:\n" + entries})


def test_two_case_sensitive_rules_may_differ_by_case_alone():
    text = (
        TERM + "{source: May, target: Mayo, case_sensitive: true}\n"
        "  - {source: may, target: a, case_sensitive: true}"
    )
    assert len(glossary.read({"g.yaml": text}).glossary_terms) == 2


WHOLE = [
    ("take", "Take two, take three.", ["Take", "take"]),
    ("take", "a mistake, taken, intake", []),
    ("take", "(take), 'take' «take» take-off", ["take"] * 4),
    ("don", "don't don’t", []),
    ("studio", "the studio's door, the studio’s roof", ["studio", "studio"]),
    ("estudi", "l'estudi", ["estudi"]),
    ("C++", "C++ and C++11", ["C++", "C++"]),
    ("dubbing studio", "the dubbing\n  studio", ["dubbing\n  studio"]),
    ("café", "cafe\u0301 and CAFÉ", ["café", "CAFÉ"]),
    ("cafe", "cafe\u0301", []),
    ("i", "naïve I", ["I"]),
    ("नमस्ते", "नमस्ते!", ["नमस्ते"]),
    ("नमस्त", "नमस्ते", []),
    ("スタジオ", "録音スタジオで", ["スタジオ"]),
    ("スタジオ", "スタジオン", []),
    ("録音", "新録音室", ["録音"]),
    ("Anna", "Annaさんは", ["Anna"]),
    ("สวัสดี", "พูดสวัสดีครับ", ["สวัสดี"]),
    ("фильм", "Фильм фильма", ["Фильм"]),
    ("a.b", "axb a.b", ["a.b"]),
]


@pytest.mark.parametrize(("term", "text", "expected"), WHOLE)
def test_a_term_stands_in_a_text_as_a_whole_word(term, text, expected):
    assert standing(term, text) == expected


def test_case_counts_where_the_rule_says_so():
    assert standing("May", "May I, may I?", case_sensitive=True) == ["May"]


def test_the_longest_term_wins_and_letters_are_used_once():
    finder = Finder({"studio": False, "dubbing studio": False, "dubbing": False})
    assert [term for term, _ in finder.find("dubbing studio, studio")] == ["dubbing studio", "studio"]


def test_a_case_sensitive_term_goes_before_its_equal():
    assert [term for term, _ in Finder({"will": False, "Will": True}).find("Will will")] == ["Will", "will"]


@given(
    st.dictionaries(st.text(min_size=1, max_size=8).filter(str.strip), st.booleans(), max_size=6),
    st.text(max_size=60),
)
def test_any_term_may_be_looked_for_in_any_text(terms, text):
    finder = Finder({" ".join(term.split()): case for term, case in terms.items()})
    assert finder.replace(text, lambda _, match: match[0]) == glossary._nfc(text)


def test_terms_are_never_read_as_patterns():
    assert standing("(a+)+$", "a" * 5000) == []


TERMS = [
    Term("workbench", "banco de trabajo"),
    Term("studio", "estudio"),
    Term("Red Keep", "Fortaleza Roja", True),
]
ALL = [term.source for term in TERMS]


def test_a_rule_fires_only_where_its_source_term_stands():
    rules = Glossary(TERMS)
    assert [term.source for term in rules.fires("The Workbench of the Red Keep")] == ["workbench", "Red Keep"]
    assert rules.fires("Workbenches of the red keep") == []
    assert rules.confirmed("A desk.", "Un banco de trabajo.") == []


def test_a_target_is_confirmed_as_it_is_written_or_with_a_capital():
    rules = Glossary(TERMS)
    assert rules.confirmed("workbench", "Banco de trabajo") == [TERMS[0]]
    assert rules.confirmed("workbench", "BANCO DE TRABAJO") == []
    assert rules.confirmed("Red Keep", "fortaleza Roja") == []


def test_two_targets_may_differ_by_case_alone():
    mother, role = Term("Mother", "Mare", True), Term("mother", "mare", True)
    for rules in (Glossary([mother, role]), Glossary([role, mother])):
        assert rules.confirmed("my mother", "la meva mare") == [role]
        assert rules.confirmed("hello, Mother", "hola, Mare") == [mother]
        assert rules.confirmed("hello, Mother", "hola, mare") == []


def test_a_target_must_stand_as_often_as_its_source():
    rules = Glossary(TERMS)
    assert rules.confirmed("studio to studio", "de estudio a taller") == []
    assert len(rules.confirmed("studio to studio", "de estudio a estudio")) == 2


def test_a_target_inside_a_longer_target_does_not_confirm_the_shorter():
    rules = Glossary([Term("bank", "banco"), Term("workbench", "banco de trabajo")])
    assert [t.source for t in rules.confirmed("the bank, the workbench", "el banco de trabajo")] == [
        "workbench"
    ]


def test_held_terms_come_back_as_their_targets():
    held = Glossary(TERMS).hold("Workbench, studio and workbench in the Red Keep.", ALL)
    assert held.text == "Xqax, xqbx and xqcx in the Xqdx."
    text = held.release("Xqax, xqbx y xqcx en la Xqdx.")
    assert text == "Banco de trabajo, estudio y banco de trabajo en la Fortaleza Roja."


def test_only_the_terms_asked_for_are_held():
    assert Glossary(TERMS).hold("a studio, a workbench", ["workbench"]).text == "a studio, a xqax"


def test_a_target_gets_a_capital_only_where_it_begins_a_sentence():
    held = Glossary(TERMS).hold("Look. Studio here, a Studio there", ALL)
    assert held.release("Mira. «Xqax aquí, un Xqbx allí") == "Mira. «Estudio aquí, un estudio allí"


@pytest.mark.parametrize("translation", ["", "un xqaxe", "xqax y xqax", "el x"])
def test_a_placeholder_that_is_lost_or_doubled_releases_nothing(translation):
    assert Glossary(TERMS).hold("the studio", ALL).release(translation) is None


def test_a_placeholder_is_never_a_word_of_the_line():
    assert Glossary(TERMS).hold("xqax studio", ALL).text == "xqax xqbx"


@given(st.lists(st.sampled_from(["studio", "Studio", "workbench", "Red Keep", "tree"]), max_size=40))
def test_what_is_held_is_released_whole(words):
    line = " ".join(words)
    targets = {
        "studio": "estudio",
        "Studio": "estudio",
        "workbench": "banco de trabajo",
        "Red Keep": "Fortaleza Roja",
    }
    expected = " ".join(targets.get(word, word) for word in words)
    released = Glossary(TERMS).hold(line, ALL).release(Glossary(TERMS).hold(line, ALL).text)
    assert released.casefold() == expected.casefold()
