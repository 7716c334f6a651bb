"""State files of earlier versions: each goes on where it was, with a copy beside it that is kept for a month.

`tests/states/schema-N.sql` is what `sqlite3 state.db .dump` says of one with N migrations; it is never edited.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from desk import Desk
from house import House, eventually, house, tone
from standings import wrong_standings, wrong_tallies

from scriptixd.daemon.upkeep import DAY, Upkeep
from scriptixd.errors import StateError
from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import DeliveryState, State
from scriptixd.jobs.news import Topic
from scriptixd.jobs.store import database
from scriptixd.jobs.store.copies import KEPT_FOR, kept
from scriptixd.jobs.store.database import migrate, open_state
from scriptixd.jobs.store.notices import Notice
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.store.schema import MIGRATIONS
from scriptixd.jobs.store.tables import Store

STATES: Final = Path(__file__).parent / "states"
VERSIONS: Final = sorted(int(re.sub(r"\D", "", path.stem)) for path in STATES.glob("schema-*.sql"))
EARLIER: Final = [number for number in VERSIONS if number < len(MIGRATIONS)]
NOW: Final = Now(1_800_000_000.0, 1_000.0)


def restored(number: int, path: Path) -> Path:
    """A state file of an earlier version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((STATES / f"schema-{number}.sql").read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def tables(connection: sqlite3.Connection) -> dict[str, str]:
    """How each table and index is made, without comments and white space."""
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    return {name: re.sub(r"--[^\n]*|\s", "", sql) for name, sql in rows}


def test_there_is_one_of_every_version_that_was_released() -> None:
    assert VERSIONS[:5] == [1, 2, 3, 8, 9]


@pytest.mark.parametrize("number", VERSIONS)
def test_each_is_what_its_version_made(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", MIGRATIONS[:number])
        with closing(open_state(tmp_path / "made.db")) as made, made.reading() as connection:
            expected = tables(connection)
    with closing(sqlite3.connect(restored(number, tmp_path / "state.db"))) as connection:
        assert tables(connection) == expected
        assert connection.execute("SELECT max(number) FROM migrations").fetchone() == (number,)
        filled = [name for name in expected if name in every_table(connection)]
        assert all(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in filled), filled


def every_table(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


@pytest.mark.parametrize("number", VERSIONS)
def test_each_goes_on_with_all_that_it_knew(number: int, tmp_path: Path) -> None:
    path = restored(number, tmp_path / "state.db")
    with closing(Store(open_state(path))) as store:
        with store.database.reading() as connection:
            fresh = open_state(tmp_path / "fresh.db")
            with closing(fresh), fresh.reading() as other:
                assert tables(connection) == tables(other)
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert wrong_standings(connection) == []
            assert wrong_tallies(connection) == []
        jobs = {id_: store.jobs.get(id_) for id_ in range(1, 7)}
        assert [job.state for job in jobs.values() if job] == [
            State.READY, State.TRANSCRIBING, State.HELD, State.UPLOADING, State.FAILED, State.GONE,
        ]  # fmt: skip
        sending, asked = jobs[4], jobs[2]
        assert sending is not None
        assert asked is not None
        assert (sending.file_id, sending.key_fingerprint) == ("upload-4", "01234567")
        assert (asked.session_id, asked.request.language, asked.media_seconds) == ("session-2", "en", 61.5)
        assert b"goedenavond" in (store.jobs.result(1) or b"")
        accented = store.sources.at("council", os.fsdecode(b"2025/caf\xe9.mp4"))
        assert accented is not None
        newest = store.jobs.newest_of(accented.id)
        assert newest == asked
        assert [source.name for source in store.jobs.sources(1)] == ["meeting.wav", "copy of meeting.wav"]
        delivery = store.deliveries.get(1)
        assert delivery is not None
        assert delivery.state is DeliveryState.DELIVERED
        assert [sidecar.path for sidecar in store.deliveries.sidecars(1)] == ["meeting.srt", "meeting.json"]
        assert store.views.paid("2026-01-01") == (3, 64.5)
        assert store.requests.open()[0].verb is Verb.APPROVE
        assert not store.sources.begin_contact("council", "ext4\0/dev/sda1\0/srv/media", NOW.wall)
        if number >= 2:
            assert store.sources.unread("council") == {"2025"}
            assert "court" in store.sources.questions()
            assert store.instance() == "0123456789abcdef0123456789abcdef"
        if number >= 3:
            assert store.erasures.backlog().planned == 2
            assert not any(erasure.ordered for erasure in store.erasures.of_source(1))
            assert list(store.pauses.paused()) == ["court"]
        if number >= 8:
            assert asked.language == "en"
            assert store.sources.output_mountpoint("/srv/transcripts") == "/srv"
            assert store.notices.get("council") == Notice("ab" * 32, None, True)
            assert [errand.delivery_id for errand in store.errands.due(NOW.wall, {"council"})] == [1]
            assert store.tidings.told("89abcdef01234567").marks == {Topic.SUMMARY: 20454}


@pytest.mark.parametrize("number", EARLIER)
def test_a_copy_as_it_was_is_kept_beside_it_for_its_owner_alone(number: int, tmp_path: Path) -> None:
    path = restored(number, tmp_path / "state.db")
    with closing(sqlite3.connect(path)) as before:
        expected = list(before.iterdump())
    open_state(path).close()
    ((copy, until),) = kept(path)
    assert re.fullmatch(rf"state\.db\.schema-{number}\.\d{{8}}T\d{{6}}Z\.backup", copy.name)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert until == pytest.approx(time.time() + KEPT_FOR, abs=60.0)
    with closing(sqlite3.connect(copy)) as connection:
        assert list(connection.iterdump()) == expected
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["state.db", "state.db.lock", copy.name])
    open_state(path).close()
    assert len(kept(path)) == 1, "once is enough"


def test_a_fresh_state_file_has_no_copy(tmp_path: Path) -> None:
    open_state(tmp_path / "state.db").close()
    assert kept(tmp_path / "state.db") == []


def test_without_a_copy_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = restored(1, tmp_path / "state.db")
    monkeypatch.setattr(time, "strftime", lambda *_: "now")
    (tmp_path / "state.db.schema-1.now.backup").write_text("somebody's")
    with pytest.raises(StateError, match=r"a copy of it is kept, and .* is there already"):
        open_state(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT max(number) FROM migrations").fetchone() == (1,)
    assert (tmp_path / "state.db.schema-1.now.backup").read_text() == "somebody's"


@pytest.mark.parametrize("number", EARLIER)
def test_what_is_left_of_a_copy_that_was_cut_off_is_swept_by_the_next(number: int, tmp_path: Path) -> None:
    path = restored(number, tmp_path / "state.db")
    left = f".state.db.schema-{number}.20260501T120000Z.backup.k1ll3d_0.part"
    for name in (left, f"{left}-journal", ".other.db.schema-1.20260501T120000Z.backup.x.part", ".mine.part"):
        (tmp_path / name).write_text("half of every transcript")
    open_state(path).close()
    assert {one.name for one in tmp_path.glob(".*")} == {
        ".other.db.schema-1.20260501T120000Z.backup.x.part",
        ".mine.part",
    }


@pytest.mark.parametrize("number", VERSIONS)
def test_a_newer_one_is_refused_with_a_sentence_and_left_as_it_is(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = restored(number, tmp_path / "state.db")
    before = path.read_bytes()
    monkeypatch.setattr(database, "MIGRATIONS", MIGRATIONS[: number - 1])
    with pytest.raises(StateError, match=rf"was written by a newer scriptixd \(0\.{number}\.0\)") as refused:
        open_state(path)
    assert refused.value.hint == f"install version 0.{number}.0 or newer again, or set 'state' to another file"
    assert path.read_bytes() == before
    assert kept(path) == []


def test_verbs_that_only_look_say_what_brings_an_old_one_up_to_date(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    restored(3, desk.state)
    for verb in (["list"], ["report"], ["backup", str(tmp_path / "copy.db")]):
        done = desk.say(*verb)
        assert done.returncode == 2
        assert "start or restart the daemon, which brings them up to date" in done.stderr
    assert not (tmp_path / "copy.db").exists()
    with desk.store():
        pass
    assert json.loads(desk.say("list", "--json").stdout)
    assert len(kept(desk.state)) == 1


def test_copies_are_deleted_when_their_time_is_over_and_nothing_else_is(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    old, young = (tmp_path / f"state.db.schema-{number}.20260101T000000Z.backup" for number in (1, 2))
    others = [tmp_path / name for name in ("state.db", "mine.backup", "other.db.schema-1.x.backup", "state.db.backup")]
    for path in (old, young, *others):
        path.write_text("copy")
        age = KEPT_FOR - DAY if path is young else KEPT_FOR + DAY
        os.utime(path, (NOW.wall - age, NOW.wall - age))
    upkeep = Upkeep(state)
    upkeep.run_once(NOW)
    assert sorted(tmp_path.iterdir()) == sorted((young, *others))
    upkeep.run_once(Now(NOW.wall + 2 * DAY, NOW.boot + 1.0))
    assert young.exists(), "once a day"
    upkeep.run_once(Now(NOW.wall + 2 * DAY, NOW.boot + 2 * DAY))
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_migration_that_fails_halfway_leaves_a_copy_of_what_was_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = restored(3, tmp_path / "state.db")
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE jobs (a);\n"))
    with pytest.raises(sqlite3.OperationalError):
        open_state(path)
    ((copy, _),) = kept(path)
    monkeypatch.undo()
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT max(number) FROM migrations").fetchone() == (3,)
        migrate(connection, copy)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


@pytest.mark.parametrize("number", EARLIER)
def test_a_daemon_knows_again_what_an_earlier_one_paid_for(number: int, home: House) -> None:
    """The recording and its copy lie there as they were: nothing is sent, and its transcript is known."""
    folder = home.folder("council", language="nl")
    recording = folder / "meeting.wav"
    tone(recording, 0.5, 40)
    os.link(recording, folder / "copy of meeting.wav")
    restored(number, home.state)
    found, digest = recording.stat(), hashlib.sha256(recording.read_bytes()).hexdigest()
    with closing(sqlite3.connect(home.state)) as connection, connection:
        stat = (found.st_size, found.st_mtime_ns, found.st_ino)
        connection.execute("UPDATE sources SET (size, mtime_ns, inode) = (?, ?, ?) WHERE id IN (1, 8)", stat)
        connection.execute(
            "UPDATE jobs SET (size, mtime_ns, inode, sha256) = (?, ?, ?, ?) WHERE id = 1", (*stat, digest)
        )
        connection.execute("DELETE FROM contacts")  # of another machine's disk
        if number > 1:
            connection.execute("DELETE FROM passes")
    old = home.state.with_name("state.db.schema-1.20200101T000000Z.backup")
    old.write_text("kept by an upgrade of long ago")
    os.utime(old, (time.time() - KEPT_FOR - DAY,) * 2)
    home.drop(folder, "another copy.wav", recording)
    home.start()
    known = {"council/meeting.wav", "council/copy of meeting.wav", "council/another copy.wav"}

    def done() -> dict[str, int]:
        return {path: row["job_id"] for path, row in home.list().items() if row["state"] == "done"}

    eventually(lambda: done().keys() == known, "all three are known")
    assert set(done().values()) == {1}
    assert "goedenavond" in (folder / "another copy.srt").read_text()
    assert home.sandbox.counts()["completed"] == 0
    eventually(lambda: not old.exists(), "what was kept for a month is deleted")
    assert [path.name.partition(".20")[0] for path, _ in kept(home.state)] == [f"state.db.schema-{number}"]
