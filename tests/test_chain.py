"""The whole chain as a user runs it: from nothing, a second time, after an edit, and when it fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests import golden, truth
from tests.project import contents, copy, interrupted, ran, workbench
from workbench import activity, library
from workbench.library import blocks
from workbench.records import Casting, Placement, Product, Segment, Table, Take, Translation, Turn, Word

pytestmark = pytest.mark.slow
EPISODE, LANG = "demo/e01", "es"
KEY = f"{EPISODE}/{LANG}"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Return a copy of the project in which the demo was dubbed from nothing."""
    folder = copy(tmp_path_factory.mktemp("project"))
    done = workbench(folder, "repro", KEY)
    assert "reports/demo/e01/es/qa.html" in done.stdout
    return folder


@pytest.fixture
def dub(project) -> library.Dub:
    return library.dub(EPISODE, LANG, project)


def true_segments(project: Path) -> Table[Segment]:
    path = project / "data" / EPISODE / "truth" / "segments.jsonl"
    return Table.from_jsonl(Segment, path.read_text(), where=str(path))


class TestTheDemo:
    def test_is_heard_well_enough(self, project, dub):
        said = " ".join(segment.text for segment in true_segments(project))
        heard = " ".join(word.text for word in dub.read(Word))
        assert truth.word_error(said, heard) <= 0.15

    def test_knows_who_speaks(self, project, dub):
        turns = [Turn(s.start, s.end, s.speaker, "truth") for s in true_segments(project)]
        assert truth.diarisation_error(turns, dub.read(Turn)) <= 0.05

    def test_starts_its_lines_where_they_start(self, project, dub):
        spoken = true_segments(project)
        assert len(dub.read(Segment)) == len(spoken)
        for placement in dub.read(Placement):
            assert min(abs(placement.start - segment.start) for segment in spoken) <= 100

    def test_overlaps_nowhere_because_the_source_does_not(self, dub):
        spans = [(placement.start, placement.end) for placement in dub.read(Placement)]
        assert activity.duration(spans) == sum(end - start for start, end in spans)

    def test_speaks_every_line_whole(self, dub):
        lines, takes = dub.read(Translation), dub.read(Take).by("segment")
        assert len(lines) == len(takes) == len(dub.read(Segment))
        for line in lines:
            take = takes[line.segment]
            assert take.text_pre_pronunciation == line.text
            y, _ = library.read_sound(dub.stage("tts") / take.sound)
            assert y.shape[1] == take.samples
            assert np.abs(y).max() > 0.05

    def test_is_as_loud_as_asked_by_another_meter(self, dub):
        film = dub.stage("export") / "film.mp4"
        said = subprocess.run(
            ["ffmpeg", "-hide_banner", "-nostats", "-i", str(film), "-map", "0:a:0",
             "-af", "ebur128=peak=true", "-f", "null", "-"], capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip
        summary = said[said.rindex("Summary:") :]
        assert float(re.search(r"I:\s+(-?[\d.]+) LUFS", summary)[1]) == pytest.approx(-23, abs=0.5)
        assert float(re.search(r"Peak:\s+(-?[\d.]+) dBFS", summary)[1]) <= -1

    def test_is_as_long_as_its_source(self, dub):
        from workbench import media

        source = media.probe(dub.episode.source, audio_track=0)
        frame = 1000 / media.picture(source).frame_rate
        products = dub.read(Product)
        assert {product.file for product in products} >= {
            "film.mp4",
            "film.mkv",
            "preview.mp4",
            "preview.m4a",
        }
        for product in products:
            found = media.probe(dub.stage("export") / product.file, audio_track=0)
            assert abs(found.duration - source.duration) <= frame

    def test_says_in_its_report_which_engine_made_what(self, dub):
        page = (dub.reports / "qa.html").read_text()
        for engine in ("pocketsphinx", "apertium", "espeak"):
            assert engine in page
        assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//""", page)
        summary = json.loads((dub.stage("qa") / "summary.json").read_text())
        assert summary["checks"]

    def test_keeps_every_executed_notebook(self, dub):
        kept = {path.stem for path in (*dub.reports.glob("*.ipynb"), *dub.episode.reports.glob("*.ipynb"))}
        assert kept == set(library.STAGES)


def test_the_demo_comes_to_what_is_kept(dub):
    """Texts and voices to the letter; times to 20 ms, for other processors round otherwise."""
    kept = golden.tables()
    assert all(kept.values())
    for kind in (Segment, Placement):
        for old, new in zip(kept[kind], dub.read(kind), strict=True):
            assert abs(old.start - new.start) <= 20
            assert abs(old.end - new.end) <= 20
    lines = [(line.speaker, line.text) for line in dub.read(Segment)]
    assert lines == [(line.speaker, line.text) for line in kept[Segment]]
    assert [line.text for line in dub.read(Translation)] == [line.text for line in kept[Translation]]
    assert [(c.speaker, c.voice) for c in dub.read(Casting)] == [(c.speaker, c.voice) for c in kept[Casting]]


def test_a_second_run_runs_nothing(project):
    assert ran(workbench(project, "repro", KEY)) == []
    status = workbench(project, "status", EPISODE).stdout.splitlines()
    made = [line for line in status if line.split()[0] in (EPISODE, KEY)]
    assert len(made) == len(library.STAGES)
    assert all(" fresh " in line for line in made)


def test_from_nothing_again_gives_the_same_bytes(project, tmp_path):
    again = copy(tmp_path / "again")
    workbench(again, "repro", KEY)
    one, two = (contents(folder / "data" / EPISODE) for folder in (project, again))
    assert len(one) > 40
    assert [name for name in one if one[name] != two.get(name)] == []
    pages = [(folder / "reports" / KEY / "qa.html").read_bytes() for folder in (project, again)]
    assert pages[0] == pages[1]


def test_one_edited_rule_of_the_style_guide_speaks_only_its_lines_again(project, dub):
    before, takes = contents(dub.stage("tts")), dub.read(Take)
    words = {word for take in takes for word in take.tts_text.lower().split()}
    assert "barco" in words
    concerned = {take.segment for take in takes if "barco" in take.tts_text.lower()}
    guide = project / "data" / "demo" / "style_guide.es.yaml"
    old = guide.read_text()
    rule = '\n  - term: "barco"\n    tts: "navío"\n    locale: "es"\n    case_sensitive: false\n'
    assert "pronunciation_lexicon:" in old
    text = re.sub(r"pronunciation_lexicon:( \[\])?\n", "pronunciation_lexicon:" + rule, old, count=1)
    guide.write_text(text)
    memo = project / ".cache" / "takes"
    kept = len(list(memo.rglob("*.wav")))
    done = ran(workbench(project, "repro", KEY))
    assert done[0] == f"translate {KEY}"
    assert f"tts {KEY}" in done
    assert f"qa {KEY}" in done
    assert not any(stage.endswith(EPISODE) for stage in done), "a source-side stage ran"
    after = contents(dub.stage("tts"))
    changed = {Path(name).stem for name in before if name.endswith(".wav") and before[name] != after[name]}
    assert changed == concerned
    spoken = len(list(memo.rglob("*.wav"))) - kept
    assert len(concerned) <= spoken <= 3 * len(concerned)  # a line may be tried at up to three rates
    guide.write_text(old)
    workbench(project, "repro", KEY)
    assert contents(dub.stage("tts")) == before
    assert len(list(memo.rglob("*.wav"))) == kept + spoken, "what was spoken before is spoken again"


def test_the_mixed_dub_is_one_wav_too_where_that_is_asked(project, dub):
    params = project / "params" / "export.yaml"
    old = params.read_text()
    assert "wav: false" in old
    params.write_text(old.replace("wav: false", "wav: true"))
    assert ran(workbench(project, "repro", KEY)) == [f"export {KEY}", f"qa {KEY}"]
    assert "dub.wav" in {product.file for product in dub.read(Product)}
    parts = blocks.KeyedParts(dub.stage("mix") / "dub", kept={})
    whole = library.SoundFile(dub.stage("export") / "dub.wav")
    assert whole.frames == parts.frames > 0
    assert np.array_equal(whole.read(0, whole.frames), parts.read(0, parts.frames))
    params.write_text(old)
    workbench(project, "repro", KEY)
    assert not (dub.stage("export") / "dub.wav").exists()


def put_out(dub):
    """Return what the stages of a dub put out; not what they were asked to do."""
    return {name: content for name, content in contents(dub.folder).items() if name[:9] != ".options/"}


def test_a_failing_stage_leaves_film_report_and_lock_as_they_were(project, dub):
    before = put_out(dub)
    params = project / "params" / "mix.yaml"
    old = params.read_text()
    params.write_text(old + "  no_such_key: 1\n")
    done = workbench(project, "repro", KEY, check=False)
    assert done.returncode == 1
    assert "unknown key no_such_key" in done.stderr
    assert put_out(dub) == before
    assert "failed" in workbench(project, "status", KEY).stdout
    assert "no_such_key" in (dub.reports / "mix.ipynb").read_text(), "the notebook is kept with its error"
    params.write_text(old)
    workbench(project, "repro", KEY)


@pytest.mark.parametrize("stage", ["tts", "export"])
def test_ctrl_c_leaves_no_half_written_output(project, dub, stage):
    before = contents(dub.folder)
    if stage == "tts":
        shutil.rmtree(project / ".cache" / "takes")
    partial = dub.folder / f".{stage}.partial"
    code = interrupted(project, "run", stage, KEY, when=lambda: partial.is_dir() and any(partial.iterdir()))
    assert code == 130
    assert contents(dub.folder) == before
    assert not partial.exists()


class TestYourOwnFilm:
    def test_without_speech_gets_a_clear_answer_and_nothing_invented(self, project, tmp_path):
        film = tmp_path / "quiet.mp4"
        subprocess.run(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=3", "-f", "lavfi", "-i",
             "anullsrc=d=3", "-shortest", str(film)], check=True,
        )  # fmt: skip
        done = workbench(project, "dub", film, "--from", "en", "--to", "es")
        assert "films/quiet/es  nothing is dubbed: no speech was found" in done.stdout
        dub = library.dub("films/quiet", "es", project)
        assert len(dub.read(Segment)) == len(dub.read(Take)) == 0
        assert "nothing to dub" in (dub.stage("qa") / "top_issues.md").read_text()
        assert (dub.stage("export") / "film.mp4").is_file()

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (["-f", "lavfi", "-i", "testsrc2=s=160x90:d=1"], "no audio track"),
            (None, "no film or sound"),
            ("", "empty"),
        ],
        ids=["no audio track", "a text file", "an empty file"],
    )
    def test_that_cannot_be_read_adds_nothing(self, project, tmp_path, make, says):
        film = tmp_path / "bad.mp4"
        if isinstance(make, list):
            subprocess.run(["ffmpeg", "-v", "error", *make, str(film)], check=True)
        else:
            film.write_text("no film" if make is None else make)
        before = (project / "params" / "library.yaml").read_text()
        done = workbench(project, "dub", film, "--from", "en", "--to", "es", check=False)
        assert done.returncode == 1
        assert says in done.stderr
        assert (project / "params" / "library.yaml").read_text() == before
        assert not (project / "data" / "films" / "bad").exists()

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--from", "english", "--to", "es"], "use the language 'english'"),
            (["--from", "en", "--to", "xyz"], "use the language 'xyz'"),
            (["--from", "en", "--to", "es", "--name", "../x"], "cannot be a folder's name"),
            (["--from", "en", "--to", "es", "--transcript", "none.srt"], "use the subtitles"),
        ],
    )
    def test_with_a_wrong_wish_adds_nothing(self, project, arguments, says):
        film = project / "data" / EPISODE / "source.mp4"
        done = workbench(project, "add", film, *arguments, check=False)
        assert done.returncode == 1
        assert says in done.stderr


def test_the_command_line_explains_itself(project):
    assert "COMMAND" in workbench(project, "--help").stdout
    assert workbench(project, "no-such-command", check=False).returncode == 2
    listed = workbench(project, "engines").stdout
    assert re.search(r"asr +pocketsphinx +chosen +yes +yes", listed)
    assert workbench(project, "report", KEY).stdout.strip().endswith("qa.html")
    pages = workbench(project, "report", KEY, "--notebooks").stdout.splitlines()[1:]
    assert [Path(page).stem for page in pages] == list(library.STAGES)
    assert all("<html" in Path(page).read_text()[:200] for page in pages)
    wrong = workbench(project, "run", "mix", "demo/none/es", check=False)
    assert wrong.returncode == 1
    assert "lists no such key" in wrong.stderr
