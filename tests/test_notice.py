"""The file that tells people at the share what waits: what it says, when it comes and goes, and whose it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from delivery_room import Room
from house import eventually, house, spoken

from scriptixd.config.settings import Folder
from scriptixd.daemon.noticing import EVERY, Noticing, Standing
from scriptixd.delivery.notice import Kind, NoticeBoard, notice
from scriptixd.errors import AccountTrouble
from scriptixd.jobs.bounds import Halt, Limit
from scriptixd.jobs.breakers import Pause, Paused
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Approved, Held, Rejected
from scriptixd.jobs.ports import Standstill
from scriptixd.jobs.source import Restless
from scriptixd.jobs.store.notices import Waits
from scriptixd.roots.root import NOTICE
from scriptixd.watch.filters import Filter
from scriptixd.watch.report import ScanReport
from scriptixd.watch.strangers import RECORDING, Stranger, is_stranger

MINUTE = 60.0


class Office(Room):
    """A room in which somebody keeps notices, of one folder, from minute to minute."""

    def __init__(self, place: Path, state: Path) -> None:
        super().__init__(place, state)
        self.report = ScanReport("talks", last_full_scan=self.clock)
        self.pauses: list[Paused] = []
        self.halts: list[Halt] = []
        self.reachable = ["talks"]
        self.wanted = True
        self.boot = 1000.0
        self.restart()

    def restart(self) -> None:
        standing = Standing(lambda: self.reachable, lambda _: self.report, lambda: self.pauses, lambda: self.halts)
        folder = object.__new__(Folder)
        for name, value in (("name", "talks"), ("problem_note", self.wanted), ("contact", "the desk, 1234")):
            object.__setattr__(folder, name, value)
        self.board = NoticeBoard(self.store.notices, self.folders)
        self.noticing = Noticing(self.store, self.board, [folder], standing)

    def passes(self, minutes: float) -> None:
        """So much time goes by, and the note is looked after each minute."""
        for _ in range(int(minutes)):
            self.clock += MINUTE
            self.boot += MINUTE
            assert self.noticing.run_once(Now(self.clock, self.boot)) == self.boot + EVERY

    @property
    def note(self) -> str | None:
        path = self.place / NOTICE
        return path.read_text() if path.exists() else None

    def found(self, name: str) -> int:
        job = self.store.jobs.newest_of(self.settle(name, name.encode()).id)
        assert job is not None
        return job.id

    def happens(self, job_id: int, event: Approved | Held | Rejected) -> None:
        job = self.store.jobs.get(job_id)
        assert job is not None
        self.apply(job, event)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    for name in ("talks", "more"):
        (tmp_path / name).mkdir()
    built = Office(tmp_path / "talks", tmp_path / "state.db")
    yield built
    built.store.close()


def test_what_is_held_is_told_after_half_an_hour_and_the_file_goes_when_nothing_waits(office: Office) -> None:
    job = office.found("talk.mp4")
    office.happens(job, Held("was there before"))
    office.passes(29)
    assert office.note is None
    office.passes(2)
    assert office.note is not None
    raw = (office.place / NOTICE).read_bytes()
    assert raw.count(b"\n") == raw.count(b"\r\n"), "any system reads it"
    assert "Whom to ask: the desk, 1234" in office.note
    assert "Waiting for somebody's yes (1):\n  talk.mp4\n      was there before\n" in office.note
    changed = (office.place / NOTICE).stat().st_mtime_ns
    office.passes(60)
    assert (office.place / NOTICE).stat().st_mtime_ns == changed, "it is written when something changes"
    office.happens(job, Approved())
    office.passes(1)
    assert office.note is None


def test_each_kind_is_told(office: Office) -> None:
    office.happens(office.found("bad.mp4"), Rejected("Scriptix could not read it", "scriptixd retry"))
    office.found("first.mp4")
    office.folders.outputs = ("srt",)
    for name in ("third.srt", "third.mp4.srt", "third.mp4.scriptix.srt"):
        (office.place / name).write_text("mine")
    office.ready("third.mp4", b"third")
    office.work()
    office.pauses = [Paused(Pause.ACCOUNT, "", AccountTrouble("Scriptix refuses the key", "see to it"))]
    began = office.clock
    office.report = ScanReport(
        "talks",
        last_full_scan=began,
        restless=(Restless("growing.wav", began),),
        strangers=(Stranger("second.rec", began),),
    )
    office.passes(32)
    assert office.note is not None
    lines = office.note.splitlines()
    assert [line for line in lines if line.endswith("(1):")] == [f"{kind} (1):" for kind in Kind if kind != Kind.HELD]
    assert "  first.mp4\n      Scriptix refuses the key\n" in office.note
    assert "scriptixd retry" not in office.note, "who reads it cannot type that"
    for name in ("bad.mp4", "third.mp4", "growing.wav", "second.rec"):
        assert f"  {name}" in lines


@pytest.mark.parametrize("limit", list(Limit))
def test_hours_in_which_nothing_is_sent_are_no_problem_and_other_limits_are(office: Office, limit: Limit) -> None:
    office.found("talk.mp4")
    office.halts = [Halt("talks", limit, Standstill("uploads stand still", "", None))]
    office.passes(40)
    assert (office.note is None) == (limit is Limit.UPLOAD_HOURS)
    office.halts = []
    office.passes(1)
    assert office.note is None


def test_a_long_queue_is_no_problem(office: Office) -> None:
    for number in range(3):
        office.found(f"{number}.mp4")
    office.passes(600)
    assert office.note is None


def test_only_the_first_are_named(office: Office) -> None:
    for number in range(25):
        office.happens(office.found(f"{number:02}.mp4"), Held("was there before"))
    office.passes(32)
    assert office.note is not None
    assert "(25):" in office.note
    assert "  09.mp4\n      was there before\n  and 15 more\n" in office.note


def test_what_somebody_made_of_it_stays(office: Office) -> None:
    job = office.found("talk.mp4")
    office.happens(job, Held("was there before"))
    office.passes(32)
    (office.place / NOTICE).write_text("my own list")
    office.happens(office.found("other.mp4"), Held("was there before"))
    office.passes(40)
    assert office.note == "my own list"
    office.happens(job, Approved())
    office.passes(2)
    assert office.note == "my own list"


def test_a_file_of_that_name_that_was_there_stays(office: Office) -> None:
    (office.place / NOTICE).write_text("theirs")
    office.happens(office.found("talk.mp4"), Held("was there before"))
    office.passes(40)
    assert office.note == "theirs"


def test_who_deletes_it_is_not_told_the_same_again(office: Office) -> None:
    office.happens(office.found("talk.mp4"), Held("was there before"))
    office.passes(32)
    (office.place / NOTICE).unlink()
    office.passes(60)
    assert office.note is None
    office.happens(office.found("other.mp4"), Held("was there before"))
    office.passes(32)
    assert office.note is not None


def test_a_crash_between_the_intent_and_the_file_is_mended(office: Office) -> None:
    office.happens(office.found("talk.mp4"), Held("was there before"))
    office.store.notices.intend("talks", "0" * 64, None)
    office.passes(32)
    assert office.note is not None
    before = office.store.notices.get("talks")
    assert before is not None
    office.store.notices.intend("talks", "0" * 64, before.sha256)
    office.happens(office.found("other.mp4"), Held("was there before"))
    office.passes(32)
    assert "other.mp4" in str(office.note)


def test_a_restart_takes_nothing_away_before_it_can_know(office: Office) -> None:
    office.found("talk.mp4")
    office.halts = [Halt("talks", Limit.PAUSE, Standstill("uploads are paused", "", None))]
    office.passes(32)
    assert office.note is not None
    office.restart()
    office.passes(29)
    assert office.note is not None
    office.passes(10)
    assert office.note is not None


def test_it_goes_when_it_is_switched_off(office: Office) -> None:
    office.happens(office.found("talk.mp4"), Held("was there before"))
    office.passes(32)
    office.wanted = False
    office.restart()
    office.passes(1)
    assert office.note is None


def test_a_folder_that_is_away_is_left_alone(office: Office) -> None:
    office.happens(office.found("talk.mp4"), Held("was there before"))
    office.reachable = []
    office.passes(40)
    assert office.note is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_refuses_is_told_once(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.happens(office.found("talk.mp4"), Held("was there before"))
    office.place.chmod(0o500)
    office.passes(40)
    office.place.chmod(0o700)
    assert len([record for record in caplog.records if "talks" in record.getMessage()]) == 1


def test_no_name_reaches_it_as_it_came() -> None:
    text = notice({Kind.HELD: Waits(1, [("evil\x1b[2J\n\u202ename.mp4", "held")])}, "desk\u202e")
    assert text is not None
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "  evil\\x1b[2J\\n\\u202ename.mp4" in text


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("council.rec", RECORDING, True),
        ("council", RECORDING, True),
        ("council.rec", RECORDING - 1, False),
        ("agenda.PDF", RECORDING, False),
        ("council.docx", RECORDING, False),
        (".bashrc", RECORDING, True),
    ],
)
def test_what_may_be_a_recording(name: str, size: int, expected: bool) -> None:
    assert is_stranger(name, size) is expected


def test_the_note_is_no_recording_whatever_is_included() -> None:
    reason = Filter(include=("**",)).why_not(NOTICE, 100)
    assert reason is not None
    assert "tells there what waits" in reason


def test_the_daemon_writes_it(tmp_path: Path) -> None:
    """Real files, a real scan: what was there before has waited for half an hour, as its state file says."""
    with house(tmp_path / "house") as built:
        council = built.folder("council", language="en", existing="hold", problem_note=True, contact="the desk")
        (council / "talk.wav").write_bytes(spoken(tmp_path / "speech.wav").read_bytes())
        stranger = council / "interview.rec"
        stranger.write_bytes(b"\0" * RECORDING)
        os.utime(stranger, (1_700_000_000, 1_700_000_000))
        built.start()
        text = eventually(
            lambda: (council / NOTICE).exists() and (council / NOTICE).read_text(), "the stranger is told at once"
        )
        assert "Not known as a recording (1):\n  interview.rec\n" in str(text)
        stranger.unlink()
        assert built.stop()[0] == 0
