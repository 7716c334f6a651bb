"""`demo`: sandbox and daemon as the processes that they are, a recording dropped, a transcript found beside it.

Touches nothing outside its temporary folder, and ends every process that it starts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import IO, Final

from scriptixd.cli.output import Colour, complain, say
from scriptixd.errors import StartError, StateTrouble, with_hint
from scriptixd.jobs.job import State
from scriptixd.jobs.store.database import open_for_reading
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.store.views import DELIVERING, DONE, SETTLING, SourceView
from scriptixd.observe.live import live_path, read_live
from scriptixd.sandbox import SAMPLE

PATIENCE: Final = 120.0  # s: it takes about twenty, most of it for listening; a busy machine takes longer
STOP_WITHIN: Final = 8.0  # s; the daemon promises five
LOOK_EVERY: Final = 0.2  # s
TAIL: Final = 20  # lines of the log that tell why

_SENTENCES: Final[Mapping[str, str]] = {
    SETTLING: "it is seen, and watched until it does not change any more",
    State.FOUND: "it is complete, and waits to be uploaded",
    State.UPLOADING: "it is being uploaded",
    State.CLOSING: "the last part of it is being uploaded",
    State.UPLOADED: "it is uploaded",
    State.TRANSCRIBING: "it is being transcribed: the sandbox listens to it, which takes a while",
    DELIVERING: "the transcript is here, and is written beside it",
    DONE: "it is done",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of one demonstration lies."""

    top: Path

    @property
    def folder(self) -> Path:
        return self.top / "recordings"

    @property
    def configuration(self) -> Path:
        return self.top / "config.yaml"

    @property
    def key(self) -> Path:
        return self.top / "api-key"

    @property
    def state(self) -> Path:
        return self.top / "state.db"

    @property
    def log(self) -> Path:
        return self.top / "daemon.log"

    @property
    def sandbox(self) -> Path:
        return self.top / "sandbox"


class _Unfinished(Exception):
    """It did not work out; the sentence says why."""


def demo(*, keep: bool) -> int:
    """Returns the exit code; raises StartError if the sandbox cannot be had."""
    place = Place(Path(tempfile.mkdtemp(prefix="scriptixd-demo-")))
    place.folder.mkdir()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that nothing that was started outlives it
    try:
        with ExitStack() as processes:
            url = _sandbox(processes, place)
            place.key.touch(mode=0o600)
            place.key.write_text("demo", encoding="utf-8")
            place.configuration.write_text(_configuration(url, place), encoding="utf-8")
            _perform(processes, place)
            _tell(place)
            if keep:
                _go_on(place)
    except _Unfinished as unfinished:
        complain(f"the demonstration did not end well: {unfinished}")
        for line in _tail(place.log):
            complain(f"  {line}")
        complain(f"everything lies in {place.top}")
        return 1
    except StartError:
        shutil.rmtree(place.top)
        raise
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _sandbox(processes: ExitStack, place: Place) -> str:
    """Start the service to talk to; returns its URL."""
    say("Starting a service that understands Scriptix's language, on this machine …")
    arguments = ("sandbox", "--port", "0", "--dir", str(place.sandbox))
    child = processes.enter_context(_process(arguments, subprocess.PIPE, subprocess.PIPE))
    first = _output(child.stdout).readline()
    found = re.search(r"https?://\S+", first)
    if found is None:
        problem, _, hint = _output(child.stderr).read().partition("\n")
        raise StartError(problem.removeprefix("scriptixd: ") or "the sandbox did not start", hint.strip())
    say(f"  {found[0]}")
    return found[0]


