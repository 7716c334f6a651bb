"""What a person is shown of a folder that does not go on, and of a file in it, by the verbs that only look."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from bench import Bench
from desk import Desk
from house import House, eventually, house, tone
from memory_book import MemoryBook
from rich.console import Console
from shares import FaultyShare, SlowLine, mount, mount_tmpfs, needs, unmounted_afterwards

from scriptixd.cli.progress import UploadBars
from scriptixd.daemon.figures import STILL_AFTER, Figures
from scriptixd.daemon.journal import tell
from scriptixd.jobs.clock import Now, boot_id
from scriptixd.jobs.events import (
    Closing,
    Held,
    Postponed,
    Rejected,
    ResultReady,
    SessionKnown,
    UploadFinished,
    UploadOpened,
)
from scriptixd.jobs.job import DocumentType, Request
from scriptixd.jobs.source import HELD_FOR_HOURS, Admission, Look, Question, QuestionKind, Sighting
from scriptixd.observe.live import Live, LiveFile, LiveFolder, LiveUpload, live_path
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.reaching import FolderRoot
from scriptixd.roots.root import Disk, Identity, Nested, Stat
from scriptixd.watch.claim import NAME, Claim
from scriptixd.watch.filters import Filter

NAS, OLD = Identity("cifs", "//nas/media", "/"), Identity("ext4", "/dev/old", "/")
OPENED = UploadOpened("file-1", "http://127.0.0.1:1", "01234567", "{}", 60.0)
CUT_OFF = "its header names more bytes than there are"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def council(desk: Desk) -> Path:
    return desk.base / "council"


def test_the_bars_of_run_once_have_the_units_of_status() -> None:
    bars, paper = UploadBars(lambda: {1: "talk.wav", 2: "still.wav"}), Console(file=io.StringIO(), width=100)
    still = LiveUpload(2, offset=0, size=5 * 2**20, bytes_per_second=9.0, still_since=1.0)
    bars.show("uploading 2", {1: LiveUpload(1, 2**20, 4 * 2**20, 307_200.0), 2: still})
    with paper.capture() as told:
        paper.print(bars.shown().renderable)
    sums, talk, other = told.get().splitlines()
    assert sums == "uploading 2"
    assert talk.startswith("talk.wav")
    assert talk.rstrip().endswith(" 1.0 MiB of 4.0 MiB, 300.0 KiB/s, 10 s left")
    assert other.rstrip().endswith(" 0 B of 5.0 MiB")


def now_on(desk: Desk) -> Disk:
    with closing(FolderRoot(desk.base / "council")) as root:
        return root.disk()


def looked_at(desk: Desk, disk: Disk) -> None:
    """The last complete pass over the folder was on this disk."""
    with desk.store() as store:
        for one in (disk.identity, *(nested.identity for nested in disk.nested)):
            store.sources.begin_contact("council", one.key, time.time())
        store.sources.complete_pass("council", disk, Filter().scope, time.time())


def ask(desk: Desk, kind: QuestionKind, about: str, sentence: str) -> None:
    with desk.store() as store:
        store.sources.ask("council", Question(kind, about, sentence), time.time())


def below(desk: Desk, path: Path) -> None:
    """A file somewhere below the folder, that waits to be uploaded."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(path.name.encode() * 512)
    found = path.stat()
    stat, look = Stat(found.st_size, found.st_mtime_ns, found.st_ino), Look(boot_id(), 0.0, 2)
    admission = Admission(Request("nl", DocumentType.CAPTION))
    with desk.store() as store:
        place = str(path.parent.relative_to(desk.base / "council"))
        store.sources.record("council", place, [Sighting(path.name, stat, look, False, admission)], time.time())


