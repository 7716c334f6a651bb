"""One upload suite over two TUS servers: the sandbox's, and one that none of us wrote (npm's @tus/server, by node)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, TypeVar

import pytest
import requests
from fakes import memory_disk, sha256
from faulty_network import Fault, FaultyNetwork, How, Kind
from quick import QuickSandbox
from reference_server import Missing, reference
from wired import Wired

from scriptixd.errors import Away
from scriptixd.jobs.job import DocumentType, Labels, Request, State
from scriptixd.jobs.ports import Finished
from scriptixd.service.access import Access
from scriptixd.service.client import Scriptix

KEY: Final = "a-key"
REQUEST: Final = Request("nl", DocumentType.CAPTION)
KIB: Final = 1024
CHUNK: Final = 64 * KIB
SIZE: Final = 2 * CHUNK + 10 * KIB
PATIENCE: Final = 60.0  # s; a deadline for conditions, never a measure

T = TypeVar("T")


class Server(Protocol):
    """A server that the suite is run against."""

    url: str

    def paid(self) -> Counter[str]: ...


@pytest.fixture(scope="module", params=["the sandbox", "@tus/server"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with TemporaryDirectory(dir=memory_disk()) as place, ExitStack() as opened:
        if request.param == "the sandbox":
            yield opened.enter_context(QuickSandbox(Path(place)))
            return
        try:
            running = opened.enter_context(reference(Path(place)))
        except Missing as missing:
            pytest.skip(str(missing))
        yield running


@pytest.fixture
def network(server: Server) -> Iterator[FaultyNetwork]:
    with FaultyNetwork(server.url) as network:
        yield network


@pytest.fixture
def scriptix(network: FaultyNetwork) -> Iterator[Scriptix]:
    made = Scriptix(Access(network.url, KEY, timeout_s=10.0, requests_per_minute=100_000))
    yield made
    made.close()


class Body:
    """A part of a content, as the pipeline sends it."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._size = len(data)

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1, /) -> bytes:
        count = len(self._data) if count < 0 else count
        block, self._data = bytes(self._data[:count]), self._data[count:]
        return block


def create(scriptix: Scriptix, size: int, name: str = "meeting.mp3") -> str:
    return scriptix.create(REQUEST, Labels(name), name, size)


