"""What DVC takes for a change of a stage's code."""

import json
import shutil

import pytest

from tests.structure import ROOT
from workbench import library
from workbench.runs import closures


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("workbench", "notebooks"):
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    monkeypatch.setattr(closures.Code.__init__, "__defaults__", (tmp_path / "workbench",))
    closures.write(tmp_path)
    return tmp_path


def told(project):
    return {path.stem: path.read_text() for path in (project / "data/.code").iterdir()}


def changed(project):
    """Write again, and return the stages whose code is another now."""
    before = told(project)
    closures.write(project)
    return {stage for stage, text in told(project).items() if text != before[stage]}


def test_every_stage_has_its_notebook_and_its_module(project):
    found = told(project)
    assert set(found) == {"demo", *library.STAGES}
    for stage in library.STAGES:
        assert f"_{stage}.ipynb " in found[stage]
        assert f"workbench/{stage}.py " in found[stage] or f"workbench/{stage}/__init__.py " in found[stage]


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("workbench/records.py", {"demo", *library.STAGES}),
        ("workbench/mix/limiter.py", {"mix", "qa"}),
        ("workbench/engines/espeak.py", {"voices", "tts", "qa"}),
        ("workbench/templates/qa.css", {"qa"}),
        ("workbench/panels/review.py", set()),
    ],
)
def test_a_module_changes_the_stages_that_run_it(project, file, stages):
    path = project / file
    path.write_text(path.read_text() + "\n")
    assert changed(project) == stages


def test_a_notebook_changes_its_stage_by_its_code_alone(project):
    path = closures.Code(project).notebooks["mix"]
    notebook = json.loads(path.read_text())
    text, code = (
        next(cell for cell in notebook["cells"] if cell["cell_type"] == kind) for kind in ("markdown", "code")
    )
    text["source"].append("\nMore of it.")
    code["outputs"].append({"output_type": "stream", "name": "stdout", "text": ["done"]})
    path.write_text(json.dumps(notebook))
    assert changed(project) == set()
    code["source"].append("\nprint(1)")
    path.write_text(json.dumps(notebook))
    assert changed(project) == {"mix"}


def test_what_did_not_change_is_not_written(project):
    before = (project / "data/.code").stat()
    closures.write(project)
    after = (project / "data/.code").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
