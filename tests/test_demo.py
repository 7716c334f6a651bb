"""The demonstration, as the README promises it: one command, a transcript, nothing left running."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import srt

HEARD = {"leisure", "married", "amiable"}


def scriptixd(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scriptixd", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)


def test_the_demonstration_prints_the_transcript_that_appeared(tmp_path: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("SCRIPTIX")}
    environment |= {"TMPDIR": str(tmp_path), "HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "scriptixd", "demo"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    (place,) = tmp_path.iterdir()  # nothing but its own folder
    assert f"rm -r {place}" in done.stdout
    captions = (place / "recordings" / "austen.srt").read_text()
    assert captions in done.stdout
    assert {word for cue in srt.parse(captions) for word in cue.content.split()} >= HEARD
    assert "it is being transcribed" in done.stdout
    (command,) = re.findall(r"scriptixd (explain .*)", done.stdout)
    told = subprocess.run(
        [sys.executable, "-m", "scriptixd", *command.split()],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert "it is done" in told.stdout
    assert "no daemon is running" not in told.stdout
    shutil.rmtree(place)


def test_a_sandbox_that_cannot_start_ends_the_demonstration_with_its_sentence(tmp_path: Path) -> None:
    # Without PocketSphinx, as after an installation without the extra.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'pocketsphinx' else found(name, *rest)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "scriptixd", "demo"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "scriptixd: the sandbox needs pocketsphinx, not installed here",
        f"  {sys.prefix}/bin/pip install 'scriptixd[sandbox]'",
    ]
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("scriptixd-")] == []
