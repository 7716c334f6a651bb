"""A server of ours on a thread of the tests, and questions to it over a real connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Event, Thread

from scriptixd.jobs.clock import read_clock
from scriptixd.observe.web import Places, Web

PATIENCE = 20.0  # s: a deadline, never a measure


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True, slots=True)
class Hosted:
    """Where it listens."""

    host: str
    port: int

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        return ask(self.host, self.port, path, method, body, **headers)

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), PATIENCE)

    def raw(self, request: bytes) -> bytes:
        """What comes back until the other side closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def ask(host: str, port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
    with closing(HTTPConnection(host, port, timeout=PATIENCE)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        return Reply(reply.status, dict(reply.getheaders()), reply.read())


@contextmanager
def hosted(places: Places, token: str | None = None, host: str = "127.0.0.1") -> Iterator[Hosted]:
    web, stop = Web(host, 0, token, places), Event()

    def serve() -> None:
        while not stop.is_set():
            web.run_once(read_clock())

    thread = Thread(target=serve)
    thread.start()
    try:
        yield Hosted("127.0.0.1" if "." in host else host, web.port)
    finally:
        stop.set()
        thread.join()
        web.close()
