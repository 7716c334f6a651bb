"""The status page as HTML: what `status` tells, for a browser, without script and without anything from outside.

Only formats what it is given. Whatever comes from a disk or from the service is escaped, first as on a terminal and
then as HTML; colour only repeats what a word says.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from scriptixd.jobs.store.views import SETTLING
from scriptixd.observe.standing import GROUPS, Place, Standing, Upload, by_state, in_groups
from scriptixd.observe.telling import (
    SIGNS,
    TONES,
    Said,
    Tone,
    of_account,
    of_allowance,
    of_backlogs,
    of_budget,
    of_daemon,
    of_damage,
    of_folder,
    of_others,
    of_pace,
    of_pause,
    of_payments,
    of_watching,
)
from scriptixd.observe.waiting import Heading, Line, waiting
from scriptixd.observe.wording import iso, moment, size
from scriptixd.roots.paths import name_of, shown

HTML: Final = "text/html; charset=utf-8"
REFRESH: Final = 5  # s between two pages

_STYLE: Final = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Nothing runs, nothing is fetched, nothing is sent, and nobody frames it; the icon is part of the page.
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SHAPE: Final = '<rect width="32" height="32" rx="8"/>'  # two lines of captions on a screen
_BARS: Final = '<path class="bars" d="M7 17h11v3H7zm13 0h5v3h-5zM7 22h5v3H7zm7 0h11v3H14z"/>'
_SVG: Final = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='8' fill='#2c5bd4'/>"
    "<path fill='#fff' d='M7 17h11v3H7zm13 0h5v3h-5zM7 22h5v3H7zm7 0h11v3H14z'/></svg>"
)
_ICON: Final = f"data:image/svg+xml,{quote(_SVG)}"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a page shows. Times are Unix seconds."""

    standing: Standing
    ways_on: Mapping[str, str]  # by folder that asks: what to look at before the yes, and the yes
    still: tuple[str, ...]  # what should move and does not
    host: str
    now: float
    counted_at: float  # when the state file was looked at
    refreshes: bool = True


def page(scene: Scene) -> str:
    """The whole document."""
    refresh = f'<meta http-equiv="refresh" content="{REFRESH}">' if scene.refreshes else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{refresh}
