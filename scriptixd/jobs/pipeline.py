"""One step of one job: looks at what is known, makes one outside effect, commits what came of it.

Never sleeps, never retries, never repeats what may have been paid: from `closing` on nothing is sent
again unless the server says how much of it is missing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from scriptixd.errors import Away, FileTrouble, OverBudget, ShareTrouble, SourceMissing, StateTrouble, Stopped
from scriptixd.jobs import pacing
from scriptixd.jobs.asking import Asking, Progress, elsewhere, estranged, known
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import (
    ChunkAccepted,
    Event,
    LastPartKept,
    Postponed,
    Rejected,
    Resettled,
    ResultReady,
    SessionKnown,
    StillRunning,
    UploadFinished,
    UploadLost,
    UploadOpened,
)
from scriptixd.jobs.examination import Examination
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.originals import Originals
from scriptixd.jobs.ports import Desk, Examiner, Folders, Gauge, Limits, Uploads
from scriptixd.jobs.reading import NOTHING, Changed, Chunk, Content, Prefix
from scriptixd.jobs.recognition import Recognition
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.paths import shown
from scriptixd.roots.place import Place, figures

LOG = logging.getLogger("scriptixd.pipeline")

NOT_PICKED_UP: Final = "today's configuration does not pick it up"
PERSON_AGAIN: Final = 3600.0  # s until somebody who waits for a person's word is asked about again
HEARD_LASTS: Final = 3600.0  # s for which the server's offset is taken for known: what rests for longer may expire
# These show that the service answered as it should.
_ANSWERED: Final = (UploadOpened, ChunkAccepted, UploadFinished, SessionKnown, StillRunning, ResultReady)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step came to: the job as it is now, and what happened to it.

    Without an event it went on without one worth a save, or moved on meanwhile; another job's id means
    that its sources share that one from now on.
    """

    job: Job
    event: Event | None
    answered: bool = False  # whether the service did, as it should


