"""The real process against the real sandbox: from a file in a folder to its transcript, whatever happens on the way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import srt
from house import KEY, House, SandboxProcess, eventually, house, spoken, tone

HEARD = {"amiable", "respectable"}  # in the middle of the sample
MIB = 1024 * 1024


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def words(path: Path) -> set[str]:
    return {word for cue in srt.parse(path.read_text()) for word in cue.content.split()}


def noise(path: Path, size: int) -> None:
    """A file with a media name that is none: enough to be sent, and quickly refused."""
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))


def completed(home: House) -> list[dict[str, object]]:
    return [upload for upload in home.sandbox.counts()["uploads"] if upload["completed"]]


def test_a_spoken_recording_comes_back_as_json_and_srt_beside_it(home: House) -> None:
    folder = home.folder("spoken", language="en")
    original = spoken(home.place / "austen.wav")
    home.start()
    source = home.drop(folder, "austen.wav", original)
    row = home.until(1)["spoken/austen.wav"]
    assert words(folder / "austen.srt") >= HEARD
    sidecar = json.loads((folder / "austen.json").read_bytes())
    assert sidecar["result"]["status"] == "done"
    digest = hashlib.sha256(original.read_bytes()).hexdigest()
    assert sidecar["scriptixd"]["source"] == {"name": "austen.wav", "size": original.stat().st_size, "sha256": digest}
    assert sidecar["scriptixd"]["session_id"] == row["session_id"]
    assert row["sha256"] == digest
    assert [upload["sha256"] for upload in completed(home)] == [digest]
    assert source.read_bytes() == original.read_bytes()
    beside = sorted(entry.name for entry in folder.iterdir())
    assert beside == [".scriptixd-claim", "austen.json", "austen.srt", "austen.wav"]
    code, took = home.stop()
    assert code == 0
    assert took < 5


def test_a_copy_and_a_change_of_delivery_settings_send_nothing(home: House) -> None:
    first, second = home.folder("first", language="en"), home.folder("second", language="en", outputs=["json"])
    tone(home.place / "tone.wav", 1.0, 40)
    home.start()
    home.drop(first, "tone.wav", home.place / "tone.wav")
    home.until(1)
    home.drop(second, "copy.wav", home.place / "tone.wav")
    shutil.copy2(first / "tone.wav", first / "again.wav")
    home.until(3)
    digest = hashlib.sha256((first / "tone.wav").read_bytes()).hexdigest()
    for sidecar in (first / "again.json", second / "copy.json"):
        assert json.loads(sidecar.read_bytes())["scriptixd"]["source"]["sha256"] == digest
    home.stop()
    home.settings["folders"][1]["outputs"] = ["json", "srt"]
    home.start()
    os.utime(first / "tone.wav")  # a touch is no new content either
    home.drop(second, "third.wav", home.place / "tone.wav")
    home.until(4)
    eventually(lambda: set(home.states().values()) == {"done"}, "all done")
    assert home.sandbox.counts()["completed"] == 1
    assert home.sandbox.counts()["created"] == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_upload_goes_on_where_the_server_has_it(home: House, how: signal.Signals) -> None:
    home.settings["api"]["chunk_size"] = "256KiB"
    folder = home.folder("large", language="en")
    noise(folder / "noise.mp4", 48 * MIB)
    home.start()
    path = eventually(
        lambda: next((r["path"] for r in home.sandbox.requests() if r["method"] == "PATCH"), None), "sent"
    )
    daemon = home.daemon
    assert daemon is not None
    if how is signal.SIGTERM:
        code, took = home.stop()
        assert code == 0
        assert took < 5
    else:
        home.kill()
    assert not completed(home), "it was too quick to be interrupted"
    sent = sum(request["method"] == "PATCH" for request in home.sandbox.requests())
    home.start()
    eventually(lambda: completed(home), "the upload is complete")
    patches = [request for request in home.sandbox.requests() if request["method"] == "PATCH"]
    assert {request["path"] for request in patches} == {path}
    assert len(patches) <= 192 + 3, f"{sent} before the end, {len(patches)} in all"
    (upload,) = completed(home)
    with (folder / "noise.mp4").open("rb") as file:
        assert upload["sha256"] == hashlib.file_digest(file, "sha256").hexdigest()
    assert home.sandbox.counts()["created"] == 1


def test_fifty_files_get_each_its_own_transcript_whatever_is_killed(home: House) -> None:
    english, dutch = home.folder("english", language="en"), home.folder("dutch", language="nl")
    files = {}
    for number in range(50):
        folder, language = (english, "en") if number % 2 else (dutch, "nl")
        path = folder / f"tone {number:02}.wav"
        tone(path, 0.4 + number / 100, 37 + 13 * number)
        files[path] = (language, hashlib.sha256(path.read_bytes()).hexdigest())
    assert len({digest for _, digest in files.values()}) == 50
    kills = 0
    home.start()
    while True:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not _all_done(home, 50):
            time.sleep(1.0)
        if _all_done(home, 50) or kills >= 40:
            break
        home.kill()
        kills += 1
        home.start()
    home.until(50)
    for path, (language, digest) in files.items():
        told = json.loads(path.with_suffix(".json").read_bytes())
        assert told["scriptixd"]["source"]["sha256"] == digest
        assert told["scriptixd"]["request"]["language"] == language
        assert told["result"]["session_id"] == told["scriptixd"]["session_id"]
    uploads = completed(home)
    assert sorted(str(upload["sha256"]) for upload in uploads) == sorted(digest for _, digest in files.values())
    assert {upload["completed"] for upload in uploads} == {1}
    by_content = {upload["sha256"]: upload["language"] for upload in uploads}
    assert by_content == {digest: language for language, digest in files.values()}
    assert kills >= 1, "nothing was killed: the test showed nothing"
    assert not list(english.glob(".scriptixd-*.tmp")) + list(dutch.glob(".scriptixd-*.tmp"))


def _all_done(home: House, count: int) -> bool:
    return sum(state == "done" for state in home.states().values()) >= count


def test_memory_stays_small_while_a_large_file_is_sent(home: House) -> None:
    folder = home.folder("large", language="en")
    noise(folder / "noise.mp4", 192 * MIB)
    home.typed_start = True
    daemon = home.start()
    eventually(lambda: completed(home), "the upload is complete")
    peak = next(
        line for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    assert int(peak.split()[1]) < 90 * 1024, peak


def test_what_was_there_before_waits_for_a_yes(home: House) -> None:
    folder = home.folder("archive", language="en", existing="hold")
    tone(folder / "old.wav", 0.5, 40)
    home.start()
    home.until(1, "held")
    tone(folder / "new.wav", 0.5, 50)
    home.until(1, "done")
    assert home.states() == {"archive/old.wav": "held", "archive/new.wav": "done"}
    assert home.log.read_text().count("archive: 1 file(s) wait for your yes: scriptixd approve archive") == 1
    home.say("approve", str(folder / "old.wav"))
    home.until(2, "done")
    assert home.sandbox.counts()["completed"] == 2


def test_what_was_there_before_and_is_ignored_is_sent_when_a_person_names_it(home: House) -> None:
    folder = home.folder("archive", language="en", existing="ignore")
    tone(folder / "old.wav", 0.5, 40)
    tone(folder / "older.wav", 0.5, 50)
    home.start()
    home.until(2, "ignored")
    said = home.say("explain", "old.wav").stdout
    assert "Next: nothing, until: scriptixd approve archive/old.wav; new content under its name" in said
    home.say("approve", "archive/old.wav")
    home.until(1, "done")
    assert home.states() == {"archive/old.wav": "done", "archive/older.wav": "ignored"}
    assert home.sandbox.counts()["completed"] == 1
    assert "archive/old.wav: approved: it is uploaded next" in home.log.read_text()
    assert (folder / "old.json").exists()


def test_a_file_that_is_written_slowly_is_sent_once_and_whole(home: House) -> None:
    folder = home.folder("slow", language="en", settle="2s")
    home.start()
    tone(home.place / "tone.wav", 5.0, 40)
    content = (home.place / "tone.wav").read_bytes()
    with (folder / "slow.wav").open("wb") as file:
        for start in range(0, len(content), len(content) // 8):
            file.write(content[start : start + len(content) // 8])
            file.flush()
            time.sleep(0.7)  # shorter than the settle window: somebody is still writing
    home.until(1)
    assert [upload["sha256"] for upload in home.sandbox.counts()["uploads"]] == [hashlib.sha256(content).hexdigest()]


def test_a_refused_key_fails_no_job_and_heals_by_itself(home: House) -> None:
    folder = home.folder("locked", language="en")
    tone(folder / "one.wav", 0.5, 40)
    tone(folder / "two.wav", 0.5, 50)
    home.settings["api"]["url"] = home.settings["api"]["url"].replace("/api/v3", "/nowhere")
    home.write_config()
    done = home.typed("run", "--once", check=False)
    assert done.returncode == 1
    assert set(home.states().values()) <= {"found", "settling"}
    complaints = [line for line in done.stderr.splitlines() if "api.url" in line]
    assert len(complaints) == 1, done.stderr
    home.settings["api"]["url"] = home.sandbox.url
    home.write_config()
    home.typed("run", "--once")
    assert set(home.states().values()) == {"done"}


def test_a_wrong_key_is_told_once_and_the_right_one_goes_on(home: House) -> None:
    home.sandbox.stop()
    home.sandbox.key = "the-right-key"
    home.sandbox.start()
    folder = home.folder("locked", language="en")
    for number in range(5):
        tone(folder / f"{number}.wav", 0.5, 40 + number)
    home.start()
    eventually(lambda: "error:" in home.log.read_text(), "a sentence about the key")
    eventually(lambda: set(home.states().values()) == {"found"}, "all complete")
    code, _ = home.stop()
    assert code == 0
    told = home.log.read_text()
    assert sum("error:" in line for line in told.splitlines()) == 1, told
    assert home.sandbox.counts()["created"] == 0
    assert set(home.states().values()) == {"found"}
    for place in (home.log, home.state, home.state.with_name("state.db.live.json")):
        assert KEY not in place.read_text(errors="replace")
    home.start(TEST_KEY="the-right-key")
    home.until(5)


def test_run_once_works_until_nothing_goes_on_by_itself(home: House) -> None:
    folder = home.folder("once", language="en")
    tone(folder / "tone.wav", 0.5, 40)
    (folder / "no media.mp4").write_bytes(os.urandom(5000))
    (folder / "notes.txt").write_text("not for us")
    home.write_config()
    done = home.typed("run", "--once", check=False)
    assert done.returncode == 1, "one of them is no media"
    assert home.states() == {"once/no media.mp4": "failed", "once/tone.wav": "done"}
    again = home.typed("run", "--once")
    assert again.returncode == 0, "nothing failed in this run"
    assert home.sandbox.counts()["created"] == 2


def test_the_sandbox_may_die_too(tmp_path: Path) -> None:
    with house(tmp_path, SandboxProcess) as home:
        sandbox, folder = home.sandbox, home.folder("both", language="en")
        assert isinstance(sandbox, SandboxProcess)
        home.start()
        home.drop(folder, "austen.wav", spoken(home.place / "austen.wav"))
        eventually(lambda: "transcribing" in home.states().values(), "transcribing")
        sandbox.kill()
        eventually(lambda: "Connection refused" in home.log.read_text(), "it is missed")
        sandbox.start()
        home.until(1)
        assert words(folder / "austen.srt") >= HEARD
        assert sandbox.counts()["completed"] == 1


def test_a_folder_that_is_not_there_is_waited_for(home: House) -> None:
    folder = home.folder("late", language="en")
    folder.rmdir()
    home.start()
    eventually(lambda: "late" in home.log.read_text(), "a warning")
    folder.mkdir()
    tone(folder / "tone.wav", 0.5, 40)
    home.until(1)


def test_a_folder_that_is_taken_out_waits_for_nothing_and_comes_back(home: House) -> None:
    first, second = home.folder("first", language="en", existing="hold"), home.folder("second", language="en")
    tone(first / "old.wav", 0.5, 40)
    home.write_config()
    home.typed("run", "--once")
    assert home.states() == {"first/old.wav": "held"}
    removed = home.settings["folders"].pop(0)
    tone(second / "new.wav", 0.5, 50)
    home.write_config()
    home.typed("run", "--once")
    assert home.states() == {"first/old.wav": "gone", "second/new.wav": "done"}
    home.settings["folders"].append(removed)
    home.write_config()
    home.typed("run", "--once")
    assert home.states() == {"first/old.wav": "held", "second/new.wav": "done"}


def test_systemd_is_told_ready_alive_and_stopping(home: House, tmp_path: Path) -> None:
    home.folder("quiet", language="en")
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(address)
        heard.settimeout(60)
        home.typed_start = True
        home.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="1000000")
        told: list[str] = []
        while "READY=1" not in told or told.count("WATCHDOG=1") < 3:
            told += heard.recv(4096).decode().splitlines()
        assert any(line.startswith("STATUS=1 folder") for line in told)
        code, _ = home.stop()
        assert code == 0
        while "STOPPING=1" not in told:
            told += heard.recv(4096).decode().splitlines()


@pytest.mark.parametrize("damage", ["removed", "emptied"])
def test_a_state_file_that_is_taken_away_ends_the_daemon_before_it_pays_for_more(home: House, damage: str) -> None:
    folder = home.folder("spoken", language="en", settle="3s")
    daemon = home.start()
    eventually(lambda: home.state.exists() and "watches" in home.log.read_text(), "running")
    tone(folder / "tone.wav", 0.5, 40)
    if damage == "removed":
        for path in home.place.glob("state.db*"):
            path.unlink()
    else:
        home.state.write_bytes(b"")
    assert daemon.wait(30) == 2
    home.daemon = None
    assert "was removed, replaced or emptied" in home.log.read_text()
    assert "Traceback" not in home.log.read_text()
    assert home.sandbox.counts()["created"] == 0
    if damage == "emptied":
        home.state.write_bytes(b"")
        for path in home.place.glob("state.db-*"):
            path.unlink()
        again = home.typed("run", "--once", check=False)
        assert again.returncode == 2
        assert "is empty, and was not" in again.stderr


def test_a_second_daemon_is_kept_away(home: House) -> None:
    home.folder("held", language="en")
    home.start()
    eventually(lambda: home.state.exists() and "watches" in home.log.read_text(), "running")
    done = home.typed("run", check=False)
    assert done.returncode == 75
    assert "held by another" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a tiny disk: needs root")
@pytest.mark.parametrize("full", ["state", "folder"])
def test_a_full_disk_loses_nothing(home: House, full: str) -> None:
    disk = home.place / "disk"
    disk.mkdir()
    # More than SQLite lets its log grow to between two checkpoints: else it stays full of the log alone.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], check=True)
    try:
        if full == "state":
            home.state = disk / "state.db"
            home.settings["state"] = str(home.state)
            folder = home.folder("spoken", language="en")
        else:
            folder = disk / "spoken"
            folder.mkdir()
            home.settings["folders"].append({"path": str(folder), "language": "en"})
        home.start()
        eventually(lambda: "watches" in home.log.read_text(), "running")
        tone(folder / "tone.wav", 0.5, 40)
        if full == "folder":
            _fill(disk)
            eventually(lambda: "no space" in home.log.read_text().lower(), "a sentence about the full disk")
            assert home.sandbox.counts()["completed"] == 0, "nothing is paid for what cannot be written"
        else:
            home.until(1)
            _fill(disk)
            tone(folder / "later.wav", 0.6, 50)
            eventually(lambda: "full" in home.log.read_text(), "a sentence about the full disk")
        (disk / "filling").unlink()
        home.until(2 if full == "state" else 1)
        assert home.sandbox.counts()["completed"] == (2 if full == "state" else 1)
        assert "Traceback" not in home.log.read_text()
        home.stop()
    finally:
        if home.daemon is not None:
            home.kill()
        subprocess.run(["umount", str(disk)], check=True)


def _fill(disk: Path) -> None:
    with (disk / "filling").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_python_m_and_the_console_script_are_the_same_program() -> None:
    script = Path(sys.executable).with_name("scriptixd")
    first = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    second = subprocess.run(
        [sys.executable, "-m", "scriptixd", "--version"], capture_output=True, text=True, check=True
    )
    assert first.stdout == second.stdout != ""
