"""The sentences about how things stand, the same on a terminal and on a page. Pure: no colour, no markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from scriptixd.errors import with_hint
from scriptixd.jobs.bounds import Limit
from scriptixd.jobs.source import Question
from scriptixd.jobs.store.erasures import Backlog
from scriptixd.observe.live import LiveFolder, LivePause, LiveRequests
from scriptixd.observe.standing import Standing, Upload
from scriptixd.observe.wording import duration, moment, size


class Tone(StrEnum):
    """How good or bad it is; whoever shows it in colour says it in words as well."""

    PLAIN = "plain"
    GOOD = "good"
    CAUTION = "caution"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, and the one word before it that says how good or bad it is; empty where it says so itself."""

    mark: str
    tone: Tone
    text: str


def of_daemon(standing: Standing, now: float) -> Said:
    """Whether a daemon is running."""
    if live := standing.live:
        since = moment(live.started_at, now)
        return Said("running", Tone.GOOD, f"scriptixd {live.version} since {since}, process {live.pid}")
    if standing.held:
        return Said("running", Tone.CAUTION, "a daemon has the state file, but has not told anything lately")
    return Said("stopped", Tone.CAUTION, "no daemon is running: nothing goes on until one is started")


def of_pause(pause: LivePause, now: float) -> Said:
    """Something that holds up more than one file; a limit is no trouble."""
    if pause.what in set(Limit):
        return Said("paused" if pause.what == Limit.PAUSE else "waiting", Tone.CAUTION, told_of(pause, now))
    whom = f"{pause.folder}: " if pause.folder else ""
    return Said("paused", Tone.BAD, whom + told_of(pause, now))


def told_of(pause: LivePause, now: float) -> str:
    """Why something is paused, and until when as far as that is known."""
    sentence = with_hint(pause.sentence, pause.hint)
    return f"{sentence}; it goes on at {moment(pause.until, now)}" if pause.until else sentence


def of_watching(live: LiveFolder | None, asked: Question | None, now: float) -> Iterator[Said]:
    """How a folder is watched, and what is wrong with it but for its question."""
    if live is None:
        return
    if live.offline and not live.asks:
        since = f" since {moment(live.offline_since, now)}" if live.offline_since else ""
        yield Said("", Tone.BAD, f"{'hung' if live.hung else 'offline'}{since}: {live.offline}")
    elif live.mode:
        seen = f"last full look at {moment(live.last_scan, now)}" if live.last_scan else "first look under way"
        yield Said("", Tone.PLAIN, f"watched by {live.mode}: {live.why}; {seen}")
    for problem in live.problems:
        if asked is None or not problem.startswith(asked.sentence):  # which is told by itself
            yield Said("", Tone.CAUTION, f"warning: {problem}")
    for restless in live.restless:
        changing = f"has not stopped changing since {moment(restless.since, now)}: {restless.path}"
        yield Said("", Tone.CAUTION, changing)


def of_pace(upload: Upload, folder: LiveFolder | None, now: float) -> str:
    """How fast an upload goes on, and how long it still takes; empty while that is not known."""
    figures = upload.figures
    if figures.still_since is not None:
        still = f"has stood still for {duration(round(max(0.0, now - figures.still_since)))}"
        return still + (": it waits for its disk" if folder and folder.offline else "")
    if upload.seconds_left is not None:
        return f"{size(figures.bytes_per_second)}/s, {duration(upload.seconds_left)} left"
    return ""


def of_erasures(backlog: Backlog) -> str:
    """What waits for trouble to end before it is erased at the service, empty if nothing does."""
    if not backlog.waiting:
        return ""
    return f"{backlog.waiting} thing(s) wait to be erased at Scriptix: {with_hint(backlog.reason, backlog.hint)}"


def of_payments(paid: tuple[int, float]) -> str:
    count, seconds = paid
    return f"{count} upload(s) paid today, {duration(seconds)} of media"


def of_budget(requests: LiveRequests, now: float) -> str:
    used = f"{requests.last_minute} of {requests.per_minute} requests used in the last minute"
    if requests.uploads_last_minute:
        used += f" ({requests.uploads_last_minute} for uploads)"
    if requests.per_hour is not None:
        used += f", {requests.last_hour} of {requests.per_hour} in the last hour"
    if requests.silent_until is not None:
        used += f"; Scriptix wants to be asked nothing until {moment(requests.silent_until, now)}"
    return used