class Pipeline:
    """The steps, one a state. Errors are those of the collaborators; the worker decides what follows from them."""

    def __init__(
        self,
        store: Store,
        folders: Folders,
        uploads: Uploads,
        asking: Asking,
        recognition: Recognition,
        desk: Desk,
        examiner: Examiner,
        limits: Limits,
        gauge: Gauge,
        stop: Callable[[], bool],
        clock: Callable[[], Now],
        rest: Callable[[float], object],
        chunk_size: int,
    ) -> None:
        self._store = store
        self._folders = folders
        self._uploads = uploads
        self._asking = asking
        self._recognition = recognition
        self._desk = desk
        self._examination = Examination(store, examiner, recognition)
        self._limits = limits
        self._gauge = gauge
        self._stop = stop
        self._clock = clock
        self._rest = rest
        self._chunk_size = chunk_size
        self._originals = Originals(store, folders)
        self._opened: dict[int, tuple[int, UploadOpened]] = {}  # not written down yet, with the job's version
        # Where the server's offset was left, with the digest of what is before it, and when: s of CLOCK_BOOTTIME.
        self._read: dict[int, tuple[Prefix, float]] = {}
        self._kept_back: set[int] = set()  # closing, and nobody was given the last byte since that was committed
        # Closing, and the server lacks a part: the folder that it is in, and the one whose limits it goes by.
        self._lacking: dict[int, tuple[str, str]] = {}

    def held_up(self, readable: Collection[str], fed: Callable[[str], bool]) -> Collection[int]:
        """The jobs that are closing and have to send what is in other folders than these, or may not be fed."""
        lacking = list(self._lacking.items())
        return [job_id for job_id, (disk, folder) in lacking if disk not in readable or not fed(folder)]

    def step(self, job: Job, now: Now) -> Step:
        """Move the job by one step, and commit it."""
        steps: dict[State, Callable[[Job, Now], Job | Event | Progress | None]] = {
            State.FOUND: self._found,
            State.UPLOADING: self._uploading,
            State.CLOSING: self._closing,
            State.UPLOADED: self._asking.uploaded,
            State.TRANSCRIBING: self._asking.transcribing,
        }
        version, opened = self._opened.get(job.id, (None, None))
        if opened and version != job.version:
            self._store.erasures.plan_upload(job.id, opened, now.wall)
        self._opened.pop(job.id, None)
        outcome = opened if opened and version == job.version else self._made(job, steps[job.state], now)
        if outcome is None or isinstance(outcome, Progress):
            return Step(job, None, answered=outcome is Progress.ANSWERED)
        if isinstance(outcome, Job):
            if outcome.id != job.id:
                self._read.pop(job.id, None)
                self._lacking.pop(job.id, None)
            return Step(outcome, None)
        try:
            after = self._store.jobs.apply(job, outcome, now.wall)
        except StateTrouble:
            if isinstance(outcome, UploadOpened):  # a full disk must not open one upload after the other
                self._opened[job.id] = job.version, outcome
            raise
        if after is None or after.state is not State.CLOSING:
            self._kept_back.discard(job.id)
        if after is None or after.state not in (State.UPLOADING, State.CLOSING):
            self._read.pop(job.id, None)
            self._lacking.pop(job.id, None)
        return Step(after or job, outcome if after else None, answered=isinstance(outcome, _ANSWERED))

    def _made(
        self, job: Job, step: Callable[[Job, Now], Job | Event | Progress | None], now: Now
    ) -> Job | Event | Progress | None:
        """What a step comes to; after any failure the server is asked for its offset."""
        try:
            return step(job, now)
        except OverBudget:  # nothing was asked: what is known of the upload still holds
            raise
        except Stopped:
            self._read.pop(job.id, None)
            if job.id in self._kept_back:
                return LastPartKept()
            raise
        except Exception:
            self._read.pop(job.id, None)
            raise

    def _found(self, job: Job, now: Now) -> Job | Event | None:
        source = self._originals.of(job)
        if source is None:
            heir = self._originals.heir(job)
            return Resettled(heir.stat) if heir else _looked_at_again(job, NOT_PICKED_UP, now)
        terms = self._folders.terms(source.folder, source.path)
        if (wanted := job.asks(terms.request)) != job.request:
            return self._store.jobs.follow(job, wanted, now.wall)
        if job.stat.size > terms.max_size:
            return Rejected(
                f"{shown(source.path)} has {job.stat.size} bytes, more than max_size allows ({terms.max_size})",
                "raise max_size for this folder, then: scriptixd retry FILE",
            )
        if (known_before := self._recognition.known(job, now)) is not None:
            return known_before
        try:
            with self._originals.opened(source, job, self._stop, self._gauge.beat) as content:
                seconds = self._examination.obstacle(job, source, content, terms, now)
            if not isinstance(seconds, float | None):
                return seconds
            if standstill := self._limits.admits(job, job.folder, seconds, now):
                until = now.wall + PERSON_AGAIN if standstill.until is None else standstill.until
                return Postponed(until, standstill.reason, standstill.hint, failed=False)
            self._desk.probe(source, terms.outputs)
        except Changed as change:  # the scanner will see it, and say what follows
            return _looked_at_again(job, change.what, now)
        except SourceMissing as missing:  # or its share is not mounted, and so are all the others not there
            raise ShareTrouble(missing.what, "the next look at its folder tells whether it is gone") from missing
        file_id = self._uploads.create(wanted, terms.labels, source.name, job.stat.size)
        self._read[job.id] = NOTHING, now.boot
        labels = json.dumps(terms.labels.public(), ensure_ascii=True, sort_keys=True)
        return UploadOpened(file_id, self._uploads.origin, self._uploads.key_fingerprint, labels, seconds)

    def _uploading(self, job: Job, now: Now) -> Job | Event | Progress | None:
        if job.service != self._uploads.origin:
            moved = f"it was begun at {job.service}, and api.url is now {self._uploads.origin}"
            return UploadLost(moved)
        if foreign := estranged(job, self._uploads.key_fingerprint):
            return UploadLost(foreign.reason)
        prefix, offset = self._where(job, now)
        if offset is None:
            return UploadLost("Scriptix does not know the upload any more")
        source = self._originals.of(job)
        try:
            if source is None:
                raise Changed("its file has changed or is not there", "it is sent once it stays the same")
            with self._originals.opened(source, job, lambda: self._is_to_rest(job), self._gauge.beat) as content:
                read = content.extend(prefix or NOTHING, offset)
                if job.stat.size - offset > self._chunk_size:
                    self._send(job, content, read, self._chunk_size)
                    return ChunkAccepted() if job.failures else Progress.ANSWERED
                whole = content.extend(read, job.stat.size).digest.hexdigest()
                content.check()
        except Changed as change:
            return self._originals.given_up(job, change.what)
        except SourceMissing as missing:  # or its share is not mounted: the scanner tells these apart
            return _looked_at_again(job, missing.what, now)
        if self._recognition.is_forgotten(self._store.contents.same(replace(job, sha256=whole))):
            return UploadLost("its content was transcribed before, and that transcript is not stored any more")
        self._read[job.id] = read, now.boot
        after = self._store.jobs.close_or_fold(job, whole, now.wall)
        if after is not None and after.id != job.id:
            LOG.info(
                "%s: job %d has the content of job %d and shares it: its upload is given up",
                Place(job.folder),
                job.id,
                after.id,
                extra=figures(job.id, upload=job.file_id, size=job.stat.size),
            )
        elif after is not None:
            self._kept_back.add(job.id)
        return after

    def _closing(self, job: Job, now: Now) -> Job | Event | Progress | None:
        if job.service != self._uploads.origin:
            return elsewhere(job, self._uploads.origin)
        prefix, offset = self._where(job, now)
        if offset is None:
            return self._asking.unknown(job, now)
        if offset == job.stat.size:
            return UploadFinished()
        source = self._originals.of(job)
        try:
            if source is None:
                raise Changed("its file has changed or is not there")
            self._lacking[job.id] = source.folder, job.folder
            if self._limits.feeding(job.folder, now) is not None:
                asked = Progress.NONE if prefix is not None else Progress.ANSWERED
                return LastPartKept() if job.id in self._kept_back else asked
            with self._originals.opened(source, job, lambda: self._is_to_rest(job), self._gauge.beat) as content:
                read = content.extend(prefix or NOTHING, offset)
                self._send(job, content, read, min(self._chunk_size, job.stat.size - offset))
        except Changed as change:  # the server lacks the last part: nothing was paid for it
            return self._originals.given_up(job, change.what)
        except SourceMissing as missing:
            return _looked_at_again(job, missing.what, now)
        if job.id in self._read and self._read[job.id][0].length == job.stat.size:
            return UploadFinished()
        return ChunkAccepted() if job.failures else Progress.ANSWERED

    def _where(self, job: Job, now: Now) -> tuple[Prefix | None, int | None]:
        """What was read of it, and how much the server has, as `_offset` says: asked, unless it was heard of late."""
        read, heard = self._read.get(job.id, (None, 0.0))
        return read, read.length if read is not None and now.boot - heard <= HEARD_LASTS else self._offset(job)

    def _offset(self, job: Job) -> int | None:
        """How much the server has, or None if it does not know the upload."""
        return self._uploads.offset(known(job.file_id), job.stat.size)

    def _send(self, job: Job, content: Content, read: Prefix, count: int) -> None:
        """One PATCH; afterwards the server's offset and the digest up to it are known, or nothing is."""
        whole = job.sha256 if read.length + count == job.stat.size else None
        chunk = Chunk(
            content,
            read,
            count,
            lambda offset: self._gauge.sent(job, offset),
            whole,
            wait=lambda size: self._limits.wait(job.folder, size),
            rest=self._rest,
        )
        self._read.pop(job.id, None)
        try:
            with chunk:
                offset = self._uploads.send(known(job.file_id), read.length, chunk)
        except OverBudget:
            self._read[job.id] = read, self._clock().boot
            raise
        except Changed:
            raise
        except FileTrouble as refused:  # after any failure the offset decides: it may have taken what it refuses
            if (self._offset(job) or 0) > read.length:
                raise Away(f"{refused.what}, and has taken it all the same", retry_after=0.0) from refused
            raise
        finally:
            if chunk.is_given:
                self._kept_back.discard(job.id)
        if offset == chunk.prefix.length:
            self._read[job.id] = chunk.prefix, self._clock().boot

    def _is_to_rest(self, job: Job) -> bool:
        """Whether sending stops in the middle: the whole daemon does, or this upload may not go on now."""
        return self._stop() or self._limits.feeding(job.folder, self._clock()) is not None


def _looked_at_again(job: Job, reason: str, now: Now) -> Postponed:
    """The scanner has the word; asked again ever less often, in case that it has nothing to say."""
    return Postponed(now.wall + pacing.backoff(job.failures, None, 1.0), reason)
