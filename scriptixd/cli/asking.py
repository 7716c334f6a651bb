"""`status`: how the daemon and every folder are doing. What there is to tell is gathered in observe/standing.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from scriptixd.cli import remnants
from scriptixd.cli.finding import places_of
from scriptixd.cli.installation import live_figures, pauses, reading, settings_in
from scriptixd.cli.output import Colour, bar, iso, say, say_json, say_marked, size
from scriptixd.cli.waiting import tell_waiting
from scriptixd.config.settings import Settings
from scriptixd.daemon.approving import way_on
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.store.database import is_held
from scriptixd.jobs.store.views import SETTLING
from scriptixd.observe.live import LiveFolder
from scriptixd.observe.standing import Standing, Upload, by_state, facts_in, in_groups
from scriptixd.observe.telling import (
    Said,
    Tone,
    of_budget,
    of_daemon,
    of_erasures,
    of_pace,
    of_pause,
    of_payments,
    of_watching,
)
from scriptixd.observe.waiting import waiting

_COLOURS: Final[Mapping[Tone, Colour]] = {Tone.GOOD: Colour.GREEN, Tone.CAUTION: Colour.YELLOW, Tone.BAD: Colour.RED}


def status(config: str, *, as_json: bool) -> None:
    """Print how things stand."""
    settings = settings_in(config)
    standing = _look(settings)
    if as_json:
        say_json(_record(settings, standing))
    else:
        _tell(settings, standing, read_clock().wall)


def _look(settings: Settings) -> Standing:
    held = is_held(settings.state)
    live = live_figures(settings) if held else None
    if not settings.state.exists():
        return Standing(places_of(settings), held, live, pauses(None, live))
    with reading(settings) as store:
        facts = facts_in(store, read_clock().wall)
        return Standing(places_of(settings), held, live, pauses(store, live), facts)


def _tell(settings: Settings, standing: Standing, now: float) -> None:
    facts = standing.facts
    _say(of_daemon(standing, now))
    if not standing.held and not settings.state.exists():
        say(f"there is no state file {settings.state} yet")
    for pause in standing.pauses:
        _say(of_pause(pause, now))
    for place in standing.places:
        say()
        say(f"{place.name}  {place.path}", colour=Colour.BOLD)
        asked = facts.questions.get(place.name)
        if asked is not None:
            say(f"  asks: {asked.sentence}", colour=Colour.YELLOW)
            say(f"        {way_on(place.name, asked)}")
        for said in of_watching(standing.watched.get(place.name), asked, now):
            say(f"  {said.text}", colour=_COLOURS.get(said.tone))
        _tell_files(by_state(facts.counts, place.name))
    for upload in standing.uploads:
        say()
        say(f"uploading {upload.path}")
        say(f"  {_progress(upload, standing.watched.get(upload.folder), now)}")
    tell_waiting(waiting(facts.problems, facts.twins, standing.located), now)
    if erasures := of_erasures(facts.erasures):
        say()
        say_marked("waiting", Colour.YELLOW, erasures)
    say()
    say(of_payments(facts.paid))
    if standing.live and standing.live.requests:
        say(of_budget(standing.live.requests, now))


def _say(said: Said) -> None:
    say_marked(said.mark, _COLOURS[said.tone], said.text)


def _tell_files(counts: Mapping[str, int]) -> None:
    told = [f"{name} {number}" for name, number in in_groups(counts).items()]
    if counts.get(SETTLING):
        told[0] += f" ({counts[SETTLING]} may still be written)"
    say(f"  {', '.join(told)}")


def _progress(upload: Upload, folder: LiveFolder | None, now: float) -> str:
    figures = upload.figures
    done = f"{bar(figures.offset, figures.size)} of {size(figures.size)}"
    return ", ".join(filter(None, (done, of_pace(upload, folder, now))))


def _record(settings: Settings, standing: Standing) -> dict[str, object]:
    """The same for programs."""
    live, facts = standing.live, standing.facts
    requests = live.requests if live else None
    return {
        "daemon": {
            "running": standing.held,
            "pid": live.pid if live else None,
            "version": live.version if live else None,
            "started_at": iso(live.started_at) if live else None,
        },
        "state_file": str(settings.state),
        "pauses": [asdict(pause) | {"until": iso(pause.until)} for pause in standing.pauses],
        "counts": by_state(facts.counts),
        "folders": [
            {"name": one.name, "path": one.path, "counts": by_state(facts.counts, one.name)}
            | _watching(one.name, standing.watched.get(one.name), standing)
            for one in standing.places
        ],
        "uploads": [_upload_record(upload) for upload in standing.uploads],
        "problems": [
            {
                "path": standing.located(view),
                "folder": view.folder,
                "state": view.state,
                "error": view.reason or None,
                "hint": view.hint or None,
                "updated_at": iso(view.updated_at),
            }
            for view in facts.problems
        ],
        "erasures": remnants.sum_record(facts.erasures),
        "paid_today": {"uploads": facts.paid[0], "media_seconds": facts.paid[1]},
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
