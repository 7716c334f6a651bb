"""How long a recording plays, by its own account; and what is no recording costs no more than a look at its head."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import pytest

from scriptixd.errors import ShareTrouble, Stopped
from scriptixd.jobs.media import MOST_READ, media_seconds
from scriptixd.roots.local import LocalReader, LocalRoot

READ_AHEAD = 64 * 1024


class Counting:
    """A reader that counts what is read of it, and fails once as it is told to."""

    def __init__(self, reader: LocalReader, error: Exception | None = None) -> None:
        self._reader = reader
        self._error = error
        self.count = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._reader, name)

    def read(self, offset: int, count: int) -> bytes:
        if self._error is not None:
            raise self._error
        data = self._reader.read(offset, count)
        self.count += len(data)
        return data


def length(path: Path, error: Exception | None = None) -> tuple[float | None, int]:
    """The seconds, and how many bytes were read for them."""
    with LocalRoot(path.parent).open(path.name) as reader:
        counting = Counting(reader, error)  # type: ignore[arg-type]
        return media_seconds(counting, path.name, path.stat().st_size), counting.count  # type: ignore[arg-type]


def test_a_recording_tells_how_long_it_plays_in_a_few_bytes(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 8000 * 600))
    seconds, count = length(tmp_path / "a.wav")
    assert seconds == 600.0
    assert count <= 2 * READ_AHEAD


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac", "a.mp4", "a.aac", "a.wma"])
def test_what_is_no_recording_is_given_up_after_its_head(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.write(os.urandom(MOST_READ))
        file.truncate(100 * MOST_READ)
    seconds, count = length(tmp_path / name)
    assert seconds is None
    assert count <= MOST_READ + READ_AHEAD


@pytest.mark.parametrize("error", [Stopped("a.mp3"), ShareTrouble("gone")], ids=str)
def test_what_the_disk_says_is_not_taken_for_what_the_file_says(tmp_path: Path, error: Exception) -> None:
    (tmp_path / "a.mp3").write_bytes(os.urandom(1000))
    with pytest.raises(type(error)):
        length(tmp_path / "a.mp3", error)
