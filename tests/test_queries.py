"""What the state file is asked every day goes by an index: no table that grows is walked through."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import in_process
import pytest
from house import House, house, tone

from scriptixd.jobs.store.database import open_state

SMALL: Final = {
    "contacts", "passes", "questions", "standstills", "outputs", "notices", "instance", "found",  # some for each folder
    "tallies", "silences", "told", "migrations", "sqlite_schema",
    "asked",  # the requests of an hour
    "errands", "erasures",  # what is still to be done
}  # fmt: skip
# Of nothing, back to the beginning of a day, and so many from one end.
SHORT: Final = (
    re.compile(r"(?<!NOT )IN \(\)"),
    re.compile(r"FROM history WHERE at < \S+ ORDER BY id DESC LIMIT 1"),
    re.compile(r"FROM \w+ ORDER BY id( DESC)? LIMIT \d+"),
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def said_to_sqlite(home: House, *verbs: Sequence[str]) -> list[str]:
    """Every statement that these verbs make, in a process of their own; without what triggers do."""
    open_state(home.state).close()  # making the tables is done once
    heard = home.place / "statements.json"
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = _listen(home, verbs, heard)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    found: list[str] = json.loads(heard.read_text())
    return found


def _listen(home: House, verbs: Sequence[Sequence[str]], heard: Path) -> int:
    statements: dict[str, None] = {}
    connect = sqlite3.connect

    def listening(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.setdefault)
        return connection

    sqlite3.connect = listening  # type: ignore[assignment]
    codes = [in_process.say([*verb, "-c", str(home.config)], home.environment()).returncode for verb in verbs]
    heard.write_text(json.dumps([one for one in statements if re.match("(SELECT|INSERT|UPDATE|DELETE|WITH)", one)]))
    return max(codes)


def walks(connection: sqlite3.Connection, statement: str) -> list[str]:
    """The tables of which every row would be looked at."""
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    return [found[1] for *_, step in plan if (found := re.fullmatch(r"SCAN (\w+)", step))]


def test_a_day_of_the_daemon_and_the_verbs_of_every_day_walk_through_no_table(home: House) -> None:
    folder = home.folder("media", language="en", delete_remote=True)
    for number in range(3):
        tone(folder / f"{number}.wav", 0.3 + number / 10, 40 + number)
    (folder / "copy.wav").write_bytes((folder / "0.wav").read_bytes())
    home.write_config()
    statements = said_to_sqlite(
        home, ["run", "--once"], ["status"], ["status", "--json"], ["list", "--state", "failed"], ["explain", "0.wav"],
        ["retry", "--failed"], ["plan"],
    )  # fmt: skip
    assert len(statements) > 100
    with closing(sqlite3.connect(home.state)) as connection:
        found = {
            (table, re.sub(r"\d+|'[^']*'", "?", one)[:1200])
            for one in statements
            if not any(short.search(one) for short in SHORT)
            for table in walks(connection, one)
        }
    wrong = sorted(f"{table}: {one}" for table, one in found if table not in SMALL)
    assert not wrong, "\n\n".join(wrong)
