"""What may be sent now: real state file, real time zones, time injected."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptixd.config.units import hours_of_day
from scriptixd.daemon.standstills import Standstills
from scriptixd.jobs.bandwidth import AT_ONCE, Bucket
from scriptixd.jobs.bounds import ALL, Bounds, Limit
from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import DocumentType, Job, Request, State
from scriptixd.jobs.limits import PROMISED, SOON, Limiter
from scriptixd.jobs.ports import Standstill
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.timetable import Calendar, Rates
from scriptixd.roots.root import Stat

AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
HOUR: Final = 3600.0  # s
MIB: Final = 2**20
NIGHT: Final = Bounds(upload_hours=hours_of_day("19:00-07:00"))


def now(text: str) -> Now:
    """A moment in Amsterdam; the other clock goes with it."""
    wall = datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM).timestamp()
    return Now(wall, wall - 1_700_000_000)


def until(standstill: Standstill | None) -> str | None:
    """When it goes on, in Amsterdam; None if a person has to say so."""
    assert standstill is not None, "nothing stands still"
    if standstill.until is None:
        return None
    return f"{datetime.fromtimestamp(standstill.until, UTC).astimezone(AMSTERDAM):%Y-%m-%d %H:%M}"


def job(number: int, folder: str = "council") -> Job:
    return Job(number, State.FOUND, folder, Request("nl", DocumentType.CAPTION), Stat(1, 1, number))


class Town:
    """A state file, and limits that go by it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.number = 0

    def limiter(self, of_all: Bounds = Bounds(), **folders: Bounds) -> Limiter:  # noqa: B008 - it is frozen
        every = {"council": Bounds(), "court": Bounds(), **folders}
        return Limiter(of_all, every, self.store.openings, self.store.pauses, Calendar(AMSTERDAM))

    def opened(self, at: Now, hours: float | None = None, folder: str = "council", number: int | None = None) -> int:
        """An upload was opened, as the pipeline commits it; returns its job."""
        self.number += 1
        with self.store.database.transaction() as connection:
            connection.execute(
                "INSERT INTO openings (job_id, folder, media_seconds, opened_at) VALUES (?, ?, ?, ?)",
                (number or self.number, folder, hours * HOUR if hours is not None else None, at.wall),
            )
        return number or self.number


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with closing(Store(open_state(tmp_path / "state.db"))) as store:
        yield Town(store)


def test_without_limits_nothing_stands_still(town: Town) -> None:
    limiter, at = town.limiter(), now("2026-06-15 12:00")
    assert limiter.opening("council", at) is None
    assert limiter.feeding("council", at) is None
    assert limiter.admits(job(1), "council", 1e9, at) is None
    assert limiter.wait("council", MIB) == 0.0
    assert not limiter.halts(at)


def test_uploads_are_made_in_their_hours_alone(town: Town) -> None:
    limiter = town.limiter(NIGHT)
    noon = now("2026-06-15 12:00")
    for asked in (limiter.opening, limiter.feeding):
        assert until(asked("council", noon)) == "2026-06-15 19:00"
        assert asked("council", now("2026-06-15 19:00")) is None
        assert asked("council", now("2026-06-16 06:59")) is None
        assert until(asked("council", now("2026-06-16 07:00"))) == "2026-06-16 19:00"
    standstill = limiter.feeding("council", noon)
    assert standstill is not None
    assert standstill.reason == "uploads are made from 19:00-07:00 only, as limits.upload_hours says"


def test_hours_are_right_on_the_days_on_which_clocks_are_set(town: Town) -> None:
    limiter = town.limiter(Bounds(upload_hours=hours_of_day("02:30-05:00")))
    spring, autumn = now("2026-03-28 23:00"), now("2026-10-24 23:00")
    for at, hours in ((spring, 3), (autumn, 3.5)):  # 02:30 is 03:00; 02:30 comes for the first time
        standstill = limiter.feeding("council", at)
        assert standstill is not None
        assert standstill.until == at.wall + hours * HOUR
        assert limiter.feeding("council", Now(standstill.until, 0.0)) is None
    assert until(limiter.feeding("council", Now(autumn.wall + 4.25 * HOUR, 0.0))) == "2026-10-25 02:30"


def test_of_the_hours_of_all_and_of_a_folder_both_must_be_on(town: Town) -> None:
    limiter = town.limiter(NIGHT, council=Bounds(upload_hours=hours_of_day("06:00-20:00")))
    assert until(limiter.opening("council", now("2026-06-15 12:00"))) == "2026-06-15 19:00"
    assert until(limiter.opening("council", now("2026-06-15 20:00"))) == "2026-06-16 06:00"
    assert until(limiter.opening("council", now("2026-06-16 07:30"))) == "2026-06-16 19:00"
    assert limiter.opening("court", now("2026-06-15 20:00")) is None