def plan(desk: Desk) -> dict[str, Any]:
    done = desk.say("plan", "council", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["folders"][0]
    return found


def parts(planned: dict[str, Any]) -> dict[str, int]:
    return {part: planned[part]["files"] for part in ("now", "held", "settling", "stopped") if planned[part]["files"]}


def check(desk: Desk) -> list[tuple[str, str, str]]:
    """Level, sentence and hint of what `check` tells of the folder."""
    told = json.loads(desk.say("check", "--json").stdout)
    return [(one["level"], one["sentence"], one["hint"] or "") for one in told if one["subject"] == "council"]


@contextmanager
def running(desk: Desk, *folders: LiveFolder, uploads: Sequence[LiveUpload] = ()) -> Iterator[None]:
    """As if a daemon had the state file, and had just told this."""
    with desk.store():
        now = time.time()
        LiveFile(live_path(desk.state)).tell(Live(1, "1", now, now, folders, tuple(uploads)))
        yield


# A folder that asks


def test_a_folder_on_another_disk_sends_nothing_by_the_plan_whether_it_has_asked_or_not(desk: Desk) -> None:
    desk.add("a.mp4")
    desk.add("b.mp4", held_for="was there before")
    looked_at(desk, Disk(OLD, ""))
    today = now_on(desk).identity
    for asked in (False, True):
        if asked:
            ask(desk, QuestionKind.DISK, today.key, f"it is another disk now: {today}")
        planned = plan(desk)
        assert parts(planned) == {"stopped": 1, "held": 1}
        (obstacle,) = planned["obstacles"]
        assert (obstacle["directory"], obstacle["asks"]) == ("", True)
        told = desk.say("plan", "council").stdout
        assert f"  asks: it is another disk now: {today} (mount its disk again, nothing is forgotten meanwhile" in told
        assert "scriptixd approve council" in told
        assert "says yes to what waits" not in told
        (ok, asks) = check(desk)
        assert ok[0] == "ok"
        assert asks[:2] == ("problem", f"asks: it is another disk now: {today}")
        assert "it is another disk now" in desk.say("explain", "a.mp4").stdout
    with desk.store() as store:
        store.sources.answer("council", time.time())
    assert parts(plan(desk)) == {"now": 1, "held": 1}
    assert [level for level, *_ in check(desk)] == ["ok"]


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        (QuestionKind.EMPTY, "nothing is forgotten, and it goes on with the next file; if it was emptied: "),
        (QuestionKind.CLAIM, "if that one is out of use: "),
    ],
)
def test_whatever_a_folder_asks_is_told_with_what_to_look_at_before_the_yes(
    desk: Desk, kind: QuestionKind, before: str
) -> None:
    desk.add("a.mp4")
    looked_at(desk, now_on(desk))
    ask(desk, kind, now_on(desk).identity.key, "it is empty, and was not")
    assert parts(plan(desk)) == {"stopped": 1}
    (_, asks) = check(desk)
    assert asks == ("problem", "asks: it is empty, and was not", f"{before}scriptixd approve council")
    assert f"{before}scriptixd approve council" in desk.say("status").stdout


def test_a_question_about_a_disk_that_is_not_there_any_more_is_none(desk: Desk) -> None:
    desk.add("a.mp4")
    looked_at(desk, now_on(desk))
    ask(desk, QuestionKind.DISK, OLD.key, f"it is another disk now: {OLD}")
    assert parts(plan(desk)) == {"now": 1}
    assert [level for level, *_ in check(desk)] == ["ok"]


