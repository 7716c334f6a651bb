"""Folders from their blocks: the defaults of all under the settings of each, and no directory under two folders.

Looks at the file system only through paths.lead; a folder that is not there is no problem, it waits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from scriptixd.config.document import Location, Scalar
from scriptixd.config.findings import Findings
from scriptixd.config.model import Block, FolderBlock, FolderDefaults, ScriptixBlock, WebhookBlock
from scriptixd.config.paths import Place, absolute, lead, shares
from scriptixd.config.settings import Folder
from scriptixd.config.values import JSON_OUTPUT, folder_name
from scriptixd.jobs.job import Labels, Request, Webhook

Inner = TypeVar("Inner", bound=Block)


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
    *,
    near: Path,
    environment: Mapping[str, str],
    findings: Findings,
) -> tuple[Folder, ...]:
    """Every folder that is whole; what is wrong with the others is noted."""
    if not blocks:
        findings.add_missing(("folders",), "at least one folder is needed, as '- path: /srv/media'")
    _check(defaults, ("defaults",), findings)
    whole, rooted = [], []
    for index, block in enumerate(blocks):
        place = _rooted(index, block, near, environment, findings)
        merged = _over(defaults, block)
        request = _request(merged, index, findings)
        _check(block, ("folders", index), findings)
        if merged.min_size > merged.max_size:
            findings.add(("folders", index, "max_size"), "must not be smaller than 'min_size'")
        if place is not None:
            rooted.append(place)
        if place is not None and request is not None:
            whole.append(_folder(place, merged, request))
    _check_directories(rooted, findings)
    _check_names(rooted, findings)
    return tuple(whole)


def _over(under: Block, own: Inner) -> Inner:
    """A block with what it does not set itself taken from the one under it; so, too, the blocks in it."""
    update: dict[str, object] = {}
    for name in under.model_fields_set:
        theirs, ours = getattr(under, name), getattr(own, name)
        if name not in own.model_fields_set:
            update[name] = theirs
        elif isinstance(theirs, ScriptixBlock) and isinstance(ours, ScriptixBlock):
            update[name] = _over(theirs, ours)
    return own.model_copy(update=update)


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


def _request(block: FolderBlock, index: int, findings: Findings) -> Request | None:
    """What the service is asked, once the required settings are there."""
    for name, meaning in (("language", "what is spoken, such as nl"), ("document_type", "caption or document")):
        if getattr(block, name) is None and not findings.about(("defaults", name)):
            findings.add_missing(("folders", index, name), f"is required, here or in 'defaults': {meaning}")
    if block.language is None or block.document_type is None:
        return None
    return Request(
        language=block.language,
        document_type=block.document_type,
        punctuation=block.scriptix.punctuation,
        multichannel=block.scriptix.multichannel,
        diarization=block.scriptix.diarization,
        document=block.scriptix.document,
    )


def _check(block: FolderDefaults, place: Location, findings: Findings) -> None:
    """What a block sets itself, as far as one value alone does not tell."""
    if block.include is not None and not block.include:
        findings.add((*place, "include"), "must name at least one pattern; null means all audio and video files")
    if block.outputs is not None and JSON_OUTPUT not in block.outputs:
        findings.add((*place, "outputs"), "must contain 'json': it is written last, as the mark that all are there")
    if block.outputs is not None and len(set(block.outputs)) < len(block.outputs):
        findings.add((*place, "outputs"), "names an output twice")
    webhook = block.scriptix.webhook
    if webhook is not None and webhook.url is None:
        findings.add_missing((*place, "scriptix", "webhook", "url"), "is required: the address to call")


def _folder(rooted: _Rooted, block: FolderBlock, request: Request) -> Folder:
    outputs = block.outputs if block.outputs is not None else (JSON_OUTPUT, "srt")
    scriptix = block.scriptix
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
        outputs=tuple(sorted(outputs, key=lambda name: name == JSON_OUTPUT)),
        request=request,
        labels=Labels(
            filename=None,
            keep_source=scriptix.keep_source,
            folder_id=scriptix.folder_id,
            metadata=tuple(sorted(scriptix.metadata.items())),
            webhook=_webhook(scriptix.webhook) if scriptix.webhook is not None else None,
        ),
        filename=scriptix.filename,
    )


def _webhook(block: WebhookBlock) -> Webhook | None:
    if block.url is None:
        return None
    headers = tuple(f"{name}: {value}" for name, value in block.headers.items())
    return Webhook(block.url, block.method.value, headers)


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
