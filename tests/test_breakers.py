"""Pauses of more than one job: what begins them, whom they hold up, what ends them, and that each is told once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from scriptixd.errors import (
    AccountTrouble,
    Away,
    FileTrouble,
    FolderTrouble,
    QuotaTrouble,
    ShareTrouble,
    TargetTrouble,
    Trouble,
)
from scriptixd.jobs.breakers import LEASE, Breakers, Pause

NOW = 1000.0


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "scriptixd.service")
    return lambda: [record.getMessage() for record in caplog.records]


def waits(breakers: Breakers, trouble: Trouble, times: int, *, uploading: bool = True) -> list[float]:
    """How long each pause is, when it is tried again as soon as it may be."""
    now, found = NOW, []
    for _ in range(times):
        breakers.trip(trouble, "council", now)
        until = breakers.ready_at(uploading, "council")
        found.append(until - now)
        now = until
    return found


def test_a_refused_account_holds_up_everything_and_is_probed_ever_less_often() -> None:
    breakers = Breakers()
    assert not breakers.account_refused()
    assert waits(breakers, AccountTrouble("401"), 5, uploading=False) == [60, 120, 240, 300, 300]
    assert breakers.account_refused()
    assert breakers.ready_at(uploading=False) > NOW
    breakers.heal(opened=False, folder="")
    assert not breakers.account_refused()
    assert breakers.ready_at(uploading=True, folder="council") == 0


def test_an_account_without_quota_holds_up_new_uploads_alone() -> None:
    breakers = Breakers()
    assert waits(breakers, QuotaTrouble("402"), 8) == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert breakers.ready_at(uploading=False) == 0
    breakers.heal(opened=False, folder="council")
    assert breakers.ready_at(uploading=True) > NOW
    breakers.heal(opened=True, folder="council")
    assert breakers.ready_at(uploading=True) == 0


def test_a_folder_whose_settings_are_refused_holds_up_nobody_else() -> None:
    breakers = Breakers()
    breakers.trip(FolderTrouble("language xx"), "council", NOW)
    assert breakers.ready_at(uploading=True, folder="council") == NOW + 3600
    assert breakers.ready_at(uploading=True, folder="court") == 0
    assert breakers.ready_at(uploading=False) == 0
    breakers.heal(opened=True, folder="court")
    assert breakers.ready_at(uploading=True, folder="council") == NOW + 3600


def test_creations_that_are_refused_although_the_key_is_accepted_are_healed_by_a_creation_alone() -> None:
    breakers = Breakers()
    breakers.trip(AccountTrouble("404"), "council", NOW, key_accepted=True)
    assert not breakers.account_refused()
    assert breakers.ready_at(uploading=False) == 0
    assert breakers.ready_at(uploading=True) == NOW + 60
    breakers.heal(opened=False, folder="")
    assert [paused.pause for paused in breakers.view()] == [Pause.ACCOUNT]
    breakers.heal(opened=True, folder="council")
    assert breakers.view() == []


def test_one_or_two_failures_are_a_jobs_own_and_the_third_in_a_row_is_everybodys() -> None:
    breakers = Breakers()
    for _ in range(2):
        breakers.trip(Away("503"), "council", NOW)
    assert breakers.ready_at(uploading=False) == 0
    breakers.heal(opened=False, folder="")
    for _ in range(2):
        breakers.trip(Away("503"), "council", NOW)
    assert breakers.ready_at(uploading=False) == 0
    assert waits(breakers, Away("503"), 8, uploading=False) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_what_the_service_asked_for_wins() -> None:
    breakers = Breakers()
    breakers.trip(QuotaTrouble("402", retry_after=86_400.0), "council", NOW)
    assert breakers.ready_at(uploading=True) == NOW + 86_400
    for _ in range(3):
        breakers.trip(Away("429", retry_after=500.0), "council", NOW)
    assert breakers.ready_at(uploading=False) == NOW + 500


def test_requests_that_were_under_way_when_a_pause_began_do_not_make_it_longer() -> None:
    breakers = Breakers()
    for _ in range(5):
        breakers.trip(AccountTrouble("401"), "council", NOW)
    assert breakers.ready_at(uploading=False) == NOW + 60
    breakers.trip(AccountTrouble("401"), "council", NOW + 60)
    assert breakers.ready_at(uploading=False) == NOW + 180


def test_a_disk_that_is_away_holds_up_its_folder_alone_until_an_upload_from_it_is_opened() -> None:
    breakers = Breakers()
    now, waits = NOW, []
    for _ in range(8):
        breakers.trip(ShareTrouble("unmounted"), "council", now)
        waits.append(breakers.ready_at(uploading=True, folder="council") - now)
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert breakers.ready_at(uploading=True, folder="court") == breakers.ready_at(uploading=False) == 0
    assert [paused.whom for paused in breakers.view()] == ["council"]
    breakers.heal(opened=False, folder="council")
    assert breakers.view() != []
    breakers.heal(opened=True, folder="council")
    assert breakers.view() == []


def test_when_a_pause_is_over_one_alone_tries_and_the_others_wait_for_what_comes_of_it() -> None:
    breakers = Breakers()
    breakers.trip(QuotaTrouble("402"), "council", NOW)
    assert breakers.enter(True, "council", NOW + 59) is None
    trial = breakers.enter(True, "council", NOW + 60)
    assert trial is not None
    assert breakers.enter(True, "court", NOW + 61) is None
    assert breakers.ready_at(uploading=True) == NOW + 60 + LEASE
    assert breakers.enter(False, None, NOW + 61) is not None, "asking goes on"
    breakers.trip(QuotaTrouble("402"), "council", NOW + 62)
    breakers.leave(trial)
    assert breakers.ready_at(uploading=True) == NOW + 62 + 120
    again = breakers.enter(True, "council", NOW + 200)
    assert again is not None
    breakers.heal(opened=True, folder="council")
    breakers.leave(again)
    assert breakers.enter(True, "court", NOW + 201) is not None


def test_a_try_that_showed_nothing_is_for_the_next_one_to_make() -> None:
    breakers = Breakers()
    breakers.trip(AccountTrouble("401"), "", NOW)
    first = breakers.enter(False, None, NOW + 60)
    assert first is not None
    breakers.leave(first)
    assert breakers.ready_at(uploading=False) <= NOW + 60
    assert breakers.enter(False, None, NOW + 60) is not None


def test_whoever_does_not_come_back_is_waited_for_no_longer_than_his_lease_and_takes_nobodys_away() -> None:
    breakers = Breakers()
    breakers.trip(ShareTrouble("unmounted"), "council", NOW)
    lost = breakers.enter(True, "council", NOW + 1)
    assert lost is not None
    assert breakers.enter(True, "council", NOW + 1 + LEASE - 1) is None
    assert breakers.enter(True, "council", NOW + 1 + LEASE) is not None
    breakers.leave(lost)
    assert breakers.enter(True, "council", NOW + 1 + LEASE) is None


def test_the_end_of_a_pause_wakes_whoever_waits_for_it() -> None:
    breakers, woken = Breakers(), []
    breakers.on_heal = lambda: woken.append(True)
    breakers.heal(opened=True, folder="council")
    assert woken == []
    breakers.trip(FolderTrouble("xx is no language"), "council", NOW)
    breakers.heal(opened=True, folder="council")
    assert woken == [True]


@pytest.mark.parametrize(
    ("refusal", "left"),
    [(AccountTrouble("401"), Pause.ACCOUNT), (QuotaTrouble("402"), Pause.QUOTA), (FolderTrouble("xx"), Pause.FOLDER)],
    ids=str,
)
def test_a_service_that_refuses_something_is_not_away_any_more(
    refusal: Trouble, left: Pause, told: Callable[[], list[str]]
) -> None:
    breakers, woken = Breakers(), []
    breakers.on_heal = lambda: woken.append(True)
    waits(breakers, Away("Connection refused"), 3)
    assert [paused.pause for paused in breakers.view()] == [Pause.AWAY]
    breakers.trip(refusal, "council", NOW + 10_000)
    assert [paused.pause for paused in breakers.view()] == [left]
    assert breakers.is_disproved(Pause.AWAY, "")
    assert (told()[1], woken) == ("Scriptix answers again", [True])
    breakers.trip(Away("503"), "council", NOW + 10_001)
    assert [paused.pause for paused in breakers.view()] == [left], "one failure after an answer is a job's own"


@pytest.mark.parametrize("trouble", [FileTrouble("413"), TargetTrouble("full")], ids=str)
def test_what_is_one_files_trouble_pauses_nothing(trouble: Trouble) -> None:
    breakers = Breakers()
    for _ in range(10):
        breakers.trip(trouble, "council", NOW)
    assert breakers.view() == []


@pytest.mark.parametrize(
    ("trouble", "first", "last"),
    [
        (AccountTrouble("the key is refused", "check it"), "the key is refused (check it)", "the account is accepted"),
        (QuotaTrouble("the account is used up"), "the account is used up", "new uploads are accepted again"),
        (
            FolderTrouble("xx is no language"),
            "council: xx is no language",
            "council goes on: its settings are accepted",
        ),
        (Away("cannot be reached"), "cannot be reached", "Scriptix answers again"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_pause_is_told_once_when_it_begins_and_once_when_it_ends(
    trouble: Trouble, first: str, last: str, told: Callable[[], list[str]]
) -> None:
    breakers = Breakers()
    for attempt in range(10):
        breakers.trip(trouble, "council", NOW + 10_000 * attempt)
    assert told() == [first]
    assert [paused.trouble for paused in breakers.view()] == [trouble]
    for _ in range(3):
        breakers.heal(opened=True, folder="council")
    assert len(told()) == 2
    assert last in told()[1]
    assert breakers.view() == []
