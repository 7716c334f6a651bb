"""What the pipeline needs of the service, held against the fake and against the real client over HTTP alike."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
import requests
from fakes import BROKEN, DUTCH, LABELS, Service

from scriptixd.errors import Away, Stopped, Trouble
from scriptixd.jobs.ports import Finished, Refused, Running, Sessions, Unclear, Uploads
from scriptixd.sandbox import open_sandbox
from scriptixd.service.access import Access
from scriptixd.service.client import Scriptix

PATIENCE = 60.0  # s
DATA = bytes(range(256)) * 40
T = TypeVar("T")


class Both(Uploads, Sessions, Protocol):
    """The service as the pipeline sees it."""


@dataclass(frozen=True)
class Side:
    service: Both
    bills: Callable[[], int]  # how many uploads were completed


class Bytes:
    """A body that counts what was taken of it, and may fail on the way."""

    def __init__(self, data: bytes, fails_at: int | None = None) -> None:
        self._data = data
        self._at = 0
        self._fails_at = fails_at

    def __len__(self) -> int:
        return len(self._data)

    def read(self, count: int = -1, /) -> bytes:
        if self._fails_at is not None and self._at >= self._fails_at:
            raise Stopped("in the middle")
        end = len(self._data) if count < 0 else min(self._at + count, len(self._data))
        end = end if self._fails_at is None else min(end, max(self._fails_at, self._at + 1))
        piece, self._at = self._data[self._at : end], end
        return piece


@pytest.fixture(params=["fake", "real"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    if request.param == "fake":
        fake = Service()
        yield Side(fake, lambda: fake.completed)
        return
    with ExitStack() as running:
        sandbox = running.enter_context(open_sandbox(tmp_path, key="a-key"))
        client = Scriptix(Access(sandbox.url, "a-key", requests_per_minute=100_000))
        running.callback(client.close)
        yield Side(client, lambda: _sessions_at(sandbox.url))


def _sessions_at(url: str) -> int:
    reply = requests.get(f"{url}/speech-to-text/session", headers={"x-zoom-s2t-key": "a-key"}, timeout=30)
    return int(reply.json()["total_results"])


def create(side: Side, size: int = len(DATA)) -> str:
    return side.service.create(DUTCH, LABELS, "meeting.wav", size)


def eventually(look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE
    while (found := look()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_the_origin_and_the_fingerprint_say_where_and_by_whom_without_giving_the_key_away(side: Side) -> None:
    assert side.service.origin.startswith("http")
    assert "/" not in side.service.origin.removeprefix("https://").removeprefix("http://")
    assert len(side.service.key_fingerprint) == 8
    assert side.service.key_fingerprint == side.service.key_fingerprint.lower()
    int(side.service.key_fingerprint, 16)


def test_a_fresh_upload_is_empty_and_each_has_an_id_of_its_own(side: Side) -> None:
    first, second = create(side), create(side)
    assert first != second
    assert side.service.offset(first) == side.service.offset(second) == 0
    assert side.bills() == 0


def test_chunks_add_up_and_the_offset_is_what_the_server_has(side: Side) -> None:
    file_id = create(side)
    assert side.service.send(file_id, 0, Bytes(DATA[:4000])) == 4000
    assert side.service.offset(file_id) == 4000
    assert side.service.session_of(file_id) is None
    assert side.service.send(file_id, 4000, Bytes(DATA[4000:])) == len(DATA)
    assert eventually(lambda: side.service.session_of(file_id))
    assert side.bills() == 1


def test_a_complete_upload_is_never_completed_again(side: Side) -> None:
    file_id = create(side)
    side.service.send(file_id, 0, Bytes(DATA))
    assert side.service.offset(file_id) in (len(DATA), None)
    with pytest.raises(Trouble):
        side.service.send(file_id, 0, Bytes(DATA))
    assert side.bills() == 1


def test_a_chunk_for_another_offset_is_refused_and_changes_nothing(side: Side) -> None:
    file_id = create(side)
    side.service.send(file_id, 0, Bytes(DATA[:4000]))
    for wrong in (0, 3999, 4001):
        with pytest.raises(Away):
            side.service.send(file_id, wrong, Bytes(DATA[:100]))
    assert side.service.offset(file_id) == 4000


def test_what_a_body_raises_ends_the_request_and_the_server_tells_what_it_has(side: Side) -> None:
    file_id = create(side)
    with pytest.raises(Stopped):
        side.service.send(file_id, 0, Bytes(DATA, fails_at=5000))
    offset = eventually(lambda: _settled_offset(side, file_id))
    assert 0 <= offset <= 5000
    assert side.service.send(file_id, offset, Bytes(DATA[offset:])) == len(DATA)
    assert side.bills() == 1


def _settled_offset(side: Side, file_id: str) -> int | None:
    """The offset, once the server has noticed that the request is over."""
    try:
        first = side.service.offset(file_id)
        time.sleep(0.2)
        second = side.service.offset(file_id)
    except Away:
        return None
    return second if first == second else None


def test_an_upload_that_nobody_knows_has_no_offset_and_no_session(side: Side) -> None:
    unknown = "0" * 32
    assert side.service.offset(unknown) is None
    assert side.service.session_of(unknown) is None
    with pytest.raises(Trouble):
        side.service.send(unknown, 0, Bytes(DATA))


def test_an_unfinished_upload_can_be_given_up_and_twice_does_no_harm(side: Side) -> None:
    file_id = create(side)
    side.service.send(file_id, 0, Bytes(DATA[:100]))
    side.service.discard(file_id)
    side.service.discard(file_id)
    assert side.service.offset(file_id) is None
    assert side.bills() == 0


def test_giving_up_a_complete_upload_takes_its_session_from_nobody(side: Side) -> None:
    file_id = create(side)
    side.service.send(file_id, 0, Bytes(DATA))
    session = eventually(lambda: side.service.session_of(file_id))
    side.service.discard(file_id)
    assert not isinstance(side.service.look(session), Unclear)


def test_a_session_comes_to_a_verdict_and_says_until_then_that_it_runs(side: Side) -> None:
    data = BROKEN + DATA  # no media in any case
    file_id = create(side, len(data))
    side.service.send(file_id, 0, Bytes(data))
    session = eventually(lambda: side.service.session_of(file_id))

    def verdict() -> Refused | Finished | None:
        answer = side.service.look(session)
        assert not isinstance(answer, Unclear), answer
        return None if isinstance(answer, Running) else answer

    found = eventually(verdict)
    assert isinstance(found, Refused)
    assert found.reason
    assert side.service.look(session) == found  # and stays so


def test_a_session_that_nobody_knows_is_no_verdict(side: Side) -> None:
    assert isinstance(side.service.look("0" * 26), Unclear)


def test_the_probe_of_an_account_in_order_returns(side: Side) -> None:
    side.service.probe()


def test_the_bytes_arrive_as_they_were(side: Side, tmp_path: Path) -> None:
    file_id = create(side)
    side.service.send(file_id, 0, Bytes(DATA[:1]))
    side.service.send(file_id, 1, Bytes(DATA[1:-1]))
    if isinstance(side.service, Service):
        got = bytes(side.service.uploads[file_id].data)
    else:
        got = (tmp_path / "uploads" / file_id).read_bytes()
    assert hashlib.sha256(got).digest() == hashlib.sha256(DATA[:-1]).digest()