@needs("mount", "umount")
def test_a_question_about_a_disk_below_a_folder_is_one_of_its_directory_alone(desk: Desk, council: Path) -> None:
    desk.add("a.mp4")
    (council / "nas").mkdir()
    before = now_on(desk)
    with unmounted_afterwards(council / "nas"):
        mount_tmpfs(council / "nas", "new")
        below(desk, council / "nas" / "b.mp4")
        for name in ("new.mp4", "nas/new.mp4"):
            (council / name).write_bytes(b"0" * 1024)
        looked_at(desk, Disk(before.identity, before.mountpoint, (Nested("nas", NAS),)))
        (new,) = now_on(desk).nested
        for asked in (False, True):
            if asked:
                ask(desk, QuestionKind.DISK, new.identity.key, "nas in it is another disk now: tmpfs new")
            planned = plan(desk)
            assert parts(planned) == {"now": 1, "settling": 1, "stopped": 2}
            assert [one["directory"] for one in planned["obstacles"]] == ["nas"]
            (ok, asks) = check(desk)
            assert (ok[0], *asks[:2]) == ("ok", "warning", "asks: nas in it is another disk now: tmpfs new")
            assert "another disk" not in desk.say("explain", "a.mp4").stdout
            assert "its folder asks: nas in it is another disk now" in desk.say("explain", "b.mp4").stdout
            assert "another disk" in desk.say("explain", str(council / "nas" / "new.mp4")).stdout
            assert "another disk" not in desk.say("explain", str(council / "new.mp4")).stdout
        with running(desk, LiveFolder("council", "", "", "it does not answer", None, (), hung=True)):
            told = desk.say("explain", "a.mp4").stdout
            assert "Why: the folder is offline: it does not answer" in told
            assert "another disk" not in told
        with desk.store() as store:
            store.sources.answer("council", time.time())
        assert parts(plan(desk)) == {"now": 2, "settling": 2}


# Disks that are not there


def test_a_disk_below_a_folder_that_is_not_mounted_is_told_and_nothing_in_it_is_taken_for_gone(
    desk: Desk, council: Path
) -> None:
    desk.add("a.mp4")
    below(desk, council / "nas" / "b.mp4")
    today = now_on(desk)
    looked_at(desk, Disk(today.identity, today.mountpoint, (Nested("nas", NAS), Nested("removed", NAS))))
    planned = plan(desk)
    assert parts(planned) == {"now": 1}
    (obstacle,) = planned["obstacles"]
    assert "nas is not mounted (cifs //nas/media): nothing in it is taken for gone" in obstacle["sentence"]
    (ok, warning) = check(desk)
    assert (ok[0], warning[0]) == ("ok", "warning")
    assert "nas is not mounted" in warning[1]
    (council / "nas" / "b.mp4").unlink()
    for name in ("b.mp4", "never-seen.mp4"):
        told = desk.say("explain", str(council / "nas" / name)).stdout
        assert "nas is not mounted (cifs //nas/media): nothing in it is taken for gone" in told
        assert "no such file" not in told
    assert "is not mounted" not in desk.say("explain", "a.mp4").stdout
    assert "is not mounted" not in desk.say("explain", str(council / "nas" / "notes.txt")).stdout
    with desk.store() as store:
        store.sources.record("council", "nas", [Sighting("b.mp4", None)], time.time())
    assert "nas is not mounted" in desk.say("explain", str(council / "nas" / "b.mp4")).stdout


def done_with_sidecar(desk: Desk, name: str) -> None:
    (desk.base / "council" / "a.srt").write_bytes(b"said")
    job = desk.add(
        name, OPENED, Closing("ab" * 32), UploadFinished(), SessionKnown("s-1", 0.0), ResultReady(b"{}", 1.0)
    )
    with desk.store() as store, store.database.transaction() as connection:
        connection.execute("UPDATE deliveries SET state = 'delivered' WHERE job_id = ?", (job.id,))
        (delivery,) = connection.execute("SELECT id FROM deliveries WHERE job_id = ?", (job.id,)).fetchone()
        values = (delivery, "council", b"a.srt", "srt", hashlib.sha256(b"said").hexdigest(), time.time())
        connection.execute(
            "INSERT INTO sidecars (delivery_id, folder, path, output, sha256, written_at) VALUES (?, ?, ?, ?, ?, ?)",
            values,
        )


