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
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
import requests
from requests import Response
from scripted import PATIENCE, Answer, Fault, Scripted, bare, page, said

from scriptixd import __version__
from scriptixd.errors import AccountTrouble, Away, ConfigurationError, Stopped, Trouble
from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import DocumentType, Labels, Request
from scriptixd.jobs.ports import Finished, Running, Sessions, Unclear, Uploads
from scriptixd.sandbox import SAMPLE, open_sandbox
from scriptixd.service.access import Access, AuthHeader
from scriptixd.service.budget import WINDOW
from scriptixd.service.client import Scriptix
from scriptixd.service.lines import Lines
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
        scriptix.probe,
    ):
        with pytest.raises(Trouble):
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
        assert len(server.seen) == 7
        assert {seen.headers[name] for seen in server.seen} == {value}
        assert {sum(KEY in text for text in seen.headers.values()) for seen in server.seen} == {1}
        assert {seen.headers["user-agent"] for seen in server.seen} == {f"scriptixd/{__version__}"}


def test_the_key_goes_nowhere_else_whatever_replies_say(server: Scripted) -> None:
    with Scripted() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            server.will(*[bare(status, Location=f"{elsewhere.url}/files/x")] * 7)
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
    with pytest.raises(Away, match="budget") as caught:
        scriptix.look("s1")
    assert caught.value.retry_after == WINDOW
    assert scriptix.ready_at(clock()) == clock.boot + WINDOW
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
    assert scriptix.ready_at(clock()) == clock.boot + 40.0
    with pytest.raises(Away):
        scriptix.offset("abc")
    assert len(server.seen) == 1
    clock.boot += 40.0
    assert scriptix.look("s1") == Running("queued")
    scriptix.close()


# Stopping


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
    content = SAMPLE.read_bytes()
    half = len(content) // 2
    with open_sandbox(tmp_path, key=KEY) as sandbox, client(sandbox.url) as scriptix:
        scriptix.probe()
        file_id = scriptix.create(REQUEST, Labels("é, \udcff.flac"), "é, \udcff.flac", len(content))
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
        assert b"leisure" in answer.body
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
