"""The tables of transitions: where a job can go, what an event leaves behind, and what nobody may do."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from scriptixd.jobs.delivering import DELIVERY_TRANSITIONS, Delivered, DeliveryEvent, Unwanted, advance_delivery
from scriptixd.jobs.events import (
    Adopted,
    Approved,
    ChunkAccepted,
    Closing,
    Dismissed,
    Event,
    Hashed,
    Held,
    LastPartKept,
    Postponed,
    Rejected,
    Resettled,
    ResultListed,
    ResultReady,
    RetryRequested,
    SessionKnown,
    SourceBack,
    SourceChanged,
    SourceGone,
    StillRunning,
    Unlisted,
    UploadFinished,
    UploadLost,
    UploadOpened,
)
from scriptixd.jobs.job import ACTIVE, Delivery, DeliveryState, DocumentType, Job, Request, State
from scriptixd.jobs.transitions import TRANSITIONS, Target, advance, furthest
from scriptixd.roots.root import Stat

STAT = Stat(100, 1, 1)
SHA = "a" * 64
EVENTS: dict[type[Event], Event] = {
    type(event): event
    for event in (
        UploadOpened("file", "https://api.example.org", "01234567", "{}", 12.0),
        Closing(SHA),
        Hashed(SHA),
        Adopted(b"{}", "session", "01234567", 12.0),
        ChunkAccepted(),
        LastPartKept(),
        UploadFinished(),
        SessionKnown("session", 40.0),
        StillRunning(50.0, "processing", 5.0),
        ResultListed(20.0),
        ResultReady(b"{}", 13.0),
        UploadLost("lost"),
        SourceChanged("changed"),
        Resettled(Stat(200, 2, 1)),
        SourceGone("gone"),
        SourceBack(STAT),
        Held("it was there before"),
        Approved(),
        Dismissed(),
        Postponed(60.0, "away", "wait"),
        Rejected("no media", "listen to it"),
        RetryRequested(),
    )
}
DELIVERY_EVENTS: dict[type[DeliveryEvent], DeliveryEvent] = {
    Delivered: Delivered(),
    Unwanted: Unwanted("other content"),
    Postponed: Postponed(60.0, "full", "make room"),
}

# Money may have been spent for these.
PAID = (State.CLOSING, State.UPLOADED, State.TRANSCRIBING, State.READY)


def job(state: State, **facts: object) -> Job:
    whole: dict[str, object] = {
        "sha256": SHA, "file_id": "file", "service": "https://api.example.org", "labels": "{}", "session_id": "session",
        "closing_at": 1.0, "uploaded_at": 2.0,
    }  # fmt: skip
    known = whole if state in PAID else {}
    return Job(id=1, state=state, folder="f", request=Request("nl", DocumentType.CAPTION), stat=STAT, **known | facts)  # type: ignore[arg-type]


def targets(target: State | Target) -> set[State]:
    match target:
        case Target.FURTHEST:
            return {State.FOUND, State.UPLOADING, State.CLOSING, State.UPLOADED, State.TRANSCRIBING}
        case Target.ASKED:
            return {State.FOUND, State.HELD, State.UPLOADING}
        case _:
            return {target}


def reachable_from(state: State) -> set[State]:
    seen, ahead = {state}, [state]
    while ahead:
        for target in TRANSITIONS[ahead.pop()].values():
            new = targets(target) - seen
            seen |= new
            ahead += new
    return seen


def test_the_table_speaks_of_every_state_and_only_of_events_that_exist() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {event for events in TRANSITIONS.values() for event in events} == set(get_args(Event)) == set(EVENTS)
    assert set(DELIVERY_TRANSITIONS) == set(DeliveryState)
    assert {event for events in DELIVERY_TRANSITIONS.values() for event in events} == set(get_args(DeliveryEvent))


def test_every_state_is_reachable_from_found() -> None:
    assert reachable_from(State.FOUND) == set(State)


@pytest.mark.parametrize("state", [state for state in State if state is not State.READY])
def test_every_state_but_the_end_has_a_way_to_the_end(state: State) -> None:
    assert State.READY in reachable_from(state)


@pytest.mark.parametrize("state", [*ACTIVE])
def test_every_active_state_can_wait_and_can_stop_for_a_person(state: State) -> None:
    assert TRANSITIONS[state][Postponed] is state
    assert TRANSITIONS[state][Rejected] is State.FAILED


def test_from_the_last_chunk_on_only_what_was_not_sent_leads_back_to_an_upload() -> None:
    for state in PAID:
        for event, target in TRANSITIONS[state].items():
            if targets(target) & {State.FOUND, State.HELD, State.UPLOADING}:
                assert state is State.CLOSING
                assert event in {SourceChanged, LastPartKept}


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(State, EVENTS)))
def test_what_is_not_listed_raises_and_what_is_listed_leads_where_the_table_says(
    state: State, kind: type[Event]
) -> None:
    before = job(state)
    target = TRANSITIONS[state].get(kind)
    if target is None:
        with pytest.raises(Unlisted, match=f"{kind.__name__} is not listed for {state}"):
            advance(before, EVENTS[kind], 9.0)
        assert before == job(state)
    else:
        after = advance(before, EVENTS[kind], 9.0)
        assert after.state in targets(target)
        assert after.updated_at == 9.0
        assert after.id == before.id


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(DeliveryState, DELIVERY_EVENTS)))
def test_a_delivery_moves_as_its_table_says_and_not_otherwise(state: DeliveryState, kind: type[DeliveryEvent]) -> None:
    before = Delivery(1, 1, 1, state)
    target = DELIVERY_TRANSITIONS[state].get(kind)
    if target is None:
        with pytest.raises(Unlisted):
            advance_delivery(before, DELIVERY_EVENTS[kind])
    else:
        assert advance_delivery(before, DELIVERY_EVENTS[kind]).state is target


def test_a_delivery_counts_its_failures_and_forgets_them_when_it_is_done() -> None:
    waiting = advance_delivery(Delivery(1, 1, 1, DeliveryState.PENDING), Postponed(60.0, "full", "make room"))
    assert (waiting.due_at, waiting.failures, waiting.reason, waiting.hint) == (60.0, 1, "full", "make room")
    done = advance_delivery(waiting, Delivered())
    assert (done.due_at, done.failures, done.reason) == (0.0, 0, "")


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, State.FOUND),
        ({"file_id": "f"}, State.UPLOADING),
        ({"file_id": "f", "closing_at": 1.0}, State.CLOSING),
        ({"file_id": "f", "closing_at": 1.0, "uploaded_at": 2.0}, State.UPLOADED),
        ({"file_id": "f", "closing_at": 1.0, "uploaded_at": 2.0, "session_id": "s"}, State.TRANSCRIBING),
    ],
)
def test_a_retry_begins_at_the_furthest_state_that_is_shown_to_hold(facts: dict[str, object], state: State) -> None:
    for stopped in (State.FAILED, State.DISMISSED):
        before = job(stopped, **facts)
        assert furthest(before) is state
        assert advance(before, RetryRequested(), 1.0).state is state


def test_opening_an_upload_remembers_everything_that_finds_it_again() -> None:
    after = advance(job(State.FOUND), EVENTS[UploadOpened], 9.0)
    assert (after.file_id, after.service, after.key_fingerprint) == ("file", "https://api.example.org", "01234567")
    assert (after.labels, after.media_seconds) == ("{}", 12.0)


def test_the_content_is_known_before_the_last_chunk_and_from_when_on_it_may_be_paid() -> None:
    after = advance(job(State.UPLOADING, file_id="file"), Closing(SHA), 9.0)
    assert (after.sha256, after.closing_at) == (SHA, 9.0)


def test_a_result_keeps_a_known_length_when_the_service_tells_none() -> None:
    before = job(State.TRANSCRIBING, media_seconds=12.0)
    assert advance(before, ResultReady(b"{}", None), 9.0).media_seconds == 12.0
    assert advance(before, ResultReady(b"{}", 13.0), 9.0).media_seconds == 13.0


@pytest.mark.parametrize("event", [UploadLost("lost"), SourceChanged("changed")])
def test_an_upload_that_is_given_up_leaves_no_evidence(event: Event) -> None:
    after = advance(job(State.UPLOADING, file_id="file", service="https://x", labels="{}"), event, 9.0)
    assert (after.file_id, after.service, after.labels, after.session_id) == (None, None, None, None)
    assert furthest(after) is State.FOUND
    assert after.reason


def test_an_upload_whose_file_is_gone_goes_on_when_the_same_is_back() -> None:
    for state in (State.UPLOADING, State.CLOSING):
        sent = {"file_id": "file", "service": "https://x", "labels": "{}", "session_id": None, "uploaded_at": None}
        gone = advance(job(state, **sent), SourceGone("gone"), 9.0)
        assert gone.state is State.GONE
        back = advance(gone, SourceBack(STAT), 10.0)
        assert (back.state, back.file_id, back.closing_at) == (State.UPLOADING, "file", None)
        other = advance(gone, SourceBack(Stat(200, 2, 1)), 10.0)
        assert (other.state, other.file_id) == (State.FOUND, None)


def test_a_change_before_the_last_part_leaves_no_evidence_either() -> None:
    after = advance(job(State.CLOSING), SourceChanged("changed"), 9.0)
    assert (after.file_id, after.closing_at) == (None, None)


def test_the_services_own_verdict_voids_what_was_sent_and_any_other_stop_does_not() -> None:
    running = job(State.TRANSCRIBING)
    voided = advance(running, Rejected("no media", "listen", voids=True), 9.0)
    assert furthest(voided) is State.FOUND
    assert voided.sha256 == SHA
    assert furthest(advance(running, Rejected("no answer", "look"), 9.0)) is State.TRANSCRIBING


def test_new_content_forgets_the_hash_and_a_touch_to_the_same_stat_does_not() -> None:
    found = job(State.FOUND, sha256=SHA, media_seconds=3.0)
    assert advance(found, Resettled(Stat(200, 2, 1)), 9.0).sha256 is None
    assert advance(found, Resettled(Stat(100, 1, 77)), 9.0).sha256 == SHA


def test_other_content_is_asked_about_anew_only_while_it_is_held() -> None:
    other = Stat(200, 2, 1)
    held = advance(job(State.FOUND), Held("it was there before"), 1.0)
    flooded = advance(held, Resettled(other, "came with a flood"), 2.0)
    assert (flooded.state, flooded.held_for, flooded.reason) == (State.HELD, "came with a flood", "came with a flood")
    free = advance(flooded, Resettled(Stat(300, 3, 1)), 3.0)
    assert (free.state, free.held_for, free.reason) == (State.FOUND, "", "")
    assert advance(job(State.FOUND), Resettled(other, "came with a flood"), 1.0).state is State.FOUND
    assert advance(advance(held, Approved(), 2.0), Resettled(other, "it was there before"), 3.0).held_for == ""


def test_a_yes_is_remembered_for_just_that_doubt_and_just_that_content() -> None:
    first, second = "its length is not what it says", "its bytes have changed"
    twice = job(State.FOUND)
    for doubt in (first, second):
        twice = advance(advance(twice, Held(doubt), 1.0), Approved(), 2.0)
    assert twice.is_cleared(first)
    assert twice.is_cleared(second)
    assert not twice.is_cleared("another one")
    assert advance(twice, SourceGone("gone"), 3.0).is_cleared(first)
    assert advance(twice, Resettled(Stat(100, 1, 77)), 3.0).is_cleared(first)
    assert not advance(twice, Resettled(Stat(200, 2, 1)), 3.0).is_cleared(first)
    assert not advance(advance(twice, SourceGone("gone"), 3.0), SourceBack(Stat(200, 2, 1)), 4.0).is_cleared(first)


def test_a_retry_of_what_was_dismissed_is_a_yes() -> None:
    held = advance(job(State.FOUND), Held("its length is not what it says"), 1.0)
    again = advance(advance(held, Dismissed(), 2.0), RetryRequested(), 3.0)
    assert (again.state, again.held_for) == (State.FOUND, "")
    assert again.is_cleared("its length is not what it says")


def test_who_was_held_is_held_again_when_its_file_is_back_unless_a_yes_was_given() -> None:
    held = advance(job(State.FOUND), Held("it was there before"), 1.0)
    gone = advance(held, SourceGone("gone"), 2.0)
    back = advance(gone, SourceBack(STAT), 3.0)
    assert (back.state, back.reason) == (State.HELD, "it was there before")
    approved = advance(back, Approved(), 4.0)
    assert (approved.state, approved.held_for) == (State.FOUND, "")
    assert advance(advance(approved, SourceGone("gone"), 5.0), SourceBack(STAT), 6.0).state is State.FOUND


def test_failures_add_up_until_there_is_progress() -> None:
    once = advance(job(State.UPLOADING, file_id="f"), Postponed(5.0, "away", "wait"), 1.0)
    twice = advance(once, Postponed(7.0, "away", "wait"), 2.0)
    patient = advance(twice, Postponed(9.0, "not now", failed=False), 3.0)
    assert (once.failures, twice.failures, patient.failures) == (1, 2, 2)
    assert (patient.due_at, patient.reason) == (9.0, "not now")
    moved = advance(patient, ChunkAccepted(), 4.0)
    assert (moved.failures, moved.due_at, moved.reason, moved.hint) == (0, 0.0, "", "")


def test_only_time_without_a_proper_answer_adds_to_the_deadline() -> None:
    first = advance(job(State.TRANSCRIBING), StillRunning(5.0, "web page", 4.0), 1.0)
    second = advance(first, StillRunning(9.0, "web page", 4.0), 2.0)
    away = advance(second, Postponed(99.0, "away"), 3.0)
    assert (first.unanswered, second.unanswered, away.unanswered) == (4.0, 8.0, 8.0)
    assert advance(away, StillRunning(12.0, "processing"), 4.0).unanswered == 0.0


def test_what_a_result_took_is_remembered_and_forgotten_with_what_was_sent() -> None:
    running = advance(job(State.TRANSCRIBING), StillRunning(5.0, "processing"), 4.0)
    assert running.looked_at == 4.0
    silent = advance(running, StillRunning(9.0, "web page", 4.0), 8.0)
    assert silent.looked_at == 4.0, "only a look that shows it at work tells anything"
    listed = advance(silent, ResultListed(20.0), 9.0)
    assert (listed.due_at, listed.took, listed.unanswered) == (0.0, 20.0, 4.0)
    assert advance(listed, ResultReady(b"{}", 13.0, 20.0), 10.0).took == 20.0
    voided = advance(listed, Rejected("no media", "listen", voids=True), 10.0)
    assert (voided.looked_at, voided.took) == (None, None)
