"""How files of several sources become one model: in turn, checked, whole or not at all."""

import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from workbench.engines import models
from workbench.engines.models import digests, fetch, packages, places, web
from workbench.engines.models.sources import Model, Package, Pin, Source
from workbench.errors import EngineError

FILES = {"model.bin": bytes(range(256)) * 400, "config.json": b'{"layers": 1}\n', "voices/a.bin": b"a" * 100}
PINS = {name: Pin(len(data), hashlib.sha256(data).hexdigest()) for name, data in FILES.items()}
MAKER = Source(repo="maker/model", revision="0" * 40)
MEMBERS = {name: f"some/{name}" for name in FILES}
REGISTRY = Source(wheels=(Package("some-model==1.0", "0" * 64, 1, MEMBERS),))


class Place:
    """What stands in for the Hub or a registry: gives what it has, and counts what it was asked for."""

    def __init__(self, files=FILES):
        self.files, self.asked, self.error = dict(files), [], None
        self.full = set()  # files for which the disk has no room

    def __call__(self, source, files, *, into):
        for name in files:
            self.asked.append(name)
            if self.error:
                raise self.error
            path = into / "came"
            path.write_bytes(self.files[name])
            if name in self.full:
                Path("/dev/full").write_bytes(b"x")
            yield name, path


@pytest.fixture
def hub(monkeypatch):
    hub = Place()
    monkeypatch.setattr(web, "repository", hub)
    return hub


@pytest.fixture
def registry(monkeypatch):
    registry = Place()
    monkeypatch.setattr(packages, "wheels", registry)
    return registry


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("WORKBENCH_OFFLINE", raising=False)
    return tmp_path / "models"


def model(*sources, files=PINS):
    return Model("Somebody", "MIT", 1, sources or (MAKER, REGISTRY), files)


def bring(given=None, **more):
    return list(fetch.fetch("some", given or model(), **more))


