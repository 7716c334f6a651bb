"""A network that fails as it is told to: a proxy between a client and a server on loopback, request by request.

It knows HTTP/1.1 and which of the service's requests is which, counts every one, and forwards unchanged what it was
told nothing about. It never decides what is right: that is for the tests.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from enum import StrEnum, auto
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

HOST: Final = "127.0.0.1"
BLOCK: Final = 256 * 1024  # bytes relayed at once
LARGEST_HEAD: Final = 256 * 1024  # bytes
UPSTREAM_PATIENCE: Final = 60.0  # s; a deadline, never a measure
DRIP: Final = 0.002  # s between two bytes of a slow reply

Headers = dict[str, str]


class Kind(StrEnum):
    """Which of the service's requests it is."""

    CREATE = "POST"
    SEND = "PATCH"
    OFFSET = "HEAD"
    UPLOAD = "GET files"
    RESULT = "GET result"
    LIST = "GET sessions"
    DISCARD = "DELETE upload"
    ERASE = "DELETE session"
    OTHER = "another request"


class How(StrEnum):
    """What happens to a request."""

    PASS = auto()  # what it was told nothing about
    REFUSED = auto()  # a reset, and from then on nobody listens until `listen()`
    RESET = auto()  # a reset before anything of it is forwarded
    RESET_IN_BODY = auto()  # half of the body is forwarded, then both sides lose the connection
    LOST_REPLY = auto()  # all is forwarded and answered, and the answer is lost in a reset
    CLOSED_REPLY = auto()  # the same, but the connection is closed in good order
    CUT_REPLY = auto()  # the answer ends in the middle of what matters most in it
    SILENT = auto()  # nothing is read beyond the head, nothing is forwarded, nothing is answered
    SILENT_AFTER = auto()  # all is forwarded and answered, and the answer does not come
    SILENT_IN_REPLY = auto()  # half of the answer comes, and then nothing
    SLOW = auto()  # the answer comes byte by byte
    ANSWERED = auto()  # the answer is ours, and nothing is forwarded
    LIED = auto()  # all is forwarded, and the answer is ours
    ALTERED = auto()  # all is forwarded, and the answer's headers are changed


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Headers = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Fault:
    how: How
    reply: Reply | None = None  # ours, where the answer is ours
    alter: Callable[[Headers], Headers] | None = None  # from the headers as they came to those that go on


PASS: Final = Fault(How.PASS)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the nth of its kind, the number-th of all; what became of it."""

    kind: Kind
    nth: int
    number: int
    method: str
    path: str
    fault: Fault = PASS
    status: int | None = None  # what the server answered, where it was asked


def said(status: int, body: object = None, **headers: str) -> Reply:
    """An answer in JSON; header names are written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if body is None:
        return Reply(status, named)
    return Reply(status, {"Content-Type": "application/json", **named}, json.dumps(body).encode())


def page(status: int) -> Reply:
    """What a proxy or another web server says."""
    body = b"<!DOCTYPE html><html><body><h1>Something else</h1></body></html>"
    return Reply(status, {"Content-Type": "text/html; charset=utf-8"}, body)


def instead(reply: Reply) -> Fault:
    return Fault(How.ANSWERED, reply)


def lie(reply: Reply) -> Fault:
    return Fault(How.LIED, reply)


def altered(name: str, change: Callable[[str], str | None]) -> Fault:
    """The answer as it came but for one header, where it has it; None leaves it out."""

    def alter(headers: Headers) -> Headers:
        changed: dict[str, str] = {}
        for key, value in headers.items():
            text = change(value) if key.lower() == name.lower() else value
            if text is not None:
                changed[key] = text
        return changed

    return Fault(How.ALTERED, alter=alter)


def http_date(wall: float) -> str:
    return formatdate(wall, usegmt=True)


def kind_of(method: str, path: str) -> Kind:
    path = path.partition("?")[0].rstrip("/")
    session = re.search(r"/speech-to-text/session(/[^/]+)?(/result)?$", path)
    match method:
        case "POST":
            return Kind.CREATE
        case "PATCH":
            return Kind.SEND
        case "HEAD":
            return Kind.OFFSET
        case "GET" if re.search(r"/files/[^/]+$", path):
            return Kind.UPLOAD
        case "GET" if session and session[2]:
            return Kind.RESULT
        case "GET" if session and not session[1]:
            return Kind.LIST
        case "DELETE":
            return Kind.ERASE if session else Kind.DISCARD
        case _:
            return Kind.OTHER


