"""The command line: keys, names and help, without a stage being run."""

from pathlib import Path

import pytest

from workbench import cli, library
from workbench.errors import LanguageError
from workbench.runs import batch

COMMANDS = ("add", "dub", "run", "repro", "rerun", "sheet", "status", "report", "engines", "demo")


@pytest.fixture
def here(root, monkeypatch):
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("talk.mp4", "talk"),
        ("Café, part 2 (final).mp4", "Cafe-part-2-final"),
        ("""My "film" $(touch pwned) — ñ'o.mp4""", "My-film-touch-pwned-n-o"),
        (f"{'x' * 63} y.mp4", "x" * 63),
        ("-.hidden.mp4", "hidden"),
    ],
)
def test_an_episode_is_named_after_its_file(file, name):
    assert cli.named(Path("films") / file) == name


def test_a_file_whose_name_has_no_latin_letter_needs_a_name(here, capsys):
    (here / "映画.mp4").write_bytes(b"x")
    assert cli.main(["add", "映画.mp4", "--from", "en"]) == 1
    assert "Choose one with --name." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["repro", "s/f"], "open s/f: params/library.yaml lists no such key. Most like it are: s/e"),
        (["repro", "s/e", "t"], "open t: params/library.yaml lists no such key"),
        (["status", "s/e/fr"], "lists no such key. Most like it are: s/e/es"),
        (["report", "nope"], "lists no such key"),
        (["report", "s/e"], "that is an episode. It has: s/e/es."),
        (["rerun", "s/e", "--approved"], "open the dub s/e: that is an episode"),
        (["sheet", "write", "s", "lines.csv"], "that is a series. It has: s/e/es."),
        (["run", "asr", "s/e/es"], "it runs once an episode. Its key is s/e."),
        (["run", "mix", "s/e"], "It has: s/e/es."),
        (["report", "s/e/es"], "Run: workbench repro s/e/es"),
    ],
)
def test_a_key_that_will_not_do_is_answered_with_one_that_will(here, capsys, arguments, says):
    assert cli.main(arguments) == 1
    assert says in capsys.readouterr().err


def test_outside_a_library_nothing_but_the_reason_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["engines"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Change into the project's folder." in said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    described = capsys.readouterr().out.split("\n\n")[1]
    assert described[0].isupper()
    assert described.endswith(".")


def test_the_version_is_known(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("workbench 0")


def test_languages_that_no_engine_can_do_are_refused_before_the_work(root):
    episode, dub = (root / f"data/s/e/{name}" for name in ("given/episode.yaml", "es/given/dub.yaml"))
    dub.write_text("language: es\nengines: {translate: subtitles}\n")
    batch.refuse_foreign(root, [library.Key.parse("s/e/es")])
    text = episode.read_text()
    episode.write_text(text.replace("language: en", "language: fr"))
    with pytest.raises(LanguageError, match="recognise speech in 'fr' with pocketsphinx"):
        batch.refuse_foreign(root, [library.Key.parse("s/e/es")])
    episode.write_text(text.replace("language: en", "language: ja").replace("{}", "{asr: subtitles}"))
    batch.refuse_foreign(root, [library.Key.parse("s/e/es")])
    dub.write_text("language: es\nengines: {}\n")
    with pytest.raises(LanguageError, match=r"translate from Japanese \(ja\) to Spanish"):
        batch.refuse_foreign(root, [library.Key.parse("s/e/es")])


@pytest.mark.parametrize("name", ["film.srt", "film.en.vtt", "film.ass"])
def test_subtitles_beside_a_film_are_found_by_its_name(tmp_path, name):
    film = tmp_path / "film.mp4"
    (tmp_path / "film.es.srt").touch()
    assert cli.beside(film, "en") is None
    (tmp_path / name).touch()
    assert cli.beside(film, "en") == tmp_path / name


def test_a_language_that_is_none_is_told_in_words(here, capsys):
    (here / "film.wav").touch()
    assert cli.main(["add", "film.wav", "--from", "en/../x"]) == 1
    assert capsys.readouterr().err.startswith("workbench: ")
