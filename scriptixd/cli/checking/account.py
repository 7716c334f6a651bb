"""The key and the clock: one cheap question to Scriptix, and what its answer means.

Sends nothing that could cost, and never shows the key.
"""

from __future__ import annotations

from typing import Final

from scriptixd.cli.checking.findings import Finding, Level, meanwhile
from scriptixd.cli.output import duration
from scriptixd.config.settings import Settings
from scriptixd.daemon.house import access_of
from scriptixd.errors import Trouble
from scriptixd.service.client import Probed, Scriptix

# s: nobody reads a report or a timetable closer than that, and a minute is more than a network's clock is ever off.
SKEW: Final = 60.0
UNASKED: Final = Finding("key", Level.PROBLEM, "there is none that could be tried", "mend the configuration first")


def key_and_clock(settings: Settings) -> tuple[Finding, ...]:
    """What one authenticated request tells of both."""
    if settings.api.key is None:
        return (UNASKED,)
    service = Scriptix(access_of(settings))
    try:
        with meanwhile(lambda: f"asking {service.origin}"):
            answer = service.probed()
    except Trouble as trouble:
        unknown = "nothing was heard that it could be compared with"
        return (
            Finding("key", Level.PROBLEM, trouble.what, trouble.hint),
            Finding(
                "clock", Level.WARNING, unknown, "see what is told of the key; `timedatectl` tells what it goes by"
            ),
        )
    finally:
        service.close()
    return _key(settings, service.origin, answer), _clock(service.origin, answer)


def _key(settings: Settings, origin: str, answer: Probed) -> Finding:
    trouble, status = answer.trouble, answer.status
    if trouble is None and status == 402:
        sentence = f"{origin} accepts it, but the account is used up (402): nothing new is uploaded"
        return Finding("key", Level.WARNING, sentence, "more hours or another plan end this by themselves")
    if trouble is None:
        asked = f"asked about an upload that never was, it answered {status}"
        return Finding("key", Level.OK, f"{settings.api.url} does not refuse it: {asked}")
    if status == 401:
        what = f"{trouble.what}: it is not one of its keys, or not any more"
        return Finding("key", Level.PROBLEM, what, trouble.hint)
    if status == 403:
        what = f"{trouble.what}: whoever has it may not do this"
        return Finding("key", Level.PROBLEM, what, f"it must be a Batch API key; {trouble.hint}")
    if status == 429:
        what = f"{trouble.what}: more was asked than the plan allows, so the key was not looked at"
        wait = f"check again in {duration(trouble.retry_after)}" if trouble.retry_after else "check again in a minute"
        hint = f"{wait}; all who use this key share api.requests_per_minute of the plan"
        return Finding("key", Level.WARNING, what, hint)
    if status >= 500:
        hint = "the trouble is over there: a running daemon waits, and goes on by itself"
        return Finding("key", Level.PROBLEM, trouble.what, trouble.hint or hint)
    return Finding("key", Level.PROBLEM, trouble.what, trouble.hint)


def _clock(origin: str, answer: Probed) -> Finding:
    ahead = answer.ahead
    if ahead is None:
        return Finding("clock", Level.WARNING, f"{origin} tells no time that it could be compared with", "timedatectl")
    if abs(ahead) < SKEW:
        return Finding("clock", Level.OK, f"it goes like that of {origin}, by less than {duration(SKEW)}")
    sentence = f"it is {duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} that of {origin}"
    hint = "timedatectl set-ntp true; timetables, days and the times that are told are wrong by as much"
    return Finding("clock", Level.WARNING, sentence, hint)