def _output(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise AssertionError("opened as a pipe")
    return stream


def _configuration(url: str, place: Place) -> str:
    """What a person would write, but for the haste: a second instead of ten for a file to be complete."""
    return f"""# The demonstration's configuration; config.example.yaml has every setting.
api:
  url: {url}
  key_file: {json.dumps(str(place.key))}
  requests_per_minute: 600
state: {json.dumps(str(place.state))}
folders:
  - path: {json.dumps(str(place.folder))}
    language: en
    document_type: caption
    settle: 1s
    scan_interval: 1s
    existing: process
"""


def _perform(processes: ExitStack, place: Place) -> None:
    """From an empty folder to a transcript."""
    say("Starting the daemon …")
    log = processes.enter_context(place.log.open("w", encoding="utf-8"))
    daemon = processes.enter_context(_process(("run", "-c", str(place.configuration)), log, subprocess.STDOUT))
    deadline = time.monotonic() + PATIENCE
    while not _watches(place):
        _wait(daemon, deadline, "the daemon does not watch its folder")
    say(f"  it watches {place.folder}")
    recording = place.folder / SAMPLE.name
    say(f"Dropping a recording into it: {recording.name}")
    shutil.copyfile(SAMPLE, recording)
    with _display() as show:
        told = ""
        while told != DONE:
            _wait(daemon, deadline, f"it took too long; it was {told or 'not seen'}")
            view = _source(place)
            if view is not None and view.state != told:
                told = view.state
                if told not in _SENTENCES:
                    raise _Unfinished(with_hint(view.reason or told, view.hint))
                show(_SENTENCES[told])


def _wait(daemon: subprocess.Popen[str], deadline: float, otherwise: str) -> None:
    if daemon.poll() is not None:
        raise _Unfinished(f"the daemon ended with exit code {daemon.returncode}")
    if time.monotonic() > deadline:
        raise _Unfinished(otherwise)
    time.sleep(LOOK_EVERY)


def _watches(place: Place) -> bool:
    live = read_live(live_path(place.state), time.time())
    return live is not None and all(folder.last_scan for folder in live.folders)


def _source(place: Place) -> SourceView | None:
    try:
        store = Store(open_for_reading(place.state))
    except StateTrouble:
        return None  # busy for a moment
    try:
        return store.views.source(place.folder.name, SAMPLE.name)
    finally:
        store.close()


def _say_at_once(sentence: str) -> None:
    say(f"  {sentence}")
    sys.stdout.flush()


@contextmanager
def _display() -> Iterator[Callable[[str], None]]:
    """How progress is told: in lines, and on a terminal with a sign that it moves."""
    if not sys.stdout.isatty():
        yield _say_at_once
        return
    from scriptixd.cli.progress import spinner  # noqa: PLC0415 - a pipe needs none of it

    with spinner() as show:
        yield show


def _tell(place: Place) -> None:
    captions = (place.folder / SAMPLE.name).with_suffix(".srt")
    if not captions.exists():
        raise _Unfinished(f"there is no {captions}")
    say()
    say(f"{captions.name} appeared beside it:", colour=Colour.BOLD)
    say()
    for line in captions.read_text(encoding="utf-8").splitlines():
        say(line)
    say()
    say("Everything is still there, to look at:", colour=Colour.BOLD)
    say(f"  {place.folder}  the recording, its captions, and the whole result as JSON")
    say(f"  {place.configuration}  the configuration")
    say(f"  {place.state}  the state file: scriptixd explain {SAMPLE.name} -c {quote(str(place.configuration))}")
    say(f"  {place.log}  the daemon's log")
    say(f"Remove it with: rm -r {quote(str(place.top))}")
    sys.stdout.flush()


def _go_on(place: Place) -> None:
    """Until Ctrl-C, which is the ordinary end here."""
    say()
    say(f"It goes on watching {place.folder}: drop recordings in English into it. Ctrl-C ends it.")
    sys.stdout.flush()
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("Stopped.")


@contextmanager
def _process(arguments: tuple[str, ...], output: IO[str] | int, errors: int) -> Iterator[subprocess.Popen[str]]:
    """This very program as a child, ended by SIGTERM when it is not needed any more."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "scriptixd", *arguments]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, text=True, env=environment
    )
    with child:
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                child.kill()


def _tail(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:] if log.exists() else []
