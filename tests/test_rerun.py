"""`workbench rerun`: the lines asked for are spoken again, through DVC, and nothing else changes."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from workbench import cli, library, review, tts
from workbench.errors import LibraryError
from workbench.records import Casting, Clip, Probe, Segment, Shot, Stream, Table, Take, Translation
from workbench.runs import batch, pipeline, reproduce
from workbench.runs.rerun import rerun

from .conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own

KEY = "s/e/es"
SAID = ("Buenos días.", "No me lo dijo nadie.", "El puerto estaba tranquilo.", "Sal y dos cartas.")
GUIDE = "version: 1\nproject: s\nglossary_terms: [{terms}]\npronunciation_lexicon: [{lexicon}]\n"
PIPELINE = """
stages:
  options-es:
    cmd: workbench options s/e/es --write
    deps: [../../../params, given, es/given]
    outs: [{es/.options: {persist: true}}]
  translate-es:
    cmd: workbench run translate s/e/es
    deps: [../style_guide.es.yaml, es/review/translate.jsonl, segment, es/.options/translate.json]
    outs: [{es/translate: {persist: true}}]
  tts-es:
    cmd: workbench run tts s/e/es
    deps: [../style_guide.es.yaml, es/review/tts.jsonl, voices, es/cast, es/translate, es/.options/tts.json]
    outs: [{es/tts: {persist: true}}]
  qa-es:
    cmd: cat es/tts/*.wav > es/film
    deps: [es/tts]
    outs: [{es/film: {persist: true}}]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project of four lines, dubbed once; its film is the takes one after the other."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(ROOT / "params", folder / "params")
    (folder / "notebooks").mkdir()
    for name in ("070_translate", "080_tts"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder / "notebooks")
    (folder / "params" / "library.yaml").write_text("s: {e: [es]}\n")
    dub = library.Dub(folder, library.Key.parse(KEY))
    library.write_text(
        dub.episode.given / "episode.yaml",
        "source: x\nlanguage: en\naudio_track: 0\nspeakers: null\nengines: {}\n",
    )
    library.write_text(dub.given / "dub.yaml", "language: es\nengines: {translate: subtitles}\n")
    cues = (
        f"{n + 1}\n00:00:{4 * n:02d},000 --> 00:00:{4 * n + 3:02d},000\n{t}\n" for n, t in enumerate(SAID)
    )
    library.write_text(dub.given / "translation.srt", "\n".join(cues))
    library.write_text(dub.episode.series.style_guide_path("es"), GUIDE.format(terms="", lexicon=""))
    for stage in ("segment", "translate", "tts"):
        library.write_text(dub.review_log(stage), "\n")
    with dub.episode.writing("media") as out:
        sound = Stream(0, "audio", "pcm", "en", 48000, 2, 0, 0, 0.0)
        out.table(Table(Probe, [Probe("wav", 20_000, (sound,), 0)]))
        out.table(Table(Shot, []))
    with dub.episode.writing("segment") as out:
        rows = [Segment(f"s{4000 * n:08d}", 4000 * n, 4000 * n + 3000, "A", f"line {n}") for n in range(4)]
        out.table(Table(Segment, rows))
    with dub.episode.writing("voices") as out:
        out.table(Table(Clip, []))
    with dub.writing("cast") as out:
        out.table(Table(Casting, [Casting("A", "f2", "espeak", None, "review")]))
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch)
        subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=folder, check=True)
        library.write_text(dub.episode.folder / pipeline.FILE, PIPELINE)
        batch.reproduce(folder, [("qa", dub.key)])
    return folder


def prepare(patch):
    patch.setenv("PYTHONPATH", str(ROOT))
    patch.setenv("DVC_NO_ANALYTICS", "1")
    patch.setattr(pipeline, "write", lambda *_: None)  # it is the one above


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    prepare(monkeypatch)
    shutil.copytree(made, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def lines(root):
    dub = library.Dub(root, library.Key.parse(KEY))
    decisions = review.read(dub.review(*review.LOGS))
    return review.fold(decisions, dub.read(Segment), dub.read(Translation), dub.read(Take))


def decide(root, action, number, **carried):
    line = list(lines(root).values())[number]
    decision = review.decide(action, line, who="ana", at=datetime.now(UTC), **carried)
    library.Dub(root, library.Key.parse(KEY)).append(review.log_of(action), decision)
    return line.id


def files(root):
    return {path.name: path.read_bytes() for path in (root / "data" / KEY / "tts").iterdir()}


def film(root):
    return (root / "data" / KEY / "film").read_bytes()


def changed(root, before):
    after = files(root)
    return sorted(n for n in before.keys() | after.keys() if n.endswith(".wav") and before[n] != after[n])


def clean(root):
    with reproduce.in_view(root, "data/s/e/dvc.yaml") as repo:
        return reproduce.changed(repo) == {}


def test_only_the_line_asked_for_is_spoken_again(project, capsys):
    one = decide(project, "edit_text", 1, text="Nadie me dijo nada en todo el día, ni una sola palabra.")
    other = decide(project, "edit_text", 2, text="El mar estaba en calma.")
    before = files(project)
    assert cli.main(["rerun", KEY, "--segments", one, "--who", "ana"]) == 0
    assert "lines asked: 1, takes changed: 1, syntheses: 1, takes kept: 3" in capsys.readouterr().out
    assert changed(project, before) == [f"{one}.wav"]
    assert clean(project)
    state = lines(project)
    assert state[one].take.text_pre_pronunciation == "Nadie me dijo nada en todo el día, ni una sola palabra."
    assert state[one].flags == frozenset()
    assert state[other].flags == {"held", "pending"}
    assert state[other].text == "El mar estaba en calma."

    done = rerun(project, library.Key.parse(KEY), stale=True, who="ana")
    assert (done.lines, done.changed) == ((other,), (other,))
    assert clean(project)
    assert not any(line.flags for line in lines(project).values())


def test_approved_lines_are_rerun_and_drafts_are_not(project, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_USER", "eva")
    one = decide(project, "edit_text", 0, text="Buenas noches.")
    decide(project, "approve", 0)
    two = decide(project, "edit_text", 3, text="Nada.")
    before = files(project)
    done = rerun(project, library.Key.parse(KEY), approved=True)
    assert (done.lines, done.changed, done.kept) == ((one,), (one,), 3)
    assert changed(project, before) == [f"{one}.wav"]
    assert lines(project)[one].state == "approved"
    assert lines(project)[two].flags == {"held", "pending"}
    held = review.holds(review.read(library.Dub(project, library.Key.parse(KEY)).review(*review.LOGS)))
    assert [hold.who for hold in held] == ["eva"]


def test_a_rerun_that_fails_keeps_takes_and_film_and_says_why(project, caplog, capsys):
    bad = decide(project, "edit_text", 1, text="…")
    before, shown = files(project), film(project)
    assert cli.main(["rerun", KEY, "--segments", bad]) == 1
    assert "resynth_failed" in caplog.text
    assert "nothing in it to pronounce" in capsys.readouterr().err
    assert files(project) == before
    assert film(project) == shown
    assert "held" in lines(project)[bad].flags

    good = decide(project, "edit_text", 2, text="El mar.")
    rerun(project, library.Key.parse(KEY), segments=[good])
    assert changed(project, before) == [f"{good}.wav"]
    decide(project, "edit_text", 1, text="Ahora sí.")
    rerun(project, library.Key.parse(KEY), segments=[bad])
    assert changed(project, before) == sorted([f"{bad}.wav", f"{good}.wav"])


def test_a_locked_take_outlives_the_memo_and_a_changed_engine(project):
    dub = library.Dub(project, library.Key.parse(KEY))
    take = dub.read(Take)[0]
    y, _ = library.read_sound(dub.stage("tts") / take.sound)
    kept = decide(project, "lock", 0, sound=tts.digest(y))
    shutil.rmtree(project / ".cache" / "takes")
    engines = project / "params" / "engines.yaml"
    engines.write_text(engines.read_text().replace("words_per_minute: 170", "words_per_minute: 150"))
    before = files(project)
    batch.reproduce(project, [("qa", library.Key.parse(KEY))])
    assert changed(project, before) == sorted(name for name in before if name[0] == "s" and kept not in name)


def test_more_changes_than_decisions_are_not_smuggled_in(project):
    settings = project / "params" / "tts.yaml"
    settings.write_text(settings.read_text().replace("seed: 0", "seed: 1"))
    one = decide(project, "edit_text", 1, text="Nadie me dijo nada en todo el día, ni una sola palabra.")
    logs = library.Dub(project, library.Key.parse(KEY)).review(*review.LOGS)
    with pytest.raises(
        LibraryError, match=r"more than decisions has changed.*\.options/tts\.json.*workbench repro"
    ):
        rerun(project, library.Key.parse(KEY), segments=[one])
    assert library.Dub(project, library.Key.parse(KEY)).review(*review.LOGS) == logs


def test_a_word_of_the_series_lexicon_is_spoken_by_the_next_rerun_and_a_term_is_not_smuggled_in(project):
    guide = library.Dub(project, library.Key.parse(KEY)).episode.series.style_guide_path("es")
    one = decide(project, "edit_text", 1, text="Nadie me dijo nada.")
    [_, _, saying, _] = lines(project)
    before = files(project)
    library.write_text(guide, GUIDE.format(terms="{source: boat, target: barco}", lexicon=""))
    with pytest.raises(LibraryError, match=r"more than decisions has changed.*style_guide\.es\.yaml"):
        rerun(project, library.Key.parse(KEY), segments=[one])
    word = "{term: puerto, tts: puerrrto, locale: es}"
    library.write_text(guide, GUIDE.format(terms="", lexicon=word))
    done = rerun(project, library.Key.parse(KEY), segments=[one])
    assert (done.lines, done.changed, done.kept) == ((one,), (one, saying), 2)
    assert lines(project)[saying].take.tts_text == "El puerrrto estaba tranquilo."
    assert changed(project, before) == [f"{one}.wav", f"{saying}.wav"]
    assert clean(project)


def test_a_line_that_is_not_there_is_an_error(project):
    with pytest.raises(LibraryError, match="rerun s99 of s/e/es: there is no such line"):
        rerun(project, library.Key.parse(KEY), segments=["s99"])


def test_a_log_that_cannot_be_read_stops_the_rerun_and_stays(project):
    path = library.Dub(project, library.Key.parse(KEY)).review_log("translate")
    path.write_text("<<<<<<< HEAD\n")
    with pytest.raises(Exception, match=r"translate\.jsonl, line 1: it is the marker of a merge conflict"):
        rerun(project, library.Key.parse(KEY), stale=True)
    assert path.read_text() == "<<<<<<< HEAD\n"


def test_edits_of_a_sheet_come_back_in_the_name_of_who_is_at_work(project, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JUPYTERHUB_USER", "eva")
    sheet = tmp_path / "lines.csv"
    assert cli.main(["sheet", "write", KEY, str(sheet)]) == 0
    sheet.write_bytes(sheet.read_bytes().replace(b"dos cartas", b"tres cartas", 1))
    assert cli.main(["sheet", "read", KEY, str(sheet)]) == 0
    assert "decisions: 1" in capsys.readouterr().out
    [decision] = review.read(library.Dub(project, library.Key.parse(KEY)).review(*review.LOGS))
    assert (decision.action, decision.who) == ("edit_text", "eva")
    assert lines(project)[decision.subject].text == "Sal y tres cartas."
