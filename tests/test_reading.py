"""The bytes of one chunk: hashed beside their sending, never half a file, never more than was asked for."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import sha256

from scriptixd.errors import Stopped
from scriptixd.jobs.reading import AHEAD, GRAIN, NOTHING, PIECE, REST, Changed, Chunk, Content, Hashing, Prefix
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
    with Chunk(content(reader, file), prefix, 90, lambda _offset: None) as chunk:
        drained(chunk, 8)
    assert prefix.digest.hexdigest() == sha256(DATA[:10])
    assert NOTHING.digest.hexdigest() == sha256(b"")


def test_a_file_that_became_shorter_ends_the_request_instead_of_sending_less(file: Path, reader: Reader) -> None:
    with Chunk(content(reader, file), NOTHING, len(DATA), lambda _offset: None) as chunk:
        chunk.read(100)
        os.truncate(file, 100)
        with pytest.raises(Changed, match="shorter"):
            chunk.read(100)


def test_a_file_that_grew_is_noticed_before_the_last_bytes_are_given_away(file: Path, reader: Reader) -> None:
    with Chunk(content(reader, file), NOTHING, 200, lambda _offset: None) as chunk:
        assert chunk.read(150) == DATA[:150]
        with file.open("ab") as more:
            more.write(b"more")
        with pytest.raises(Changed, match=r"a\.wav has changed"):
            chunk.read(50)


def test_a_file_that_was_rewritten_in_place_is_noticed_by_its_mtime(file: Path, reader: Reader) -> None:
    with Chunk(content(reader, file), NOTHING, len(DATA), lambda _offset: None) as chunk:
        chunk.read(10)
        with file.open("r+b") as rewritten:
            rewritten.write(b"other")
        os.utime(file, ns=(1, 1))
        with pytest.raises(Changed):
            drained(chunk, 1000)


def test_a_file_that_changes_is_given_up_within_two_pieces_and_not_at_the_end_of_a_long_chunk(tmp_path: Path) -> None:
    file = tmp_path / "big.wav"
    file.write_bytes(bytes(6 * PIECE))
    with (
        LocalRoot(tmp_path).open(file.name) as reader,
        Chunk(content(reader, file), NOTHING, 6 * PIECE, lambda _offset: None) as chunk,
    ):
        chunk.read(PIECE)
        os.utime(file, ns=(1, 1))
        with pytest.raises(Changed):
            chunk.read(PIECE)


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
    with chunk:
        assert len(chunk.read(99)) == 99
        with pytest.raises(Changed):
            chunk.read(99)


# The digest, beside the sending


def hashers() -> int:
    return sum(thread.name == "hashing" for thread in threading.enumerate())


class SlowDigest:
    """Hashes nothing before it may."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.seen = b""

    def update(self, data: bytes, /) -> None:
        assert self.go_on.wait(30)
        self.seen += data

    def copy(self) -> SlowDigest:
        return self

    def hexdigest(self) -> str:
        return "slow"


def test_sending_goes_on_while_what_was_sent_is_hashed(file: Path, reader: Reader) -> None:
    digest = SlowDigest()
    with Chunk(content(reader, file), Prefix(0, digest), len(DATA), lambda _offset: None) as chunk:
        sent = b"".join(chunk.read(1) for _ in range(AHEAD))
        assert (digest.seen, sent) == (b"", DATA[:AHEAD])
        digest.go_on.set()
        assert sent + drained(chunk, 100) == DATA
        assert digest.seen == DATA, "before the last piece was handed out"


def test_no_more_than_a_few_pieces_wait_to_be_hashed() -> None:
    digest = SlowDigest()
    hashing, given = Hashing(digest), list[int]()

    def give() -> None:
        for number in range(5 * AHEAD):
            hashing.update(b"x")
            given.append(number)

    giver = threading.Thread(target=give)
    giver.start()
    giver.join(0.1)
    assert giver.is_alive()
    assert len(given) <= AHEAD + 1, "one is being hashed"
    digest.go_on.set()
    giver.join()
    assert hashing.end().hexdigest() == "slow"
    assert digest.seen == b"x" * 5 * AHEAD


def test_the_thread_that_hashes_ends_with_its_chunk_however_that_ends(file: Path, reader: Reader) -> None:
    with Chunk(content(reader, file), NOTHING, len(DATA), lambda _offset: None) as chunk:
        chunk.read(100)
        assert hashers() == 1
        drained(chunk, 1000)
        assert hashers() == 0, "the last piece is out"
    with pytest.raises(ConnectionError), Chunk(content(reader, file), NOTHING, 500, lambda _offset: None) as cut:
        cut.read(100)
        raise ConnectionError
    assert hashers() == 0


# The bandwidth


class Line:
    """A line that takes so many bytes a second; waiting passes its own time."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.now = self.busy_until = 0.0
        self.rests: list[float] = []
        self.asked: list[int] = []
        self.stopped = False
        self.stops_at = float("inf")

    def wait(self, count: int) -> float:
        self.asked.append(count)
        self.busy_until = max(self.busy_until, self.now) + count / self.rate
        return self.busy_until - self.now

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds
        self.stopped = self.now >= self.stops_at


def test_a_limited_line_is_kept_to_in_small_pieces_and_short_rests(tmp_path: Path) -> None:
    file, line = tmp_path / "big.wav", Line(10 * GRAIN)
    data = os.urandom(PIECE + 5)
    file.write_bytes(data)
    with (
        LocalRoot(tmp_path).open(file.name) as reader,
        Chunk(
            content(reader, file),
            NOTHING,
            len(data),
            lambda _offset: None,
            sha256(data),
            wait=line.wait,
            rest=line.rest,
        ) as chunk,
    ):
        pieces = list(iter(lambda: chunk.read(PIECE), b""))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) == GRAIN
    assert sum(line.asked) == len(data), "every byte is accounted for, once"
    assert max(line.rests) <= REST
    assert line.now == pytest.approx(len(data) / line.rate)


def test_a_line_that_is_not_limited_is_given_whole_pieces(tmp_path: Path) -> None:
    file, asked = tmp_path / "big.wav", list[int]()
    file.write_bytes(bytes(2 * PIECE))

    def free(count: int) -> float:
        asked.append(count)
        return 0.0

    with (
        LocalRoot(tmp_path).open(file.name) as reader,
        Chunk(content(reader, file), NOTHING, 2 * PIECE, lambda _offset: None, wait=free) as chunk,
    ):
        assert [len(chunk.read(PIECE)), len(chunk.read(PIECE))] == [PIECE, PIECE]
    assert sum(asked) == 2 * PIECE


def test_whoever_waits_for_his_turn_is_stopped_within_one_rest(file: Path, reader: Reader) -> None:
    line = Line(1.0)
    line.stops_at = 10.0
    waiting = Content(reader, file.name, stat_of(file), lambda: line.stopped, lambda: None)
    chunk = Chunk(waiting, NOTHING, len(DATA), lambda _offset: None, wait=line.wait, rest=line.rest)
    with chunk, pytest.raises(Stopped):
        chunk.read(100)
    assert line.now <= line.stops_at + REST
