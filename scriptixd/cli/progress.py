"""What moves on a terminal while one waits: bars for `run --once`, a spinner for `demo`, a count for `plan`.

Only imported where there is a terminal; says nothing that the log or the plain lines do not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from scriptixd.observe.live import LiveUpload
from scriptixd.observe.wording import duration, size
from scriptixd.roots.paths import shown


class UploadBars:
    """A bar for every upload with its speed, and a line above them; the log goes on above both."""

    def __init__(self, names: Callable[[], Mapping[int, str]]) -> None:
        self._names = names  # of the files behind jobs, asked when an upload is new
        self._sums = Text()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[told]}", markup=False),
        )
        self._tasks: dict[int, TaskID] = {}

    def shown(self) -> Live:
        """While it is shown, standard error is the display's: what is written there appears above it."""
        return Live(Group(self._sums, self._bars), console=Console(stderr=True), transient=True)

    def show(self, sums: str, uploads: Mapping[int, LiveUpload]) -> None:
        """The newest figures."""
        self._sums.plain = sums
        for job_id in self._tasks.keys() - uploads.keys():
            self._bars.remove_task(self._tasks.pop(job_id))
        fresh = uploads.keys() - self._tasks.keys()
        names = self._names() if fresh else {}
        for job_id in fresh:
            name, total = shown(names.get(job_id, "")), uploads[job_id].size
            self._tasks[job_id] = self._bars.add_task(name, total=total, told="")
        for job_id, upload in uploads.items():
            self._bars.update(self._tasks[job_id], completed=upload.offset, told=_told(upload))


def _told(upload: LiveUpload) -> str:
    """In the words of `status`."""
    done, speed = f"{size(upload.offset)} of {size(upload.size)}", upload.bytes_per_second
    if upload.still_since is not None or speed <= 0:
        return done
    return f"{done}, {size(speed)}/s, {duration((upload.size - upload.offset) / speed)} left"


@contextmanager
def spinner() -> Iterator[Callable[[str], None]]:
    """Each sentence becomes a line, and the last one turns until the next."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(), transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(sentence: str) -> None:
            progress.console.print(f"  {sentence}", markup=False, highlight=False)
            progress.update(task, description=sentence)

        yield show


@contextmanager
def counting(count: Callable[[], str]) -> Iterator[None]:
    """One line on standard error that is asked for anew while it is shown, and leaves nothing behind."""
    with Live(get_renderable=lambda: Text(count()), console=Console(stderr=True), transient=True):
        yield
