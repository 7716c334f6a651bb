"""What is another in a new configuration, told in a line for each: what is applied, and what waits for a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from scriptixd.config.settings import Folder, PathSettings, Settings
from scriptixd.roots.paths import shown

# Besides what is in `api`, settings that a daemon goes by from its start to its end.
_AT_THE_START: Sequence[str] = ("state", "timezone", "http", "notify", "names_in_logs")

# Settings under another name in the configuration.
_CALLED: Mapping[str, str] = {
    "manner": "captions",
    "erase_after": "delete_remote",
    "labels": "scriptix",
    "request": "language, document_type or scriptix",
    "lacks": "",
    "filename": "scriptix.filename",
}


@dataclass(frozen=True, slots=True)
class Changes:
    """From one configuration to another: folders by their names, and sentences."""

    added: Sequence[str]
    removed: Sequence[str]
    changed: Mapping[str, Sequence[str]]  # which of their settings
    others: Sequence[str]  # settings of everything, which are applied
    later: Sequence[str]  # settings that only a restart applies

    def lines(self) -> Iterator[str]:
        """What is told of it."""
        for name in self.added:
            yield f"{shown(name)}: is watched from now on"
        for name in self.removed:
            yield f"{shown(name)}: is not configured any more: what was not paid for is left alone"
        for name, settings in self.changed.items():
            yield f"{shown(name)}: goes by other settings from now on: {', '.join(settings)}"
        for setting in self.others:
            yield f"{setting}: is applied from now on"
        for setting in self.later:
            yield f"{setting}: has changed, and is applied by a restart (systemctl restart scriptixd)"


def changes(before: Settings, after: Settings) -> Changes:
    """What is another."""
    old, new = ({folder.name: folder for folder in one.folders} for one in (before, after))
    return Changes(
        added=[name for name in new if name not in old],
        removed=[name for name in old if name not in new],
        changed={name: named for name in new if name in old and (named := _differing(old[name], new[name]))},
        others=list(_others(before, after)),
        later=list(_later(before, after)),
    )


def in_effect(before: Settings, after: Settings) -> Settings:
    """The new settings, but for those that wait for a restart."""
    return replace(after, api=before.api, **{name: getattr(before, name) for name in _AT_THE_START})


def _others(before: Settings, after: Settings) -> Iterator[str]:
    for field in fields(before.keep):
        if getattr(before.keep, field.name) != getattr(after.keep, field.name):
            yield f"keep_{field.name}"
    if before.limits != after.limits:
        yield "limits"


def _later(before: Settings, after: Settings) -> Iterator[str]:
    for field in fields(before.api):
        if getattr(before.api, field.name) != getattr(after.api, field.name):
            yield f"api.{field.name}"
    for name in _AT_THE_START:
        if getattr(before, name) != getattr(after, name):
            yield name


def _differing(before: Folder, after: Folder) -> Sequence[str]:
    names = _unlike(before, after)
    if len(before.rules) == len(after.rules):
        pairs = zip(before.rules, after.rules, strict=True)
        if all(names.keys() >= _unlike(old, new).keys() for old, new in pairs):  # they have it of their folder
            names.pop("rules", None)
    return [_CALLED.get(name, name) for name in names if _CALLED.get(name, name)]


def _unlike(before: Folder | PathSettings, after: Folder | PathSettings) -> dict[str, None]:
    """The names of what is another, in their order."""
    names = (field.name for field in fields(before))
    return {name: None for name in names if getattr(before, name) != getattr(after, name)}
