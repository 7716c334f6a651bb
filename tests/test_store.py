"""The state file: what it refuses, what it keeps, and what one commit holds together."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import BOOT, DUTCH, ENGLISH, START, World, sha256

from scriptixd.errors import StateError, StateHeld, StateTrouble
from scriptixd.jobs.clock import local_day
from scriptixd.jobs.delivering import Delivered
from scriptixd.jobs.events import (
    Approved,
    Closing,
    Dismissed,
    Held,
    Postponed,
    Rejected,
    ResultReady,
    RetryRequested,
    SessionKnown,
    SourceGone,
    Unlisted,
    UploadFinished,
    UploadOpened,
)
from scriptixd.jobs.job import DeliveryState, Job, State
from scriptixd.jobs.source import HELD_FOR_FLOOD, Admission, Look, Question, QuestionKind, Restless, Sighting
from scriptixd.jobs.store import database
from scriptixd.jobs.store.database import is_held, open_for_reading, open_state
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.store.schema import MIGRATIONS
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.verbs import AT_ONCE, apply_open_requests, apply_some_requests
from scriptixd.roots.mounts import Mount
from scriptixd.roots.root import Stat

OPENED = UploadOpened("file", "https://api.example.org", "01234567", "{}", 12.0)
AT = START.wall


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, folders=("council", "court"))
    yield made
    made.close()


def applied(store: Store, job: Job, *events: object) -> Job:
    for event in events:
        after = store.jobs.apply(job, event, AT)  # type: ignore[arg-type]
        assert after is not None
        job = after
    return job


def ready(store: Store, job: Job, content: bytes, body: bytes = b"{}") -> Job:
    return applied(
        store, job, OPENED, Closing(sha256(content)), UploadFinished(), SessionKnown("s", AT), ResultReady(body, 13.0)
    )


# Opening


def test_a_fresh_state_file_is_migrated_and_only_for_its_user_and_group(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.db"
    with closing(open_state(path)) as opened, opened.reading() as connection:
        numbers = connection.execute("SELECT number FROM migrations").fetchall()
        assert numbers == [(number,) for number in range(1, len(MIGRATIONS) + 1)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert path.stat().st_mode & 0o777 == 0o640


def test_opening_again_migrates_nothing_and_finds_everything(world: World) -> None:
    world.drop("a.wav", b"a" * 30)
    world.restart()
    assert world.state_of("a.wav") is State.FOUND
    assert world.count("migrations") == len(MIGRATIONS)


def test_a_migration_that_fails_leaves_nothing_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    open_state(path).close()
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (a);\nCREATE TABLE jobs (a);\n"))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        open_state(path)
    monkeypatch.undo()
    with closing(open_state(path)) as opened, opened.reading() as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'more'").fetchone() == (0,)


def test_a_state_file_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(open_state(path)) as opened, opened.transaction() as connection:
        connection.execute("INSERT INTO migrations VALUES (999, 0, '9.0')")
    for opening in (open_state, open_for_reading):
        with pytest.raises(StateError, match=r"newer scriptixd \(9\.0\)") as refused:
            opening(path)
        assert refused.value.exit_code == 2
        assert "9.0" in refused.value.hint
    assert not is_held(path)


def test_a_database_of_another_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE recipes (name TEXT)")
    path.chmod(0o600)
    before = path.read_bytes()
    for opening in (open_state, open_for_reading):
        with pytest.raises(StateError, match="not one of scriptixd's"):
            opening(path)
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("opening", [open_state, open_for_reading])
@pytest.mark.parametrize("damage", ["garbage", "header", "pages"])
def test_a_corrupt_state_file_is_a_sentence_and_no_traceback(
    tmp_path: Path, damage: str, opening: Callable[[Path], object]
) -> None:
    path = tmp_path / "state.db"
    open_state(path).close()
    whole = bytearray(path.read_bytes())
    match damage:
        case "garbage":
            whole = bytearray(os.urandom(5000))
        case "header":
            whole[0:16] = b"not SQLite at al"
        case "pages":
            whole[100:4096] = b"\xff" * 3996
    path.write_bytes(whole)
    with pytest.raises(StateError, match=r"state\.db is damaged") as refused:
        opening(path)
    assert "backup" in refused.value.hint
    assert path.read_bytes() == whole


def test_a_state_file_on_a_network_share_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "mount_of", lambda _path: Mount("cifs", "//nas/media", "/", str(tmp_path)))
    with pytest.raises(StateError, match=r"network share .*\(cifs\)"):
        open_state(tmp_path / "state.db")
    assert list(tmp_path.iterdir()) == []


def test_a_state_file_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be made"):
        open_state(tmp_path / "file" / "state.db")
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StateTrouble, match=r"state\.db cannot be written"):
        open_state(tmp_path / "state.db")


# The lock

HOLD = """
import sys
from pathlib import Path
from scriptixd.jobs.store.database import open_state
held = open_state(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / "state.db")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_daemon_is_kept_away_until_the_first_is_gone_even_killed(
    tmp_path: Path, holder: Callable[[], subprocess.Popen[str]]
) -> None:
    path = tmp_path / "state.db"
    assert not is_held(path)
    first = holder()
    assert is_held(path)
    with pytest.raises(StateHeld, match="held by another scriptixd") as refused:
        open_state(path)
    assert refused.value.exit_code == 75
    first.kill()
    first.wait()
    assert not is_held(path)
    open_state(path).close()


def test_asking_who_holds_it_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for _ in range(3):
        with closing(open_state(path)):
            assert is_held(path)
            assert is_held(path)
        assert not is_held(path)


