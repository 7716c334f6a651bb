"""The client over real HTTP: where the key goes, what a stop ends, what the budget and the network do to a request."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest
import requests
from house import spoken
from requests import Response
from scripted import PATIENCE, Answer, Fault, Scripted, bare, page, said

from scriptixd import __version__
from scriptixd.errors import AccountTrouble, Away, ConfigurationError, OverBudget, Stopped, Trouble
from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import DocumentType, Labels, Request
from scriptixd.jobs.ports import Fetchable, Finished, Lane, Refused, Running, Sessions, Unclear, Uploads
from scriptixd.sandbox import open_sandbox
from scriptixd.service.access import Access, AuthHeader
from scriptixd.service.budget import LONGEST_SILENCE, WINDOW
from scriptixd.service.client import Scriptix
from scriptixd.service.lines import BLOCK, Lines
from scriptixd.service.trouble import CAUSES, Cause

KEY = "a-secret-key"
SHORT = 0.3  # s; the timeout of clients that are to time out
MIB = 1024 * 1024
REQUEST = Request("en", DocumentType.CAPTION)
LABELS = Labels("a.mp3")


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.boot = 1000.0

    def __call__(self) -> Now:
        return Now(1_700_000_000.0 + self.boot, self.boot)


class Zeros:
    """A long body, which tells when it is read."""

    def __init__(self, size: int) -> None:
        self._left = self._size = size
        self.read_once = threading.Event()

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1, /) -> bytes:
        block = bytes(min(count, self._left))
        self._left -= len(block)
        self.read_once.set()
        return block


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        yield scripted


@contextmanager
def client(
    url: str, timeout_s: float = 5.0, per_minute: int = 10_000, auth: AuthHeader = AuthHeader.SCRIPTIX
) -> Iterator[Scriptix]:
    scriptix = Scriptix(Access(url, KEY, auth, timeout_s, per_minute))
    try:
        yield scriptix
    finally:
        scriptix.close()


@pytest.fixture
def scriptix(server: Scripted) -> Iterator[Scriptix]:
    with client(server.url) as made:
        yield made


def use_all(scriptix: Scriptix) -> None:
    """Every method once; whatever comes back."""
    for call in (
        lambda: scriptix.create(REQUEST, LABELS, "a.mp3", 5),
        lambda: scriptix.offset("abc"),
        lambda: scriptix.send("abc", 0, Zeros(5)),
        lambda: scriptix.discard("abc"),
        lambda: scriptix.session_of("abc"),
        lambda: scriptix.look("s1"),
        lambda: scriptix.listed(0),
        lambda: scriptix.erase("s1"),
        scriptix.probe,
    ):
        with suppress(Trouble):
            call()


# The key


def test_the_client_is_what_the_pipeline_asks_for(scriptix: Scriptix) -> None:
    uploads: Uploads = scriptix
    sessions: Sessions = scriptix
    assert uploads.key_fingerprint == hashlib.sha256(KEY.encode()).hexdigest()[:8]
    assert sessions is scriptix


def test_the_key_is_in_no_repr() -> None:
    access = Access("https://api.example.org/api/v3", KEY)
    assert KEY not in repr(access)
    assert KEY not in str(access)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.example.org/api/v3/", "https://api.example.org"),
        ("https://api.example.org:443/api/v3", "https://api.example.org"),
        ("http://127.0.0.1:8080/api/v3", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/api/v3", "http://[::1]:8080"),
    ],
)
def test_the_origin_is_scheme_and_host(url: str, origin: str) -> None:
    assert Access(url, KEY).origin == origin


@pytest.mark.parametrize("key", ["", "two\nlines", "with space", "ünicode"])
def test_a_key_that_no_header_can_carry_is_refused_without_quoting_it(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Access("https://api.example.org/api/v3", key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "api.example.org", "ftp://x/y", "https://", "https://u:p@x/y", "https://x/y?z", "http://x:y/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Access(url, KEY)


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_the_url_may_end_with_a_slash(server: Scripted, ending: str) -> None:
    server.will(bare(201, Location="abc"), said({"session_id": "s1"}), said({"status": "queued"}))
    with client(server.url + ending) as scriptix:
        assert scriptix.create(REQUEST, LABELS, "a.mp3", 5) == "abc"
        assert scriptix.session_of("abc") == "s1"
        assert scriptix.look("s1") == Running("queued")
    assert [seen.path for seen in server.seen] == [
        "/api/v3/files/",
        "/api/v3/files/abc",
        "/api/v3/speech-to-text/session/s1/result",
    ]


def test_the_key_goes_with_every_request_in_one_header(server: Scripted) -> None:
    for auth, name, value in (
        (AuthHeader.SCRIPTIX, "x-zoom-s2t-key", KEY),
        (AuthHeader.BEARER, "authorization", f"Bearer {KEY}"),
    ):
        server.seen.clear()
        with client(server.url, auth=auth) as scriptix:
            use_all(scriptix)
        assert len(server.seen) == 9
        assert {seen.headers[name] for seen in server.seen} == {value}
        assert {sum(KEY in text for text in seen.headers.values()) for seen in server.seen} == {1}
        assert {seen.headers["user-agent"] for seen in server.seen} == {f"scriptixd/{__version__}"}


def test_the_key_goes_nowhere_else_whatever_replies_say(server: Scripted) -> None:
    with Scripted() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            server.will(*[bare(status, Location=f"{elsewhere.url}/files/x")] * 9)
            with client(server.url) as scriptix:
                use_all(scriptix)
        server.will(bare(201, Location=f"{elsewhere.url}/files/abc"), bare(200, Upload_Offset="0"))
        with client(server.url) as scriptix:
            assert scriptix.offset(scriptix.create(REQUEST, LABELS, "a.mp3", 5)) == 0
        assert elsewhere.seen == []


def test_netrc_and_proxies_of_the_environment_are_not_listened_to(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Scripted() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        server.will(said({"status": "queued"}))
        with client(server.url, auth=AuthHeader.BEARER) as scriptix:
            assert scriptix.look("s1") == Running("queued")
        assert proxy.seen == []
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, and its key in one file."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    certificate.write_text(certificate.read_text() + key.read_text())
    return certificate


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(certificate: Path) -> None:
    with Scripted(tls(certificate)) as server:
        with client(server.url) as scriptix, pytest.raises(Away, match="not safe"):
            scriptix.look("s1")
        assert server.seen == []


# Connections


def test_a_thread_keeps_its_connection_and_another_has_its_own(server: Scripted, scriptix: Scriptix) -> None:
    server.will(*[said({"status": "queued"})] * 4)
    scriptix.look("s1")
    scriptix.look("s2")
    other = threading.Thread(target=lambda: [scriptix.look("s3"), scriptix.look("s4")])
    other.start()
    other.join()
    first, second, third, fourth = (seen.peer for seen in server.seen)
    assert first == second
    assert third == fourth
    assert first != third


def test_a_connection_that_the_server_closed_is_replaced(server: Scripted, scriptix: Scriptix) -> None:
    server.will(said({"status": "queued"}, Connection="close"), said({"status": "queued"}))
    assert [scriptix.look("s1"), scriptix.look("s1")] == [Running("queued")] * 2
    assert server.seen[0].peer != server.seen[1].peer


def test_connections_leave_no_descriptors_behind(server: Scripted) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def session(*connection: str) -> None:
        with client(server.url) as scriptix:
            for header in connection:
                server.will(said({"status": "queued"}, Connection=header))
                scriptix.look("s1")
            server.will(Answer(fault=Fault.DROP))
            with pytest.raises(Away):
                scriptix.look("s1")

    session("keep-alive", "close")
    before = descriptors()
    for _ in range(5):
        session("keep-alive", "close")
    # The server's side of the last connection may still be closing.
    assert descriptors() <= before + 1


# Trouble on the way


def test_nobody_there_is_away(server: Scripted) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with client(f"http://127.0.0.1:{port}/api/v3") as scriptix, pytest.raises(Away, match="Connection refused"):
        scriptix.look("s1")


def test_a_name_that_does_not_exist_is_away() -> None:
    with client("http://no-such-host.invalid/api/v3") as scriptix, pytest.raises(Away) as caught:
        scriptix.probe()
    assert "http://no-such-host.invalid" in caught.value.what


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.STALL_BODY])
def test_a_server_that_falls_silent_is_away_in_time(server: Scripted, fault: Fault) -> None:
    server.will(Answer(200, {}, b'{"status": "queued"}', fault))
    with client(server.url, timeout_s=SHORT) as scriptix, pytest.raises(Away):
        scriptix.look("s1")


def test_a_server_that_stops_reading_is_away_in_time(server: Scripted) -> None:
    server.will(Answer(fault=Fault.DEAF))
    with client(server.url, timeout_s=SHORT) as scriptix, pytest.raises(Away):
        scriptix.send("abc", 0, Zeros(64 * MIB))


def test_a_slow_body_is_no_silence(server: Scripted) -> None:
    """The timeout is for each wait, not for the whole part."""
    paused = threading.Event()

    class Slow(Zeros):
        def read(self, count: int = -1, /) -> bytes:
            paused.wait(SHORT / 4)
            return super().read(min(count, 10))

    server.will(bare(204, Upload_Offset="80"))
    with client(server.url, timeout_s=SHORT) as scriptix:
        assert scriptix.send("abc", 0, Slow(80)) == 80


def test_a_slow_line_is_no_silence_as_long_as_something_is_taken() -> None:
    """The timeout is not for a block of the body either: a block may take as long as the line needs for it."""
    with SlowTaker(8 * MIB) as taker, client(taker.url, timeout_s=SHORT) as scriptix:
        assert scriptix.send("abc", 0, Zeros(8 * MIB)) == 8 * MIB
        assert taker.longest > SHORT, "a block took longer than the timeout"


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.DROP])
def test_a_reply_that_breaks_off_is_away_and_never_half_a_transcript(
    server: Scripted, scriptix: Scriptix, fault: Fault
) -> None:
    server.will(Answer(200, {}, json.dumps({"status": "done", "results": []}).encode(), fault))
    with pytest.raises(Away):
        scriptix.look("s1")


def test_a_transcript_comes_unpacked_and_byte_for_byte(server: Scripted, scriptix: Scriptix) -> None:
    body = b'{"status": "done",\n "results": [ ],  "duration": 1.50}\n'
    server.will(Answer(200, {"Content-Encoding": "gzip"}, gzip.compress(body)))
    assert scriptix.look("s1") == Finished(body, 1.5)
    assert server.seen[0].headers["accept"] == "application/json"
    assert "tus-resumable" not in server.seen[0].headers


def test_a_reply_that_is_packed_wrongly_is_away(server: Scripted, scriptix: Scriptix) -> None:
    server.will(Answer(200, {"Content-Encoding": "gzip"}, b"not packed at all"))
    with pytest.raises(Away):
        scriptix.look("s1")


def test_a_reply_that_does_not_end_is_not_kept(server: Scripted, scriptix: Scriptix) -> None:
    server.will(Answer(200, {}, bytes(3 * MIB)))
    with pytest.raises(Away, match="sends more than"):
        scriptix.session_of("abc")


def test_every_exception_of_requests_has_a_cause() -> None:
    exported = {
        kind
        for kind in vars(requests.exceptions).values()
        if isinstance(kind, type) and issubclass(kind, requests.RequestException)
    }
    assert exported == set(CAUSES)
    assert Cause.OURS in CAUSES.values()


# The probe


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said({"error": "not found"}, 404), None),
        (bare(404), None),
        (Answer(404, {"Content-Type": "text/plain"}, b"upload not found\n"), None),
        (said({"detail": "no uuid"}, 422), None),
        (bare(405), None),
        (bare(402), None),
        (said({"result": {}}), None),
        (said({"error": "Unauthorized"}, 401), AccountTrouble),
        (said({"error": "forbidden"}, 403), AccountTrouble),
        (page(404), AccountTrouble),
        (page(200), AccountTrouble),
        (bare(302, Location="/login"), AccountTrouble),
        (bare(429, Retry_After="5"), Away),
        (page(502), Away),
        (bare(503), Away),
        (Answer(fault=Fault.DROP), Away),
    ],
)
def test_the_probe_tells_a_refused_key_from_a_wrong_address_from_an_outage(
    server: Scripted, scriptix: Scriptix, answer: Answer, kind: type[Trouble] | None
) -> None:
    server.will(answer)
    if kind is None:
        scriptix.probe()
    else:
        with pytest.raises(kind) as caught:
            scriptix.probe()
        assert KEY not in str(caught.value)
    assert len(server.seen) == 1
    assert server.seen[0].method == "GET", "it opens nothing"


# The budget


def test_requests_beyond_the_rate_are_not_made(server: Scripted) -> None:
    clock = Clock()
    scriptix = Scriptix(Access(server.url, KEY, requests_per_minute=2), clock)
    server.will(*[said({"status": "queued"})] * 3)
    scriptix.look("s1")
    scriptix.look("s1")
    with pytest.raises(OverBudget, match="budget") as caught:
        scriptix.look("s1")
    assert caught.value.retry_after == WINDOW
    assert scriptix.ready_at(clock(), Lane.ASK) == clock.boot + WINDOW
    assert scriptix.waiting(clock())
    assert len(server.seen) == 2
    clock.boot += WINDOW
    assert scriptix.look("s1") == Running("queued")
    scriptix.close()


def test_too_many_requests_silence_everything_for_as_long_as_the_service_says(server: Scripted) -> None:
    clock = Clock()
    scriptix = Scriptix(Access(server.url, KEY), clock)
    server.will(bare(429, Retry_After="40"), said({"status": "queued"}))
    with pytest.raises(Away) as caught:
        scriptix.look("s1")
    assert caught.value.retry_after == 40.0
    assert scriptix.ready_at(clock(), Lane.UPLOAD) == clock.boot + 40.0
    with pytest.raises(OverBudget):
        scriptix.offset("abc")
    assert len(server.seen) == 1
    clock.boot += 40.0
    assert scriptix.look("s1") == Running("queued")
    scriptix.close()


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X_RateLimit_Limit": "60", "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1700001030"}, 30.0),
        ({"X_RateLimit_Limit": "60", "X_RateLimit_Remaining": "1", "X_RateLimit_Reset": "1700001030"}, 0.0),
        ({"X_RateLimit_Remaining": "0"}, 0.0),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "45"}, 45.0),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1600000000"}, 0.0),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1900000000"}, 0.0),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1700021000"}, LONGEST_SILENCE),  # a day's quota
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1700001030000"}, 0.0),  # milliseconds
        ({"X_RateLimit_Remaining": "none", "X_RateLimit_Reset": "soon"}, 0.0),
        # The service's clock is an hour ahead of ours: its own Date tells.
        (
            {
                "X_RateLimit_Remaining": "0",
                "X_RateLimit_Reset": "1700004630",
                "Date": "Tue, 14 Nov 2023 23:30:00 GMT",
            },
            30.0,
        ),
    ],
)
def test_what_is_left_of_the_services_own_rate_is_believed_where_it_can_be(
    server: Scripted, headers: dict[str, str], wait: float
) -> None:
    clock = Clock()  # at 1,700,001,000 Unix seconds
    scriptix = Scriptix(Access(server.url, KEY), clock)
    server.will(said({"status": "queued"}, **headers))
    scriptix.look("s1")
    assert scriptix.ready_at(clock(), Lane.ASK) == clock.boot + wait
    scriptix.close()


def test_a_smaller_rate_than_ours_is_kept_to_and_told(server: Scripted) -> None:
    clock = Clock()
    scriptix = Scriptix(Access(server.url, KEY), clock)
    server.will(said({"status": "queued"}, X_RateLimit_Limit="2", X_RateLimit_Remaining="1", X_RateLimit_Reset="20"))
    server.will(said({"status": "queued"}))
    scriptix.look("s1")
    scriptix.look("s1")
    with pytest.raises(OverBudget):
        scriptix.look("s1")
    assert (scriptix.use(clock()).last_minute, scriptix.use(clock()).per_minute) == (2, 2)
    scriptix.close()


# The list, and erasing


def rows(*sessions: object, total: int | None = None) -> Answer:
    return said(
        {"count": len(sessions), "total_results": len(sessions) if total is None else total, "result": sessions}
    )


def test_a_list_tells_the_state_of_each_session_in_whatever_words(server: Scripted, scriptix: Scriptix) -> None:
    server.will(
        rows(
            {
                "id": 7,
                "session_id": "a",
                "status": "completed",
                "created_at": "2026-01-01T10:00:00Z",
                "finished_at": "2026-01-01T10:01:30Z",
            },
            {"session_id": "b", "status": "Finished", "created_at": "2026-01-01T10:00:00Z", "finished_at": None},
            {"session_id": "c", "status": "processing"},
            {"session_id": "d", "status": 3},
            {"session_id": "e", "status": "done", "error": "no speech"},
            {"session_id": "f", "status": "failed"},
            {"id": 8, "done": True},
            {"session_id": "g", "status": "done", "is_deleted": True},
            {"session_id": "h", "status": "removed"},
            {"session_id": "../x", "status": "done"},
            "nonsense",
            total=300,
        )
    )
    page = scriptix.listed(100)
    assert page is not None
    assert not page.last
    assert [(one.session_id, one.state) for one in page.sessions] == [
        ("a", Fetchable(90.0)),
        ("b", Fetchable(None)),
        ("c", Running("processing")),
        ("d", Running("3")),
        ("e", Refused("no speech")),
        ("f", Refused("its status is 'failed'")),
        ("8", Fetchable(None)),
    ]
    assert server.seen[0].path == "/api/v3/speech-to-text/session?limit=100&offset=100"


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        (rows({"session_id": "a"}), True),
        (rows({"session_id": "a"}, total=2), False),
        (said([{"session_id": "a"}]), False),
        (said([]), True),
        (said({"result": {"sessions": [{"session_id": "a"}]}}), False),
    ],
    ids=["all of them", "more to come", "bare", "empty", "nested"],
)
def test_the_end_of_a_list_is_told_by_its_total_or_by_an_empty_page(
    server: Scripted, scriptix: Scriptix, answer: Answer, last: bool
) -> None:
    server.will(answer)
    page = scriptix.listed(0)
    assert page is not None
    assert page.last is last


@pytest.mark.parametrize(
    "answer",
    [*(bare(status) for status in (301, 400, 401, 403, 404, 405, 422)), page(200), said({"result": "many"}), bare(200)],
    ids=lambda answer: f"{answer.status} {answer.body[:12]!r}",
)
def test_a_service_that_offers_no_list_is_no_trouble(server: Scripted, scriptix: Scriptix, answer: Answer) -> None:
    server.will(answer)
    assert scriptix.listed(0) is None


def test_a_list_that_is_away_is_away(server: Scripted, scriptix: Scriptix) -> None:
    server.will(bare(503))
    with pytest.raises(Away):
        scriptix.listed(0)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (said({"result": {"status": "removed"}}), "200"),
        (bare(204), "204"),
        (bare(404), "404"),
        (
            said({"error": "Bad Request", "message": "This session has already been removed."}, 400),
            "400, already removed",
        ),
    ],
    ids=["200", "204", "404", "400"],
)
def test_what_is_erased_is_told_with_what_was_answered(
    server: Scripted, scriptix: Scriptix, answer: Answer, told: str
) -> None:
    server.will(answer)
    assert scriptix.erase("s 1") == told
    assert (server.seen[0].method, server.seen[0].path) == ("DELETE", "/api/v3/speech-to-text/session/s%201")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(said({"message": "what?"}, 400), Away), (bare(500), Away), (bare(401), AccountTrouble), (bare(429), Away)],
    ids=["400", "500", "401", "429"],
)
def test_what_is_not_erased_is_no_proof(
    server: Scripted, scriptix: Scriptix, answer: Answer, kind: type[Trouble]
) -> None:
    server.will(answer)
    with pytest.raises(kind):
        scriptix.erase("s1")


@pytest.mark.parametrize("status", [405, 501])
def test_a_service_that_ends_no_uploads_says_so(server: Scripted, scriptix: Scriptix, status: int) -> None:
    server.will(bare(status))
    assert scriptix.discard("abc") == f"{status}, not offered"


# Stopping


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.DEAF])
def test_an_interruption_ends_the_sending_and_nothing_else(server: Scripted, fault: Fault) -> None:
    with client(server.url, timeout_s=60.0) as scriptix:
        server.will(Answer(fault=fault))
        body, ended = Zeros(64 * MIB), list[str]()

        def send() -> None:
            try:
                scriptix.send("abc", 0, body)
            except Stopped:
                ended.append("sending")

        sender = threading.Thread(target=send)
        sender.start()
        assert body.read_once.wait(PATIENCE)
        scriptix.interrupt_uploads()
        sender.join(PATIENCE)
        assert not sender.is_alive()
        assert ended == ["sending"]
        server.will(said({"status": "queued"}))
        assert scriptix.look("s1") == Running("queued"), "everybody else goes on"


def test_a_stop_ends_a_wait_for_a_reply_at_once(server: Scripted) -> None:
    server.will(Answer(fault=Fault.STALL))
    with client(server.url, 10 * PATIENCE) as scriptix, waiting(lambda: scriptix.look("s1")) as outcome:
        server.wait_for(1)
        scriptix.close()
    assert isinstance(outcome[0], Stopped)


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}, {"Connection": "close", "Content-Length": ""}])
def test_a_stop_in_the_middle_of_a_reply_is_no_end_of_it(server: Scripted, headers: dict[str, str]) -> None:
    server.will(Answer(200, headers, b'{"status": "queued"}' + b" " * 100, Fault.STALL_BODY))
    with client(server.url, 10 * PATIENCE) as scriptix, waiting(lambda: scriptix.look("s1")) as outcome:
        until_a_reply_is_read()
        scriptix.close()
    assert isinstance(outcome[0], Stopped)


def test_a_stop_ends_a_wait_inside_tls(certificate: Path) -> None:
    lines = Lines()
    with Scripted(tls(certificate)) as server, lines.session() as session:
        server.will(Answer(fault=Fault.STALL))
        with waiting(lambda: session.get(server.url, verify=str(certificate))) as outcome:
            server.wait_for(1)
            lines.stop()
    assert isinstance(outcome[0], requests.ConnectionError)


def test_a_stop_ends_an_upload_that_is_stuck(server: Scripted) -> None:
    server.will(Answer(fault=Fault.DEAF))
    body = Zeros(64 * MIB)
    with client(server.url, 10 * PATIENCE) as scriptix, waiting(lambda: scriptix.send("abc", 0, body)) as outcome:
        assert body.read_once.wait(PATIENCE)
        scriptix.close()
    assert isinstance(outcome[0], Stopped)


def test_a_stop_ends_a_connection_that_is_not_answered() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        queue = [socket.socket() for _ in range(4)]  # the queue is full, so the next one hangs in connect
        try:
            for one in queue:
                one.setblocking(False)
                one.connect_ex(address)
            url = f"http://127.0.0.1:{address[1]}/api/v3"
            with client(url, 10 * PATIENCE) as scriptix, waiting(lambda: scriptix.look("s1")) as outcome:
                until_connecting(address[1], len(queue) + 1)
                scriptix.close()
            assert isinstance(outcome[0], Stopped)
        finally:
            for one in queue:
                one.close()


def test_after_a_stop_nothing_is_asked(server: Scripted, scriptix: Scriptix) -> None:
    scriptix.close()
    with pytest.raises(Stopped):
        scriptix.probe()
    assert server.seen == []


# The whole way


def test_a_recording_goes_up_in_parts_and_comes_back_as_a_transcript(tmp_path: Path) -> None:
    content = spoken(tmp_path / "austen.wav").read_bytes()
    half = len(content) // 2
    with open_sandbox(tmp_path / "sandbox", key=KEY, workers=1) as sandbox, client(sandbox.url) as scriptix:
        scriptix.probe()
        file_id = scriptix.create(REQUEST, Labels("é, \udcff.wav"), "é, \udcff.wav", len(content))
        assert scriptix.session_of(file_id) is None
        assert scriptix.send(file_id, 0, Part(content[:half])) == half
        with pytest.raises(Away) as conflict:
            scriptix.send(file_id, 0, Part(content[:half]))
        assert conflict.value.retry_after == 0.0
        assert scriptix.offset(file_id) == half
        assert scriptix.send(file_id, half, Part(content[half:])) == len(content)
        session_id = scriptix.session_of(file_id)
        assert session_id is not None
        deadline = time.monotonic() + 4 * PATIENCE
        while isinstance(answer := scriptix.look(session_id), Running):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert isinstance(answer, Finished)
        assert b"amiable" in answer.body
        assert answer.media_seconds is not None

        given_up = scriptix.create(REQUEST, LABELS, "a.mp3", 10)
        scriptix.discard(given_up)
        assert scriptix.offset(given_up) is None
        assert scriptix.session_of(given_up) is None
        assert isinstance(scriptix.look("nosuchsession"), Unclear)


def test_a_wrong_key_is_refused_by_creation_and_probe(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, key="another-key") as sandbox, client(sandbox.url) as scriptix:
        with pytest.raises(AccountTrouble):
            scriptix.create(REQUEST, LABELS, "a.mp3", 10)
        with pytest.raises(AccountTrouble):
            scriptix.probe()


def test_the_wrong_path_at_the_right_host_is_a_wrong_address(tmp_path: Path) -> None:
    with (
        open_sandbox(tmp_path, key=KEY) as sandbox,
        client(sandbox.url.replace("v3", "v2")) as scriptix,
        pytest.raises(AccountTrouble, match="does not take uploads"),
    ):
        scriptix.create(REQUEST, LABELS, "a.mp3", 10)


class SlowTaker:
    """A server that takes one PATCH of so many bytes, a little at a time, and answers that it has them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.longest = 0.0  # s that as much as one block took
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._thread = threading.Thread(target=self._take)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api/v3"

    def _take(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as stream:
            while stream.readline() != b"\r\n":
                pass
            left, began = self._size, time.monotonic()
            while left and (block := stream.read(min(left, 64 * 1024))):
                left -= len(block)
                if left >= self._size - 2 * BLOCK:  # two blocks slowly, and the rest as it comes
                    time.sleep(SHORT / 8)
                    self.longest = (time.monotonic() - began) / 2
            connection.sendall(f"HTTP/1.1 204 Taken\r\nUpload-Offset: {self._size - left}\r\n\r\n".encode())

    def __enter__(self) -> SlowTaker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()


class Part:
    """Some bytes of a file."""

    def __init__(self, content: bytes) -> None:
        self._size = len(content)
        self._stream = io.BytesIO(content)

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1, /) -> bytes:
        return self._stream.read(count)


@contextmanager
def waiting(call: Callable[[], object]) -> Iterator[list[BaseException]]:
    """A thread that makes the call; afterwards the list holds what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - it is looked at by the test
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield raised
    thread.join(PATIENCE / 3)  # before the server gives up by itself
    assert not thread.is_alive()
    assert raised


def until_a_reply_is_read() -> None:
    """Until a thread is inside requests' reading of a body, the headers behind it."""
    source = Response.iter_content.__code__.co_filename
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for top in sys._current_frames().values():
            frame: FrameType | None = top
            while frame is not None:
                if (frame.f_code.co_filename, frame.f_code.co_name) == (source, "generate"):
                    return
                frame = frame.f_back
        time.sleep(0.01)
    raise AssertionError("nobody reads")


def until_connecting(port: int, count: int) -> None:
    """Until so many connections to the port are under way, as the kernel counts them."""
    ending = f":{port:04X}"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        if sum(line.split()[2].endswith(ending) for line in lines) >= count:
            return
        time.sleep(0.01)
    raise AssertionError("nobody connects")
