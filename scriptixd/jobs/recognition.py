"""Content that is known already, from the state file or from a transcript that lies beside it: nothing is paid for it.

Decides by SHA-256 alone; sends no content. What is known under another request, or was not kept, waits for a person.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain
from typing import Final

from scriptixd.errors import ShareTrouble
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Adopted, Hashed, Held, Postponed
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.ports import Beside, Finished, Lying, Sessions, Uploads
from scriptixd.jobs.reading import NOTHING, Content
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.place import Place, figures

LOG = logging.getLogger("scriptixd.pipeline")

NOT_KEPT: Final = "its content was transcribed before, and that transcript is kept nowhere any more: a yes pays again"
SHARE_AGAIN: Final = 300.0  # s until a transcript that lies on a disk that is away is looked for again


class Recognition:
    """What is looked for before anything is sent."""

    def __init__(self, store: Store, beside: Beside, uploads: Uploads, sessions: Sessions) -> None:
        self._store = store
        self._beside = beside
        self._uploads = uploads
        self._sessions = sessions

    def known(self, job: Job, now: Now) -> Job | Held | Postponed | None:
        """What the state file knows of a content that was read: the job that this one shares from now on, if any."""
        into = None if job.sha256 is None else self._store.contents.same(job)
        if into is None:
            return None
        if self.is_forgotten(into):
            try:
                reply = self.kept_elsewhere(into, job) if into.state is State.READY else None
            except ShareTrouble as away:
                return Postponed(now.wall + SHARE_AGAIN, away.what, away.hint, failed=False)
            if reply is None:
                if job.is_cleared(NOT_KEPT):
                    return self._store.jobs.paid_again(job, into.redo + 1, now.wall)
                return Held(NOT_KEPT)
            self._store.jobs.keep_result(into, reply, now.wall)
        sources = self._store.jobs.sources(job.id)  # afterwards they are the other job's
        shared = self._store.jobs.fold(job, now.wall)
        if shared is not None:
            LOG.info(
                "%s: its content is known already: shares job %d, nothing is sent",
                Place(sources[0].folder, sources[0].path) if sources else Place(job.folder),
                shared.id,
                extra=figures(job.id, shared.session_id, size=job.stat.size),
            )
        return shared

    def is_forgotten(self, job: Job | None) -> bool:
        """Whether it was done, and its transcript is not stored any more; or it was forgotten before it was done."""
        if job is None or self._store.jobs.has_result(job.id):
            return False
        return job.ready_at is not None or (job.state is State.DISMISSED and not self._store.jobs.sources(job.id))

    def beside(self, job: Job, source: Source, content: Content) -> Hashed | Adopted | Held | None:
        """What the transcripts that lie beside a source say; a hold that only these could lift holds without them.

        What was asked for otherwise elsewhere says less than the one that was asked for here, and lies here.
        """
        lying = [one for one in self._beside.transcripts(source) if _may_be_of(one, job)]
        if job.redo:  # in spite of all that was known; what this state file never heard of was paid after its backup
            lying = [one for one in lying if not self._store.contents.has_session(one.size, one.sha256, one.session_id)]
        if lying and job.sha256 is None:
            whole = content.extend(NOTHING, job.stat.size).digest.hexdigest()
            content.check()
            return Hashed(whole)
        of_this = [one for one in lying if one.sha256 == job.sha256]
        for one in of_this:
            if one.request == job.request:
                return Adopted(one.body, one.session_id, one.key_fingerprint, one.seconds)
        for one in of_this:
            sentence = job.request.unlike(one.request)
            if not job.is_cleared(sentence):
                return Held(sentence)
        return self._asked_otherwise(job) or (Held(job.held_for) if job.held_for else None)

    def _asked_otherwise(self, job: Job) -> Held | None:
        """Another language is another job; under any other difference nothing is paid for known content unasked."""
        before = None if job.redo or job.sha256 is None else self._store.contents.otherwise(job)
        if before is None or job.is_cleared(sentence := job.request.unlike(before)):
            return None
        return Held(sentence)

    def kept_elsewhere(self, job: Job, copy: Job | None = None) -> bytes | None:
        """The reply of a job that is stored no more, from a sidecar of it or of its copy, or from the service.

        None: from nowhere. Raises ShareTrouble where it may lie on a disk that is away, and what the service's silence
        raises.
        """
        beside = kept_beside(self._store, self._beside, job, copy)
        if beside is not None:
            return beside
        ours = (job.service, job.key_fingerprint) == (self._uploads.origin, self._uploads.key_fingerprint)
        if ours and job.session_id and not self._store.erasures.is_ordered(job.session_id):
            answer = self._sessions.look(job.session_id)
            if isinstance(answer, Finished):
                return answer.body
        return None


def kept_beside(store: Store, beside: Beside, job: Job, copy: Job | None = None) -> bytes | None:
    """The reply of a job from a sidecar, of it or of its copy; ShareTrouble where a disk that is away may have it."""
    of = (job,) if copy is None else (job, copy)
    for one in chain.from_iterable(_sidecars(store, beside, each) for each in of):
        if (one.sha256, one.size, one.request) == (job.sha256, job.stat.size, job.request):
            return one.body
    return None


def _sidecars(store: Store, beside: Beside, job: Job) -> Iterator[Lying]:
    """Of those that can be reached; raises ShareTrouble last, where there may be more on a disk that is away."""
    away: ShareTrouble | None = None
    for source in store.jobs.sources(job.id):
        try:
            yield from beside.transcripts(source)
        except ShareTrouble as trouble:
            away = trouble
    if away is not None:
        raise away


def _may_be_of(one: Lying, job: Job) -> bool:
    """Whether it is worth reading a whole file for it."""
    return one.size == job.stat.size and one.request.language == job.request.language
