"""Shared by the tests: a library of one's own, and the real media where they lie."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]

hypothesis.settings.register_profile("unhurried", deadline=None)  # a busy machine is no fault of the code
hypothesis.settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--benchmarks", action="store_true", help="measure: run tests/benchmarks too")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    wanted = config.getoption("--benchmarks")
    return None if wanted or "benchmarks" not in collection_path.parts[len(ROOT.parts) :] else True


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("models") and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed here: make test-models")
    if item.get_closest_marker("registries") and not os.environ.get("WORKBENCH_REGISTRIES"):
        pytest.skip("brings 220 MB from the package registries: set WORKBENCH_REGISTRIES=1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small library: one episode ``s/e``, dubbed into Spanish, and this project's parameters."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    (tmp_path / "params" / "library.yaml").write_text("s: {e: [es]}\n")
    given = tmp_path / "data" / "s" / "e" / "given"
    given.mkdir(parents=True)
    (given / "episode.yaml").write_text(
        "source: source.wav\nlanguage: en\naudio_track: 0\nspeakers: null\nengines: {}\n"
    )
    dub = tmp_path / "data" / "s" / "e" / "es" / "given"
    dub.mkdir(parents=True)
    (dub / "dub.yaml").write_text("language: es\nengines: {}\n")
    (tmp_path / "data" / "s" / "series.yaml").write_text("title: S\ncasting: {}\n")
    return tmp_path


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty library that DVC knows."""
    root = tmp_path_factory.mktemp("empty")
    (root / "params").mkdir()
    (root / "params/library.yaml").write_text("")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=root, check=True)
    return root


@pytest.fixture
def place(empty: Path, tmp_path: Path) -> Path:
    """Return an empty library of one's own, which git and DVC know."""
    return shutil.copytree(empty, tmp_path / "library")


@pytest.fixture(scope="session")
def media() -> Path:
    """Return the folder of real speech with references; skips where it is not there."""
    folder = Path(os.environ.get("WORKBENCH_MEDIA", ROOT.parent / "shared" / "media"))
    if not folder.is_dir():
        pytest.skip(f"no real media: {folder} is not there (WORKBENCH_MEDIA names another folder)")
    return folder
