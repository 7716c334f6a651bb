"""A small HTTP server that only tells: GET and HEAD of a few places, for those who may ask.

Bounded in time, size and number, so that nobody who connects can hold up the daemon or its end. Knows nothing of what
it serves, and never changes anything.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Final
from urllib.parse import parse_qs, urlsplit

from scriptixd.errors import StartError, Trouble
from scriptixd.jobs.clock import Now, read_clock
from scriptixd.roots.paths import shown

LOG = logging.getLogger("scriptixd.http")

AT_ONCE: Final = 8  # connections: a browser, a monitoring or two, and who else looks
HEARD_WITHIN: Final = 5.0  # s for a whole request to arrive: it is a few lines
ANSWERED_WITHIN: Final = 10.0  # s for an answer to be taken
LONGEST_HEAD: Final = 16 * 1024  # bytes of a request: browsers send a tenth of it
LEFT_ALONE: Final = 1.0  # s for the other side to close, so that it has read the answer before the connection is gone
TURN: Final = 0.5  # s between two looks at whether to stop
SHORT_OF_FILES: Final = 1.0  # s to the next attempt, where a connection cannot be taken
SEEN_OFF_WITHIN: Final = 0.5  # s at the end, for those who are just being answered

PLAIN: Final = "text/plain; charset=utf-8"
_NOTHING_ELSE: Final = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request an answer may depend on."""

    accept: str  # the header
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; `policy` is its Content-Security-Policy."""

    status: HTTPStatus
    kind: str  # the Content-Type
    body: bytes
    policy: str = _NOTHING_ELSE


Places = Mapping[str, Callable[[Asked], Answer]]  # by path; raises Trouble where it cannot be told just now


def plain(status: HTTPStatus, sentence: str) -> Answer:
    """A line of text."""
    return Answer(status, PLAIN, f"{sentence}\n".encode())


class Web:
    """The server on its port; `run_once` is to be called until `close`. StartError if the port cannot be had."""

    def __init__(self, host: str, port: int, token: str | None, places: Places) -> None:
        self._server = _Server(host, port, _Rules(token, ipaddress.ip_address(host).is_loopback, places))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def run_once(self, now: Now) -> float:
        """Take a connection, or wait for one for a moment; returns when the next call is wanted, in boot seconds."""
        self._server.refused = False
        self._server.handle_request()
        return now.boot + SHORT_OF_FILES if self._server.refused else now.boot

    def close(self) -> None:
        """Nobody is listened to any more, and who is just being answered has little time for the rest."""
        self._server.server_close()
        self._server.see_off()


@dataclass(frozen=True, slots=True)
class _Rules:
    """Who may ask, and for what."""

    token: str | None
    only_here: bool  # whether it listens to this machine alone
    places: Places

    def answer(self, method: str, path: str, headers: Message) -> tuple[Answer, Mapping[str, str]]:
        """The answer, with further headers."""
        if self.only_here and not _is_local(headers.get("Host", "")):
            # A web page elsewhere may have its own name lead to this machine, and read along in somebody's browser.
            return plain(HTTPStatus.FORBIDDEN, "ask for localhost or 127.0.0.1, and by no other name"), {}
        if self.token is not None and not _carries(headers.get("Authorization", ""), self.token):
            return plain(HTTPStatus.UNAUTHORIZED, "a token is needed"), {"WWW-Authenticate": "Bearer"}
        try:
            split = urlsplit(path)
        except ValueError:
            return plain(HTTPStatus.BAD_REQUEST, "that is no address"), {}
        place = self.places.get(split.path)
        if place is None:
            return plain(HTTPStatus.NOT_FOUND, "there is nothing here"), {}
        if method not in ("GET", "HEAD"):
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, "this only tells: GET or HEAD"), {"Allow": "GET, HEAD"}
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        try:
            return place(Asked(headers.get("Accept", ""), query)), {}
        except Trouble as trouble:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, shown(str(trouble))), {}


class _Server(ThreadingHTTPServer):
    """A thread for each connection, and never too many of them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = AT_ONCE * 4  # so that one too many is told so, and does not knock again for a second
    allow_reuse_port = False  # two daemons on one port would take each other's questions
    timeout = TURN

    def __init__(self, host: str, port: int, rules: _Rules) -> None:
        self.rules = rules
        self.refused = False  # whether a connection could not be taken
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._where = (host, port)
        self._guard = threading.Lock()
        self._talking: dict[socket.socket, threading.Thread] = {}
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            raise StartError(
                f"cannot listen on {where} for http: {error.strerror or error}",
                "see which program has the port with ss -ltnp, or set another 'http'",
            ) from error

    def server_bind(self) -> None:
        """Without asking a name server what this machine is called, as the library does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart finds the port free
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self._where

    def get_request(self) -> tuple[socket.socket, object]:
        try:
            return super().get_request()
        except OSError:
            self.refused = True
            raise

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101 - what a TCP server takes is one
        with self._guard:
            if len(self._talking) < AT_ONCE:
                thread = threading.Thread(
                    target=self._talk, args=(request, client_address), name="http request", daemon=True
                )
                thread.start()
                self._talking[request] = thread
                return
        request.setblocking(False)
        with suppress(OSError):
            request.send(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n")
        self.shutdown_request(request)

    def _talk(self, request: socket.socket, client_address: object) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._talking.pop(request, None)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the library's
        """Called where an exception is being handled: who went away is nobody's trouble, anything else is our bug."""
        if isinstance(sys.exception(), OSError):
            LOG.debug("an HTTP connection broke off", exc_info=True)
        else:
            LOG.error("an HTTP connection ran into a bug of scriptixd", exc_info=True)

    def see_off(self) -> None:
        """Break off what is still going on, and wait a moment for the threads."""
        with self._guard:
            talking = dict(self._talking)
        for request in talking:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
        until = read_clock().boot + SEEN_OFF_WITHIN
        for thread in talking.values():
            thread.join(max(0.0, until - read_clock().boot))


