"""The connections to the service, so that a stop can end what a thread waits for on any of them.

Owns every socket from before it connects until the last byte of a reply. Decides nothing about requests.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from scriptixd.errors import Stopped

BLOCK = 1024 * 1024  # bytes of a body at a time: with http.client's own 16 KiB it is sent at half the speed

UNSENT = 256 * 1024  # bytes that wait in the kernel: with its own megabytes, a slow line shows no progress for minutes


class Lines:
    """Second handles of all sockets in use; each is a dup, which outlives that TLS takes the first one over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, int] = {}  # with the thread that made it: nobody else uses it
        self._stopped = False
        plain = type("PlainLine", (_Line,), {"lines": self})
        tls = type("TlsLine", (_TlsLine,), {"lines": self})
        self._pools = {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }

    @property
    def stopped(self) -> bool:
        return self._stopped

    def take(self, sock: socket.socket) -> socket.socket:
        """A handle of the socket that `drop` gives back; raises Stopped after a stop."""
        with self._lock:
            if self._stopped:
                raise Stopped("no more connections")
            handle = sock.dup()
            self._open[handle] = threading.get_ident()
            return handle

    def drop(self, handle: socket.socket) -> None:
        with self._lock:
            self._open.pop(handle, None)
            handle.close()

    def stop(self) -> None:
        """End every wait on every socket, connecting ones too; for good."""
        with self._lock:
            self._stopped = True
            self._shut(self._open)

    def interrupt(self, threads: Collection[int]) -> None:
        """End the waits of these threads; whoever asks again is connected again."""
        with self._lock:
            self._shut(handle for handle, thread in self._open.items() if thread in threads)

    def _shut(self, handles: Iterable[socket.socket]) -> None:
        for handle in handles:
            with contextlib.suppress(OSError):  # not connected yet, or not any more
                handle.shutdown(socket.SHUT_RDWR)

    def session(self) -> Session:
        """A session whose connections are ours, that listens to no environment: no netrc, no proxies."""
        session = Session()
        session.trust_env = False
        adapter = _Adapter(self._pools)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session


class _Line(HTTPConnection):
    """A connection with a second handle of its socket in `lines`."""

    lines: Lines
    handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        failure: OSError | None = None
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            try:
                self.handle = self.lines.take(sock)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
                sock.settimeout(self.timeout)
                sock.connect(address)
            except BaseException as error:
                sock.close()
                self._drop()
                if not isinstance(error, OSError):
                    raise
                failure = error
            else:
                return sock
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "no connection in time") from failure
        raise NewConnectionError(self, "no connection") from failure

    def send(self, data: Any) -> None:  # urllib3 gives it bytes, and is declared to give it anything
        """As the original, but that the timeout is for each bit of progress: sendall's is for all of the data."""
        if self.sock is None:
            self.connect()
        with memoryview(data) as view:
            sent = 0
            while sent < len(view):
                sent += self.sock.send(view[sent:])

    def getresponse(self) -> Any:  # urllib3's own response class is declared as http.client's
        # A reply that ends the connection closes it in here, before its body was read: the handle stays for that.
        handle, self.handle = self.handle, None
        try:
            response = super().getresponse()
        finally:
            self.handle = handle
        if self.sock is None and handle is not None:
            self.handle = None
            weakref.finalize(response, self.lines.drop, handle)
        return response

    def close(self) -> None:
        super().close()
        self._drop()

    def _drop(self) -> None:
        handle, self.handle = self.handle, None
        if handle is not None:
            self.lines.drop(handle)


class _TlsLine(_Line, HTTPSConnection):
    pass


class _Adapter(HTTPAdapter):
    def __init__(self, pools: Mapping[str, type[HTTPConnectionPool]]) -> None:
        self._pools = pools
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **settings: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, blocksize=BLOCK, **settings)
        self.poolmanager.pool_classes_by_scheme = self._pools