@pytest.mark.parametrize("whose", [ALL, "council"])
def test_so_many_files_are_begun_on_a_day_and_no_more(town: Town, whose: str) -> None:
    bounds = Bounds(files_per_day=2)
    limiter = town.limiter(bounds) if whose == ALL else town.limiter(council=bounds)
    town.opened(now("2026-06-14 23:59"))
    at = now("2026-06-15 12:00")
    for _ in range(2):
        assert limiter.opening("council", at) is None
        town.opened(at)
    standstill = limiter.opening("council", at)
    assert until(standstill) == "2026-06-16 00:00"
    assert standstill is not None
    allows = "limits.files_per_day allows" if whose == ALL else "its files_per_day allows"
    assert standstill.reason.endswith(f"were sent today, as many as {allows}")
    assert limiter.feeding("council", at) is None, "what is begun goes on"
    assert (limiter.opening("court", at) is None) is (whose != ALL)
    assert limiter.opening("council", now("2026-06-16 00:00")) is None


@pytest.mark.parametrize(
    ("morning", "evening", "tomorrow"),
    [
        ("2026-03-29 00:01", "2026-03-29 23:59", "2026-03-30 00:00"),
        ("2026-10-25 00:01", "2026-10-25 23:59", "2026-10-26 00:00"),
    ],
)
def test_a_day_of_23_or_25_hours_is_one_day(town: Town, morning: str, evening: str, tomorrow: str) -> None:
    limiter = town.limiter(Bounds(files_per_day=1))
    town.opened(now(morning))
    assert until(limiter.opening("council", now(evening))) == tomorrow
    assert limiter.opening("council", now(tomorrow)) is None


def test_a_day_that_does_not_begin_at_midnight_begins_when_the_date_changes(town: Town) -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    limits = Limiter(Bounds(files_per_day=1), {}, town.store.openings, town.store.pauses, Calendar(zone))
    before = datetime(2018, 11, 3, 23, 59, tzinfo=zone).timestamp()
    town.opened(Now(before, 0.0))
    standstill = limits.opening("council", Now(before, 0.0))
    assert standstill is not None
    assert standstill.until == before + 60
    assert datetime.fromtimestamp(standstill.until, zone).strftime("%d %H:%M") == "04 01:00"


def test_hours_of_media_count_once_a_job_and_where_they_are_known(town: Town) -> None:
    limiter, at = town.limiter(Bounds(hours_per_day=10)), now("2026-06-15 12:00")
    first = town.opened(at, 6.0)
    for _ in range(5):
        town.opened(at, 6.0, number=first)  # its upload was lost, again and again
    for _ in range(50):
        town.opened(at, None)
    assert limiter.opening("council", at) is None
    assert limiter.admits(job(900), "council", 4 * HOUR, at) is None
    standstill = limiter.admits(job(901), "council", 3 * HOUR, at)
    assert until(standstill) == "2026-06-15 12:00", "the place of another that is just being opened"
    town.opened(at, 4.0, number=900)
    assert until(limiter.opening("council", at)) == "2026-06-16 00:00"
    assert limiter.admits(job(901), "council", 4.5 * HOUR, now("2026-06-16 00:00")) is None


def test_what_does_not_fit_into_a_day_any_more_waits_for_the_next_and_says_how_much_is_left(town: Town) -> None:
    limiter, at = town.limiter(council=Bounds(hours_per_day=10)), now("2026-06-15 12:00")
    town.opened(at, 8.2)
    standstill = limiter.admits(job(900), "council", 3 * HOUR, at)
    assert until(standstill) == "2026-06-16 00:00"
    assert standstill is not None
    assert standstill.reason == (
        "it plays 3.0 h, 8.2 h of media of council were sent today, and its hours_per_day allows 10"
    )
    assert limiter.admits(job(901), "council", 1 * HOUR, at) is None
    assert limiter.admits(job(902, "court"), "court", 30 * HOUR, at) is None


@pytest.mark.parametrize("bounds", [Bounds(hours_per_day=2), Bounds(hours_per_month=2)])
def test_a_job_that_is_longer_than_all_hours_goes_alone_and_not_never(town: Town, bounds: Bounds) -> None:
    limiter, at = town.limiter(bounds), now("2026-06-15 12:00")
    town.opened(at, 0.5)
    fresh = "2026-06-16 00:00" if bounds.hours_per_day else "2026-07-01 00:00"
    assert until(limiter.admits(job(900), "council", 5 * HOUR, at)) == fresh
    assert limiter.admits(job(900), "council", 5 * HOUR, now(fresh)) is None
    town.opened(now(fresh), 5.0, number=900)
    assert limiter.admits(job(901), "council", 60.0, now(fresh)) is not None


