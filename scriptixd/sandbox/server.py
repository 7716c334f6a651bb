"""The sandbox as one thing that starts and stops: directory, socket, server thread, workers.

It prints nothing and installs no signal handlers; what it has acknowledged survives kill -9.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from scriptixd.errors import StartError
from scriptixd.sandbox.app import PREFIX, build_app
from scriptixd.sandbox.listening import Listening
from scriptixd.sandbox.records import Records
from scriptixd.sandbox.uploads import Uploads
from scriptixd.sandbox.wire import Wire

HOST = "127.0.0.1"
BACKLOG = 128  # connections waiting to be accepted
STALL_TIMEOUT = 60.0  # s without a byte of an announced body: the sender is gone, its upload is free again
GRACE = 1  # s that running requests get at the stop; a cut PATCH resumes at its last saved offset
LARGEST_HEAD = 256 * 1024  # bytes of headers; Upload-Metadata may carry a whole `document`

# Without a handler of their own, their complaints would reach stderr of programs that configure no logging.
for _library in ("uvicorn", "tuspyserver"):
    logging.getLogger(_library).addHandler(logging.NullHandler())


class Sandbox:
    """A Scriptix-compatible server on loopback, with its state in `directory`.

    `workers` is how many files are listened to at once. Not to be started twice at a time.
    """

    def __init__(self, directory: Path, port: int = 0, key: str | None = None, workers: int = 2) -> None:
        self._directory = directory
        self._port = port
        self._key = key
        self._workers = workers
        self._running = ExitStack()

    @property
    def url(self) -> str:
        """The base URL of the API; with port 0 it is known after `start`."""
        return f"http://{HOST}:{self._port}{PREFIX}"

    def start(self) -> None:
        """Returns when it listens; raises StartError when the port or the directory cannot be had."""
        with ExitStack() as started:
            started.enter_context(_held(self._directory))
            listener = started.enter_context(_bound(self._port))
            records = Records(self._directory / "sandbox.db")
            started.callback(records.close)
            uploads = Uploads(records, _made(self._directory / "uploads"))
            listening = Listening(records, uploads, self._workers)

            def complete(upload: str) -> None:
                if session := uploads.complete(upload):
                    listening.listen(session)

            for upload in uploads.sweep():
                uploads.complete(upload.id)
            started.callback(listening.stop)
            listening.start()
            app = build_app(records, uploads, complete, self._key)
            self._port = listener.getsockname()[1]
            server = Server(Wire(app, records.note, STALL_TIMEOUT), listener)
            server.start()
            started.callback(server.stop)
            self._running = started.pop_all()

    def stop(self) -> None:
        """Ends within seconds; what was being listened to is taken up again at the next start."""
        self._running.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Server(uvicorn.Server):
    """uvicorn in a thread of its own."""

    def __init__(self, app: Wire, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
                h11_max_incomplete_event_size=LARGEST_HEAD,
            )
        )
        self._listening = threading.Event()
        self._thread = threading.Thread(name="sandbox-server", target=self._answer, args=(listener,))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()

    def start(self) -> None:
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        self.should_exit = True
        self._thread.join()

    def _answer(self, listener: socket.socket) -> None:
        try:
            self.run([listener])
        finally:
            self._listening.set()  # whoever waits in start() must not wait for ever


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # So that a sandbox that was killed can come back to its port at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StartError(
            f"the sandbox cannot listen on {HOST}, port {port}: {reason}",
            hint="choose another port, or 0 for any free one",
        ) from error
    return listener


def _held(directory: Path) -> ExitStack:
    """The lock that keeps a second sandbox out of the directory; it goes with the process."""
    held = ExitStack()
    try:
        _made(directory)
        descriptor = os.open(directory / "sandbox.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        held.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.close()
        raise StartError(
            f"another sandbox is using {directory}", hint="stop it, or choose another directory"
        ) from error
    except OSError as error:
        held.close()
        raise StartError(
            f"the sandbox cannot keep its state in {directory}: {error.strerror}",
            hint="choose a directory that you may write to",
        ) from error
    return held


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory
