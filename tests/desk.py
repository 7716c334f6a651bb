"""A configuration with two folders, a state file made by the store itself, and the program as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import in_process

from scriptixd.jobs.clock import boot_id
from scriptixd.jobs.events import Event
from scriptixd.jobs.job import DocumentType, Job, Request
from scriptixd.jobs.source import Admission, Look, Sighting, Source
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.reaching import FolderRoot
from scriptixd.roots.root import Stat
from scriptixd.watch.filters import Filter

PATIENCE: Final = 60.0  # s: a deadline for conditions, never a measure
PROGRAM: Final = (sys.executable, "-m", "scriptixd")
SCRIPT: Final = Path(sys.executable).with_name("scriptixd")


class Desk:
    """A configuration with two folders, and a state file made by the store itself."""

    def __init__(self, base: Path) -> None:
        self.base, self.config, self.state = base, base / "config.yaml", base / "state" / "state.db"
        for name in ("council", "court"):
            (base / name).mkdir()
        # Port 1 refuses: nobody is asked by accident.
        self.config.write_text(
            f"""
api: {{url: "http://127.0.0.1:1/api/v3", key: "${{TEST_KEY}}"}}
state: {self.state}
defaults: {{language: nl, document_type: caption, settle: 1h}}
folders:
  - path: {base / "council"}
  - path: {base / "court"}
"""
        )

    def say(self, *arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        """What a verb answers, without a process of its own."""
        done = in_process.say(arguments, self.environment() | environment)
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def typed(self, *arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        """A verb as a person types it, where the process is the point."""
        done = subprocess.run(
            [SCRIPT, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, **self.environment(), **environment},
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def environment(self) -> dict[str, str]:
        return {"TEST_KEY": "key", "SCRIPTIXD_CONFIG": str(self.config)}

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        done = self.say("list", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    def row(self, name: str) -> dict[str, Any]:
        return next(row for row in self.rows() if row["relative_path"] == name)

    @contextmanager
    def store(self) -> Iterator[Store]:
        with closing(Store(open_state(self.state))) as store:
            yield store

    def add(self, name: bytes | str, *events: Event, folder: str = "council", held_for: str = "") -> Job:
        """A source that has settled, and what happened to its job."""
        now = time.time()
        source = self.see(name, folder, Admission(Request("nl", DocumentType.CAPTION), held_for))
        with self.store() as store:
            job = store.jobs.newest_of(source.id)
            for event in events:
                job = store.jobs.apply(job, event, now) if job else None
            assert job is not None
            return job

    def see(self, name: bytes | str, folder: str = "council", admission: Admission | None = None) -> Source:
        """A source as the scanner has seen it: settled if it was admitted."""
        path = self.base / folder / os.fsdecode(name)
        if not path.exists():
            path.write_bytes(b"0" * 2048)
        found = path.stat()
        stat, look = Stat(found.st_size, found.st_mtime_ns, found.st_ino), Look(boot_id(), 0.0, 2)
        with self.store() as store:
            store.sources.record(folder, "", [Sighting(path.name, stat, look, False, admission)], time.time())
            source = store.sources.at(folder, path.name)
            assert source is not None
            return source

    def meet(self, folder: str = "council") -> None:
        """One complete pass over a folder is over: what appears from now on is new."""
        with closing(FolderRoot(self.base / folder)) as root, self.store() as store:
            disk = root.disk()
            store.sources.begin_contact(folder, disk.identity.key, time.time())
            store.sources.complete_pass(folder, disk, Filter().scope, time.time())

    @contextmanager
    def daemon(self) -> Iterator[None]:
        with (self.base / "log").open("w") as log:
            process = subprocess.Popen(
                [*PROGRAM, "run", "-c", self.config], stderr=log, env={**os.environ, "TEST_KEY": "key"}
            )
        with process:
            try:
                eventually(lambda: json.loads(self.say("status", "--json").stdout)["daemon"]["pid"] == process.pid)
                yield
            finally:
                process.terminate()
        assert process.returncode == 0, (self.base / "log").read_text()


def eventually(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.1)
