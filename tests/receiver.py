"""Somebody who is told: an HTTP server over loopback that takes messages as apprise's `json://` sends them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

TOKEN: Final = "t0p-s3cr3t"


class Receiver:
    """What was told, and what is answered."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.requests: list[tuple[str, str, str]] = []  # method, path, token
        self.status = 200
        self.port = 0
        self.silent = threading.Event()  # set: nobody is answered before it is cleared
        self.asked = threading.Event()

    @property
    def url(self) -> str:
        return f"json://scriptixd:{TOKEN}@127.0.0.1:{self.port}/{TOKEN}"

    @property
    def bodies(self) -> list[str]:
        return [message["message"] for message in self.messages]

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver, over = Receiver(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            receiver.requests.append((self.command, self.path, self.headers.get("X-Token", "")))
            receiver.asked.set()
            while receiver.silent.is_set() and not over.wait(0.02):
                pass
            if receiver.status < 300:
                receiver.messages.append(message)
            receiver.paths.append(self.path)
            try:
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                pass  # whoever has asked is gone

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
