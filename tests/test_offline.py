import subprocess
import sys

import pytest

from workbench import engines
from workbench.engines import models
from workbench.engines.llm import Llm
from workbench.engines.models import offline
from workbench.errors import RecordError
from workbench.library import read_text

from .structure import ROOT


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project that this process works in, without the switch in its environment."""
    for name in (offline.VARIABLE, *offline.LIBRARIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "engines.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def switch(project, text="offline: true\nmodels: {}\n"):
    (project / "params" / "models.yaml").write_text(text)


def test_the_switch_is_off_where_nobody_turned_it_on(project):
    assert offline.reason() == ""
    switch(project, "offline: false\nmodels: {}\n")
    assert offline.reason() == ""


@pytest.mark.parametrize(
    ("value", "on"), [("1", True), ("true", True), ("0", False), ("No", False), ("", False)]
)
def test_the_environment_turns_it_on(project, monkeypatch, value, on):
    monkeypatch.setenv(offline.VARIABLE, value)
    assert bool(offline.reason()) is on


def test_the_parameters_turn_it_on_and_a_broken_file_is_named(project):
    switch(project)
    assert offline.reason() == "offline: true in params/models.yaml"
    switch(project, "offline: [")
    with pytest.raises(RecordError, match=r"models\.yaml"):
        offline.reason()


def test_it_is_the_reason_why_a_model_is_not_there(project):
    assert models.missing("big", []) == "the model big is not there; run: workbench engines fetch big"
    switch(project)
    reason, _, do = models.missing("big", []).partition("; ")
    assert reason == (
        "the model big is not there, and offline: true in params/models.yaml forbids to fetch it"
    )
    assert do == f"copy its folder to {project / 'models'}, or allow it there"
    assert "forbids" not in models.missing("/some/big", [])


def test_an_endpoint_elsewhere_is_not_asked_and_one_on_this_machine_is(project, monkeypatch):
    monkeypatch.setenv(offline.VARIABLE, "1")

    def missing(url):
        return Llm.missing(Llm.Options(url, "m", "", 0.0, 0, 9.0, 1))

    assert "WORKBENCH_OFFLINE forbids to ask https://api.example.org/v1" in missing(
        "https://api.example.org/v1"
    )
    assert missing("http://127.0.0.1:11434/v1") is None


KEPT = """
import huggingface_hub.constants, os, sys
from workbench import engines
from workbench.params import Choice
engines.load("reading", Choice("espeak", (), {"espeak": {"words_per_minute": 170}}))
from workbench.engines.models import offline
assert [os.environ.get(name) for name in offline.LIBRARIES] == [sys.argv[1] or None] * 3
assert huggingface_hub.constants.HF_HUB_OFFLINE is bool(sys.argv[1])
"""


@pytest.mark.parametrize("on", ["1", ""])
def test_whoever_loads_an_engine_keeps_the_vendors_libraries_off_the_network(project, monkeypatch, on):
    monkeypatch.setenv(offline.VARIABLE, on)
    done = subprocess.run(
        [sys.executable, "-c", KEPT, on], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_project_itself_is_not_offline():
    assert "\noffline: false " in read_text(ROOT / "params" / "models.yaml")
    assert "espeak" in engines.ENGINES["reading"]
