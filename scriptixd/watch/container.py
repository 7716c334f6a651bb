"""Whether a media file contradicts its own length, as the container that it is tells it.

Pure over a Reader: a few small reads, as each may be a round trip, and bounded work whatever the bytes say.
Recognises by content and never by name. What says nothing about its length is unknown, never suspect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from scriptixd.roots.root import Reader

HEAD = 4096  # bytes read at once: most containers say in there all that we ask
MOST_BOXES = 1000  # each may cost a read; whoever has more of them is not asked any further

ByteOrder = Literal["little", "big"]

# What programs write into a 32-bit length that they do not know yet, a little below or above these: ffmpeg
# and lame all ones, sox, mplayer and arecord as much as a signed number holds.
ALL_ONES = 0xFFFF_FFFF
SIGNED_MOST = 0x7FFF_FFFF
NEARLY = 0x1000  # bytes: the headers that are counted in, or not

SELF_COUNTED = 8  # bytes: some recorders write the length of the file, which counts the header itself, too
PRINTABLE = frozenset({*range(0x20, 0x7F), 0xA9})  # what a box's type is made of; 0xA9 is QuickTime's ©

WAVE64 = bytes.fromhex("72696666 2e91cf11 a5d628db 04c10000")  # the GUID of Sony's riff chunk
EBML, SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")  # RFC 8794, RFC 9559
EBML_FILLERS = frozenset({b"\xec", b"\xbf"})  # Void and CRC-32

CAF_CHUNKS: Final = frozenset({b"chan", b"data", b"free", b"info", b"kuki", b"pakt", b"strg", b"uuid"})

# ISO/IEC 14496-12 and QuickTime: what may begin a file, and what stands in one at the top. Others are skipped
# where they fit and are somebody's trailer where they do not.
OLD_QUICKTIME: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
TOP_BOXES: Final = OLD_QUICKTIME | {b"ftyp", b"meta", b"mfra", b"moof", b"sidx", b"styp", b"udta", b"uuid"}


class Agreement(StrEnum):
    COMPLETE = "complete"  # recognised, and it adds up
    CONTRADICTS = "contradicts"
    UNKNOWN = "unknown"  # not recognised, or a form that says nothing about its length


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file says of itself; `sentence` tells a contradiction, about the file as "it"."""

    agreement: Agreement
    sentence: str = ""


COMPLETE = Verdict(Agreement.COMPLETE)
UNKNOWN = Verdict(Agreement.UNKNOWN)


def verdict(reader: Reader, size: int) -> Verdict:
    """What the container says of a file of `size` bytes. Errors are those of the reader."""
    file = _Bytes(reader, size)
    head = file.at(0, 16)
    if head.startswith(WAVE64):
        return _wave64(file)
    for magic, judge in _BY_MAGIC.items():
        if head.startswith(magic):
            return judge(file)
    kind = head[4:8]
    return _mp4(file) if kind == b"ftyp" or kind in OLD_QUICKTIME else UNKNOWN


class _Bytes:
    """A file's bytes; those of its head are read once."""

    def __init__(self, reader: Reader, size: int) -> None:
        self.size = size
        self._reader = reader
        self._head = self._read(0, HEAD)

    def at(self, offset: int, count: int) -> bytes:
        """The bytes from `offset`, fewer than `count` only where the file ends."""
        if offset + count <= len(self._head):
            return self._head[offset : offset + count]
        return self._read(offset, count)

    def number(self, offset: int, count: int, order: ByteOrder) -> int:
        return int.from_bytes(self.at(offset, count), order)

    def _read(self, offset: int, count: int) -> bytes:
        data, wanted = b"", min(count, self.size - offset)
        while len(data) < wanted and (more := self._reader.read(offset + len(data), wanted - len(data))):
            data += more
        return data


def _contradicts(sentence: str) -> Verdict:
    return Verdict(Agreement.CONTRADICTS, sentence)


def _too_short(name: str, announced: int, size: int) -> Verdict:
    return _contradicts(f"its {name} header announces {announced:,} bytes and {size:,} are there")


def _unfilled(name: str) -> Verdict:
    return _contradicts(
        f"its {name} header holds no length: it was not finished, or was made by a program that could not go back to it"
    )


# RIFF and its relatives


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    payload: int  # offset
    end: int  # offset, without the byte that pads it


def _chunks(file: _Bytes, position: int, order: ByteOrder) -> Iterator[_Chunk]:
    """The chunks from a position on, as many as MOST_BOXES; the last may run past the end."""
    for _ in range(MOST_BOXES):
        header = file.at(position, 8)
        if len(header) < 8:
            return
        chunk = _Chunk(header[:4], position + 8, position + 8 + int.from_bytes(header[4:], order))
        yield chunk
        position = chunk.end + chunk.end % 2
        if position >= file.size:
            return


