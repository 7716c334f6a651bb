"""Rows to records and back: the only place that knows the order of columns."""

from __future__ import annotations

import os
from typing import Any, Final

from scriptixd.jobs.job import Delivery, DeliveryState, Job, Request, State
from scriptixd.jobs.source import Look, Source
from scriptixd.roots.root import Stat

JOB_FACTS: Final = (
    "state, folder, request, size, mtime_ns, inode, redo, sha256, media_seconds, file_id, service, key_fingerprint, "
    "labels, session_id, closing_at, uploaded_at, ready_at, due_at, failures, unanswered, reason, hint, held_for, "
    "created_at, updated_at, version, cleared, looked_at, took, language"
)
JOB_COLUMNS: Final = f"id, {JOB_FACTS}"
JOB_MARKS: Final = ", ".join("?" for _ in JOB_FACTS.split(","))

SOURCE_COLUMNS: Final = (
    "sources.id, sources.folder, sources.directory, sources.name, sources.size, sources.mtime_ns, sources.inode, "
    "sources.boot_id, sources.look_since, sources.looks, sources.settled, sources.present, sources.existing, "
    "sources.ignored"
)


DELIVERY_COLUMNS: Final = "id, job_id, source_id, state, due_at, failures, reason, hint, wishes"


def job_from(row: tuple[Any, ...]) -> Job:
    (id_, state, folder, request, size, mtime_ns, inode, *rest) = row
    return Job(int(id_), State(state), folder, Request.from_key(request), Stat(size, mtime_ns, inode), *rest)


def job_values(job: Job) -> tuple[object, ...]:
    return (
        job.state, job.folder, job.request.key, job.stat.size, job.stat.mtime_ns, job.stat.inode, job.redo,
        job.sha256, job.media_seconds, job.file_id, job.service, job.key_fingerprint, job.labels, job.session_id,
        job.closing_at, job.uploaded_at, job.ready_at, job.due_at, job.failures, job.unanswered, told(job.reason),
        told(job.hint), told(job.held_for), job.created_at, job.updated_at, job.version,
        told(job.cleared), job.looked_at, job.took, job.language,
    )  # fmt: skip


def source_from(row: tuple[Any, ...]) -> Source:
    (id_, folder, directory, name, size, mtime_ns, inode, boot, since, looks, settled, present, existing, ignored) = row
    return Source(
        id=id_,
        folder=folder,
        path=join(os.fsdecode(directory), os.fsdecode(name)),
        stat=Stat(size, mtime_ns, inode),
        look=Look(boot, since, looks),
        settled=bool(settled),
        present=bool(present),
        existing=bool(existing),
        ignored=bool(ignored),
    )


def delivery_from(row: tuple[Any, ...]) -> Delivery:
    (id_, job_id, source_id, state, *rest) = row
    return Delivery(id_, job_id, source_id, DeliveryState(state), *rest)


def told(sentence: str) -> str:
    """A sentence as a TEXT column takes it: it may quote a name that is not UTF-8."""
    return sentence.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def join(directory: str, name: str) -> str:
    """A path below a root from its parts; the folder itself is the empty directory."""
    return f"{directory}/{name}" if directory else name


def split(path: str) -> tuple[bytes, bytes]:
    """A path as it is stored: its directory and its name."""
    directory, _, name = path.rpartition("/")
    return os.fsencode(directory), os.fsencode(name)