def patiently(ask: Callable[[], T]) -> T:
    """What it answers once nobody else holds the upload any more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except Away:
            assert time.monotonic() < deadline, "it is not to be had"
            time.sleep(0.05)


def test_an_upload_is_created_empty_and_has_no_session(scriptix: Scriptix) -> None:
    file_id = create(scriptix, SIZE)
    assert scriptix.offset(file_id) == 0
    assert scriptix.session_of(file_id) is None


def test_an_upload_in_parts_is_complete_with_the_last_of_them(server: Server, scriptix: Scriptix) -> None:
    content = os.urandom(SIZE)
    file_id = create(scriptix, SIZE)
    for offset in range(0, SIZE, CHUNK):
        assert scriptix.session_of(file_id) is None
        part = content[offset : offset + CHUNK]
        assert scriptix.send(file_id, offset, Body(part)) == offset + len(part)
        assert scriptix.offset(file_id) == offset + len(part)
    session = scriptix.session_of(file_id)
    assert session is not None
    assert isinstance(scriptix.look(session), Finished)
    assert server.paid()[sha256(content)] == 1


def test_an_upload_that_was_cut_off_goes_on_where_the_server_has_it(
    server: Server, network: FaultyNetwork, scriptix: Scriptix
) -> None:
    content = os.urandom(SIZE)
    file_id = create(scriptix, SIZE)
    network.will({(Kind.SEND, 1): Fault(How.RESET_IN_BODY)})
    with pytest.raises(Away):
        scriptix.send(file_id, 0, Body(content))

    def rest() -> int:
        offset = scriptix.offset(file_id)
        assert offset is not None
        assert offset <= SIZE // 2
        return scriptix.send(file_id, offset, Body(content[offset:]))

    assert patiently(rest) == SIZE
    assert server.paid()[sha256(content)] == 1


def test_a_part_at_a_wrong_offset_is_refused_and_does_no_harm(server: Server, scriptix: Scriptix) -> None:
    content = os.urandom(SIZE)
    file_id = create(scriptix, SIZE)
    assert scriptix.send(file_id, 0, Body(content[:CHUNK])) == CHUNK
    for wrong in (0, CHUNK + 1):
        with pytest.raises(Away) as refused:
            scriptix.send(file_id, wrong, Body(content[wrong : wrong + CHUNK]))
        assert refused.value.retry_after == 0.0, "the offset is to be asked for at once"
    assert scriptix.offset(file_id) == CHUNK
    assert scriptix.send(file_id, CHUNK, Body(content[CHUNK:])) == SIZE
    assert server.paid()[sha256(content)] == 1


def test_an_upload_that_is_not_known_has_no_offset_and_no_session(scriptix: Scriptix) -> None:
    unknown = "0" * 32
    assert scriptix.offset(unknown) is None
    assert scriptix.session_of(unknown) is None
    with pytest.raises(Away):
        scriptix.send(unknown, 0, Body(b"abc"))
    assert scriptix.discard(unknown) == "404"
    scriptix.probe()


def test_an_upload_that_is_given_up_is_gone(server: Server, scriptix: Scriptix) -> None:
    content = os.urandom(CHUNK)
    file_id = create(scriptix, SIZE)
    scriptix.send(file_id, 0, Body(content))
    assert scriptix.discard(file_id) == "204"
    assert scriptix.offset(file_id) is None
    with pytest.raises(Away):
        scriptix.send(file_id, CHUNK, Body(content))


@pytest.mark.parametrize(
    "name", ["Räte – «ñandú».mp3", "会議の録音.m4a", "emoji 🎙, comma, and = sign.wav", "a" * 200 + ".mp3"]
)
def test_names_arrive_as_they_are(server: Server, scriptix: Scriptix, name: str) -> None:
    file_id = create(scriptix, SIZE, name)
    answer = requests.get(f"{server.url}/files/{file_id}", headers={"x-zoom-s2t-key": KEY}, timeout=30).json()
    told = answer["result"]["metadata"]
    assert (told["filename"], told["language"], told["document_type"]) == (name, "nl", "caption")


LARGE: Final = 300 * KIB * KIB
PEAK: Final = 40 * KIB  # KiB that sending a part of 100 MiB may take beyond what the program takes at rest
SENDER: Final = """
import resource, sys
from scriptixd.jobs.job import DocumentType, Labels, Request
from scriptixd.service.access import Access
from scriptixd.service.client import Scriptix

class Zeros:
    def __init__(self, size):
        self.size = self.left = size
    def __len__(self):
        return self.size
    def read(self, count=-1):
        block = bytes(min(self.left, self.left if count < 0 else count))
        self.left -= len(block)
        return block

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

size, part = int(sys.argv[2]), int(sys.argv[2]) // 3
scriptix = Scriptix(Access(sys.argv[1], "a-key", timeout_s=60.0, requests_per_minute=10_000))
file_id = scriptix.create(Request("nl", DocumentType.CAPTION), Labels("long.mp4"), "long.mp4", size)
scriptix.offset(file_id)
before = peak()
for offset in range(0, size, part):
    assert scriptix.send(file_id, offset, Zeros(part)) == offset + part
assert scriptix.session_of(file_id)
print(peak() - before)
"""


def test_a_large_file_is_sent_in_constant_memory(server: Server) -> None:
    command = [sys.executable, "-c", SENDER, server.url, str(LARGE)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= PEAK
    assert server.paid().total() >= 1


@pytest.mark.parametrize(
    ("kind", "nth"),
    [(Kind.CREATE, 1), (Kind.SEND, 1), (Kind.SEND, 2), (Kind.SEND, 3), (Kind.UPLOAD, 1), (Kind.RESULT, 1)],
    ids=str,
)
def test_a_lost_reply_to_any_request_of_a_journey_costs_nothing(
    server: Server, network: FaultyNetwork, kind: Kind, nth: int
) -> None:
    content = os.urandom(SIZE)
    network.will({(kind, nth): Fault(How.LOST_REPLY)})
    with TemporaryDirectory(dir=memory_disk()) as base:
        world = Wired(Path(base), network, CHUNK, timeout=10.0)
        world.drop("meeting.wav", content)
        world.drive()
        assert world.state_of("meeting.wav") is State.READY, world.history()
        world.close()
    assert server.paid()[sha256(content)] == 1
    assert network.count(kind) >= nth
