"""The folders' disks: which were met, what was true at the last complete pass, and what a folder asks a person.

A write that would change nothing is none: a commit wakes everybody who waits for work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping

from scriptixd.jobs.source import Question, QuestionKind
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.rows import told
from scriptixd.roots.root import Disk, Identity, Nested


class Disks:
    """The contacts, passes, outputs and questions tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_contact(self, folder: str, identity: str, at: float) -> bool:
        """Whether the first contact with this disk is still going on; begins it if it never did."""
        query = "SELECT completed_at FROM contacts WHERE folder = ? AND identity = ?"
        with self._database.reading() as connection:
            known = connection.execute(query, (folder, told(identity))).fetchone()
        if known is None:
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT INTO contacts (folder, identity, begun_at) VALUES (?, ?, ?)", (folder, told(identity), at)
                )
        return known is None or known[0] is None

    def complete_pass(self, folder: str, disk: Disk, scope: str, at: float, unread: Collection[str] = ()) -> None:
        """One complete pass was made over this disk, which is the folder's from now on, within this scope.

        First contact with it, and with what is mounted below it, is over: what appears from now on is new.
        """
        nested = json.dumps([[one.directory, one.identity.key] for one in disk.nested])
        unseen = json.dumps(sorted(unread))
        place = (os.fsencode(disk.identity.key), os.fsencode(disk.mountpoint), nested, told(scope), unseen)
        met = [told(identity.key) for identity in (disk.identity, *(one.identity for one in disk.nested))]
        under_way = f"""folder = ? AND completed_at IS NULL AND identity IN ({", ".join("?" for _ in met)})"""
        query = "SELECT identity, mountpoint, nested, scope, unread FROM passes WHERE folder = ?"
        with self._database.reading() as connection:
            last = connection.execute(query, (folder,)).fetchone()
            first = connection.execute(f"SELECT 1 FROM contacts WHERE {under_way}", (folder, *met)).fetchone()
        if last == place and first is None:
            return
        with self._database.transaction() as connection:
            connection.execute(f"UPDATE contacts SET completed_at = ? WHERE {under_way}", (at, folder, *met))
            connection.execute("INSERT OR REPLACE INTO passes VALUES (?, ?, ?, ?, ?, ?)", (folder, *place))

    def output_mountpoint(self, directory: str) -> str | None:
        """Where the disk of a directory for outputs was mounted when it was last used; None: it never was."""
        query = "SELECT mountpoint FROM outputs WHERE directory = ?"
        with self._database.reading() as connection:
            row = connection.execute(query, (os.fsencode(directory),)).fetchone()
        return None if row is None else os.fsdecode(row[0])

    def output_stands_on(self, directory: str, mountpoint: str) -> None:
        """A directory for outputs is on the disk that is mounted there, from now on."""
        place = (os.fsencode(directory), os.fsencode(mountpoint))
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO outputs VALUES (?, ?)", place)

    def last_disk(self, folder: str) -> Disk | None:
        """The disk of which `complete_pass` was told last; its mountpoint is "" if that was an earlier version."""
        query = "SELECT identity, mountpoint, nested FROM passes WHERE folder = ?"
        with self._database.reading() as connection:
            row = connection.execute(query, (folder,)).fetchone()
        if row is None:
            return None
        identity, mountpoint, nested = row
        below = tuple(Nested(directory, _identity(key)) for directory, key in json.loads(nested))
        return Disk(_identity(os.fsdecode(identity)), os.fsdecode(mountpoint), below)

    def scope(self, folder: str) -> str | None:
        """The scope of which `complete_pass` was told last: what was picked up then."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT scope FROM passes WHERE folder = ?", (folder,)).fetchone()
        return row[0] if row else None

    def unread(self, folder: str) -> frozenset[str]:
        """The files, and the directories as a whole, that the last complete pass could not see."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT unread FROM passes WHERE folder = ?", (folder,)).fetchone()
        return frozenset(json.loads(row[0])) if row else frozenset()

    def forget_unread(self, folder: str, path: str) -> None:
        """The path of a file that is to be forgotten is not among what could not be seen."""
        left = sorted(self.unread(folder) - {path})
        with self._database.transaction() as connection:
            connection.execute("UPDATE passes SET unread = ? WHERE folder = ?", (json.dumps(left), folder))

    def ask(self, folder: str, question: Question, at: float) -> bool:
        """Whether a person has said yes to this question; the folder asks it from now on, and no other."""
        query = "SELECT kind, about, sentence, asked_at, answered_at FROM questions WHERE folder = ?"
        asked = (question.kind, told(question.about), told(question.sentence))
        with self._database.reading() as connection:
            row = connection.execute(query, (folder,)).fetchone()
        same = row is not None and row[:2] == asked[:2]
        if not same or row[2] != asked[2]:
            since = row[3:] if same else (at, None)
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT OR REPLACE INTO questions VALUES (?, ?, ?, ?, ?, ?)", (folder, *asked, *since)
                )
        return same and row[4] is not None

    def ask_nothing(self, folder: str) -> None:
        """The folder has no question any more."""
        with self._database.reading() as connection:
            asks = connection.execute("SELECT 1 FROM questions WHERE folder = ?", (folder,)).fetchone()
        if asks:
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM questions WHERE folder = ?", (folder,))

    def questions(self) -> Mapping[str, Question]:
        """The questions that wait for a person, by folder."""
        query = "SELECT folder, kind, about, sentence FROM questions WHERE answered_at IS NULL ORDER BY folder"
        with self._database.reading() as connection:
            rows = connection.execute(query).fetchall()
        return {folder: Question(QuestionKind(kind), about, sentence) for folder, kind, about, sentence in rows}

    def open_question(self, folder: str) -> Question | None:
        """The question of a folder that waits for a person, if it has one."""
        return self.questions().get(folder)

    def answer(self, folder: str, at: float) -> Question | None:
        """A person's yes to the question of a folder; returns the question, None if there is none to answer."""
        with self._database.transaction() as connection:
            question = self.open_question(folder)
            connection.execute(
                "UPDATE questions SET answered_at = ? WHERE folder = ? AND answered_at IS NULL", (at, folder)
            )
        return question


def _identity(key: str) -> Identity:
    filesystem, source, subpath = key.split("\0", 2)
    return Identity(filesystem, source, subpath)
