"""Films come into the library, and what people said of them stays."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import project
from workbench import batch, glossary, ingest, library
from workbench.errors import LibraryError, MediaError, StageError, SubtitleError

FAILING = """import pathlib, sys
from workbench import monitor
with monitor.recording(pathlib.Path(), *sys.argv[1:]):
    raise OSError"""


def film(path, seed=0):
    y = np.random.default_rng(seed).normal(0, 0.1, 16_000).astype(np.float32)
    library.write_sound(path, y, sr=16_000)
    return path


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """An empty library that DVC knows."""
    root = tmp_path_factory.mktemp("empty")
    (root / "params").mkdir()
    (root / "params/library.yaml").write_text("episodes: {}\ndubs: {}\n")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=root, check=True)
    return root


@pytest.fixture
def place(empty, tmp_path):
    return shutil.copytree(empty, tmp_path / "library")


def test_a_key_stands_for_all_that_is_below_it(root):
    (root / "params/library.yaml").write_text(
        "episodes: {s/e: {}, s/f: {}, t/e: {}}\ndubs: {s/e/es: {}, s/e/ca: {}, t/e/es: {}}\n"
    )
    assert batch.keys(root, ["s/e/es"]) == ["s/e/es"]
    assert batch.keys(root, ["s/e"]) == ["s/e", "s/e/es", "s/e/ca"]
    assert batch.keys(root, ["s"]) == ["s/e", "s/f", "s/e/es", "s/e/ca"]
    assert batch.keys(root, ["t/e/es", "s/f"]) == ["s/f", "t/e/es"]
    assert len(batch.keys(root)) == 6


def test_a_film_that_is_added_again_keeps_what_was_said_of_it(place, tmp_path):
    said = {"language": "en", "series": "s", "name": "e"}
    subtitles = tmp_path / "talk.srt"
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,900\nHello.\n")
    talk = film(tmp_path / "talk.wav")
    ingest.add(
        place, talk, targets=["es"], speakers=2, transcript=subtitles, translations={"es": subtitles}, **said
    )
    facts = place / "data/s/e/given/episode.yaml"
    facts.write_text(facts.read_text() + "  tts: piper  # she has a voice\n")
    before = facts.read_text()
    assert ingest.add(place, talk, targets=["es", "ca"], **said) == ("s/e", ["s/e/es", "s/e/ca"])
    assert facts.read_text() == before
    assert library.dub("s/e", "es", place).facts.engines == {"translate": "subtitles"}
    ingest.add(place, talk, targets=[], speakers=3, **said)
    assert facts.read_text() == before.replace("speakers: 2", "speakers: 3")


def test_a_transcript_that_names_its_speakers_says_who_speaks(place, tmp_path):
    talk, said = film(tmp_path / "talk.wav"), {"language": "en", "targets": ["es"], "series": "s"}
    cue = "1\n00:00:00,100 --> 00:00:00,900\n{}\n"
    files = {"named": "ANNA: Hello.", "plain": "Hello."}
    for name, text in files.items():
        subtitles = tmp_path / f"{name}.srt"
        subtitles.write_text(cue.format(text))
        ingest.add(place, talk, name=name, transcript=subtitles, **said)
    assert library.episode("s/named", place).facts.engines == {"asr": "subtitles", "diarize": "subtitles"}
    assert library.episode("s/plain", place).facts.engines == {"asr": "subtitles"}
    assert "speakers: null\n" in (place / "data/s/plain/given/episode.yaml").read_text()
    other = tmp_path / "named.vtt"
    other.write_text("WEBVTT\n\n00:00.100 --> 00:00.900\n<v Anna>Hello.\n")
    ingest.add(place, talk, name="named", transcript=other, **said)
    assert [path.name for path in (place / "data/s/named/given").iterdir() if "trans" in path.name] == [
        "transcript.vtt"
    ]
    other.write_text("no subtitles")
    with pytest.raises(SubtitleError):
        ingest.add(place, talk, name="new", translations={"es": other}, **said)
    assert not (place / "data/s/new").exists()


def test_a_name_stays_with_its_film(place, tmp_path):
    said = {"targets": ["es"], "series": "s", "name": "e"}
    talk = film(tmp_path / "talk.wav")
    ingest.add(place, talk, language="en", **said)
    before = project.contents(place)
    other = film(tmp_path / "other.wav", seed=1)
    for path in (other, shutil.copyfile(other, tmp_path / "other.flac")):
        with pytest.raises(LibraryError, match="another film has that name"):
            ingest.add(place, path, language="en", **said)
    with pytest.raises(LibraryError, match=r"in fr: it is there, in en\. Correct data/s/e/given"):
        ingest.add(place, talk, language="fr", **said)
    assert project.contents(place) == before


def test_a_new_style_guide_shows_how_its_rules_are_written(place, tmp_path):
    ingest.add(place, film(tmp_path / "talk.wav"), language="en", targets=["es"], series="s", name="e")
    guides = library.episode("s/e", place).style_guide("es")
    assert set(guides) == {"style_guide.yaml", "style_guide.es.yaml"}
    assert glossary.read(guides) == glossary.Guide()
    shown = [line.removeprefix("#   ") for line in guides["style_guide.es.yaml"].splitlines()]
    guide = glossary.read({"shown": "\n".join(["version: 1", "project: s", *shown[1:5]])})
    assert guide.glossary_terms == (glossary.Term("lighthouse", "faro"),)
    assert [rule.tts for rule in guide.pronunciation_lexicon] == ["otan"]
    assert library.episode("s/e", place).series_facts == library.SeriesFacts("s", {})


@pytest.mark.parametrize(
    ("targets", "translated", "says"),
    [(["en"], [], "dub s/e into en: that is its own language"), (["es"], ["ca"], "Add: --to ca")],
)
def test_a_dub_that_nobody_can_want_is_refused(place, tmp_path, targets, translated, says):
    subtitles = tmp_path / "talk.srt"
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,900\nHello.\n")
    before = project.contents(place)
    with pytest.raises(LibraryError, match=says):
        ingest.add(
            place, film(tmp_path / "talk.wav"), language="en", targets=targets, series="s", name="e",
            translations=dict.fromkeys(translated, subtitles),
        )  # fmt: skip
    assert project.contents(place) == before


def test_a_film_that_was_removed_is_missed_by_name_and_comes_back(place, tmp_path):
    said = {"language": "en", "targets": ["es"], "series": "s", "name": "e"}
    talk = film(tmp_path / "talk.wav")
    ingest.add(place, talk, **said)
    source = place / "data/s/e/source.wav"
    source.unlink()
    with pytest.raises(MediaError, match=r"source\.wav is not there\. Bring it back with: dvc checkout"):
        batch.reproduce(place, ["qa@s/e/es"])
    ingest.add(place, talk, **said)
    assert source.read_bytes() == talk.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.1, 1.5], ids=["at once", "later"])
def test_an_interrupt_or_a_termination_ends_the_stages_too(place, number, after):
    stages(place, {"qa@s/e/es": "echo $$ > pid; exec sleep 30"})
    run = reproducing(place, "qa@s/e/es")
    time.sleep(1.0 + after)
    run.send_signal(number)
    _, said = run.communicate(timeout=25)
    assert "KeyboardInterrupt" in said
    assert "StageError" not in said
    if (place / "pid").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((place / "pid").read_text()), 0)


def reproducing(place, target):
    """Start to bring a stage up to date in a process of its own."""
    code = f"from workbench import batch; batch.reproduce(batch.Path('.'), ['{target}'])"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=place, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=project.hear_interrupts, start_new_session=True,
        env=project.environment(place) | {"PYTHONPATH": str(project.ROOT)},
    )  # fmt: skip


@pytest.fixture
def under_way(place):
    """A library in which a run is at work on one of two dubs; both need what one stage puts out."""
    (place / ".gitignore").write_text("/code\n/es\n/ca\n")
    work = {
        "es": "echo >> began; while [ ! -e go ]; do sleep 0.1; done; echo es > es",
        "ca": "echo ca > ca",
    }
    dub = {"cmd": "${item}", "deps": ["code/qa.txt"], "outs": [{"${key}": {"persist": True}}]}
    code = {"cmd": "mkdir -p code; echo 1 > code/qa.txt", "outs": [{"code": {"persist": True}}]}
    (place / "dvc.yaml").write_text(
        json.dumps({"stages": {"code": code, "qa": {"foreach": work, "do": dub}}})
    )
    first = reproducing(place, "qa@es")
    for _ in range(600):
        if (place / "began").exists():
            break
        time.sleep(0.05)
    yield place
    (place / "go").touch()
    _, said = first.communicate(timeout=60)
    assert first.returncode == 0, said


def test_two_dubs_are_made_side_by_side(under_way):
    second = reproducing(under_way, "qa@ca")
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert not (under_way / "es").exists()


def test_a_second_run_of_the_same_dub_waits_for_the_first_and_says_so(under_way):
    second = reproducing(under_way, "qa@es")
    waits = next(line for line in second.stderr if "waits for" in line)
    assert re.search(r"qa@es waits for process \d+ \(dvc .*repro qa@es\); Ctrl-C gives up", waits)
    (under_way / "go").touch()
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert "rwlock" not in said
    assert (under_way / "began").read_text() == "\n"


def test_a_run_that_waits_can_be_ended(under_way):
    second = reproducing(under_way, "qa@es")
    next(line for line in second.stderr if "waits for" in line)
    second.send_signal(signal.SIGTERM)
    assert "KeyboardInterrupt" in second.communicate(timeout=25)[1]


@pytest.mark.parametrize("series", ["1984", "no"])
def test_a_series_may_have_any_name_that_a_folder_may(place, tmp_path, series):
    talk = film(tmp_path / "talk.wav")
    key, dubs = ingest.add(place, talk, language="en", targets=["no"], series=series, name="e")
    assert (key, dubs) == (f"{series}/e", [f"{series}/e/no"])
    dub = library.dub(key, "no", place)
    assert dub.episode.series_facts.title == series
    assert dub.language == "no"
    assert glossary.read(dub.episode.style_guide("no")) == glossary.Guide()


def stages(place, commands):
    """Write a pipeline of these commands, by stage and key."""
    found = {}
    for name, command in commands.items():
        stage, _, key = name.partition("@")
        found.setdefault(stage, {"foreach": {}, "do": {"cmd": "${item.cmd}"}})["foreach"][key] = {
            "cmd": command
        }
    (place / "dvc.yaml").write_text(json.dumps({"stages": found}))


def test_a_dub_that_fails_does_not_keep_the_others_from_being_made(place):
    broken = ("segment@s/f", "qa@s/e/de")
    fine = ("voices@s/f", "qa@s/f/es", "segment@s/e", "voices@s/e", "qa@s/e/es", "qa@s/e/ca")
    (place / "fails.py").write_text(FAILING)
    fails = {name: f"{sys.executable} fails.py {name.replace('@', ' ')}" for name in broken}
    stages(place, fails | {name: f"touch {name.replace('/', '-')}" for name in fine})
    keys = ["s/f", "s/f/es", "s/e/de", "s/e", "s/e/es", "s/e/ca"]
    assert set(batch.bring(place, keys)) == {"s/f", "s/f/es", "s/e/de"}
    made = {"segment@s-e", "voices@s-e", "qa@s-e-es", "qa@s-e-ca"}
    assert {path.name for path in place.glob("*@*")} >= made


def test_what_no_stage_has_done_is_no_ones_failure(place):
    stages(place, {"qa@s/e/es": "false"})
    with pytest.raises(StageError):
        batch.bring(place, ["s/e/es"])
