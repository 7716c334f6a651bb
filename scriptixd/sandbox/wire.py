"""The sandbox's outermost layer, between the sockets and the application.

It writes down every answered request, gives up on bodies that stop coming, and reads refused bodies to
their end, so that the client gets its answer instead of a reset connection. It knows no API.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scriptixd.sandbox.records import SeenRequest

SANDBOX_ONLY = "/sandbox/"  # what tests ask is not part of what they count


class Wire:
    """An ASGI application around another; `note` is called once for each answered request."""

    def __init__(self, app: ASGIApp, note: Callable[[SeenRequest], None], stall_timeout: float) -> None:
        self._app = app
        self._note = note
        self._stall_timeout = stall_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, self._stall_timeout, self._noted(scope))
        await self._app(scope, exchange.receive, exchange.send)

    def _noted(self, scope: Scope) -> Callable[[int], Awaitable[None]]:
        at = time.time()

        async def note(status: int) -> None:
            if not scope["path"].startswith(SANDBOX_ONLY):
                await asyncio.to_thread(self._note, SeenRequest(at, scope["method"], scope["path"], status))

        return note


class Exchange:
    """One request and its answer."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        stall_timeout: float,
        note: Callable[[int], Awaitable[None]],
    ) -> None:
        headers = {name for name, _ in scope["headers"]}
        self._more = bool(headers & {b"content-length", b"transfer-encoding"})
        self._receive = receive
        self._send = send
        self._stall_timeout = stall_timeout
        self._note = note

    async def receive(self) -> Message:
        if not self._more:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._stall_timeout)
        except TimeoutError:
            message = {"type": "http.disconnect"}  # a connection that died without a word
        self._more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            while self._more:
                await self.receive()
            await self._note(message["status"])
        await self._send(message)
