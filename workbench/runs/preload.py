"""Warm processes: third-party packages are imported once, and every stage is a fork of that.

`serving` starts a server for the length of a block; `workbench run`, called by DVC inside it, sends
its arguments, environment and three standard streams over a Unix socket and waits for the exit code.
Only third-party modules are preloaded: the workbench's own code is imported afresh by every fork.
Without a server `ask` says so and the caller runs by itself: slower, otherwise the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

SOCKET = "WORKBENCH_PRELOAD"
MODULES = (
    "numpy", "scipy.signal", "scipy.optimize", "pandas", "matplotlib.pyplot", "librosa",
    "soundfile", "soxr", "msgspec", "yaml", "langcodes", "jinja2", "tqdm", "ffmpeg", "pysubs2", "regex",
    "nbformat", "papermill", "IPython", "IPython.core.interactiveshell", "IPython.core.pylabtools",
    "faster_whisper.vad",
)  # fmt: skip


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """Keep a server for the length of the block; processes started inside find it by themselves.

    It gets its modules while the block is under way; who asks before it has them waits.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        path = str(Path(folder) / "preload")
        with socket.socket(socket.AF_UNIX) as listener:
            old = os.umask(0o177)
            listener.bind(path)
            os.umask(old)
            listener.listen(64)
            number = listener.fileno()
            command = [sys.executable, "-m", "workbench.runs.preload", str(number)]
            server = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[number]
            )
        assert server.stdin is not None
        os.environ[SOCKET] = path
        try:
            yield
        finally:
            os.environ.pop(SOCKET, None)
            server.stdin.close()  # the server ends with its starter, however that one ends
            server.wait()


def ask(arguments: Sequence[str]) -> int | None:
    """Have a warm process run the command line with these arguments; return its exit code.

    `None` where no server is there. An interrupt or a termination is passed on, and waited for.
    """
    path = os.environ.get(SOCKET)
    if not path:
        return None
    request = {"arguments": list(arguments), "cwd": str(Path.cwd()), "environment": dict(os.environ)}
    message = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            socket.send_fds(client, [len(message).to_bytes(4, "little")], [0, 1, 2])
            client.sendall(message)
            child = int.from_bytes(_read(client, 4), "little")
        except (OSError, EOFError):
            return None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, _: os.kill(child, received))
        return int.from_bytes(_read(client, 4), "little")


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError("the preload server went away")
        data += more
    return data


def _serve(listener: socket.socket, run: Callable[[list[str]], int]) -> None:
    """Fork a child for each request until standard input closes."""
    import gc
    import importlib

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until it serves, Ctrl-C ends it without a word
    for module in MODULES:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the children; their clients pass it on
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    for source in (listener, wake, 0):
        selector.register(source, selectors.EVENT_READ)
    children: dict[int, socket.socket] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj == 0:
                for child in children:
                    os.kill(child, signal.SIGTERM)
                return
            if key.fileobj == wake:
                os.read(wake, 4096)
            elif key.fileobj is listener:
                connection, _ = listener.accept()
                header, streams, _, _ = socket.recv_fds(connection, 4, 3)
                try:
                    request = json.loads(_read(connection, int.from_bytes(header, "little")))
                    child = os.fork()
                    if child == 0:
                        _become(request, streams, run)
                except (OSError, EOFError, ValueError):  # who asked went away in the middle of it
                    connection.close()
                    continue
                finally:
                    for stream in streams:
                        os.close(stream)
                children[child] = connection
                with contextlib.suppress(OSError):  # who asked may have gone
                    connection.sendall(child.to_bytes(4, "little"))
                selector.register(connection, selectors.EVENT_READ, child)
            else:  # a client that hangs up takes its child with it
                with contextlib.suppress(ProcessLookupError):
                    os.kill(key.data, signal.SIGTERM)
                selector.unregister(key.fileobj)
        _reap(children, selector)


def _reap(children: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        connection = children.pop(child)
        with contextlib.suppress(KeyError):
            selector.unregister(connection)
        code = os.waitstatus_to_exitcode(status)
        with contextlib.suppress(OSError):
            connection.sendall((code if code >= 0 else 128 - code).to_bytes(4, "little"))
        connection.close()


def _become(request: dict[str, object], streams: list[int], run: Callable[[list[str]], int]) -> None:
    """Turn this fork into the process that was asked for; never returns."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[call-overload]
        os.chdir(request["cwd"])  # type: ignore[arg-type]
        code = run(request["arguments"])  # type: ignore[arg-type]
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


def _run(arguments: list[str]) -> int:
    os.environ.pop(SOCKET, None)  # the fork does the work itself
    from workbench.cli import main

    return main(arguments)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), _run)