class _Handler(BaseHTTPRequestHandler):
    """One request on a connection, and then no other."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # of what says none: everything is answered with a status
    server_version, sys_version = "scriptixd", ""
    server: _Server
    connection: socket.socket

    def handle(self) -> None:
        head = _head(self.connection)  # as a whole, before it is looked at
        if head is None:
            return
        self.connection.settimeout(ANSWERED_WITHIN)
        self.rfile.close()
        self.rfile = BytesIO(head)
        self.raw_requestline = self.rfile.readline()
        if not self.parse_request():  # which has answered
            return
        try:
            answer, headers = self.server.rules.answer(self.command, self.path, self.headers)
        except Exception:
            LOG.exception("answering over HTTP ran into a bug of scriptixd")
            answer, headers = plain(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug of scriptixd: its log has the details"), {}
        self._say(answer, headers)
        _see_out(self.connection)

    def _say(self, answer: Answer, headers: Mapping[str, str]) -> None:
        self.send_response(answer.status)
        fixed = {
            "Content-Type": answer.kind,
            "Content-Length": str(len(answer.body)),
            "Content-Security-Policy": answer.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
            "Connection": "close",
        }
        for name, value in {**fixed, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What the library finds wrong with a request itself."""
        self._say(plain(HTTPStatus(code), HTTPStatus(code).phrase), {})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        LOG.debug("%s", shown(format % args))


def _head(connection: socket.socket) -> bytes | None:
    """A request without its body, or None if it does not come in time, in full and in reasonable length."""
    until, head = read_clock().boot + HEARD_WITHIN, b""
    while b"\r\n\r\n" not in head and b"\n\n" not in head:
        left = until - read_clock().boot
        if left <= 0 or len(head) > LONGEST_HEAD:
            return None
        connection.settimeout(left)
        more = connection.recv(LONGEST_HEAD)
        if not more:
            return None
        head += more
    return head


def _see_out(connection: socket.socket) -> None:
    """Let the other side close first: what it still sends would make the kernel take the answer back."""
    until = read_clock().boot + LEFT_ALONE
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while (left := until - read_clock().boot) > 0:
            connection.settimeout(left)
            if not connection.recv(LONGEST_HEAD):
                return


def _carries(header: str, token: str) -> bool:
    """Whether it is `Bearer TOKEN`, found out in a time that tells nothing of the token."""
    scheme, _, given = header.partition(" ")
    ours, theirs = (hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (token, given.strip()))
    return hmac.compare_digest(ours, theirs) and scheme.lower() == "bearer"


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine by itself."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
