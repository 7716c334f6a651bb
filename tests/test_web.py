"""The HTTP server: real connections over loopback, well-behaved and not; and the daemon that has one."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from http import HTTPStatus
from pathlib import Path

import pytest
from desk import Desk
from hosting import Reply, ask, hosted
from house import House, eventually, house, tone

from scriptixd.config.load import load
from scriptixd.daemon.daemon import Daemon
from scriptixd.daemon.house import build
from scriptixd.daemon.loop import MOVED_LATELY
from scriptixd.errors import StartError, StateTrouble
from scriptixd.jobs.clock import read_clock
from scriptixd.observe.web import AT_ONCE, LONGEST_HEAD, Answer, Asked, Web, plain

TOKEN = "t0k3n"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - that is what a token is for


def tell(asked: Asked) -> Answer:
    return plain(HTTPStatus.OK, f"told {asked.accept} {sorted(asked.query.items())}")


PLACES = {"/": tell, "/healthz": tell}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_place_is_told_and_nothing_may_be_done_with_it() -> None:
    with hosted(PLACES) as web:
        reply = web.ask("/?b=2&a=1&a=3", Accept="text/x")
        assert (reply.status, reply.text) == (200, "told text/x [('a', '3'), ('b', '2')]\n")
        assert reply.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in reply.headers["Server"]


def test_head_is_get_without_what_is_told() -> None:
    with hosted(PLACES) as web:
        whole, head = web.ask("/"), web.ask("/", "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(whole.body))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused_also_with_a_body(method: str) -> None:
    with hosted(PLACES) as web:
        reply = web.ask("/", method, b"x" * 5000)
        assert reply.status == 405
        assert reply.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/metrics", "/../etc/passwd", "/healthz/", "/%2e%2e/", "*", "/\x00"])
def test_there_is_nothing_anywhere_else(path: str) -> None:
    with hosted(PLACES) as web:
        assert web.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).startswith(b"HTTP/1.1 404 ")


def test_with_a_token_only_who_carries_it_is_told_anything() -> None:
    with hosted(PLACES, TOKEN) as web:
        refused = web.ask("/")
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        wrong = ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer t0k3", f"Bearer {TOKEN}n", "Bearer \xff\xe9"]
        assert {web.ask("/", Authorization=one).status for one in wrong} == {401}
        assert {web.ask(path).status for path in ("/healthz", "/nowhere")} == {401}
        assert web.ask("/", "POST").status == 401
        for right in (f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
            assert web.ask("/", Authorization=right).status == 200


def test_on_loopback_no_other_name_is_answered() -> None:
    with hosted(PLACES) as web:
        names = ("localhost", "127.0.0.1", f"127.0.0.1:{web.port}", "[::1]:1", "LOCALHOST:80", "127.3.2.1")
        assert {web.ask("/", Host=name).status for name in names} == {200}
        strangers = (
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "10.0.0.1",
            "[::1",
            "",
        )
        assert {web.ask("/", Host=name).status for name in strangers} == {403}
        assert web.raw(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403 ")


def test_on_another_address_any_name_is_answered_to_who_has_the_token() -> None:
    with hosted(PLACES, TOKEN, EVERYWHERE) as web:
        assert web.ask("/", Host="monitor.example", Authorization=f"Bearer {TOKEN}").status == 200
        assert web.ask("/", Host="monitor.example").status == 401


def test_it_listens_on_the_other_protocol_too() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error.strerror}")
    with hosted(PLACES, host="::1") as web:
        assert web.ask("/").status == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET / HTTP/x\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET http://localhost/healthz HTTP/1.1\nHost: localhost\n\n", 200),
    ],
)
def test_whatever_is_sent_is_answered_in_a_line(request_: bytes, status: int, caplog: pytest.LogCaptureFixture) -> None:
    with hosted(PLACES) as web:
        answer = web.raw(request_)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"<html" not in answer.lower()
        assert web.ask("/").status == 200
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_request_without_end_is_not_listened_to_for_long() -> None:
    with hosted(PLACES) as web:
        with web.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            try:
                for _ in range(40):
                    connection.sendall(b"X: " + b"y" * (LONGEST_HEAD // 8) + b"\r\n")
                ended = connection.recv(1)
            except ConnectionError:
                ended = b""
        assert ended == b""
        assert web.ask("/").status == 200


def test_who_says_nothing_is_left_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scriptixd.observe.web.HEARD_WITHIN", 1.0)
    with hosted(PLACES) as web, ExitStack() as held:
        silent = [held.enter_context(web.connect()) for _ in range(AT_ONCE)]
        eventually(lambda: web.raw(b"").startswith(b"HTTP/1.1 503 "), "one too many is told so at once")
        assert [connection.recv(1) for connection in silent] == [b""] * AT_ONCE
        eventually(lambda: web.raw(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")[9:12] == b"200", "others again")


def test_never_more_than_a_handful_is_answered_at_once() -> None:
    guard, inside, most = threading.Lock(), 0, 0

    def slow(_asked: Asked) -> Answer:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        time.sleep(0.05)
        with guard:
            inside -= 1
        return plain(HTTPStatus.OK, "slow")

    statuses: list[int] = []
    with hosted({"/": slow}) as web:

        def come() -> None:
            statuses.append(int(web.raw(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")[9:12]))

        crowd = [threading.Thread(target=come) for _ in range(AT_ONCE * 4)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
    assert most <= AT_ONCE
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= AT_ONCE


def test_the_end_waits_for_nobody() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def stuck(_asked: Asked) -> Answer:
        begun.set()
        go_on.wait()
        return plain(HTTPStatus.OK, "at last")

    with ExitStack() as held:
        held.callback(go_on.set)
        with hosted({"/": stuck}) as web:
            busy, idle = (held.enter_context(web.connect()) for _ in range(2))
            busy.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert begun.wait(10)
        assert busy.recv(1) == b""
        with suppress(ConnectionResetError):  # nobody may have come to accept it
            assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            web.connect()


def test_what_cannot_be_told_just_now_is_a_sentence_and_a_bug_is_none(caplog: pytest.LogCaptureFixture) -> None:
    def trouble(_asked: Asked) -> Answer:
        raise StateTrouble("the disk is full\x1b", "make room")

    def bug(_asked: Asked) -> Answer:
        raise KeyError("secret")

    with hosted({"/trouble": trouble, "/bug": bug}) as web:
        reply = web.ask("/trouble")
        assert (reply.status, reply.text) == (503, "the disk is full\\x1b (make room)\n")
        reply = web.ask("/bug")
        assert reply.status == 500
        assert "secret" not in reply.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with hosted(PLACES) as web, pytest.raises(StartError) as refused:
        Web("127.0.0.1", web.port, None, PLACES)
    assert str(refused.value).startswith(f"cannot listen on 127.0.0.1:{web.port} for http: Address already in use")
    assert "set another 'http'" in refused.value.hint


# The daemon


def test_health_and_the_watchdog_are_of_one_mind(tmp_path: Path) -> None:
    desk, port = Desk(tmp_path), free_port()
    desk.config.write_text(f"{desk.config.read_text()}http: 127.0.0.1:{port}\n")
    settings = load(desk.config, desk.environment())
    daemon, stop = Daemon(settings, {}), threading.Event()
    with desk.store() as store, ExitStack() as opened:
        built = build(settings, store, stop, lambda: None)
        daemon._open_window(built, opened)
        web = built.chores[-1]
        rest = [loop for loop in built.loops if loop is not web]
        web._stop = stop
        web.start()
        opened.callback(web.join, 10)
        opened.callback(stop.set)
        assert (web.name, ask("127.0.0.1", port, "/healthz").text) == ("http", "ok\n")
        assert daemon._all_moving(built)
        folder = next(loop for loop in rest if not loop.vital)
        folder.moved_at -= MOVED_LATELY + 1.0
        assert ask("127.0.0.1", port, "/healthz").status == 200, "a disk that hangs is told elsewhere"
        still = next(loop for loop in rest if loop.name == "deliver-1")
        still.moved_at -= MOVED_LATELY + 1.0
        reply = ask("127.0.0.1", port, "/healthz")
        assert (reply.status, reply.text) == (503, "no sign of life from: deliver-1\n")
        assert not daemon._all_moving(built)
        assert "no sign of life from: deliver-1" in ask("127.0.0.1", port, "/").text
        assert "scriptixd_healthy 0.0" in ask("127.0.0.1", port, "/metrics").text
        still.beat()
        daemon._minded_at -= MOVED_LATELY + 1.0
        assert ask("127.0.0.1", port, "/healthz").text == "no sign of life from: the daemon itself\n"


def test_a_machine_that_wakes_up_takes_nobody_for_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, real = Desk(tmp_path), time.clock_gettime
    settings = load(desk.config, desk.environment())
    daemon = Daemon(settings, {})
    with desk.store() as store:
        built = build(settings, store, threading.Event(), lambda: None)
        monkeypatch.setattr(time, "clock_gettime", lambda clock: real(clock) + (clock == time.CLOCK_BOOTTIME) * 28_800)
        assert read_clock().boot - real(time.CLOCK_BOOTTIME) > 28_000, "it has slept for a night"
        assert daemon._all_moving(built)
        built.folders.close()
        built.service.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def test_a_running_daemon_tells_and_ends_in_time_whoever_is_connected(home: House) -> None:
    port = free_port()
    home.settings["http"] = {"listen": f"127.0.0.1:{port}", "token": "${TEST_KEY}"}
    folder = home.folder("spoken", language="en")
    tone(folder / "evil <b>\u202e\x1b[31m.wav", 1.0, 40)
    home.start()

    def told(path: str) -> Reply:
        return ask("127.0.0.1", port, path, Authorization=f"Bearer {home.environment()['TEST_KEY']}")

    home.until(1)
    assert told("/healthz").text == "ok\n"
    page = eventually(lambda: found if "<dd>1</dd>" in (found := told("/").text) else "", "it is counted on the page")
    assert "running" in page
    assert "watched by " in page
    metrics = eventually(
        lambda: text if 'files{folder="spoken",state="done"} 1.0' in (text := told("/metrics").text) else "", "counted"
    )
    size = next(folder.glob("*.wav")).stat().st_size
    assert f"scriptixd_uploaded_bytes_total {float(size)}" in metrics
    assert re.search(r'scriptixd_requests_total\{method="POST",outcome="201"\} 1\.0', metrics)
    assert re.search(r'scriptixd_requests_total\{method="PATCH",outcome="204"\} [1-9]', metrics)
    assert "scriptixd_upload_duration_seconds_count 1.0" in metrics
    assert "scriptixd_transcription_duration_seconds_count 1.0" in metrics
    assert ask("127.0.0.1", port, "/").status == 401
    with ExitStack() as held:
        for _ in range(AT_ONCE + 2):
            held.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
        code, took = home.stop()
    assert code == 0
    assert took < 5
    assert "left behind" not in home.log.read_text()
    for place in (home.log, home.state):
        assert home.environment()["TEST_KEY"] not in place.read_text(errors="replace")


def test_a_daemon_whose_port_is_taken_does_not_start(home: House) -> None:
    home.folder("spoken", language="en")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        home.settings["http"] = f"127.0.0.1:{taken.getsockname()[1]}"
        home.write_config()
        done = home.typed("run", check=False)
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1:" in done.stderr
    assert len(done.stderr.splitlines()) == 2
