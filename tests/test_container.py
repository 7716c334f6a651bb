"""A container tells its own length: what is whole is never suspected, what was cut off never believed."""

from __future__ import annotations

import io
import os
import struct
import wave
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scriptixd.sandbox
from scriptixd.errors import ShareTrouble
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import Stat
from scriptixd.watch.container import COMPLETE, HEAD, MOST_BOXES, UNKNOWN, Agreement, Verdict, verdict

CONTRADICTS = Agreement.CONTRADICTS
READS_MOST = 2 * MOST_BOXES + 2  # an AVI is walked twice


class Bytes:
    """A Reader over bytes in memory that counts; `at_once` is the most that one read gives."""

    def __init__(self, data: bytes, at_once: int = HEAD) -> None:
        self.data = data
        self.at_once = at_once
        self.reads = 0
        self.bytes = 0

    def stat(self) -> Stat:
        return Stat(len(self.data), 0, 1)

    def read(self, offset: int, count: int) -> bytes:
        assert 0 <= offset <= len(self.data)
        self.reads += 1
        found = self.data[offset : offset + min(count, self.at_once)]
        self.bytes += len(found)
        return found

    def written_to(self) -> bool | None:
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class Pipe:
    """What a muxer can write to and not seek in."""

    def __init__(self) -> None:
        self.data = io.BytesIO()

    def write(self, data: bytes) -> int:
        return self.data.write(data)


def said(data: bytes) -> Verdict:
    return verdict(Bytes(data), len(data))


def agreement(data: bytes) -> Agreement:
    return said(data).agreement


