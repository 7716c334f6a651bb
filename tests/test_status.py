"""`status`: one story as a screen, as lines, as JSON and for monitoring; watched on a real terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from desk import SCRIPT, Desk, eventually

from scriptixd.jobs.delivering import Delivered
from scriptixd.jobs.events import Closing, Rejected, ResultReady, SessionKnown, UploadFinished, UploadOpened
from scriptixd.jobs.source import HELD_FOR_EXISTING, Question, QuestionKind
from scriptixd.observe.live import (
    Live,
    LiveFile,
    LiveFolder,
    LivePause,
    LiveRequests,
    LiveRestless,
    LiveUpload,
    live_path,
)

README = (Path(__file__).parents[1] / "README.md").read_text()
PATIENCE = 60.0  # s: a deadline for conditions, never a measure
OPENED = UploadOpened("file-1", "http://127.0.0.1:1", "01234567", "{}", 60.0)
NASTY = (
    b"a\x1b[31m\nb\xff.mp4",
    "\u202egpj.mp4\u2066".encode(),
    b"[red]x[link=http:]y[bold] :smile:.mp4",
    "\u6771\u4eac\u90fd\u8b70\u4f1a.mp4".encode(),
)
SHOWN = ("a\\x1b[31m\\nb\\xff.mp4", "\\u202egpj.mp4\\u2066", "[red]x[link=http:]y[bold] :smile:.mp4", "東京都議会.mp4")
ENTERS, LEAVES, HIDES, SHOWS, HOME = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25l", b"\x1b[?25h", b"\x1b[H"


class Told:
    """A desk with everything that there can be, and a daemon's figures that stay fresh for as long as it is asked."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        limits = "limits: {files_per_day: 10, hours_per_month: 100}\ndefaults: {"
        desk.config.write_text(desk.config.read_text().replace("defaults: {", limits))
        for name in NASTY:
            desk.add(name, Rejected("it is no media", "convert it first"))
        for number in range(5):
            desk.add(f"old {number}.mp4", held_for=HELD_FOR_EXISTING)
        desk.see("growing.mp4")
        self.jobs = [desk.add(name, OPENED).id for name in ("meeting.mp4", "still.mp4")]
        self.live = Live(4242, "1.0", time.time() - 9000, time.time())
        self.file = LiveFile(live_path(desk.state))
        self.everything()

    def everything(self) -> None:
        now = time.time()
        self.live = replace(
            self.live,
            folders=(
                LiveFolder("council", "events", "ext4 is local", "", now - 9, ("deep\x1b: may not be read",),
                           restless=(LiveRestless("live\u202e.ts", now - 900),)),
                LiveFolder("court", "", "", "not mounted", None, (), offline_since=now - 50, hung=True),
            ),
            uploads=(LiveUpload(self.jobs[0], 512, 2048, 100.0), LiveUpload(self.jobs[1], 0, 2048, 0.0, now - 60)),
            pauses=(LivePause("quota", "", "the quota is used up", "buy hours"),),
            requests=LiveRequests(4, 3, 60, None, None, None),
            accepted=True,
        )  # fmt: skip

    def quiet(self) -> None:
        """Nothing that anybody has to know."""
        watched = tuple(LiveFolder(name, "events", "", "", time.time(), ()) for name in ("council", "court"))
        self.live = replace(self.live, folders=watched, uploads=(), pauses=())

    def tell(self) -> None:
        self.live = replace(self.live, written_at=time.time())
        self.file._write(self.live)

    def say(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        with self.desk.store():
            self.tell()
            return self.desk.say("status", *arguments, **environment)

    def drawn(self, columns: int, rows: int = 40, **environment: str) -> str:
        with self.desk.store(), terminal(self.desk, ["status"], columns, rows, **environment) as screen:
            self.tell()
            screen.ends()
            return screen.said.decode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def told(desk: Desk) -> Told:
    return Told(desk)


class Terminal:
    """A process on a terminal of its own, and what it has written to it."""

    def __init__(self, pid: int, end: int) -> None:
        self.pid, self._end = pid, end
        self.said = b""
        self.code: int | None = None

    def size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._end, keys)

    def modes(self) -> int:
        return int(termios.tcgetattr(self._end)[3])

    def read(self) -> bool:
        """What has been written meanwhile; False at the end of it."""
        if select.select([self._end], [], [], 0.1)[0]:
            try:
                said = os.read(self._end, 65536)
            except OSError:  # the other side is closed
                return False
            self.said += said
            return bool(said)
        return True

    def until(self, wanted: bytes, times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.said.count(wanted) < times:
            assert time.monotonic() < deadline, self.said[-2000:]
            assert self.read(), self.said

    def ends(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < deadline, self.said[-2000:]
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def last_frame(self) -> list[str]:
        """The lines that are seen when everything has been drawn."""
        frame = self.said.rpartition(HOME)[2].partition(LEAVES)[0].decode()
        return re.sub(r"\x1b\[[0-9;]*m", "", frame).split("\r\n")


@contextmanager
def terminal(desk: Desk, arguments: list[str], columns: int, rows: int, **environment: str) -> Iterator[Terminal]:
    controller, terminal_end = pty.openpty()
    fcntl.ioctl(terminal_end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    clean = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES", "NO_COLOR"}}
    process = subprocess.Popen(
        [SCRIPT, *arguments], stdin=terminal_end, stdout=terminal_end, stderr=terminal_end, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no thread of ours holds a lock
        env={**clean, "TERM": "xterm-256color", **desk.environment(), **environment},
    )  # fmt: skip
    os.close(terminal_end)
    screen = Terminal(process.pid, controller)
    try:
        yield screen
    finally:
        if screen.code is None:
            process.kill()
            screen.ends()
        process.returncode = screen.code
        os.close(controller)


def columns_of(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


# The screen


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_screen_fits_its_terminal_and_shows_everything(told: Told, columns: int) -> None:
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", told.drawn(columns))
    lines = drawn.replace("\r\n", "\n").split("\n")
    assert max(map(columns_of, lines)) <= columns
    flowing = " ".join(drawn.split())
    for sentence in (
        "running", "scriptixd 1.0", "process 4242", "the quota is used up", "buy hours", "council", "court", "hung",
        "warning", "last look", "Uploading", "25 % of 2.0 KiB", "100 B/s", "15 s", "has stood still for", "failed",
        "held", "done today", "it is no media", "convert it first", "file(s) done", "4 of 60 requests",
    ):  # fmt: skip
        assert sentence in flowing or sentence in "done today last look", sentence
    closed_up = "".join(drawn.split())  # a name may go on in the next line
    for name in SHOWN:
        assert "".join(name.split()) in closed_up


def test_names_are_escaped_and_are_no_markup_on_the_screen(told: Told) -> None:
    drawn = told.drawn(200)
    codes = set(re.findall(r"\x1b\[[^A-Za-z]*[A-Za-z]", drawn))
    assert codes
    assert all(code.endswith("m") for code in codes)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert not set(plain) & {"\x1b", "\x07", "\u202e", "\u2066"}
    assert "]8;" not in drawn
    assert all(name in plain for name in SHOWN)


def test_without_colours_every_sign_is_still_there(told: Told) -> None:
    coloured, plain = told.drawn(80), told.drawn(80, NO_COLOR="1")
    assert re.search(r"\x1b\[[0-9;]*3[0-9]m", coloured)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain)
    for seen in (coloured, plain):
        bare = re.sub(r"\x1b\[[0-9;]*m", "", seen)
        assert re.search(r"✓ +running", bare)
        assert re.search(r"✕ +account", bare)
        assert re.search(r"✕ hung", bare)
        assert re.search(r"! warning", bare)


def test_a_terminal_of_another_encoding_gets_signs_that_it_has(told: Told) -> None:
    drawn = told.drawn(80, PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert drawn.isascii()
    assert "x hung" in re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert "Traceback" not in drawn


def test_a_terminal_that_only_knows_lines_gets_lines(told: Told) -> None:
    drawn = told.drawn(80, TERM="dumb")
    assert "\x1b" not in drawn
    assert "watched by events: ext4 is local" in drawn


def test_without_a_daemon_and_without_a_state_file_there_is_a_screen_all_the_same(desk: Desk) -> None:
    with terminal(desk, ["status"], 80, 24) as screen:
        assert screen.ends() == 0
    assert b"no daemon is running" in screen.said
    assert b"there is no state file" in screen.said


# The lines


def test_in_a_pipe_there_are_lines_without_codes_that_are_as_long_as_they_are(told: Told) -> None:
    lines = told.say(COLUMNS="40").stdout.splitlines()
    assert lines == told.say(COLUMNS="200", FORCE_COLOR="1").stdout.splitlines()
    assert not any("\x1b" in line for line in lines)
    assert lines[0].startswith("running  scriptixd 1.0 since")
    assert "account  the quota is used up: nothing new is uploaded, and what is begun goes on" in lines
    assert "paused   the quota is used up (buy hours)" in lines
    assert any(line.startswith("  waiting 1 (1 may still be written), held 5, uploading 2") for line in lines)
    assert any("[#####---------------]  25 % of 2.0 KiB, 100 B/s, 15 s left" in line for line in lines)
    assert "2 of 10 files sent today" in lines
    for name in SHOWN:
        assert any(f"/council/{name}: it is no media" in line for line in lines)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"accepted": False}, "not known: nothing was asked of Scriptix yet"),
        ({}, "Scriptix accepts the key, and has refused no upload for its quota"),
        ({"pauses": (LivePause("account", "", "refused", ""),)}, "Scriptix refuses the account: no file fails for it"),
        ({"pauses": (LivePause("away", "", "gone", ""),)}, "not known just now: Scriptix cannot be reached"),
    ],
)
def test_the_account_is_told_as_far_as_it_is_known(told: Told, changes: dict[str, Any], sentence: str) -> None:
    told.quiet()
    told.live = replace(told.live, **changes)
    assert f"\naccount  {sentence}" in told.say().stdout