def test_sidecars_on_a_disk_that_is_not_there_lay_there_when_it_was_last_seen(desk: Desk, council: Path) -> None:
    done_with_sidecar(desk, "a.mp4")
    looked_at(desk, now_on(desk))
    assert "Now: it is done: its sidecars lie beside it" in desk.say("explain", "a.mp4").stdout
    council.rename(desk.base / "elsewhere")
    told = desk.say("explain", "a.mp4").stdout
    assert "Now: it is done: its sidecars lay beside it when its disk was last seen" in told
    assert "Why: its folder cannot be reached: " in told
    (desk.base / "elsewhere").rename(council)
    offline = LiveFolder("council", "", "", "//nas/media is not mounted", None, ())
    with running(desk, offline):
        told = desk.say("explain", "a.mp4").stdout
        assert "lay beside it when its disk was last seen" in told
        assert "Why: the folder is offline: //nas/media is not mounted" in told


# Somebody else's folder


def test_a_claim_of_somebody_else_is_told_and_ones_own_is_not(desk: Desk, council: Path) -> None:
    desk.add("a.mp4")
    looked_at(desk, now_on(desk))
    with desk.store() as store:
        ours = Claim(LocalRoot(council), store.instance(), "here")
        ours.hold(Now(1.7e9, 1.0))
    assert parts(plan(desk)) == {"now": 1}
    (council / NAME).unlink()
    other = Claim(LocalRoot(council), "f" * 32, "the-other-host")
    other.hold(Now(1.7e9, 1.0))
    planned = plan(desk)
    assert parts(planned) == {"stopped": 1}
    assert "watched by the-other-host since 2023-11-14" in planned["obstacles"][0]["sentence"]
    (_, problem) = check(desk)
    assert problem[0] == "problem"
    assert "watched by the-other-host since 2023-11-14" in problem[1]
    assert "stop the other one" in problem[2]
    with running(desk, LiveFolder("council", "", "", "watched by the-other-host since then", None, ())):
        (_, problem) = check(desk)
        assert problem[:2] == ("problem", "the folder is offline: watched by the-other-host since then")
    other.give_up(Now(1.7e9, 2.0))
    assert parts(plan(desk)) == {"now": 1}
    assert [level for level, *_ in check(desk)] == ["ok"]


# How it is watched


@needs("mount", "umount")
def test_check_warns_of_events_that_cannot_be_heard(desk: Desk, council: Path) -> None:
    config = desk.config.read_text()
    desk.config.write_text(config.replace("settle: 1h", "settle: 1h, watch: events"))
    ((level, sentence, _),) = check(desk)
    assert (level, "watched by events" in sentence) == ("ok", True)
    with unmounted_afterwards(council):
        mount("-t", "ramfs", "memory", str(council))  # nobody promises that only this machine writes to it
        ((level, sentence, hint),) = check(desk)
        assert level == "warning"
        assert "watched by poll: ramfs may be written by others" in sentence
        assert "`watch: events` is set, but a share's events cannot be heard: set `watch: auto`" in hint
        for kind in ("auto", "poll"):
            desk.config.write_text(config.replace("settle: 1h", f"settle: 1h, watch: {kind}"))
            assert [level for level, *_ in check(desk)] == ["ok"]


# What stands still, and whom it waits for


def test_an_upload_that_stands_still_has_no_speed_but_a_time_since_when(desk: Desk) -> None:
    job = desk.add("a.mp4", OPENED)
    clock = [Now(1000.0, 10.0)]
    figures = Figures(lambda: clock[0])
    for second in range(3):
        clock[0] = Now(1000.0 + second, 10.0 + second)
        figures.sent(job, 100 * second)
    assert figures.uploads() == (LiveUpload(job.id, 200, 2048, 100.0),)
    clock[0] = Now(1002.0 + STILL_AFTER, 12.0 + STILL_AFTER)
    assert figures.uploads() == (LiveUpload(job.id, 200, 2048, 0.0, 1002.0),)
    clock[0] = Now(1600.0, 610.0)
    assert figures.uploads() == (LiveUpload(job.id, 200, 2048, 0.0, 1002.0),)
    figures.sent(job, 300)
    assert figures.uploads()[0].still_since is None
    figures.ended(job.id)
    assert figures.uploads() == ()


