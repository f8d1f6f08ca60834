"""The Hub's own client and pooch, against a server of this machine that can be made to fail."""

import hashlib
import json
import time

import pytest

from tests.loopback import reply, serving
from workbench.engines.models import digests, fetch, places, web
from workbench.engines.models.sources import Model, Pin, Source
from workbench.errors import EngineError

COMMIT = "c0ffee" * 6 + "c0de"
FILES = {
    "model.bin": bytes(range(256)) * 4000,
    "config.json": b'{"layers": 1}\n',
    "deep/vocabulary.txt": b"a\nb\n",
}


class Hub:
    """Serves a repository as the Hugging Face Hub does, and can be made to fail."""

    def __init__(self, files=FILES):
        self.files, self.asked = dict(files), []
        self.break_after = None  # bytes of a file after which the line is cut, once
        self.spoil = set()  # files whose bytes are wrong
        self.token = None  # what a request must carry
        self.ranges = True

    def __call__(self, request, body):
        self.asked.append((request.command, request.path, request.headers.get("Range")))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            reply(request, 401)
        elif request.path.startswith("/api/models/someone/some/revision/"):
            siblings = [
                {"rfilename": name, "size": len(data), "blobId": "", **self.checksum(name, data)}
                for name, data in self.files.items()
            ]
            document = {"id": "someone/some", "sha": COMMIT, "siblings": siblings}
            reply(request, 200, json.dumps(document).encode(), Content_Type="application/json")
        elif request.path.startswith(f"/someone/some/resolve/{COMMIT}/"):
            self.send(request, request.path.removeprefix(f"/someone/some/resolve/{COMMIT}/"))
        else:
            reply(request, 404)

    def checksum(self, name, data):
        blob = {"blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
        if name.endswith(".bin"):
            sha256 = hashlib.sha256(data).hexdigest()
            return {**blob, "lfs": {"size": len(data), "sha256": sha256, "pointerSize": 1}}
        return blob

    def send(self, request, name):
        if name not in self.files:
            reply(request, 404)
            return
        data = self.files[name][::-1] if name in self.spoil else self.files[name]
        wanted = request.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted and self.ranges else 0
        request.send_response(206 if start else 200)
        for header, value in {
            "Content-Length": len(data) - start,
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            **({"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}),
        }.items():
            request.send_header(header, str(value))
        request.end_headers()
        if request.command == "HEAD":
            return
        cut, self.break_after = self.break_after, None
        request.wfile.write(data[start:cut])
        if cut is not None:
            request.connection.close()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub = Hub()
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("WORKBENCH_OFFLINE", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serving(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield hub


def some(**source):
    return Model("Somebody", "MIT", 1, (Source(repo="someone/some", **source),))


def at(url, data, *, size=None):
    pin = Pin(len(data) if size is None else size, hashlib.sha256(data).hexdigest())
    return Model("Somebody", "MIT", 1, (Source(addresses={"model.bin": url}),), {"model.bin": pin})


def bring(name="some", model=None, **more):
    return list(fetch.fetch(name, model or some(), **more))


def test_a_model_comes_whole_and_is_found_by_its_name(hub):
    told = bring()
    assert {event.file: event.size for event in told} == {name: len(data) for name, data in FILES.items()}
    folder = places.place("some")
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["config.json", "deep", "fetched.json", "model.bin"]
    )


def test_one_folder_of_a_repository_can_be_a_model(hub):
    bring("words", some(under="deep"))
    assert (places.place("words") / "vocabulary.txt").read_bytes() == FILES["deep/vocabulary.txt"]


def test_a_line_that_breaks_is_asked_for_again(hub):
    hub.break_after = 300_000
    bring()
    asked = [path for verb, path, _ in hub.asked if path.endswith("model.bin") and verb == "GET"]
    assert len(asked) == 2
    assert (places.place("some") / "model.bin").read_bytes() == FILES["model.bin"]


def test_a_server_that_knows_no_ranges_sends_the_file_again(hub):
    hub.ranges, hub.break_after = False, 300_000
    bring()
    assert (places.place("some") / "model.bin").read_bytes() == FILES["model.bin"]


def test_a_wrong_checksum_is_an_error_and_the_model_that_worked_stays(hub):
    bring()
    before = {file.name: file.sha256 for file in digests.listed(places.place("some"))}
    for name in ("config.json", "model.bin"):
        (places.place("some") / name).write_bytes(b"changed")
    hub.spoil = {"model.bin"}
    with pytest.raises(EngineError, match=r"its checksum is .* of 1024000 bytes, not .*stands as it was"):
        bring()
    assert (places.place("some") / "model.bin").read_bytes() == b"changed"
    hub.spoil = set()
    came = {event.file for event in bring() if "repository" in event.source}
    assert came == {"model.bin", "config.json"}  # the third was kept
    assert digests.sha256(places.place("some") / "model.bin") == before["model.bin"]
    assert (places.place("some") / "config.json").read_bytes() == FILES["config.json"]


def test_a_wrong_text_is_found_by_its_git_id(hub):
    hub.spoil = {"config.json"}
    with pytest.raises(EngineError, match=r"some/config.json .*its checksum is"):
        bring()
    assert not places.place("some").exists()


def test_a_missing_or_wrong_token_says_which_variable_to_set(hub, monkeypatch):
    hub.token = "right"
    with pytest.raises(EngineError, match=r"401: it wants a token.*set HF_TOKEN"):
        bring()
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(EngineError, match="the token in HF_TOKEN was refused") as raised:
        bring()
    assert "wrong" not in str(raised.value)
    monkeypatch.setenv("HF_TOKEN", "right")
    bring()


def test_a_token_is_not_sent_where_others_may_read_it(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example.org")
    monkeypatch.setenv("HF_TOKEN", "secret")
    with pytest.raises(EngineError, match="the way there is not encrypted") as raised:
        bring()
    assert "secret" not in str(raised.value)


def test_a_repository_that_has_gone_is_told_as_gone(hub):
    gone = Model("Somebody", "MIT", 1, (Source(repo="someone/else"),))
    with pytest.raises(EngineError, match=r"the answer was 404 \(it is not there, or no more\)"):
        bring(model=gone)


def test_an_unreachable_server_is_an_error_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(EngineError, match="cannot be reached"):
        bring()
    with pytest.raises(EngineError, match="cannot be reached"):
        bring(model=at("http://127.0.0.1:9/a", b"abc"))
    assert time.monotonic() - began < 20  # no row of ever longer waits


def test_a_server_that_answers_nonsense_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    with serving(lambda request, body: reply(request, 200, b"<html>")) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(EngineError, match="cannot be reached"):
            bring()


def test_a_server_that_sends_one_in_circles_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    with serving(lambda request, body: reply(request, 302, Location=request.path)) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(EngineError, match="cannot be reached"):
            bring()


def test_a_file_that_does_not_end_is_broken_off(hub):
    sent = []

    def endless(request, body):
        request.send_response(200)
        request.end_headers()
        for _ in range(10_000):
            request.wfile.write(bytes(2**16))
            sent.append(2**16)

    with serving(endless) as address, pytest.raises(EngineError, match="longer than 2 bytes"):
        bring("other", at(f"{address}/x", b"ab"))
    assert sum(sent) < 100 * 2**20


def test_a_file_can_come_by_its_own_address(hub, monkeypatch):
    import os

    monkeypatch.setenv("HF_TOKEN", "secret")  # is for the Hub alone
    url = f"{os.environ['HF_ENDPOINT']}/someone/some/resolve/{COMMIT}/model.bin"
    bring(model=at(url, FILES["model.bin"]))
    assert (places.place("some") / "model.bin").read_bytes() == FILES["model.bin"]
    hub.spoil = {"model.bin"}
    with pytest.raises(EngineError, match="SHA256 hash"):
        bring("again", at(url, FILES["model.bin"]))
    with pytest.raises(EngineError, match="the answer was 404"):
        bring("gone", at(url + ".gone", b"abc"))


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", digests.MANIFEST, ".incoming/x"])
def test_a_file_outside_the_folder_is_refused(hub, name):
    hub.files = {name: b"x"}
    with pytest.raises(EngineError, match="outside the model's folder"):
        bring()
    assert ["resolve" in path for _, path, _ in hub.asked] == [False]


def test_the_hub_is_given_seconds_to_answer_and_no_more():
    assert web.CONNECT == 3.0
    assert web._timeout().connect == web.CONNECT
