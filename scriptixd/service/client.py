"""Scriptix, as the pipeline sees it: every method is one request, classified and never retried.

Puts the room together; the protocol is in tus.py, the reading in answers.py, the sentences in trouble.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from scriptixd.jobs.clock import Now, read_clock
from scriptixd.jobs.job import Labels, Request
from scriptixd.jobs.ports import Answer, Body
from scriptixd.service import metadata
from scriptixd.service.access import Access
from scriptixd.service.answers import MAX_TRANSCRIPT, read_result, read_session_id
from scriptixd.service.exchange import Exchange, Method
from scriptixd.service.trouble import Asked, refusal, wrong_url
from scriptixd.service.tus import Upload

_JSON = {"Accept": "application/json"}


class Scriptix:
    """Implements Uploads and Sessions of jobs/ports.py; safe for threads, `close` ends what they wait for."""

    def __init__(self, access: Access, clock: Callable[[], Now] = read_clock) -> None:
        self._access = access
        self._exchange = Exchange(access, clock)

    @property
    def origin(self) -> str:
        return self._access.origin

    @property
    def key_fingerprint(self) -> str:
        return self._access.key_fingerprint

    def ready_at(self, now: Now) -> float:
        """The boot second from which a request may be made: before it, every method is Away at once."""
        return self._exchange.budget.ready_at(now)

    def requests_last_minute(self, now: Now) -> int:
        """How much of the budget is in use."""
        return self._exchange.budget.taken(now)

    def create(self, request: Request, labels: Labels, name: str, size: int) -> str:
        upload = Upload(
            self._exchange,
            size=size,
            metadata=metadata.of_upload(request, labels, name),
            secrets=_secrets(labels),
        )
        return upload.create_url()

    def offset(self, file_id: str) -> int | None:
        return Upload.at(self._exchange, file_id).get_offset()

    def send(self, file_id: str, offset: int, body: Body) -> int:
        upload = Upload.at(self._exchange, file_id, offset, body)
        upload.upload_chunk()
        return upload.offset

    def discard(self, file_id: str) -> None:
        Upload.at(self._exchange, file_id).discard()

    def session_of(self, file_id: str) -> str | None:
        return read_session_id(self._exchange.ask(Method.GET, self._access.file(file_id), _JSON), self._access)

    def look(self, session_id: str) -> Answer:
        url = self._access.result(session_id)
        return read_result(self._exchange.ask(Method.GET, url, _JSON, limit=MAX_TRANSCRIPT), self._access)

    def probe(self) -> None:
        """GET of an upload that never was.

        Only 401 and 403 speak of the key then: an id that nobody ever had can be no other token's, while
        the list of sessions may be refused to a good key, OPTIONS is answered without one by many servers,
        and a POST, however incomplete, might open something. A redirect or a web page is another server's
        answer. Any other refusal of the id means that the key was let through: a bare 404 from a stranger
        cannot be told from the service's own, and the next creation tells it.
        """
        reply = self._exchange.ask(Method.GET, self._access.file(uuid.uuid4().hex), _JSON)
        if 300 <= reply.status < 400 or (reply.status < 500 and reply.status not in (401, 403, 429) and reply.is_page):
            raise wrong_url(
                self._access, f"{reply.status}: {'a redirect' if 300 <= reply.status < 400 else 'a web page'}"
            )
        if reply.status in (401, 403, 408, 423, 425, 429) or reply.status >= 500:
            raise refusal(reply, Asked.PROBE, self._access)

    def close(self) -> None:
        """End every request in flight with Stopped, for good."""
        self._exchange.close()


def _secrets(labels: Labels) -> tuple[str, ...]:
    """What a complaint may repeat of a webhook, and no sentence may."""
    if labels.webhook is None:
        return ()
    values = (header.partition(":")[2].strip() for header in labels.webhook.headers)
    return (labels.webhook.url, *labels.webhook.headers, *values)