def test_what_is_longer_than_a_whole_day_comes_first_on_a_fresh_one(town: Town) -> None:
    limiter, at, fresh = town.limiter(Bounds(hours_per_day=2)), now("2026-06-15 12:00"), now("2026-06-16 00:00")
    town.opened(at, 0.5)
    assert until(limiter.admits(job(900), "council", 5 * HOUR, at)) == "2026-06-16 00:00"
    assert limiter.admits(job(901, "court"), "court", HOUR, at) is None, "today its place is nobody's"
    town.opened(at, 1.0, "court", number=901)
    standstill = limiter.admits(job(902, "court"), "court", HOUR, fresh)
    assert standstill is not None
    assert standstill.until == fresh.wall + SOON
    assert limiter.admits(job(900), "council", 5 * HOUR, fresh) is None
    town.opened(fresh, 5.0, number=900)
    assert until(limiter.admits(job(902, "court"), "court", HOUR, fresh)) == "2026-06-17 00:00"


def test_the_stricter_of_two_limits_says_when_it_goes_on(town: Town) -> None:
    of_all = Bounds(upload_hours=hours_of_day("19:00-07:00"), files_per_day=1)
    limiter = town.limiter(of_all, council=Bounds(hours_per_month=1))
    evening = now("2026-06-15 20:00")
    town.opened(evening, 2.0)
    assert until(limiter.opening("court", evening)) == "2026-06-16 00:00"
    assert until(limiter.opening("council", evening)) == "2026-07-01 00:00"
    # At noon the hours say 19:00, and at 19:00 the day is still used up.
    town.opened(now("2026-06-16 01:00"), 0.1, "court")
    assert until(limiter.opening("court", now("2026-06-16 12:00"))) == "2026-06-17 00:00"
    assert until(limiter.feeding("court", now("2026-06-16 12:00"))) == "2026-06-16 19:00"


def test_of_two_that_are_opened_at_once_only_one_takes_the_last_place(town: Town) -> None:
    limiter, at = town.limiter(Bounds(files_per_day=1)), now("2026-06-15 12:00")
    assert limiter.admits(job(1), "council", None, at) is None
    standstill = limiter.admits(job(2), "council", None, at)
    assert standstill is not None
    assert standstill.until == at.wall + SOON
    assert limiter.admits(job(1), "council", None, at) is None, "its own place is no obstacle to it"
    later = Now(at.wall + PROMISED, at.boot + PROMISED)
    assert limiter.admits(job(2), "council", None, later) is None, "the first was never opened"
    town.opened(later, number=2)
    assert until(limiter.admits(job(1), "council", None, later)) == "2026-06-16 00:00"


def test_who_asks_with_an_older_moment_does_not_take_a_place_that_is_kept(town: Town) -> None:
    limiter, at = town.limiter(Bounds(files_per_day=1)), now("2026-06-15 12:00")
    assert limiter.admits(job(1), "council", None, at) is None
    earlier = Now(at.wall - 200, at.boot - 200)  # as a thread has it that has read a large file meanwhile
    assert limiter.admits(job(2), "council", None, earlier) is not None


def test_what_was_opened_is_known_after_a_restart(town: Town) -> None:
    at = now("2026-06-15 12:00")
    town.opened(at, 1.0)
    assert town.limiter(Bounds(files_per_day=1)).opening("council", at) is not None
    assert town.limiter(Bounds(hours_per_month=1)).opening("council", at) is not None


def test_a_clock_that_is_set_back_counts_that_day(town: Town) -> None:
    limiter = town.limiter(Bounds(files_per_day=1))
    town.opened(now("2026-06-15 12:00"))
    assert limiter.opening("council", now("2026-06-15 12:00")) is not None
    assert limiter.opening("council", now("2026-06-14 12:00")) is None
    town.opened(now("2026-06-14 12:00"))
    assert until(limiter.opening("council", now("2026-06-14 12:00"))) == "2026-06-15 00:00"
    assert limiter.opening("council", now("2026-06-15 12:00")) is not None


