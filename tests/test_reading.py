"""The bytes of one chunk: hashed on their way, never half a file, never more than was asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import sha256

from scriptixd.errors import Stopped
from scriptixd.jobs.reading import NOTHING, PIECE, Changed, Chunk, Content, Prefix
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import Reader, Stat

DATA = bytes(range(256)) * 10


def stat_of(path: Path) -> Stat:
    found = path.stat()
    return Stat(found.st_size, found.st_mtime_ns, found.st_ino)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def reader(file: Path) -> Iterator[Reader]:
    with LocalRoot(file.parent).open(file.name) as opened:
        yield opened


def content(reader: Reader, file: Path, stopped: bool = False, beats: list[int] | None = None) -> Content:
    beaten = [] if beats is None else beats
    return Content(reader, file.name, stat_of(file), lambda: stopped, lambda: beaten.append(1))


def drained(chunk: Chunk, count: int) -> bytes:
    pieces = bytearray()
    while piece := chunk.read(count):
        pieces += piece
    return bytes(pieces)


@pytest.mark.parametrize("piece", [1, 7, 100, 10_000, -1])
def test_chunks_together_are_the_file_and_their_digest_is_the_files(file: Path, reader: Reader, piece: int) -> None:
    whole, prefix, offsets = b"", NOTHING, list[int]()
    while prefix.length < len(DATA):
        count = min(1000, len(DATA) - prefix.length)
        chunk = Chunk(content(reader, file), prefix, count, offsets.append)
        assert len(chunk) == count
        whole += drained(chunk, piece)
        prefix = chunk.prefix
    assert whole == DATA
    assert prefix.length == len(DATA)
    assert prefix.digest.hexdigest() == sha256(DATA)
    assert offsets[-1] == len(DATA)
    assert offsets == sorted(offsets)


def test_a_resumed_upload_hashes_what_was_sent_before_the_restart(file: Path, reader: Reader) -> None:
    prefix = content(reader, file).extend(NOTHING, 777)
    assert prefix.digest.hexdigest() == sha256(DATA[:777])
    chunk = Chunk(content(reader, file), prefix, len(DATA) - 777, lambda _offset: None)
    assert drained(chunk, 64) == DATA[777:]
    assert chunk.prefix.digest.hexdigest() == sha256(DATA)


def test_what_is_known_of_the_beginning_is_not_read_again(file: Path, reader: Reader) -> None:
    lie = hashlib.sha256(b"x" * 1000)
    extended = content(reader, file).extend(Prefix(1000, lie), 1500)
    expected = hashlib.sha256(b"x" * 1000 + DATA[1000:1500]).hexdigest()
    assert extended.digest.hexdigest() == expected


def test_a_prefix_that_is_longer_than_the_servers_offset_is_of_no_use(file: Path, reader: Reader) -> None:
    extended = content(reader, file).extend(Prefix(2000, hashlib.sha256(b"x")), 100)
    assert (extended.length, extended.digest.hexdigest()) == (100, sha256(DATA[:100]))


def test_a_chunk_leaves_the_prefix_it_began_with_as_it_was(file: Path, reader: Reader) -> None:
    prefix = content(reader, file).extend(NOTHING, 10)
    drained(Chunk(content(reader, file), prefix, 90, lambda _offset: None), 8)
    assert prefix.digest.hexdigest() == sha256(DATA[:10])
    assert NOTHING.digest.hexdigest() == sha256(b"")


def test_a_file_that_became_shorter_ends_the_request_instead_of_sending_less(file: Path, reader: Reader) -> None:
    chunk = Chunk(content(reader, file), NOTHING, len(DATA), lambda _offset: None)
    chunk.read(100)
    os.truncate(file, 100)
    with pytest.raises(Changed, match="shorter"):
        chunk.read(100)


def test_a_file_that_grew_is_noticed_before_the_last_bytes_are_given_away(file: Path, reader: Reader) -> None:
    chunk = Chunk(content(reader, file), NOTHING, 200, lambda _offset: None)
    assert chunk.read(150) == DATA[:150]
    with file.open("ab") as more:
        more.write(b"more")
    with pytest.raises(Changed, match=r"a\.wav has changed"):
        chunk.read(50)


def test_a_file_that_was_rewritten_in_place_is_noticed_by_its_mtime(file: Path, reader: Reader) -> None:
    chunk = Chunk(content(reader, file), NOTHING, len(DATA), lambda _offset: None)
    chunk.read(10)
    with file.open("r+b") as rewritten:
        rewritten.write(b"other")
    os.utime(file, ns=(1, 1))
    with pytest.raises(Changed):
        drained(chunk, 1000)


def test_a_stop_ends_the_request_between_two_pieces(file: Path, reader: Reader) -> None:
    with pytest.raises(Stopped):
        Chunk(content(reader, file, stopped=True), NOTHING, 10, lambda _offset: None).read(10)
    with pytest.raises(Stopped):
        content(reader, file, stopped=True).extend(NOTHING, 10)


def test_a_huge_read_stays_within_one_piece_and_every_piece_beats(tmp_path: Path) -> None:
    file = tmp_path / "big.wav"
    file.write_bytes(b"z" * (3 * PIECE + 5))
    beats: list[int] = []
    with LocalRoot(tmp_path).open(file.name) as reader:
        chunk = Chunk(content(reader, file, beats=beats), NOTHING, 3 * PIECE + 5, lambda _offset: None)
        assert len(chunk.read(-1)) == PIECE
        drained(chunk, 10 * PIECE)
        assert len(beats) == 4
        content(reader, file, beats=beats).extend(NOTHING, 2 * PIECE)
    assert len(beats) == 6


def test_after_its_last_byte_a_chunk_is_empty(file: Path, reader: Reader) -> None:
    chunk = Chunk(content(reader, file), NOTHING, 10, lambda _offset: None)
    assert chunk.read(-1) == DATA[:10]
    assert chunk.read(-1) == chunk.read(5) == b""


def test_an_edit_that_keeps_size_and_mtime_is_noticed_before_the_last_bytes_are_given_away(
    file: Path, reader: Reader
) -> None:
    before = file.stat()
    prefix = content(reader, file).extend(NOTHING, len(DATA) - 100)
    chunk = Chunk(content(reader, file), prefix, 100, lambda _offset: None, whole=sha256(DATA))
    with file.open("r+b") as edited:
        edited.seek(-1, os.SEEK_END)
        edited.write(b"!")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(chunk.read(99)) == 99
    with pytest.raises(Changed):
        chunk.read(99)
