"""A warm process does what a cold one would: same output, same exit code, same end at an interrupt."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.project import hear_interrupts
from workbench.runs import preload

WORKBENCH = [sys.executable, "-m", "workbench.cli"]


@pytest.fixture(scope="module")
def server():
    with preload.serving():
        assert preload.SOCKET in os.environ, "the server did not start"
        yield


def cold():
    return {name: value for name, value in os.environ.items() if name != preload.SOCKET}


def test_without_a_server_nobody_answers(monkeypatch):
    monkeypatch.delenv(preload.SOCKET, raising=False)
    assert preload.ask(["run", "asr", "x/y"]) is None
    monkeypatch.setenv(preload.SOCKET, "/nowhere")
    assert preload.ask(["run", "asr", "x/y"]) is None


def test_a_server_that_dies_before_it_answers_leaves_the_caller_to_itself(monkeypatch, tmp_path):
    path = str(tmp_path / "preload")
    monkeypatch.setenv(preload.SOCKET, path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        threading.Timer(0.3, lambda: listener.accept()[0].close()).start()
        assert preload.ask(["run", "asr", "x/y"]) is None


def test_an_error_and_its_exit_code_are_the_same_warm_and_cold(server, root):
    command = [*WORKBENCH, "run", "asr", "s/nothing"]
    warm = subprocess.run(command, cwd=root, capture_output=True, text=True)
    plain = subprocess.run(command, cwd=root, capture_output=True, text=True, env=cold())
    assert warm.returncode == plain.returncode == 1
    assert warm.stderr == plain.stderr
    assert "lists no such key" in warm.stderr


@pytest.mark.parametrize("said", [b"", (99).to_bytes(4, "little") + b"{"])
def test_a_caller_that_goes_away_before_it_has_asked_does_not_end_the_server(server, root, said):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.environ[preload.SOCKET])
        socket.send_fds(client, [said], [0, 1, 2]) if said else None
    ask = "from workbench.runs import preload; print(preload.ask(['run', 'asr', 's/nothing']))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=root, capture_output=True, text=True)
    assert done.stdout == "1\n"


def test_an_interrupt_reaches_the_warm_process(server, root):
    (root / "notebooks").mkdir()
    wait = "import pathlib, time\npathlib.Path('began').touch()\ntime.sleep(60)"
    from tests.test_notebook import write

    write(root / "notebooks" / "030_asr.ipynb", 'episode = "x"', wait)
    command = [*WORKBENCH, "run", "asr", "s/e"]
    process = subprocess.Popen(
        command, cwd=root, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
    )
    for _ in range(600):
        if (root / "began").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in said
