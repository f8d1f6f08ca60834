import os
import shlex
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import engines
from workbench.engines import apertium
from workbench.engines.apertium import Apertium, Chain
from workbench.errors import EngineError, LanguageError

MODES = Path("/usr/share/apertium/modes")
PAIRS = {"eng-spa", "eng-cat", "spa-ita"}
lacking = PAIRS - {path.stem for path in MODES.glob("*.mode")}
with_pairs = pytest.mark.skipif(
    bool(lacking), reason=f"Apertium pairs not installed: {', '.join(sorted(lacking))}"
)


@pytest.fixture(scope="module")
def engine():
    return Apertium(Apertium.Options(modes=str(MODES), timeout=60), given=None)


def english(engine, *lines, target="es"):
    return engine.translate(lines, source="en", target=target)


def mode(folder, name, *scripts):
    """Write a mode whose programs are shell scripts."""
    programs = []
    for number, script in enumerate(scripts):
        program = folder / f"{name}-{number}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        programs.append(f"{shlex.quote(str(program))} $1 'an argument'")
    path = folder / f"{name}.mode"
    path.write_text(" | ".join(programs) + "\n")
    return path


def fake(folder, **options):
    return Apertium(Apertium.Options(modes=str(folder), timeout=options.get("timeout", 5)), given=None)


def test_a_mode_is_read_as_lists_of_arguments():
    text = "lt-proc -w '/usr/share/a b.bin'| tagger -g $2 \"x\" |lt-proc $1 gen\n"
    assert apertium.pipeline(text, where="m") == [
        ["lt-proc", "-w", "/usr/share/a b.bin"],
        ["tagger", "-g", "x"],
        ["lt-proc", "-g", "gen"],
    ]


@pytest.mark.parametrize(
    "text",
    ["", "a | | b", "a; rm b", "a $(b)", "a `b`", "a > b", "a && b", "a || b", "a $3", "a 'b", "a $HOME | b"],
)
def test_a_mode_that_is_more_than_a_chain_is_refused(text):
    with pytest.raises(EngineError, match=r"read the Apertium mode m\.mode"):
        apertium.pipeline(text, where="m.mode")


def test_lines_pass_a_chain_in_order_and_whole(tmp_path):
    mode(tmp_path, "eng-spa", "exec cat", "exec cat")
    lines = [
        "One^$/<>{}\\@[]*#~.",
        "",
        "  two\n lines ",
        "💬 naïve e\u0301",
        "x" * 300_000,
        "Three…",
        "tHree",
    ]
    drafts = fake(tmp_path).translate(lines, source="en", target="es")
    assert [draft.text for draft in drafts] == [
        "One^$/<>{}\\@[]*#~.", "", "Two lines.", "💬 naïve é.", "X" + "x" * 299_999 + ".", "Three…", "tHree",
    ]  # fmt: skip
    assert {draft.unknown for draft in drafts} == {()}


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(st.text(max_size=40), max_size=8))
def test_any_lines_keep_their_count_and_their_words(lines, tmp_path_factory):
    folder = tmp_path_factory.mktemp("modes")
    mode(folder, "spa-cat", "exec cat")
    drafts = fake(folder).translate(lines, source="es", target="ca")
    assert len(drafts) == len(lines)
    for line, draft in zip(lines, drafts, strict=True):
        kept = (
            apertium.UNSPOKEN.sub(" ", apertium.unicodedata.normalize("NFC", line)).replace("’", "'").split()
        )
        assert [word.casefold() for word in draft.text.rstrip(".…").split()] == [
            word.casefold() for word in " ".join(kept).rstrip(".…").split()
        ]


def test_marks_are_taken_off_and_the_unknown_words_named(tmp_path):
    mode(tmp_path, "eng-spa", r"exec sed -zu 's/Meet/@Meet/; s/tom/*tom/; s/saw/#ver/'")
    draft = fake(tmp_path).translate(["meet tom, he saw a@b"], source="en", target="es")[0]
    assert (draft.text, draft.unknown) == ("Meet tom, he ver a@b.", ("meet", "tom"))


def test_a_line_of_which_nothing_comes_through_is_kept_as_unknown(tmp_path):
    mode(tmp_path, "eng-spa", r"exec sed -zu 's/To it//'")
    draft = fake(tmp_path).translate(["To it"], source="en", target="es")[0]
    assert (draft.text, draft.unknown) == ("To it", ("To", "it"))


def test_one_chain_serves_every_call(tmp_path):
    mode(tmp_path, "eng-spa", f"echo started >> {tmp_path}/log; exec cat")
    engine = fake(tmp_path)
    for _ in range(3):
        engine.translate(["a", "b"], source="en", target="es")
    assert (tmp_path / "log").read_text() == "started\n"


def test_a_chain_that_hangs_is_an_error_that_names_the_program(tmp_path):
    mode(tmp_path, "eng-spa", "exec cat", "exec sleep 60", "exec cat")
    with pytest.raises(EngineError, match=r"pair eng-spa: no answer for 1 s: eng-spa-1 hangs"):
        fake(tmp_path, timeout=1).translate(["a"], source="en", target="es")


