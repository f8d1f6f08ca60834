"""What DVC takes for a change of a stage's code."""

import json
import shutil

import pytest

from tests.structure import ROOT
from workbench import content, library
from workbench.runs import digests


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("workbench", "notebooks"):
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    monkeypatch.setattr(digests.Code.__init__, "__defaults__", (tmp_path / "workbench",))
    digests.write(tmp_path)
    return tmp_path


def told(project):
    return {path.stem: path.read_text() for path in (project / "data/.code").iterdir()}


def changed(project):
    """Write again, and return the stages whose code is another now, beside the options and the page."""
    before = told(project)
    digests.write(project)
    return {stage for stage, text in told(project).items() if text != before[stage]} - {
        digests.OPTIONS,
        "page",
    }


def edit(project, file, old, new):
    path = project / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_every_stage_has_its_notebook_and_its_module(project):
    found = told(project)
    assert set(found) == {*digests.OTHERS, *library.STAGES}
    for stage in library.STAGES:
        assert f"_{stage}.ipynb " in found[stage]
        assert f"workbench/{stage}.py " in found[stage] or f"workbench/{stage}/__init__.py " in found[stage]


@pytest.mark.parametrize(
    ("file", "code", "stages"),
    [
        ("workbench/content.py", "NEW = 1", {"demo", *library.STAGES}),
        ("workbench/records.py", "NEW = 1", {"demo", *library.STAGES}),
        ("workbench/mix/limiter.py", "NEW = 1", {"mix", "qa"}),
        ("workbench/engines/apertium.py", "NEW = 1", {"translate", "tts"}),
        ("workbench/templates/qa.css", "p { color: red }", {"qa"}),
        ("workbench/display.py", "NEW = 1", {"qa"}),
        ("workbench/panels/review.py", "NEW = 1", set()),
    ],
)
def test_a_module_changes_the_stages_that_run_it(project, file, code, stages):
    path = project / file
    path.write_text(path.read_text() + f"\n{code}\n")
    assert changed(project) == stages


@pytest.mark.parametrize("folder", ["library", "engines", "mix", "."])
def test_comments_docstrings_and_layout_change_nothing(project, folder):
    files = sorted((project / "workbench" / folder).glob("*.py"))
    assert files
    for path in files:
        text = path.read_text()
        head, _, rest = text.partition('"""')
        path.write_text(f'{head}"""Said otherwise. {rest}\n\n# a comment\n')
    assert changed(project) == set()


def test_of_records_the_classes_that_a_stage_names_count_alone(project):
    edit(project, "workbench/records.py", "class Separation:\n", "class Separation:\n    NEW = 1\n")
    assert changed(project) == {"separate", "qa"}


def test_a_record_counts_for_those_whose_records_are_made_of_it(project):
    edit(project, "workbench/records.py", "class Stream:\n", "class Stream:\n    NEW = 1\n")
    assert "media" in changed(project)


def test_what_is_left_out_is_there_and_says_why():
    modules = content.Package(content.HERE).modules
    assert content.LEFT_OUT
    assert content.LEFT_OUT.keys() | content.LISTS | content.PARTED <= modules.keys()
    assert all(content.LEFT_OUT.values())


def test_a_notebook_changes_its_stage_by_its_code_alone(project):
    path = digests.Code(project).notebooks["mix"]
    notebook = json.loads(path.read_text())
    text, code = (
        next(cell for cell in notebook["cells"] if cell["cell_type"] == kind) for kind in ("markdown", "code")
    )
    text["source"].append("\nMore of it.")
    code["source"].append("\n# why")
    code["outputs"].append({"output_type": "stream", "name": "stdout", "text": ["done"]})
    path.write_text(json.dumps(notebook))
    assert changed(project) == set()
    code["source"].append("\nprint(1)")
    path.write_text(json.dumps(notebook))
    assert changed(project) == {"mix"}


def test_what_did_not_change_is_not_written(project):
    files = [project / "data/.code", project / digests.KNOWN]
    before = [path.stat() for path in files]
    digests.write(project)
    after = [path.stat() for path in files]
    assert [(now.st_ino, now.st_mtime_ns) for now in after] == [
        (was.st_ino, was.st_mtime_ns) for was in before
    ]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"a": 1}', b"\x00\xff"])
def test_a_damaged_cache_of_what_was_read_counts_as_none(project, damage):
    (project / digests.KNOWN).write_bytes(damage)
    assert changed(project) == set()
    assert content.loaded((project / digests.KNOWN).read_bytes())
