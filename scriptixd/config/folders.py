"""Folders from their blocks, each with a name and a directory of its own.

Looks at the file system only through paths.lead; a folder that is not there is no problem, it waits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from scriptixd.config.document import Location, Scalar
from scriptixd.config.findings import Findings
from scriptixd.config.model import BoundsBlock, FolderBlock, FolderDefaults, RuleBlock
from scriptixd.config.outputs import check_outputs
from scriptixd.config.paths import Place, absolute, lead, shares
from scriptixd.config.rules import (
    after_done_of,
    bounds_of,
    check,
    check_captions,
    check_contact,
    check_hours,
    check_required,
    check_sizes,
    labels_of,
    lacks,
    manner_of,
    outputs_of,
    over,
    place_of,
    request_of,
    settings_by,
)
from scriptixd.config.settings import AskAbove, Folder, FolderLimits
from scriptixd.config.values import folder_name


@dataclass(frozen=True, slots=True)
class _Rooted:
    """A folder's block with its name and path found out."""

    index: int
    name: str
    path: Path

    @property
    def described(self) -> str:
        return f"folders[{self.index}] '{self.name}' ({self.path})"


def folders(
    defaults: FolderDefaults,
    blocks: Sequence[FolderBlock],
    of_all: BoundsBlock,
    *,
    near: Path,
    environment: Mapping[str, str],
    findings: Findings,
) -> tuple[Folder, ...]:
    """Every folder that is whole; what is wrong with the others is noted."""
    if not blocks:
        findings.add_missing(("folders",), "at least one folder is needed, as '- path: /srv/media'")
    check(defaults, ("defaults",), findings)
    whole, rooted = [], []
    for index, block in enumerate(blocks):
        place = _rooted(index, block, near, environment, findings)
        check(block, ("folders", index), findings)
        merged = over(defaults, block)
        rules = _rules(merged, block, index, findings)
        check_sizes(merged, ("folders", index), findings)
        check_captions(merged, defaults, ("folders", index), findings)
        check_contact(merged, block, index, findings)
        check_hours(merged, of_all, index, findings)
        if place is not None:
            rooted.append(place)
            whole.append(_folder(place, merged, rules))
    _check_directories(rooted, findings)
    check_outputs([(place.index, folder) for place, folder in zip(rooted, whole, strict=True)], findings)
    _check_names(rooted, findings)
    return tuple(whole)


def _rules(merged: FolderBlock, own: FolderBlock, index: int, findings: Findings) -> list[RuleBlock]:
    """The rules of a folder, its own or else those of all folders, with the folder's settings under each."""
    at: Location = ("folders", index, "rules") if "rules" in own.model_fields_set else ("defaults", "rules")
    rules = [over(merged, rule) for rule in merged.rules]
    check_required(merged, rules, index, at, findings)
    for place, rule in enumerate(rules):
        check_captions(rule, merged, (*at, place), findings)
        if {"min_size", "max_size"} & merged.rules[place].model_fields_set:
            check_sizes(rule, (*at, place), findings)
    return rules


def _rooted(
    index: int, block: FolderBlock, near: Path, environment: Mapping[str, str], findings: Findings
) -> _Rooted | None:
    place: Location = ("folders", index)
    if block.path is None:
        findings.add_missing((*place, "path"), "is required: the directory to watch")
        return None
    try:
        path = absolute(block.path, near, environment)
    except ValueError as error:
        findings.add((*place, "path"), str(error))
        return None
    name = block.name
    if name is None:
        try:
            name = folder_name(Scalar(path.name, path.name, "str"))
        except ValueError:
            findings.add_missing((*place, "name"), "is required here: the path's last part cannot be a name")
            return None
    return _Rooted(index, name, path)


def _folder(rooted: _Rooted, block: FolderBlock, rules: Sequence[RuleBlock]) -> Folder:
    ask = block.ask_above
    return Folder(
        name=rooted.name,
        path=rooted.path,
        recursive=block.recursive,
        include=block.include,
        exclude=block.exclude,
        watch=block.watch,
        scan_interval=block.scan_interval,
        settle=block.settle,
        min_size=block.min_size,
        max_size=block.max_size,
        existing=block.existing,
        ask_above=AskAbove(ask.files, ask.hours) if ask is not None else AskAbove(None, None),
        changed=block.changed,
        outputs=outputs_of(block),
        output=place_of(block.output),
        manner=manner_of(block.captions),
        request=request_of(block),
        lacks=lacks(block),
        labels=labels_of(block.scriptix),
        filename=block.scriptix.filename,
        erase_after=block.delete_remote,
        limits=FolderLimits(block.limits.uploads, bounds_of(block.limits)),
        problem_note=block.problem_note,
        contact=block.contact,
        after_done=after_done_of(block.after_done),
        rules=tuple(settings for rule in rules if (settings := settings_by(rule)) is not None),
    )


def _check_names(rooted: Sequence[_Rooted], findings: Findings) -> None:
    first: dict[str, _Rooted] = {}
    for one in rooted:
        other = first.setdefault(one.name, one)
        if other is not one and not findings.about(("folders", one.index, "path")):
            findings.add(
                ("folders", one.index, "name"),
                f"the name '{one.name}' is taken by {other.described}; set another 'name'",
            )


def _check_directories(rooted: Sequence[_Rooted], findings: Findings) -> None:
    """Equal and nested directories: first as they are written, then as they are on the disk."""
    untouchable = shares()
    places = [lead(one.path, untouchable) for one in rooted]
    for one, place in zip(rooted, places, strict=True):
        if place.directory is False:
            findings.warn(("folders", one.index, "path"), f"{one.path} is not a directory; it is waited for")
    written = [os.path.normpath(one.path) for one in rooted]
    for paths in (written, [place.path for place in places]):
        for inner, outer in _overlaps(paths):
            _complain(rooted[inner], rooted[outer], findings, same=paths[inner] == paths[outer])
    for inner, outer in _twice_mounted(places):
        _complain(rooted[inner], rooted[outer], findings, same=True)


def _overlaps(paths: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of indexes: the first is the same directory as the second, or lies inside it."""
    first: dict[str, int] = {}
    for index, path in enumerate(paths):
        if first.setdefault(path, index) != index:
            yield index, first[path]
    for path, index in first.items():
        yield from ((index, first[str(parent)]) for parent in PurePath(path).parents if str(parent) in first)


def _twice_mounted(places: Sequence[Place]) -> Iterator[tuple[int, int]]:
    first: dict[tuple[int, int], int] = {}
    for index, place in enumerate(places):
        if place.identity is not None and first.setdefault(place.identity, index) != index:
            yield index, first[place.identity]


def _complain(inner: _Rooted, outer: _Rooted, findings: Findings, *, same: bool) -> None:
    relation = "is the same directory as" if same else "lies inside"
    findings.add(
        ("folders", max(inner.index, outer.index), "path"),
        f"{inner.described} {relation} {outer.described}; a directory belongs to one folder alone",
    )
