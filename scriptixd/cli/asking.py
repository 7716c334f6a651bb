"""`status`: how the daemon and every folder are doing, in the form that is wanted.

For people a screen, or lines where there is no terminal; for programs JSON, whose keys are a promise; for monitoring
the reasons to look, and an exit code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from scriptixd.cli import afterwards, remnants
from scriptixd.cli.installation import settings_in
from scriptixd.cli.lines import tell
from scriptixd.cli.output import iso, say, say_json
from scriptixd.cli.sight import Sight, look
from scriptixd.config.settings import Settings
from scriptixd.errors import StartError
from scriptixd.jobs.store.views import SETTLING, SourceView
from scriptixd.observe.live import LiveFolder
from scriptixd.observe.needs import Need
from scriptixd.observe.standing import Standing, Upload, by_state
from scriptixd.observe.telling import of_account
from scriptixd.observe.waiting import way_on

NEEDS_SOMEBODY: Final = 1  # the exit code of `--fail`


def status(config: str, *, as_json: bool, watch: bool, fail: bool) -> int:
    """Print how things stand; returns the exit code."""
    if watch:
        _check_watching(as_json=as_json, fail=fail)
        from scriptixd.cli.watching import watch_status  # noqa: PLC0415 - rich, where it is shown

        watch_status(config)
        return 0
    settings = settings_in(config)
    seen = look(settings)
    if as_json:
        say_json(record(settings, seen))
    elif fail:
        _tell_needs(seen.needs)
    elif _draws():
        from scriptixd.cli.screen import show  # noqa: PLC0415

        show(seen)
    else:
        tell(seen)
    return NEEDS_SOMEBODY if fail and seen.needs else 0


def _draws() -> bool:
    """Whether standard output is a terminal that can do more than lines."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}


def _check_watching(*, as_json: bool, fail: bool) -> None:
    if as_json or fail:
        raise StartError("--watch goes on until somebody ends it, and is for people", "leave --json and --fail out")
    if not _draws():
        raise StartError("--watch needs a terminal that can be drawn on", "leave it out, or ask for --json")


def _tell_needs(needs: Sequence[Need]) -> None:
    for need in needs:
        say(str(need))
    if not needs:
        say("ok: nothing needs a person")


def record(settings: Settings, seen: Sight) -> dict[str, object]:
    """The same for programs."""
    standing = seen.standing
    live, facts = standing.live, standing.facts
    return {
        "daemon": {
            "running": standing.held,
            "pid": live.pid if live else None,
            "version": live.version if live else None,
            "started_at": iso(live.started_at) if live else None,
            "told_at": iso(live.written_at) if live else None,
        },
        "state_file": str(settings.state),
        "state_damage": (live.damage or None) if live else None,
        "account": {"standing": standing.account, "sentence": of_account(standing).text},
        "needs": [asdict(need) for need in seen.needs],
        "pauses": [asdict(pause) | {"until": iso(pause.until)} for pause in standing.pauses],
        "counts": by_state(facts.counts),
        "folders": [
            {"name": one.name, "path": one.path, "counts": by_state(facts.counts, one.name)}
            | _watching(one.name, standing.watched.get(one.name), standing)
            for one in standing.places
        ],
        "uploads": [_upload(upload) for upload in standing.uploads],
        "twins": [
            {"path": standing.located(view), "folder": view.folder, "waits_for": other} for view, other in facts.twins
        ],
        "problems": [_problem(standing, view) for view in facts.problems],
        "erasures": remnants.sum_record(facts.erasures),
        "errands": afterwards.sum_record(facts.errands),
        "paid_today": {"uploads": facts.paid[0], "media_seconds": facts.paid[1]},
        "limits": [asdict(allowance) for allowance in facts.allowances],
        "requests": _requests(settings, standing),
    }


def _requests(settings: Settings, standing: Standing) -> dict[str, object]:
    requests = standing.live.requests if standing.live else None
    return {
        "last_minute": requests.last_minute if requests else None,
        "uploads_last_minute": requests.uploads_last_minute if requests else None,
        "per_minute": requests.per_minute if requests else settings.api.requests_per_minute,
        "last_hour": requests.last_hour if requests else None,
        "per_hour": settings.api.requests_per_hour,
        "silent_until": iso(requests.silent_until) if requests else None,
    }


def _problem(standing: Standing, view: SourceView) -> dict[str, object]:
    return {
        "path": standing.located(view),
        "folder": view.folder,
        "state": view.state,
        "error": view.reason or None,
        "hint": way_on(view) or None,
        "attempts": view.attempts,
        "due_at": iso(view.due_at),
        "updated_at": iso(view.updated_at),
    }


def _watching(name: str, live: LiveFolder | None, standing: Standing) -> dict[str, object]:
    questions = standing.facts.questions
    return {
        "mode": (live.mode or None) if live else None,
        "why": (live.why or None) if live else None,
        "offline": (live.offline or None) if live else None,
        "offline_since": iso(live.offline_since) if live else None,
        "hung": live.hung if live else False,
        "asks": questions[name].sentence if name in questions else None,
        "last_scan": iso(live.last_scan) if live else None,
        "problems": list(live.problems) if live else [],
        "unsettled": standing.facts.counts.get((name, SETTLING), 0),
        "restless": [{"path": one.path, "since": iso(one.since)} for one in live.restless] if live else [],
        "done_today": standing.facts.done_today.get(name, 0),
    }


def _upload(upload: Upload) -> dict[str, object]:
    return {
        "path": upload.path,
        "others": list(upload.others),
        "folder": upload.folder,
        "offset": upload.figures.offset,
        "size": upload.figures.size,
        "bytes_per_second": upload.figures.bytes_per_second,
        "seconds_left": upload.seconds_left,
        "still_since": iso(upload.figures.still_since),
    }
