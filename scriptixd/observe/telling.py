"""The sentences about how things stand, the same on a terminal and on a page. Pure: no colour, no markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scriptixd.errors import with_hint
from scriptixd.jobs.bounds import Limit
from scriptixd.jobs.source import Question
from scriptixd.jobs.store.erasures import Backlog
from scriptixd.jobs.store.errands import Unrun
from scriptixd.observe.allowances import Allowance
from scriptixd.observe.live import LiveFolder, LivePause, LiveRequests
from scriptixd.observe.standing import Account, Standing, Upload
from scriptixd.observe.wording import duration, moment, size


class Tone(StrEnum):
    """How good or bad it is; whoever shows it in colour says it in words as well."""

    PLAIN = "plain"
    GOOD = "good"
    CAUTION = "caution"
    BAD = "bad"


# Beside the word that says the same.
SIGNS: Final[Mapping[Tone, str]] = {Tone.PLAIN: "•", Tone.GOOD: "✓", Tone.CAUTION: "!", Tone.BAD: "✕"}
# Of these groups of files somebody should know; the others only go on.
TONES: Final[Mapping[str, Tone]] = {"held": Tone.CAUTION, "failed": Tone.BAD}

NO_DAEMON: Final = "no daemon is running: nothing goes on until one is started"


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
    return Said("stopped", Tone.CAUTION, NO_DAEMON)


OTHERS_NAMED: Final = 3  # files of one content; of more it is told how many

_OF_ACCOUNT: Final[Mapping[Account, tuple[Tone, str]]] = {
    Account.ACCEPTED: (Tone.GOOD, "Scriptix accepts the key, and has refused no upload for its quota"),
    Account.REFUSED: (Tone.BAD, "Scriptix refuses the account: no file fails for it, and it is tried again by itself"),
    Account.QUOTA: (Tone.BAD, "the quota is used up: nothing new is uploaded, and what is begun goes on"),
    Account.AWAY: (Tone.CAUTION, "not known just now: Scriptix cannot be reached"),
    Account.UNKNOWN: (Tone.PLAIN, "not known: nothing was asked of Scriptix yet"),
}


def of_account(standing: Standing) -> Said:
    """How we stand with Scriptix; why, if badly, is what its pause tells."""
    if standing.live is None:
        return Said("account", Tone.PLAIN, "not known while no daemon tells of it; scriptixd check asks")
    tone, sentence = _OF_ACCOUNT[standing.account]
    return Said("account", tone, sentence)


MEND: Final = "stop the daemon, and put the last copy in its place (scriptixd backup makes them)"


def of_damage(standing: Standing) -> Said | None:
    """That the state file is not as it should be."""
    damage = standing.live.damage if standing.live else ""
    return Said("damaged", Tone.BAD, with_hint(f"the state file: {damage}", MEND)) if damage else None


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


def of_folder(live: LiveFolder | None, asked: Question | None) -> Said:
    """How a folder is doing, in a word."""
    if asked is not None:
        return Said("asks", Tone.CAUTION, "")
    if live is None:
        return Said("not told", Tone.PLAIN, "")
    if live.offline:
        return Said("hung" if live.hung else "offline", Tone.BAD, "")
    if live.problems or live.restless:
        return Said("warning", Tone.CAUTION, "")
    return Said("watched", Tone.GOOD, "") if live.last_scan is not None else Said("first look", Tone.PLAIN, "")


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


def of_others(upload: Upload) -> str:
    """Further files that get the transcript of the same upload, empty if there is none."""
    if len(upload.others) > OTHERS_NAMED:
        return f"its content is that of {len(upload.others)} more files, which get its transcript as well"
    return f"the same content: {', '.join(upload.others)}" if upload.others else ""


def of_backlogs(erasures: Backlog, errands: Unrun) -> Iterator[Said]:
    """What waits for trouble to end before it is erased at the service, and what fails after deliveries."""
    if erasures.waiting:
        why = with_hint(erasures.reason, erasures.hint)
        yield Said("waiting", Tone.CAUTION, f"{erasures.waiting} thing(s) wait to be erased at Scriptix: {why}")
    if errands.failing:
        many = f"{errands.failing} command(s) after deliveries have failed, and are tried again"
        yield Said("waiting", Tone.CAUTION, f"{many}: of {errands.place}, {errands.reason}")


def of_payments(paid: tuple[int, float]) -> str:
    count, seconds = paid
    return f"{count} upload(s) paid today, {duration(seconds)} of media"


def of_allowance(allowance: Allowance) -> str:
    """How much of one limit is used."""
    whose = f" of {allowance.folder}" if allowance.folder else ""
    when = "this month" if allowance.limit is Limit.HOURS_PER_MONTH else "today"
    if allowance.limit is Limit.FILES_PER_DAY:
        return f"{allowance.used:.0f} of {allowance.most:.0f} files{whose} sent {when}"
    return f"{allowance.used:.1f} of {allowance.most:g} h of media{whose} sent {when}"


def of_budget(requests: LiveRequests, now: float) -> str:
    used = f"{requests.last_minute} of {requests.per_minute} requests used in the last minute"
    if requests.uploads_last_minute:
        used += f" ({requests.uploads_last_minute} for uploads)"
    if requests.per_hour is not None:
        used += f", {requests.last_hour} of {requests.per_hour} in the last hour"
    if requests.silent_until is not None:
        used += f"; Scriptix wants to be asked nothing until {moment(requests.silent_until, now)}"
    return used
