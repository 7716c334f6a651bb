"""How things stand, line by line: for pipes, for files, and for terminals that only know lines.

Only formats; the sentences are those of observe/telling.py, which the screen and the page tell as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from scriptixd.cli.output import Colour, bar, say, say_marked, size
from scriptixd.cli.sight import Sight
from scriptixd.cli.waiting import tell_waiting
from scriptixd.jobs.store.views import DONE, SETTLING
from scriptixd.observe.live import LiveFolder
from scriptixd.observe.standing import Place, Upload, by_state, in_groups
from scriptixd.observe.telling import (
    Said,
    Tone,
    of_account,
    of_allowance,
    of_backlogs,
    of_budget,
    of_daemon,
    of_damage,
    of_others,
    of_pace,
    of_pause,
    of_payments,
    of_watching,
)
from scriptixd.observe.waiting import waiting

_COLOURS: Final[Mapping[Tone, Colour]] = {
    Tone.PLAIN: Colour.BOLD, Tone.GOOD: Colour.GREEN, Tone.CAUTION: Colour.YELLOW, Tone.BAD: Colour.RED,
}  # fmt: skip


def tell(seen: Sight) -> None:
    """Print all of it."""
    standing, facts, now = seen.standing, seen.standing.facts, seen.now
    _say(of_daemon(standing, now))
    for remark in seen.remarks:
        say(remark)
    if damage := of_damage(standing):
        _say(damage)
    _say(of_account(standing))
    for pause in standing.pauses:
        _say(of_pause(pause, now))
    for place in standing.places:
        _tell_folder(seen, place)
    for upload in standing.uploads:
        say()
        say(f"uploading {upload.path}")
        say(f"  {_progress(upload, standing.watched.get(upload.folder), now)}")
        if upload.others:
            say(f"  {of_others(upload)}")
    tell_waiting(waiting(facts.problems, facts.twins, standing.located), now)
    for backlog in of_backlogs(facts.erasures, facts.errands):
        say()
        _say(backlog)
    say()
    for line in _sums(seen):
        say(line)


def _sums(seen: Sight) -> Iterator[str]:
    standing = seen.standing
    yield of_payments(standing.facts.paid)
    for allowance in standing.facts.allowances:
        yield of_allowance(allowance)
    if standing.live and standing.live.requests:
        yield of_budget(standing.live.requests, seen.now)


def _say(said: Said) -> None:
    say_marked(said.mark, _COLOURS[said.tone], said.text)


def _tell_folder(seen: Sight, place: Place) -> None:
    standing, facts = seen.standing, seen.standing.facts
    say()
    say(f"{place.name}  {place.path}", colour=Colour.BOLD)
    asked = facts.questions.get(place.name)
    if asked is not None:
        say(f"  asks: {asked.sentence}", colour=Colour.YELLOW)
        say(f"        {seen.ways_on.get(place.name, '')}")
    for said in of_watching(standing.watched.get(place.name), asked, seen.now):
        say(f"  {said.text}", colour=None if said.tone is Tone.PLAIN else _COLOURS[said.tone])
    say(f"  {', '.join(_counted(by_state(facts.counts, place.name), facts.done_today.get(place.name, 0)))}")


def _counted(counts: Mapping[str, int], done_today: int) -> Iterator[str]:
    more = {"waiting": f"{counts.get(SETTLING, 0)} may still be written" if counts.get(SETTLING) else ""}
    more[DONE] = f"{done_today} today" if done_today else ""
    for name, number in in_groups(counts).items():
        yield f"{name} {number}" + (f" ({more[name]})" if more.get(name) else "")


def _progress(upload: Upload, folder: LiveFolder | None, now: float) -> str:
    figures = upload.figures
    done = f"{bar(figures.offset, figures.size)} of {size(figures.size)}"
    return ", ".join(filter(None, (done, of_pace(upload, folder, now))))
