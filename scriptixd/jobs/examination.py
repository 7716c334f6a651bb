"""What is looked at once more before a cent is spent: whether a file is whole, known, and wanted without a yes.

Opens nothing itself and sends nothing; says what keeps an open source from being sent.
"""

from __future__ import annotations

from typing import Final

from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Adopted, Hashed, Held, Postponed
from scriptixd.jobs.job import Job, Terms
from scriptixd.jobs.media import media_seconds
from scriptixd.jobs.ports import Doubt, Examiner, Opinion, Wait
from scriptixd.jobs.reading import NOTHING, Content
from scriptixd.jobs.recognition import Recognition
from scriptixd.jobs.source import FLOOD_WITHIN, HELD_FOR_HOURS, Source
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.store.twins import TWIN_FAILURES

RETAGGED: Final = "its bytes have changed, but it plays exactly as long as before, as when a tag editor has touched it"
SAME_LENGTH: Final = 0.5  # s: lengths that differ by no more, read by different programs, are the same


class Examination:
    """The last look before an upload is opened."""

    def __init__(self, store: Store, examiner: Examiner, recognition: Recognition) -> None:
        self._store = store
        self._examiner = examiner
        self._recognition = recognition

    def obstacle(
        self, job: Job, source: Source, content: Content, terms: Terms, now: Now
    ) -> float | Hashed | Adopted | Held | Postponed | None:
        """What keeps an open source from being sent; else the seconds that it plays, None where nothing tells them.

        What is known costs nothing: it is recognised before anybody is asked about it.
        """
        opinion: Opinion = self._examiner.opinion(source, content.reader, now)
        if isinstance(opinion, Wait):
            # A failure, so that no copy waits for this one for ever, but none that makes a later wait any longer.
            failed = job.failures < TWIN_FAILURES
            return Postponed(now.wall + opinion.seconds, opinion.reason, opinion.hint, failed=failed)
        if job.sha256 is None and self._store.contents.size_known(job):
            whole = content.extend(NOTHING, job.stat.size).digest.hexdigest()
            content.check()
            return Hashed(whole)
        if (found := self._recognition.beside(job, source, content)) is not None:
            return found
        if isinstance(opinion, Doubt) and not job.is_cleared(opinion.reason):
            return Held(opinion.reason)
        seconds = media_seconds(content.reader, source.name, job.stat.size)
        if seconds is not None and self._is_retagged(job, source, terms, seconds):
            return Held(RETAGGED)
        if seconds is not None and self._is_flood(job, source, terms, seconds):
            return Held(HELD_FOR_HOURS)
        return seconds

    def _is_retagged(self, job: Job, source: Source, terms: Terms, seconds: float) -> bool:
        if not terms.changed_holds or job.redo or job.is_cleared(RETAGGED):
            return False
        before = self._store.contents.length_before(job, source)
        return before is not None and abs(seconds - before) <= SAME_LENGTH

    def _is_flood(self, job: Job, source: Source, terms: Terms, seconds: float) -> bool:
        """Whether it is more than goes without a yes; any yes to the file is one to that, too."""
        if terms.hours_unasked is None or source.existing or job.redo or job.cleared:
            return False
        come = self._store.contents.seconds_come(job, job.created_at - FLOOD_WITHIN)
        return come + seconds > terms.hours_unasked * 3600