def test_a_pause_holds_until_somebody_says_so(town: Town) -> None:
    limiter, at = town.limiter(NIGHT), now("2026-06-15 12:00")
    assert town.store.pauses.pause("council", at.wall)
    assert limiter.look_again(), "something is paused that was not"
    assert not limiter.look_again()
    for asked in (limiter.opening, limiter.feeding):
        assert until(asked("council", at)) is None
        assert until(asked("court", at)) == "2026-06-15 19:00"
    assert town.store.pauses.pause(ALL, at.wall)
    limiter.look_again()
    assert until(limiter.feeding("court", at)) is None
    assert town.store.pauses.resume(ALL)
    assert not limiter.look_again(), "what goes on is no new pause"
    assert until(limiter.feeding("council", at)) == "2026-06-15 19:00"
    assert not town.store.pauses.resume("council")


def test_everything_that_stands_still_is_told_with_whom_and_until_when(town: Town) -> None:
    limiter, at = town.limiter(NIGHT, court=Bounds(files_per_day=1)), now("2026-06-15 12:00")
    town.opened(at, folder="court")
    town.store.pauses.pause("council", at.wall)
    limiter.look_again()
    told = {(halt.folder, halt.limit): halt.standstill for halt in limiter.halts(at)}
    assert told.keys() == {
        (ALL, Limit.UPLOAD_HOURS), ("council", Limit.PAUSE), ("court", Limit.FILES_PER_DAY),
    }  # fmt: skip
    assert until(told[ALL, Limit.UPLOAD_HOURS]) == "2026-06-15 19:00"
    assert until(told["council", Limit.PAUSE]) is None
    assert told["council", Limit.PAUSE].hint == "to go on: scriptixd resume council"
    assert until(told["court", Limit.FILES_PER_DAY]) == "2026-06-16 00:00"


def test_a_standstill_is_told_when_it_begins_and_when_it_ends_and_not_in_between(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "scriptixd.limits")
    limiter = town.limiter(NIGHT)
    standstills = Standstills(limiter)
    for minute in range(5):
        standstills.look(now(f"2026-06-15 12:0{minute}"))
    assert [halt.limit for halt in standstills.last()] == [Limit.UPLOAD_HOURS]
    town.store.pauses.pause("court", 0.0)
    limiter.look_again()
    for minute in range(5):
        standstills.look(now(f"2026-06-15 19:0{minute}"))
    town.store.pauses.resume("court")
    limiter.look_again()
    assert not standstills.look(now("2026-06-15 19:05"))
    begun, *others = caplog.messages
    assert begun.startswith("uploads are made from 19:00-07:00 only, as limits.upload_hours says; it goes on at 2026-")
    assert sorted(others) == [
        "uploads go on: upload_hours lets them again",
        "uploads of court are not paused any more",
        "uploads of court are paused (to go on: scriptixd resume court)",
    ]


WEEK: Final = 7 * 24 * 60  # minutes
BOUNDS: Final = st.builds(
    Bounds,
    upload_hours=st.sampled_from(
        [None, *map(hours_of_day, ("19:00-07:00", "02:30-03:30", "06:00-20:00, 02:00-04:00"))]
    ),
    files_per_day=st.none() | st.integers(1, 3),
    hours_per_day=st.none() | st.floats(0.5, 4.0),
    hours_per_month=st.none() | st.floats(1.0, 20.0),
)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["2026-03-27 00:00", "2026-10-23 00:00", "2026-06-28 00:00"]),
    BOUNDS,
    BOUNDS,
    st.lists(st.tuples(st.integers(0, WEEK), st.none() | st.floats(0.01, 6.0)), max_size=30),
)
def test_limits_hold_and_what_stands_still_goes_on_when_it_was_said(
    tmp_path_factory: pytest.TempPathFactory,
    begin: str,
    of_all: Bounds,
    of_council: Bounds,
    arrivals: list[tuple[int, float | None]],
) -> None:
    place = tmp_path_factory.mktemp("limits") / "state.db"
    with closing(Store(open_state(place))) as store:
        town, start = Town(store), now(begin)
        limiter = town.limiter(of_all, council=of_council)
        days: dict[str, list[float]] = {}
        calendar = Calendar(AMSTERDAM)
        for number, (minute, hours) in enumerate(sorted(arrivals, key=lambda one: one[0]), start=1):
            at = Now(start.wall + minute * 60, start.boot + minute * 60)
            seconds = hours * HOUR if hours is not None else None
            standstill = limiter.admits(job(number), "council", seconds, at)
            if standstill is not None:
                assert standstill.until is not None
                assert standstill.until > at.wall
                then = Now(standstill.until, at.boot + standstill.until - at.wall)
                assert town.limiter(of_all, council=of_council).admits(job(number), "council", seconds, then) is None
                continue
            assert all(
                calendar.time_of_day(at.wall) in bounds.upload_hours
                for bounds in (of_all, of_council)
                if bounds.upload_hours is not None
            )
            town.opened(at, hours, number=number)
            days.setdefault(f"{calendar.reading(at.wall):%Y-%m-%d}", []).append(hours or 0.0)
        for bounds in (of_all, of_council):
            for lengths in days.values():
                assert bounds.files_per_day is None or len(lengths) <= bounds.files_per_day
                assert bounds.hours_per_day is None or _fits(lengths, bounds.hours_per_day)


