"""`status`: how the daemon and every folder are doing.

Facts come from the state file, figures that move from the daemon's live file; it works without either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from scriptixd.cli import remnants
from scriptixd.cli.finding import absolute
from scriptixd.cli.installation import live_figures, pauses, reading, settings_in
from scriptixd.cli.obstacles import way_on
from scriptixd.cli.output import Colour, bar, duration, iso, moment, say, say_json, say_marked, size
from scriptixd.cli.prospects import told_of
from scriptixd.cli.waiting import AT_MOST, tell_waiting
from scriptixd.config.settings import Settings
from scriptixd.jobs.bounds import Limit
from scriptixd.jobs.clock import local_day, read_clock
from scriptixd.jobs.job import State
from scriptixd.jobs.source import Question
from scriptixd.jobs.store.database import is_held
from scriptixd.jobs.store.erasures import NOTHING, Backlog
from scriptixd.jobs.store.views import DELIVERING, DONE, SETTLING, STATES, SourceView, Views
from scriptixd.observe.live import Live, LiveFolder, LivePause, LiveRequests, LiveUpload

# What people call them, and what that is made of; the rest of the states is told by its own name.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "waiting": (SETTLING, State.FOUND),
    "held": (State.HELD,),
    "uploading": (State.UPLOADING, State.CLOSING),
    "transcribing": (State.UPLOADED, State.TRANSCRIBING),
    "delivering": (DELIVERING,),
    "done": (DONE,),
    "failed": (State.FAILED,),
}


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload on its way, with the file that it is of."""

    path: str
    folder: str
    figures: LiveUpload

    @property
    def seconds_left(self) -> float | None:
        speed = self.figures.bytes_per_second
        return (self.figures.size - self.figures.offset) / speed if speed > 0 else None


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that `status` tells."""

    settings: Settings
    held: bool  # a daemon has the state file
    live: Live | None
    counts: Mapping[tuple[str, str], int]
    uploads: tuple[Upload, ...]
    problems: tuple[SourceView, ...]  # the latest first
    paid: tuple[int, float]  # today: uploads, and their known media seconds
    questions: Mapping[str, Question]  # by folder: what it waits for a yes to, as a whole
    erasures: Backlog = NOTHING  # what is still to be erased at Scriptix
    pauses: Sequence[LivePause] = ()
    twins: Sequence[tuple[SourceView, str]] = ()  # files that wait for another one, and for which


def status(config: str, *, as_json: bool) -> None:
    """Print how things stand."""
    standing = _look(settings_in(config))
    if as_json:
        say_json(_record(standing))
    else:
        _tell(standing, read_clock().wall)


def _look(settings: Settings) -> Standing:
    held = is_held(settings.state)
    live = live_figures(settings) if held else None
    if not settings.state.exists():
        return Standing(settings, held, live, {}, (), (), (0, 0.0), {}, pauses=pauses(None, live))
    with reading(settings) as store:
        uploads = _uploads(settings, store.views, live) if live else ()
        paid = store.views.paid(local_day(read_clock().wall))
        counts, problems = store.views.counts(), _problems(store.views)
        erasures = store.erasures.backlog()
        asked, paused = store.sources.questions(), pauses(store, live)
        twins = store.views.twins(read_clock().wall, AT_MOST + 1)
        return Standing(settings, held, live, counts, uploads, problems, paid, asked, erasures, paused, twins)


def _uploads(settings: Settings, views: Views, live: Live) -> tuple[Upload, ...]:
    if not live.uploads:
        return ()
    sources = {view.job_id: view for state in GROUPS["uploading"] for view in views.sources(state=state)}
    known = [(sources[one.job_id], one) for one in live.uploads if one.job_id in sources]
    return tuple(Upload(absolute(settings, view.folder, view.path), view.folder, one) for view, one in known)


def _problems(views: Views) -> tuple[SourceView, ...]:
    found = [*views.sources(state=State.FAILED), *views.sources(state=State.HELD)]
    waiting = (DELIVERING, State.FOUND, State.UPLOADING, State.CLOSING)
    found += [view for state in waiting for view in views.sources(state=state) if view.reason and view.attempts]
    return tuple(sorted(found, key=lambda view: view.updated_at, reverse=True))


def by_state(counts: Mapping[tuple[str, str], int], folder: str | None = None) -> dict[str, int]:
    """How many sources are in each state, of one folder or of all; states without any are left out."""
    sums = {
        state: sum(n for (name, at), n in counts.items() if at == state and folder in (None, name)) for state in STATES
    }
    return {state: number for state, number in sums.items() if number}


def _tell(standing: Standing, now: float) -> None:
    settings, live = standing.settings, standing.live
    _tell_daemon(standing, now)
    for pause in standing.pauses:
        if pause.what in set(Limit):
            say_marked("paused" if pause.what == Limit.PAUSE else "waiting", Colour.YELLOW, told_of(pause, now))
        else:
            whom = f"{pause.folder}: " if pause.folder else ""
            say_marked("paused", Colour.RED, whom + told_of(pause, now))
    watched = {folder.name: folder for folder in live.folders} if live else {}
    for folder in settings.folders:
        say()
        say(f"{folder.name}  {folder.path}", colour=Colour.BOLD)
        if folder.name in standing.questions:
            say(f"  asks: {standing.questions[folder.name].sentence}", colour=Colour.YELLOW)
            say(f"        {way_on(folder, standing.questions[folder.name])}")
        _tell_watching(watched.get(folder.name), standing.questions.get(folder.name), now)
        _tell_files(by_state(standing.counts, folder.name))
    for upload in standing.uploads:
        say()
        say(f"uploading {upload.path}")
        say(f"  {_progress(upload, watched.get(upload.folder), now)}")
    tell_waiting(settings, standing.problems, standing.twins, now)
    if erasures := remnants.sum_sentence(standing.erasures):
        say()
        say_marked("waiting", Colour.YELLOW, erasures)
    count, seconds = standing.paid
    say()
    say(f"{count} upload(s) paid today, {duration(seconds)} of media")
    if live and live.requests:
        say(_budget(live.requests, now))


def _budget(requests: LiveRequests, now: float) -> str:
    used = f"{requests.last_minute} of {requests.per_minute} requests used in the last minute"
    if requests.uploads_last_minute:
        used += f" ({requests.uploads_last_minute} for uploads)"
    if requests.per_hour is not None:
        used += f", {requests.last_hour} of {requests.per_hour} in the last hour"
    if requests.silent_until is not None:
        used += f"; Scriptix wants to be asked nothing until {moment(requests.silent_until, now)}"
    return used


def _tell_daemon(standing: Standing, now: float) -> None:
    live = standing.live
    if live:
        since = moment(live.started_at, now)
        say_marked("running", Colour.GREEN, f"scriptixd {live.version} since {since}, process {live.pid}")
    elif standing.held:
        say_marked("running", Colour.YELLOW, "a daemon has the state file, but has not told anything lately")
    else:
        say_marked("stopped", Colour.YELLOW, "no daemon is running: nothing goes on until one is started")
        if not standing.settings.state.exists():
            say(f"there is no state file {standing.settings.state} yet")


def _tell_watching(live: LiveFolder | None, asked: Question | None, now: float) -> None:
    if live is None:
        return
    if live.offline and not live.asks:
        since = f" since {moment(live.offline_since, now)}" if live.offline_since else ""
        say(f"  {'hung' if live.hung else 'offline'}{since}: {live.offline}", colour=Colour.RED)
    elif live.mode:
        seen = f"last full look at {moment(live.last_scan, now)}" if live.last_scan else "first look under way"
        say(f"  watched by {live.mode}: {live.why}; {seen}")
    for problem in live.problems:
        if asked is None or not problem.startswith(asked.sentence):  # which has been told
            say(f"  warning: {problem}", colour=Colour.YELLOW)
    for restless in live.restless:
        say(f"  has not stopped changing since {moment(restless.since, now)}: {restless.path}", colour=Colour.YELLOW)


def _tell_files(counts: Mapping[str, int]) -> None:
    grouped = {state for states in GROUPS.values() for state in states}
    told = [f"{name} {sum(counts.get(state, 0) for state in states)}" for name, states in GROUPS.items()]
    if counts.get(SETTLING):
        told[0] += f" ({counts[SETTLING]} may still be written)"
    told += [f"{state} {number}" for state, number in counts.items() if state not in grouped]
    say(f"  {', '.join(told)}")


def _progress(upload: Upload, folder: LiveFolder | None, now: float) -> str:
    figures = upload.figures
    told = f"{bar(figures.offset, figures.size)} of {size(figures.size)}"
    if figures.still_since is not None:
        still = f"has stood still for {duration(round(max(0.0, now - figures.still_since)))}"
        return f"{told}, {still}" + (": it waits for its disk" if folder and folder.offline else "")
    if upload.seconds_left is not None:
        told += f", {size(figures.bytes_per_second)}/s, {duration(upload.seconds_left)} left"
    return told


def _record(standing: Standing) -> dict[str, object]:
    """The same for programs."""
    settings, live, counts = standing.settings, standing.live, standing.counts
    requests = live.requests if live else None
    watched = {folder.name: folder for folder in live.folders} if live else {}
    return {
        "daemon": {
            "running": standing.held,
            "pid": live.pid if live else None,
            "version": live.version if live else None,
            "started_at": iso(live.started_at) if live else None,
        },
        "state_file": str(settings.state),
        "pauses": [asdict(pause) | {"until": iso(pause.until)} for pause in standing.pauses],
        "counts": by_state(counts),
        "folders": [
            {"name": one.name, "path": str(one.path), "counts": by_state(counts, one.name)}
            | _watching(one.name, watched.get(one.name), standing)
            for one in settings.folders
        ],
        "uploads": [_upload_record(upload) for upload in standing.uploads],
        "problems": [
            {
                "path": absolute(settings, view.folder, view.path),
                "folder": view.folder,
                "state": view.state,
                "error": view.reason or None,
                "hint": view.hint or None,
                "updated_at": iso(view.updated_at),
            }
            for view in standing.problems
        ],
        "erasures": remnants.sum_record(standing.erasures),
        "paid_today": {"uploads": standing.paid[0], "media_seconds": standing.paid[1]},
        "requests": {
            "last_minute": requests.last_minute if requests else None,
            "uploads_last_minute": requests.uploads_last_minute if requests else None,
            "per_minute": requests.per_minute if requests else settings.api.requests_per_minute,
            "last_hour": requests.last_hour if requests else None,
            "per_hour": settings.api.requests_per_hour,
            "silent_until": iso(requests.silent_until) if requests else None,
        },
    }


def _watching(name: str, live: LiveFolder | None, standing: Standing) -> dict[str, object]:
    return {
        "mode": (live.mode or None) if live else None,
        "why": (live.why or None) if live else None,
        "offline": (live.offline or None) if live else None,
        "offline_since": iso(live.offline_since) if live else None,
        "hung": live.hung if live else False,
        "asks": standing.questions[name].sentence if name in standing.questions else None,
        "last_scan": iso(live.last_scan) if live else None,
        "problems": list(live.problems) if live else [],
        "unsettled": standing.counts.get((name, SETTLING), 0),
        "restless": [{"path": one.path, "since": iso(one.since)} for one in live.restless] if live else [],
    }


def _upload_record(upload: Upload) -> dict[str, object]:
    return {
        "path": upload.path,
        "folder": upload.folder,
        "offset": upload.figures.offset,
        "size": upload.figures.size,
        "bytes_per_second": upload.figures.bytes_per_second,
        "seconds_left": upload.seconds_left,
        "still_since": iso(upload.figures.still_since),
    }
