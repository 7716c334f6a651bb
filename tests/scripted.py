"""A server on loopback that does as it is told: one scripted answer a request, and a record of what it was asked.

For faults that a sound server does not have. It knows nothing of TUS or Scriptix.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast

PREFIX = "/api/v3"
PATIENCE = 30.0  # s; a deadline for conditions, never a measure
MAX_KEPT = 1024 * 1024  # bytes of a request's body that are remembered


class Fault(StrEnum):
    """What goes wrong with an answer."""

    NONE = auto()
    DROP = auto()  # the connection is closed instead of an answer
    CUT = auto()  # the second half of the body is missing
    STALL = auto()  # nothing is answered
    STALL_BODY = auto()  # the second half of the body does not come, and the connection stays
    DEAF = auto()  # the request's body is not read, and nothing is answered


@dataclass(frozen=True, slots=True)
class Answer:
    """What the next request gets. An empty header is not sent, so that Content-Length can be left out."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: Fault = Fault.NONE


@dataclass(frozen=True, slots=True)
class Seen:
    """One request; header names are in lower case, `size` counts the body's bytes that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    size: int
    peer: int  # the port it came from: one a connection


def said(value: object, status: int = 200, **headers: str) -> Answer:
    """A JSON answer; header names are written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, {"Content-Type": "application/json", **named}, json.dumps(value).encode())


def page(status: int = 200) -> Answer:
    """What another web server says."""
    return Answer(status, {"Content-Type": "text/html; charset=utf-8"}, b"<!DOCTYPE html><html><h1>Welcome</h1></html>")


def bare(status: int, **headers: str) -> Answer:
    """No body; header names are written with underscores."""
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()})


class Scripted:
    """The server, as a context manager. Without a script it answers 500."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.arrived = 0  # requests whose headers have come
        self.over = threading.Event()
        self.changed = threading.Condition()
        self._answers: deque[Answer] = deque()
        self._server = _Server(self, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.scheme = "https" if tls else "http"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return self.origin + PREFIX

    def will(self, *answers: Answer) -> None:
        """Answer the next requests so."""
        self._answers.extend(answers)

    def wait_for(self, requests: int) -> None:
        """Until so many requests have arrived, their bodies perhaps not yet."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.arrived >= requests, PATIENCE), "no request came in time"

    def next_answer(self) -> Answer:
        with self.changed:
            self.arrived += 1
            self.changed.notify_all()
            return self._answers.popleft() if self._answers else said({"error": "nothing scripted"}, 500)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.cut_all()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, script: Scripted, tls: ssl.SSLContext | None) -> None:
        self.script = script
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def cut_all(self) -> None:
        for connection in list(self._connections):
            _cut(connection)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing is printed."""

    def _answer(self) -> None:
        script = cast("_Server", self.server).script
        answer = script.next_answer()
        if answer.fault is Fault.DEAF:
            script.over.wait(PATIENCE)
        kept, size = self._body(0 if answer.fault is Fault.DEAF else int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        script.seen.append(Seen(self.command, self.path, headers, kept, size, self.client_address[1]))
        match answer.fault:
            case Fault.DROP | Fault.DEAF:
                self._end()
            case Fault.STALL:
                script.over.wait(PATIENCE)
                self._end()
            case _:
                self._speak(answer)
        if answer.fault is Fault.STALL_BODY:
            script.over.wait(PATIENCE)

    def _speak(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        headers = dict(answer.headers)
        if answer.status != 204 and self.command != "HEAD":
            headers.setdefault("Content-Length", str(len(answer.body)))
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if headers.get("Connection") == "close":
            self.close_connection = True
        match answer.fault:
            case Fault.CUT:
                self.wfile.write(answer.body[: len(answer.body) // 2])
                self._end()
            case Fault.STALL_BODY:
                self.wfile.write(answer.body[: len(answer.body) // 2])
            case Fault.NONE if self.command != "HEAD":
                self.wfile.write(answer.body)

    def _end(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        _cut(self.connection)

    def _body(self, length: int) -> tuple[bytes, int]:
        kept, size = bytearray(), 0
        while size < length and (block := self.rfile.read(min(65536, length - size))):
            size += len(block)
            if len(kept) < MAX_KEPT:
                kept += block
        return bytes(kept), size

    def __getattr__(self, name: str) -> Any:
        # http.server looks for do_GET and its like: every method is answered alike
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was faster
        return