def share(desk: Desk, name: str, job_id: int) -> None:
    """Another file of the same content, as the pipeline finds it."""
    source = desk.see(name)
    with desk.store() as store, store.database.transaction() as connection:
        connection.execute(
            "INSERT INTO deliveries (job_id, source_id, state, due_at, failures, reason, hint, created_at, updated_at)"
            " VALUES (?, ?, 'pending', 0, 0, '', '', 0, 0)",
            (job_id, source.id),
        )
        connection.execute("UPDATE sources SET settled = 1 WHERE id = ?", (source.id,))


def test_a_second_file_of_the_same_content_is_told_beside_its_upload(desk: Desk, told: Told) -> None:
    share(desk, "copy.mp4", told.jobs[0])
    assert f"the same content: {desk.base}/council/copy.mp4" in told.say().stdout
    upload, _ = json.loads(told.say("--json").stdout)["uploads"]
    assert upload["path"] == f"{desk.base}/council/meeting.mp4"
    assert upload["others"] == [f"{desk.base}/council/copy.mp4"]
    for number in range(3):
        share(desk, f"copy {number}.mp4", told.jobs[0])
    assert "its content is that of 4 more files, which get its transcript as well" in told.say().stdout


def test_what_is_done_today_is_counted_by_folder(desk: Desk, told: Told) -> None:
    now = time.time()
    for name, sha, at in (("long ago.mp4", "a" * 64, now - 3 * 86400), ("today.mp4", "b" * 64, now)):
        way = (OPENED, Closing(sha), UploadFinished(), SessionKnown(sha, 0.0), ResultReady(b"{}", 60.0))
        desk.add(name, *way)
        with desk.store() as store:
            delivery = store.deliveries.due(now + 60.0, {"council"}, ())
            assert delivery is not None
            store.deliveries.apply(delivery, Delivered(), at)
    with desk.store() as store:
        assert store.today.done(now - 60) == {"council": 1}
    assert "done 2 (1 today)" in told.say().stdout
    assert [one["done_today"] for one in json.loads(told.say("--json").stdout)["folders"]] == [1, 0]


