"""The real process against the real sandbox: what is left at the service after everything is delivered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from house import KEY, House, eventually, house, spoken, tone

MIB = 1024 * 1024


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def erased(home: House, what: str) -> list[dict[str, Any]]:
    """The DELETEs of sessions, or of files, that the sandbox has answered."""
    return [seen for seen in home.sandbox.requests() if seen["method"] == "DELETE" and f"/{what}/" in seen["path"]]


def explained(home: House, name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(home.say("explain", name, "--json").stdout)
    return told


def test_a_transcript_that_is_delivered_is_erased_at_the_service_and_stays_beside_its_file(home: House) -> None:
    folder = home.folder("english", language="en", delete_remote=True)
    talk = spoken(home.place / "talk.wav")
    home.drop(folder, "talk.wav", talk)
    home.start()
    row = home.until(1)["english/talk.wav"]
    (seen,) = eventually(lambda: erased(home, "session"), "the session is erased")
    assert seen["status"] == 200
    assert seen["path"].endswith(row["session_id"])
    result = requests.get(
        f"{home.sandbox.url}/speech-to-text/session/{row['session_id']}/result",
        headers={"x-zoom-s2t-key": KEY},
        timeout=30,
    )
    assert result.status_code == 404
    assert json.loads((folder / "talk.json").read_text())["result"]["results"]
    assert (folder / "talk.srt").read_text()
    eventually(lambda: not explained(home, "talk.wav")["erasures"], "the proof is written down")
    story = explained(home, "talk.wav")["story"]
    told = "english/talk.wav: Scriptix was told to erase its session, and answered 200"
    eventually(lambda: f"{told} (job=1 session={row['session_id']})" in home.log.read_text(), "it is told")
    assert [(line["event"], line["sentence"].partition(":")[0]) for line in story[-2:]] == [
        ("Delivered", "sidecars written"),
        ("Erased", "Scriptix was told to erase it"),
    ]
    home.kill()
    home.start()
    home.drop(folder, "copy.wav", talk)
    home.until(2)
    assert len(erased(home, "session")) == 1, "once is enough"
    assert home.sandbox.counts()["completed"] == 1


def test_what_is_to_be_kept_for_a_while_is_told_of(home: House) -> None:
    tone(home.folder("english", language="en", delete_remote="30d") / "tone.wav", 0.5, 40)
    home.start()
    home.until(1)
    (planned,) = explained(home, "tone.wav")["erasures"]
    assert (planned["kind"], planned["error"]) == ("session", None)
    assert "At Scriptix: its transcription is erased at " in home.say("explain", "tone.wav").stdout
    status = json.loads(home.say("status", "--json").stdout)
    assert status["erasures"] == {"planned": 1, "waiting": 0, "error": None, "hint": None}
    assert erased(home, "session") == []


def test_once_ends_when_what_is_due_is_erased(home: House) -> None:
    tone(home.folder("english", language="en", delete_remote=True) / "tone.wav", 0.5, 40)
    home.write_config()
    home.typed("run", "--once")
    assert [seen["status"] for seen in erased(home, "session")] == [200]


def test_an_upload_of_a_file_that_has_changed_is_ended_whatever_delete_remote_says(home: House) -> None:
    home.settings["api"]["chunk_size"] = "1MiB"
    folder = home.folder("english", language="en")
    talk = folder / "talk.wav"
    with talk.open("wb") as file:
        for _ in range(192):
            file.write(os.urandom(MIB))
    home.start()
    path = eventually(
        lambda: next((r["path"] for r in home.sandbox.requests() if r["method"] == "PATCH"), None), "sent"
    )
    tone(folder / "talk.part", 0.5, 40)
    (folder / "talk.part").rename(talk)
    (seen,) = eventually(lambda: erased(home, "files"), "the upload is ended")
    assert (seen["path"], seen["status"]) == (path, 204)
    home.until(1)
    counts = home.sandbox.counts()
    assert (counts["created"], counts["completed"]) == (2, 1)
    assert erased(home, "session") == []
