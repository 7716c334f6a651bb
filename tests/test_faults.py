"""Every fault that a network, a proxy or a service can make, at every request of a journey: one by one.

The real state file, workers, client and files, and a real TUS server over real HTTP; only time is injected, so that
nobody waits. What must hold each time: it ends, paid once at the server, with few requests, and nothing of ours broke.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from ending import Doomed
from fakes import memory_disk, sha256
from faulty_network import (
    PASS,
    Asked,
    Fault,
    FaultyNetwork,
    How,
    Kind,
    Reply,
    altered,
    http_date,
    instead,
    lie,
    page,
    said,
)
from nursery import Nursery
from quick import QuickSandbox
from wired import Wired

from scriptixd.jobs.job import State

KIB: Final = 1024
CHUNK: Final = 48 * KIB
SIZE: Final = 2 * CHUNK + 20 * KIB  # three parts: a first, one in the middle, a last
# Without a fault: creation, three parts, session, result. A fault and what it takes to see clearly again cost at most:
UNDISTURBED: Final = 6
EXTRA: Final = 6
HOUR: Final = 3600.0  # s
PER_HOUR: Final = 72  # requests while nothing can be had: two in five minutes at the end, times the jitter


@dataclass(frozen=True)
class Point:
    """One request of a journey, and what has to go wrong before for it to be made."""

    name: str
    kind: Kind
    nth: int
    before: tuple[tuple[Kind, int, Fault], ...] = ()


CREATION = Point("creation", Kind.CREATE, 1)
PARTS = (
    Point("first part", Kind.SEND, 1),
    Point("middle part", Kind.SEND, 2),
    Point("last part", Kind.SEND, 3),
)
OFFSETS = (
    Point("offset in the middle", Kind.OFFSET, 1, ((Kind.SEND, 2, Fault(How.RESET_IN_BODY)),)),
    Point("offset before the end", Kind.OFFSET, 1, ((Kind.SEND, 3, Fault(How.RESET)),)),
    Point("offset at the end", Kind.OFFSET, 1, ((Kind.SEND, 3, Fault(How.LOST_REPLY)),)),
)
ASKED = (Point("session", Kind.UPLOAD, 1), Point("result", Kind.RESULT, 1))
POINTS = (CREATION, *PARTS, *OFFSETS, *ASKED)

LOST = {
    "lost reply": Fault(How.LOST_REPLY),
    "reply lost in good order": Fault(How.CLOSED_REPLY),
    "reply cut off": Fault(How.CUT_REPLY),
    "reply does not come": Fault(How.SILENT_AFTER),
    "reply stops coming": Fault(How.SILENT_IN_REPLY),
}
NETWORK = {
    "refused": Fault(How.REFUSED),
    "reset": Fault(How.RESET),
    "silence": Fault(How.SILENT),
    "slow bytes": Fault(How.SLOW),
}
INTERRUPTED = Reply(400, {"Content-Type": "text/plain"}, b"ERR_UPLOAD_INTERRUPTED: upload has been interrupted\n")
PASSING = {
    "423": said(423),
    "429": said(429, {"error": "rate_limit_exceeded"}, Retry_After="7"),
    "502 page": page(502),
    "503": said(503, Retry_After="30"),
    "400 interrupted": INTERRUPTED,
}
ODD = {
    "200 page": page(200),
    "302": said(302, Location="https://elsewhere.example.org/login"),
    "401": said(401, {"error": "Unauthorized"}),
    "403": said(403, {"error": "Forbidden"}),
    "404": said(404, {"error": "Not Found", "message": "There is no such upload."}),
    "409": said(409),
    "410": said(410),
}
RATES = {
    "429 with a date": said(429, Retry_After=http_date(1_700_000_060.0), Date=http_date(1_700_000_000.0)),
    "429 in the body": said(429, {"error": "slow down", "error_code": "RATE_LIMIT_EXCEEDED", "retry_after": 9}),
    "500": said(500, {"error": {"code": 500, "message": "oops"}}),
}
OF_UPLOADS = {
    "301": said(301, Location="/api/v3/files"),
    "307": said(307, Location="https://elsewhere.example.org/api/v3/files/"),
    "413": said(413),
    "415": said(415),
    "460": said(460),
}
LIES = ("423", "429", "502 page", "400 interrupted", "200 page", "401", "404", "409", "413")
OFFSET_HEADERS = {
    "missing": lambda _text: None,
    "smaller": lambda text: str(int(text) // 2),
    "larger than the file": lambda _text: str(SIZE + 1),
    "garbage": lambda _text: "a few bytes",
}


def stops_with(point: Point, name: str, how: How) -> str:
    """Words of the sentence with which a job stops for a person; "" where it goes on by itself."""
    if (how is How.ANSWERED and point in (CREATION, *PARTS)) or (how is How.LIED and point is CREATION):
        return {"413": "too large", "415": "does not take this kind of file"}.get(name, "")
    return ""


@dataclass
class Place:
    """A server for all tests, and room for their worlds."""

    base: Path
    server: QuickSandbox
    worlds: int = 0


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with TemporaryDirectory(dir=memory_disk()) as base, QuickSandbox(Path(base) / "server") as server:
        yield Place(Path(base), server)


@pytest.fixture
def world(place: Place, caplog: pytest.LogCaptureFixture) -> Iterator[Wired]:
    caplog.set_level(logging.INFO, "scriptixd")
    place.worlds += 1
    with FaultyNetwork(place.server.url) as network:
        made = Wired(place.base / f"world-{place.worlds}", network, CHUNK)
        yield made
        made.close()


Case = tuple[Point, str, Fault]


def go(place: Place, world: Wired, caplog: pytest.LogCaptureFixture, case: Case) -> None:
    """A journey with this fault, to its end; a person is asked where only a person can know."""
    point, name, fault = case
    faults = {(kind, nth): earlier for kind, nth, earlier in point.before} | {(point.kind, point.nth): fault}
    content = os.urandom(SIZE)
    digest = sha256(content)
    world.network.will(faults)
    job = world.drop(f"{digest}.wav", content)
    world.drive()
    after = world.store.jobs.get(job.id)
    assert after is not None
    assert len(world.network.asked) <= UNDISTURBED + EXTRA
    assert place.server.paid()[digest] <= 1
    words = stops_with(point, name, fault.how)
    if words:
        assert after.state is State.FAILED
        assert words in after.reason
        assert after.hint
        world.retry([job.id])
        world.drive()
    else:
        assert after.state is State.READY, world.history()
    assert world.state_of(f"{digest}.wav") is State.READY, world.history()
    assert world.store.jobs.result(job.id) is not None
    assert place.server.paid()[digest] == 1
    world.erase()
    if point is not CREATION:
        assert unfinished(place, world) == []
    for at in faults:
        assert any((asked.kind, asked.nth) == at for asked in world.network.asked), f"{at} was never asked"
    assert [record.getMessage() for record in caplog.records if record.exc_info or "a bug" in record.getMessage()] == []


def unfinished(place: Place, world: Wired) -> list[str]:
    """The uploads that are left at the server, of those that were ever asked for."""
    asked = {one.path.rpartition("/")[2] for one in world.network.asked if one.kind in (Kind.SEND, Kind.OFFSET)}
    return [name for name in asked if (left := place.server.records.upload(name)) and not left.completed]


def cases(points: Iterable[Point], faults: Mapping[str, Fault]) -> list[object]:
    return [
        pytest.param((point, name, fault), id=f"{point.name}, {name}")
        for point in points
        for name, fault in faults.items()
    ]


def answers(how: Callable[[Reply], Fault], replies: Mapping[str, Reply]) -> dict[str, Fault]:
    return {name: how(reply) for name, reply in replies.items()}


@pytest.mark.parametrize("case", cases(POINTS, LOST))
def test_a_lost_reply_to_any_request_costs_nothing(
    place: Place, world: Wired, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    go(place, world, caplog, case)


@pytest.mark.parametrize("case", cases(POINTS, NETWORK) + cases(PARTS, {"reset in the body": Fault(How.RESET_IN_BODY)}))
def test_a_network_that_fails_at_any_request_is_waited_out(
    place: Place, world: Wired, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    go(place, world, caplog, case)


@pytest.mark.parametrize(
    "case",
    cases(POINTS, answers(instead, PASSING | ODD))
    + cases((CREATION, *PARTS), answers(instead, OF_UPLOADS))
    + cases((CREATION, PARTS[1], ASKED[1]), answers(instead, RATES)),
)
def test_an_answer_that_was_not_hoped_for_is_waited_out_or_told(
    place: Place, world: Wired, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    go(place, world, caplog, case)


@pytest.mark.parametrize(
    "case",
    cases((CREATION, *PARTS[1:]), {n: f for n, f in answers(lie, PASSING | ODD | OF_UPLOADS).items() if n in LIES}),
)
def test_an_answer_that_lies_about_what_was_done_costs_nothing(
    place: Place, world: Wired, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    go(place, world, caplog, case)


@pytest.mark.parametrize(
    "case",
    cases((*PARTS, *OFFSETS), {name: altered("Upload-Offset", change) for name, change in OFFSET_HEADERS.items()}),
)
def test_an_upload_offset_that_is_none_or_absurd_sends_us_back_to_ask(
    place: Place, world: Wired, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    go(place, world, caplog, case)


@pytest.mark.parametrize("name", ["lost reply", "reply cut off", "reset"])
def test_a_fault_that_lasts_for_an_hour_makes_no_flood_of_requests(place: Place, world: Wired, name: str) -> None:
    """Every request but the creation, for whatever lives on when a reply to that is lost is made anew."""
    fault, content = (LOST | NETWORK)[name], os.urandom(SIZE)
    until = world.now.boot + HOUR
    world.network.choose = lambda asked: fault if asked.number and world.now.boot < until else PASS
    job = world.drop("meeting.wav", content)
    while world.now.boot < until:
        world.pass_time(max(world.turn(), 0.001))
    assert len(world.network.asked) <= PER_HOUR
    world.drive()
    assert world.state_of("meeting.wav") is State.READY, world.history()
    assert job.id == world.job_of("meeting.wav").id
    assert place.server.paid()[sha256(content)] == 1


DISCARDING = LOST | {
    **NETWORK,
    **answers(instead, PASSING | {name: ODD[name] for name in ("200 page", "302", "404")}),
    **answers(instead, {"405": said(405), "501": said(501)}),
}


@pytest.mark.parametrize("name", DISCARDING)
def test_an_upload_that_is_given_up_is_gone_at_the_server_whatever_happens_to_the_request(
    place: Place, world: Wired, name: str
) -> None:
    old, new = os.urandom(SIZE), os.urandom(SIZE)
    world.network.will({(Kind.DISCARD, 1): DISCARDING[name]})
    job = world.drop(f"{sha256(old)}.wav", old)
    while world.network.count(Kind.SEND) < 2:
        world.step(job)
    world.drop(f"{sha256(old)}.wav", new)
    world.drive()
    for _ in range(10):
        world.pass_time(min(world.erase(), 600.0))
    assert world.network.count(Kind.DISCARD) in (1, 2, 3)
    told_so = name in ("404", "405", "501")  # that it is gone, or that nobody may ask for it
    assert told_so or unfinished(place, world) == []
    assert (place.server.paid()[sha256(old)], place.server.paid()[sha256(new)]) == (0, 1)


QUARTER: Final = 4
AT_RANDOM: Final = (
    *LOST.values(),
    *(fault for name, fault in NETWORK.items() if name != "refused"),
    *answers(instead, {name: PASSING[name] for name in ("423", "502 page", "400 interrupted")}).values(),
    *answers(lie, {name: PASSING[name] for name in ("423", "502 page")}).values(),
)


def test_a_daemon_with_faults_on_a_quarter_of_all_requests_does_everything_and_pays_once(tmp_path: Path) -> None:
    seed = int(os.environ.get("SCRIPTIXD_SEED", "") or random.randrange(2**32))
    print(f"SCRIPTIXD_SEED={seed}")
    chance = random.Random(seed)
    made, struck = 0, 0

    def choose(asked: Asked) -> Fault:
        """One of every four is struck: a share that no seed falls short of."""
        nonlocal made, struck
        if asked.number % QUARTER == 0:
            struck = asked.number + chance.randrange(QUARTER)
        if asked.number != struck:
            return PASS
        made += 1
        return chance.choice(AT_RANDOM)

    with QuickSandbox(tmp_path / "server") as server, Nursery() as nursery, Doomed(tmp_path, server, nursery) as home:
        home.settings["api"]["timeout"] = "500ms"
        home.network.choose = choose
        home.record(6)
        home.finish()
        assert made >= len(home.network.asked) // QUARTER > 6
        assert len(home.network.asked) <= 6 * (UNDISTURBED + EXTRA) * 2