# For programs


def paths(value: object, before: str = "") -> Iterator[str]:
    """The keys of what was told, with `[]` for what is in an array; what is counted goes by names of its own."""
    if isinstance(value, dict) and not before.endswith("counts"):
        for key, one in value.items():
            yield from paths(one, f"{before}.{key}" if before else key)
    elif isinstance(value, list):
        for one in value:
            yield from paths(one, before + "[]")
    else:
        yield before


def test_the_readme_has_a_table_of_exactly_the_keys_of_the_json(desk: Desk, told: Told) -> None:
    desk.add("twin.mp4")
    desk.add("other twin.mp4")
    share(desk, "copy.mp4", told.jobs[0])
    section = README.split("## What `status` tells")[1].split("\n## ")[0].split("`scriptixd status --json` holds")[1]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    documented = [key for row in rows for key in re.findall(r"`([\w.\[\]]+)`", row)]
    assert len(set(documented)) == len(documented)
    record = json.loads(told.say("--json").stdout)
    assert set(paths(record)) == set(documented)


def test_the_json_has_the_same_keys_whatever_there_is(desk: Desk, told: Told) -> None:
    full = json.loads(told.say("--json").stdout)
    told.quiet()
    quiet = json.loads(told.say("--json").stdout)
    desk.state.unlink()
    nothing = json.loads(desk.say("status", "--json").stdout)
    for record in (quiet, nothing):
        assert record.keys() == full.keys()
        assert record["folders"][0].keys() == full["folders"][0].keys()
    assert nothing["needs"][0]["about"] == "daemon"