def _fits(lengths: list[float], most: float) -> bool:
    """Within the limit, or one that is longer than all of it and nothing with a length beside it."""
    return sum(lengths) <= most + 1e-6 or sum(length > 0 for length in lengths) == 1


def test_asking_costs_microseconds_with_a_hundred_thousand_openings(town: Town) -> None:
    at = now("2026-06-15 12:00")
    with town.store.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO openings (job_id, folder, media_seconds, opened_at) VALUES (?, 'council', 60, ?)",
            ((number, at.wall - number) for number in range(100_000)),
        )
    limiter = town.limiter(
        Bounds(files_per_day=10**6, hours_per_month=10**6), council=Bounds(upload_hours=NIGHT.upload_hours)
    )
    limiter.opening("council", at)
    reads = []
    town.store.database._connection.set_progress_handler(lambda: reads.append(1), 1000)
    try:
        for _ in range(1000):
            limiter.opening("council", at)
            limiter.feeding("council", at)
    finally:
        town.store.database._connection.set_progress_handler(None, 0)
    assert len(reads) < 1000, "each asking reads the openings anew"


# How fast


def sent(bucket: Bucket, start: Now, seconds: float, piece: int) -> list[tuple[float, int]]:
    """One thread that sends pieces as fast as it may: when each went out, and how much."""
    out, passed = [], 0.0
    while passed < seconds:
        passed += bucket.take(piece, Now(start.wall + passed, start.boot + passed))
        out.append((passed, piece))
    return out


@settings(deadline=None)
@given(st.integers(2**14, 2**30), st.integers(512, 2**14))
def test_no_more_than_the_rate_goes_out_and_never_much_at_once(rate: int, piece: int) -> None:
    start = now("2026-06-15 12:00")
    out = sent(Bucket(Rates(((0, float(rate)),)), Calendar(AMSTERDAM)), start, 2000 * piece / rate, piece)
    times = [when for when, _ in out]
    first = 0
    for last, when in enumerate(times):
        while when - times[first] > 1.0:
            first += 1
        assert (last - first + 1) * piece <= rate * (1.0 + AT_ONCE) + 2 * piece
    assert times[-1] >= (len(out) * piece - rate * AT_ONCE - piece) / rate * 0.99, "faster than the rate"
    assert len(out) * piece >= rate * times[-1] * 0.99, "slower than the rate"


def test_a_timetable_is_followed_while_an_upload_runs() -> None:
    bucket = Bucket(Rates(((480, 2.0 * MIB), (1140, None))), Calendar(AMSTERDAM))
    before = now("2026-06-15 18:59:50")
    out = sent(bucket, before, 9.9, 16 * 1024)
    assert 0.9 <= sum(piece for _, piece in out) / (9.9 * 2 * MIB) <= 1.1
    later = Now(before.wall + 10, before.boot + 10)
    assert [bucket.take(MIB, later) for _ in range(100)] == [0.0] * 100
    morning = Now(before.wall + 13 * HOUR + 10, before.boot + 13 * HOUR + 10)
    assert bucket.take(2 * MIB, morning) == pytest.approx(1.0), "at 08:00 nothing is left over from the night"


def test_all_threads_share_one_rate_and_a_folder_has_its_own_within(town: Town) -> None:
    rates = Rates(((0, 8.0 * MIB),))
    limiter = Limiter(
        Bounds(bandwidth=rates),
        {"council": Bounds(bandwidth=Rates(((0, 1.0 * MIB),))), "court": Bounds()},
        town.store.openings,
        town.store.pauses,
        Calendar(AMSTERDAM),
    )
    began = time.monotonic()
    out: dict[str, int] = {"council": 0, "court": 0}

    def send(folder: str) -> None:
        while time.monotonic() - began < 2.0:
            time.sleep(limiter.wait(folder, 16 * 1024))
            out[folder] += 16 * 1024

    threads = [threading.Thread(target=send, args=(folder,)) for folder in ("council", "court", "court")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    assert out["council"] <= 1.0 * MIB * (took + AT_ONCE) + 2 * 16 * 1024
    assert out["council"] + out["court"] <= 8.0 * MIB * (took + AT_ONCE) + 4 * 16 * 1024
    assert out["court"] > out["council"]
