"""What is seen from outside: live figures, systemd's socket."""

from __future__ import annotations

import socket
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from desk import Desk

from scriptixd.config.load import load
from scriptixd.daemon.daemon import _folder
from scriptixd.daemon.house import build
from scriptixd.daemon.summary import summary
from scriptixd.errors import FolderTrouble, ShareTrouble
from scriptixd.jobs.clock import read_clock
from scriptixd.observe.live import (
    AT_REST,
    Live,
    LiveFile,
    LiveFolder,
    LivePause,
    LiveRequests,
    LiveRestless,
    LiveUpload,
    live_path,
    read_live,
)
from scriptixd.observe.systemd import Systemd
from scriptixd.watch.report import Offline, ScanReport

MORE = LiveRequests(last_minute=4, uploads_last_minute=3, per_minute=30, last_hour=90, per_hour=500, silent_until=300.0)
COUNCIL = LiveFolder("council", "events", "ext4 is a local file system", "", 150.0, ("deep: may not be read",))
COURT = LiveFolder(
    "court", "", "", "it does not answer", None, (), offline_since=120.0, hung=True, asks="is it the new disk?",
    restless=(LiveRestless("live.ts", 90.0),),
)  # fmt: skip
LIVE = Live(
    pid=42,
    version="1.0",
    started_at=100.0,
    written_at=200.0,
    folders=(COUNCIL, COURT),
    uploads=(LiveUpload(7, 10, 20, 5.0),),
    pauses=(
        LivePause("account", "", "the key is refused", "check it"),
        LivePause("upload_hours", "court", "uploads of court are made from 19:00-07:00", "", until=250.0),
    ),
    requests=LiveRequests(3, 0, per_minute=60, last_hour=None, per_hour=None, silent_until=None),
)


def test_live_figures_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = live_path(tmp_path / "state.db")
    LiveFile(path).tell(LIVE)
    assert read_live(path, now=201.0) == LIVE
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.db.live.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_has_not_changed_is_written_so_often_that_nobody_takes_the_daemon_for_gone(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    file, written = LiveFile(path), []
    for tenth in range(100):
        now = LIVE.written_at + tenth / 10
        file.tell(replace(LIVE, written_at=now))
        found = read_live(path, now)
        assert found is not None
        written.append(found.written_at)
    assert len(set(written)) <= 2 + 10 / AT_REST
    file.tell(replace(LIVE, written_at=LIVE.written_at + 10, requests=MORE))
    found = read_live(path, LIVE.written_at + 10)
    assert found is not None
    assert found.requests == MORE


@pytest.mark.parametrize("now", [190.0, 300.0])
def test_figures_that_nobody_renews_are_none(tmp_path: Path, now: float) -> None:
    path = tmp_path / "live.json"
    LiveFile(path).tell(LIVE)
    assert read_live(path, now) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pid": 1}', '{"folders": 3}', '{"folders": [{}]}'])
def test_figures_that_cannot_be_read_are_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "live.json"
    path.write_text(content)
    assert read_live(path, 200.0) is None


def test_an_offline_folder_is_told_with_its_hint_or_without_one() -> None:
    told = [_folder(ScanReport("council", Offline("it is away", hint, 0.0))).offline for hint in ("mount it", "")]
    assert told == ["it is away (mount it)", "it is away"]


def test_systemd_hears_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(address)
        heard.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        systemd = Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"})
        systemd.ready("2 folder(s)\nor \x1b[2J\u202eso\udcff")
        systemd.alive()
        systemd.stopping()
        systemd.close()
        assert heard.recv(100) == rb"READY=1|STATUS=2 folder(s)\nor \x1b[2J\u202eso\xff".replace(b"|", b"\n")
        assert heard.recv(100) == b"WATCHDOG=1"
        assert heard.recv(100) == b"STOPPING=1\nSTATUS=stopping"
    assert systemd.watchdog_interval == 30.0


def test_what_systemctl_shows_to_everybody_names_no_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with desk.store() as store:
        built = build(load(desk.config, desk.environment()), store, threading.Event(), lambda: None)
        jansen = f"{tmp_path}/council/jansen.wav cannot be read: Input/output error"
        built.breakers.trip(ShareTrouble(jansen), "council", read_clock().boot)
        built.breakers.trip(FolderTrouble("the service refuses it (422: jansen.wav)"), "court", read_clock().boot)
        said = summary(built)
        built.folders.close()
        built.service.close()
    assert said.startswith("2 folder(s); ")
    assert said.endswith("; council: its files cannot be read; court: its settings are refused")


def test_without_systemd_nobody_is_told_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd = Systemd({})
    systemd.ready("x")
    systemd.close()
    assert systemd.watchdog_interval is None
