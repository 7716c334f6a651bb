"""`explain`: what it tells beyond a file's states: its sidecars one by one, its folder, and who shares its content."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from house import eventually, house, tone

from scriptixd.jobs.events import Closing, ResultReady, SessionKnown, UploadFinished, UploadOpened
from scriptixd.observe.live import Live, LiveFile, LiveFolder, live_path

README = (Path(__file__).parents[1] / "README.md").read_text()
OPENED = UploadOpened("file-1", "http://127.0.0.1:1", "01234567", "{}", 60.0)
DONE = (OPENED, Closing("ab" * 32), UploadFinished(), SessionKnown("s-1", 0.0), ResultReady(b"{}", 1.0))
WRITTEN = b"1\n00:00:00,000 --> 00:00:01,000\nGood morning.\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def deliver(desk: Desk, name: str, sidecars: Mapping[str, str]) -> None:
    """Done, with these sidecars (output by name) on the disk as the state file has them."""
    job = desk.add(name, *DONE)
    with desk.store() as store, store.database.transaction() as connection:
        connection.execute("UPDATE deliveries SET state = 'delivered' WHERE job_id = ?", (job.id,))
        (delivery,) = connection.execute("SELECT id FROM deliveries WHERE job_id = ?", (job.id,)).fetchone()
        connection.executemany(
            "INSERT INTO sidecars (delivery_id, folder, path, output, sha256, written_at) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (delivery, "council", path.encode(), output, hashlib.sha256(WRITTEN).hexdigest(), time.time())
                for path, output in sidecars.items()
            ],
        )
    for path in sidecars:
        (desk.base / "council" / path).write_bytes(WRITTEN)


def told(desk: Desk, name: str) -> str:
    done = desk.say("explain", name)
    assert done.returncode == 0, done.stderr
    return done.stdout


def record(desk: Desk, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(desk.say("explain", "--json", name).stdout)
    return found


def test_each_sidecar_has_its_fate(desk: Desk) -> None:
    deliver(desk, "a.mp4", {"a.srt": "srt", "a.json": "json", "a.txt": "txt"})
    said = told(desk, "a.mp4")
    assert "Now: it is done: its sidecars lie beside it" in said
    assert "Next: " not in said
    council = desk.base / "council"
    (council / "a.srt").write_text("somebody's corrections")
    (council / "a.json").unlink()
    said = told(desk, "a.mp4")
    assert f"Sidecar: {council}/a.srt: edited since it was written: it is never written over" in said
    assert f"Sidecar: {council}/a.json: deleted since it was written: it is not written again by itself" in said
    assert f"Sidecar: {council}/a.txt: as it was written" in said
    assert "Now: it is done, but not every sidecar is as it was written" in said
    assert "Next: nothing, until: scriptixd render council/a.mp4" in said
    fates = {one["output"]: one["fate"] for one in record(desk, "a.mp4")["fates"]}
    assert fates == {"srt": "edited", "json": "deleted", "txt": "untouched"}
    desk.config.write_text(desk.config.read_text().replace(f"  - path: {council}\n", ""))
    assert [one["fate"] for one in record(desk, "a.mp4")["fates"]] == [None] * 3
    assert record(desk, "a.mp4")["next"] is None, "nobody can say whether anything is to be done"


def test_a_name_that_is_anothers_tells_why_ours_is_longer(desk: Desk) -> None:
    deliver(desk, "a.mp4", {"a.mp4.srt": "srt"})
    assert "is another's" not in told(desk, "a.mp4")
    (desk.base / "council" / "a.srt").write_text("somebody's own")
    assert "a.mp4.srt: as it was written; a.srt is another's, and is left alone" in told(desk, "a.mp4")


def test_a_sidecar_says_whose_it_is_and_whether_it_was_edited(desk: Desk) -> None:
    deliver(desk, "a b.mp4", {"a b.srt": "srt"})
    path = desk.base / "council" / "a b.srt"
    said = told(desk, str(path))
    assert "Now: it is a sidecar that scriptixd wrote" in said
    assert "Why: it belongs to council/a b.mp4; as it was written" in said
    assert "Next: scriptixd explain 'council/a b.mp4' tells more" in said
    path.write_text("mine")
    assert "it belongs to council/a b.mp4; edited since it was written" in told(desk, str(path))


def test_a_transcript_that_is_not_ours_is_no_recording(desk: Desk) -> None:
    path = desk.base / "council" / "minutes.srt"
    path.write_text("somebody's own")
    desk.meet()
    assert "it is a transcript or a text, no recording, whatever `include` says: .srt" in told(desk, str(path))


def test_a_directory_says_whether_it_is_looked_into(desk: Desk) -> None:
    desk.meet()
    for name in ("meetings", ".hidden"):
        (desk.base / "council" / name).mkdir()
    assert "Now: it is a directory that is looked into" in told(desk, str(desk.base / "council" / "meetings"))
    said = told(desk, str(desk.base / "council" / ".hidden"))
    assert "Now: it is a directory that is not looked into" in said
    assert re.search(r"^Why: \S", said, re.MULTILINE)


def test_a_file_that_was_never_seen_may_be_named_by_its_folder(desk: Desk) -> None:
    desk.meet()
    (desk.base / "council" / "new.mp4").write_bytes(b"0" * 2048)
    assert f"{desk.base}/council/new.mp4" in told(desk, "council/new.mp4")
    assert record(desk, "council/new.mp4")["folder"] == "council"
    said = told(desk, "nowhere.mp4")
    assert "Now: nothing is known of it" in said
    assert "no file that was seen in a folder has this name" in said


def test_its_folder_tells_how_and_when_it_was_looked_at(desk: Desk) -> None:
    desk.see("growing.mp4")
    (desk.base / "council" / "new.mp4").write_bytes(b"0" * 2048)
    desk.meet()
    with desk.store():
        folder = LiveFolder("council", "poll", "a network share", "", time.time() - 9.0, ())
        LiveFile(live_path(desk.state)).tell(Live(1, "1.0", time.time() - 60.0, time.time(), (folder,)))
        assert "Folder: watched by poll, last full look at " in told(desk, "growing.mp4")
        assert record(desk, "growing.mp4")["last_look"] is not None
        said = told(desk, "council/new.mp4")
        away = LiveFolder("council", "", "", "it does not exist", time.time() - 9.0, ())
        LiveFile(live_path(desk.state)).tell(Live(1, "1.0", time.time() - 60.0, time.time(), (away,)))
        assert "Folder: offline, last full look at " in told(desk, "growing.mp4")
        for word, other in (("asks", replace(away, asks="is it another disk?")), ("hung", replace(away, hung=True))):
            LiveFile(live_path(desk.state)).tell(Live(1, "1.0", time.time() - 60.0, time.time(), (other,)))
            assert f"Folder: {word}, last full look at " in told(desk, "growing.mp4"), "in the words of status"
    assert "Folder: watched by poll, last full look at " in said
    assert re.search(r"^Next: .* after the last at ", said, re.MULTILINE)
    assert record(desk, "growing.mp4")["last_look"] is None


def test_the_former_name_of_a_file_tells_the_name_that_it_has_now(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        folder = home.folder("council", language="en")
        home.start()
        tone(folder / "talk.wav", 0.5, 40)
        home.until(1)
        (folder / "talk.wav").rename(folder / "lecture.wav")
        now = "Now: its file is not there any more\nWhy: its file is council/lecture.wav by now\n"
        eventually(lambda: now in home.say("explain", "council/talk.wav").stdout, "it is known under its new name")
        assert not (folder / "talk.srt").exists()


def test_files_of_the_same_content_name_each_other(desk: Desk) -> None:
    deliver(desk, "a.mp4", {"a.srt": "srt"})
    copy = desk.see("copy.mp4")
    with desk.store() as store, store.database.transaction() as connection:
        connection.execute(
            "INSERT INTO deliveries (job_id, source_id, state, due_at, failures, reason, hint, created_at, updated_at)"
            " SELECT job_id, ?, 'delivered', 0, 0, '', '', 0, 0 FROM deliveries",
            (copy.id,),
        )
    assert "Shares: council/copy.mp4 has the same content, and the same transcript" in told(desk, "a.mp4")
    assert record(desk, "council/copy.mp4")["shares"] == ["council/a.mp4"]


def keys(value: object, before: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from keys(one, f"{before}.{key}" if before else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for one in value:
            yield from keys(one, before + "[]")
    else:
        yield before


def test_the_readme_has_a_table_of_exactly_the_keys_that_explain_adds(desk: Desk) -> None:
    deliver(desk, "a.mp4", {"a.srt": "srt"})
    with desk.store() as store, store.database.transaction() as connection:
        ((delivery, job),) = connection.execute("SELECT id, job_id FROM deliveries").fetchall()
        store.errands.plan(delivery, time.time())
        store.erasures.plan_upload(job, OPENED, time.time())
    section = README.split("## What `explain` tells")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`([\w.\[\]]+)`", row)}
    assert set(keys(record(desk, "a.mp4"))) - set(desk.rows()[0]) == documented
    assert set(record(desk, "council/nothing.mp4")) >= {key.partition("[")[0] for key in documented}