@cache
def muxed(fmt: str, sound: str, picture: str = "", piped: bool = False, **options: str) -> bytes:
    """Two seconds of noise in a container that libavformat wrote."""
    target: Any = Pipe() if piped else io.BytesIO()
    with av.open(target, "w", format=fmt, options=options) as container:
        rate = 48_000 if sound == "libopus" else 16_000
        audio: Any = container.add_stream(sound, rate=rate)
        audio.layout = "mono"
        video: Any = container.add_stream(picture, rate=10) if picture else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for tenth in range(20):
            if video is not None:
                image = av.VideoFrame(64, 48, "yuv420p")
                image.pts = tenth
                container.mux(video.encode(image))
            frame = av.AudioFrame(format="s16", layout="mono", samples=rate // 10)
            frame.planes[0].update(os.urandom(rate // 10 * 2))
            frame.sample_rate, frame.pts, frame.time_base = rate, tenth * (rate // 10), Fraction(1, rate)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
        if video is not None:
            container.mux(video.encode(None))
    return bytes(target.data.getvalue() if piped else target.getvalue())


@cache
def recorded(frames: int = 16_000, width: int = 2) -> bytes:
    """A WAV by the standard library."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(width)
        out.setframerate(16_000)
        out.writeframes(os.urandom(frames * width))
    return file.getvalue()


def faststart(mp4: bytes) -> bytes:
    """The same boxes with the index before the content, as `-movflags faststart` leaves them."""
    boxes, position = dict[bytes, bytes](), 0
    while position < len(mp4):
        length = int.from_bytes(mp4[position : position + 4], "big")
        boxes[mp4[position + 4 : position + 8]] = mp4[position : position + length]
        position += length
    return boxes[b"ftyp"] + boxes[b"moov"] + boxes[b"free"] + boxes[b"mdat"]


def box(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def large_box(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I4sQ", 1, kind, 16 + len(payload)) + payload


def chunk(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack("<4sI", kind, len(payload)) + payload + b"\0" * (len(payload) % 2)


def riff(form: bytes, *chunks: bytes, length: int | None = None) -> bytes:
    content = form + b"".join(chunks)
    return struct.pack("<4sI", b"RIFF", len(content) if length is None else length) + content


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
MOOV, MDAT = box(b"moov", bytes(300)), box(b"mdat", bytes(5000))
FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16))

MP4: dict[str, Callable[[], bytes]] = {
    "mp4": lambda: muxed("mp4", "aac", "mpeg4"),
    "mp4 with its index first": lambda: faststart(muxed("mp4", "aac", "mpeg4")),
    "mp4 of fragments that was finished": lambda: muxed("mp4", "aac", "mpeg4", movflags="hybrid_fragmented"),
    "m4a": lambda: muxed("ipod", "aac"),
    "mov": lambda: muxed("mov", "pcm_s16le", "mpeg4"),
    "3gp": lambda: muxed("3gp", "aac", "mpeg4"),
}
RIFF: dict[str, Callable[[], bytes]] = {
    "wav": recorded,
    "wav by libavformat": lambda: muxed("wav", "pcm_s16le"),
    "rf64": lambda: muxed("wav", "pcm_s16le", rf64="always"),
    "w64": lambda: muxed("w64", "pcm_s16le"),
    "avi": lambda: muxed("avi", "mp3", "mpeg4"),
    "aiff": lambda: muxed("aiff", "pcm_s16be"),
}
OTHERS: dict[str, Callable[[], bytes]] = {
    "caf": lambda: muxed("caf", "pcm_s16be"),
    "mkv": lambda: muxed("matroska", "aac", "mpeg4"),
    "webm": lambda: muxed("webm", "libopus"),
}
FRAGMENTS: dict[str, Callable[[], bytes]] = {
    "fragments": lambda: muxed("mp4", "aac", "mpeg4", movflags="frag_keyframe+empty_moov"),
    "fragments to a pipe": lambda: muxed("mp4", "aac", "mpeg4", piped=True, movflags="frag_keyframe+empty_moov"),
    "dash": lambda: muxed("mp4", "aac", "mpeg4", movflags="dash"),
    "smooth streaming": lambda: muxed("ismv", "aac", "mpeg4"),
}
WHOLE: dict[str, Callable[[], bytes]] = {**MP4, **RIFF, **OTHERS, **FRAGMENTS}
MUTE: dict[str, Callable[[], bytes]] = {  # whole files in forms that say nothing about their length
    "flac": lambda: muxed("flac", "flac"),
    "mp3": lambda: muxed("mp3", "mp3"),
    "ogg": lambda: muxed("ogg", "libopus"),
    "ts": lambda: muxed("mpegts", "aac", "mpeg4"),
    "mkv to a pipe": lambda: muxed("matroska", "aac", "mpeg4", piped=True),
    "live webm": lambda: muxed("webm", "libopus", live="1"),
    "caf to a pipe": lambda: muxed("caf", "pcm_s16be", piped=True),
    "fragments without an index of them": lambda: muxed(
        "mp4", "aac", "mpeg4", movflags="frag_keyframe+empty_moov+skip_trailer"
    ),
}


def cuts(data: bytes, first: int) -> Iterator[int]:
    """Every length near both ends, and many between."""
    yield from range(first, min(300, len(data)))
    yield from range(300, len(data), max(1, len(data) // 400))
    yield from range(max(first, len(data) - 100), len(data))


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_complete_in_a_few_small_reads(name: str) -> None:
    reader = Bytes(WHOLE[name]())
    assert verdict(reader, len(reader.data)) == COMPLETE
    assert reader.reads <= 5
    assert reader.bytes <= 2 * HEAD


@pytest.mark.parametrize("name", MUTE)
def test_a_form_that_says_nothing_about_its_length_is_unknown(name: str) -> None:
    assert said(MUTE[name]()) == UNKNOWN


@pytest.mark.parametrize("name", MP4)
def test_an_mp4_that_was_cut_off_anywhere_contradicts_itself(name: str) -> None:
    whole = MP4[name]()
    assert {agreement(whole[:length]) for length in cuts(whole, first=8)} == {CONTRADICTS}


@pytest.mark.parametrize("name", RIFF)
def test_a_wav_or_one_of_its_relatives_that_was_cut_off_anywhere_contradicts_itself(name: str) -> None:
    whole = RIFF[name]()
    assert {agreement(whole[:length]) for length in cuts(whole, first=16)} == {CONTRADICTS}


@pytest.mark.parametrize("name", OTHERS)
def test_a_caf_or_matroska_that_was_cut_off_contradicts_itself(name: str) -> None:
    whole = OTHERS[name]()
    assert {agreement(whole[:length]) for length in cuts(whole, first=8)} == {CONTRADICTS}


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragments_that_were_cut_off_are_never_called_complete_and_contradict_within_one(name: str) -> None:
    whole = FRAGMENTS[name]()
    found = [agreement(whole[:length]) for length in cuts(whole, first=8)]
    assert Agreement.COMPLETE not in found
    assert found.count(CONTRADICTS) > 0.9 * len(found)


@pytest.mark.parametrize("name", [*MP4, *RIFF, *OTHERS])
@pytest.mark.parametrize("tail", [b"\0", b"\0" * 3, b"\n\n", b"TAG" + b"Some song".ljust(125, b" "), bytes(5000)])
def test_a_few_bytes_more_at_the_end_are_no_contradiction(name: str, tail: bytes) -> None:
    assert agreement(WHOLE[name]() + tail) is not CONTRADICTS


def test_a_file_on_a_disk_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(recorded())
    sample = Path(scriptixd.sandbox.__file__).parent / "austen.flac"
    with LocalRoot(tmp_path).open("a.wav") as reader:
        assert verdict(reader, len(recorded())) == COMPLETE
    with LocalRoot(sample.parent).open(sample.name) as reader:
        assert verdict(reader, sample.stat().st_size) == UNKNOWN


def test_a_contradiction_says_what_was_announced_and_what_is_there() -> None:
    assert said(recorded()[:10_000]).sentence == "its RIFF header announces 32,044 bytes and 10,000 are there"
    assert said(FTYP + MOOV + MDAT[:1000]).sentence.startswith("its MP4 header announces 5,")
    assert said(FTYP + MDAT).sentence == "its MP4 has no index (moov): the recording was not finished"


# RIFF


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF, 0xFFFF_FFF7, 0x7FFF_FFFF, 0x7FFF_F024, 0x8000_0023])
def test_a_header_that_was_never_filled_in_contradicts_whether_by_a_crash_or_by_a_pipe(length: int) -> None:
    found = said(riff(b"WAVE", FMT, chunk(b"data", bytes(1000)), length=length))
    assert found.agreement is CONTRADICTS
    assert "holds no length" in found.sentence
    assert agreement(muxed("wav", "pcm_s16le", piped=True)) is CONTRADICTS


def test_a_recording_whose_header_still_tells_of_an_empty_one_contradicts() -> None:
    """As the standard library leaves it until it is closed."""
    header = io.BytesIO()
    with wave.open(header, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframesraw(b"")
    assert agreement(header.getvalue()) is Agreement.COMPLETE
    assert "holds no length" in said(header.getvalue() + bytes(1000)).sentence


def test_an_empty_recording_with_tags_is_complete() -> None:
    assert agreement(riff(b"WAVE", FMT, chunk(b"data"), chunk(b"LIST", b"INFOICMT"))) is Agreement.COMPLETE


def test_the_byte_that_pads_the_last_chunk_may_be_missing() -> None:
    whole = riff(b"WAVE", FMT, chunk(b"data", bytes(999)))
    assert agreement(whole) is Agreement.COMPLETE
    assert agreement(whole[:-1]) is Agreement.COMPLETE
    assert agreement(whole[:-2]) is CONTRADICTS


def test_a_header_that_counts_itself_is_complete_where_the_last_chunk_is_whole() -> None:
    chunks = FMT, chunk(b"data", bytes(1000))
    wrong = len(riff(b"WAVE", *chunks))
    assert agreement(riff(b"WAVE", *chunks, length=wrong)) is Agreement.COMPLETE
    assert agreement(riff(b"WAVE", FMT, chunk(b"data", bytes(1008)), length=wrong + 8)[:-8]) is CONTRADICTS


def test_a_wav_that_is_larger_than_its_header_can_say_is_not_suspected() -> None:
    class Vast(Bytes):
        def read(self, offset: int, count: int) -> bytes:
            return super().read(offset, count) if offset < len(self.data) else bytes(count)

    vast = Vast(riff(b"WAVE", FMT, struct.pack("<4sI", b"data", 0xFFFF_FFFF), length=0xFFFF_FFFF))
    assert verdict(vast, 5 << 30) == COMPLETE


def test_an_avi_goes_on_in_further_riff_chunks_each_of_which_counts() -> None:
    first = riff(b"AVI ", chunk(b"LIST", b"hdrl" + bytes(60)), chunk(b"LIST", b"movi" + bytes(600)))
    second = riff(b"AVIX", chunk(b"LIST", b"movi" + bytes(600)))
    assert agreement(first + second) is Agreement.COMPLETE
    assert agreement(first + second[:-1]) is CONTRADICTS
    assert agreement(first + riff(b"AVIX", chunk(b"LIST", b"movi"), length=0)) is CONTRADICTS
    odd = riff(b"AVI ", chunk(b"LIST", b"movi" + bytes(599)), length=4 + 8 + 603)
    assert agreement(odd + second) is Agreement.COMPLETE
    assert agreement(odd + second[:-1]) is CONTRADICTS


def test_a_riff_of_another_kind_is_unknown() -> None:
    assert said(riff(b"WEBP", chunk(b"VP8 ", bytes(100)))[:50]) == UNKNOWN


# MP4


def test_a_box_may_tell_its_length_in_eight_bytes() -> None:
    assert agreement(FTYP + large_box(b"mdat", bytes(5000)) + MOOV) is Agreement.COMPLETE
    assert agreement(FTYP + MOOV + large_box(b"mdat", bytes(5000))[:-1]) is CONTRADICTS
    assert agreement(FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1)) is CONTRADICTS


def test_content_up_to_the_end_says_nothing_with_an_index_and_contradicts_without() -> None:
    endless = struct.pack(">I4s", 0, b"mdat") + bytes(500)
    assert said(FTYP + MOOV + endless) == UNKNOWN
    assert agreement(FTYP + endless) is CONTRADICTS


def test_a_file_of_its_full_size_that_is_still_being_copied_contradicts() -> None:
    whole = FTYP + MDAT + MOOV
    for there in (100, 3000, len(whole) - len(MOOV)):
        assert agreement(whole[:there] + bytes(len(whole) - there)) is CONTRADICTS


@pytest.mark.parametrize("first", [box(b"wide"), box(b"free", bytes(20)), b"", box(b"pnot", bytes(12))])
def test_quicktime_from_before_the_ftyp_box_is_known_by_its_first_box(first: bytes) -> None:
    assert agreement(first + MDAT + MOOV) is Agreement.COMPLETE
    assert agreement(first + MDAT + MOOV[:-1]) is CONTRADICTS
    assert agreement(first + MDAT) is CONTRADICTS


def test_boxes_that_nobody_knows_are_skipped_and_trailers_of_cameras_are_not_suspected() -> None:
    assert agreement(FTYP + box(b"xyzw", bytes(90)) + MDAT + MOOV + box(b"sefd", bytes(70))) is Agreement.COMPLETE
    assert agreement(FTYP + MDAT + MOOV + b"\x7f\0\0\0camera") is Agreement.COMPLETE
    assert agreement(FTYP + MDAT + MOOV + box(b"uuid", bytes(70))[:-1]) is CONTRADICTS


def test_an_index_without_content_contradicts_and_a_picture_needs_no_index() -> None:
    assert agreement(FTYP + MOOV) is CONTRADICTS
    assert agreement(FTYP + MOOV + box(b"moof", bytes(80))) is CONTRADICTS
    assert said(box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(80)) + MDAT) == UNKNOWN


# Matroska


def test_a_matroska_that_was_never_filled_in_contradicts_and_a_live_one_does_not() -> None:
    header = bytes.fromhex("1a45dfa3") + b"\x84" + bytes(4)
    segment = bytes.fromhex("18538067")
    assert agreement(header + segment + b"\x01" + bytes(7) + bytes(100)) is CONTRADICTS
    assert said(header + segment + b"\x01" + b"\xff" * 7 + bytes(100)) == UNKNOWN
    assert said(header + segment + b"\xff" + bytes(100)) == UNKNOWN
    assert said(header + b"\xec\x82ab" + segment + b"\xe4" + bytes(100)) == COMPLETE
    assert agreement(header + segment + b"\xe4" + bytes(99)) is CONTRADICTS
    assert agreement(header) is CONTRADICTS


# Whatever the bytes say


@pytest.mark.parametrize(
    "data",
    [
        FTYP + box(b"free") * 1_000_000,
        FTYP + MOOV + (box(b"moof") + box(b"mdat")) * 100_000,
        FTYP + (box(b"free", bytes(HEAD))) * 3000,
        struct.pack(">I4s", 0, b"ftyp") * 10_000,
        riff(b"WAVE", chunk(b"JUNK") * 1_000_000),
        riff(b"WAVE", chunk(b"JUNK") * 1_000_000, length=8_000_012),
        riff(b"AVI ", chunk(b"JUNK")) + riff(b"AVIX") * 1_000_000,
        b"caff\0\1\0\0" + struct.pack(">4sq", b"free", 0) * 1_000_000,
        b"caff\0\1\0\0" + struct.pack(">4sq", b"free", 2**63 - 1),
        bytes.fromhex("1a45dfa3") + b"\x80" + b"\xec\x80" * 1_000_000,
    ],
)
def test_a_hostile_file_costs_no_more_than_a_bounded_number_of_reads(data: bytes) -> None:
    reader = Bytes(data)
    verdict(reader, len(data))
    assert reader.reads <= READS_MOST
    assert reader.bytes <= HEAD + 16 * READS_MOST


MAGIC = st.sampled_from(
    [
        b"", b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff", bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067"),
        b"WAVE", b"AVI ", b"AVIX", b"AIFF", b"ds64", b"data", b"\0\0\0\x10ftyp", b"moov", b"mdat", b"moof", b"mfro",
        b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff", FTYP, MOOV, FMT, b"\x01\xff\xff\xff\xff\xff\xff\xff",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.one_of(MAGIC, st.binary(max_size=12)), max_size=12),
    at_once=st.integers(1, HEAD),
    lost=st.integers(0, 50),
)
def test_any_bytes_give_a_verdict(pieces: list[bytes], at_once: int, lost: int) -> None:
    data = b"".join(pieces)
    reader = Bytes(data, at_once)
    found = verdict(reader, max(0, len(data) - lost))
    assert bool(found.sentence) == (found.agreement is CONTRADICTS)
    assert reader.reads <= READS_MOST * 16 + HEAD


def test_a_file_that_shrinks_while_it_is_looked_at_gives_a_verdict() -> None:
    whole = FTYP + MDAT + MOOV
    for there in range(0, len(whole), 7):

        class Shrunk(Bytes):
            def read(self, offset: int, count: int) -> bytes:
                return self.data[offset : offset + count]

        verdict(Shrunk(whole[:there]), len(whole))


def test_what_the_reader_raises_passes_through() -> None:
    class Away(Bytes):
        def read(self, offset: int, count: int) -> bytes:
            raise ShareTrouble("the share is away")

    with pytest.raises(ShareTrouble):
        verdict(Away(recorded()), len(recorded()))
