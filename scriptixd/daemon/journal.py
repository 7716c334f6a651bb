"""What the log says of a job: one line a transition, the path first and the figures behind. Decides nothing."""

from __future__ import annotations

import logging
from typing import Final

from scriptixd.jobs.events import (
    Event,
    Held,
    Postponed,
    Rejected,
    ResultReady,
    SessionKnown,
    StillRunning,
    UploadFinished,
    UploadOpened,
    detail_of,
)
from scriptixd.jobs.job import Job
from scriptixd.jobs.sentences import told
from scriptixd.jobs.source import CIRCUMSTANCES, Happening
from scriptixd.jobs.store.requests import VerbRequest
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.paths import typed
from scriptixd.roots.place import Place, Words, figures

LOG = logging.getLogger("scriptixd.jobs")

NUMBERED: Final = (UploadOpened, SessionKnown)  # what they tell is a figure, and stands behind


def tell(store: Store, job: Job, event: Event) -> None:
    """One line for each transition; what merely lasts is in the history alone."""
    if isinstance(event, StillRunning) or (isinstance(event, Postponed) and job.failures != 1):
        return
    # One of a crowd asks nobody by itself: the folder does.
    asks = isinstance(event, Held) and event.reason not in CIRCUMSTANCES
    level = logging.WARNING if asks or isinstance(event, Rejected) else logging.INFO
    place = _place(store, job)
    words = Words(told(type(event).__name__, ""))
    detail = "" if isinstance(event, NUMBERED) else detail_of(event)
    upload = None if job.session_id else job.file_id
    behind = figures(job.id, job.session_id, upload, job.stat.size, job.media_seconds, _took(store, job, event))
    if asks and place.path:
        LOG.log(level, "%s: %s: %s", place, words, detail + _way_on(place), extra=behind)
    elif detail:
        LOG.log(level, "%s: %s: %s", place, words, detail, extra=behind)
    else:
        LOG.log(level, "%s: %s", place, words, extra=behind)


def tell_happening(one: Happening) -> None:
    """One line for what a look has come to for a job."""
    place, words, behind = Place(one.folder, one.path), Words(told(one.event, "")), figures(one.job_id)
    if one.detail:
        LOG.info("%s: %s: %s", place, words, one.detail, extra=behind)
    else:
        LOG.info("%s: %s", place, words, extra=behind)


def tell_decided(store: Store, request: VerbRequest, outcome: str) -> None:
    """One line for what a person has decided of a job, of a file that had none, or of a folder as a whole."""
    job = store.jobs.get(request.job_id)
    if job is not None:
        behind = figures(job.id, job.session_id, None, job.stat.size, job.media_seconds)
        LOG.info("%s: %s", _place(store, job), Words(outcome), extra=behind)
    elif request.file is not None and (source := store.sources.get(request.file.source_id)) is not None:
        LOG.info("%s: %s", Place(source.folder, source.path), Words(outcome))
    elif request.folder is not None:
        LOG.info("%s: %s", Place(request.folder), Words(outcome))


def _place(store: Store, job: Job) -> Place:
    sources = store.jobs.sources(job.id)
    return Place(sources[0].folder, sources[0].path) if sources else Place(job.folder)


def _took(store: Store, job: Job, event: Event) -> float | None:
    """How long what has ended took, in seconds; a clock that was set meanwhile makes nothing negative."""
    began = ended = None
    if isinstance(event, UploadFinished):
        began, ended = store.openings.opened_at(job.id), job.uploaded_at
    elif isinstance(event, ResultReady):
        if job.took is not None:
            return job.took
        began, ended = job.uploaded_at, job.ready_at
    return None if began is None or ended is None else max(0.0, ended - began)


def _way_on(place: Place) -> str:
    name = typed(f"{place.folder}/{place.path}")
    return f" (scriptixd approve {name}, or scriptixd dismiss {name})"
