"""What is still to be erased at the service, as people and programs are told of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from desk import Desk

from scriptixd.cli import remnants
from scriptixd.jobs.events import Rejected, UploadOpened
from scriptixd.jobs.store.erasures import NOTHING, Backlog, Erasure, Remnant
from scriptixd.jobs.store.errands import NONE_UNRUN, Unrun
from scriptixd.observe.telling import of_backlogs

NOW = 1_700_000_000.0


def erasure(kind: Remnant = Remnant.SESSION, due_at: float = 0.0, reason: str = "", hint: str = "") -> Erasure:
    return Erasure(1, 1, kind, "abc", "https://api.example.org", "01234567", 0.0, due_at, 0, reason, hint)


@pytest.mark.parametrize(
    ("planned", "expected"),
    [
        (erasure(), "its transcription is erased next"),
        (erasure(Remnant.UPLOAD), "its unfinished upload is erased next"),
        (erasure(reason="the key is refused", hint="check it"), "waits to be erased: the key is refused (check it)"),
    ],
)
def test_a_remnant_is_told_in_a_sentence(planned: Erasure, expected: str) -> None:
    assert remnants.sentence(planned, NOW).endswith(expected)


def test_a_date_is_told_where_there_is_one() -> None:
    assert remnants.sentence(erasure(due_at=NOW + 86_400), NOW).startswith("its transcription is erased at 20")
    assert "; tried again at 20" in remnants.sentence(erasure(due_at=NOW + 86_400, reason="why"), NOW)


def test_the_sum_is_told_only_while_something_waits_for_trouble() -> None:
    assert list(of_backlogs(NOTHING, NONE_UNRUN)) == []
    assert list(of_backlogs(Backlog(7, 0, "", ""), Unrun(7, 0, "", ""))) == []
    (said,) = of_backlogs(Backlog(7, 2, "why", "do"), NONE_UNRUN)
    assert said.text == "2 thing(s) wait to be erased at Scriptix: why (do)"


def test_status_and_explain_tell_why_something_waits_to_be_erased(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    opened = UploadOpened("file", "https://api.example.org", "01234567", "{}", 12.0)
    desk.add("talk.mp4", opened, Rejected("refused", ""))
    with desk.store() as store:
        row = store.erasures.due(1e12, "https://api.example.org", "01234567")
        assert row is not None
        store.erasures.postpone(row, NOW, "it belongs to another key", "set that one", NOW, failed=False)
    status, told = desk.say("status"), desk.say("explain", "talk.mp4")
    assert "1 thing(s) wait to be erased at Scriptix: it belongs to another key (set that one)" in status.stdout
    assert "At Scriptix: its unfinished upload waits to be erased: it belongs to another key" in told.stdout
    assert json.loads(desk.say("status", "--json").stdout)["erasures"] == {
        "planned": 1, "waiting": 1, "error": "it belongs to another key", "hint": "set that one",
    }  # fmt: skip
    (record,) = json.loads(desk.say("explain", "talk.mp4", "--json").stdout)["erasures"]
    assert (record["kind"], record["id"], record["error"]) == ("upload", "file", "it belongs to another key")
