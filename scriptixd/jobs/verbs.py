"""What a person asks of a job, applied: by the daemon if one runs, else by the verb itself.

Asking twice does no harm: what does not fit the job's state any more changes nothing and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Final

from scriptixd.jobs.bounds import ALL
from scriptixd.jobs.clock import Now
from scriptixd.jobs.delivering import RenderRequested
from scriptixd.jobs.events import Approved, Dismissed, Event, RetryRequested, Unlisted
from scriptixd.jobs.job import DeliveryState, Job, Request, State
from scriptixd.jobs.source import HELD_FOR_EXISTING, QuestionKind, Source
from scriptixd.jobs.store.requests import NamedFile, Verb, VerbRequest
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.transitions import furthest

# Requests in one transaction, a tenth of a second: a yes to 100,000 files must not keep us from stopping.
AT_ONCE: Final = 200

_EVENTS: Mapping[Verb, Event] = {Verb.APPROVE: Approved(), Verb.DISMISS: Dismissed(), Verb.RETRY: RetryRequested()}
_DONE = {
    Verb.APPROVE: "approved: it is uploaded next",
    Verb.DISMISS: "dismissed: it is left alone",
    Verb.RETRY: "tried again",
    Verb.REDO: "is sent again, and paid for again",
}
ANEW: Final = "its sidecars are made anew"
_AT: Final[Mapping[State, str]] = {
    State.FOUND: "waits to be uploaded",
    State.HELD: "waits for a yes",
    State.UPLOADING: "is being uploaded",
    State.CLOSING: "is being uploaded",
    State.UPLOADED: "is uploaded, and paid for",
    State.TRANSCRIBING: "is being transcribed",
    State.READY: "is transcribed",
    State.FAILED: "has failed",
    State.GONE: "has lost its file",
    State.DISMISSED: "is dismissed",
}
_STOPPED: Final = "without its file, nothing is sent of it; scriptixd pause stops all uploads"
_INSTEAD: Final[Mapping[tuple[Verb, State], str]] = {
    (Verb.APPROVE, State.FAILED): "scriptixd retry FILE tries it again",
    (Verb.APPROVE, State.DISMISSED): "scriptixd retry FILE takes it up",
    (Verb.RETRY, State.HELD): "scriptixd approve FILE says yes",
    (Verb.RETRY, State.READY): "scriptixd render FILE makes its sidecars anew, scriptixd redo FILE pays for a new one",
    (Verb.DISMISS, State.FOUND): _STOPPED,
    (Verb.DISMISS, State.UPLOADING): _STOPPED,
    (Verb.REDO, State.HELD): "scriptixd approve FILE says yes",
}
_NOTHING_TO_TRY: Final = "it cannot be tried again: its file is not there"
_NOTHING_TO_SEND: Final = "it cannot be sent: its file is not there"
_NOT_TAKEN: Final = "it cannot be sent: it may still be written, or its folder does not take it any more"
IMPOSSIBLE: Final = frozenset({_NOTHING_TO_TRY, _NOTHING_TO_SEND, _NOT_TAKEN})  # outcomes by which nothing was done
_ANSWERED: Mapping[QuestionKind, str] = {
    QuestionKind.DISK: "approved: what is there now is the folder's disk from now on",
    QuestionKind.CLAIM: "approved: it is watched from here from now on",
    QuestionKind.EMPTY: "approved: what was in it counts as deleted",
}
DECIDED: Final = frozenset({*_DONE.values(), *_ANSWERED.values()})


def apply_open_requests(store: Store, request_of: Callable[[Source], Request | None], now: Now) -> int:
    """Apply everything that was asked and not applied yet; returns how much that was."""
    count = 0
    while applied := apply_some_requests(store, request_of, now):
        count += applied
    return count


def apply_some_requests(
    store: Store,
    request_of: Callable[[Source], Request | None],
    now: Now,
    report: Callable[[VerbRequest, str], None] = lambda _request, _outcome: None,
) -> int:
    """Apply the oldest `AT_ONCE` of what was asked and not applied yet; returns how much that was.

    What a person has decided of a job or of a folder is reported, once it is committed.
    """
    requests, outcomes = store.requests.open(AT_ONCE), list[str]()
    with store.database.transaction() if requests else nullcontext():
        for request in requests:
            outcomes.append(_apply(store, request, request_of, now))
            store.requests.applied(request, outcomes[-1], now.wall)
    for request, outcome in zip(requests, outcomes, strict=True):
        if outcome in DECIDED:
            report(request, outcome)
    if any(request.verb is Verb.FORGET for request in requests):
        store.database.empty_log()  # where somebody reads just now, the verb sees to it again
    return len(requests)


def _apply(store: Store, request: VerbRequest, request_of: Callable[[Source], Request | None], now: Now) -> str:
    if request.file is not None:
        return _apply_to_file(store, request.verb, request.file, request_of, now)
    if request.folder is not None:
        return _apply_to_folder(store, request.verb, request.folder, now)
    if request.delivery_id is not None and request.wishes is not None:
        return _render(store, request.delivery_id, request.wishes, now)
    job = store.jobs.get(request.job_id)
    if job is None:
        return "there is nothing to do any more: its content is another job's"
    if request.verb is Verb.REDO:
        return _redo(store, job, request_of, request.wishes, now)
    if request.verb is Verb.RETRY and furthest(job) in (State.FOUND, State.UPLOADING) and not _is_there(store, job):
        return _NOTHING_TO_TRY
    try:
        store.jobs.apply(job, _EVENTS[request.verb], now.wall)
    except Unlisted:
        return _nothing_to(request.verb, job)
    return _DONE[request.verb]


def _nothing_to(verb: Verb, job: Job) -> str:
    """What a job is at that the verb is not for, and what is."""
    other = _INSTEAD.get((verb, job.state))
    return f"there is nothing to {verb}: it {_AT[job.state]}" + (f"; {other}" if other else "")


def _apply_to_file(
    store: Store, verb: Verb, file: NamedFile, request_of: Callable[[Source], Request | None], now: Now
) -> str:
    return _forget(store, file, now) if verb is Verb.FORGET else _take_up(store, file, request_of, now)


def _apply_to_folder(store: Store, verb: Verb, folder: str, now: Now) -> str:
    match verb:
        case Verb.PAUSE:
            return _pause(store, folder, now)
        case Verb.RESUME:
            return _resume(store, folder)
        case _:
            return _answer(store, verb, folder, now)


def _forget(store: Store, file: NamedFile, now: Now) -> str:
    left = store.forgetting.forget(file, now.wall)
    if left is None:
        return "nothing is known of it any more"
    told = ["forgotten"]
    if left.shared:
        told.append("its transcript stays, for another file has the same content")
    if left.ordered:
        told.append("Scriptix is told to erase what it has of it")
    if left.adopted:
        named = ", ".join(left.adopted)
        told.append(f"who has its transcription is not known here: look for {named} in Scriptix's dashboard")
    if file.stays:
        told.append("it lies there still, and is left alone")
    return "; ".join(told)


def _take_up(store: Store, file: NamedFile, request_of: Callable[[Source], Request | None], now: Now) -> str:
    """A yes to one that was left alone without being asked about."""
    source = store.sources.meant(file)
    if source is None:
        return "there is nothing to approve: it is not known any more"
    if (job := store.jobs.newest_of(source.id)) is not None:
        return _nothing_to(Verb.APPROVE, job)
    if not source.present:
        return _NOTHING_TO_SEND
    request = request_of(source) if source.settled else None
    if request is None:
        return _NOT_TAKEN
    held = store.jobs.create(source, request, HELD_FOR_EXISTING, 0, now.wall)
    store.jobs.apply(held, Approved(), now.wall)
    return _DONE[Verb.APPROVE]


def _answer(store: Store, verb: Verb, folder: str, now: Now) -> str:
    """A yes to what a folder as a whole asks; a no is said by leaving it unanswered."""
    if verb is not Verb.APPROVE:
        return f"there is nothing to {verb}: a folder's question is answered with approve, or not at all"
    question = store.sources.answer(folder, now.wall)
    return _ANSWERED[question.kind] if question else "it asks nothing"


def _pause(store: Store, whose: str, now: Now) -> str:
    if store.pauses.pause(whose, now.wall):
        return "paused: nothing is uploaded; what Scriptix has is asked for and delivered"
    return "paused already"


def _resume(store: Store, whose: str) -> str:
    """A folder's own pause ends, or all pauses there are."""
    ended = store.pauses.resume(whose)
    if ALL in store.pauses.paused():
        own = "not paused by its own name any more" if ended else "not paused by its own name"
        return f"{own}, but all folders are paused together: scriptixd resume"
    return "uploads go on" if ended else "not paused"