def test_names_travel_as_they_are_in_the_json(told: Told) -> None:
    done = told.say("--json")
    assert done.stdout.isascii()
    told_of = {os.fsencode(one["path"]).rpartition(b"/")[2] for one in json.loads(done.stdout)["problems"]}
    assert told_of >= set(NASTY)


# For monitoring


def test_what_needs_a_person_is_a_line_each_and_exit_code_1(desk: Desk, told: Told) -> None:
    with desk.store() as store:
        store.sources.ask("council", Question(QuestionKind.DISK, "x", "is it the disk?\x1b"), time.time())
    done = told.say("--fail")
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "quota", "folder council", "failed council", "held council", "folder court",
    ]  # fmt: skip
    assert "it asks: is it the disk?\\x1b (" in done.stdout
    assert "scriptixd approve council)" in done.stdout
    assert "4 file(s) have failed (scriptixd list --state failed --folder council tells why;" in done.stdout
    assert "hung since" in done.stdout
    as_json = told.say("--fail", "--json")
    assert as_json.returncode == 1
    assert len(json.loads(as_json.stdout)["needs"]) == 5


def test_nothing_is_one_line_and_exit_code_0(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.add("fine.mp4")
    with desk.store():
        folders = tuple(LiveFolder(name, "poll", "", "", 1.0, ("a warning",)) for name in ("council", "court"))
        pauses = (LivePause("pause", "court", "paused", ""), LivePause("away", "", "gone", ""))
        LiveFile(live_path(desk.state)).tell(Live(1, "1", 0.0, time.time(), folders, (), pauses))
        done = desk.say("status", "--fail")
    assert (done.returncode, done.stdout) == (0, "ok: nothing needs a person\n")


def test_a_daemon_that_is_gone_or_silent_needs_a_person(desk: Desk) -> None:
    assert desk.say("status", "--fail").stdout.startswith("daemon: no daemon is running")
    with desk.store():
        done = desk.say("status", "--fail")
    assert done.returncode == 1
    assert "has not told anything lately (its log tells why: journalctl -u scriptixd)" in done.stdout


def test_watching_is_for_people_on_a_terminal(desk: Desk) -> None:
    for more in ([], ["--json"], ["--fail"]):
        done = desk.say("status", "--watch", *more)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--watch" in done.stderr


# Watching


@contextmanager
def watched(told: Told, columns: int = 80, rows: int = 30) -> Iterator[Terminal]:
    with told.desk.store():
        told.tell()
        with terminal(told.desk, ["status", "--watch"], columns, rows) as screen:
            screen.until(b"Ctrl-C ends")
            yield screen


def assert_left_as_it_was(screen: Terminal) -> None:
    assert screen.said.count(ENTERS) == screen.said.count(LEAVES) > 0
    assert screen.said.count(HIDES) == screen.said.count(SHOWS) > 0
    assert screen.said.rindex(SHOWS) > screen.said.rindex(HIDES)
    assert b"Traceback" not in screen.said


def test_it_is_drawn_again_in_place_without_clearing_and_ctrl_c_ends_it(told: Told) -> None:
    with watched(told) as screen:
        before = screen.modes()
        told.live = replace(told.live, version="2.0")
        told.tell()
        screen.until(b"scriptixd 2.0 since")
        assert not before & termios.ECHO
        assert before & termios.NOFLSH  # or the key that ends it throws away what has not been read yet
        screen.type(b"typed\n")
        screen.type(b"\x03")
        assert screen.ends() == 0
    assert_left_as_it_was(screen)
    assert b"typed" not in screen.said
    assert b"\x1b[2J" not in screen.said
    assert b"\x1b[K" not in screen.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(told: Told, number: signal.Signals) -> None:
    with watched(told) as screen:
        os.kill(screen.pid, number)
        assert screen.ends() == 0
    assert_left_as_it_was(screen)


def test_it_follows_the_size_of_its_window(told: Told) -> None:
    with watched(told, 80, 30) as screen:
        for columns, rows in ((40, 12), (200, 50)):
            frames = screen.said.count(HOME)
            screen.size(columns, rows)

            def fits(columns: int = columns, rows: int = rows, frames: int = frames) -> bool:
                screen.read()
                lines = screen.last_frame()
                whole = screen.said.count(HOME) > frames and len(lines) == rows
                return whole and all(columns_of(line) == columns for line in lines)

            eventually(fits)
        screen.type(b"\x03")
        screen.ends()
    assert re.search(rb"Ctrl-C ends; [\d:]+, \d+ more line", screen.said)


def test_a_terminal_that_is_stopped_is_the_shells_and_goes_on_afterwards(told: Told) -> None:
    with watched(told) as screen:
        screen.type(b"\x1a")
        screen.until(LEAVES)

        def state() -> str:
            return Path(f"/proc/{screen.pid}/stat").read_text().rpartition(")")[2].split()[0]

        eventually(lambda: state() == "T")
        screen.until(SHOWS)
        assert screen.said.rindex(SHOWS) > screen.said.rindex(HIDES)
        assert screen.modes() & termios.ECHO
        os.kill(screen.pid, signal.SIGCONT)
        screen.until(ENTERS, times=2)
        screen.type(b"\x03")
        assert screen.ends() == 0
    assert_left_as_it_was(screen)


def test_a_configuration_that_changes_is_followed_and_one_that_is_refused_is_not(desk: Desk, told: Told) -> None:
    with watched(told, rows=50) as screen:
        valid = desk.config.read_text()
        desk.config.write_text("folders: nothing")
        frames = screen.said.count(HOME)
        screen.until(HOME, frames + 2)
        desk.config.write_text(valid.replace(f"  - path: {desk.base / 'court'}\n", ""))
        frames = screen.said.count(HOME)

        def without_court() -> bool:
            screen.read()
            return screen.said.count(HOME) > frames and not any("court " in line for line in screen.last_frame()[5:])

        eventually(without_court)
        screen.type(b"\x03")
        assert screen.ends() == 0
    assert_left_as_it_was(screen)


@pytest.mark.parametrize("verb", ["status", "list"])
def test_a_look_loads_neither_what_draws_nor_what_moves_a_job(told: Told, verb: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "scriptixd", verb]
    with told.desk.store():
        told.tell()
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **told.desk.environment()}
        )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "scriptixd.observe.standing" in loaded
    assert "scriptixd.jobs.events" not in loaded
    assert "scriptixd.captions.cue" not in loaded
    assert "rich" not in {name.partition(".")[0] for name in loaded}
