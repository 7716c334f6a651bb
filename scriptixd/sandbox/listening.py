"""Who listens to what: a queue of sessions, and worker threads with one child process each.

Recognition holds Python's lock for seconds and reads files of strangers: hence child processes, kept
for as long as they live so that the model is loaded once. Nothing here knows of HTTP or TUS.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from scriptixd.sandbox.records import Heard, Records, Status, Word
from scriptixd.sandbox.uploads import Uploads, keeps_media

CRASHED = "The recogniser broke down over this file."


class Listening:
    """Hears every session that is processing; `stop` leaves the unfinished ones for the next start."""

    def __init__(self, records: Records, uploads: Uploads, workers: int) -> None:
        self._records = records
        self._uploads = uploads
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._workers = [Worker(self) for _ in range(workers)]

    def start(self) -> None:
        for session in self._records.all_sessions():
            if session.status is Status.PROCESSING:
                self.listen(session.id)
        for worker in self._workers:
            worker.start()

    def listen(self, session: str) -> None:
        self._waiting.put(session)

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()
            self._waiting.put(None)
        for worker in self._workers:
            worker.join()

    def next(self) -> str | None:
        """Waits for a session; None says that it is time to go."""
        return self._waiting.get()

    def settle(self, session_id: str, worker: Worker) -> None:
        """Takes one session from processing to its end."""
        session = self._records.start(session_id)
        if session is None:
            return
        heard = worker.hear(self._uploads.path(session.upload))
        if heard is None:
            return
        self._records.finish(session.id, heard)
        after = self._records.session(session.id)
        if after is None or not keeps_media(after):
            self._uploads.erase(session.upload)


class Worker(threading.Thread):
    """A thread that asks its own child process, started when the first session comes."""

    def __init__(self, listening: Listening) -> None:
        super().__init__(name="sandbox-worker")
        self._listening = listening
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._stopping = False

    def run(self) -> None:
        try:
            while (session := self._listening.next()) is not None and not self._stopping:
                self._listening.settle(session, self)
        finally:
            self._dismiss()

    def hear(self, media: Path) -> Heard | None:
        """What the child heard, or None when it was interrupted by `stop`."""
        child = self._ready_child()
        if child is None:
            return None
        assert child.stdin is not None  # noqa: S101 - opened as pipes
        assert child.stdout is not None  # noqa: S101
        try:
            child.stdin.write(json.dumps(str(media)) + "\n")
            child.stdin.flush()
            answer = child.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return _heard(answer)
        self._dismiss()
        return None if self._stopping else Heard(error=CRASHED)

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            if self._child is not None:
                self._child.kill()

    def _ready_child(self) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._child is None and not self._stopping:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "scriptixd.sandbox.recognition"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,  # Ctrl-C at the terminal is for the server to handle, not for its child
                )
            return self._child

    def _dismiss(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.kill()
            with suppress(BrokenPipeError), child:  # closing flushes what the dead child has not taken
                pass


def _heard(answer: str) -> Heard:
    fields = json.loads(answer)
    return Heard(
        duration=fields["duration"],
        utterances=tuple(tuple(Word(**word) for word in words) for words in fields["utterances"]),
        error=fields["error"],
    )