def _render(store: Store, delivery_id: int, wishes: str, now: Now) -> str:
    """A source's sidecars are made anew by whoever delivers."""
    delivery = store.deliveries.get(delivery_id)
    job = store.jobs.get(delivery.job_id) if delivery else None
    if delivery is None or job is None or delivery.state is DeliveryState.DROPPED:
        return "there is nothing to render: it has other content by now"
    if job.state is not State.READY:
        return f"there is nothing to render yet: it is {job.state}"
    store.deliveries.apply(delivery, RenderRequested(wishes), now.wall)
    return ANEW


def _is_there(store: Store, job: Job) -> bool:
    return bool(_own(store, job))


def _own(store: Store, job: Job) -> Sequence[Source]:
    """The sources that are there, and have had no other content since."""
    there = [source for source in store.jobs.sources(job.id) if source.present]
    return [source for source in there if (newest := store.jobs.newest_of(source.id)) and newest.id == job.id]


def _redo(
    store: Store, job: Job, request_of: Callable[[Source], Request | None], language: str | None, now: Now
) -> str:
    """A new job for the same content, which pays again because a person said so; None: in its folder's language."""
    if job.state not in (State.READY, State.FAILED, State.DISMISSED):
        return _nothing_to(Verb.REDO, job)
    own = _own(store, job)
    there = [(source, asked) for source in own if source.settled and (asked := request_of(source))]
    if not there:
        return _NOT_TAKEN if own else _NOTHING_TO_SEND
    first, request = there[0]
    asked_for = request if language is None else replace(request, language=language)
    again = store.jobs.create(first, asked_for, "", job.redo + 1, now.wall, job.cleared, language=language)
    store.jobs.remember(again.id, None, "RedoRequested", again.state, language or "", now.wall)
    store.jobs.share(again, [source for source, asked in there[1:] if asked == request], now.wall)
    store.erasures.supersede(job, now.wall)
    return _DONE[Verb.REDO]
