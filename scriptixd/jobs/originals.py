"""Which of a job's sources is read, and what becomes of a job whose sources are not what they were.

Infers nothing from a disk that is not there: the scanner has the word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scriptixd.jobs.events import Event, SourceChanged, SourceGone
from scriptixd.jobs.job import Job
from scriptixd.jobs.ports import Folders
from scriptixd.jobs.reading import Changed, Content
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.paths import shown


class Originals:
    """The files behind the jobs."""

    def __init__(self, store: Store, folders: Folders) -> None:
        self._store = store
        self._folders = folders

    def of(self, job: Job) -> Source | None:
        """A source that has the job's content, in a folder that is configured: one that may be read now, if any."""
        as_found = [source for source in self._there(job) if source.stat.same_content(job.stat)]
        readable = self._folders.names()
        return min(as_found, key=lambda source: source.folder not in readable, default=None)

    def heir(self, job: Job) -> Source | None:
        """A copy that has come to share the job, now that the file that it was found as is no more."""
        return next((source for source in self._there(job) if self._is_its_own(job, source)), None)

    def given_up(self, job: Job, reason: str) -> Event:
        """What becomes of a job whose upload is of no use: a source that is there and still its own settles anew."""
        there = (source for source in self._store.jobs.sources(job.id) if source.present)
        return SourceChanged(reason) if any(self._is_its_own(job, source) for source in there) else SourceGone(reason)

    @contextmanager
    def opened(self, source: Source, job: Job, stop: Callable[[], bool], beat: Callable[[], None]) -> Iterator[Content]:
        """The source for reading, as long as it is what the job was made for."""
        root = self._folders.root(source.folder)
        if root is None:
            raise Changed(f"the folder {source.folder} is not configured any more")
        with root.open(source.path) as reader:
            content = Content(reader, shown(source.path), job.stat, stop, beat)
            content.check()
            yield content

    def _there(self, job: Job) -> Iterator[Source]:
        """The sources of a job that are there and settled, and that today's configuration would pick up."""
        there = (source for source in self._store.jobs.sources(job.id) if source.present and source.settled)
        return (source for source in there if self._folders.picks_up(source))

    def _is_its_own(self, job: Job, source: Source) -> bool:
        """Whether the source has had no other content since."""
        newest = self._store.jobs.newest_of(source.id)
        return newest is not None and newest.id == job.id