def test_a_refused_start_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(StateError):
        open_state(path)
    assert not is_held(path)


# Reading beside a daemon, or without one


def test_whoever_looks_waits_for_a_daemon_that_is_just_making_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    lock = database._take_lock(path)
    making = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    making.execute("PRAGMA journal_mode = WAL")
    making.execute("CREATE TABLE migrations (number INTEGER PRIMARY KEY, at REAL NOT NULL, version TEXT NOT NULL)")
    soon = threading.Timer(0.3, lambda: database.migrate(making, path))
    soon.start()
    try:
        for opens in (database.open_for_reading, database.open_beside):
            Store(opens(path)).close()
    finally:
        soon.join()
        making.close()
        os.close(lock)


def test_reading_creates_no_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with pytest.raises(StateError, match="there is no state file"):
        open_for_reading(path)
    assert list(tmp_path.iterdir()) == []
    open_state(path).close()
    before = sorted(tmp_path.iterdir())
    with closing(open_for_reading(path)) as looking:
        assert Store(looking).views.sources() == []
        assert sorted(tmp_path.iterdir()) == before
    assert sorted(tmp_path.iterdir()) == before


def test_a_reader_sees_what_is_committed_and_waits_for_no_writer(world: World, tmp_path: Path) -> None:
    world.drop("a.wav", b"a" * 30)
    with closing(open_for_reading(tmp_path / "state.db")) as looking:
        views = Store(looking).views
        with world.store.database.transaction() as connection:
            connection.execute("UPDATE jobs SET reason = 'half-way'")
            (seen,) = views.sources()
            assert (seen.path, seen.state, seen.reason) == ("a.wav", "found", "")
        assert views.sources()[0].reason == "half-way"
        with pytest.raises(StateTrouble, match="readonly"), looking.transaction() as connection:
            connection.execute("DELETE FROM jobs")