def lay(folder, files=FILES):
    """Put files into a folder by hand."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def whole():
    return {name: (places.place("some") / name).read_bytes() for name in FILES} == FILES


def test_the_makers_own_release_is_asked_first_and_nobody_else(hub, registry):
    assert [event.source for event in bring()] == ["the repository maker/model"] * 3
    assert whole()
    assert registry.asked == []
    assert models.missing("some", ["model.bin"]) is None


def test_where_the_makers_place_is_out_of_reach_the_registry_gives_what_lacks_and_it_is_said(hub, registry):
    hub.error = EngineError("bring maker/model", "it cannot be reached", "Try again.")
    first, *others = bring()
    assert isinstance(first, fetch.Failed)
    assert first.error.found == "it cannot be reached"
    assert {event.source for event in others} == {"the package some-model==1.0"}
    assert whole()


def test_a_file_that_is_another_at_the_makers_comes_from_the_registry(hub, registry):
    hub.files["config.json"] = b"tampered"
    bring()
    assert whole()
    assert registry.asked == ["config.json", "voices/a.bin"]


def test_where_every_source_fails_each_ones_reason_is_told_and_what_came_is_kept(hub, registry):
    hub.files["config.json"], registry.error = b"tampered", EngineError("bring x", "it has gone", "Wait.")
    with pytest.raises(EngineError, match=r"its checksum is .*it has gone.*What came is kept.*--from"):
        bring()
    assert "in part only" in models.missing("some", ["model.bin"])
    hub.files, registry.error, hub.asked = dict(FILES), None, []
    bring()
    assert hub.asked == ["config.json", "voices/a.bin"]


def test_a_folder_on_this_machine_is_asked_last(hub, registry, tmp_path):
    hub.error = registry.error = EngineError("bring x", "it cannot be reached", "Try again.")
    other = lay(tmp_path / "stick" / "some")
    (other / "config.json").write_bytes(b"another version")
    with pytest.raises(EngineError, match=r"config\.json could not be had"):
        bring(folder=tmp_path / "stick")
    lay(other)
    assert [event.file for event in bring(folder=tmp_path / "stick") if event.source.startswith("the folder")]
    assert whole()
    assert (other / "model.bin").is_file()


def test_a_model_that_is_there_is_not_asked_for_again(hub, registry):
    bring()
    hub.asked.clear()
    assert bring() == []
    assert hub.asked == []


def test_a_damaged_file_alone_comes_again(hub, registry):
    bring()
    (places.place("some") / "config.json").write_bytes(b"x")
    hub.asked.clear()
    bring()
    assert hub.asked == ["config.json"]
    assert whole()


def test_a_model_of_another_version_is_replaced_and_what_is_the_same_stays(hub, registry):
    older = {**FILES, "config.json": b"older", "gone.txt": b"x"}
    pins = {name: Pin(len(data), hashlib.sha256(data).hexdigest()) for name, data in older.items()}
    hub.files = older
    bring(model(files=pins))
    hub.files, hub.asked = dict(FILES), []
    bring()
    assert hub.asked == ["config.json"]
    assert whole()
    assert not (places.place("some") / "gone.txt").exists()


def test_a_folder_made_by_hand_that_is_right_counts_as_fetched_and_another_is_left_alone(hub, registry):
    lay(places.place("some"))
    assert bring() == []
    assert digests.listed(places.place("some"))
    (places.place("some") / digests.MANIFEST).unlink()
    (places.place("some") / "config.json").write_bytes(b"mine")
    with pytest.raises(EngineError, match="by hand"):
        bring()
    assert hub.asked == []
    assert (places.place("some") / "config.json").read_bytes() == b"mine"


def test_offline_nothing_is_asked_and_a_folder_may_be_copied(hub, registry, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_OFFLINE", "1")
    with pytest.raises(EngineError, match="the environment variable WORKBENCH_OFFLINE forbids to fetch it"):
        bring()
    with pytest.raises(EngineError, match="forbids to fetch it"):
        bring(Model("Somebody", "MIT", 1, (Source(repo="maker/model"),)))
    lay(tmp_path / "stick" / "some")
    bring(folder=tmp_path / "stick")
    assert whole()
    assert hub.asked == registry.asked == []


def test_a_model_whose_repository_lists_it_comes_from_a_folder_that_was_fetched(hub, monkeypatch, tmp_path):
    unlisted = Model("Somebody", "MIT", 1, (Source(repo="maker/model"),))
    monkeypatch.setenv("WORKBENCH_OFFLINE", "1")
    other = lay(tmp_path / "stick" / "some")
    with pytest.raises(EngineError, match="Copy its folder from another machine"):
        bring(unlisted, folder=tmp_path / "stick")
    digests.write(other, [digests.found(other, name) for name in FILES])
    bring(unlisted, folder=tmp_path / "stick")
    assert whole()


def test_a_disk_that_is_too_small_says_what_is_needed_before_anything_comes(hub, registry, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(EngineError, match="MB are needed and 0 MB are free on it"):
        bring()
    assert hub.asked == []


def test_a_disk_that_fills_up_loses_nothing(hub, registry):
    hub.full = registry.full = {"config.json"}
    with pytest.raises(EngineError, match=r"No space left on device.*what came is kept"):
        bring()
    hub.full, hub.asked = set(), []
    bring()
    assert hub.asked == ["config.json", "voices/a.bin"]
    assert whole()


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "a/../../evil", digests.MANIFEST, ".incoming/x", ""]
)
def test_a_file_outside_the_folder_is_refused(hub, registry, name):
    with pytest.raises(EngineError, match="outside the model's folder"):
        bring(model(files={**PINS, name: PINS["model.bin"]}))
    assert hub.asked == []


def test_a_run_killed_between_two_renames_is_put_right(hub, registry):
    bring()
    hub.asked.clear()
    places.place("some").rename(places.home() / ".some.old.partial")
    assert bring() == []
    assert whole()
    assert hub.asked == []


KILLED = """
import pathlib, sys, time
from tests.test_fetch import MAKER, PINS, Place, model
from workbench.engines.models import fetch, web
hub = Place()
web.repository = hub
for event in fetch.fetch("some", model()):
    print(event.file, flush=True)
    time.sleep(60)
"""


def test_a_fetch_that_is_killed_goes_on_with_the_next_file(hub, registry):
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "model.bin\n"
        running.kill()
    bring()
    assert hub.asked == ["config.json", "voices/a.bin"]
    assert whole()


def test_of_two_fetches_the_second_waits_and_says_so_and_finds_it_done(hub, registry, caplog):
    begun, told = threading.Event(), []

    def second():
        begun.wait()
        told.extend(bring())

    thread = threading.Thread(target=second)
    thread.start()
    for _ in fetch.fetch("some", model()):
        begun.set()
        while "fetch_waits for another fetch" not in caplog.text:
            time.sleep(0.01)
    thread.join()
    assert told == []
    assert hub.asked == list(PINS)


def test_a_model_that_is_whole_where_nobody_may_write_is_left_alone(hub, registry, monkeypatch):
    lay(places.place("some"))
    monkeypatch.setattr("os.access", lambda *_: False)
    before = sorted(places.home().rglob("*"))
    assert bring() == []
    assert sorted(places.home().rglob("*")) == before


def test_a_folder_of_models_that_cannot_be_made_is_an_error(hub, registry, home):
    home.write_bytes(b"a file")
    with pytest.raises(EngineError, match=r"fetch some: .*(File exists|Not a directory)"):
        bring()


def test_what_a_fetch_of_another_version_left_behind_does_not_come_along(hub, registry):
    gone = {"gone/old.bin": b"x"}
    pins = {name: Pin(len(data), hashlib.sha256(data).hexdigest()) for name, data in gone.items()}
    hub.files |= gone
    hub.full = registry.full = {"voices/a.bin"}
    with pytest.raises(EngineError, match="No space left"):
        bring(model(files={**pins, **PINS}))
    hub.full = set()
    bring()
    assert whole()
    assert not (places.place("some") / "gone" / "old.bin").exists()