class FaultyNetwork:
    """The proxy, as a context manager; `choose` says what happens to each request, `watch` sees it pass.

    `watch` is called with "came" before anything of a request is forwarded and "answered" before anything of
    the server's answer goes back, on the connection's own thread.
    """

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._server = (parts.hostname or HOST, parts.port or 80)
        self._path = parts.path
        self.choose: Callable[[Asked], Fault] = lambda _asked: PASS
        self.watch: Callable[[str, Asked], None] = lambda _moment, _asked: None
        self.asked: list[Asked] = []
        self._counts: Counter[Kind] = Counter()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._open: set[socket.socket] = set()
        self._over = False
        # A socket that is bound and does not listen keeps the port: connections to it are refused.
        self._holder = _socket()
        self._holder.bind((HOST, 0))
        self._port = int(self._holder.getsockname()[1])
        self._listener: socket.socket | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}{self._path}"

    def forget(self) -> None:
        """Count from zero, and do nothing to anything."""
        self.choose = lambda _asked: PASS
        with self._lock:
            self.asked.clear()
            self._counts.clear()

    def will(self, faults: Mapping[tuple[Kind, int], Fault]) -> None:
        """Do this to the nth request of a kind, and nothing to any other."""
        self.choose = lambda asked: faults.get((asked.kind, asked.nth), PASS)

    def count(self, kind: Kind) -> int:
        return self._counts[kind]

    def listen(self) -> None:
        """Accept connections, (again) at the same port."""
        with self._lock:
            if self._listener is not None or self._over:
                return
            self._listener = listener = _socket()
            listener.bind((HOST, self._port))
            listener.listen(64)
            self._start(self._accept, listener)

    def deny(self) -> None:
        """Refuse connections, and reset those that there are."""
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is not None:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self.deny()
        while True:
            with self._lock:
                thread = next(iter(self._threads), None)
            if thread is None:
                break
            thread.join()
        self._holder.close()

    def _start(self, target: Callable[[socket.socket], None], sock: socket.socket) -> None:
        """With the lock held."""
        thread = threading.Thread(name="faulty-network", target=self._run, args=(target, sock))
        self._threads.add(thread)
        thread.start()

    def _run(self, target: Callable[[socket.socket], None], sock: socket.socket) -> None:
        try:
            target(sock)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # it was closed
                return
            with self._lock:
                if self._over or self._listener is not listener:
                    client.close()
                    return
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.add(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                try:
                    line = _Line(client)
                    while (head := line.head()) is not None and self._exchange(line, head):
                        pass
                except _Reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                except OSError:  # the client has gone, or we are over
                    return
        finally:
            with self._lock:
                self._open.discard(client)

    def _note(self, method: str, path: str) -> Asked:
        with self._lock:
            kind = kind_of(method, path)
            self._counts[kind] += 1
            asked = Asked(kind, self._counts[kind], len(self.asked), method, path)
            asked = replace(asked, fault=self.choose(asked))
            self.asked.append(asked)
        return asked

    def _exchange(self, client: _Line, head: _Head) -> bool:
        """One request and what becomes of it; whether the connection goes on."""
        method, path, _ = head.start.split(" ", 2)
        asked = self._note(method, path)
        fault = asked.fault
        self.watch("came", asked)
        match fault.how:
            case How.REFUSED:
                self.deny()
                raise _Reset
            case How.RESET:
                raise _Reset
            case How.SILENT:
                _wait_for_the_end(client.sock)
                return False
            case How.ANSWERED:
                client.skip(head.length)
                assert fault.reply is not None
                client.say(_head_of(fault.reply), b"" if method == "HEAD" else fault.reply.body)
                return True
        with socket.create_connection(self._server, UPSTREAM_PATIENCE) as upstream:
            server = _Line(upstream)
            came, body = self._forwarded(client, server, head, asked)
        with self._lock:
            self.asked[asked.number] = asked = replace(asked, status=came.status)
        self.watch("answered", asked)
        return _answer(client, method, came, body, fault)

    def _forwarded(self, client: _Line, server: _Line, head: _Head, asked: Asked) -> tuple[_Head, bytes]:
        """The server's answer to a request."""
        host = f"{self._server[0]}:{self._server[1]}"
        changed = {**head.headers, "Host": host, "Connection": "close"}
        half = asked.fault.how is How.RESET_IN_BODY
        count = head.length // 2 if half else head.length
        try:
            server.say(_Head(head.start, changed), b"")
            for block in client.body(count):
                server.sock.sendall(block)
            if half:
                raise _Reset
        except OSError:
            if not server.readable():  # it has answered before the end, and closed
                raise
        came = server.head()
        if came is None:
            raise _Reset
        if asked.method == "HEAD" or came.status in (204, 304):
            return came, b""
        return came, server.content(came)


def _answer(client: _Line, method: str, head: _Head, body: bytes, fault: Fault) -> bool:
    """What the client gets of an answer that the server has given; whether the connection goes on."""
    # Ours goes on, unlike the one to the server; a length is said again, for a chunked body was put together.
    headers = {
        key: text for key, text in head.headers.items() if key.lower() not in ("connection", "transfer-encoding")
    }
    if method != "HEAD" and head.status not in (204, 304):
        headers = {key: text for key, text in headers.items() if key.lower() != "content-length"}
        headers["Content-Length"] = str(len(body))
    match fault.how:
        case How.LOST_REPLY:
            raise _Reset
        case How.CLOSED_REPLY:
            return False
        case How.LIED:
            assert fault.reply is not None
            client.say(_head_of(fault.reply), b"" if method == "HEAD" else fault.reply.body)
            return True
        case How.ALTERED:
            assert fault.alter is not None
            headers = fault.alter(headers)
        case How.SILENT_AFTER:
            _wait_for_the_end(client.sock)
            return False
    raw = _Head(head.start, headers).raw + body
    match fault.how:
        case How.CUT_REPLY | How.SILENT_IN_REPLY:
            client.sock.sendall(raw[: _middle(raw, body)])
            if fault.how is How.SILENT_IN_REPLY:
                _wait_for_the_end(client.sock)
            return False
        case How.SLOW:
            for position in range(len(raw)):
                client.sock.sendall(raw[position : position + 1])
                time.sleep(DRIP if position % 16 == 0 else 0)
        case _:
            client.sock.sendall(raw)
    return True


def _middle(raw: bytes, body: bytes) -> int:
    """In the body, or else in the value of the header that matters most: what a cut makes another value of."""
    if body:
        return len(raw) - len(body) // 2
    found = re.search(rb"\r\n(?:location|upload-offset): *([^\r]+)\r\n", raw, re.IGNORECASE)
    return found.end(1) - (len(found[1]) + 1) // 2 if found else len(raw) // 2


@dataclass(frozen=True, slots=True)
class _Head:
    start: str
    headers: Headers

    @property
    def length(self) -> int:
        return int(self.get("content-length") or 0)

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    def get(self, name: str) -> str | None:
        return next((text for key, text in self.headers.items() if key.lower() == name), None)

    @property
    def raw(self) -> bytes:
        lines = [self.start, *(f"{key}: {text}" for key, text in self.headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _head_of(reply: Reply) -> _Head:
    headers = dict(reply.headers)
    if reply.status not in (204, 304):
        headers.setdefault("Content-Length", str(len(reply.body)))
    return _Head(f"HTTP/1.1 {reply.status} So", headers)


class _Reset(Exception):
    """The client's connection ends with a reset."""


class _Line:
    """One side's connection, and what of it was read too early."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._ahead = b""

    def head(self) -> _Head | None:
        """None where the other side has closed instead."""
        while b"\r\n\r\n" not in self._ahead:
            block = self.sock.recv(BLOCK)
            if not block or len(self._ahead) > LARGEST_HEAD:
                return None
            self._ahead += block
        raw, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        start, *lines = raw.decode("latin-1").split("\r\n")
        return _Head(start, {key: text.strip() for key, _, text in (line.partition(":") for line in lines)})

    def body(self, count: int) -> Iterator[bytes]:
        """Blocks of the next bytes; fewer where the other side leaves."""
        while count:
            block = self._taken(min(BLOCK, count))
            if not block:
                raise ConnectionError("the body ended early")
            count -= len(block)
            yield block

    def skip(self, count: int) -> None:
        for _ in self.body(count):
            pass

    def content(self, head: _Head) -> bytes:
        """The body of an answer, put together where it is chunked."""
        if (head.get("transfer-encoding") or "").lower() == "chunked":
            parts = []
            while size := int(self._text_line().partition(b";")[0], 16):
                parts += list(self.body(size))
                self._text_line()
            self._text_line()
            return b"".join(parts)
        if head.get("content-length") is not None:
            return b"".join(self.body(head.length))
        return b"".join(iter(lambda: self._taken(BLOCK), b""))

    def say(self, head: _Head, body: bytes) -> None:
        self.sock.sendall(head.raw + body)

    def readable(self) -> bool:
        return bool(select.select([self.sock], [], [], 1.0)[0])

    def _taken(self, most: int) -> bytes:
        if self._ahead:
            block, self._ahead = self._ahead[:most], self._ahead[most:]
            return block
        return self.sock.recv(most)

    def _text_line(self) -> bytes:
        while b"\r\n" not in self._ahead:
            block = self.sock.recv(BLOCK)
            if not block:
                raise ConnectionError("a line ended early")
            self._ahead += block
        line, _, self._ahead = self._ahead.partition(b"\r\n")
        return line


def _wait_for_the_end(sock: socket.socket) -> None:
    """Until the other side leaves, or our own `deny`; nothing is read."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    poll.poll()


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock
