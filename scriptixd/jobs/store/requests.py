"""What verbs ask of the daemon: a verb writes a row, whoever holds the state applies it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from scriptixd.jobs.store.database import Database


class Verb(StrEnum):
    APPROVE = "approve"
    DISMISS = "dismiss"
    RETRY = "retry"
    REDO = "redo"
    PAUSE = "pause"
    RESUME = "resume"
    RENDER = "render"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class VerbRequest:
    """One thing asked of one job, of one file, of a folder as a whole, of all folders, or of one source's sidecars."""

    id: int
    verb: Verb
    job_id: int  # 0 for one of a folder, of a file, or of sidecars
    outcome: str | None  # a sentence, once it was applied
    folder: str | None = None  # ALL of bounds.py for all of them together
    delivery_id: int | None = None  # where it concerns the sidecars of one source
    wishes: str | None = None  # what is wanted this once: of sidecars, as Wishes.text has it; of `redo`, a language
    file: NamedFile | None = None


@dataclass(frozen=True, slots=True)
class NamedFile:
    """One source, by itself: one that is to be forgotten, or has no job that could be named."""

    source_id: int
    stays: bool  # its file still lies there
    asked_at: float  # Unix seconds: a row that was made since then is another file's


_COLUMNS: Final = "id, verb, job_id, outcome, folder, delivery_id, wishes, source_id, stays, asked_at"


class Requests:
    """The requests table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, verb: Verb, job_ids: Sequence[int], at: float, wishes: str | None = None) -> Sequence[int]:
        """Write down what is asked, in one transaction; returns the requests' ids."""
        query = "INSERT INTO requests (verb, job_id, wishes, asked_at) VALUES (?, ?, ?, ?)"
        with self._database.transaction() as connection:
            return [connection.execute(query, (verb, job_id, wishes, at)).lastrowid or 0 for job_id in job_ids]

    def ask_folder(self, verb: Verb, folder: str, at: float) -> int:
        """Write down what is asked of a folder as a whole, or of ALL; returns the request's id."""
        with self._database.transaction() as connection:
            asked = connection.execute(
                "INSERT INTO requests (verb, job_id, folder, asked_at) VALUES (?, 0, ?, ?)", (verb, folder, at)
            )
            return asked.lastrowid or 0

    def ask_render(self, delivery_ids: Sequence[int], wishes: str, at: float) -> Sequence[int]:
        """Write down that sidecars are to be made anew; returns the requests' ids."""
        query = "INSERT INTO requests (verb, job_id, delivery_id, wishes, asked_at) VALUES (?, 0, ?, ?, ?)"
        with self._database.transaction() as connection:
            return [
                connection.execute(query, (Verb.RENDER, delivery_id, wishes, at)).lastrowid or 0
                for delivery_id in delivery_ids
            ]

    def ask_file(self, verb: Verb, source_id: int, stays: bool, at: float) -> int:
        """Write down what is asked of one file, and whether it still lies there; returns the request's id."""
        with self._database.transaction() as connection:
            asked = connection.execute(
                "INSERT INTO requests (verb, job_id, source_id, stays, asked_at) VALUES (?, 0, ?, ?, ?)",
                (verb, source_id, stays, at),
            )
            return asked.lastrowid or 0

    def open(self, most: int = -1) -> Sequence[VerbRequest]:
        """What was asked and not applied yet, in order; so many at most, -1 is all."""
        query = f"SELECT {_COLUMNS} FROM requests WHERE applied_at IS NULL ORDER BY id LIMIT ?"
        with self._database.reading() as connection:
            return [_request_from(row) for row in connection.execute(query, (most,))]

    def applied(self, request: VerbRequest, outcome: str, at: float) -> None:
        """Commit what came of a request, in the transaction that is open."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE requests SET applied_at = ?, outcome = ? WHERE id = ?", (at, outcome, request.id)
            )

    def outcomes(self, ids: Sequence[int]) -> Sequence[str | None]:
        """What came of each request so far."""
        query = "SELECT outcome FROM requests WHERE id = ?"
        with self._database.reading() as connection:
            return [connection.execute(query, (id_,)).fetchone()[0] for id_ in ids]


def _request_from(row: tuple[Any, ...]) -> VerbRequest:
    (id_, verb, job_id, outcome, folder, delivery_id, wishes, source_id, stays, asked_at) = row
    file = None if source_id is None else NamedFile(source_id, bool(stays), asked_at)
    return VerbRequest(id_, Verb(verb), job_id, outcome, folder, delivery_id, wishes, file)
