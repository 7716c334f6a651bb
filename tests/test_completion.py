"""What a person gets who presses TAB, in each shell as it really runs."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import in_process
import pytest

PATIENCE = 30.0  # s for a shell and for each answer of ours
START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SET_UP = {
    "bash": "source <(scriptixd completion bash)",
    "zsh": "autoload -Uz compinit; compinit -u -D; source <(scriptixd completion zsh)",
    "fish": "scriptixd completion fish | source",
}
TO_THE_BEGINNING, TAB, ENTER = "\x01", "\t", "\r"


class Shell:
    """An interactive shell on a terminal of its own, that has been told about scriptixd."""

    def __init__(self, name: str, home: Path) -> None:
        self.shown = b""
        self._told = home / "told"
        self._terminal, theirs = pty.openpty()
        environment = {
            "PATH": f"{home}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "SCRIPTIXD_CONFIG": str(home / "config.yaml"),
            "HOME": str(home),
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
        }
        alone = ["setsid", "--ctty", *START[name]]  # what is interactive has a terminal that is its own
        self._process = subprocess.Popen(alone, stdin=theirs, stdout=theirs, stderr=theirs, cwd=home, env=environment)
        os.close(theirs)
        self._type(f"{SET_UP[name]}; ./tell ready{ENTER}")

    def get_ready(self) -> None:
        assert self._words() == ["ready"]

    def completed(self, line: str) -> list[str]:
        """The words of a line after a TAB at its end, as the shell hands them to a program."""
        self._type(f"{line}{TAB}{TO_THE_BEGINNING}./tell {ENTER}")
        return self._words()

    def close(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._terminal)

    def _type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def _words(self) -> list[str]:
        deadline = time.monotonic() + PATIENCE
        while not self._told.exists():
            if select.select([self._terminal], [], [], 0.02)[0]:  # a terminal that nobody reads stands still
                self.shown += os.read(self._terminal, 65536)
            assert time.monotonic() < deadline, f"the shell has come to nothing but {self.shown!r}"
        words = self._told.read_text().split("\n")[:-1]
        self._told.unlink()
        return words


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("council chamber", "radio"):
        (tmp_path / name).mkdir()
    (tmp_path / "radio" / "town meeting.mp4").touch()
    (tmp_path / "config.yaml").write_text(
        "state: state.db\n"
        "defaults: {language: en, document_type: caption}\n"
        "folders: [{path: council chamber, name: chamber of the council}, {path: radio, name: wireless}]\n"
    )
    tell = tmp_path / "tell"
    tell.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\" >told.part && mv told.part told\n")
    tell.chmod(0o755)
    return tmp_path


@pytest.fixture(params=START)
def shell(request: pytest.FixtureRequest, home: Path) -> Iterator[Shell]:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    shell = Shell(name, home)
    try:
        shell.get_ready()
        yield shell
    finally:
        shell.close()


def test_a_shell_completes_what_is_typed(shell: Shell, home: Path) -> None:
    assert shell.completed("scriptixd pla") == ["scriptixd", "plan"]
    assert shell.completed("scriptixd list --sta") == ["scriptixd", "list", "--state"]  # with a long meaning
    assert shell.completed("scriptixd list --state dis") == ["scriptixd", "list", "--state", "dismissed"]
    assert shell.completed("scriptixd approve cham") == ["scriptixd", "approve", "chamber of the council"]
    recording = f"{home}/radio/town meeting.mp4"
    assert shell.completed(f"scriptixd explain {home}/radio/to") == ["scriptixd", "explain", recording]

    other = home / "other.yaml"
    other.write_text((home / "config.yaml").read_text().replace("wireless", "gazette"))
    assert shell.completed(f"scriptixd pause -c {other} gaz") == ["scriptixd", "pause", "-c", f"{other}", "gazette"]

    (home / "config.yaml").write_text("folders: nonsense\n")  # no complaint on a line that is being typed
    assert [word.rstrip("/") for word in shell.completed("scriptixd plan rad")] == ["scriptixd", "plan", "radio"]
    assert b"scriptixd:" not in shell.shown


@pytest.mark.parametrize(
    ("line", "offered"), [("scriptixd list --state dism", "dismissed"), ("scriptixd pause wi", "wireless")]
)
def test_whoever_presses_tab_does_not_wait_for_the_whole_program(line: str, offered: str, home: Path) -> None:
    asked = {
        "_SCRIPTIXD_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": line,
        "SCRIPTIXD_CONFIG": str(home / "config.yaml"),
    }
    script = "import sys; sys.argv = ['scriptixd']; from scriptixd.cli import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **asked})
    imported = {told.rpartition("|")[2].strip() for told in done.stderr.splitlines()}
    assert done.stdout.split() == [offered]
    assert not {name.partition(".")[0] for name in imported} & {"requests", "tusclient", "watchdog", "asyncio", "rich"}
    assert not imported & {"scriptixd.daemon", "scriptixd.service", "scriptixd.delivery", "scriptixd.roots.isolated"}


@pytest.mark.parametrize("name", START)
def test_what_a_shell_is_told_is_in_its_language(name: str, home: Path) -> None:
    said = in_process.say(["completion", name], {})
    assert said.returncode == 0
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    script = home / f"scriptixd.{name}"
    script.write_text(said.stdout)
    judged = subprocess.run([name, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stderr) == (0, "")
