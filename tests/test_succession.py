"""Renames, copies, deletes and edits: which job a path belongs to, and that nobody pays for another name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import BOOT, DUTCH, ENGLISH, Call, World, sha256

from scriptixd.jobs.delivering import Delivered
from scriptixd.jobs.events import Approved, Dismissed, Rejected, RetryRequested
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.source import CIRCUMSTANCES, Admission, Look, Sighting, Source
from scriptixd.jobs.store.sources import Sources

LONG = b"abcdefghijklmnopqrstuvwxyz" * 2  # three chunks of 20
OTHER = LONG[::-1]
ON_THE_WAY = [State.FOUND, State.UPLOADING, State.CLOSING, State.UPLOADED, State.TRANSCRIBING]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def source_at(world: World, path: str) -> Source:
    source = world.store.sources.at("council", path)
    assert source is not None
    return source


def events(world: World) -> list[str]:
    return [event for event, _ in world.history()]


def seen_first(world: World, *directories: str) -> None:
    """The new name is seen and the old one missed, and only then is it found settled."""
    world.scan("council", *directories, complete=False)
    world.scan("council", *directories)


def settled_first(world: World, *directories: str) -> None:
    """The new name has settled by the time that the old one is missed."""
    world.scan("council", *directories)


def miss(world: World, *directories: str) -> None:
    """A look at what is gone alone."""
    sources = world.store.sources
    for directory in directories or ("",):
        there = world.found("council", directory)
        known = sources.in_directory("council", directory)
        gone = [Sighting(name, None) for name, source in known.items() if source.present and name not in there]
        sources.record("council", directory, gone, world.now.wall)


def missed_first(world: World, *directories: str) -> None:
    """The old name is missed before the new one is looked for."""
    miss(world, *directories)
    world.scan("council", *directories, complete=False)
    world.scan("council", *directories)


ORDERS = pytest.mark.parametrize("look", [seen_first, settled_first, missed_first], ids=lambda look: look.__name__)
Look_ = Callable[..., None]


@ORDERS
@pytest.mark.parametrize("state", ON_THE_WAY)
def test_a_rename_on_the_way_goes_on_under_the_new_name(world: World, look: Look_, state: State) -> None:
    job = world.step_until(world.drop("a.wav", LONG), state)
    before = source_at(world, "a.wav")
    world.rename("a.wav", "b.wav")
    look(world)
    after = source_at(world, "b.wav")
    assert (after.id, after.present, after.settled) == (before.id, True, True)
    assert world.store.sources.at("council", "a.wav") is None
    assert world.job_of("b.wav").id == job.id
    assert ("Renamed", "a.wav → b.wav") in world.history()
    assert len(world.jobs()) == 1
    world.step_until(job, State.READY)
    assert list(world.service.paid.values()) == [1]
    if look is not missed_first:  # what is missing is given up, unless the last part was sent
        assert (world.service.asked[Call.CREATE], world.service.discarded) == (1, [])


@ORDERS
def test_a_rename_of_what_is_ready_shares_its_transcript_without_reading_or_sending(world: World, look: Look_) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.READY)
    first = world.store.deliveries.due(world.now.wall, ["council"], [])
    assert first is not None
    world.store.deliveries.apply(first, Delivered(), world.now.wall)
    asked, beats = world.service.asked.total(), world.gauge.beats
    world.rename("a.wav", "b.wav")
    look(world)
    assert world.job_of("b.wav").id == job.id
    assert len(world.jobs()) == 1
    assert not source_at(world, "a.wav").present
    delivery = world.store.deliveries.due(world.now.wall, ["council"], [])
    assert delivery is not None
    assert (delivery.source_id, delivery.job_id) == (source_at(world, "b.wav").id, job.id)
    assert (world.service.asked.total(), world.gauge.beats) == (asked, beats)
    world.rename("b.wav", "a.wav")
    look(world)
    assert world.job_of("a.wav").id == job.id
    assert len(world.jobs()) == 1


@ORDERS
def test_what_is_ready_under_another_request_is_another_transcript(world: World, look: Look_) -> None:
    world.step_until(world.drop("a.wav", LONG), State.READY)
    world.folders.rules["council", "b.wav"] = ENGLISH
    world.rename("a.wav", "b.wav")
    look(world)
    world.drive()
    assert world.service.paid == {(sha256(LONG), DUTCH.key): 1, (sha256(LONG), ENGLISH.key): 1}


@ORDERS
@pytest.mark.parametrize(("state", "request_"), [(State.FOUND, ENGLISH), (State.UPLOADING, DUTCH)])
def test_a_rename_into_another_rule_is_followed_until_the_upload_is_open(
    world: World, look: Look_, state: State, request_: object
) -> None:
    world.folders.rules["council", "b.wav"] = ENGLISH
    world.step_until(world.drop("a.wav", LONG), state)
    world.rename("a.wav", "b.wav")
    look(world)
    world.drive()
    assert world.job_of("b.wav").request == request_
    assert len(world.service.paid) == 1


@ORDERS
def test_a_persons_no_and_what_waits_for_a_yes_go_along_with_a_rename(world: World, look: Look_) -> None:
    world.held_for = "it was there before"
    held, dismissed = world.drop("held.wav", b"1"), world.drop("dismissed.wav", b"22")
    world.store.jobs.apply(dismissed, Dismissed(), world.now.wall)
    world.held_for = ""
    world.rename("held.wav", "h.wav")
    world.rename("dismissed.wav", "d.wav")
    look(world)
    assert (world.job_of("h.wav").id, world.state_of("h.wav")) == (held.id, State.HELD)
    assert (world.job_of("d.wav").id, world.state_of("d.wav")) == (dismissed.id, State.DISMISSED)
    assert len(world.jobs()) == 2


@ORDERS
def test_what_was_left_alone_is_left_alone_under_another_name(world: World, look: Look_) -> None:
    world.put("a.wav", b"1")
    stat = world.found("council")["a.wav"]
    ignored = Sighting("a.wav", stat, Look(BOOT, 1.0, 2), existing=True, admission=Admission(DUTCH, ignored=True))
    world.store.sources.record("council", "", [ignored], world.now.wall)
    world.rename("a.wav", "b.wav")
    if look is missed_first:
        miss(world)
    world.scan(complete=look is settled_first)
    after = source_at(world, "b.wav")
    assert (after.existing, after.ignored) == (True, True)
    assert world.jobs() == []


def test_what_was_there_before_and_was_growing_was_there_before_under_another_name(world: World) -> None:
    world.put("a.wav", b"1")
    stat = world.found("council")["a.wav"]
    seen = Sighting("a.wav", stat, Look(BOOT, 7.0, 2), existing=True)
    world.store.sources.record("council", "", [seen], world.now.wall)
    world.pass_time(9)
    world.rename("a.wav", "b.wav")
    world.scan(complete=False)
    after = source_at(world, "b.wav")
    assert (after.existing, after.settled, after.look) == (True, False, Look(BOOT, 7.0, 2))
    assert world.store.sources.restless("council", world.now.wall, 9)[0].since == world.now.wall - 9
    world.scan()
    assert world.state_of("b.wav") is State.FOUND


@ORDERS
@pytest.mark.parametrize("state", [State.FOUND, State.UPLOADING, State.READY])
def test_a_directory_that_is_renamed_takes_its_files_along(world: World, look: Look_, state: State) -> None:
    for number in range(5):
        world.put(f"may/{number}.wav", LONG + bytes([number]))
    world.scan("council", "may")
    before = {job.id: world.step_until(job, state).id for job in world.jobs()}
    world.path("may").rename(world.path("june"))
    look(world, "june", "may")
    assert {world.job_of(f"june/{number}.wav").id for number in range(5)} == set(before)
    world.drive()
    assert list(world.service.paid.values()) == [1] * 5


@ORDERS
@pytest.mark.parametrize("state", [State.FOUND, State.UPLOADING, State.CLOSING, State.READY])
def test_a_chain_of_renames_is_followed(world: World, look: Look_, state: State) -> None:
    job = world.step_until(world.drop("a.wav", LONG), state)
    world.rename("a.wav", "b.wav")
    look(world)
    world.rename("b.wav", "c.wav")
    look(world)
    world.rename("c.wav", "a.wav")
    look(world)
    assert world.job_of("a.wav").id == job.id
    world.drive()
    assert list(world.service.paid.values()) == [1]


def test_a_name_that_was_only_seen_in_passing_is_one_of_a_chain(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    world.rename("a.wav", "b.wav")
    there = world.found("council")["b.wav"]
    world.store.sources.record("council", "", [Sighting("b.wav", there, Look(BOOT, 1.0, 1))], world.now.wall)
    world.rename("b.wav", "c.wav")
    world.scan(complete=False)
    assert world.job_of("c.wav").id == job.id
    assert [source.present for source in world.store.jobs.sources(job.id)] == [True]
    world.drive()
    assert (world.service.asked[Call.CREATE], list(world.service.paid.values())) == (1, [1])


@ORDERS
@pytest.mark.parametrize("first", [*ON_THE_WAY, State.READY])
@pytest.mark.parametrize("second", [State.FOUND, State.UPLOADING, State.READY])
def test_two_files_that_change_names_are_paid_once_each(world: World, look: Look_, first: State, second: State) -> None:
    world.step_until(world.drop("a.wav", LONG), first)
    world.step_until(world.drop("b.wav", OTHER + b"!"), second)
    world.rename("a.wav", "between")
    world.rename("b.wav", "a.wav")
    world.rename("between", "b.wav")
    look(world)
    world.drive()
    assert sorted(world.service.paid.values()) == [1, 1]
    assert world.job_of("a.wav").sha256 == sha256(OTHER + b"!")
    assert world.job_of("b.wav").sha256 == sha256(LONG)


@ORDERS
@pytest.mark.parametrize("names", [("A.wav", "a.wav"), ("caf\u00e9.wav", "cafe\u0301.wav")], ids=["case", "unicode"])
def test_the_same_name_in_other_letters_is_another_name(world: World, look: Look_, names: tuple[str, str]) -> None:
    job = world.step_until(world.drop(names[0], LONG), State.UPLOADING)
    world.rename(*names)
    look(world)
    assert world.job_of(names[1]).id == job.id
    world.drive()
    assert list(world.service.paid.values()) == [1]


@pytest.mark.parametrize("state", [*ON_THE_WAY, State.READY])
@pytest.mark.parametrize("theirs", [State.FOUND, State.UPLOADING, State.READY])
def test_a_file_that_is_moved_over_another_one_goes_on_as_what_it_is(world: World, state: State, theirs: State) -> None:
    world.step_until(world.drop("b.wav", OTHER + b"!"), theirs)
    job = world.step_until(world.drop("a.wav", LONG), state)
    created = world.service.asked[Call.CREATE]
    world.rename("a.wav", "b.wav")
    seen_first(world)
    world.drive()
    assert world.job_of("b.wav").id == job.id
    assert world.service.asked[Call.CREATE] - created == (1 if state is State.FOUND else 0)
    assert world.service.paid[sha256(LONG), DUTCH.key] == 1
    assert world.service.completed == (2 if theirs is State.READY else 1)


def test_a_copy_that_has_other_content_by_now_is_given_no_transcript_of_the_old_one(world: World) -> None:
    world.step_until(world.drop("paid.wav", LONG), State.READY)
    job = world.drop("a.wav", LONG)
    copy = world.drop("b.wav", LONG)
    world.store.jobs.merge(copy, job, world.now.wall)
    world.put("b.wav", b"another recording")
    world.scan()
    world.drive()
    assert world.job_of("a.wav") == world.job_of("paid.wav")
    assert world.job_of("b.wav").sha256 == sha256(b"another recording")


def test_two_names_of_one_file_are_two_sources_and_paid_once(world: World) -> None:
    world.drop("a.wav", LONG)
    os.link(world.path("a.wav"), world.path("b.wav"))
    world.scan()
    assert source_at(world, "a.wav").id != source_at(world, "b.wav").id
    world.drive()
    assert world.job_of("a.wav") == world.job_of("b.wav")
    assert list(world.service.paid.values()) == [1]
    world.path("a.wav").unlink()
    world.scan()
    assert not source_at(world, "a.wav").present
    assert world.state_of("b.wav") is State.READY


def test_an_older_name_of_the_same_file_is_not_what_it_was_renamed_to(world: World) -> None:
    world.put("a.wav", b"1")
    stat = world.found("council")["a.wav"]
    ignored = Sighting("a.wav", stat, Look(BOOT, 1.0, 2), existing=True, admission=Admission(DUTCH, ignored=True))
    world.store.sources.record("council", "", [ignored], world.now.wall)
    world.pass_time(1)
    os.link(world.path("a.wav"), world.path("b.wav"))
    world.scan()
    world.path("b.wav").unlink()
    world.scan()
    assert world.state_of("b.wav") is State.GONE
    assert source_at(world, "a.wav").ignored


def test_a_yes_to_the_new_name_is_not_lost_with_the_old_one(world: World) -> None:
    world.held_for = "it was there before"
    world.drop("a.wav", b"1")
    os.link(world.path("a.wav"), world.path("b.wav"))
    world.scan()
    approved = world.store.jobs.apply(world.job_of("b.wav"), Approved(), world.now.wall)
    assert approved is not None
    world.path("a.wav").unlink()
    world.scan()
    assert (world.job_of("b.wav").id, world.state_of("b.wav")) == (approved.id, State.FOUND)


def test_what_was_stopped_is_still_stopped_under_another_name(world: World) -> None:
    job: Job | None = world.drop("a.wav", b"1")
    assert job is not None
    job = world.store.jobs.apply(job, Rejected("too large", "make it smaller"), world.now.wall)
    world.rename("a.wav", "b.wav")
    seen_first(world)
    assert world.job_of("b.wav") == job


@pytest.mark.parametrize("difference", ["inode", "size", "mtime"])
def test_another_file_is_no_other_name(world: World, difference: str) -> None:
    job = world.drop("a.wav", b"12")
    world.put("b.wav", b"12" if difference != "size" else b"123")
    if difference == "inode":
        stat = world.path("a.wav").stat()
        os.utime(world.path("b.wav"), ns=(stat.st_atime_ns, stat.st_mtime_ns))
    world.path("a.wav").unlink()
    world.scan(complete=False)
    assert world.job_of("a.wav").id == job.id
    assert world.state_of("a.wav") is State.GONE
    assert not source_at(world, "a.wav").present


def test_a_disk_without_inode_numbers_tells_of_no_renames(world: World) -> None:
    sources, look = world.store.sources, Look(BOOT, 1.0, 2)
    world.drop("unused.wav", b"unused")
    stat = world.found("council")["unused.wav"]
    bare = type(stat)(stat.size, stat.mtime_ns + 1, 0)
    sources.record("council", "", [Sighting("a.wav", bare, look, admission=Admission(DUTCH))], world.now.wall)
    sources.record("council", "", [Sighting("b.wav", bare, look)], world.now.wall)
    sources.record("council", "", [Sighting("a.wav", None)], world.now.wall)
    assert world.state_of("a.wav") is State.GONE
    assert source_at(world, "b.wav").id != source_at(world, "a.wav").id


def test_the_story_of_a_renamed_file_is_told_under_its_new_name_and_nobody_elses(world: World) -> None:
    world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    world.rename("a.wav", "b.wav")
    settled_first(world)
    world.drop("next.wav", b"next")
    views = world.store.views
    renamed, following = views.source("council", "b.wav"), views.source("council", "next.wav")
    assert renamed is not None
    assert following is not None
    assert [one.detail for one in views.story(renamed) if one.event == "Renamed"] == ["a.wav → b.wav"]
    assert [one.event for one in views.story(following)] == ["Settled"]


def test_a_folder_that_is_left_leaves_no_file_behind_another_name(world: World) -> None:
    world.drop("a.wav", b"1")
    os.link(world.path("a.wav"), world.path("b.wav"))
    os.makedirs(world.path("below"))
    os.link(world.path("a.wav"), world.path("below/c.wav"))
    world.scan("council", "", "below")
    world.store.sources.leave("council", world.now.wall)
    assert not world.store.sources.knows("council")
    assert world.active() == []


def test_the_scanner_may_use_the_sources_as_its_book() -> None:
    from scriptixd.watch.book import Book

    wanted = {name for name in vars(Book) if not name.startswith("_")}
    assert wanted <= set(dir(Sources))


# What a name says nothing about


def test_an_edited_file_that_is_renamed_is_not_what_it_was(world: World) -> None:
    world.step_until(world.drop("a.wav", b"old" * 9), State.READY)
    world.put("a.wav", b"new content" * 9)
    world.scan(complete=False)
    world.rename("a.wav", "b.wav")
    world.scan()
    world.scan()
    world.drive()
    assert world.job_of("b.wav").sha256 == sha256(b"new content" * 9)
    assert len(world.service.paid) == 2


def test_a_growing_file_that_is_moved_over_a_known_one_is_what_it_is(world: World) -> None:
    world.put("live.wav", b"grows" * 20)
    world.scan(complete=False)
    world.step_until(world.drop("meeting.wav", b"draft" * 9), State.READY)
    world.path("live.wav").replace(world.path("meeting.wav"))
    world.scan()
    world.scan()
    world.drive()
    assert world.job_of("meeting.wav").sha256 == sha256(b"grows" * 20)


@pytest.mark.parametrize("reason", sorted(CIRCUMSTANCES))
def test_a_touch_is_no_yes(world: World, reason: str) -> None:
    world.held_for = reason
    held, dismissed = world.drop("held.wav", b"1" * 50), world.drop("dismissed.wav", b"2" * 51)
    world.store.jobs.apply(dismissed, Dismissed(), world.now.wall)
    world.held_for = ""
    for name in ("held.wav", "dismissed.wav"):
        world.touch(name)
    world.scan()
    world.drive()
    assert world.state_of("held.wav") is State.HELD
    assert world.job_of("held.wav").held_for == reason
    assert world.state_of("dismissed.wav") is State.HELD
    assert world.service.paid == {}
    world.put("held.wav", b"another recording")
    world.scan()
    world.drive()
    assert list(world.service.paid) == [(sha256(b"another recording"), DUTCH.key)], held


def test_a_held_file_waits_under_another_name_that_is_seen_before_the_old_one_is_missed(world: World) -> None:
    world.held_for = "it was there before"
    world.drop("a.wav", b"1" * 50)
    world.held_for = ""
    world.rename("a.wav", "b.wav")
    settled_first(world)
    assert world.state_of("b.wav") is State.HELD
    world.drive()
    assert world.service.paid == {}


def test_a_file_that_was_refused_and_moved_away_goes_on_where_it_is_now(world: World) -> None:
    job = world.step_until(world.drop("x.wav", b"x" * 50), State.TRANSCRIBING)
    world.store.jobs.apply(job, Rejected("overloaded", "again", voids=True), world.now.wall)
    world.store.jobs.apply(world.job_of("x.wav"), RetryRequested(), world.now.wall)
    world.rename("x.wav", "away.tmp")
    world.scan()
    assert world.store.jobs.get(job.id) is not None
    copy = world.drop("y.wav", b"x" * 50)
    world.drive()
    assert world.state_of("y.wav") is State.READY, copy
