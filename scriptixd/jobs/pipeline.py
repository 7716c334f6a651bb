"""One step of one job: looks at what is known, makes one outside effect, commits what came of it.

Never sleeps, never retries, never repeats what may have been paid: from `closing` on nothing is sent
again unless the server says how much of it is missing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scriptixd.errors import Away, ShareTrouble, SourceMissing, StateTrouble, Stopped, Trouble
from scriptixd.jobs import pacing
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import (
    ChunkAccepted,
    Event,
    Postponed,
    Rejected,
    Resettled,
    ResultReady,
    SessionKnown,
    SourceChanged,
    SourceGone,
    StillRunning,
    UploadFinished,
    UploadLost,
    UploadOpened,
)
from scriptixd.jobs.examination import Examination
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.ports import (
    Desk,
    Examiner,
    Finished,
    Folders,
    Gauge,
    Refused,
    Running,
    Sessions,
    Unclear,
    Uploads,
)
from scriptixd.jobs.reading import NOTHING, Changed, Chunk, Content, Prefix
from scriptixd.jobs.source import Source
from scriptixd.jobs.store import Store
from scriptixd.roots.paths import shown

LOG = logging.getLogger("scriptixd.pipeline")

UNDECIDABLE = (
    "the last part was sent, and Scriptix neither knows the upload any more nor names a transcription for it: "
    "it may have been paid for"
)
NOT_PICKED_UP = "today's configuration does not pick it up"
LOOK = "look in Scriptix's dashboard what became of it: "


@dataclass(frozen=True, slots=True)
class Step:
    """What one step came to: the job as it is now, and what happened to it.

    Without an event it went on without one worth a save, or moved on meanwhile; another job's id means
    that its sources share that one from now on.
    """

    job: Job
    event: Event | None


class Pipeline:
    """The steps, one a state. Errors are those of the collaborators; the worker decides what follows from them."""

    def __init__(
        self,
        store: Store,
        folders: Folders,
        uploads: Uploads,
        sessions: Sessions,
        desk: Desk,
        examiner: Examiner,
        gauge: Gauge,
        stop: Callable[[], bool],
        chunk_size: int,
        deadline: float,
    ) -> None:
        self._store = store
        self._folders = folders
        self._uploads = uploads
        self._sessions = sessions
        self._desk = desk
        self._examination = Examination(store, examiner)
        self._gauge = gauge
        self._stop = stop
        self._chunk_size = chunk_size
        self._deadline = deadline
        self._opened: dict[int, tuple[int, UploadOpened]] = {}  # not written down yet, with the job's version
        self._read: dict[int, Prefix] = {}  # where the server's offset was left, with the digest of what is before it
        self._lacking: dict[int, str] = {}  # closing, and the server lacks a part that is in this folder

    def waiting_for_others(self, folders: Collection[str]) -> Collection[int]:
        """The jobs that are closing and have to read what is in other folders than these."""
        return [job_id for job_id, folder in list(self._lacking.items()) if folder not in folders]

    def step(self, job: Job, now: Now) -> Step:
        """Move the job by one step, and commit it."""
        steps: dict[State, Callable[[Job, Now], Job | Event | None]] = {
            State.FOUND: self._found,
            State.UPLOADING: self._uploading,
            State.CLOSING: self._closing,
            State.UPLOADED: self._uploaded,
            State.TRANSCRIBING: self._transcribing,
        }
        version, opened = self._opened.pop(job.id, (None, None))
        try:
            outcome = opened if opened and version == job.version else steps[job.state](job, now)
        except Exception:
            self._read.pop(job.id, None)  # after any failure the server is asked for its offset
            raise
        if outcome is None:
            return Step(job, None)
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
        if after is None or after.state not in (State.UPLOADING, State.CLOSING):
            self._read.pop(job.id, None)
            self._lacking.pop(job.id, None)
        if after is None and isinstance(outcome, UploadOpened):
            self._give_up(outcome.file_id)
        elif isinstance(outcome, SourceChanged):
            self._give_up(_known(job.file_id))
        return Step(after or job, outcome if after else None)

    def _found(self, job: Job, now: Now) -> Job | Event | None:
        source = self._source(job)
        if source is None:
            heir = self._heir(job)
            return Resettled(heir.stat) if heir else _looked_at_again(job, NOT_PICKED_UP, now)
        terms = self._folders.terms(source.folder, source.path)
        if terms.request != job.request:
            return self._store.jobs.follow(job, terms.request, now.wall)
        if job.stat.size > terms.max_size:
            return Rejected(
                f"{shown(source.path)} has {job.stat.size} bytes, more than max_size allows ({terms.max_size})",
                "raise max_size for this folder, then: scriptixd retry",
            )
        if job.sha256 is not None and (shared := self._store.jobs.fold(job, now.wall)):
            place = shown(f"{source.folder}/{source.path}")
            LOG.info("%s: its content is known already: shares job %d, nothing is sent", place, shared.id)
            return shared
        try:
            with self._open(source, job) as content:
                seconds = self._examination.obstacle(job, source, content, terms, now)
            if not isinstance(seconds, float | None):
                return seconds
            self._desk.probe(source, terms.outputs)
        except Changed as change:  # the scanner will see it, and say what follows
            return _looked_at_again(job, change.what, now)
        except SourceMissing as missing:  # or its share is not mounted, and so are all the others not there
            raise ShareTrouble(missing.what, "the next look at its folder tells whether it is gone") from missing
        file_id = self._uploads.create(terms.request, terms.labels, source.name, job.stat.size)
        self._read[job.id] = NOTHING
        labels = json.dumps(terms.labels.public(), ensure_ascii=True, sort_keys=True)
        return UploadOpened(file_id, self._uploads.origin, self._uploads.key_fingerprint, labels, seconds)

    def _uploading(self, job: Job, now: Now) -> Job | Event | None:
        if job.service != self._uploads.origin:
            return UploadLost(f"it was begun at {job.service}, and api.url is now {self._uploads.origin}")
        file_id = _known(job.file_id)
        prefix = self._read.get(job.id)
        offset = self._uploads.offset(file_id) if prefix is None else prefix.length
        if offset is None:
            return UploadLost("Scriptix does not know the upload any more")
        source = self._source(job)
        try:
            if source is None:
                raise Changed("its file has changed or is not there", "it is sent once it stays the same")
            with self._open(source, job) as content:
                read = content.extend(prefix or NOTHING, offset)
                if job.stat.size - offset > self._chunk_size:
                    self._send(job, content, read, self._chunk_size)
                    return ChunkAccepted() if job.failures else None
                whole = content.extend(read, job.stat.size).digest.hexdigest()
                content.check()
        except Changed as change:
            return self._given_up(job, change.what)
        except SourceMissing as missing:  # or its share is not mounted: the scanner tells these apart
            return _looked_at_again(job, missing.what, now)
        self._read[job.id] = read
        after = self._store.jobs.close_or_fold(job, whole, now.wall)
        if after is not None and after.id != job.id:
            LOG.info("job %d has the content of job %d and shares it: its upload is given up", job.id, after.id)
            self._give_up(file_id)
        return after

    def _closing(self, job: Job, now: Now) -> Job | Event | None:
        if job.service != self._uploads.origin:
            return _elsewhere(job, self._uploads.origin)
        file_id = _known(job.file_id)
        prefix = self._read.get(job.id)
        offset = self._uploads.offset(file_id) if prefix is None else prefix.length
        if offset is None:
            return self._upload_unknown(job, file_id, now)
        if offset == job.stat.size:
            return UploadFinished()
        source = self._source(job)
        try:
            if source is None:
                raise Changed("its file has changed or is not there")
            self._lacking[job.id] = source.folder
            with self._open(source, job) as content:
                read = content.extend(prefix or NOTHING, offset)
                self._send(job, content, read, min(self._chunk_size, job.stat.size - offset))
        except Changed as change:  # the server lacks the last part: nothing was paid for it
            return self._given_up(job, change.what)
        except SourceMissing as missing:
            return _looked_at_again(job, missing.what, now)
        if job.id in self._read and self._read[job.id].length == job.stat.size:
            return UploadFinished()
        return ChunkAccepted() if job.failures else None

    def _upload_unknown(self, job: Job, file_id: str, now: Now) -> Event:
        """The last part may have arrived: only a session shows that it did, and it may be named late."""
        if self._sessions.session_of(file_id) is not None:
            return UploadFinished()
        if job.unanswered >= pacing.SESSION_PATIENCE:
            return Rejected(UNDECIDABLE, LOOK + "if it arrived, scriptixd retry; if not, scriptixd redo")
        wait = pacing.session_wait(job.unanswered)
        return StillRunning(
            now.wall + wait, "Scriptix does not know the upload any more, and names no transcription", wait
        )

    def _uploaded(self, job: Job, now: Now) -> Event:
        if job.service != self._uploads.origin:
            return _elsewhere(job, self._uploads.origin)
        session_id = self._sessions.session_of(_known(job.file_id))
        if session_id is not None:
            wait = max(0.0, pacing.first_look(job.media_seconds, job.stat.size) - _since_upload(job, now))
            return SessionKnown(session_id, now.wall + wait)
        if job.unanswered >= pacing.SESSION_PATIENCE:
            return Rejected(
                "Scriptix has the whole file, and has named no transcription for it for half an hour",
                LOOK + "once it is there, scriptixd retry",
            )
        wait = pacing.session_wait(job.unanswered)
        return StillRunning(now.wall + wait, "waits for its transcription to be named", wait)

    def _transcribing(self, job: Job, now: Now) -> Event:
        if job.service != self._uploads.origin:
            return _elsewhere(job, self._uploads.origin)
        wait = pacing.next_look(_since_upload(job, now))
        match self._sessions.look(_known(job.session_id)):
            case Finished(body, seconds):
                return ResultReady(body, seconds)
            case Running(status):
                return StillRunning(now.wall + wait, status)
            case Refused(reason):
                return Rejected(
                    f"Scriptix could not transcribe it: {reason}",
                    "listen to the file; scriptixd retry sends and pays for it again",
                    voids=True,
                )
            case Unclear(what) if job.unanswered >= self._deadline:
                return Rejected(
                    f"Scriptix was asked for {self._deadline / 3600:g} h and gave no answer about it: {what}",
                    LOOK + "once it is done, scriptixd retry",
                )
            case Unclear(what):
                return StillRunning(now.wall + wait, what, wait)

    def _send(self, job: Job, content: Content, read: Prefix, count: int) -> None:
        """One PATCH; afterwards the server's offset and the digest up to it are known, or nothing is."""
        whole = job.sha256 if read.length + count == job.stat.size else None
        chunk = Chunk(content, read, count, lambda offset: self._gauge.sent(job, offset), whole)
        self._read.pop(job.id, None)
        offset = self._uploads.send(_known(job.file_id), read.length, chunk)
        if offset <= read.length:
            raise Away(f"Scriptix took nothing of a chunk of {count} bytes")
        if offset == chunk.prefix.length:
            self._read[job.id] = chunk.prefix

    def _give_up(self, file_id: str) -> None:
        """Tell the service that an unfinished upload is not wanted; unfinished ones cost nothing in any case."""
        try:
            self._uploads.discard(file_id)
        except (Trouble, Stopped) as trouble:
            LOG.debug("upload %s could not be given up: %s", file_id, trouble)

    def _source(self, job: Job) -> Source | None:
        """A source that has the job's content, in a folder that is configured: one that may be read now, if any."""
        as_found = [source for source in self._there(job) if source.stat.same_content(job.stat)]
        readable = self._folders.names()
        return min(as_found, key=lambda source: source.folder not in readable, default=None)

    def _heir(self, job: Job) -> Source | None:
        """A copy that has come to share the job, now that the file that it was found as is no more."""
        return next((source for source in self._there(job) if self._is_its_own(job, source)), None)

    def _there(self, job: Job) -> Iterator[Source]:
        """The sources of a job that are there and settled, and that today's configuration would pick up."""
        there = (source for source in self._store.jobs.sources(job.id) if source.present and source.settled)
        return (source for source in there if self._folders.picks_up(source))

    def _given_up(self, job: Job, reason: str) -> Event:
        """What becomes of a job whose upload is of no use: a source that is there and still its own settles anew."""
        there = (source for source in self._store.jobs.sources(job.id) if source.present)
        return SourceChanged(reason) if any(self._is_its_own(job, source) for source in there) else SourceGone(reason)

    def _is_its_own(self, job: Job, source: Source) -> bool:
        """Whether the source has had no other content since."""
        newest = self._store.jobs.newest_of(source.id)
        return newest is not None and newest.id == job.id

    @contextmanager
    def _open(self, source: Source, job: Job) -> Iterator[Content]:
        """The source for reading, as long as it is what the job was made for."""
        root = self._folders.root(source.folder)
        if root is None:
            raise Changed(f"the folder {source.folder} is not configured any more")
        with root.open(source.path) as reader:
            content = Content(reader, shown(source.path), job.stat, self._stop, self._gauge.beat)
            content.check()
            yield content


def _known(value: str | None) -> str:
    """What the state of a job guarantees, as the table's CHECKs do."""
    if value is None:
        raise AssertionError("the state file lacks what the job's state guarantees")
    return value


def _since_upload(job: Job, now: Now) -> float:
    """Seconds since the upload; where a clock was set back they tell nothing, and must not be waited for."""
    return abs(now.wall - (job.uploaded_at or now.wall))


def _looked_at_again(job: Job, reason: str, now: Now) -> Postponed:
    """The scanner has the word; asked again ever less often, in case that it has nothing to say."""
    return Postponed(now.wall + pacing.backoff(job.failures, None, 1.0), reason)


def _elsewhere(job: Job, origin: str) -> Rejected:
    return Rejected(
        f"it was sent to {job.service}, and api.url is now {origin}",
        f"set api.url to {job.service} again, then: scriptixd retry; or pay again here: scriptixd redo",
    )
