"""Local time: days of 23, 24.5 and 25 hours, midnights that do not exist, hours that come twice or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptixd.config.units import hours_of_day
from scriptixd.jobs.timetable import Calendar, Hours, Rates

AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
LORD_HOWE: Final = ZoneInfo("Australia/Lord_Howe")
SAO_PAULO: Final = ZoneInfo("America/Sao_Paulo")
CAIRO: Final = ZoneInfo("Africa/Cairo")
HOUR: Final = 3600.0  # s
ZONES: Final = (AMSTERDAM, LORD_HOWE, SAO_PAULO, CAIRO, ZoneInfo("America/Havana"), ZoneInfo("Asia/Kathmandu"), UTC)


def at(text: str) -> float:
    """A moment in UTC, as 2026-03-29 01:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def opens(zone: ZoneInfo, hours: str, moment: str) -> str:
    """When these hours begin at a moment in UTC, in UTC."""
    begins = Calendar(zone).when(at(moment), hours_of_day(hours).__contains__)
    assert begins is not None
    return f"{datetime.fromtimestamp(begins, UTC):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("zone", "moment", "start", "length"),
    [
        (AMSTERDAM, "2026-06-15 12:00", "2026-06-14 22:00", 24.0),
        (AMSTERDAM, "2026-03-29 12:00", "2026-03-28 23:00", 23.0),
        (AMSTERDAM, "2026-10-25 12:00", "2026-10-24 22:00", 25.0),
        (LORD_HOWE, "2026-10-04 02:00", "2026-10-03 13:30", 23.5),
        (LORD_HOWE, "2026-04-05 02:00", "2026-04-04 13:00", 24.5),
        (SAO_PAULO, "2018-11-04 12:00", "2018-11-04 03:00", 23.0),  # 00:00 does not exist
        (SAO_PAULO, "2018-11-04 02:59", "2018-11-03 03:00", 24.0),
        (SAO_PAULO, "2018-02-17 12:00", "2018-02-17 02:00", 25.0),
        (CAIRO, "2024-04-26 12:00", "2024-04-25 22:00", 23.0),  # 00:00 does not exist
        (CAIRO, "2024-10-31 12:00", "2024-10-30 21:00", 25.0),
        (ZoneInfo("America/Havana"), "2024-11-03 12:00", "2024-11-03 04:00", 25.0),  # 00:00 comes twice
    ],
)
def test_a_day_is_as_long_as_the_clocks_say(zone: ZoneInfo, moment: str, start: str, length: float) -> None:
    day = Calendar(zone).day(at(moment))
    assert day.start == at(start)
    assert (day.end - day.start) / HOUR == length
    assert at(moment) in day


def test_a_month_begins_and_ends_with_its_days() -> None:
    month = Calendar(AMSTERDAM).month(at("2026-03-15 12:00"))
    assert (month.start, month.end) == (at("2026-02-28 23:00"), at("2026-03-31 22:00"))
    november = Calendar(SAO_PAULO).month(at("2018-11-04 12:00"))
    assert (november.start, november.end) == (at("2018-11-01 03:00"), at("2018-12-01 02:00"))


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.integers(1_420_000_000, 2_050_000_000))
def test_days_and_months_follow_each_other_without_a_gap(zone: ZoneInfo, wall: int) -> None:
    calendar = Calendar(zone)
    for span_of, same in ((calendar.day, "%Y-%m-%d"), (calendar.month, "%Y-%m")):
        span = span_of(wall)
        assert span.start <= wall < span.end
        assert span_of(span.start) == span_of(span.end - 1) == span
        assert span_of(span.end).start == span.end
        assert span_of(span.start - 1).end == span.start
        shown = {f"{calendar.reading(one):{same}}" for one in (span.start, wall, span.end - 1)}
        assert len(shown) == 1