@needs("umount", fuse=True)
def test_an_upload_from_a_disk_that_hangs_is_told_to_stand_still(tmp_path: Path) -> None:
    def uploads(home: House) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(home.say("status", "--json").stdout)["uploads"]
        return found

    with house(tmp_path) as home, SlowLine(home.sandbox.port) as line:
        url = home.sandbox.url.replace(str(home.sandbox.port), str(line.port))
        home.settings["api"] |= {"url": url, "chunk_size": "64KiB"}
        line.rate = 300_000  # bytes a second
        with FaultyShare(home.place, home.folder("faulty", language="en", outputs=["json"])) as share:
            tone(share.behind / "long.wav", 750.0, 40)
            home.start()
            eventually(lambda: any(one["bytes_per_second"] > 0 for one in uploads(home)), "it is being sent")
            share.hang()
            eventually(lambda: any(one["still_since"] for one in uploads(home)), "it stands still")
            told = home.say("status").stdout
            assert "has stood still for" in told
            assert " left" not in told
            assert [one["seconds_left"] for one in uploads(home)] == [None]
            share.work()
            home.kill()


def test_status_tells_for_how_long_an_upload_has_stood_still(desk: Desk) -> None:
    job = desk.add("a.mp4", OPENED)
    with running(desk, uploads=[LiveUpload(job.id, 1024, 2048, 0.0, time.time() - 90)]):
        told = desk.say("status").stdout
        (record,) = json.loads(desk.say("status", "--json").stdout)["uploads"]
    assert "50 % of 2.0 KiB, has stood still for 9" in told
    assert "left" not in told
    assert record["seconds_left"] is None
    assert record["still_since"].endswith("Z")
    with running(desk, uploads=[LiveUpload(job.id, 1024, 2048, 512.0)]):
        assert "512 B/s, 2 s left" in desk.say("status").stdout


def test_status_keeps_what_heals_by_itself_apart_from_what_waits_for_a_person(desk: Desk) -> None:
    desk.add("held.mp4", Held(CUT_OFF))
    desk.add("failed.mp4", Rejected("it is no media", "convert it first"))
    desk.add("waits.mp4", Postponed(time.time() + 60, "the service does not answer", ""))
    people, itself = (
        desk.say("status").stdout.split("Waiting for a person")[1].split("Waiting, and tried again by itself")
    )
    assert CUT_OFF in people
    assert "scriptixd approve council/held.mp4, or scriptixd dismiss council/held.mp4" in people
    assert "convert it first; scriptixd retry council/failed.mp4, or scriptixd dismiss council/failed.mp4" in people
    assert "waits.mp4" not in people
    assert "the service does not answer" in itself
    assert "scriptixd approve" not in itself


def test_the_log_names_the_way_on_of_a_file_that_is_held_by_itself(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    job = desk.add("a b.mp4")
    caplog.set_level(logging.INFO)
    with desk.store() as store:
        tell(store, job, Held(CUT_OFF))
        tell(store, job, Held(HELD_FOR_HOURS))
    one, crowd = caplog.records
    assert one.levelno == logging.WARNING
    way = "(scriptixd approve 'council/a b.mp4', or scriptixd dismiss 'council/a b.mp4')"
    assert one.getMessage() == f"council/a b.mp4: waits for a yes: {CUT_OFF} {way}"
    assert (crowd.levelno, "approve" in crowd.getMessage()) == (logging.INFO, False)


def test_a_file_that_waits_for_another_of_its_size_says_for_which(desk: Desk) -> None:
    first = desk.add("a.mp4")
    desk.add("b.mp4")
    words = "it waits for council/a.mp4, which may have the same content"
    assert words in desk.say("explain", "b.mp4").stdout
    assert "may have the same content" not in desk.say("explain", "a.mp4").stdout
    with desk.store() as store:
        store.jobs.apply(first, OPENED, time.time())
    assert words in desk.say("explain", "b.mp4").stdout
    desk.say("dismiss", "a.mp4")
    with desk.store() as store:
        opened = store.jobs.get(first.id)
        assert opened is not None
        store.jobs.apply(opened, Rejected("it is no media", ""), time.time())
    assert "may have the same content" not in desk.say("explain", "b.mp4").stdout


def test_that_a_folder_is_there_again_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path, MemoryBook())
    caplog.set_level(logging.INFO)
    bench.root.away = True
    bench.run()
    bench.root.away = False
    bench.run(1000)
    told = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert told == [
        (logging.WARNING, "council: the share is away (mount it)"),
        (logging.INFO, "council: is there again"),
    ]


