"""Before a cent is spent: who still writes to a file, or finds that it contradicts itself, waits."""

from __future__ import annotations

import io
import os
import wave
from dataclasses import replace
from pathlib import Path

import pytest

from scriptixd.errors import ShareTrouble
from scriptixd.jobs.clock import Now, boot_id
from scriptixd.jobs.ports import Complete, Doubt, Examiner, Opinion, Wait
from scriptixd.jobs.source import Look, Source
from scriptixd.roots.local import LocalReader, LocalRoot
from scriptixd.roots.root import Stat
from scriptixd.watch.completeness import PATIENCE, SHORTEST_WAIT, Completeness

BOOT = "boot-1"
WINDOW = 10.0
SINCE = 1000.0
SHORT = "its RIFF header announces 2,044 bytes and 1,000 are there"


class Mute(LocalReader):
    """A file on a disk that cannot tell who writes to it."""

    def written_to(self) -> bool | None:
        return None


class Away(LocalReader):
    """A file on a disk that went away."""

    def read(self, offset: int, count: int) -> bytes:
        raise ShareTrouble("the share is away")


def wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(2000))
    return file.getvalue()


class Case:
    """A file on a disk and the source that was made of it."""

    def __init__(self, directory: Path, data: bytes, window: float = WINDOW) -> None:
        self.file = directory / "a.wav"
        self.file.write_bytes(data)
        stat = Stat(len(data), self.file.stat().st_mtime_ns, self.file.stat().st_ino)
        self.source = Source(1, "council", "a.wav", stat, Look(BOOT, SINCE, 2), True, True, False, False)
        self.asked = set[str]()
        self.examiner: Examiner = Completeness(self._window, BOOT)
        self._seconds = window

    def _window(self, source: Source) -> float:
        self.asked.add(source.path)
        return self._seconds

    def opinion(self, boot: float, kind: type[LocalReader] = LocalReader) -> Opinion:
        with kind(os.open(self.file, os.O_RDONLY), str(self.file)) as reader:
            return self.examiner.opinion(self.source, reader, Now(1_700_000_000, boot))


def test_a_whole_recording_is_complete_and_so_is_one_of_a_kind_that_says_nothing(tmp_path: Path) -> None:
    for data in (wav(), b"ID3\x04" + bytes(3000), b""):
        assert Case(tmp_path, data).opinion(SINCE + WINDOW) == Complete()


def test_a_contradiction_waits_for_ten_windows_since_the_last_change_and_then_is_a_persons(tmp_path: Path) -> None:
    case = Case(tmp_path, wav()[:1000])
    waits = [case.opinion(SINCE + passed) for passed in (10.0, 55.0, 99.5)]
    assert [(wait.seconds, wait.reason) for wait in waits if isinstance(wait, Wait)] == [
        (90.0, SHORT),
        (45.0, SHORT),
        (0.5, SHORT),
    ]
    assert case.opinion(SINCE + PATIENCE * WINDOW) == Doubt(SHORT)
    assert case.opinion(SINCE + 1e6) == Doubt(SHORT)
    assert case.asked == {"a.wav"}


def test_a_recording_that_was_finished_meanwhile_is_complete(tmp_path: Path) -> None:
    case = Case(tmp_path, wav()[:1000])
    assert isinstance(case.opinion(SINCE + 20), Wait)
    assert Case(tmp_path, wav()).opinion(SINCE + 40) == Complete()


def test_after_a_reboot_the_windows_are_counted_from_its_start(tmp_path: Path) -> None:
    """Neither for ever anew nor not at all: what had settled before has not changed since this boot began."""
    case = Case(tmp_path, wav()[:1000])
    case.source = replace(case.source, look=Look("boot-0", 5e6, 2))
    soon = case.opinion(30.0)
    assert isinstance(soon, Wait)
    assert soon.seconds == 70.0
    assert case.opinion(100.0) == Doubt(SHORT)


def test_a_clock_that_makes_no_sense_never_makes_it_wait_longer_than_ten_windows(tmp_path: Path) -> None:
    early = Case(tmp_path, wav()[:1000]).opinion(0.0)
    assert isinstance(early, Wait)
    assert early.seconds == PATIENCE * WINDOW


def test_who_holds_it_open_for_writing_is_waited_for_as_long_as_it_takes(tmp_path: Path) -> None:
    case = Case(tmp_path, wav())
    with case.file.open("ab"):
        with LocalRoot(tmp_path).open("a.wav") as reader:
            if reader.written_to() is None:
                pytest.skip(f"{tmp_path} is on a disk without leases")
        for passed in (WINDOW, 1e6):
            found = case.opinion(SINCE + passed)
            assert isinstance(found, Wait)
            assert found.seconds == WINDOW
            assert "open for writing" in found.reason
            assert found.hint
    assert case.opinion(SINCE + WINDOW) == Complete()


def test_a_disk_that_cannot_tell_who_writes_has_no_opinion(tmp_path: Path) -> None:
    assert Case(tmp_path, wav()).opinion(SINCE + WINDOW, Mute) == Complete()
    assert Case(tmp_path, wav()[:1000]).opinion(SINCE + 1e6, Mute) == Doubt(SHORT)


def test_a_window_of_nothing_is_no_question_without_end(tmp_path: Path) -> None:
    found = Case(tmp_path, wav()[:1000], window=0.0).opinion(SINCE)
    assert isinstance(found, Wait)
    assert found.seconds == PATIENCE * SHORTEST_WAIT


def test_what_the_disk_raises_passes_through(tmp_path: Path) -> None:
    with pytest.raises(ShareTrouble):
        Case(tmp_path, wav()).opinion(SINCE + WINDOW, Away)


def test_it_goes_by_this_boot_unless_told_otherwise(tmp_path: Path) -> None:
    case = Case(tmp_path, wav()[:1000])
    case.examiner = Completeness(lambda _source: WINDOW)
    case.source = replace(case.source, look=Look(boot_id(), SINCE, 2))
    assert isinstance(case.opinion(SINCE + 1), Wait)