def test_a_state_file_that_was_left_by_a_crash_can_be_read(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.drop("a.wav", b"a" * 30)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        shutil.copy(tmp_path / name, crashed / name)
    world.close()
    with closing(open_for_reading(crashed / "state.db")) as looking:
        assert [view.path for view in Store(looking).views.sources()] == ["a.wav"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not read the file")
def test_who_may_not_read_the_state_file_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "private" / "state.db"
    open_state(path).close()
    path.parent.chmod(0o700)
    os.seteuid(65534)
    try:
        for looking in (open_for_reading, is_held):
            with pytest.raises(StateError, match=r"cannot be read: .*[Pp]ermission denied"):
                looking(path)
    finally:
        os.seteuid(0)


# Saving


def test_every_save_has_a_history_row_in_its_transaction(world: World) -> None:
    job = world.drop("a.wav", b"a" * 30)
    ready(world.store, job, b"a" * 30)
    assert [event for event, _ in world.history()] == [
        "Settled", "UploadOpened", "Closing", "UploadFinished", "SessionKnown", "ResultReady",
    ]  # fmt: skip
    details = dict(world.history())
    assert details["Closing"] == ""  # the hash is the job's, and no sentence
    assert details["ResultReady"] == ""


def test_who_holds_an_older_version_of_a_job_changes_nothing(world: World) -> None:
    old = world.drop("a.wav", b"a" * 30)
    new = applied(world.store, old, OPENED)
    history = world.history()
    assert world.store.jobs.apply(old, Postponed(5.0, "late"), AT) is None
    assert world.store.jobs.apply(old, OPENED, AT) is None
    assert world.store.jobs.follow(old, ENGLISH, AT) is None
    assert world.store.jobs.get(old.id) == new
    assert world.history() == history


def test_an_unlisted_event_raises_and_changes_nothing(world: World) -> None:
    job = world.drop("a.wav", b"a" * 30)
    with pytest.raises(Unlisted):
        world.store.jobs.apply(job, UploadFinished(), AT)
    assert world.store.jobs.get(job.id) == job
    assert world.count("ledger") == 0


def test_a_transaction_is_everything_or_nothing_however_deep(world: World) -> None:
    job = world.drop("a.wav", b"a" * 30)

    def interrupted() -> None:
        with world.store.database.transaction():
            applied(world.store, job, OPENED)
            with world.store.database.transaction():
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert world.store.jobs.get(job.id) == job
    applied(world.store, job, OPENED)  # and the next one begins anew


def test_whoever_waits_for_work_hears_of_each_commit_once_it_is_one(world: World) -> None:
    heard: list[bool] = []
    job = world.drop("a.wav", b"a" * 30)
    world.store.database.on_commit = lambda: heard.append(world.store.jobs.get(job.id) != job)
    applied(world.store, job, OPENED)
    assert heard == [True]


@pytest.mark.parametrize(
    "change",
    [
        "state = 'lost'",
        "state = 'uploading'",
        "state = 'closing', file_id = 'f'",
        "state = 'ready', file_id = 'f', sha256 = '" + "a" * 64 + "'",
        "sha256 = 'short'",
        "size = -1",
        "request = 'no json'",
        "labels = 'no json'",
    ],
)
def test_the_tables_themselves_refuse_what_cannot_be(world: World, change: str) -> None:
    job = world.drop("a.wav", b"a" * 30)
    with pytest.raises(sqlite3.IntegrityError), world.store.database.transaction() as connection:
        connection.execute(f"UPDATE jobs SET {change} WHERE id = ?", (job.id,))
    assert world.store.jobs.get(job.id) == job


def test_the_tables_themselves_refuse_to_pay_for_one_content_and_request_twice(world: World) -> None:
    first, second = world.drop("a.wav", b"same"), world.drop("b.wav", b"same")
    applied(world.store, first, OPENED, Closing(sha256(b"same")))
    second = applied(world.store, second, OPENED)
    with pytest.raises(sqlite3.IntegrityError):
        world.store.jobs.apply(second, Closing(sha256(b"same")), AT)
    assert world.store.jobs.get(second.id) == second


def test_a_result_is_stored_small_and_comes_back_as_it_was(world: World) -> None:
    body = b'{"words": [' + b'"na", ' * 5000 + b'"na"]}'
    job = ready(world.store, world.drop("a.wav", b"a"), b"a", body)
    assert world.store.jobs.result(job.id) == body
    assert world.store.jobs.result(999) is None
    with world.store.database.reading() as connection:
        (stored,) = connection.execute("SELECT body FROM results").fetchone()
    assert len(stored) < len(body) / 20
    assert zlib.decompress(stored) == body


# The ledger


def ledger(world: World) -> list[tuple[object, ...]]:
    with world.store.database.reading() as connection:
        return list(connection.execute("SELECT job_id, folder, media_seconds, failed FROM ledger ORDER BY id"))


def test_the_ledger_has_one_row_a_payment_with_the_length_that_the_service_told(world: World) -> None:
    job = world.drop("a.wav", b"a")
    applied(world.store, job, OPENED, Closing(sha256(b"a")))
    assert ledger(world) == []
    closing = world.store.jobs.get(job.id)
    assert closing is not None
    job = applied(world.store, closing, UploadFinished())
    assert ledger(world) == [(job.id, "council", 12.0, 0)]
    applied(world.store, job, SessionKnown("s", AT), ResultReady(b"{}", 13.5))
    assert ledger(world) == [(job.id, "council", 13.5, 0)]
    assert world.store.views.paid(local_day(AT)) == (1, 13.5)
    assert world.store.views.paid(local_day(AT + 86_400)) == (0, 0.0)


def test_a_payment_that_failed_is_marked_and_a_second_one_has_a_row_of_its_own(world: World) -> None:
    job = world.drop("a.wav", b"a")
    paid = (OPENED, Closing(sha256(b"a")), UploadFinished(), SessionKnown("s", AT))
    job = applied(world.store, job, *paid, Rejected("no media", "listen", voids=True))
    assert ledger(world) == [(job.id, "council", 12.0, 1)]
    job = applied(world.store, job, RetryRequested(), *paid, ResultReady(b"{}", None))
    assert ledger(world) == [(job.id, "council", 12.0, 1), (job.id, "council", 12.0, 0)]


def test_a_stop_that_is_no_verdict_marks_nothing(world: World) -> None:
    job = world.drop("a.wav", b"a")
    applied(world.store, job, OPENED, Closing(sha256(b"a")), UploadFinished(), Rejected("no session", "look"))
    assert [failed for *_, failed in ledger(world)] == [0]


# Sharing


def hashed(job: Job, content: bytes) -> Job:
    return replace(job, sha256=sha256(content))


def test_a_job_is_folded_into_one_that_was_paid_and_its_sources_share_that(world: World) -> None:
    first = ready(world.store, world.drop("a.wav", b"same"), b"same")
    second = world.drop("b.wav", b"same")
    assert world.store.jobs.fold(hashed(second, b"same"), AT) == first
    assert world.store.jobs.get(second.id) is None
    assert [source.path for source in world.store.jobs.sources(first.id)] == ["a.wav", "b.wav"]
    assert world.job_of("b.wav") == first
    assert world.history()[-1][0] == "SameContent"


@pytest.mark.parametrize("difference", ["content", "request", "redo", "nothing paid", "stale"])
def test_a_job_is_not_folded_into_one_that_is_not_the_same_or_was_not_paid(world: World, difference: str) -> None:
    first = world.drop("a.wav", b"same")
    if difference != "nothing paid":
        ready(world.store, first, b"same")
    second = hashed(world.drop("b.wav", b"same"), b"same")
    match difference:
        case "content":
            second = hashed(second, b"else")
        case "request":
            second = replace(second, request=ENGLISH)
        case "redo":
            second = replace(second, redo=1)
        case "stale":
            second = replace(second, version=7)
    assert world.store.jobs.fold(second, AT) is None
    assert world.store.jobs.get(second.id) is not None


@pytest.mark.parametrize("verdict", [True, False])
def test_what_was_paid_and_failed_is_shared_too_for_only_a_person_pays_again(world: World, verdict: bool) -> None:
    paid = (OPENED, Closing(sha256(b"same")), UploadFinished())
    first = applied(world.store, world.drop("a.wav", b"same"), *paid, Rejected("no", "", voids=verdict))
    second = world.drop("b.wav", b"same")
    assert world.store.jobs.fold(hashed(second, b"same"), AT) == first


def test_two_uploads_of_one_content_meet_before_the_last_chunk(world: World) -> None:
    first, second = (applied(world.store, world.drop(name, b"same"), OPENED) for name in ("a.wav", "b.wav"))
    closing = world.store.jobs.close_or_fold(first, sha256(b"same"), AT)
    assert closing is not None
    assert (closing.id, closing.state) == (first.id, State.CLOSING)
    assert world.store.jobs.close_or_fold(second, sha256(b"same"), AT) == closing
    assert world.store.jobs.get(second.id) is None
    assert world.store.jobs.close_or_fold(second, sha256(b"same"), AT) is None


def test_a_file_that_was_touched_keeps_what_was_delivered_beside_it(world: World) -> None:
    first = ready(world.store, world.drop("a.wav", b"same"), b"same")
    delivery = world.store.deliveries.due(AT, ["council"], [])
    assert delivery is not None
    world.store.deliveries.apply(delivery, Delivered(), AT)
    world.touch("a.wav")
    world.scan()
    second = world.job_of("a.wav")
    assert second.id != first.id
    assert world.store.jobs.fold(hashed(second, b"same"), AT) == first
    after = world.store.deliveries.get(delivery.id)
    assert after is not None
    assert after.state is DeliveryState.DELIVERED
    assert world.count("deliveries") == 1


# Picking


def due(world: World, state: State = State.FOUND, folder: str | None = "council", at: float = AT) -> str | None:
    job = world.store.jobs.due(state, at, folder, [])
    return None if job is None else world.store.jobs.sources(job.id)[0].path


def test_the_oldest_job_of_a_folder_that_is_due_is_picked(world: World) -> None:
    first, second = world.drop("a.wav", b"1"), world.drop("b.wav", b"22")
    world.drop("c.wav", b"333", "court")
    assert due(world) == "a.wav"
    assert due(world, folder="court") == "c.wav"
    picked = world.store.jobs.due(State.FOUND, AT, "council", [first.id])
    assert picked == second
    applied(world.store, first, Postponed(AT + 60, "wait"))
    assert due(world) == "b.wav"
    assert due(world, at=AT + 60) == "a.wav"
    assert due(world, State.UPLOADING) is None


def test_without_a_folder_the_longest_due_is_picked(world: World) -> None:
    for name, at in (("a.wav", AT - 1), ("b.wav", AT - 2)):
        job = applied(world.store, world.drop(name, name.encode()), OPENED, Closing(sha256(name.encode())))
        applied(world.store, job, UploadFinished(), SessionKnown(name, at))
    assert due(world, State.TRANSCRIBING, None) == "b.wav"


def test_a_file_that_is_not_there_as_it_was_found_is_not_picked(world: World) -> None:
    world.drop("a.wav", b"1")
    world.put("a.wav", b"1111")
    world.scan(complete=False)
    assert due(world) is None
    world.scan()
    assert due(world) == "a.wav"


def test_a_later_job_of_the_same_size_waits_until_the_earlier_one_was_read(world: World) -> None:
    first, second = world.drop("a.wav", b"one!"), world.drop("b.wav", b"two!")
    assert world.store.jobs.due(State.FOUND, AT, "council", [first.id]) is None
    first = applied(world.store, first, OPENED)
    assert due(world) is None
    applied(world.store, first, Closing(sha256(b"one!")))
    assert world.store.jobs.due(State.FOUND, AT, "council", []) == second


def test_a_copy_whose_content_is_known_waits_for_the_one_that_is_on_its_way(world: World) -> None:
    first, second = world.drop("a.wav", b"same"), world.drop("b.wav", b"same")
    with world.store.database.transaction() as connection:
        connection.execute("UPDATE jobs SET sha256 = ?", (sha256(b"same"),))
    assert due(world) == "a.wav"
    assert world.store.jobs.due(State.FOUND, AT, "council", [first.id]) is None
    gone = world.store.jobs.get(first.id)
    assert gone is not None
    applied(world.store, gone, SourceGone("gone"))
    assert due(world) == "b.wav"
    assert second.id != first.id


@pytest.mark.parametrize("stuck", ["held", "failed", "another request", "another size", "changing", "failing"])
def test_nobody_waits_for_a_twin_that_is_none_or_gets_nowhere(world: World, stuck: str) -> None:
    first = world.drop("a.wav", b"one!")
    match stuck:
        case "held":
            applied(world.store, first, Held("it was there before"))
        case "failed":
            applied(world.store, first, Rejected("unreadable", ""))
        case "another request":
            world.store.jobs.follow(first, ENGLISH, AT)
        case "another size":
            world.put("a.wav", b"longer")
            world.scan()
        case "changing":
            world.put("a.wav", b"longer")
            world.scan(complete=False)
        case "failing":
            for _ in range(5):
                first = applied(world.store, first, Postponed(AT + 99, "the folder is full"))
    second = world.drop("b.wav", b"two!")
    assert world.store.jobs.due(State.FOUND, AT, "council", [first.id]) == second


def test_when_the_next_one_is_due_and_that_no_clock_makes_it_wait_for_years(world: World) -> None:
    first, second = world.drop("a.wav", b"1"), world.drop("b.wav", b"22")
    states = (State.FOUND, State.UPLOADING, State.CLOSING)
    assert world.store.jobs.next_due(states, AT) is None
    applied(world.store, first, Postponed(AT + 1e9, "wait"))
    applied(world.store, second, OPENED, Postponed(AT + 40, "wait"))
    assert world.store.jobs.next_due(states, AT) == AT + 40
    assert world.store.jobs.next_due(states, AT + 40) == AT + 1e9
    assert world.store.jobs.next_due((State.UPLOADED, State.TRANSCRIBING), AT) is None
    assert world.store.jobs.clamp(AT + 300) == 1
    assert world.store.jobs.next_due(states, AT + 40) == AT + 300


def test_picking_looks_at_no_finished_job_however_many_there_are(world: World) -> None:
    world.drop("a.wav", b"1")
    asked: list[str] = []
    with world.store.database.reading() as connection:
        connection.set_trace_callback(asked.append)
        for state in (State.FOUND, State.UPLOADING, State.CLOSING):
            world.store.jobs.due(state, AT, "council", [7])
            world.store.jobs.due(state, AT, None, [])
        world.store.jobs.due(State.TRANSCRIBING, AT, None, [])
        world.store.jobs.due(State.TRANSCRIBING, AT, "council", [7])
        world.store.waiting.due(AT, "https://api.example.org", "0123abcd")
        world.store.waiting.of_sessions("https://api.example.org", ["one", "two"])
        assert world.store.waiting.shares("https://api.example.org") == []
        world.store.jobs.next_due(tuple(State)[:6], AT)
        world.store.contents.size_known(world.job_of("a.wav"))
        world.store.jobs.fold(hashed(world.job_of("a.wav"), b"1"), AT)
        connection.set_trace_callback(None)
        asked = [query for query in asked if query.startswith("SELECT") and re.search(r"FROM\s+jobs", query)]
        assert len(asked) > 10
        held = [query for query in asked if "state = 'held'" in query]
        for query in set(asked) - set(held):
            plan = " | ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert "SCAN" not in plan, (query, plan)


# The scanner's book


def test_a_new_file_is_only_watched_until_it_settles(world: World) -> None:
    world.put("a.wav", b"1")
    world.scan(complete=False)
    source = world.store.sources.at("council", "a.wav")
    assert source is not None
    assert (source.present, source.settled, source.look.looks) == (True, False, 1)
    assert world.jobs() == []
    assert world.store.sources.unsettled("council") == 1
    world.scan()
    assert world.state_of("a.wav") is State.FOUND
    assert world.store.sources.unsettled("council") == 0


def test_what_needs_a_yes_is_held_and_keeps_its_reason(world: World) -> None:
    world.held_for = "it was there before"
    job = world.drop("a.wav", b"1")
    assert (job.state, job.reason, job.held_for) == (State.HELD, "it was there before", "it was there before")
    world.put("a.wav", b"22")
    world.scan()
    job = world.job_of("a.wav")
    assert (job.state, job.stat.size, job.reason) == (State.HELD, 2, "it was there before")
    applied(world.store, job, Approved())
    assert due(world) == "a.wav"


def test_other_content_is_held_for_what_is_true_of_it_now(world: World) -> None:
    world.held_for = "it was there before"
    world.drop("a.wav", b"1")
    world.put("a.wav", b"22")
    world.held_for = "came with a flood"
    world.scan()
    job = world.job_of("a.wav")
    assert (job.state, job.held_for) == (State.HELD, "came with a flood")
    world.path("a.wav").unlink()
    world.scan()
    world.put("a.wav", b"333")
    world.held_for = ""
    world.scan()
    assert world.job_of("a.wav").id == job.id
    assert world.state_of("a.wav") is State.FOUND, "nothing that it was held for is there any more"


def test_what_is_ignored_gets_no_job_until_it_has_other_content(world: World) -> None:
    world.put("a.wav", b"1")
    stat = Stat(1, 5, 5)
    admission = Admission(DUTCH, ignored=True)
    world.store.sources.record(
        "council", "", [Sighting("a.wav", stat, Look("boot", 1.0, 2), existing=True, admission=admission)], AT
    )
    source = world.store.sources.at("council", "a.wav")
    assert source is not None
    assert (source.ignored, source.existing, source.settled) == (True, True, True)
    assert world.jobs() == []
    world.scan()
    assert world.state_of("a.wav") is State.FOUND


def test_a_file_that_is_gone_and_comes_back_is_taken_up_again(world: World) -> None:
    job = world.drop("a.wav", b"1")
    path = world.path("a.wav")
    path.rename(world.base / "away.wav")
    world.scan()
    assert world.state_of("a.wav") is State.GONE
    source = world.store.sources.at("council", "a.wav")
    assert source is not None
    assert not source.present
    (world.base / "away.wav").rename(path)
    world.scan()
    assert world.job_of("a.wav").id == job.id
    assert due(world) == "a.wav"


def test_a_file_that_is_gone_after_it_was_sent_changes_nothing_for_its_job(world: World) -> None:
    job = ready(world.store, world.drop("a.wav", b"1"), b"1")
    world.path("a.wav").unlink()
    world.scan()
    assert world.store.jobs.get(job.id) == job
    assert world.history()[-1] == ("Missing", "a.wav is not there any more")
    assert world.store.deliveries.due(AT, ["council"], []) is None


def test_new_content_before_anything_was_paid_is_the_same_job(world: World) -> None:
    job = applied(world.store, world.drop("a.wav", b"1"), OPENED)
    world.put("a.wav", b"22")
    world.scan()
    after = world.job_of("a.wav")
    assert (after.id, after.state, after.stat.size, after.file_id) == (job.id, State.FOUND, 2, None)
    assert [event for event, _ in world.history()][-2:] == ["SourceChanged", "Resettled"]


def test_new_content_after_that_is_a_new_job(world: World) -> None:
    job = applied(world.store, world.drop("a.wav", b"1"), OPENED, Closing(sha256(b"1")))
    world.put("a.wav", b"22")
    world.scan()
    assert world.job_of("a.wav").id != job.id
    assert world.store.jobs.get(job.id) == job


def test_who_shares_a_job_gets_one_of_its_own_when_its_content_changes(world: World) -> None:
    first = ready(world.store, world.drop("a.wav", b"same"), b"same")
    world.store.jobs.fold(hashed(world.drop("b.wav", b"same"), b"same"), AT)
    world.put("b.wav", b"other")
    world.scan()
    assert world.job_of("b.wav").id != first.id
    assert world.job_of("a.wav") == first


def test_names_need_not_be_text_and_sentences_about_them_are(world: World) -> None:
    name = os.fsdecode(b"caf\xe9\n.wav")
    world.drop(name, b"1")
    source = world.store.sources.at("council", name)
    assert source is not None
    assert source.path == name
    assert world.store.views.named(name)[0].path == name
    job = applied(world.store, world.job_of(name), Postponed(AT, f"{name} is open", f"close {name}"))
    stored = world.store.jobs.get(job.id)
    assert stored is not None
    assert stored.reason == "caf\\xe9\n.wav is open"
    world.path(name).unlink()
    world.scan()
    assert world.state_of(name) is State.GONE
    assert world.history()[-1] == ("SourceGone", "caf\\xe9\\n.wav is not there any more")


def test_directories_and_their_files_are_found_again(world: World) -> None:
    world.put("2024/may/a.wav", b"1")
    world.scan("council", "2024/may")
    assert world.store.sources.directories("council") == ["2024/may"]
    assert list(world.store.sources.in_directory("council", "2024/may")) == ["a.wav"]
    source = world.store.sources.at("council", "2024/may/a.wav")
    assert source is not None
    assert (source.name, source.directory) == ("a.wav", "2024/may")
    assert world.store.sources.get(source.id) == source


def seen(world: World, path: str, number: int, look: Look, existing: bool = False) -> None:
    directory, _, name = path.rpartition("/")
    sighting = Sighting(name, Stat(9, number, number), look, existing)
    world.store.sources.record("council", directory, [sighting], world.now.wall)


def test_what_settles_is_counted_by_folder(world: World) -> None:
    seen(world, "a.wav", 1, Look(BOOT, 50.0, 1))
    seen(world, "b.wav", 2, Look(BOOT, 40.0, 1))
    seen(world, "may/c.wav", 3, Look(BOOT, 60.0, 1))
    seen(world, "may/d.wav", 4, Look("an earlier boot", 70.0, 1))
    assert (world.store.sources.unsettled("council"), world.store.sources.unsettled("court")) == (4, 0)


def test_a_file_that_never_stops_growing_is_known_by_since_when(world: World) -> None:
    sources, began = world.store.sources, world.now.wall
    for number in range(3):
        world.put("grows.wav", b"+" * (number + 1))
        world.put(f"{number}.wav", b"quiet")
        world.scan(complete=False)
        world.pass_time(100)
    world.scan()
    world.put("grows.wav", b"+" * 9)
    world.scan(complete=False)
    assert sources.restless("council", began + 300, 9) == [], "it was quiet in between"
    for number in range(10, 13):
        world.pass_time(100)
        world.put("grows.wav", b"+" * number)
        world.put(f"later{number}.wav", b"+")
        world.scan(complete=False)
    assert sources.restless("council", began + 301, 9) == [Restless("grows.wav", began + 300)]
    assert [one.path for one in sources.restless("council", began + 601, 9)] == ["grows.wav", "later12.wav"]
    assert [one.path for one in sources.restless("council", began + 601, 1)] == ["grows.wav"]
    world.path("grows.wav").unlink()
    world.scan(complete=False)
    assert sources.restless("council", began + 301, 9) == []


def test_what_arrived_is_counted_by_when_its_recording_came_but_not_what_was_there_before(world: World) -> None:
    sources = world.store.sources
    world.drop("early.wav", b"1")
    since = world.now.wall + 1
    world.pass_time(10)
    world.drop("late.wav", b"22")
    world.drop("gone.wav", b"333")
    world.path("gone.wav").unlink()
    world.scan()
    world.put("early.wav", b"4444")
    world.scan()
    seen(world, "existing.wav", 777, Look(BOOT, 1.0, 1), existing=True)
    assert sources.arrived("council", since) == 2, "another recording under a known name is one that came"
    world.touch("late.wav")
    world.pass_time(100)
    world.scan()
    assert sources.arrived("council", since + 50) == 0, "and a touched one is none"
    assert sources.arrived("council", since - 7200) == 0, "nor is one of a later hour"
    assert sources.arrived("court", since - 10) == 0


def test_what_has_not_settled_since_it_came_is_coming_now_and_is_counted_no_further_than_asked(world: World) -> None:
    sources = world.store.sources
    for number in range(5):
        world.put(f"{number}.wav", b"+" * (number + 1))
    world.scan(complete=False)
    world.pass_time(7200)
    since = world.now.wall - 3600
    assert [sources.arrived("council", since, most) for most in (0, 2, 4, 5)] == [1, 3, 5, 5]
    assert sources.arrived("council", since) == 5
    world.scan()
    assert [sources.arrived("council", since, most) for most in (0, 2, 4, 5)] == [1, 3, 5, 5]
    world.pass_time(10)
    assert sources.arrived("council", world.now.wall - 5) == 0


@pytest.mark.parametrize("decision", [Approved(), Dismissed()])
def test_a_word_about_one_of_a_flood_accounts_for_what_came_before_it_and_for_nothing_after(
    world: World, decision: Approved | Dismissed
) -> None:
    sources = world.store.sources
    for number in range(4):
        world.held_for = HELD_FOR_FLOOD if number == 2 else ""
        world.drop(f"{number}.wav", b"+" * (number + 1))
        world.pass_time(1)
    assert sources.arrived("council", AT) == 4
    world.store.jobs.apply(world.job_of("2.wav"), decision, world.now.wall)
    assert sources.arrived("council", AT) == 1


def test_another_inode_alone_changes_nothing_else(world: World) -> None:
    before = world.drop("a.wav", b"1")
    stat = world.found("council")["a.wav"]
    told = Stat(stat.size, stat.mtime_ns, stat.inode + 1)
    assert world.store.sources.record("council", "", [Sighting("a.wav", told)], world.now.wall) == 0
    after = world.store.sources.at("council", "a.wav")
    assert after is not None
    assert (after.stat, after.settled, after.present) == (told, True, True)
    assert world.jobs() == [before]


@pytest.mark.parametrize("state", [State.FOUND, State.READY])
@pytest.mark.parametrize("complete", [True, False])
def test_what_was_renamed_has_not_arrived(world: World, state: State, complete: bool) -> None:
    world.step_until(world.drop("a.wav", b"sound"), state)
    world.pass_time(10)
    since = world.now.wall
    world.rename("a.wav", "b.wav")
    world.scan(complete=complete)
    assert world.store.sources.arrived("council", since) == 0
    world.drop("c.wav", b"sound")
    assert world.store.sources.arrived("council", since) == 1


def test_the_scanners_questions_go_by_an_index_however_many_files_there_are(world: World) -> None:
    world.drop("a.wav", b"1")
    asked: list[str] = []
    with world.store.database.reading() as connection:
        connection.set_trace_callback(asked.append)
        world.store.sources.unsettled("council")
        world.store.sources.restless("council", AT, 5)
        world.store.sources.arrived("council", AT)
        world.store.sources.in_directory("council", "")
        world.rename("a.wav", "b.wav")
        world.scan()
        connection.set_trace_callback(None)
        plans = {}
        for query in asked:
            if query.startswith("SELECT") and "FROM sources" in query:
                plans[query] = " | ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert len(plans) > 6
    for query, plan in plans.items():
        assert "SCAN" not in plan, (query, plan)
        assert "TEMP B-TREE FOR GROUP BY" not in plan, (query, plan)
        indexed = "inode" not in query.split("WHERE")[1] or "sources_by_inode (folder=? AND inode=?)" in plan
        assert indexed, (query, plan)
    used = " ".join(plans.values())
    for index in ("sources_restless", "sources_by_arrival", "sources_by_inode"):
        assert index in used


# Requests of verbs


def test_what_a_verb_asks_waits_for_whoever_holds_the_state(world: World) -> None:
    (one, two) = world.store.requests.ask(Verb.RETRY, [4, 5], AT)
    assert [(request.id, request.job_id) for request in world.store.requests.open()] == [(one, 4), (two, 5)]
    world.store.requests.applied(world.store.requests.open()[0], "done", AT)
    assert world.store.requests.outcomes([one, two]) == ["done", None]
    assert [request.id for request in world.store.requests.open()] == [two]


@pytest.mark.parametrize("kind", list(QuestionKind))
def test_a_yes_to_a_folder_answers_the_question_that_it_asks_now(world: World, kind: QuestionKind) -> None:
    question = Question(kind, "cifs //nas/new", "it is another disk now")
    assert not world.store.sources.ask("council", question, AT)
    ours = world.store.requests.ask_folder(Verb.APPROVE, "council", AT)
    others = world.store.requests.ask_folder(Verb.APPROVE, "court", AT)
    assert apply_open_requests(world.store, lambda _source: DUTCH, world.now) == 2
    answered, nothing = world.store.requests.outcomes([ours, others])
    assert (answered or "").startswith("approved: ")
    assert nothing == "it asks nothing"
    assert world.store.sources.ask("council", question, AT)


def test_a_folders_question_is_answered_with_yes_or_not_at_all(world: World) -> None:
    question = Question(QuestionKind.EMPTY, "ext4", "it is empty, and was not")
    world.store.sources.ask("council", question, AT)
    asked = world.store.requests.ask_folder(Verb.DISMISS, "council", AT)
    apply_open_requests(world.store, lambda _source: DUTCH, world.now)
    assert "there is nothing to dismiss" in (world.store.requests.outcomes([asked])[0] or "")
    assert world.store.sources.open_question("council") == question


def test_a_yes_to_thousands_of_files_is_applied_a_few_at_a_time(world: World) -> None:
    world.held_for = "was there before"
    for number in range(AT_ONCE + 3):
        world.put(f"{number}.wav", b"a" * (number + 1))
    world.scan()
    world.store.requests.ask(Verb.APPROVE, [job.id for job in world.jobs()], AT)
    assert apply_some_requests(world.store, lambda _source: DUTCH, world.now) == AT_ONCE
    assert len(world.active()) == AT_ONCE
    assert apply_open_requests(world.store, lambda _source: DUTCH, world.now) == 3
    assert len(world.active()) == AT_ONCE + 3


def test_looking_for_what_is_to_be_delivered_reads_no_backlog(world: World) -> None:
    """By the steps of SQLite's machine, which count what is read."""

    def steps() -> int:
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1

        with world.store.database.reading() as connection:
            connection.set_progress_handler(tick, 1)
            assert world.store.deliveries.due(AT, ["council"], ()) is None
            connection.set_progress_handler(None, 0)
        return count

    world.held_for = "was there before"
    world.drop("a.wav", b"sound")
    few = steps()
    for number in range(300):
        world.put(f"{number}.wav", b"a" * (number + 9))
    world.scan()
    assert steps() <= few + 10


def test_what_lasts_is_told_when_it_begins(world: World) -> None:
    job = world.drop("a.wav", b"sound")
    before = len(world.history())
    for due, reason in enumerate(("away", "away", "away", "full", "away")):
        job = applied(world.store, job, Postponed(float(due), reason))
    assert [detail for _, detail in world.history()[before:]] == ["away", "full", "away"]
    assert (job.failures, job.due_at) == (5, 4.0)


def test_whether_anything_goes_on_is_what_the_counts_say(world: World) -> None:
    over = {"done", "ignored", "missing", "held", "failed", "gone", "dismissed"}

    def agrees() -> bool:
        counts = world.store.views.counts()
        goes_on = any(state not in over for _, state in counts)
        assert world.store.views.active() == goes_on
        assert not world.store.views.active(without={"council"})
        return goes_on

    assert not agrees()
    world.put("a.wav", b"sound")
    world.scan(complete=False)
    assert agrees()
    world.scan()
    job = world.job_of("a.wav")
    for _ in range(20):
        if world.state_of("a.wav") is State.READY:
            break
        assert agrees()
        world.step(job)
    assert agrees(), "there is a transcript to deliver"
    world.path("a.wav").unlink()
    world.scan()
    assert not agrees()


# A full disk


def _fill(directory: str, answers: multiprocessing.connection.Connection) -> None:
    """In a process of its own, because it gets a mount namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None):
        answers.send("no namespace")
        return
    if libc.mount(b"tmpfs", directory.encode(), b"tmpfs", 0, b"size=1m"):
        answers.send("no tmpfs")
        return
    world = World(Path(directory))
    kept = [world.drop(f"{number}.wav", bytes([65 + number]) * (number + 1)) for number in range(3)]
    filler = Path(directory) / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    try:
        for number in range(2000):
            job = world.store.jobs.get(kept[0].id)
            assert job is not None
            world.store.jobs.apply(job, Postponed(float(number), "x" * 2000), AT)
        answers.send("never full")
        return
    except StateTrouble as trouble:
        sentence = str(trouble)
    last = world.store.jobs.get(kept[0].id)
    filler.unlink()
    assert last is not None
    after = world.store.jobs.apply(last, Postponed(1.0, "goes on"), AT)
    world.restart()
    survived = [world.store.jobs.get(job.id) is not None for job in kept]
    with world.store.database.reading() as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    answers.send((sentence, after == world.store.jobs.get(kept[0].id), survived, verdict))
    world.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk in a namespace of its own")
def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path: Path) -> None:
    mine, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_fill, args=(str(tmp_path), theirs))
    process.start()
    theirs.close()
    try:
        assert mine.poll(60)
        answer = mine.recv()
    finally:
        process.join(10)
        process.close()
        mine.close()
    if answer in ("no namespace", "no tmpfs"):
        pytest.skip(f"this machine gives {answer}")
    sentence, goes_on, survived, verdict = answer
    assert "cannot be written" in sentence
    assert "make room" in sentence
    assert (goes_on, survived, verdict) == (True, [True] * 3, "ok")


def test_a_file_that_has_an_earlier_content_again_gets_that_transcript_again(world: World) -> None:
    first = ready(world.store, world.drop("a.wav", b"first"), b"first")
    delivery = world.store.deliveries.due(AT, ["council"], [])
    assert delivery is not None
    world.store.deliveries.apply(delivery, Delivered(), AT)
    other = ready(world.store, world.drop("a.wav", b"other"), b"other")
    assert world.job_of("a.wav") == other
    back = world.drop("a.wav", b"first")
    assert world.store.jobs.fold(hashed(back, b"first"), AT) == first
    assert world.job_of("a.wav") == first
    again = world.store.deliveries.due(AT, ["council"], [])
    assert again is not None
    assert (again.id, again.job_id) == (delivery.id, first.id)


def test_who_shares_a_job_is_never_given_the_transcript_of_another_files_new_content(world: World) -> None:
    paid = (OPENED, Closing(sha256(b"same")), UploadFinished())
    first = applied(world.store, world.drop("a.wav", b"same"), *paid, Rejected("no media", "", voids=True))
    world.store.jobs.fold(hashed(world.drop("b.wav", b"same"), b"same"), AT)
    applied(world.store, first, RetryRequested())
    world.put("a.wav", b"other")
    world.scan()
    theirs, ours = world.job_of("a.wav"), world.job_of("b.wav")
    assert theirs.id != ours.id == first.id
    source = world.store.sources.at("council", "b.wav")
    assert source is not None
    assert ours.stat == source.stat  # and it is sent from there
    assert due(world) == "a.wav"
    world.path("b.wav").unlink()
    world.scan()
    assert world.state_of("b.wav") is State.GONE


def test_a_persons_no_holds_for_a_file_that_was_merely_touched(world: World) -> None:
    world.held_for = "it was there before"
    applied(world.store, world.drop("a.wav", b"1"), Dismissed())
    world.touch("a.wav")
    world.scan()
    assert world.state_of("a.wav") is State.HELD


def test_the_sources_of_several_states_are_found_in_one_look(world: World) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        world.drop(name, name.encode() * 10)
    held = world.store.views.sources()[1]
    with world.store.database.transaction() as connection:
        connection.execute("UPDATE jobs SET state = 'held' WHERE id = ?", (held.job_id,))
    of_states = world.store.views.of_states(("held", "failed", "found"))
    assert {state: [view.path for view in views] for state, views in of_states.items()} == {
        "held": ["b.wav"], "failed": [], "found": ["a.wav", "c.wav"],
    }  # fmt: skip
    for state, views in of_states.items():
        assert list(views) == list(world.store.views.sources(state=state))