def test_status_names_whom_a_file_waits_for(desk: Desk) -> None:
    desk.add("a.mp4")
    assert "Waiting for another file" not in desk.say("status").stdout
    for number in range(12):
        desk.add(f"b{number}.mp4")
    told = desk.say("status").stdout.split("Waiting for another file")[1]
    assert f"{desk.base / 'council' / 'b0.mp4'}: waits for council/a.mp4" in told
    assert told.count("waits for council/a.mp4") == 10
    assert "and more: scriptixd list --state found" in told


def test_a_crowd_that_waits_for_one_yes_hides_nothing_else(desk: Desk) -> None:
    desk.add("failed.mp4", Rejected("it is no media", "convert it first"))
    for number in range(12):
        desk.add(f"{number}.mp4", held_for=HELD_FOR_HOURS)
    told = desk.say("status").stdout
    assert f"council: 12 files, each of which {HELD_FOR_HOURS}" in told
    assert "scriptixd approve council, or scriptixd dismiss council" in told
    assert "it is no media" in told
    assert "and more" not in told
    assert len(json.loads(desk.say("status", "--json").stdout)["problems"]) == 13


def test_an_upload_that_stands_still_in_a_folder_that_hangs_waits_for_its_disk(desk: Desk) -> None:
    job = desk.add("a.mp4", OPENED)
    upload = LiveUpload(job.id, 1024, 2048, 0.0, time.time() - 90)
    for offline, waits in (("", False), ("it does not answer", True)):
        folder = LiveFolder("council", "", "", offline, None, (), hung=bool(offline))
        with running(desk, folder, uploads=[upload]):
            assert (": it waits for its disk" in desk.say("status").stdout) is waits


def test_what_is_known_of_another_disk_is_not_told_of_the_one_that_is_there(desk: Desk, council: Path) -> None:
    done_with_sidecar(desk, "a.mp4")
    desk.add("held.mp4", Held(CUT_OFF))
    looked_at(desk, Disk(OLD, ""))
    for name in ("a.mp4", "held.mp4"):
        assert "its folder asks: it is another disk now" in desk.say("explain", name).stdout
    assert "its sidecars lay beside it when its disk was last seen" in desk.say("explain", "a.mp4").stdout
    told = desk.say("explain", str(council / "never-seen.mp4")).stdout
    assert "nothing is known of it, and it is not on the disk that is there now" in told
    assert "its folder asks: it is another disk now" in told
    (council / "new.mp4").write_bytes(b"0" * 2048)
    assert "it is picked up when its folder goes on" in desk.say("explain", str(council / "new.mp4")).stdout


def test_the_directory_of_a_disk_that_is_not_mounted_is_told_as_one(desk: Desk, council: Path) -> None:
    (council / "nas").mkdir()
    today = now_on(desk)
    looked_at(desk, Disk(today.identity, today.mountpoint, (Nested("nas", NAS),)))
    told = desk.say("explain", str(council / "nas")).stdout
    assert "it is a directory, and its disk is not there" in told
    assert "nas is not mounted (cifs //nas/media)" in told


def test_a_question_is_told_once_by_status(desk: Desk) -> None:
    sentence = "nas in it is another disk now: tmpfs new"
    ask(desk, QuestionKind.DISK, "tmpfs new", sentence)
    with running(desk, LiveFolder("council", "events", "it is local", "", None, (f"{sentence} (mount it)", "slow"))):
        told = desk.say("status").stdout
    assert told.count(sentence) == 1
    assert "warning: slow" in told
