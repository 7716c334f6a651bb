"""Scriptix, as the pipeline sees it: every method is one request, classified and never retried.

Puts the room together; the protocol is in tus.py, the reading in answers.py, the sentences in trouble.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from scriptixd.errors import Trouble
from scriptixd.jobs.clock import Now, read_clock
from scriptixd.jobs.job import Labels, Request
from scriptixd.jobs.ports import Answer, Body, Journal, Lane, Page
from scriptixd.service import metadata
from scriptixd.service.access import Access
from scriptixd.service.answers import MAX_TRANSCRIPT, read_erased, read_page, read_result, read_session_id
from scriptixd.service.budget import Use
from scriptixd.service.exchange import SHORT, Exchange, Method
from scriptixd.service.reply import Reply
from scriptixd.service.traffic import Traffic
from scriptixd.service.trouble import Asked, refusal, wrong_url
from scriptixd.service.tus import Upload

_JSON = {"Accept": "application/json"}
_PAGE = 100  # sessions in one answer: the most that is documented
MAX_PAGE = 4 * 1024 * 1024  # bytes of such an answer: a hundred sessions with long names are a tenth of it

TICK = 1.0  # s: a Date counts whole seconds


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of a question that tries the key, whatever it was."""

    status: int
    trouble: Trouble | None  # what it means, if it is no yes
    ahead: float | None  # s by which our clock is before the service's, at the least; None where that tells no time


class Scriptix:
    """Implements Uploads, Sessions and Allowance of jobs/ports.py; safe for threads, `close` ends what they wait for.

    Without a journal the budget begins anew with each process: for whoever asks a single question.
    """

    def __init__(self, access: Access, clock: Callable[[], Now] = read_clock, journal: Journal | None = None) -> None:
        self._access = access
        self._clock = clock
        self._exchange = Exchange(access, clock, journal)

    @property
    def origin(self) -> str:
        return self._access.origin

    @property
    def key_fingerprint(self) -> str:
        return self._access.key_fingerprint

    def ready_at(self, now: Now, lane: Lane) -> float:
        return self._exchange.budget.ready_at(now, lane)

    def waiting(self, now: Now) -> bool:
        return self._exchange.budget.waiting(now)

    def use(self, now: Now) -> Use:
        """How much of the budget is in use."""
        return self._exchange.budget.use(now)

    @property
    def traffic(self) -> Traffic:
        """What has passed since this was made."""
        return self._exchange.traffic

    def keep_quiet(self, secrets: Collection[str]) -> None:
        """Further secrets that a reply may repeat, and no sentence may."""
        every = tuple(sorted({*self._access.secrets, *secrets}))
        self._access = self._exchange.access = replace(self._access, secrets=every)

    def create(self, request: Request, labels: Labels, name: str, size: int) -> str:
        upload = Upload(
            self._exchange,
            size=size,
            metadata=metadata.of_upload(request, labels, name),
            secrets=labels.webhook.secrets if labels.webhook else (),
        )
        return upload.create_url()

    def offset(self, file_id: str, size: int | None = None) -> int | None:
        return Upload.at(self._exchange, file_id).get_offset(size)

    def send(self, file_id: str, offset: int, body: Body) -> int:
        upload = Upload.at(self._exchange, file_id, offset, body)
        upload.upload_chunk()
        return upload.offset

    def discard(self, file_id: str) -> str:
        return Upload.at(self._exchange, file_id).discard()

    def session_of(self, file_id: str) -> str | None:
        return read_session_id(self._get(self._access.file(file_id)), self._access)

    def look(self, session_id: str) -> Answer:
        return read_result(self._get(self._access.result(session_id), MAX_TRANSCRIPT), self._access)

    def listed(self, offset: int) -> Page | None:
        return read_page(self._get(self._access.sessions(offset, _PAGE), MAX_PAGE), self._access, offset)

    def erase(self, session_id: str) -> str:
        reply = self._exchange.ask(Method.DELETE, self._access.session(session_id), _JSON, Lane.ASK)
        return read_erased(reply, self._access)

    def interrupt_uploads(self) -> None:
        """End every PATCH in flight with Stopped, also one that waits for a silent service; nothing else."""
        self._exchange.interrupt_sending()

    def probe(self) -> None:
        """Raises what the answer of `probed` means, if it is no yes."""
        trouble = self.probed().trouble
        if trouble is not None:
            raise trouble

    def probed(self) -> Probed:
        """GET of an upload that never was. Raises where there was no answer.

        Only 401 and 403 speak of the key then: an id that nobody ever had can be no other token's, while
        the list of sessions may be refused to a good key, OPTIONS is answered without one by many servers,
        and a POST, however incomplete, might open something. A redirect or a web page is another server's
        answer. Any other refusal of the id means that the key was let through: a bare 404 from a stranger
        cannot be told from the service's own, and the next creation tells it.
        """
        asked = self._clock().wall
        reply = self._get(self._access.file(uuid.uuid4().hex))
        return Probed(reply.status, self._refusal_of_the_key(reply), _ahead(reply, asked))

    def _refusal_of_the_key(self, reply: Reply) -> Trouble | None:
        if 300 <= reply.status < 400 or (reply.status < 500 and reply.status not in (401, 403, 429) and reply.is_page):
            return wrong_url(
                self._access, f"{reply.status}: {'a redirect' if 300 <= reply.status < 400 else 'a web page'}"
            )
        if reply.status in (401, 403, 408, 423, 425, 429) or reply.status >= 500:
            return refusal(reply, Asked.PROBE, self._access)
        return None

    def _get(self, url: str, limit: int = SHORT) -> Reply:
        return self._exchange.ask(Method.GET, url, _JSON, Lane.ASK, limit=limit)

    def close(self) -> None:
        """End every request in flight with Stopped, for good."""
        self._exchange.close()


def _ahead(reply: Reply, asked: float) -> float | None:
    """The least that explains the reply's Date: it was written at some moment between question and reply."""
    date = reply.date
    if date is None:
        return None
    return max(asked - (date + TICK), 0.0) or min(reply.wall - date, 0.0)