<title>{_text(_title(scene))}</title>
<link rel="icon" href="{_ICON}">
<style>{_STYLE}</style>
</head>
<body>
{_header(scene)}
<main>
{"".join(_parts(scene))}
</main>
{_footer(scene)}
</body>
</html>
"""


def _parts(scene: Scene) -> Iterator[str]:
    standing, facts = scene.standing, scene.standing.facts
    if notices := "".join(map(_notice, _notices(scene))):
        yield f'<ul class="notices">{notices}</ul>\n'
    yield f'<dl class="totals card">{_counts(by_state(facts.counts))}</dl>\n'
    if uploads := "".join(_upload(scene, upload) for upload in standing.uploads):
        yield f'<h2>Uploading</h2>\n<ul class="uploads">{uploads}</ul>\n'
    folders = "".join(_folder(scene, place) for place in standing.places)
    yield f'<h2>Folders</h2>\n<div class="folders">{folders}</div>\n'
    for heading in waiting(facts.problems, facts.twins, standing.located):
        yield _waiting(heading, scene.now)


def _title(scene: Scene) -> str:
    """What a tab has room for: first what somebody has to know."""
    groups = in_groups(by_state(scene.standing.facts.counts))
    waits = groups["held"] + groups["failed"] + len(scene.standing.facts.questions)
    what = "stands still" if scene.still else ""
    what = what or (f"{waits} to decide" if waits else "")
    what = what or (f"{groups['uploading']} uploading" if groups["uploading"] else "")
    return " · ".join(filter(None, (what, "scriptixd", scene.host)))


def _header(scene: Scene) -> str:
    said = of_daemon(scene.standing, scene.now)
    return (
        f'<header><svg viewBox="0 0 32 32" aria-hidden="true">{_SHAPE}{_BARS}</svg>'
        f'<div><h1>scriptixd <span class="quiet">on {_name(scene.host)}</span></h1>'
        f'<p class="quiet small">{_text(said.text)}</p></div>{_badge(said.tone, said.mark)}</header>'
    )


def _notices(scene: Scene) -> Iterator[Said]:
    """What concerns more than one file."""
    if scene.still:
        yield Said("stuck", Tone.BAD, f"no sign of life from: {', '.join(scene.still)}")
    if damage := of_damage(scene.standing):
        yield damage
    for pause in scene.standing.pauses:
        yield of_pause(pause, scene.now)
    yield from of_backlogs(scene.standing.facts.erasures, scene.standing.facts.errands)


def _notice(said: Said) -> str:
    return f'<li class="notice {said.tone}">{_badge(said.tone, said.mark)}<span>{_text(said.text)}</span></li>'


def _counts(counts: Mapping[str, int]) -> str:
    """The groups, and behind them what else there is."""

    def of(name: str, number: int) -> str:
        tone = TONES.get(name, Tone.PLAIN) if number else "none"
        return f'<div class="{tone}"><dt>{_text(name)}</dt><dd>{number:,}</dd></div>'

    return "".join(of(name, number) for name, number in in_groups(counts).items() if number or name in GROUPS)


def _upload(scene: Scene, upload: Upload) -> str:
    figures, folder = upload.figures, scene.standing.watched.get(upload.folder)
    whole, name = max(1, figures.size), name_of(upload.path)
    percent = int(100 * min(figures.offset, whole) / whole)
    pace = of_pace(upload, folder, scene.now)
    done = f"{percent} % of {size(figures.size)}" + (f", {pace}" if pace else "")
    others = f'<p class="quiet small">{_text(of_others(upload))}</p>' if upload.others else ""
    bar = f'max="{whole}" value="{min(figures.offset, whole)}" aria-label="{_text(name)}"'
    return (
        f'<li class="card {"still" if figures.still_since is not None else "moving"}">'
        f'<div class="of"><span>{_name(name, "name")} <span class="quiet small">{_name(upload.folder)}</span></span>'
        f'<span class="pace small">{_text(done)}</span></div><progress {bar}>{percent} %</progress>{others}</li>'
    )


def _folder(scene: Scene, place: Place) -> str:
    facts = scene.standing.facts
    live, asked = scene.standing.watched.get(place.name), facts.questions.get(place.name)
    state = of_folder(live, asked)
    badge = _badge(state.tone, state.mark)
    asks = ""
    if asked is not None:
        way = scene.ways_on.get(place.name, "")
        asks = f'<div class="asks"><p><strong>asks:</strong> {_text(asked.sentence)}</p><p>{_text(way)}</p></div>'
    said = "".join(_said(one) for one in of_watching(live, asked, scene.now))
    if unsettled := facts.counts.get((place.name, SETTLING)):
        said += _said(Said("", Tone.PLAIN, f"{unsettled} may still be written"))
    if done := facts.done_today.get(place.name):
        said += _said(Said("", Tone.PLAIN, f"{done} done today"))
    return (
        f'<section class="folder card"><div class="title"><h3>{_name(place.name)}</h3>{badge}</div>'
        f'<p class="quiet small">{_name(place.path)}</p>{asks}{said}'
        f'<dl class="counts">{_counts(by_state(facts.counts, place.name))}</dl></section>'
    )


def _said(said: Said) -> str:
    sign = SIGNS[said.tone]
    return f'<p class="said {said.tone}"><span aria-hidden="true">{sign}</span>{_text(said.text)}</p>'


def _waiting(heading: Heading, now: float) -> str:
    lines = "".join(_line(line, now) for line in heading.lines)
    more = f'<p class="more">and more: {_text(heading.all_of_them)}</p>' if heading.all_of_them else ""
    return f'<h2>{_text(heading.title)}</h2>\n<div class="card"><ul class="lines">{lines}</ul>{more}</div>\n'


def _line(line: Line, now: float) -> str:
    way = f'<span class="way">{_text(line.way_on)}</span>' if line.way_on else ""
    return (
        f"<li>{_badge(TONES.get(line.state, Tone.PLAIN), line.state)}<div>{_name(line.whom, 'name')} "
        f'<span class="quiet small">{_time(line.at, now)}</span><br>{_text(line.why)}{way}</div></li>'
    )


def _footer(scene: Scene) -> str:
    standing = scene.standing
    requests = standing.live.requests if standing.live else None
    budget = ""
    if requests is not None:
        budget = _used(of_budget(requests, scene.now), requests.last_minute, requests.per_minute, "request budget")
    for one in standing.facts.allowances:
        budget += _used(of_allowance(one), one.used, one.most, f"{one.folder} {one.limit}".strip())
    refresh = (
        f'renewed every {REFRESH} s, <a href="/?refresh=off">stop that</a>'
        if scene.refreshes
        else 'as it was then, <a href="/">renew it by itself</a>'
    )
    return (
        f"<footer><div><p>{_text(of_account(standing).text)}</p><p>{_text(of_payments(standing.facts.paid))}</p>"
        f"<p>{_time(scene.now, scene.now)}, files counted at {_time(scene.counted_at, scene.now)}; {refresh}</p></div>"
        f"{budget}</footer>"
    )


def _used(sentence: str, used: float, most: float, label: str) -> str:
    """How much of something is used, in words and as a bar."""
    allowed = max(1.0, most)
    bar = f'max="{allowed:g}" value="{min(used, allowed):g}" aria-label="{_text(label)}"'
    return f"<div><p>{_text(sentence)}</p><progress {bar}>{used:g} of {allowed:g}</progress></div>"


def _badge(tone: Tone, word: str) -> str:
    return f'<span class="badge {tone}"><span aria-hidden="true">{SIGNS[tone]}</span> {_text(word)}</span>'


def _time(at: float, now: float) -> str:
    return f'<time datetime="{iso(at)}">{moment(at, now)}</time>'


def _name(name: str, kind: str = "") -> str:
    """A name as it is on a disk, whose direction of writing ends where it ends."""
    return f'<bdi class="{kind}">{_text(name)}</bdi>' if kind else f"<bdi>{_text(name)}</bdi>"


def _text(text: str) -> str:
    return escape(shown(text), quote=True)
