"""What is kept no longer than the settings say, and what is kept for ever all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from delivery_room import SRT, Room
from house import house, tone

from scriptixd.captions.wishes import NO_WISHES
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Hashed
from scriptixd.jobs.job import State
from scriptixd.jobs.retention import AFTER_START, DAY, Retention
from scriptixd.jobs.store.database import open_for_reading, open_state
from scriptixd.jobs.store.expiry import AT_ONCE, ROOM
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.verbs import apply_open_requests

BOOT = 1000.0


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    for name in ("talks", "more"):
        (tmp_path / name).mkdir()
    built = Room(tmp_path / "talks", tmp_path / "state.db")
    yield built
    built.store.close()


def passes(room: Room, days: float, results: float | None = 90 * DAY, history: float | None = 365 * DAY) -> None:
    """So many days go by, and what is due to be forgotten is."""
    room.clock += days * DAY
    retention = Retention(room.store, results, history)
    wanted = retention.run_once(Now(room.clock, BOOT))
    assert wanted == BOOT + AFTER_START, "nothing at once"
    while wanted < BOOT + DAY:
        wanted = retention.run_once(Now(room.clock, wanted))


def count(room: Room, table: str) -> int:
    with room.store.database.reading() as connection:
        (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


def test_a_transcript_is_kept_for_its_time_and_no_longer(room: Room) -> None:
    room.ready("talk.mp4")
    room.work()
    passes(room, 89)
    assert count(room, "results") == 1
    passes(room, 2)
    assert count(room, "results") == 0
    passes(room, 10_000, results=None, history=None)
    assert count(room, "history") > 0, "null is for ever"


def test_what_waits_to_be_written_is_kept_for_as_long_as_it_takes(room: Room) -> None:
    room.folders.outputs = ("srt",)
    for name in ("talk.srt", "talk.mp4.srt", "talk.mp4.scriptix.srt"):
        (room.place / name).write_text("mine")
    source = room.ready("talk.mp4")
    room.work()
    passes(room, 400)
    assert count(room, "results") == 1
    (room.place / "talk.srt").unlink()
    room.work()
    assert (room.place / "talk.srt").read_text() == SRT
    passes(room, 1)
    assert count(room, "results") == 0
    room.missing(source.path)


def test_nothing_is_paid_again_for_what_is_forgotten(room: Room) -> None:
    room.ready("talk.mp4")
    room.work()
    room.missing("talk.mp4")
    (room.place / "talk.mp4").unlink()
    passes(room, 800)
    assert (count(room, "sources"), count(room, "deliveries"), count(room, "sidecars")) == (0, 0, 0)
    assert (count(room, "jobs"), count(room, "ledger"), count(room, "results")) == (1, 1, 0)
    with room.store.database.reading() as connection:
        said = "\n".join(connection.iterdump())
    assert "talk" not in said.replace("talks", ""), "no name is left"

    again = room.settle("speech.mp4", b"sound")
    job = room.store.jobs.newest_of(again.id)
    assert job is not None
    assert job.sha256 is None
    known = room.store.contents.same(room.apply(job, Hashed("0" * 64)))
    assert known is None
    assert room.store.contents.size_known(job), "it is read before it is sent"


def test_what_is_there_keeps_its_name_and_what_waits_for_somebody_too(room: Room) -> None:
    room.ready("talk.mp4")
    room.work()
    held = room.settle("held.mp4", b"other")
    job = room.store.jobs.newest_of(held.id)
    assert job is not None
    passes(room, 800)
    room.missing("held.mp4")
    passes(room, 364)
    assert count(room, "sources") == 2
    passes(room, 2)
    assert count(room, "sources") == 1, "its job was gone for a year"
    gone = room.store.jobs.get(job.id)
    assert gone is not None
    assert gone.state is State.GONE
    assert "held" not in gone.reason


def happened(room: Room, times: int, at: float) -> None:
    """So many lines of history of one moment."""
    with room.store.database.transaction():
        for number in range(times):
            room.store.jobs.remember(1, None, "Held", "held", str(number), at)


def test_history_goes_by_its_age_a_bite_at_a_time(room: Room) -> None:
    happened(room, AT_ONCE + 50, room.clock)
    room.clock += 366 * DAY
    happened(room, 1, room.clock)
    retention = Retention(room.store, None, 365 * DAY)
    retention.run_once(Now(room.clock, BOOT))
    retention.run_once(Now(room.clock, BOOT + AFTER_START))
    assert count(room, "history") == 51, "one bite"
    passes(room, 0)
    assert count(room, "history") == 1


@pytest.mark.parametrize("count_ahead", [1, AT_ONCE + 50])
def test_a_clock_that_was_years_ahead_keeps_no_history_for_years(room: Room, count_ahead: int) -> None:
    happened(room, count_ahead, room.clock + 4000 * DAY)
    happened(room, 3, room.clock)
    passes(room, 364)
    assert count(room, "history") == count_ahead + 3
    passes(room, 2)
    assert count(room, "history") == 0


def test_a_run_that_ends_by_itself_forgets_as_well(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        folder = home.folder("council", language="en")
        home.write_config()
        home.typed("run", "--once")
        with closing(Store(open_state(home.state))) as store:
            store.jobs.remember(1, None, "Held", "held", "long ago", 0.0)
        tone(folder / "one.wav", 0.5, 40)  # so that it takes a moment
        home.typed("run", "--once")
        with closing(Store(open_for_reading(home.state))) as store, store.database.reading() as connection:
            old = connection.execute("SELECT event FROM history WHERE at = 0").fetchall()
        assert old == []


def test_what_verbs_asked_is_forgotten_once_it_was_done(room: Room) -> None:
    source = room.ready("talk.mp4")
    room.work()
    view = room.store.views.source("talks", source.path)
    assert view is not None
    assert view.delivery_id is not None
    assert view.job_id is not None
    room.store.requests.ask_render([view.delivery_id], NO_WISHES.text, room.clock)
    apply_open_requests(room.store, lambda _: None, Now(room.clock, BOOT))
    room.clock += 40 * DAY
    room.store.requests.ask(Verb.RETRY, [view.job_id], room.clock - 35 * DAY)
    passes(room, 0)
    assert count(room, "requests") == 1, "what nobody has applied yet is not forgotten"


def test_what_the_file_needs_no_more_goes_back_to_the_disk_but_for_some_room(room: Room) -> None:
    size = 32 * 1024 * 1024
    room.ready("talk.mp4")
    room.work()
    with room.store.database.transaction() as connection:
        connection.execute("UPDATE results SET body = randomblob(?)", (size,))
    file = room.store.database.path
    room.store.database.empty_log()
    before = file.stat().st_size
    passes(room, 91)
    assert count(room, "results") == 0
    room.store.database.empty_log()
    assert before - file.stat().st_size > size / 3
    with room.store.database.reading() as connection:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert ROOM / 2 < free <= ROOM, "what comes next needs no growth"
