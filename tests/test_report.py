"""`report`: what was paid, month by month, and what was known already and cost nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from fakes import World

from scriptixd.cli.accounts import (
    MONTHS,
    UNKNOWN_RULE,
    Line,
    Months,
    Sums,
    lines,
    month_named,
    months_until,
    total,
)
from scriptixd.jobs.clock import local_day
from scriptixd.jobs.delivering import Delivered
from scriptixd.jobs.events import (
    Adopted,
    Closing,
    Hashed,
    Rejected,
    ResultReady,
    SessionKnown,
    UploadFinished,
    UploadOpened,
)
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.store.ledger import Entry

OPENED = UploadOpened("file-1", "http://127.0.0.1:1", "01234567", "{}", 60.0)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, folders=("council", "court"))
    yield made
    made.close()


def paid(desk: Desk, day: str, folder: str, seconds: float | None, job: int = 0, failed: int = 0) -> None:
    """A line in the ledger, as it stays when its job is no more."""
    with desk.store() as store, store.database.transaction() as connection:
        connection.execute(
            "INSERT INTO ledger (job_id, day, folder, media_seconds, failed, paid_at) VALUES (?, ?, ?, ?, ?, 0)",
            (job, day, folder, seconds, failed),
        )


def bill(desk: Desk, *options: str) -> dict[str, Any]:
    done = desk.say("report", "--json", *options)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def an_old_bill(desk: Desk) -> None:
    paid(desk, "2026-04-30", "council", 1800.0)
    paid(desk, "2026-05-01", "council", 3600.0)
    paid(desk, "2026-05-31", "council", 5400.0)
    paid(desk, "2026-05-31", "council", None, failed=1)
    paid(desk, "2026-05-20", "court", 900.0)
    paid(desk, "2026-06-01", "court", 60.0)


# Pure


def test_the_last_twelve_months_are_whole_and_this_one_is_among_them() -> None:
    assert months_until(date(2026, 11, 23)) == Months(date(2025, 12, 1), date(2026, 12, 1))
    assert months_until(date(2026, 12, 31)) == Months(date(2026, 1, 1), date(2027, 1, 1))
    spans = months_until(date(2026, 1, 1))
    assert (spans.first, spans.last) == ("2025-02", "2026-01")
    assert MONTHS == 12


@pytest.mark.parametrize("text", ["2026-5", "2026-13", "2026-00", "0000-01", "May 2026", "2026-05-01", "9999-99", ""])
def test_what_is_no_month_is_none(text: str) -> None:
    assert month_named(text) is None


def test_one_month_is_from_its_first_day_to_before_the_next_ones() -> None:
    assert month_named("2026-02") == Months(date(2026, 2, 1), date(2026, 3, 1))
    assert month_named("2026-12") == Months(date(2026, 12, 1), date(2027, 1, 1))


def test_entries_are_summed_up_by_month_folder_and_rule_and_all_of_them_once() -> None:
    entries = [
        Entry("2026-05", "council", "a.wav", 2, 30.0, 1, 1),
        Entry("2026-05", "council", "b.mp4", 1, 5.0),
        Entry("2026-04", "council", None, 1, 7.0),
        Entry("2026-05", "council", "c.wav", reused=1),
    ]
    found = lines(entries, lambda entry: "" if entry.path is None else entry.path[-4:])
    assert found == [
        Line("2026-04", "council", "", Sums(1, 7.0)),
        Line("2026-05", "council", ".mp4", Sums(1, 5.0)),
        Line("2026-05", "council", ".wav", Sums(2, 30.0, 1, 1, 1)),
    ]
    assert total(found) == Sums(4, 42.0, 1, 1, 1)


# What the state file knows


def entries(world: World, *, by_file: bool = False) -> Sequence[Entry]:
    at, ledger = world.now.wall, world.store.ledger
    return [
        *ledger.paid("2000-01-01", "2100-01-01", by_file=by_file),
        *ledger.reused("2000-01-01", "2100-01-01", at - 1e6, at + 1e6),
    ]


def adopt(world: World, job: Job) -> None:
    """A transcript that lies beside it is taken for its own."""
    for event in (Hashed("a" * 64), Adopted(b"{}", "session-1", None, 5.0)):
        current = world.store.jobs.get(job.id)
        assert current is not None
        assert world.store.jobs.apply(current, event, world.now.wall) is not None


def test_a_copy_is_reused_for_free_and_a_renamed_file_is_not(world: World) -> None:
    month = local_day(world.now.wall)[:7]
    job = world.step_until(world.drop("a.wav", b"a" * 50), State.READY)
    (paid_once,) = entries(world)
    assert (paid_once.folder, paid_once.jobs, paid_once.media_seconds, paid_once.reused) == ("council", 1, 5.0, 0)
    world.put("copy.wav", b"a" * 50, "court")
    world.scan("court")
    copy = world.job_of("copy.wav", "court")
    while world.job_of("copy.wav", "court").id != job.id:
        world.step(copy)
    assert entries(world)[1:] == [Entry(month, "court", "copy.wav", reused=1)]
    delivery = world.store.deliveries.due(world.now.wall, ["council"], ())
    assert delivery is not None
    world.store.deliveries.apply(delivery, Delivered(), world.now.wall)
    world.rename("a.wav", "renamed.wav")
    world.scan()
    world.scan()
    assert [entry.reused for entry in entries(world) if entry.folder == "council"].count(1) <= 1


def test_what_was_adopted_is_reused_from_its_first_file_on(world: World) -> None:
    job = world.drop("a.wav", b"a" * 50)
    adopt(world, job)
    (one,) = entries(world)
    assert (one.path, one.jobs, one.reused) == ("a.wav", 0, 1)


def test_what_waits_for_its_transcript_is_not_reused_yet(world: World) -> None:
    world.drop("a.wav", b"a" * 50)
    world.drop("b.wav", b"a" * 50)
    assert entries(world) == []


def test_what_failed_after_it_was_paid_is_told_and_paid_again_is_two(world: World) -> None:
    job = world.drop("a.wav", b"BROKEN" + b"a" * 50)
    world.step_until(job, State.FAILED)
    world.retry([job.id])
    world.step_until(job, State.FAILED)
    (sums,) = entries(world)
    assert (sums.jobs, sums.failed) == (2, 2)
    (by_file,) = entries(world, by_file=True)
    assert (by_file.path, by_file.jobs) == ("a.wav", 2)


def test_a_reuse_counts_on_its_local_day(world: World) -> None:
    job = world.drop("a.wav", b"a" * 50)
    adopt(world, job)
    at, day = world.now.wall, local_day(world.now.wall)
    after = datetime.fromtimestamp(at + 86_400.0, UTC).strftime("%Y-%m-%d")
    ledger = world.store.ledger
    assert len(ledger.reused(day, "2100-01-01", at, at)) == 1, "wherever its midnight is"
    assert ledger.reused("2000-01-01", day, at, at) == []
    assert ledger.reused(after, "2100-01-01", at, at) == []


# As it is typed


@contextmanager
def running(desk: Desk, really: bool) -> Iterator[None]:
    with desk.daemon() if really else nullcontext():
        yield


@pytest.mark.parametrize("daemon", [False, True], ids=["stopped", "running"])
def test_a_bill_as_a_table_with_its_total(desk: Desk, daemon: bool) -> None:
    an_old_bill(desk)
    with running(desk, daemon):
        told = desk.say("report", "--month", "2026-05")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == [
        "MONTH    FOLDER   JOBS  HOURS  LENGTH UNKNOWN  FAILED  REUSED",
        "2026-05  council     3   2.50               1       1       0",
        "2026-05  court       1   0.25               0       0       0",
        "total                4   2.75               1       1       0",
        "",
        "1 of the jobs told no length: the hours are those of the others",
    ]


def test_without_a_month_it_is_the_last_twelve(desk: Desk) -> None:
    today = date.fromisoformat(local_day(time.time()))
    paid(desk, today.isoformat(), "council", 60.0)
    paid(desk, today.replace(year=today.year - 1, day=1).isoformat(), "council", 60.0)
    told = bill(desk)
    assert [line["month"] for line in told["lines"]] == [f"{today:%Y-%m}"]
    assert told["until"] == f"{today:%Y-%m}"


def test_a_spreadsheet_gets_what_rfc_4180_says(desk: Desk) -> None:
    an_old_bill(desk)
    paid(desk, "2026-05-02", 'a "great", hall', 36.0)
    done = desk.say("report", "--month", "2026-05", "--csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    assert rows[0] == {
        "month": "2026-05", "folder": 'a "great", hall', "jobs": "1", "media_hours": "0.0100", "unknown_length": "0",
        "failed": "0", "reused": "0",
    }  # fmt: skip
    assert [row["folder"] for row in rows] == ['a "great", hall', "council", "court"]
    assert done.stdout.count("\r\n") == done.stdout.count("\n") == 4
    assert '"a ""great"", hall"' in done.stdout


def test_programs_get_seconds_and_the_readme_tells_of_every_key(desk: Desk) -> None:
    an_old_bill(desk)
    told = bill(desk, "--month", "2026-05")
    assert told["total"] == {"jobs": 4, "media_seconds": 9900.0, "unknown_length": 1, "failed": 1, "reused": 0}
    assert told["lines"][0] == {
        "month": "2026-05", "folder": "council", "rule": None, "jobs": 3, "media_seconds": 9000.0, "unknown_length": 1,
        "failed": 1, "reused": 0,
    }  # fmt: skip
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    section = readme.split("`report --json` has")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", section)) >= {*told, *told["lines"][0]}


def test_by_rule_it_is_the_one_that_holds_today(desk: Desk) -> None:
    desk.config.write_text(desk.config.read_text() + '    rules: [{match: "*.wav", language: en}]\n')
    for folder, name in (("court", "a.wav"), ("court", "b.mp4"), ("council", "c.wav")):
        desk.add(
            name, OPENED, Closing(name.encode().hex().ljust(64, "0")), UploadFinished(), folder=folder
        )  # three contents
    paid(desk, local_day(time.time()), "court", 3600.0, job=999)
    told = bill(desk, "--by", "rule")
    assert [(line["folder"], line["rule"], line["jobs"]) for line in told["lines"]] == [
        ("council", None, 1),
        ("court", None, 1),
        ("court", UNKNOWN_RULE, 1),
        ("court", "*.wav", 1),
    ]
    table = desk.say("report", "--by", "rule").stdout
    assert table.splitlines()[0].split() == [
        "MONTH", "FOLDER", "RULE", "JOBS", "HOURS", "LENGTH", "UNKNOWN", "FAILED", "REUSED",
    ]  # fmt: skip
    assert "(the folder's own)" in table
    rows = list(csv.DictReader(io.StringIO(desk.say("report", "--by", "rule", "--csv").stdout)))
    assert [row["rule"] for row in rows] == ["", "", UNKNOWN_RULE, "*.wav"]


def test_of_a_folder_that_is_not_configured_any_more_no_rule_is_known(desk: Desk) -> None:
    desk.add("a.wav", OPENED, Closing("a" * 64), UploadFinished(), folder="court")
    text = desk.config.read_text()
    desk.config.write_text(text.replace(f"  - path: {desk.base / 'court'}\n", ""))
    assert [line["rule"] for line in bill(desk, "--by", "rule")["lines"]] == [UNKNOWN_RULE]
    assert [line["folder"] for line in bill(desk)["lines"]] == ["court"]


def test_what_was_received_and_what_failed_is_in_it(desk: Desk) -> None:
    done = (OPENED, Closing("a" * 64), UploadFinished(), SessionKnown("s", 0.0), ResultReady(b"{}", 7200.0))
    desk.add("a.wav", *done)
    desk.add("b.wav", OPENED, Closing("b" * 64), UploadFinished(), Rejected("no speech engine", "", voids=True))
    (line,) = bill(desk)["lines"]
    assert (line["jobs"], line["media_seconds"], line["failed"]) == (2, 7260.0, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--month", "May"], "'May' is no month\n  write it as 2026-05"),
        (["--by", "person"], "--by person is nothing to sum up by\n  it is one of: folder, rule"),
        (["--csv", "--json"], "--csv and --json are two things\n  name one of them"),
    ],
)
def test_what_cannot_be_meant_is_said_so(desk: Desk, options: list[str], sentence: str) -> None:
    desk.see("a.wav")
    done = desk.say("report", *options)
    assert done.returncode == 2
    assert done.stderr == f"scriptixd: {sentence}\n"


def test_where_nothing_was_paid_a_sentence_says_so(desk: Desk) -> None:
    desk.see("a.wav")
    assert desk.say("report", "--month", "2026-05").stdout == (
        "nothing was paid, and nothing was known already: 2026-05\n"
    )
    assert bill(desk, "--month", "2026-05")["lines"] == []
    assert len(desk.say("report", "--month", "2026-05", "--csv").stdout.splitlines()) == 1
