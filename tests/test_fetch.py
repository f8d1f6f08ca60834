import hashlib
import json

import pytest

from tests.loopback import reply, serving
from workbench.engines import models
from workbench.engines.models import fetch
from workbench.errors import EngineError

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
        self.asked.append((request.path, request.headers.get("Range")))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            reply(request, 401)
        elif request.path.startswith("/api/models/someone/some/revision/"):
            siblings = [
                {"rfilename": name, "size": len(data), **self.checksum(name, data)}
                for name, data in self.files.items()
            ]
            document = {"id": "someone/some", "sha": "c0ffee", "siblings": siblings}
            reply(request, 200, json.dumps(document).encode(), Content_Type="application/json")
        else:
            self.send(request, request.path.removeprefix("/someone/some/resolve/c0ffee/"))

    def checksum(self, name, data):
        if name.endswith(".bin"):
            return {"lfs": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 1}}
        return {"blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}

    def send(self, request, name):
        if name not in self.files:
            reply(request, 404)
            return
        data = self.files[name][::-1] if name in self.spoil else self.files[name]
        wanted = request.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        cut, self.break_after = self.break_after, None
        request.wfile.write(data[start:cut])
        if cut is not None:
            request.connection.close()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub = Hub()
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serving(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield hub


SOURCE = fetch.Source(licence="MIT", size=1, repo="someone/some")


def bring(name="some", source=SOURCE, *, offline=False):
    return list(fetch.fetch(name, source, offline=offline))


def test_a_model_comes_whole_and_is_found_by_its_name(hub):
    told = bring()
    assert told[-1].done == told[-1].size
    for name, data in FILES.items():
        assert (models.place("some") / name).read_bytes() == data
    assert models.missing("some", ["model.bin"]) is None
    assert models.size("some") > len(FILES["model.bin"])
    assert not list(models.home().glob(".*"))


def test_a_model_that_is_there_is_not_asked_for_again(hub):
    bring()
    hub.asked.clear()
    assert bring() == []
    assert bring(offline=True) == []
    assert hub.asked == []


def test_one_folder_of_a_repository_can_be_a_model(hub):
    bring("words", fetch.Source(licence="MIT", size=1, repo="someone/some", under="deep"))
    assert (models.place("words") / "vocabulary.txt").read_bytes() == FILES["deep/vocabulary.txt"]


def test_a_broken_line_is_taken_up_where_it_broke(hub):
    hub.break_after = 300_000
    bring()
    ranges = [wanted for path, wanted in hub.asked if path.endswith("model.bin")]
    assert ranges == [None, "bytes=300000-"]
    assert (models.place("some") / "model.bin").read_bytes() == FILES["model.bin"]


def test_an_interrupted_fetch_goes_on_in_the_next_run(hub):
    hub.break_after = 300_000
    running = fetch.fetch("some", SOURCE, offline=False)
    next(running)
    running.close()
    assert "in part only" in models.missing("some", ["model.bin"])
    bring()
    assert models.missing("some", ["model.bin"]) is None


def test_a_server_that_knows_no_ranges_sends_the_file_again(hub):
    hub.ranges, hub.break_after = False, 300_000
    bring()
    assert (models.place("some") / "model.bin").read_bytes() == FILES["model.bin"]


def test_a_wrong_checksum_is_an_error_and_the_model_that_worked_stays(hub):
    bring()
    before = {file.name: file.sha256 for file in models.listed(models.place("some"))}
    (models.place("some") / "config.json").write_bytes(b"changed")
    hub.spoil = {"model.bin"}
    with pytest.raises(EngineError, match=r"checksum is sha256:.*stands as it was"):
        bring()
    assert models.sha256(models.place("some") / "model.bin") == before["model.bin"]
    hub.spoil = set()
    bring()
    assert (models.place("some") / "config.json").read_bytes() == FILES["config.json"]


def test_a_wrong_text_is_found_by_its_git_id(hub):
    hub.spoil = {"config.json"}
    with pytest.raises(EngineError, match="checksum is git:"):
        bring()
    assert not models.place("some").exists()


def test_offline_an_absent_model_is_an_error_and_nothing_is_asked(hub):
    with pytest.raises(EngineError, match="without --offline"):
        bring(offline=True)
    assert hub.asked == []


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


def test_an_unreachable_server_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(fetch, "TRIES", 2)
    with pytest.raises(EngineError, match="cannot be reached"):
        bring()
    remote = fetch.Remote("http://127.0.0.1:9/a", 3, "sha256:00")
    with pytest.raises(EngineError, match="cannot be reached"):
        bring(source=fetch.Source(licence="MIT", size=1, files={"a": remote}))


def test_a_server_that_sends_one_in_circles_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    with serving(lambda request, body: reply(request, 302, Location=request.path)) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(EngineError, match="cannot be reached"):
            bring()


def test_a_file_that_does_not_end_is_broken_off(hub):
    checksum = f"sha256:{hashlib.sha256(b'ab').hexdigest()}"
    sent = []

    def endless(request, body):
        request.send_response(200)
        request.end_headers()
        for _ in range(10_000):
            request.wfile.write(bytes(2**16))
            sent.append(2**16)

    with serving(endless) as address:
        source = fetch.Source("MIT", 1, files={"model.bin": fetch.Remote(f"{address}/x", 2, checksum)})
        with pytest.raises(EngineError, match="its checksum is"):
            bring("other", source)
    assert sum(sent) < 100 * 2**20


def test_a_file_can_come_by_its_own_address(hub, monkeypatch):
    import os

    data = FILES["model.bin"]
    url = f"{os.environ['HF_ENDPOINT']}/someone/some/resolve/c0ffee/model.bin"
    remote = fetch.Remote(url, len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
    monkeypatch.setenv("HF_TOKEN", "secret")  # is for the Hub alone
    bring(source=fetch.Source(licence="MIT", size=1, files={"a.bin": remote}))
    assert (models.place("some") / "a.bin").read_bytes() == data


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", models.MANIFEST])
def test_a_file_outside_the_folder_is_refused(hub, name):
    hub.files[name] = b"x"
    with pytest.raises(EngineError, match="outside the model's folder"):
        bring()


def test_a_disk_that_is_too_small_says_what_is_needed(hub, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(EngineError, match="MB are needed and 0 MB are free"):
        bring()


def test_a_model_put_there_by_hand_is_left_alone(hub):
    models.place("some").mkdir(parents=True)
    with pytest.raises(EngineError, match="by hand"):
        bring()
    assert hub.asked == []


def test_a_run_killed_between_two_renames_is_put_right(hub):
    bring()
    folder = models.place("some")
    folder.rename(folder.with_name(".some.old.partial"))
    assert bring() == []
    assert models.missing("some", ["model.bin"]) is None
