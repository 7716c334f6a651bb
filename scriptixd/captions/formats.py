"""Owns which formats there are, by name; a further one is one row here, and one function and row in writing.py.

Knows nothing of how one is written: a configuration needs no more than the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType

from scriptixd.errors import to_install


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a transcript. Its name is that of the setting and the ending of its files.

    `needs` is a module that is not installed by itself, and `extra` what installs it.
    """

    name: str
    needs: str = ""
    extra: str = ""

    @property
    def lacking(self) -> str:
        """What to install before it can be written; empty where nothing is missing."""
        return to_install(self.extra) if self.needs and find_spec(self.needs) is None else ""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        format_.name: format_
        for format_ in (Format("srt"), Format("vtt"), Format("txt"), Format("docx", needs="docx", extra="docx"))
    }
)
