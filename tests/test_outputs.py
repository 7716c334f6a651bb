"""A directory for outputs whose disk is not mounted is a bare directory, and nothing is written there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from house import eventually, house, spoken

needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["mount", "--version"], check=False, capture_output=True).returncode != 0,
    reason="needs root, to mount a disk",
)


@needs_mounts
def test_nothing_is_written_below_a_mountpoint_without_its_disk(tmp_path: Path) -> None:
    speech, disk = spoken(tmp_path / "speech.wav"), tmp_path / "disk"
    disk.mkdir()
    outputs = disk / "outputs"

    def mounted() -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "outputs", str(disk)], check=True)
        outputs.mkdir(exist_ok=True)

    with house(tmp_path / "house") as built:
        council = built.folder("council", language="en", output={"directory": str(outputs)})
        mounted()
        try:
            built.start()
            built.drop(council, "a.wav", speech)
            built.until(1)
            assert sorted(path.name for path in outputs.iterdir()) == ["a.json", "a.srt"]
            subprocess.run(["umount", str(disk)], check=True)
            outputs.mkdir()  # as a careless script may make it
            done = built.say("render", "council", check=False)
            assert done.returncode == 1
            assert f"was on the disk at {disk}, which is not mounted (mount it" in done.stderr
            assert built.stop()[0] == 0
            done = built.say("render", "council", check=False)
            assert "which is not mounted" in done.stderr, "nor without a daemon"
            assert list(outputs.iterdir()) == []
            mounted()
            built.start()
            eventually((outputs / "a.json").exists, "it goes on when the disk is there")
            assert sorted(path.name for path in outputs.iterdir()) == ["a.json", "a.srt"]
            assert built.stop()[0] == 0
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=False, capture_output=True)
