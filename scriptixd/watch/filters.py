"""Which paths are picked up, and for any other path the sentence why not.

Pure: knows names and sizes, never looks at a disk. Litter is left alone whatever a configuration says,
and no rule reaches into a directory that the folder does not enter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self, TypeVar

from scriptixd.roots.globs import covers, matches
from scriptixd.roots.paths import name_of, parent, shown
from scriptixd.watch.litter import litter

# Left out on purpose: lrv (a camera's small copy of each recording), cda (a list of tracks), ps (a page to print).
_AUDIO = """
    3ga aac ac3 adts aif aifc aiff alac amr ape au awb caf dss ds2 dts eac3 flac gsm m4a m4b m4r mka mp1 mp2 mp3 mpa
    mpc mpga msv oga ogg opus ra rf64 snd spx tta voc w64 wav wave weba wma wv
"""
_VIDEO = """
    264 265 3g2 3gp 3gp2 3gpp amv asf avi braw divx dv dvr-ms f4v flv gxf h264 h265 hevc ismv lxf m1v m2p m2t m2ts m2v
    m4v mk3d mkv mod mov mp4 mpe mpeg mpg mpg4 mpv mts mxf nsv nut ogm ogv qt rm rmvb tod trp ts vob webm wmv wtv xvid
"""
EXTENSIONS = frozenset((_AUDIO + _VIDEO).split())

# A sidecar that was sent would get sidecars of its own, each of them paid for, without an end.
TRANSCRIPTS = frozenset({"json", "srt", "vtt", "txt", "docx"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FilterRule:
    """What is picked up among the files that a rule's pattern matches."""

    match: str
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    min_size: int = 1024  # bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """What one folder's configuration picks up; the first rule that matches a file judges it in the folder's place."""

    include: tuple[str, ...] | None = None  # globs; None: the known audio and video extensions, in any case
    exclude: tuple[str, ...] = ()
    recursive: bool = True
    min_size: int = 1024  # bytes
    rules: tuple[FilterRule, ...] = ()
    lacks: str = ""  # a required setting that only the rules have: what none of them matches is not picked up
    extensions: frozenset[str] = EXTENSIONS  # a later version may know more of them

    def enters(self, directory: str) -> bool:
        """Whether anything below a directory could be picked up."""
        return not directory or _outside(directory, self.recursive, self.exclude) is None

    def why_not(self, path: str, size: int | None) -> str | None:
        """The sentence why a file is not picked up, None if it is; a size of None is not judged."""
        directory, _, name = path.rpartition("/")
        if directory and (reason := _outside(directory, self.recursive, self.exclude)) is not None:
            return reason
        if (reason := litter(name)) is not None:
            return reason
        if self.rules and (rule := next((one for one in self.rules if matches(one.match, path)), None)) is not None:
            reason = self._judged_by(rule, path, name, size)
            return reason and f"{reason} (the rule {shown(rule.match)} holds for it)"
        reason = self._misnamed(path, name, self.include, self.exclude)
        if reason is None and size is not None and (size == 0 or size < self.min_size):
            return _too_small(size, self.min_size)
        if reason is None and self.lacks:
            return f"no rule matches it, and the folder has no {self.lacks} of its own"
        return reason

    def _judged_by(self, rule: FilterRule, path: str, name: str, size: int | None) -> str | None:
        directory = parent(path)
        if directory and rule.exclude and (reason := _outside(directory, True, rule.exclude)) is not None:
            return reason
        reason = self._misnamed(path, name, rule.include, rule.exclude)
        if reason is None and size is not None and (size == 0 or size < rule.min_size):
            return _too_small(size, rule.min_size)
        return reason

    def _misnamed(self, path: str, name: str, include: tuple[str, ...] | None, exclude: tuple[str, ...]) -> str | None:
        for pattern in exclude:
            if matches(pattern, path):
                return f"it matches the exclude pattern {shown(pattern)}"
        stem, _, extension = name.lower().rpartition(".")
        if not stem:
            extension = ""
        if extension in TRANSCRIPTS:
            return f"it is a transcript or a text, no recording, whatever `include` says: .{extension}"
        if include is None:
            return None if extension in self.extensions else _unknown(extension)
        if any(matches(pattern, path) for pattern in include):
            return None
        return "it matches no include pattern"

    @property
    def scope(self) -> str:
        """All that decides what is picked up, as one text that is equal for equal filters."""
        return json.dumps(
            {
                "include": self.include,
                "exclude": self.exclude,
                "recursive": self.recursive,
                "min_size": self.min_size,
                "rules": [[rule.match, rule.include, rule.exclude, rule.min_size] for rule in self.rules],
                "lacks": self.lacks,
                "extensions": " ".join(sorted(self.extensions)),
            },
            sort_keys=True,
        )

    @classmethod
    def from_scope(cls, scope: str) -> Self:
        """The filter that a scope was made of. ValueError for one of another version, that cannot be read."""
        fields = json.loads(scope)
        if not isinstance(fields, dict) or fields.keys() != _SCOPE:
            raise ValueError("not the scope of a filter of this version")
        return cls(
            include=_patterns_or_none(fields["include"]),
            exclude=_patterns(fields["exclude"]),
            recursive=_of_kind(bool, fields["recursive"]),
            min_size=_of_kind(int, fields["min_size"]),
            rules=tuple(_rule(rule) for rule in _of_kind(list, fields["rules"])),
            lacks=_of_kind(str, fields["lacks"]),
            extensions=frozenset(_of_kind(str, fields["extensions"]).split()),
        )