def _riff(file: _Bytes, name: str = "RIFF", order: ByteOrder = "little") -> Verdict:
    form = file.at(8, 4)
    if len(form) < 4:
        return _contradicts(f"its {name} header is cut off")
    if form == b"AVI ":
        return _avi(file)
    return _wave_form(file, name, order, b"data") if form == b"WAVE" else UNKNOWN


def _rifx(file: _Bytes) -> Verdict:
    return _riff(file, "RIFX", "big")


def _aiff(file: _Bytes) -> Verdict:
    form = file.at(8, 4)
    if len(form) < 4:
        return _contradicts("its AIFF header is cut off")
    return _wave_form(file, "AIFF", "big", b"SSND") if form in (b"AIFF", b"AIFC") else UNKNOWN


def _wave_form(file: _Bytes, name: str, order: ByteOrder, sound: bytes) -> Verdict:
    """A file that is one chunk, with the sound in its chunk `sound`."""
    length = file.number(4, 4, order)
    found = _one_form(file, 0, length, name, order)
    was_empty = found is COMPLETE and _sound_follows(file, 8 + length, order, sound)
    return _unfilled(name) if was_empty else found


def _avi(file: _Bytes) -> Verdict:
    """A large one goes on in further RIFF chunks (OpenDML); what follows and is none does not count."""
    position = 0
    for _ in range(MOST_BOXES):
        header = file.at(position, 12)
        if header[:4] != b"RIFF" or (position and header[8:] != b"AVIX"):
            return COMPLETE
        length = int.from_bytes(header[4:8], "little")
        found = _one_form(file, position, length, "AVI", "little")
        if found is not COMPLETE:
            return found
        position += 8 + length + length % 2
    return UNKNOWN


def _one_form(file: _Bytes, start: int, length: int, name: str, order: ByteOrder) -> Verdict:
    """A RIFF or FORM chunk at `start` that says its length; bytes behind it are tags or padding."""
    announced = start + 8 + length
    if length == 0:
        return _unfilled(name)
    if announced <= file.size:
        return COMPLETE
    if length > ALL_ONES - NEARLY or abs(length - SIGNED_MOST) <= NEARLY:
        return _unfilled(name)
    if announced - file.size in (1, SELF_COUNTED) and _ends_with_a_chunk(file, start, order):
        return COMPLETE
    return _too_short(name, announced, file.size)


def _sound_follows(file: _Bytes, announced: int, order: ByteOrder, sound: bytes) -> bool:
    """Whether the header was written for an empty recording, as recorders do first, and its sound came after it."""
    for chunk in _chunks(file, 12, order):
        if chunk.kind == sound:
            return chunk.end == chunk.payload and announced <= chunk.payload < file.size
        if chunk.end >= announced:
            break
    return False


def _ends_with_a_chunk(file: _Bytes, start: int, order: ByteOrder) -> bool:
    """Whether the last chunk is whole: what is missing then is the byte that pads it, or was miscounted."""
    chunks = list(_chunks(file, start + 12, order))
    return bool(chunks) and file.size in (chunks[-1].end, chunks[-1].end + chunks[-1].end % 2)


def _rf64(file: _Bytes) -> Verdict:
    """RIFF beyond 4 GiB (EBU Tech 3306, ITU-R BS.2088): the lengths are in its first chunk, ds64."""
    head = file.at(0, 36)
    if len(head) < 36:
        return _contradicts("its RF64 header is cut off")
    if head[12:16] != b"ds64":
        return UNKNOWN
    length, content = int.from_bytes(head[20:28], "little"), int.from_bytes(head[28:36], "little")
    if length == 0 or length >> 63:
        return _unfilled("RF64")
    padding = content % 2  # which some leave out
    return COMPLETE if 8 + length - padding <= file.size else _too_short("RF64", 8 + length, file.size)


def _wave64(file: _Bytes) -> Verdict:
    """Sony Wave64: the length follows its GUID and counts both."""
    length = file.number(16, 8, "little")
    if length == 0 or length >> 63:
        return _unfilled("Wave64")
    return COMPLETE if length <= file.size else _too_short("Wave64", length, file.size)


