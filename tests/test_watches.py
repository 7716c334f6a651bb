"""What the kernel grants, read and judged; used up for real in the doorbell's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptixd.watch import watches as module
from scriptixd.watch.doorbell import Doorbell
from scriptixd.watch.filters import Filter
from scriptixd.watch.watches import Watches, room, shortage


def test_our_own_watches_are_counted(tmp_path: Path) -> None:
    names = [str(number) for number in range(200)]
    bell = Doorbell(str(tmp_path), Filter(), lambda: None)
    try:
        for name in names:
            (tmp_path / name).mkdir()
            bell.cover(name)
        found = room()
        assert found.limit is not None
        assert found.used >= len(names) + 1
    finally:
        bell.stop()


def test_the_lower_of_two_limits_counts_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    monkeypatch.setattr(module, "SETTINGS", {"one": one, "other": other})
    assert room() == Watches(None, 0)
    one.write_text("70\n")
    assert (room().limit, room().setting) == (70, "one")
    other.write_text("60\n")
    assert (room().limit, room().setting) == (60, "other")
    other.write_text("70\n")
    assert room().setting == "one"


def test_a_folder_is_refused_only_what_is_not_left() -> None:
    assert shortage("/srv/media", 1_000_000, Watches(None, 0)) is None
    assert shortage("/srv/media", 15, Watches(20, 5)) is None
    refusal = shortage("/srv/me\ndia", 16, Watches(20, 5))
    assert str(refusal) == (
        "/srv/me\\ndia needs 16 inotify watches or more, one for each directory, and 15 are left: "
        "5 of 20 are in use (raise fs.inotify.max_user_watches)"
    )
    assert Watches(20, 25).left == 0
