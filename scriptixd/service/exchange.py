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
from scriptixd.errors import Away, OverBudget, Stopped
from scriptixd.jobs.clock import Now
from scriptixd.jobs.ports import Body, Journal, Lane
from scriptixd.service.access import Access
from scriptixd.service.budget import WINDOW, Budget
from scriptixd.service.lines import Lines
from scriptixd.service.reply import Reply
from scriptixd.service.traffic import NO_ANSWER, Traffic
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

    def __init__(self, access: Access, clock: Callable[[], Now], journal: Journal | None) -> None:
        self.access = access
        self.budget = Budget(
            access.requests_per_minute,
            access.requests_per_hour,
            token=access.key_fingerprint,
            journal=journal,
            now=clock(),
        )
        self.traffic = Traffic()
        self._clock = clock
        self._lines = Lines()
        self._mine = threading.local()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()  # they end with their threads
        self._lock = threading.Lock()
        self._sending: dict[int, bool] = {}  # the threads that send a body, and whether they are to leave off

    def ask(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        lane: Lane,
        *,
        body: Body | None = None,
        limit: int = SHORT,
    ) -> Reply:
        """The reply to one request, of any status.

        Raises OverBudget before it was made, Away, AccountTrouble, Stopped, and what `body` raises.
        """
        if self._lines.stopped:
            raise Stopped("no more requests")
        self._afford(self._clock(), lane)
        if body is None:
            return self._counted(method, url, headers, None, limit)
        thread = threading.get_ident()
        with self._lock:
            self._sending[thread] = False
        try:
            return self._counted(method, url, headers, body, limit)
        finally:
            with self._lock:
                del self._sending[thread]

    def _counted(self, method: Method, url: str, headers: Mapping[str, str], body: Body | None, limit: int) -> Reply:
        outcome = NO_ANSWER
        try:
            reply = self._ask(method, url, headers, body, limit)
            outcome = str(reply.status)
        finally:
            self.traffic.asked(method, outcome)
        return reply

    def _ask(self, method: Method, url: str, headers: Mapping[str, str], body: Body | None, limit: int) -> Reply:
        with translated(self.access, self._is_stopped):
            # requests' annotations know files, not every object with read and __len__ that it takes
            data: Any = None if body is None else _Streamed(body, self._is_stopped, self.traffic)
            wait = (self.access.timeout_s, self.access.timeout_s)
            with self._session().request(
                method.value, url, headers=dict(headers), data=data, timeout=wait, allow_redirects=False, stream=True
            ) as response:
                content = self._content(response, limit)
        if self._is_stopped():
            raise Stopped("the reply may have been cut off")  # a closed socket looks like the end of a reply
        answered = self._clock()
        reply = Reply(response.status_code, response.headers, content, answered.wall)
        self._learn(reply, answered)
        return reply

    def interrupt_sending(self) -> None:
        """End every request that sends a body with Stopped; the next ones are not concerned."""
        with self._lock:
            self._sending = dict.fromkeys(self._sending, True)
            self._lines.interrupt(self._sending.keys())

    def close(self) -> None:
        """End every request in flight with Stopped, for good, and free the connections."""
        self._lines.stop()
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    def _is_stopped(self) -> bool:
        return self._lines.stopped or self._sending.get(threading.get_ident(), False)

    def _afford(self, now: Now, lane: Lane) -> None:
        ready = self.budget.take(now, lane)
        if ready is not None:
            wait = ready - now.boot
            raise OverBudget(f"{self.budget.use(now).sentence} for another {wait:.0f} s", retry_after=wait)

    def _learn(self, reply: Reply, now: Now) -> None:
        """What a reply tells of the rate that holds."""
        if reply.status == 429 and (silence := reply.retry_after()) is not None:
            self.budget.hold(now.boot + silence, now)
        rate = reply.rate()
        if rate.resets_in is None:
            return
        if rate.remaining == 0:
            self.budget.hold(now.boot + rate.resets_in, now)
        if rate.limit is not None and rate.resets_in <= WINDOW:
            self.budget.learn(rate.limit, now)

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

    def __init__(self, body: Body, stopped: Callable[[], bool], traffic: Traffic) -> None:
        self._body = body
        self._left = len(body)
        self._size = len(body)
        self._stopped = stopped
        self._traffic = traffic

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        if self._stopped():
            raise Stopped("stopped in the middle of an upload")
        if not self._left:
            return b""
        block = self._body.read(self._left if count < 0 else min(count, self._left))
        if not block:
            raise Away(f"the file ended {self._left} bytes before the end of what was announced", retry_after=0.0)
        self._left -= len(block)
        self._traffic.sent(len(block))
        return block
