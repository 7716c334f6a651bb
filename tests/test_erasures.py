"""What is planned to be erased at the service: in the transaction of what makes it superfluous, and until it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import DUTCH, START, World, sha256

from scriptixd.errors import FileTrouble
from scriptixd.jobs.delivering import Delivered, Unwanted
from scriptixd.jobs.events import (
    Closing,
    Dismissed,
    Event,
    Hashed,
    Rejected,
    ResultReady,
    RetryRequested,
    SessionKnown,
    SourceBack,
    SourceChanged,
    SourceGone,
    UploadFinished,
    UploadLost,
    UploadOpened,
)
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.store.erasures import ABANDONED, Erasure, Remnant
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.verbs import apply_open_requests
from scriptixd.roots.root import Stat

AT = START.wall
HERE = ("https://api.example.org", "01234567")
OPENED = UploadOpened("file", *HERE, "{}", 12.0)
CLOSING = Closing(sha256(b"sound"))
KNOWN = SessionKnown("session", 0.0)
READY = (OPENED, CLOSING, UploadFinished(), KNOWN, ResultReady(b"{}", 12.0))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, folders=("council", "court"))
    yield made
    made.close()


def applied(world: World, job: Job, *events: Event) -> Job:
    for event in events:
        after = world.store.jobs.apply(job, event, AT)
        assert after is not None
        job = after
    return job


def planned(world: World) -> list[Erasure]:
    rows, at = [], 0.0
    while (due := world.store.erasures.next_due(at)) is not None:
        at = due
    while (row := world.store.erasures.due(at, *HERE)) is not None:
        rows.append(row)
        world.store.erasures.done(row, "200", AT)
    return rows


def brief(world: World) -> list[tuple[str, str, float]]:
    return [(row.kind.value, row.remote_id, row.due_at - AT) for row in planned(world)]


def copy(world: World) -> None:
    """The same content in another folder, which has been read."""
    world.drop("b.wav", b"sound", "court")
    world.store.jobs.fold(applied(world, world.job_of("b.wav", "court"), Hashed(sha256(b"sound"))), AT)


def ready(world: World, name: str = "a.wav", folder: str = "council") -> Job:
    return applied(world, world.drop(name, b"sound", folder), *READY)


def deliver(world: World, job: Job, event: Delivered | Unwanted, nth: int = 0) -> None:
    with world.store.database.reading() as connection:
        ids = [id_ for (id_,) in connection.execute("SELECT id FROM deliveries WHERE job_id = ?", (job.id,))]
    delivery = world.store.deliveries.get(ids[nth])
    assert delivery is not None
    world.store.deliveries.apply(delivery, event, AT)


def ask(world: World, verb: Verb, job: Job) -> None:
    world.store.requests.ask(verb, [job.id], AT)
    apply_open_requests(world.store, lambda _source: DUTCH, world.now)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([SourceChanged("changed")], 0.0),
        ([SourceGone("gone")], ABANDONED),
        ([SourceGone("gone"), SourceBack(Stat(9, 9, 9))], 0.0),
        ([Rejected("refused", "")], ABANDONED),
        ([Rejected("refused", ""), Dismissed()], 0.0),
        ([UploadLost("404")], 0.0),
    ],
    ids=["changed", "gone", "back with other content", "failed", "dismissed", "not known"],
)
def test_an_unfinished_upload_that_nobody_goes_on_with_is_given_up(
    world: World, events: list[Event], expected: float
) -> None:
    applied(world, world.drop("a.wav", b"sound"), OPENED, *events)
    assert brief(world) == [("upload", "file", expected)]


@pytest.mark.parametrize("end", [SourceGone("gone"), Rejected("refused", "")], ids=["gone", "failed"])
def test_one_that_goes_on_after_all_is_not_given_up(world: World, end: Event) -> None:
    job = applied(world, world.drop("a.wav", b"sound"), OPENED, end)
    again = SourceBack(job.stat) if job.state is State.GONE else RetryRequested()
    assert applied(world, job, again).state is State.UPLOADING
    assert brief(world) == []


def test_an_upload_that_was_opened_for_a_job_that_has_moved_on_is_given_up(world: World) -> None:
    job = world.drop("a.wav", b"sound")
    applied(world, job, SourceGone("gone"))
    assert world.store.jobs.apply(job, OPENED, AT) is None
    assert brief(world) == [("upload", "file", 0.0)]


def test_the_upload_of_a_job_that_shares_another_ones_content_is_given_up_and_that_ones_story_tells_of_it(
    world: World,
) -> None:
    first = ready(world)
    second = applied(world, world.drop("b.wav", b"other"), UploadOpened("second", *HERE, "{}", None))
    with world.store.database.transaction() as connection:
        connection.execute("UPDATE jobs SET size = ? WHERE id = ?", (first.stat.size, second.id))
    shared = world.store.jobs.close_or_fold(world.store.jobs.get(second.id) or second, sha256(b"sound"), AT)
    assert shared is not None
    assert shared.id == first.id
    rows = planned(world)
    assert [(row.job_id, row.kind, row.remote_id) for row in rows] == [(first.id, Remnant.UPLOAD, "second")]
    assert world.history()[-1] == ("Erased", "upload second, and answered 200")


@pytest.mark.parametrize(("wait", "expected"), [(0.0, 0.0), (30.0, 30.0)])
def test_a_transcript_is_erased_so_long_after_its_sidecars_lie_there(
    world: World, wait: float, expected: float
) -> None:
    job = ready(world)
    assert brief(world) == [], "never before it was delivered"
    deliver(world, job, Delivered("", wait))
    assert brief(world) == [("session", "session", expected)]


def test_one_that_is_to_be_kept_is_not_planned(world: World) -> None:
    deliver(world, ready(world), Delivered())
    assert brief(world) == []


def test_what_two_files_share_is_planned_once_and_for_the_earlier_date(world: World) -> None:
    job = ready(world)
    copy(world)
    deliver(world, job, Delivered("", 90.0), 0)
    deliver(world, job, Delivered("", 30.0), 1)
    assert brief(world) == [("session", "session", 30.0)]


def test_what_was_erased_is_not_planned_again_for_a_copy_that_comes_later(world: World) -> None:
    job = ready(world)
    deliver(world, job, Delivered("", 0.0))
    assert len(planned(world)) == 1
    copy(world)
    deliver(world, job, Delivered("", 0.0), 1)
    assert brief(world) == []


def test_what_the_service_could_not_transcribe_is_erased(world: World) -> None:
    job = applied(world, world.drop("a.wav", b"sound"), OPENED, CLOSING, UploadFinished(), KNOWN)
    applied(world, job, Rejected("no media", "", voids=True))
    assert brief(world) == [("session", "session", 0.0)]


def test_what_failed_otherwise_is_kept_for_a_retry_until_it_is_dismissed(world: World) -> None:
    job = applied(world, world.drop("a.wav", b"sound"), OPENED, CLOSING, UploadFinished(), KNOWN, Rejected("late", ""))
    assert brief(world) == []
    job = applied(world, job, Dismissed())
    job = applied(world, job, RetryRequested())
    assert job.state is State.TRANSCRIBING
    assert brief(world) == [], "it is wanted again"
    applied(world, job, Rejected("late", ""), Dismissed())
    assert brief(world) == [("session", "session", 0.0)]


def test_a_transcript_that_no_file_wants_any_more_is_erased(world: World) -> None:
    job = ready(world)
    deliver(world, job, Unwanted("other content"))
    assert brief(world) == [("session", "session", 0.0)]


def test_a_transcript_that_comes_when_no_file_wants_it_any_more_is_erased(world: World) -> None:
    job = applied(world, world.drop("a.wav", b"sound"), *READY[:-1])
    with world.store.database.transaction() as connection:
        connection.execute("UPDATE deliveries SET state = 'dropped'")
    applied(world, job, READY[-1])
    assert brief(world) == [("session", "session", 0.0)]


@pytest.mark.parametrize("delivered", [True, False])
def test_what_is_transcribed_anew_is_erased_unless_it_still_waits_to_be_delivered(
    world: World, delivered: bool
) -> None:
    job = ready(world)
    if delivered:
        deliver(world, job, Delivered())
    ask(world, Verb.REDO, job)
    assert brief(world) == ([("session", "session", 0.0)] if delivered else [])


def test_a_failed_job_that_is_redone_gives_its_unfinished_upload_up_at_once(world: World) -> None:
    job = applied(world, world.drop("a.wav", b"sound"), OPENED, Rejected("refused", ""))
    ask(world, Verb.REDO, job)
    assert brief(world) == [("upload", "file", 0.0)]


def test_a_plan_is_part_of_its_transaction(world: World) -> None:
    job = applied(world, world.drop("a.wav", b"sound"), OPENED)
    with pytest.raises(FileTrouble), world.store.database.transaction():
        world.store.jobs.apply(job, SourceChanged("changed"), AT)
        raise FileTrouble("and nothing of it was")
    assert brief(world) == []


def test_a_job_that_rests_lets_go_of_what_is_erased(world: World) -> None:
    job = applied(world, world.drop("a.wav", b"sound"), OPENED, SourceGone("gone"))
    world.store.jobs.let_go(job.id, "file", AT)
    back = applied(world, world.jobs()[0], SourceBack(job.stat))
    assert (back.state, back.file_id) == (State.FOUND, None)


def test_a_job_that_works_and_one_that_nobody_can_decide_let_go_of_nothing(world: World) -> None:
    job = applied(world, world.drop("a.wav", b"sound"), OPENED, CLOSING)
    world.store.jobs.let_go(job.id, "file", AT)
    assert world.jobs() == [job]
    job = applied(world, job, Rejected("undecidable", ""), Dismissed())
    world.store.jobs.let_go(job.id, "file", AT)
    assert world.jobs() == [job]


def test_only_what_is_ours_is_due_and_the_rest_is_a_strangers(world: World) -> None:
    applied(world, world.drop("a.wav", b"sound"), OPENED, SourceChanged("changed"))
    erasures = world.store.erasures
    assert erasures.due(AT, *HERE) is not None
    assert erasures.estranged(AT, *HERE) is None
    for other in ((HERE[0], "89abcdef"), ("https://elsewhere.example.org", HERE[1])):
        assert erasures.due(AT, *other) is None
        assert erasures.estranged(AT, *other) is not None


def test_what_waits_is_told_when_it_begins_counted_and_due_again_after_a_start(world: World) -> None:
    applied(world, world.drop("a.wav", b"sound"), OPENED, SourceChanged("changed"))
    erasures = world.store.erasures
    assert erasures.pressing(AT)
    for failures in range(3):
        row = erasures.due(AT + failures, *HERE)
        assert row is not None
        erasures.postpone(row, AT + failures + 1, "the service is away", "wait", AT, failed=True)
    assert [event for event, _ in world.history()].count("ErasurePostponed") == 1
    backlog = erasures.backlog()
    assert (backlog.planned, backlog.waiting, backlog.reason, backlog.hint) == (1, 1, "the service is away", "wait")
    assert erasures.due(AT, *HERE) is None
    erasures.take_up(AT)
    row = erasures.due(AT, *HERE)
    assert row is not None
    assert row.failures == 3
    assert not erasures.pressing(AT), "there is something in its way"


def test_no_plan_outlives_a_clock_that_was_wrong(world: World) -> None:
    job = ready(world)
    world.store.erasures.plan(job, AT + 1e9, 30.0)
    world.store.erasures.take_up(AT)
    assert brief(world) == [("session", "session", 30.0)]


def test_a_file_is_told_of_every_erasure_of_the_jobs_that_it_had(world: World) -> None:
    job = ready(world)
    deliver(world, job, Delivered("", 60.0))
    source = world.store.sources.at("council", "a.wav")
    assert source is not None
    (row,) = world.store.erasures.of_source(source.id)
    assert (row.kind, row.due_at, row.since) == (Remnant.SESSION, AT + 60.0, AT)
    assert world.store.erasures.places(row) == [("council", "a.wav")]
    world.store.erasures.keep(row, "delete_remote is off by now", AT)
    assert world.store.erasures.of_source(source.id) == []
    assert world.history()[-1] == ("Kept", "session session, delete_remote is off by now")
