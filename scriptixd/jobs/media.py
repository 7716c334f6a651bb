"""How long a recording plays, where that can be read from its head in a moment; unknown is an answer."""

from __future__ import annotations

import io
import math
from typing import Final

from tinytag import TinyTag, TinyTagException

from scriptixd.errors import Stopped, Trouble
from scriptixd.roots.root import Reader

MOST_READ: Final = 8 * 1024 * 1024  # bytes: of what is no MP3, it would look for the first frame up to the end


class _TooFar(Exception):
    """So much was read without an answer that there will be none in a moment."""


class _Window(io.RawIOBase):
    """A source as the seekable file that tinytag wants, as far as it may be read."""

    def __init__(self, reader: Reader, size: int) -> None:
        self._reader = reader
        self._size = size
        self._position = 0
        self._left = MOST_READ

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._left <= 0:
            raise _TooFar
        data = self._reader.read(self._position, len(buffer))
        self._left -= len(data)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def media_seconds(reader: Reader, name: str, size: int) -> float | None:
    """The playing time by the container's own account, or None where tinytag cannot tell.

    The reader's own errors pass through.
    """
    with io.BufferedReader(_Window(reader, size), 64 * 1024) as file:
        try:
            duration = TinyTag.get(filename=name, file_obj=file, tags=False).duration
        except TinyTagException as error:
            if isinstance(error.__cause__, Trouble | Stopped):  # it wraps what our reader raises
                raise error.__cause__ from None
            return None  # a damaged or foreign head is no reason not to ask the service
    return float(duration) if duration is not None and math.isfinite(duration) and duration > 0 else None