@pytest.mark.parametrize(
    ("zone", "hours", "moment", "begins"),
    [
        (AMSTERDAM, "19:00-07:00", "2026-06-15 12:00", "2026-06-15 17:00"),
        (AMSTERDAM, "19:00-07:00", "2026-06-15 18:30", "2026-06-15 18:30"),
        (AMSTERDAM, "19:00-07:00", "2026-03-28 12:00", "2026-03-28 18:00"),
        (AMSTERDAM, "19:00-07:00", "2026-03-29 12:00", "2026-03-29 17:00"),  # an hour earlier, by the sun
        (AMSTERDAM, "02:30-05:00", "2026-03-29 00:45", "2026-03-29 01:00"),  # 02:30 does not exist: 03:00 is within
        (AMSTERDAM, "02:10-02:50", "2026-03-29 00:45", "2026-03-30 00:10"),  # nor does any of it
        (AMSTERDAM, "02:30-05:00", "2026-10-25 00:15", "2026-10-25 00:30"),  # 02:30 comes twice: the first
        (AMSTERDAM, "02:30-05:00", "2026-10-25 01:05", "2026-10-25 01:30"),  # it is 02:05 once more
        (LORD_HOWE, "02:15-03:00", "2026-10-03 15:20", "2026-10-03 15:30"),  # 02:00 becomes 02:30
        (SAO_PAULO, "00:00-06:00", "2018-11-04 02:30", "2018-11-04 03:00"),  # 00:00 becomes 01:00
        (CAIRO, "00:30-06:00", "2024-04-25 21:00", "2024-04-25 22:00"),
        (UTC, "12:00-13:00, 19:00-24:00", "2026-06-15 13:00", "2026-06-15 19:00"),
        (UTC, "12:00-13:00, 19:00-24:00", "2026-06-15 00:00", "2026-06-15 12:00"),
    ],
)
def test_hours_begin_when_the_clock_on_the_wall_shows_them(
    zone: ZoneInfo, hours: str, moment: str, begins: str
) -> None:
    assert opens(zone, hours, moment) == begins


def test_hours_that_no_day_has_never_begin() -> None:
    assert Calendar(AMSTERDAM).when(at("2026-06-15 12:00"), lambda _: False) is None


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(["2026-03-29", "2026-10-25", "2026-10-04", "2026-04-05", "2018-11-04", "2024-04-26"]),
    st.integers(0, 2880),
    st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1440)), min_size=1, max_size=3),
)
def test_hours_begin_at_the_first_minute_that_is_in_them(
    zone: ZoneInfo, day: str, minute: int, pairs: list[tuple[int, int]]
) -> None:
    hours = Hours("", tuple(pair for pair in pairs if pair[0] != pair[1]))
    calendar, wall = Calendar(zone), at(f"{day} 00:00") - 86400 + minute * 60 + 7
    begins = calendar.when(wall, hours.__contains__)
    if not hours.pairs:
        assert begins is None
        return
    if begins is None:  # minutes that are skipped on just these days
        return
    assert calendar.time_of_day(begins) in hours
    between = int((begins - wall) // 60)
    assert not any(calendar.time_of_day(wall + 60 * step) in hours for step in range(between))


def test_hours_over_midnight_are_as_good_as_others() -> None:
    night = hours_of_day("19:00-07:00")
    assert [time in night for time in (0, 419, 420, 1139, 1140, 1439)] == [True, True, False, False, True, True]
    assert night.meets(hours_of_day("06:59-12:00"))
    assert not night.meets(hours_of_day("07:00-19:00"))
    assert all(time in hours_of_day("00:00-24:00") for time in range(1440))


def test_rates_change_at_their_times_and_go_over_midnight() -> None:
    rates = Rates(((480, 2.0), (1140, None)))
    assert [rates.at(time) for time in (0, 479, 480, 1139, 1140, 1439)] == [None, None, 2.0, 2.0, None, None]
    assert Rates(((600, 7.0),)).at(0) == 7.0


def test_without_a_zone_the_calendar_is_this_machines() -> None:
    now = at("2026-03-29 12:00")
    there = Calendar().day(now)
    local = datetime.fromtimestamp(now, UTC).astimezone()
    assert Calendar().time_of_day(now) == local.hour * 60 + local.minute
    assert timedelta(hours=22) <= timedelta(seconds=there.end - there.start) <= timedelta(hours=26)