def picked_up_before(scope: str | None, today: Filter) -> Filter | None:
    """What was picked up within the scope of an earlier pass, if that was something else than today, else None.

    Of one that cannot be read, as another version wrote it, nothing was.
    """
    if scope is None or scope == today.scope:
        return None
    try:
        return Filter.from_scope(scope)
    except ValueError:
        return Filter(include=())


_SCOPE: Final = frozenset({"include", "exclude", "recursive", "min_size", "rules", "lacks", "extensions"})


def _rule(written: object) -> FilterRule:
    parts = _of_kind(list, written)
    if len(parts) != 4:
        raise ValueError("not a rule of this version")
    match, include, exclude, min_size = parts
    return FilterRule(_of_kind(str, match), _patterns_or_none(include), _patterns(exclude), _of_kind(int, min_size))


def _patterns_or_none(written: object) -> tuple[str, ...] | None:
    return None if written is None else _patterns(written)


def _patterns(written: object) -> tuple[str, ...]:
    return tuple(_of_kind(str, pattern) for pattern in _of_kind(list, written))


def _of_kind(kind: type[T], written: object) -> T:
    if type(written) is not kind:  # True is an int elsewhere
        raise ValueError(f"not what a scope of this version has there: {kind.__name__} is wanted")
    return written


@lru_cache(maxsize=4096)  # a scan asks for the same directory once a file
def _outside(directory: str, recursive: bool, exclude: tuple[str, ...]) -> str | None:
    if not recursive:
        return "it is in a sub-folder, and recursive is off"
    above = parent(directory)
    if above and (reason := _outside(above, recursive, exclude)) is not None:
        return reason
    if (reason := litter(name_of(directory))) is not None:
        return reason
    for pattern in exclude:
        if covers(pattern, directory):
            return f"its folder {shown(directory)} matches the exclude pattern {shown(pattern)}"
    return None


def _too_small(size: int, min_size: int) -> str:
    return "it is empty" if size == 0 else f"its {size} bytes are less than min_size, which is {min_size}"


def is_unknown_kind(name: str, reason: str) -> bool:
    """Whether that is the reason for which a file of this name is not picked up."""
    stem, _, extension = name.lower().rpartition(".")
    return reason.startswith(_unknown(extension if stem else ""))


def _unknown(extension: str) -> str:
    if not extension:
        return "its name has no extension to tell that it is audio or video; `include` can name it"
    return f".{shown(extension)} is not one of the known audio and video extensions; `include` can name it"