def _caf(file: _Bytes) -> Verdict:
    """Apple's Core Audio Format: each chunk tells its length; -1 is allowed for the sound, if that is the last."""
    position, sound = 8, False
    for _ in range(MOST_BOXES):
        header = file.at(position, 12)
        if len(header) < 12 or not PRINTABLE.issuperset(header[:4]):
            return COMPLETE if sound else _contradicts("its CAF header is there and its sound is not")
        length = int.from_bytes(header[4:], "big", signed=True)
        if length < 0:
            return UNKNOWN
        sound = sound or header[:4] == b"data"
        position += 12 + length
        if position > file.size and sound and header[:4] not in CAF_CHUNKS:
            return COMPLETE
        if position > file.size:
            return _too_short("CAF", position, file.size)
    return UNKNOWN


# MP4, QuickTime, 3GP


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    end: int | None  # offset; None is a box that goes on to the end of the file, however long that is


def _mp4(file: _Bytes) -> Verdict:
    """Boxes that follow each other, of which one is the index of all the others (moov), first or last."""
    seen, last, position = set[bytes](), b"", 0
    for _ in range(MOST_BOXES):
        box = _box(file, position)
        if box is None:
            return _mp4_of(seen, last)
        if box.end is None:
            return UNKNOWN if b"moov" in seen | {box.kind} else _mp4_of(seen, box.kind)
        if box.end > file.size:
            is_cut_off = box.kind in TOP_BOXES
            return _too_short("MP4", box.end, file.size) if is_cut_off else _mp4_of(seen, last)
        if box.kind == b"moof" and b"moof" not in seen and _ends_with_its_index(file):
            return COMPLETE
        seen.add(box.kind)
        last, position = box.kind, box.end
    return UNKNOWN


def _mp4_of(seen: set[bytes], last: bytes) -> Verdict:
    """What the boxes come to, each of which is whole."""
    if b"moov" not in seen:
        is_picture = b"meta" in seen  # HEIF needs no index
        return UNKNOWN if is_picture else _contradicts("its MP4 has no index (moov): the recording was not finished")
    if b"moof" in seen:  # it may end after any fragment, unless it ends in the middle of one
        return _contradicts("its last MP4 fragment has no content") if last == b"moof" else UNKNOWN
    return COMPLETE if b"mdat" in seen else _contradicts("its MP4 has an index and no content (mdat)")


def _box(file: _Bytes, position: int) -> _Box | None:
    """The box at a position, or None at the end of the file and where there is none."""
    header = file.at(position, 16)
    kind = header[4:8]
    if len(header) < 8 or not PRINTABLE.issuperset(kind):
        return None
    length, least = int.from_bytes(header[:4], "big"), 8
    if length == 0:
        return _Box(kind, None) if kind in TOP_BOXES else None
    if length == 1:
        length, least = int.from_bytes(header[8:], "big"), 16
    return _Box(kind, position + length) if length >= least else None


def _ends_with_its_index(file: _Bytes) -> bool:
    """Whether a file of fragments was finished: the index of them (mfra) ends with its own length (mfro)."""
    tail = file.at(file.size - 16, 16)
    length = tail[12:]
    if tail[:8] != b"\0\0\0\x10mfro" or int.from_bytes(length, "big") > file.size:
        return False
    return file.at(file.size - int.from_bytes(length, "big"), 8) == length + b"mfra"


# Matroska and WebM


def _matroska(file: _Bytes) -> Verdict:
    """An EBML header, and a Segment that tells its length, unless it was made live: then it never says."""
    position = 0
    for _ in range(MOST_BOXES):
        header = file.at(position, 12)  # an id of four bytes and a length of eight are the longest
        kind = header[: _vint_bytes(header)]
        rest = header[len(kind) :]
        width = _vint_bytes(rest)
        if not header or (0 < len(header) < 12 and len(kind) + max(width, 1) > len(header)):
            return _contradicts("its Matroska header is there and its content is not")
        if width == 0 or kind not in EBML_FILLERS | {EBML, SEGMENT}:
            return UNKNOWN
        most = (1 << 7 * width) - 1
        length = int.from_bytes(rest[:width], "big") & most
        if length == most:
            return UNKNOWN
        end = position + len(kind) + width + length
        if end > file.size:
            return _too_short("Matroska", end, file.size)
        if kind == SEGMENT:
            return COMPLETE if length else _unfilled("Matroska")
        position = end
    return UNKNOWN


def _vint_bytes(data: bytes) -> int:
    """How many bytes the number of variable length takes that begins here; 0 is none that EBML allows."""
    return 9 - data[0].bit_length() if data and data[0] else 0


_BY_MAGIC: Final[dict[bytes, Callable[[_Bytes], Verdict]]] = {
    b"RIFF": _riff,
    b"RIFX": _rifx,
    b"RF64": _rf64,
    b"BW64": _rf64,
    b"FORM": _aiff,
    b"caff": _caf,
    EBML: _matroska,
}
