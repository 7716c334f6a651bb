"""One request, one reply: budget first, our own connections, no redirects, the key only to the configured origin.

Knows nothing of what is asked. Never retries, never sleeps.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from requests import Response, Session

from scriptixd import __version__
from scriptixd.errors import Away, Stopped
from scriptixd.jobs.clock import Now
from scriptixd.jobs.ports import Body
from scriptixd.service.access import Access
from scriptixd.service.budget import Budget
from scriptixd.service.lines import Lines
from scriptixd.service.reply import Reply
from scriptixd.service.trouble import translated

SHORT = 1024 * 1024  # bytes of a reply that is not a transcript: hundreds of times what is documented
READ = 256 * 1024  # bytes taken from a reply at once


class Method(StrEnum):
    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Exchange:
    """Asks the service, from any thread; `close` ends what all of them wait for."""

    def __init__(self, access: Access, clock: Callable[[], Now]) -> None:
        self.access = access
        self.budget = Budget(access.requests_per_minute)
        self._clock = clock
        self._lines = Lines()
        self._mine = threading.local()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()  # they end with their threads
        self._lock = threading.Lock()

    def ask(
        self, method: Method, url: str, headers: Mapping[str, str], *, body: Body | None = None, limit: int = SHORT
    ) -> Reply:
        """The reply to one request, of any status. Raises Away, AccountTrouble, Stopped, and what `body` raises."""
        if self._lines.stopped:
            raise Stopped("no more requests")
        asked = self._clock()
        self._afford(asked)
        with translated(self.access, lambda: self._lines.stopped):
            # requests' annotations know files, not every object with read and __len__ that it takes
            data: Any = None if body is None else _Streamed(body, self._lines)
            wait = (self.access.timeout_s, self.access.timeout_s)
            with self._session().request(
                method.value, url, headers=dict(headers), data=data, timeout=wait, allow_redirects=False, stream=True
            ) as response:
                content = self._content(response, limit)
        if self._lines.stopped:
            raise Stopped("the reply may have been cut off")  # a closed socket looks like the end of a reply
        answered = self._clock()
        reply = Reply(response.status_code, response.headers, content, answered.wall)
        if reply.status == 429 and (silence := reply.retry_after()) is not None:
            self.budget.hold(answered.boot + silence)
        return reply

    def close(self) -> None:
        """End every request in flight with Stopped, for good, and free the connections."""
        self._lines.stop()
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    def _afford(self, now: Now) -> None:
        ready = self.budget.take(now)
        if ready is not None:
            wait = ready - now.boot
            raise Away(
                f"the request budget of {self.budget.per_minute} a minute is used up for another {wait:.0f} s",
                retry_after=wait,
            )

    def _session(self) -> Session:
        session: Session | None = getattr(self._mine, "session", None)
        if session is None:
            session = self._lines.session()
            session.headers["User-Agent"] = f"scriptixd/{__version__}"
            name, value = self.access.header
            session.headers[name] = value
            self._mine.session = session
            with self._lock:
                self._sessions.add(session)
        return session

    def _content(self, response: Response, limit: int) -> bytes:
        parts = bytearray()
        for part in response.iter_content(READ):
            parts += part
            if len(parts) > limit:
                raise Away(f"{self.access.origin} sends more than the {limit} bytes that such a reply may have")
        return bytes(parts)


class _Streamed:
    """A body as requests takes it: `read` and `__len__` and nothing else, so that it is sent in constant memory.

    Exactly as long as announced: a longer one would break the next request, a shorter one wait for ever.
    """

    def __init__(self, body: Body, lines: Lines) -> None:
        self._body = body
        self._left = len(body)
        self._size = len(body)
        self._lines = lines

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        if self._lines.stopped:
            raise Stopped("stopped in the middle of an upload")
        if not self._left:
            return b""
        block = self._body.read(self._left if count < 0 else min(count, self._left))
        if not block:
            raise Away(f"the file ended {self._left} bytes before the end of what was announced", retry_after=0.0)
        self._left -= len(block)
        return block
