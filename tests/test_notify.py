"""Being told: what is said when, in which words, by a real apprise to a real receiver; and never an address."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fakes import World, refused_key
from house import House, house
from receiver import TOKEN, Receiver, receiving

from scriptixd.cli.receivers import receivers
from scriptixd.config.settings import Notify, Secret
from scriptixd.daemon.matters import Matters
from scriptixd.daemon.telling import LOOK, REFUSED_REST, Telling
from scriptixd.errors import Away, FolderTrouble, QuotaTrouble, ReceiverTrouble, ShareTrouble, StateTrouble, Stopped
from scriptixd.jobs.breakers import Pause
from scriptixd.jobs.clock import Now
from scriptixd.jobs.delivering import Delivered
from scriptixd.jobs.events import Approved, Held, Rejected
from scriptixd.jobs.job import State
from scriptixd.jobs.news import Condition, Day, Matter, Names, Stop, Stops, Subject, Told, Topic
from scriptixd.jobs.timetable import Calendar
from scriptixd.observe import messages
from scriptixd.observe.bulletin import GATHERING, OFFLINE_AFTER, REST, Decision, Facts, decide
from scriptixd.observe.courier import Courier, fingerprint, masked
from scriptixd.roots.paths import veiled
from scriptixd.watch.report import Offline, ScanReport

WALL = 1_700_000_000.0
YEAR = 365 * 86_400.0  # s
ALL = frozenset(Topic)
ACCOUNT = Subject(Matter.ACCOUNT)
QUOTA = Subject(Matter.QUOTA)
SHARE = Subject(Matter.SHARE, "council")
OTHER_SHARE = Subject(Matter.SHARE, "archive")
QUESTION = Subject(Matter.QUESTION, "council")


def at(seconds: float) -> Now:
    return Now(WALL + seconds, 1000.0 + seconds)


def holds(*subjects: Subject, since: float = -10_000.0) -> Facts:
    return Facts([Condition(one, f"{one.matter} is wrong", "mend it", WALL + since) for one in subjects])


def failed(count: int, through: int = 500, folder: str = "council") -> Facts:
    names = [f"{number}.mp4" for number in range(min(count, messages.NAMED))]
    named = tuple(Stop(folder, name, "no media", "convert it") for name in names)
    return Facts(stops={Topic.FAILED: Stops({folder: count}, named, through)})


class Listener:
    """One receiver whose every message arrives; what was decided for it, moment by moment."""

    def __init__(self, on: frozenset[Topic] = ALL) -> None:
        self.on = on
        self.told = Told()
        self.last = Decision(None, self.told, {})

    def at(self, seconds: float, facts: Facts = Facts(), *, hurry: bool = False) -> str:  # noqa: B008 - frozen
        """The title of what is said, without its beginning; empty where nothing is."""
        self.last = decide(self.told, facts, self.on, self.last.gathering, at(seconds), hurry=hurry)
        self.told = self.last.told
        return messages.title(self.last.bulletin, "x").partition(": ")[2] if self.last.bulletin else ""

    def said(self, *moments: tuple[float, Facts]) -> list[str]:
        return [self.at(seconds, facts) for seconds, facts in moments]


# What is said when


def test_what_comes_within_the_time_of_gathering_is_one_message() -> None:
    listener = Listener()
    assert listener.said((0, failed(1)), (10, failed(200)), (GATHERING - 1, failed(499)), (GATHERING, failed(500))) == [
        "", "", "", "500 file(s) failed",
    ]  # fmt: skip
    assert listener.told.marks == {Topic.FAILED: 500}
    assert listener.at(GATHERING + 5) == ""


def test_what_goes_on_is_one_message_an_hour() -> None:
    listener = Listener()
    moments = [(float(second), failed(second + 1, through=second)) for second in range(0, 3 * 3600, 5)]
    said = [title for title in listener.said(*moments) if title]
    assert len(said) == 3
    assert listener.told.news == {Topic.FAILED: WALL + GATHERING + 2 * REST}


def test_another_topic_does_not_wait_for_the_hour_of_the_first() -> None:
    listener = Listener()
    listener.said((0, failed(1)), (30, failed(1)))
    assert listener.said((100, holds(ACCOUNT)), (130, holds(ACCOUNT))) == ["", "account in trouble"]


def test_what_may_be_told_comes_along_without_its_own_gathering() -> None:
    listener = Listener()
    both = Facts(holds(QUOTA).conditions, stops=failed(3).stops)
    assert listener.said((0, failed(3)), (29, failed(3)), (30, both)) == ["", "", "3 file(s) failed; quota in trouble"]


@pytest.mark.parametrize("subject", [ACCOUNT, QUOTA, SHARE, QUESTION, Subject(Matter.AWAY), Subject(Matter.OPENING)])
def test_what_lasts_is_told_once_and_so_is_its_end(subject: Subject) -> None:
    listener = Listener()
    over = Facts(over={subject})
    begun = listener.said((0, holds(subject)), (30, holds(subject)), (60, holds(subject)), (9000, holds(subject)))
    assert [bool(title) for title in begun] == [False, True, False, False]
    ended = listener.said((10_000, over), (10_030, over), (10_060, Facts()), (20_000, Facts()))
    assert [bool(title) for title in ended] == [False, True, False, False]
    assert listener.told.open == frozenset()


def test_what_ends_before_it_was_told_is_never_told() -> None:
    listener = Listener()
    assert listener.said((0, holds(ACCOUNT)), (25, Facts(over={ACCOUNT})), (60, Facts())) == ["", "", ""]
    assert listener.at(70, holds(ACCOUNT)) == "", "and begins to gather anew"


def test_what_comes_and_goes_is_told_no_more_than_twice_an_hour() -> None:
    listener = Listener()
    said = []
    for minute in range(120):
        facts = holds(ACCOUNT) if minute % 2 == 0 else Facts(over={ACCOUNT})
        said += [listener.at(minute * 60.0, facts), listener.at(minute * 60.0 + 35, facts)]
    assert [title for title in said if title] == ["account in trouble", "account in order again"] * 2


def test_a_folder_that_is_away_for_less_than_five_minutes_is_nobodys_concern() -> None:
    listener = Listener()
    away = holds(SHARE, since=0.0)
    quiet = [(float(second), away) for second in range(0, int(OFFLINE_AFTER), 5)]
    assert set(listener.said(*quiet)) == {""}
    assert listener.said((OFFLINE_AFTER, away), (OFFLINE_AFTER + GATHERING, away)) == ["", "council in trouble"]


def test_the_end_of_one_of_several_is_told_as_such() -> None:
    listener = Listener()
    both = holds(SHARE, OTHER_SHARE)
    assert listener.said((0, both), (30, both)) == ["", "council, archive in trouble"]
    one = Facts(holds(SHARE).conditions, over={OTHER_SHARE})
    assert listener.said((5000, one), (5030, one)) == ["", "archive in order again"]
    assert listener.told.open == {SHARE}


def test_a_restart_says_nothing_again_and_waits_for_evidence_of_an_end() -> None:
    before = Listener()
    before.said((0, holds(ACCOUNT)), (30, holds(ACCOUNT)))
    after = Listener()
    after.told = before.told
    assert after.said((100, Facts()), (5000, Facts())) == ["", ""], "nobody has asked the service yet"
    assert after.said((6000, holds(ACCOUNT)), (6100, holds(ACCOUNT))) == ["", ""]
    assert after.said((7000, Facts(over={ACCOUNT})), (7030, Facts(over={ACCOUNT}))) == ["", "account in order again"]


def test_what_nobody_watches_any_more_is_forgotten_without_a_word() -> None:
    listener = Listener()
    listener.said((0, holds(SHARE)), (30, holds(SHARE)))
    assert listener.at(60, Facts(dropped={SHARE})) == ""
    assert listener.told.open == frozenset()


def test_only_what_was_chosen_is_told() -> None:
    listener = Listener(frozenset({Topic.QUOTA}))
    facts = Facts([*holds(ACCOUNT, SHARE, QUESTION).conditions], stops=failed(9).stops, day=DAY)
    assert listener.said((0, facts), (100, facts), (10_000, facts)) == ["", "", ""]
    assert listener.last.gathering == {}


def test_who_is_about_to_end_gathers_no_longer() -> None:
    listener = Listener()
    assert listener.at(0, failed(2)) == ""
    assert listener.at(1, failed(3), hurry=True) == "3 file(s) failed"
    assert listener.at(2, failed(4), hurry=True) == "", "but an hour is an hour"


def test_a_clock_that_was_set_back_is_no_reason_to_be_silent() -> None:
    listener = Listener()
    listener.said((0, failed(1)), (30, failed(1)))
    earlier = -1_000_000.0
    assert listener.said((earlier, failed(2)), (earlier + 30, failed(2))) == ["", "2 file(s) failed"]


DAY = Day(738_837, 738_837, 14, 27_000.0, 2, 3, 5)


def test_the_summary_of_a_day_is_told_at_once_and_once() -> None:
    listener = Listener()
    assert listener.at(0, Facts(day=DAY)) == "14 file(s) done, 2023-11-13"
    assert listener.told.marks == {Topic.SUMMARY: DAY.last}
    assert listener.last.bulletin is not None
    body = messages.body(listener.last.bulletin, Names.FULL)
    assert body == "2023-11-13: 14 file(s) done, 7.5 hour(s) of media. Now: 2 failed, 3 held, 5 waiting"


def test_a_summary_does_not_end_the_gathering_of_others() -> None:
    listener = Listener()
    assert listener.at(0, Facts(stops=failed(1).stops, day=DAY)) == "14 file(s) done, 2023-11-13"
    assert listener.at(30, failed(7)) == "7 file(s) failed"


# In which words


def words(facts: Facts, names: Names = Names.FULL, ended: Sequence[Subject] = ()) -> str:
    told = Told(open=frozenset(ended))
    decision = decide(told, Facts(facts.conditions, ended, (), facts.stops), ALL, {}, at(0), hurry=True)
    assert decision.bulletin is not None
    return messages.body(decision.bulletin, names)


def test_a_message_says_what_happened_to_which_file_and_what_to_do() -> None:
    lines = words(failed(500)).splitlines()
    assert lines[0] == "500 file(s) failed: 500 in council"
    assert lines[1:6] == [f"- council/{number}.mp4: no media (convert it)" for number in range(5)]
    assert lines[6] == "- and 495 other(s)"
    assert "scriptixd retry --failed" in lines[7]
    assert words(holds(ACCOUNT)) == "account: account is wrong (mend it)"
    assert words(Facts(), ended=[ACCOUNT, SHARE]) == "account: works again\n\ncouncil: can be reached again"


def test_names_that_are_to_be_hidden_are_nowhere_and_neither_is_what_may_quote_them() -> None:
    secret = Stop("council", "jan/jansen.mp4", "jan/jansen.mp4 is no media, says jansen", "rename jansen.mp4")
    stops = Stops({"council": 1}, (secret,), 7)
    conditions = [Condition(QUOTA, "402: nothing left for jansen.mp4", "", WALL)]
    body = words(Facts(conditions, stops={Topic.FAILED: stops, Topic.HELD: stops}), Names.HASH)
    assert "jan" not in body
    assert body.count(f"- council/{veiled('council/jan/jansen.mp4')}") == 2
    assert "quota: the account is used up (scriptixd status tells why)" in body
    for matter in Matter:
        assert words(holds(Subject(matter, "council")), Names.HASH)


def test_names_from_a_disk_are_escaped() -> None:
    evil = Stop("council", "a\x1b[31m\n\u202e\udce9.mp4", "", "")
    body = words(Facts(stops={Topic.HELD: Stops({"council": 1}, (evil,), 7)}))
    assert "- council/a\\x1b[31m\\n\\u202e\\xe9.mp4" in body
    body.encode()


def test_a_hundred_folders_that_are_away_are_told_in_a_message_that_can_be_read() -> None:
    facts = holds(*(Subject(Matter.SHARE, f"folder {number}") for number in range(100)))
    told = words(facts).split("\n\n")
    assert len(told) == messages.TOLD + 1
    assert told[-1] == f"and {100 - messages.TOLD} more: scriptixd status"
    listener = Listener()
    assert listener.at(0, facts, hurry=True) == "100 in trouble"


# What is new


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, folders=("council", "archive"), chunk_size=10_000)
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def reject(world: World, name: str, folder: str = "council") -> int:
    job = world.drop(name, name.encode() * 10, folder)
    assert world.store.jobs.apply(job, Rejected("no media", "convert it"), world.now.wall)
    return job.id


def stopped(world: World, state: State, after: int) -> Stops:
    return world.store.tidings.stopped(state, after, world.store.tidings.newest(), 5)


def test_a_file_that_failed_is_new_until_it_was_told_and_again_when_it_fails_again(world: World) -> None:
    reject(world, "old.wav")
    mark = world.store.tidings.newest()
    assert stopped(world, State.FAILED, mark).total == 0
    job = reject(world, "a.wav")
    reject(world, "b.wav", "archive")
    found = stopped(world, State.FAILED, mark)
    assert found.by_folder == {"council": 1, "archive": 1}
    assert found.first == (
        Stop("council", "a.wav", "no media", "convert it"), Stop("archive", "b.wav", "no media", "convert it"),
    )  # fmt: skip
    mark = found.through
    world.retry([job])
    assert stopped(world, State.FAILED, mark).total == 0, "it is tried again"
    again = world.store.jobs.get(job)
    assert again is not None
    world.store.jobs.apply(again, Rejected("still no media", ""), world.now.wall)
    assert stopped(world, State.FAILED, mark).first == (Stop("council", "a.wav", "still no media", ""),)


def test_what_waits_for_a_yes_is_new_once_whatever_else_happens_to_it(world: World) -> None:
    world.held_for = "was there before"
    job = world.drop("a.wav", b"a" * 50)
    assert job.state is State.HELD
    found = stopped(world, State.HELD, 0)
    assert found.first == (Stop("council", "a.wav", "was there before", ""),)
    world.store.jobs.remember(job.id, None, "RequestFollowed", job.state, "", world.now.wall)
    assert stopped(world, State.HELD, found.through).total == 0


def test_what_is_approved_before_it_was_told_is_not_told(world: World) -> None:
    job = world.drop("a.wav", b"a" * 50)
    held = world.store.jobs.apply(job, Held("asks"), world.now.wall)
    assert held is not None
    assert stopped(world, State.HELD, 0).total == 1
    assert world.store.jobs.apply(held, Approved(), world.now.wall)
    assert stopped(world, State.HELD, 0).total == 0


# The whole way, to a real receiver


class Ears:
    """A loop that tells a receiver what happens in a world; time passes as it is told to."""

    def __init__(self, world: World, *urls: str, on: frozenset[Topic] = ALL, names: Names = Names.FULL) -> None:
        self.world = world
        self.reports = {name: ScanReport(name, last_full_scan=1.0) for name in ("council", "archive")}
        self.stop = threading.Event()
        notify = Notify(tuple(Secret(url) for url in urls), on, names)
        matters = Matters(world.breakers, lambda: list(self.reports.values()))
        courier = Courier(self.stop.is_set)
        self.telling = Telling(
            notify, world.store, matters, courier, Calendar(ZoneInfo("Europe/Amsterdam")), lambda: 0.5
        )

    def look(self, seconds: float = 0.0) -> None:
        self.world.pass_time(seconds)
        self.telling.run_once(self.world.now)


NEWS = frozenset(Topic) - {Topic.SUMMARY}


def test_five_hundred_failures_are_one_message(world: World, receiver: Receiver) -> None:
    loop = Ears(world, receiver.url, on=NEWS)
    loop.look()
    for number in range(500):
        reject(world, f"{number}.wav")
        if number % 100 == 0:
            loop.look(LOOK)
    loop.look(GATHERING)
    for _ in range(20):
        loop.look(LOOK)
    (message,) = receiver.messages
    assert message["title"].endswith(": 500 file(s) failed")
    assert message["message"].startswith("500 file(s) failed: 500 in council\n- council/0.wav: no media (convert it)\n")
    assert receiver.paths == [f"/{TOKEN}"]


def test_what_was_told_survives_a_restart_and_what_was_not_is_told_after_it(world: World, receiver: Receiver) -> None:
    loop = Ears(world, receiver.url, on=NEWS)
    loop.look()
    reject(world, "a.wav")
    world.breakers.trip(refused_key(), "", world.now.boot)
    loop.look()
    loop.look(GATHERING)
    assert receiver.titles[0].endswith(": 1 file(s) failed; account in trouble")
    reject(world, "b.wav")
    world.restart()
    loop = Ears(world, receiver.url, on=NEWS)
    loop.look(GATHERING)
    loop.look(GATHERING)
    assert len(receiver.messages) == 1
    world.breakers.heal(opened=False, folder="")
    loop.look(LOOK)
    loop.look(GATHERING)
    assert receiver.bodies[1:] == ["account: works again"]
    loop.look(REST)
    loop.look(GATHERING)
    assert [body.splitlines()[1] for body in receiver.bodies[2:]] == ["- council/b.wav: no media (convert it)"]


def test_what_fails_after_a_time_so_quiet_that_all_history_was_forgotten_is_told(
    world: World, receiver: Receiver
) -> None:
    """The numbers of its rows are given again, below the one that was told last."""
    loop = Ears(world, receiver.url, on=NEWS)
    for number in range(5):
        reject(world, f"{number}.wav")
    loop.look()
    world.pass_time(400 * 86_400.0)
    while world.store.expiry.history(world.now.wall - 365 * 86_400.0):
        pass
    loop.look()
    reject(world, "new.wav")
    loop.look(LOOK)
    loop.look(GATHERING)
    assert [body.splitlines()[1] for body in receiver.bodies] == ["- council/new.wav: no media (convert it)"]


def test_what_there_was_before_anybody_was_to_be_told_is_not_told(world: World, receiver: Receiver) -> None:
    reject(world, "old.wav")
    loop = Ears(world, receiver.url)
    for _ in range(4):
        loop.look(GATHERING)
    assert receiver.messages == []


def test_a_receiver_that_is_away_is_tried_again_and_holds_up_no_other(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with receiving() as gone:
        gone.status = 503
        loop = Ears(world, gone.url, receiver.url, on=NEWS)
        loop.look()
        reject(world, "a.wav")
        for _ in range(60):
            loop.look(LOOK)
        tries = len(gone.paths)
        assert 4 < tries < 12, "by a backoff that grows"
        assert len(receiver.messages) == 1
        gone.status = 200
        loop.look(300)
        loop.look(300)
        assert len(gone.messages) == 1
        assert len(receiver.messages) == 1
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert f"{TOKEN}" not in caplog.text
        assert str(gone.port) not in caplog.text
        assert "notify.urls[0] (json://***)" in caplog.text


def test_a_receiver_that_refuses_is_left_alone_for_an_hour(world: World, receiver: Receiver) -> None:
    receiver.status = 403
    loop = Ears(world, receiver.url, on=NEWS)
    loop.look()
    reject(world, "a.wav")
    loop.look()
    loop.look(GATHERING)
    for _ in range(10):
        loop.look(60)
    assert len(receiver.paths) == 1
    receiver.status = 200
    loop.look(REFUSED_REST)
    assert len(receiver.messages) == 1


def test_a_receiver_that_never_answers_does_not_hold_up_the_end(world: World, receiver: Receiver) -> None:
    receiver.silent.set()
    loop = Ears(world, receiver.url, on=NEWS)
    loop.look()
    reject(world, "a.wav")
    loop.look()
    world.pass_time(GATHERING)
    thread = threading.Thread(target=loop.look)
    thread.start()
    assert receiver.asked.wait(60)
    loop.stop.set()
    thread.join(4.0)  # what the daemon has for all of its loops
    assert not thread.is_alive()
    receiver.silent.clear()
    world.restart()
    again = Ears(world, receiver.url, on=NEWS)
    again.look()
    again.look(GATHERING)
    assert receiver.titles[-1].endswith("1 file(s) failed")


def test_a_state_file_that_cannot_be_written_is_no_reason_to_repeat_oneself(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Ears(world, receiver.url, on=NEWS)
    loop.look()
    reject(world, "a.wav")
    loop.look()

    def full(*_: object) -> None:
        raise StateTrouble("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.store.tidings, "save", full)
        for _ in range(5):
            with pytest.raises(StateTrouble):
                loop.look(GATHERING)
    loop.look(LOOK)
    assert len(receiver.messages) == 1
    world.restart()
    loop = Ears(world, receiver.url, on=NEWS)
    loop.look(REST)
    loop.look(GATHERING)
    assert len(receiver.messages) == 1


def test_an_address_is_nowhere_but_in_the_configuration(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    loop = Ears(world, receiver.url, f"unknown://{TOKEN}", f"json://{TOKEN}.invalid/{TOKEN}", on=NEWS)
    loop.look()
    reject(world, "a.wav")
    loop.look()
    loop.look(GATHERING)
    assert len(receiver.messages) == 1
    assert "notify.urls[1] (unknown://***) is told nothing just now" in caplog.text
    assert "notify.urls[2] (json://***) is told nothing just now" in caplog.text
    assert TOKEN not in caplog.text
    for path in world.base.glob("state.db*"):
        assert TOKEN.encode() not in path.read_bytes()
    assert TOKEN not in repr(loop.telling._receivers)
    rows = world.store.tidings.told(fingerprint(receiver.url))
    assert rows.marks.keys() == {Topic.FAILED, Topic.HELD}
    world.store.tidings.keep([])
    assert world.count("told") == 0


def test_names_can_be_kept_out_of_what_leaves_the_machine(world: World, receiver: Receiver) -> None:
    loop = Ears(world, receiver.url, on=NEWS, names=Names.HASH)
    loop.look()
    reject(world, "jansen.wav")
    loop.look()
    loop.look(GATHERING)
    (message,) = receiver.messages
    assert "jansen" not in json.dumps(message)
    assert veiled("council/jansen.wav") in message["message"]


def test_a_day_is_summed_up_once_it_is_over_where_its_people_live(world: World, receiver: Receiver) -> None:
    midnight = datetime(2023, 11, 14, 23, 0, tzinfo=UTC).timestamp()  # in Amsterdam
    world.now = Now(midnight - 600, world.now.boot)
    loop = Ears(world, receiver.url, on=frozenset({Topic.SUMMARY}))
    loop.look()
    job = world.step_until(world.drop("a.wav", b"a" * 36_000), State.READY)
    delivery = world.store.deliveries.due(world.now.wall, ["council"], ())
    assert delivery is not None
    world.store.deliveries.apply(delivery, Delivered(), world.now.wall)
    assert job.media_seconds == 3600.0
    reject(world, "b.wav")
    world.drop("c.wav", b"c" * 70)
    loop.look(300)
    assert receiver.messages == []
    loop.look(301)
    loop.look(60)
    said = "2023-11-14: 1 file(s) done, 1.0 hour(s) of media. Now: 1 failed, 0 held, 1 waiting"
    assert receiver.bodies == [said]
    world.restart()
    loop = Ears(world, receiver.url, on=frozenset({Topic.SUMMARY}))
    loop.look(3600)
    loop.look(23 * 3600)
    assert [body[:10] for body in receiver.bodies] == ["2023-11-14", "2023-11-15"]


def test_days_on_which_nobody_could_tell_are_summed_up_afterwards_in_one_message(
    world: World, receiver: Receiver
) -> None:
    friday = datetime(2023, 11, 17, 14, 0, tzinfo=UTC).timestamp()
    world.now = Now(friday, world.now.boot)
    summary = frozenset({Topic.SUMMARY})
    Ears(world, receiver.url, on=summary).look()
    world.step_until(world.drop("a.wav", b"a" * 36_000), State.READY)
    delivery = world.store.deliveries.due(world.now.wall, ["council"], ())
    assert delivery is not None
    world.store.deliveries.apply(delivery, Delivered(), world.now.wall)
    world.restart()
    loop = Ears(world, receiver.url, on=summary)
    loop.look(66 * 3600)  # on Monday
    loop.look(3600)
    said = "2023-11-17 to 2023-11-19: 1 file(s) done, 1.0 hour(s) of media. Now: 0 failed, 0 held, 0 waiting"
    assert receiver.bodies == [said]


def test_a_clock_that_was_set_back_by_years_is_no_reason_to_sum_up_no_more_days(
    world: World, receiver: Receiver
) -> None:
    loop = Ears(world, receiver.url, on=frozenset({Topic.SUMMARY}))
    world.now = Now(world.now.wall + 10 * YEAR, world.now.boot)  # as a machine without a battery may start
    loop.look()
    world.now = Now(world.now.wall - 10 * YEAR, world.now.boot)
    loop.look()
    assert receiver.bodies == []
    loop.look(86_400)
    assert len(receiver.bodies) == 1


# What begins and ends


def test_every_pause_and_every_folder_out_of_reach_is_a_matter(world: World) -> None:
    reports: Mapping[str, ScanReport] = {
        "council": ScanReport("council", offline=Offline("is not mounted", "mount it", WALL)),
        "archive": ScanReport("archive", offline=Offline("is on another disk", "approve it", WALL, asks=True)),
    }
    matters = Matters(world.breakers, lambda: list(reports.values()))
    now = world.now
    for trouble, accepted in ((refused_key(), False), (refused_key(), True), (QuotaTrouble("402"), False)):
        world.breakers.trip(trouble, "", now.boot, key_accepted=accepted)
    world.breakers.trip(FolderTrouble("422"), "council", now.boot)
    world.breakers.trip(ShareTrouble("EIO"), "council", now.boot)
    for _ in range(3):
        world.breakers.trip(Away("503"), "", now.boot)
    found = {one.subject: one for one in matters.look(now)}
    assert found.keys() == {
        ACCOUNT, Subject(Matter.OPENING), QUOTA, Subject(Matter.AWAY), Subject(Matter.SETTINGS, "council"), SHARE,
        Subject(Matter.QUESTION, "archive"),
    }  # fmt: skip
    assert found[SHARE].sentence == "is not mounted", "what the scanner says is nearer"
    assert {one.matter for one in found} == set(Matter)
    assert {one.topic for one in found} == {Topic.ACCOUNT, Topic.QUOTA, Topic.OFFLINE, Topic.HELD}
    world.pass_time(100)
    assert {one.since for one in matters.look(world.now)} == {now.wall, WALL}, "since it began, not since it was seen"
    assert not any(matters.is_over(subject) for subject in found)


def test_an_end_is_believed_when_it_was_seen(world: World) -> None:
    reports = {"council": ScanReport("council")}
    matters = Matters(world.breakers, lambda: list(reports.values()))
    told = (ACCOUNT, Subject(Matter.OPENING), QUOTA, SHARE, Subject(Matter.SETTINGS, "council"), OTHER_SHARE)
    matters.look(world.now)
    assert [one for one in told if matters.is_over(one)] == []
    assert [one for one in told if matters.is_dropped(one)] == [OTHER_SHARE]
    world.breakers.heal(opened=False, folder="")
    assert [one for one in told if matters.is_over(one)] == [ACCOUNT]
    world.breakers.heal(opened=True, folder="council")
    reports["council"] = ScanReport("council", last_full_scan=1.0)
    matters.look(world.now)
    assert [one for one in told if matters.is_over(one)] == list(told[:5])
    assert world.breakers.is_disproved(Pause.QUOTA, "")
    world.breakers.trip(QuotaTrouble("402"), "", world.now.boot)
    matters.look(world.now)
    assert not matters.is_over(QUOTA)


# The courier


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (401, ReceiverTrouble, "the message was refused with 401"),
        (404, ReceiverTrouble, "the message was refused with 404"),
        (429, Away, "the message was answered with 429"),
        (502, Away, "the message was answered with 502"),
    ],
)
def test_what_a_receiver_answers_is_away_or_refused(
    receiver: Receiver, status: int, kind: type[Exception], sentence: str
) -> None:
    receiver.status = status
    with pytest.raises(kind, match=sentence) as caught:
        Courier().send(receiver.url, "title", "body")
    assert TOKEN not in str(caught.value)


def test_nobody_there_is_away_and_an_address_that_is_none_is_told_as_such(receiver: Receiver) -> None:
    with pytest.raises(Away, match="nobody took the message"):
        Courier().send("json://127.0.0.1:1/", "title", "body")
    for url in (f"unknown://{TOKEN}", "mailto://"):
        with pytest.raises(ReceiverTrouble, match="it is no address that apprise can use"):
            Courier().examine(url)
    Courier().examine(receiver.url)
    assert receiver.paths == [], "looking asks nobody"
    with pytest.raises(Stopped):
        Courier(lambda: True).send(receiver.url, "title", "body")


def test_of_an_address_its_kind_is_shown_and_nothing_else() -> None:
    assert masked(f"discord://{TOKEN}/{TOKEN}") == "discord://***"
    assert len(fingerprint("json://a")) == 12
    assert fingerprint("json://a") != fingerprint("json://b")


# As it is used


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def test_check_sends_a_test_to_each_address_and_says_what_to_do(home: House, receiver: Receiver) -> None:
    home.folder("english", language="en")
    home.settings["notify"] = {"urls": [receiver.url, f"unknown://{TOKEN}"]}
    home.write_config()
    done = home.say("check", "--json", check=False)
    assert receiver.messages == []
    assert done.returncode == 1
    done = home.say("check", "--notify", "--json", check=False)
    assert TOKEN not in done.stdout + done.stderr
    found = {row["subject"]: row for row in json.loads(done.stdout) if row["subject"].startswith("notify")}
    assert found["notify.urls[0] (json://***)"]["level"] == "ok"
    assert found["notify.urls[1] (unknown://***)"]["level"] == "problem"
    assert found["notify.urls[1] (unknown://***)"]["hint"]
    assert [title.partition(": ")[2] for title in receiver.titles] == ["a test"]
    assert done.returncode == 1


def test_a_test_without_anybody_to_tell_is_a_problem() -> None:
    ((subject, trouble, _),) = receivers(None, test=True)
    assert subject == "notify"
    assert trouble is not None
    assert trouble.hint
    assert list(receivers(None, test=False)) == []


def test_a_run_that_ends_by_itself_tells_before_it_does_and_the_next_one_not_again(
    home: House, receiver: Receiver
) -> None:
    folder = home.folder("english", language="en")
    (folder / "noise.mp4").write_bytes(b"no media" * 1000)
    home.settings["notify"] = {"urls": ["${RECEIVER}"]}
    home.environment = lambda: {**House.environment(home), "RECEIVER": receiver.url}  # type: ignore[method-assign]
    home.write_config()
    done = home.typed("run", "--once", check=False)
    assert done.returncode == 1
    assert [title.partition(": ")[2] for title in receiver.titles] == ["1 file(s) failed"]
    assert "english/noise.mp4" in receiver.bodies[0]
    home.typed("run", "--once", check=False)
    assert len(receiver.messages) == 1
    assert TOKEN not in done.stdout + done.stderr
    assert all(TOKEN.encode() not in path.read_bytes() for path in home.place.glob("state.db*"))
