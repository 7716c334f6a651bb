"""The asked and silences tables: when the service was asked, over restarts.

What another boot wrote is brought into this boot's terms once, when it is read: after that it ages like all else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scriptixd.jobs.clock import Now, boot_id
from scriptixd.jobs.store.database import Database

REMEMBERED: Final = 3700.0  # s: the longest window that is counted, and a little
LONGEST_SILENCE: Final = 3600.0  # s: a clock that was set must not make a longer one of it
PRUNE_EVERY: Final = 50  # notes


class Asked:
    """Implements Journal of jobs/ports.py. A commit of it is no news for anybody."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notes = 0

    def asked(self, token: str, now: Now) -> Sequence[float]:
        with self._database.transaction(quiet=True) as connection:
            # Of another boot only the wall clock tells how long ago it was: in its future counts as just now.
            connection.execute(
                """UPDATE asked SET boot_id = :here, boot = :boot - max(0.0, :wall - wall), wall = min(wall, :wall)
                WHERE token = :token AND boot_id != :here""",
                {"here": boot_id(), "boot": now.boot, "wall": now.wall, "token": token},
            )
            self._prune(now)
            rows = connection.execute("SELECT boot FROM asked WHERE token = ? ORDER BY boot", (token,))
            return [min(boot, now.boot) for (boot,) in rows]

    def note(self, token: str, now: Now) -> None:
        self._notes += 1
        with self._database.transaction(quiet=True) as connection:
            connection.execute(
                "INSERT INTO asked (token, wall, boot_id, boot) VALUES (?, ?, ?, ?)",
                (token, now.wall, boot_id(), now.boot),
            )
            if self._notes % PRUNE_EVERY == 0:
                self._prune(now)

    def silence(self, token: str, now: Now) -> float | None:
        query = "SELECT wall, boot_id, boot FROM silences WHERE token = ?"
        with self._database.reading() as connection:
            row = connection.execute(query, (token,)).fetchone()
        if row is None:
            return None
        wall, boot_of, boot = row
        until = float(boot) if boot_of == boot_id() else now.boot + min(wall - now.wall, LONGEST_SILENCE)
        return until if until > now.boot else None

    def note_silence(self, token: str, until: float, now: Now) -> None:
        with self._database.transaction(quiet=True) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO silences (token, wall, boot_id, boot) VALUES (?, ?, ?, ?)",
                (token, now.wall + until - now.boot, boot_id(), until),
            )

    def _prune(self, now: Now) -> None:
        with self._database.transaction(quiet=True) as connection:
            connection.execute(
                """DELETE FROM asked WHERE (boot_id = :here AND boot < :boot)
                OR (boot_id != :here AND wall < :wall)""",
                {"here": boot_id(), "boot": now.boot - REMEMBERED, "wall": now.wall - REMEMBERED},
            )
