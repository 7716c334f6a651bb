"""The sandbox with a recogniser that has heard everything before: a real TUS server, and results at once.

What it answers about uploads and sessions is the sandbox's own; only the listening is ours.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import requests
from anyio.to_thread import current_default_thread_limiter

from scriptixd.sandbox.app import PREFIX, build_app
from scriptixd.sandbox.records import Heard, Records, Word
from scriptixd.sandbox.server import BACKLOG, HOST, STALL_TIMEOUT, Server
from scriptixd.sandbox.uploads import Uploads
from scriptixd.sandbox.wire import Wire

HEARD: Final = Heard(3.0, ((Word("so", 0.5, 0.9, 0.9), Word("it", 1.0, 1.2, 0.9), Word("ends", 1.3, 1.9, 0.9)),))


class FewThreads(Server):
    """A server that makes all its threads at once, so that none seems to be left by a test that it outlives."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        pool = ThreadPoolExecutor(1)
        pool.submit(int)
        asyncio.get_running_loop().set_default_executor(pool)
        current_default_thread_limiter().total_tokens = 1
        await super().startup(sockets)


class QuickSandbox:
    """A sandbox on threads of this process, as a context manager; what is complete is heard in the same moment."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running = ExitStack()
        self._paid: Counter[str] = Counter()
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as started:
            listener = started.enter_context(socket.create_server((HOST, 0), backlog=BACKLOG))
            (self._directory / "uploads").mkdir(parents=True)
            self.records = Records(self._directory / "sandbox.db")
            started.callback(self.records.close)
            self.uploads = Uploads(self.records, self._directory / "uploads")
            app = build_app(self.records, self.uploads, self._complete, None)
            self.url = f"http://{HOST}:{listener.getsockname()[1]}{PREFIX}"
            server = FewThreads(Wire(app, self.records.note, STALL_TIMEOUT), listener)
            server.start()
            started.callback(server.stop)
            requests.get(self.url.replace(PREFIX, "/sandbox/counts"), timeout=30).raise_for_status()
            self._running = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def paid(self) -> Counter[str]:
        """How often each content was completed, by its SHA-256."""
        return self._paid

    def _complete(self, upload: str) -> None:
        if session := self.uploads.complete(upload):
            done = self.records.upload(upload)
            assert done is not None
            self._paid[str(done.sha256)] += 1
            self.records.start(session)
            self.records.finish(session, HEARD)
            self.uploads.erase(upload)