def test_a_program_that_dies_is_named_with_what_it_said(tmp_path):
    mode(tmp_path, "eng-spa", "exec cat", "echo no dictionary >&2; exit 3", "exec cat")
    with pytest.raises(EngineError, match=r"eng-spa-1 ended with status 3 \(no dictionary\)"):
        fake(tmp_path).translate(["a" * 200_000], source="en", target="es")


def test_a_program_that_is_not_there_is_named(tmp_path):
    (tmp_path / "eng-spa.mode").write_text("cat | no-such-program x\n")
    with pytest.raises(EngineError, match="no-such-program cannot be started"):
        fake(tmp_path).translate(["a"], source="en", target="es")


def test_an_answer_without_its_end_is_an_error(tmp_path):
    mode(tmp_path, "eng-spa", r"exec sed -zu 's/]//g'")
    with pytest.raises(EngineError, match="does not end as its request did"):
        fake(tmp_path).translate(["a"], source="en", target="es")


def test_a_failed_chain_is_started_anew(tmp_path):
    mode(tmp_path, "eng-spa", f"test -e {tmp_path}/again || {{ touch {tmp_path}/again; exit 1; }}; exec cat")
    engine = fake(tmp_path)
    with pytest.raises(EngineError):
        engine.translate(["a"], source="en", target="es")
    assert engine.translate(["B"], source="en", target="es")[0].text == "B"


def test_an_interrupt_leaves_no_program_and_no_old_answer(tmp_path, monkeypatch):
    chain = Chain(mode(tmp_path, "eng-spa", f"echo $$ > {tmp_path}/pid; exec cat"), timeout=5)
    monkeypatch.setattr(apertium.select, "select", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        chain.ask(["a" + apertium.REQUEST_END])
    assert not chain.running


def _interrupt(*_):
    raise KeyboardInterrupt


def test_closing_a_chain_ends_its_programs(tmp_path):
    chain = Chain(mode(tmp_path, "eng-spa", f"echo $$ > {tmp_path}/pid; exec cat"), timeout=5)
    chain.ask(["a" + apertium.REQUEST_END])
    pid = int((tmp_path / "pid").read_text())
    chain.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_chain_that_is_forgotten_ends_its_programs(tmp_path):
    mode(tmp_path, "eng-spa", f"echo $$ > {tmp_path}/pid; exec cat")
    engine = fake(tmp_path)
    engine.translate(["a"], source="en", target="es")
    pid = int((tmp_path / "pid").read_text())
    del engine
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_pairs_are_known_by_three_letters_and_variants_by_name(tmp_path):
    for name in ("en-es", "eng-spa", "es-pt_BR", "eng-cat_valencia", "README"):
        (tmp_path / f"{name}.mode").write_text("cat\n")
    assert apertium.installed(tmp_path) == {
        ("eng", "spa"): "eng-spa",
        ("spa", "por_BR"): "es-pt_BR",
        ("eng", "cat_valencia"): "eng-cat_valencia",
    }


NAMES = "eng-spa eng-cat eng-cat_valencia spa-eng spa-por_BR spa-ita cat-fra nld-dan dan-swe nld-nob nob-swe"
ROUTES = [
    ("en", "es", ["eng-spa"]),
    ("en-GB", "es-MX", ["eng-spa"]),
    ("en", "ca-valencia", ["eng-cat_valencia"]),
    ("es", "pt-BR", ["spa-por_BR"]),
    ("en", "it", ["eng-spa", "spa-ita"]),
    ("en", "fr", ["eng-cat", "cat-fra"]),
    ("en", "pt-BR", ["eng-spa", "spa-por_BR"]),
    ("nl", "sv", ["nld-dan", "dan-swe"]),
    ("en", "sv", None),
    ("en", "en", None),
]


@pytest.mark.parametrize(("source", "target", "modes"), ROUTES)
def test_a_route_is_direct_or_through_one_language(source, target, modes):
    pairs = {tuple(name.split("-")): name for name in f"{NAMES} cat-ita".split()}
    assert apertium.route(pairs, source, target) == modes
    assert apertium.route(dict(reversed(pairs.items())), source, target) == modes


def test_a_pair_that_is_not_installed_names_its_package(tmp_path):
    mode(tmp_path, "eng-spa", "cat")
    for target, found in (("ca", "apertium-eng-cat"), ("pt", "apertium-eng-spa apertium-es-pt")):
        with pytest.raises(LanguageError, match=f"installed: eng-spa.*apt-get install {found}$"):
            fake(tmp_path).translate(["a"], source="en", target=target)


def test_a_language_that_no_pair_knows_is_named(tmp_path):
    with pytest.raises(
        LanguageError, match=r"English \(en\) to German \(de\).*installed: none.*no such pair"
    ):
        fake(tmp_path).translate(["a"], source="en", target="de")


def test_a_missing_apertium_names_the_command(tmp_path):
    reason = Apertium.missing(Apertium.Options(modes=str(tmp_path / "none"), timeout=1))
    assert "apt-get install apertium-eng-spa" in reason
    assert "conda" in reason


@with_pairs
def test_english_is_translated_to_spanish_and_to_catalan(engine):
    assert english(engine, "This blade has a dark past.")[0].text == "Esta hoja tiene un pasado oscuro."
    assert english(engine, "This blade has a dark past.", target="ca")[0].text.endswith("té un passat fosc.")


@with_pairs
def test_what_a_recogniser_wrote_becomes_a_sentence(engine):
    heard, written = english(engine, "i think i know", "I think I know.")
    assert heard == written
    assert heard.text == "Pienso que sé."


@with_pairs
def test_a_written_line_keeps_its_own_beginning_and_end(engine):
    texts = [draft.text for draft in english(engine, "so it is here…", "The house,", "No.", "no", "Really?")]
    assert texts[0][0].islower()
    assert texts[0].endswith("…")
    assert texts[1:4] == ["La casa,", "No.", "No."]
    assert texts[4].endswith("?")


@with_pairs
def test_no_answered_in_one_word_is_not_a_number(engine):
    text = english(engine, "No. I said no. Look at no. 3.")[0].text
    assert text.lower().count("núm") == 1


@with_pairs
def test_unknown_words_are_reported_and_shipped_without_marks(engine):
    draft = english(engine, "The gatekeepers met Kobayashi.")[0]
    assert draft.unknown == ("gatekeepers", "Kobayashi")
    assert "*" not in draft.text
    assert "Kobayashi" in draft.text


@with_pairs
def test_the_word_behind_a_name_gets_no_capital_of_its_own(engine):
    assert english(engine, "Kobayashi isn't here.")[0].text == "Kobayashi no es aquí."
    assert english(engine, "Kobayashi Tom.")[0].text == "Kobayashi Tom."


@with_pairs
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Hello! Is this a house? Yes.", "¡Hola! ¿Es esto una casa? Sí."),
        ('- "Anna?"', '- "¿Anna?"'),
        ("?!", "?!"),
    ],
)
def test_spanish_questions_and_exclamations_are_opened(engine, line, expected):
    assert english(engine, line)[0].text == expected


@with_pairs
def test_a_pivot_stands_in_the_draft(engine):
    draft = english(engine, "The house is red.", target="it")[0]
    assert (draft.via, "rossa" in draft.text) == ("spa", True)


@with_pairs
@pytest.mark.parametrize("target", ["es", "ca", "it"])
def test_every_line_survives_in_order(engine, target):
    odd = [
        "", "42", "💬🎬", "It’s 7:45, isn't it?", "a_b {c} [d] <e> ^f$ \\g @h *i* #j ~k",
        "Žižek, 東京, привет", "One. Two! Three?", "…", "?", "To",
        "Oh, hello. " * 800, "\x00nul\x1b", "Line\nbroken", "I'd've",
    ]  # fmt: skip
    one_by_one = [english(engine, line, target=target)[0] for line in odd]
    assert english(engine, *odd, target=target) == one_by_one
    for line, draft in zip(odd, one_by_one, strict=True):
        assert bool(draft.text) is bool(line)
        assert "\x00" not in draft.text
    assert one_by_one[10].text.count(".") == 800


@with_pairs
def test_the_answer_does_not_depend_on_the_lines_before(engine):
    lines = ["She has a dog.", "It barks.", "He gave it to her.", "They know their way."]
    forward = english(engine, *lines, target="ca")
    assert english(engine, *reversed(lines), target="ca") == forward[::-1]


@with_pairs
def test_a_lasting_chain_beats_one_process_a_line(engine):
    english(engine, "Warm.")
    start = time.perf_counter()
    english(engine, *[f"This is line {n}." for n in range(50)])
    lasting = time.perf_counter() - start
    start = time.perf_counter()
    for n in range(2):
        english(Apertium(engine.options, given=None), f"This is line {n}.")
    assert lasting / 50 < (time.perf_counter() - start) / 2


@pytest.mark.parametrize(
    ("source", "target", "near"),
    [("es", "ca", True), ("pt-BR", "gl", True), ("no", "sv", True), ("en", "es", False), ("fr", "de", False)],
)
def test_between_far_languages_it_says_that_the_gist_alone_comes_through_and_what_is_better(
    source, target, near
):
    said = Apertium.caution(Apertium.Options(str(MODES), 60), source=source, target=target)
    assert bool(said) is not near
    assert near or "workbench engines use laptop" in said


def test_what_was_done_carries_its_caution_into_the_record(engine):
    english(engine, "Good morning.")
    (maker,) = engines.makers(translate=engine)
    assert maker.caution.startswith("Apertium gives the gist from English to Spanish")
    engine.translate(["Buenos días."], source="es", target="ca")
    assert engines.makers(translate=engine)[0].caution == ""
