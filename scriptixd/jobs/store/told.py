"""The told table: what notifications have said, so that a restart says nothing twice; and what they are made of.

A receiver goes by the fingerprint of its address: the address itself is a secret, and never comes here.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Final

from scriptixd.jobs.job import State
from scriptixd.jobs.news import Matter, Stop, Stops, Subject, Told, Topic
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.rows import join

THE_LOG: Final = "log"  # a receiver of days without an address, which no fingerprint can be mistaken for
COUNTED: Final = 10_000  # files: a first look at an archive may hold a million, and nobody reads how many exactly

# A job has come to a state where the row of history before its own has another.
_STOPPED: Final = """SELECT jobs.id, jobs.folder FROM history CROSS JOIN jobs ON jobs.id = history.job_id
    WHERE history.id > ? AND history.id <= ? AND history.state = ? AND jobs.state = history.state
    AND history.state IS NOT (SELECT before.state FROM history AS before
        WHERE before.job_id = history.job_id AND before.id < history.id ORDER BY before.id DESC LIMIT 1)
    ORDER BY history.id LIMIT ?"""
_FILE: Final = """SELECT jobs.folder, sources.folder, sources.directory, sources.name,
        iif(jobs.held_for != '', jobs.held_for, jobs.reason), jobs.hint
    FROM jobs LEFT JOIN deliveries ON deliveries.job_id = jobs.id AND deliveries.state != 'dropped'
    LEFT JOIN sources ON sources.id = deliveries.source_id
    WHERE jobs.id = ? ORDER BY sources.present DESC, sources.id LIMIT 1"""


class _Fact(StrEnum):
    """What a row says."""

    NEWS = "news"
    END = "end"
    OPEN = "open"
    MARK = "mark"


class Tidings:
    """What receivers were told, and what is new to them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told(self, receiver: str) -> Told:
        """What a receiver was told; nothing, if it is a new one."""
        query = "SELECT fact, subject, folder, at, mark FROM told WHERE receiver = ?"
        with self._database.reading() as connection:
            rows = connection.execute(query, (receiver,)).fetchall()
        return Told(
            news={Topic(subject): at for fact, subject, _, at, _ in rows if fact == _Fact.NEWS},
            ends={Topic(subject): at for fact, subject, _, at, _ in rows if fact == _Fact.END},
            open=frozenset(
                Subject(Matter(subject), folder) for fact, subject, folder, *_ in rows if fact == _Fact.OPEN
            ),
            marks={Topic(subject): mark for fact, subject, _, _, mark in rows if fact == _Fact.MARK},
        )

    def save(self, receiver: str, told: Told, at: float) -> None:
        """A receiver was told so much."""
        with self._database.transaction(quiet=True) as connection:
            connection.execute("DELETE FROM told WHERE receiver = ?", (receiver,))
            connection.executemany(
                "INSERT INTO told (receiver, fact, subject, folder, at, mark) VALUES (?, ?, ?, ?, ?, ?)",
                [(receiver, *row) for row in _rows(told, at)],
            )

    def keep(self, receivers: Collection[str]) -> None:
        """Forget the receivers that are not configured any more; the log is one in any case."""
        kept = (THE_LOG, *receivers)
        marks = ", ".join("?" for _ in kept)
        with self._database.transaction(quiet=True) as connection:
            connection.execute(f"DELETE FROM told WHERE receiver NOT IN ({marks})", kept)

    def newest(self) -> int:
        """The last row of history."""
        with self._database.reading() as connection:
            return int(connection.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()[0])

    def stopped(self, state: State, after: int, through: int, named: int) -> Stops:
        """The jobs that came to this state in these rows of history, and are still in it; so many are named."""
        with self._database.reading() as connection:
            rows = connection.execute(_STOPPED, (after, through, state, COUNTED + 1)).fetchall()
            jobs = dict(rows[:COUNTED])
            files = [connection.execute(_FILE, (job,)).fetchone() for job in list(jobs)[:named]]
        return Stops(Counter(jobs.values()), tuple(map(_stop, files)), through, len(rows) > COUNTED)

    def done(self, since: float, until: float) -> tuple[int, float]:
        """How many files got their sidecars in this time, and how many seconds of media these are."""
        delivered = "FROM deliveries WHERE state = 'delivered' AND updated_at >= ?1 AND updated_at < ?2"
        query = f"""SELECT (SELECT count(*) {delivered}),
            (SELECT coalesce(sum(media_seconds), 0) FROM jobs WHERE id IN (SELECT job_id {delivered}))"""
        with self._database.reading() as connection:
            count, seconds = connection.execute(query, (since, until)).fetchone()
        return int(count), float(seconds)

    def paid(self, since: float, until: float) -> tuple[int, float]:
        """How many uploads were paid for in this time, and how many seconds of media these are, where it is known."""
        query = "SELECT count(*), coalesce(sum(media_seconds), 0) FROM ledger WHERE paid_at >= ? AND paid_at < ?"
        with self._database.reading() as connection:
            count, seconds = connection.execute(query, (since, until)).fetchone()
        return int(count), float(seconds)

    def reused(self, since: float, until: float) -> int:
        """How many of the files that are done cost nothing: their transcript was there, or another file's is theirs."""
        query = """SELECT count(*) FROM deliveries AS done
            WHERE state = 'delivered' AND updated_at >= ? AND updated_at < ? AND (
                NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.job_id = done.job_id)
                OR EXISTS (SELECT 1 FROM deliveries AS first WHERE job_id = done.job_id AND first.id < done.id))"""
        with self._database.reading() as connection:
            return int(connection.execute(query, (since, until)).fetchone()[0])


def _rows(told: Told, at: float) -> Iterator[tuple[str, str, str, float, int]]:
    yield from ((_Fact.NEWS, topic, "", when, 0) for topic, when in told.news.items())
    yield from ((_Fact.END, topic, "", when, 0) for topic, when in told.ends.items())
    yield from ((_Fact.OPEN, subject.matter, subject.folder, at, 0) for subject in told.open)
    yield from ((_Fact.MARK, topic, "", at, mark) for topic, mark in told.marks.items())


def _stop(row: tuple[str, str | None, bytes, bytes, str, str]) -> Stop:
    (folder, of_source, directory, name, reason, hint) = row
    if of_source is None:
        return Stop(folder, "", reason, hint)
    return Stop(of_source, join(os.fsdecode(directory), os.fsdecode(name)), reason, hint)
