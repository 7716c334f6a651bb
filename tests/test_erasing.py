"""The loop that erases: what it asks and when, whom it lets go first, and what trouble and crashes leave of a plan."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fakes import STRIDE, Call, Service, World, memory_disk, refused_key, sha256
from test_crash_points import CrashNow, Fuse, FusedWorld

from scriptixd.captions.manner import Units
from scriptixd.delivery.room import DeliveryRoom
from scriptixd.errors import AccountTrouble, Away, FileTrouble, OverBudget, Stopped
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.delivering import Delivered
from scriptixd.jobs.erasing import DAY, IDLE, PATIENCE, REST, STUBBORN, STUBBORN_REST
from scriptixd.jobs.events import Dismissed, Rejected, RetryRequested
from scriptixd.jobs.job import Job, State, Terms
from scriptixd.jobs.store.erasures import ABANDONED
from scriptixd.roots.root import Root, Stat

LONG = b"abcdefghijklmnopqrstuvwxyz" * 2  # three chunks
OTHER = LONG[::-1]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, folders=("council", "court"))
    made.folders.erase_after = {"council": 0.0}
    yield made
    made.close()


def delivered(world: World, wait: float | None = 0.0, name: str = "a.wav") -> Job:
    """A transcript that lies beside its file, and is to be erased after `wait` seconds."""
    job = world.step_until(world.drop(name, LONG), State.READY)
    delivery = world.store.deliveries.due(world.now.wall, ["council"], ())
    assert delivery is not None
    world.store.deliveries.apply(delivery, Delivered("", wait), world.now.wall)
    return job


def waiting(world: World) -> tuple[int, int]:
    backlog = world.store.erasures.backlog()
    return backlog.planned, backlog.waiting


def test_a_session_is_erased_with_one_request_and_history_keeps_the_proof(world: World) -> None:
    job = delivered(world)
    before = world.service.asked.total()
    assert world.erase() == IDLE
    assert world.service.erased == [job.session_id]
    assert world.service.asked.total() - before == 1
    assert world.history()[-1] == ("Erased", f"session {job.session_id}, and answered 200")
    assert waiting(world) == (0, 0)
    assert world.store.jobs.result(job.id) is not None, "the transcript is kept here"


def test_one_that_is_gone_already_is_done(world: World) -> None:
    job = delivered(world)
    world.service.sessions.clear()
    world.erase()
    assert world.history()[-1] == ("Erased", f"session {job.session_id}, and answered 404")


def test_a_lost_reply_is_made_good_by_asking_again(world: World) -> None:
    job = delivered(world)
    world.service.fail(Call.ERASE, Away("the reply broke off"), after=True)
    world.pass_time(world.erase())
    world.erase()
    assert world.service.erased == [job.session_id]
    assert world.history()[-1] == ("Erased", f"session {job.session_id}, and answered 400: already removed")


def test_nothing_is_asked_before_it_is_due(world: World) -> None:
    world.folders.erase_after["council"] = 3 * DAY
    delivered(world, 3 * DAY)
    while (rest := world.erase()) and world.service.asked[Call.ERASE] == 0:
        assert rest <= IDLE
        world.pass_time(rest)
    assert world.now.wall >= world.jobs()[0].updated_at + 3 * DAY
    assert world.service.asked[Call.ERASE] == 1


def test_without_anything_to_erase_nobody_is_asked_for_a_request(world: World) -> None:
    world.service.ready_at = None  # type: ignore[method-assign,assignment]  # whoever asks it would raise
    assert world.erase() == IDLE


def test_a_setting_that_was_turned_off_since_keeps_it(world: World) -> None:
    delivered(world)
    world.folders.erase_after["council"] = None
    world.erase()
    assert world.service.asked[Call.ERASE] == 0
    assert world.history()[-1][0] == "Kept"
    assert waiting(world) == (0, 0)


def test_a_setting_that_gives_more_time_since_is_heard(world: World) -> None:
    delivered(world)
    world.folders.erase_after["council"] = 100.0
    assert world.erase() == pytest.approx(100.0)
    world.pass_time(101.0)
    world.erase()
    assert len(world.service.erased) == 1


def test_a_folder_that_is_not_configured_any_more_is_erased_as_planned(world: World) -> None:
    delivered(world)
    world.folders.roots.clear()
    world.erase()
    assert len(world.service.erased) == 1


def test_a_path_of_which_nothing_is_said_any_more_is_erased_as_planned(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(world)

    def nothing(_folder: str, path: str) -> Terms:
        raise FileTrouble(f"nothing is asked for {path}")

    monkeypatch.setattr(world.folders, "terms", nothing)
    world.erase()
    assert len(world.service.erased) == 1


def test_an_unfinished_upload_is_given_up_whatever_delete_remote_says(world: World) -> None:
    world.folders.erase_after.clear()
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    world.put("a.wav", OTHER)
    world.step(job)
    world.erase()
    assert world.service.discarded == ["upload-1"]


def test_one_whose_file_is_gone_is_given_up_after_a_week_and_sent_anew_if_it_comes_back(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    away = world.path("a.wav").rename(world.base / "away")
    world.settle()
    assert world.state_of("a.wav") is State.GONE
    world.pass_time(ABANDONED - 1.0)
    world.erase()
    assert world.service.discarded == []
    world.pass_time(2.0)
    world.erase()
    assert world.service.discarded == ["upload-1"]
    away.rename(world.path("a.wav"))
    world.settle()
    world.drive()
    assert world.store.jobs.get(job.id) == world.job_of("a.wav")
    assert list(world.service.paid.values()) == [1]


@pytest.mark.parametrize("wanted", [True, False])
def test_one_that_may_be_whole_is_erased_only_where_that_is_asked_for(world: World, wanted: bool) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADED)
    for event in (Rejected("no session", ""), Dismissed()):
        job = world.store.jobs.apply(job, event, world.now.wall) or job
    world.folders.erase_after["council"] = 0.0 if wanted else None
    world.erase()
    assert world.service.asked[Call.DISCARD] == wanted
    assert world.history()[-1][0] == ("Erased" if wanted else "Kept")


def test_a_dismissed_job_whose_session_was_erased_is_sent_anew_by_a_retry(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.TRANSCRIBING)
    for event in (Rejected("late", ""), Dismissed()):
        job = world.store.jobs.apply(job, event, world.now.wall) or job
    world.erase()
    assert len(world.service.erased) == 1
    resting = world.jobs()[0]
    assert (resting.state, resting.session_id, resting.file_id) == (State.DISMISSED, None, None)
    world.store.jobs.apply(resting, RetryRequested(), world.now.wall)
    world.drive()
    assert world.state_of("a.wav") is State.READY


def test_whoever_asks_and_uploads_goes_first_for_an_hour(world: World) -> None:
    delivered(world)
    world.service.busy = True
    assert world.erase() == REST
    world.pass_time(PATIENCE)
    assert world.erase() == REST
    world.pass_time(1.0)
    world.erase()
    assert len(world.service.erased) == 1


def test_a_budget_that_is_used_up_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    delivered(world)
    monkeypatch.setattr(world.service, "ready_at", lambda now, _lane: now.boot + 7.0)
    assert world.erase() == pytest.approx(7.0)
    monkeypatch.undo()
    world.service.fail(Call.ERASE, OverBudget("too many", retry_after=3.0))
    assert world.erase() == pytest.approx(3.0)
    assert waiting(world) == (1, 0), "nothing has failed"
    world.service.fail(Call.ERASE, Stopped("the daemon ends"))
    world.eraser.run_once(world.now)
    assert waiting(world) == (1, 0)


@pytest.mark.parametrize("other", ["key", "service"])
def test_what_is_another_keys_or_elsewhere_waits_and_the_service_is_not_asked(
    world: World, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    delivered(world)
    before = world.service.origin, world.service.key_fingerprint
    if other == "key":
        world.service.key_fingerprint = "89abcdef"
    else:
        world.service.origin = "https://elsewhere.example.org"
    for _ in range(3):
        assert world.erase() <= IDLE
        world.pass_time(DAY)
    assert world.service.asked[Call.ERASE] == 0
    assert waiting(world) == (1, 1)
    assert [event for event, _ in world.history()].count("ErasurePostponed") == 1
    assert caplog.text.count("waits to be erased") == 1
    world.service.origin, world.service.key_fingerprint = before
    world.restart()
    world.erase()
    assert len(world.service.erased) == 1


def test_a_refused_account_pauses_everything_and_nothing_is_lost(world: World) -> None:
    delivered(world)
    world.service.refused = refused_key()
    assert world.erase() == pytest.approx(60.0)
    assert world.breakers.account_refused()
    assert (world.service.asked[Call.ERASE], world.service.asked[Call.PROBE]) == (1, 1)
    world.pass_time(60.0)
    assert world.erase() == REST, "whoever works in a lane tries the key"
    world.service.refused = None
    world.asker.run_once(world.now)
    world.erase()
    assert len(world.service.erased) == 1


def test_a_refusal_of_one_erasure_alone_waits_for_a_person_and_holds_up_nobody(world: World) -> None:
    delivered(world)
    world.service.fail(Call.ERASE, AccountTrouble("refused (403)"))
    rest = world.erase()
    assert rest == IDLE
    assert not world.breakers.view()
    assert waiting(world) == (1, 1)
    assert world.store.erasures.backlog().reason == "Scriptix refuses to erase it: refused (403)"


def test_a_service_that_is_away_is_asked_ever_less_often(world: World) -> None:
    delivered(world)
    world.chance = 1.0
    times = 40
    world.service.fail(Call.ERASE, Away("503"), times=times)
    waits = []
    while world.service.asked[Call.ERASE] < times:
        asked = world.service.asked[Call.ERASE]
        began = world.now.wall
        while world.service.asked[Call.ERASE] == asked:
            world.pass_time(world.erase())
        waits.append(world.now.wall - began)
    assert max(waits) <= STUBBORN_REST * 1.01
    assert min(waits[STUBBORN + 2 :]) >= STUBBORN_REST
    world.pass_time(world.erase())
    world.erase()
    assert len(world.service.erased) == 1


def test_one_that_fails_for_ever_does_not_make_the_service_count_as_away(world: World) -> None:
    delivered(world)
    world.service.fail(Call.ERASE, Away("500"), times=20)
    while world.service.asked[Call.ERASE] < 20:
        world.pass_time(world.erase())
    assert not world.breakers.view()


def test_several_that_fail_do(world: World) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        world.put(name, LONG + name.encode())
    world.settle()
    world.drive()
    while (delivery := world.store.deliveries.due(world.now.wall, ["council"], ())) is not None:
        world.store.deliveries.apply(delivery, Delivered("", 0.0), world.now.wall)
    world.service.fail(Call.ERASE, Away("503"), times=3)
    world.chance = 1.0
    world.erase()
    assert [paused.pause.value for paused in world.breakers.view()] == ["away"]


def test_a_bug_of_ours_keeps_the_plan_and_goes_on_with_the_next(world: World, caplog: pytest.LogCaptureFixture) -> None:
    delivered(world)
    world.service.fail(Call.ERASE, ValueError("a bug"))
    world.erase()
    assert "ran into a bug" in caplog.text
    assert waiting(world) == (1, 1)


def test_what_somebody_wants_again_in_this_moment_is_left_alone(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.TRANSCRIBING)
    for event in (Rejected("late", ""), Dismissed()):
        job = world.store.jobs.apply(job, event, world.now.wall) or job
    row = world.store.erasures.due(world.now.wall, world.service.origin, world.service.key_fingerprint)
    assert row is not None
    world.store.jobs.apply(job, RetryRequested(), world.now.wall)
    world.eraser._erase(row, world.now)
    assert world.service.asked[Call.ERASE] == 0


# Crashes


class JustJson:
    """The folders of a world; a transcript is delivered as JSON alone."""

    def __init__(self, world: World) -> None:
        self._world = world

    def names(self) -> Collection[str]:
        return self._world.folders.names()

    def root(self, folder: str) -> Root | None:
        return self._world.folders.root(folder)

    def terms(self, folder: str, path: str) -> Terms:
        return replace(self._world.folders.terms(folder, path), outputs=("json",))


class DeliveringWorld(FusedWorld):
    """A world that delivers, too, and watches that nothing is erased before that."""

    def start(self) -> None:
        super().start()
        self.folders.erase_after = {"council": 0.0}
        self.room = DeliveryRoom(
            self.store, JustJson(self), Units.AUTO, lambda: self.chance, lambda: None, Claims(1, tuple), lambda _: None
        )
        self.premature = getattr(self, "premature", [])
        fuse = self.fuse

        def watch(moment: str) -> None:
            sidecar = self.path("a.json")
            if moment == "before erase" and not (sidecar.exists() and json.loads(sidecar.read_text())):
                self.premature.append(moment)
            fuse(moment)

        self.service.watch = watch

    def found(self, folder: str, directory: str = "") -> dict[str, Stat]:
        return {name: stat for name, stat in super().found(folder, directory).items() if name.endswith(".wav")}

    def deliver(self) -> None:
        while self.room.run_once(self.now) <= self.now.boot:
            pass


def journey(world: DeliveringWorld, turns: int) -> None:
    """A file that changes after some turns, up to its sidecar and the erasing of all that the service has of it."""
    world.settle()
    for _ in range(turns):
        world.turn()
    if world.path("a.wav").read_bytes() != OTHER:
        world.put("a.wav", OTHER)
    for _ in range(3):
        world.turn()
    world.settle()
    world.drive()
    world.deliver()
    world.pass_time(DAY)
    world.erase()


def run(base: Path, at: int | None) -> list[str]:
    shutil.rmtree(base, ignore_errors=True)
    fuse = Fuse(at)
    world = DeliveringWorld(base, service=Service())
    world.put("a.wav", LONG)
    world.arm(fuse)
    moment, lost = "no crash", 0
    try:
        journey(world, 2)
    except CrashNow as crash:
        moment = f"{at}: {crash}"
        # Of an upload whose opening was not written down nobody knows: the service forgets it by itself.
        lost = "after create" in fuse.moments[-3:]
        world.crash()
        world.fuse = lambda _moment: None
        world.start()
        journey(world, 0)
    try:
        assert world.premature == [], moment
        assert world.service.paid == {(sha256(OTHER), world.jobs()[0].request.key): 1}, moment
        assert world.service.sessions == {}, moment
        unfinished = [upload for upload in world.service.uploads.values() if upload.session_id is None]
        assert len(unfinished) <= lost, moment
        assert world.store.erasures.backlog().planned == 0, moment
        assert [event for event, _ in world.history()].count("Erased") >= 1, moment
        assert json.loads(world.path("a.json").read_text())["scriptixd"]["source"]["sha256"] == sha256(OTHER), moment
    finally:
        world.close()
    return fuse.moments


def test_a_crash_anywhere_loses_no_erasure_and_makes_none_too_early() -> None:
    with TemporaryDirectory(dir=memory_disk()) as directory:
        moments = run(Path(directory) / "world", None)
        assert {"before discard", "after discard", "before erase", "after erase"} <= set(moments)
        for at in range(random.randrange(STRIDE), len(moments), STRIDE):
            run(Path(directory) / "world", at)
