"""TUS over real HTTP: what is sent, what comes back, and what each refusal means."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Iterator

import pytest
from scripted import Answer, Fault, Scripted, bare, page, said

from scriptixd.errors import (
    AccountTrouble,
    Away,
    FileTrouble,
    FolderTrouble,
    QuotaTrouble,
    ShareTrouble,
    Stopped,
    Trouble,
)
from scriptixd.jobs.job import DocumentType, Labels, Request, Webhook
from scriptixd.service.access import Access
from scriptixd.service.client import Scriptix
from scriptixd.service.metadata import MEDIA_TYPES, of_upload
from scriptixd.watch.filters import EXTENSIONS

KEY = "a-secret-key"
REQUEST = Request("nl", DocumentType.CAPTION)
LABELS = Labels("meeting.mp4")
MIB = 1024 * 1024


class Zeros:
    """A body of zeros that remembers how it was read."""

    def __init__(self, size: int, failure: Exception | None = None, fails_at: int = 0) -> None:
        self._size = size
        self._failure = failure
        self._fails_at = fails_at
        self.given = 0

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1, /) -> bytes:
        if self._failure is not None and self.given >= self._fails_at:
            raise self._failure
        block = bytes(min(count, self._size - self.given))
        self.given += len(block)
        return block


class Text:
    """A few bytes; `announced` may be a lie."""

    def __init__(self, content: bytes, announced: int | None = None) -> None:
        self._content = content
        self._announced = len(content) if announced is None else announced

    def __len__(self) -> int:
        return self._announced

    def read(self, count: int = -1, /) -> bytes:
        block, self._content = self._content[:count], self._content[count:]
        return block


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        yield scripted


@pytest.fixture
def scriptix(server: Scripted) -> Iterator[Scriptix]:
    client = Scriptix(Access(server.url, KEY, timeout_s=5.0, requests_per_minute=10_000))
    yield client
    client.close()


def create(scriptix: Scriptix, labels: Labels = LABELS, name: str = "meeting.mp4", size: int = 1000) -> str:
    return scriptix.create(REQUEST, labels, name, size)


def metadata_of(header: str) -> dict[str, str]:
    pairs = (pair.split(" ") for pair in header.split(","))
    return {key: base64.b64decode(value).decode("utf-8") for key, value in pairs}


# Opening


def test_a_creation_is_what_tus_and_scriptix_ask_for(server: Scripted, scriptix: Scriptix) -> None:
    server.will(bare(201, Location=f"{server.url}/files/abc123"))
    assert create(scriptix) == "abc123"
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.size) == ("POST", "/api/v3/files/", 0)
    assert seen.headers["tus-resumable"] == "1.0.0"
    assert seen.headers["upload-length"] == "1000"
    assert seen.headers["content-length"] == "0"
    assert seen.headers["x-zoom-s2t-key"] == KEY
    assert metadata_of(seen.headers["upload-metadata"]) == {
        "language": "nl",
        "document_type": "caption",
        "filetype": "video/mp4",
        "filename": "meeting.mp4",
        "punctuation": "true",
        "multichannel": "false",
        "keep_source": "false",
    }


@pytest.mark.parametrize(
    ("location", "file_id"),
    [
        ("/api/v3/files/abc", "abc"),
        ("abc", "abc"),
        ("https://elsewhere.example/other/path/abc", "abc"),
        ("//elsewhere.example/abc?token=1#x", "abc"),
        ("/api/v3/files/abc/", "abc"),
        ("/api/v3/files/a%2Bb+c~d%20e", "a%2Bb+c~d%20e"),
    ],
)
def test_only_the_last_segment_of_location_is_used_and_goes_back_as_it_came(
    server: Scripted, scriptix: Scriptix, location: str, file_id: str
) -> None:
    server.will(bare(201, Location=location), bare(200, Upload_Offset="0"))
    assert create(scriptix) == file_id
    assert scriptix.offset(file_id) == 0
    assert server.seen[1].path == f"/api/v3/files/{file_id}"


@pytest.mark.parametrize(
    "location",
    ["", "/", "/api/v3/files/", "https://x.example", "/files/..", "/files/%2e%2e", "http://[", "/" + "x" * 600],
)
def test_an_upload_without_a_usable_location_is_not_opened(server: Scripted, scriptix: Scriptix, location: str) -> None:
    server.will(bare(201, Location=location))
    with pytest.raises(Away, match="did not say where"):
        create(scriptix)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said({"error": "Unauthorized", "error_code": "INVALID_API_KEY"}, 401), AccountTrouble),
        (said({"error": "forbidden"}, 403), AccountTrouble),
        (said({"error": "quota"}, 402), QuotaTrouble),
        (page(404), AccountTrouble),
        (bare(405), AccountTrouble),
        (bare(410), AccountTrouble),
        (bare(412), AccountTrouble),
        (page(200), AccountTrouble),
        *(
            (bare(status, Location="https://elsewhere.example/files/x"), AccountTrouble)
            for status in (301, 302, 307, 308)
        ),
        (said({"error": {"message": "no", "details": {"field": "language"}}}, 422), FolderTrouble),
        (said({"error": "invalid-language"}, 400), FolderTrouble),
        (said({"message": "bad", "details": {"document_type": "?"}}, 422), FolderTrouble),
        (said({"detail": [{"loc": ["metadata", "document_type"], "msg": "wrong"}]}, 422), FolderTrouble),
        (Answer(400, {"Content-Type": "text/plain"}, b"unsupported Language 'xx'\n"), FolderTrouble),
        (said({"error": "no such filetype"}, 400), FileTrouble),
        (bare(400), FileTrouble),
        (bare(413, Tus_Max_Size="500"), FileTrouble),
        (bare(415), FileTrouble),
        (bare(431), FileTrouble),
        (Answer(400, {}, b"ERR_UPLOAD_INTERRUPTED: upload has been interrupted\n"), Away),
        *((bare(status), Away) for status in (408, 409, 418, 423, 429, 500, 501, 502, 503, 504)),
        (Answer(fault=Fault.DROP), Away),
        (Answer(201, {"Location": "x"}, b"body", fault=Fault.CUT), Away),
    ],
)
def test_every_refusal_of_a_creation_is_of_its_kind(
    server: Scripted, scriptix: Scriptix, answer: Answer, kind: type[Trouble]
) -> None:
    server.will(answer)
    with pytest.raises(Trouble) as caught:
        create(scriptix)
    assert type(caught.value) is kind
    assert KEY not in str(caught.value)
    assert len(server.seen) == 1, "nothing is followed, and nothing tried twice"


def test_a_wrong_url_is_named(server: Scripted, scriptix: Scriptix) -> None:
    server.will(page(404))
    with pytest.raises(AccountTrouble) as caught:
        create(scriptix)
    assert server.url in caught.value.what
    assert "api.url" in caught.value.hint


def test_a_file_that_is_called_language_pauses_no_folder(server: Scripted, scriptix: Scriptix) -> None:
    server.will(said({"error": "cannot take language lesson.mp3"}, 400))
    with pytest.raises(FileTrouble):
        create(scriptix, Labels("language lesson.mp3"), "language lesson.mp3")


def test_a_sentence_says_how_much_the_service_takes(server: Scripted, scriptix: Scriptix) -> None:
    server.will(bare(413, Tus_Max_Size="500"))
    with pytest.raises(FileTrouble, match="at most 500 bytes"):
        create(scriptix)


def test_no_sentence_repeats_the_key_or_the_webhook(server: Scripted, scriptix: Scriptix) -> None:
    hook = Webhook("https://hook.example/t0ken", headers=("Authorization: Bearer h1dden",))
    server.will(
        said({"error": f"{KEY} https://hook.example/t0ken Authorization: Bearer h1dden and Bearer h1dden"}, 400)
    )
    with pytest.raises(FileTrouble) as caught:
        create(scriptix, Labels("a.mp3", webhook=hook))
    assert not any(secret in str(caught.value) for secret in (KEY, "t0ken", "h1dden"))


# Metadata


def test_names_that_are_not_utf8_are_sent_with_replacements(server: Scripted, scriptix: Scriptix) -> None:
    server.will(bare(201, Location="abc"))
    name = b"caf\xe9 \xff.wav".decode("utf-8", "surrogateescape")
    create(scriptix, Labels(name, metadata=(("note", name),)), name)
    sent = metadata_of(server.seen[0].headers["upload-metadata"])
    assert sent["filename"] == sent["note"] == "caf\ufffd \ufffd.wav"
    assert sent["filetype"] == "audio/wav"


def test_a_hidden_name_leaves_only_its_extension() -> None:
    sent = of_upload(REQUEST, Labels(None), "Mrs. Smith, divorce.MP3")
    assert sent["filename"] == "recording.MP3"
    assert sent["filetype"] == "audio/mpeg"
    assert "Smith" not in str(sent)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("talk with Mrs. Smith", "recording"),
        ("Smith.Jones", "recording"),
        ("Smith", "recording"),
        (".smith", "recording"),
        ("Smith.tar.WAV", "recording.WAV"),
        ("Smith.dvr-ms", "recording.dvr-ms"),
    ],
)
def test_nothing_that_is_sent_tells_a_hidden_name_or_its_directories(
    server: Scripted, scriptix: Scriptix, name: str, shown: str
) -> None:
    server.will(bare(201, Location="abc"), bare(204, Upload_Offset="5"), said({"session_id": "s1"}))
    scriptix.send(create(scriptix, Labels(None), name), 0, Text(b"hello"))
    scriptix.session_of("abc")
    sent = metadata_of(server.seen[0].headers["upload-metadata"])
    assert sent["filename"] == shown
    everything = [*sent.values(), *(seen.path for seen in server.seen)]
    everything += [value for seen in server.seen for name, value in seen.headers.items() if name != "upload-metadata"]
    assert not any(word in text.lower() for text in everything for word in ("smith", "jones"))


def test_every_recording_that_is_picked_up_by_itself_is_sent_with_its_type() -> None:
    assert {f".{extension}" for extension in EXTENSIONS} <= MEDIA_TYPES.keys()


def test_what_is_not_set_is_not_sent_and_the_rest_is_text() -> None:
    request = Request("en-US", DocumentType.DOCUMENT, False, True, False, '{"max_line_length": 37}')
    labels = Labels("a.xyz", keep_source=True, folder_id=7, metadata=(("project", "x"), ("language", "de")))
    assert of_upload(request, labels, "a.xyz") == {
        "language": "en-US",
        "document_type": "document",
        "filetype": "application/octet-stream",
        "filename": "a.xyz",
        "punctuation": "false",
        "multichannel": "true",
        "keep_source": "true",
        "diarization": "false",
        "folder_id": "7",
        "document": '{"max_line_length": 37}',
        "project": "x",
    }


def test_a_webhook_is_keys_of_its_own_and_calls_once() -> None:
    hook = Webhook("https://hook.example/x", "PUT", ("A: 1", "B: 2"))
    sent = of_upload(REQUEST, Labels("a.mp3", webhook=hook), "a.mp3")
    assert (sent["webhook_url"], sent["webhook_method"]) == ("https://hook.example/x", "PUT")
    assert json.loads(sent["webhook_headers"]) == ["A: 1", "B: 2"]
    assert "document" not in sent


# Asking for the offset


@pytest.mark.parametrize("status", [200, 204])
def test_the_offset_is_the_servers(server: Scripted, scriptix: Scriptix, status: int) -> None:
    server.will(bare(status, Upload_Offset="700", Upload_Length="1000"))
    assert scriptix.offset("abc") == 700
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.headers["tus-resumable"]) == ("HEAD", "/api/v3/files/abc", "1.0.0")


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_upload_that_is_gone_has_no_offset(server: Scripted, scriptix: Scriptix, status: int) -> None:
    server.will(bare(status))
    assert scriptix.offset("abc") is None


@pytest.mark.parametrize(
    "answer",
    [
        bare(200),
        bare(200, Upload_Offset="-1"),
        bare(200, Upload_Offset="many"),
        bare(200, Upload_Offset="1e3"),
        bare(200, Upload_Offset="1001", Upload_Length="1000"),
        *(bare(status) for status in (400, 405, 408, 409, 412, 423, 425, 429, 460, 500, 503)),
        *(bare(status, Location="/api/v3/files/abc") for status in (301, 302, 307, 308)),
        Answer(fault=Fault.DROP),
    ],
)
def test_an_offset_that_is_none_means_that_the_service_is_away(
    server: Scripted, scriptix: Scriptix, answer: Answer
) -> None:
    server.will(answer)
    with pytest.raises(Away):
        scriptix.offset("abc")
    assert len(server.seen) == 1


def test_an_upload_of_another_length_or_with_more_than_ours_is_not_believed(
    server: Scripted, scriptix: Scriptix
) -> None:
    server.will(bare(200, Upload_Offset="700", Upload_Length="1000"), bare(200, Upload_Offset="700"))
    assert [scriptix.offset("abc", 1000), scriptix.offset("abc", 700)] == [700, 700]
    server.will(bare(200, Upload_Offset="700", Upload_Length="1000"), bare(200, Upload_Offset="1001"))
    for size, sentence in ((999, "999 bytes is to have 1000"), (1000, "impossible Upload-Offset")):
        with pytest.raises(Away, match=sentence):
            scriptix.offset("abc", size)


def test_a_refused_key_is_never_a_lost_upload(server: Scripted, scriptix: Scriptix) -> None:
    server.will(bare(401))
    with pytest.raises(AccountTrouble):
        scriptix.offset("abc")


# Sending


def test_a_part_is_sent_at_its_offset_and_the_new_one_is_the_servers(server: Scripted, scriptix: Scriptix) -> None:
    server.will(bare(204, Upload_Offset="105"), bare(204, Upload_Offset="107"))
    assert scriptix.send("abc", 100, Text(b"hello")) == 105
    assert scriptix.send("abc", 105, Text(b"world")) == 107, "it took less than was sent"
    first = server.seen[0]
    assert (first.method, first.path, first.body) == ("PATCH", "/api/v3/files/abc", b"hello")
    assert first.headers["upload-offset"] == "100"
    assert first.headers["content-length"] == "5"
    assert first.headers["content-type"] == "application/offset+octet-stream"
    assert "transfer-encoding" not in first.headers


@pytest.mark.parametrize("offset", [None, "99", "100", "106", "-3", "x", "9" * 30])
def test_an_absurd_offset_after_a_part_sends_us_back_to_ask(
    server: Scripted, scriptix: Scriptix, offset: str | None
) -> None:
    server.will(bare(204) if offset is None else bare(204, Upload_Offset=offset))
    with pytest.raises(Away):
        scriptix.send("abc", 100, Text(b"hello"))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (bare(401), AccountTrouble),
        (bare(402), QuotaTrouble),
        (bare(403), AccountTrouble),
        (bare(413), FileTrouble),
        (bare(415), FileTrouble),
        *(
            (bare(status), Away)
            for status in (400, 404, 405, 408, 409, 410, 412, 422, 423, 429, 460, 500, 502, 503, 504)
        ),
        *((bare(status, Location="https://elsewhere.example/x"), Away) for status in (301, 302, 303, 307, 308)),
        *((Answer(400, {}, f"{code}: x".encode()), Away) for code in ("ERR_UPLOAD_STOPPED", "ERR_UNEXPECTED_EOF")),
        (Answer(fault=Fault.DROP), Away),
        (Answer(200, {"Upload-Offset": "5"}, b"half of it", Fault.CUT), Away),
        (bare(400, Upload_Offset="5"), Away),
        (bare(410, Upload_Expires="Wed, 25 Jun 2014 16:00:00 GMT"), Away),
    ],
)
def test_every_refusal_of_a_part_is_of_its_kind(
    server: Scripted, scriptix: Scriptix, answer: Answer, kind: type[Trouble]
) -> None:
    server.will(answer)
    with pytest.raises(Trouble) as caught:
        scriptix.send("abc", 0, Text(b"hello"))
    assert type(caught.value) is kind
    assert len(server.seen) == 1


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.DEAF])
def test_a_part_that_is_not_taken_or_not_answered_is_away_in_time(server: Scripted, fault: Fault) -> None:
    server.will(Answer(fault=fault))
    scriptix = Scriptix(Access(server.url, KEY, timeout_s=0.3))
    with pytest.raises(Away):
        scriptix.send("abc", 0, Zeros(64 * MIB if fault is Fault.DEAF else 5))
    scriptix.close()


def test_a_conflict_asks_for_the_offset_at_once_and_a_lock_for_patience(server: Scripted, scriptix: Scriptix) -> None:
    server.will(bare(409), bare(423, Retry_After="3"))
    waits = []
    for _ in range(2):
        with pytest.raises(Away) as caught:
            scriptix.send("abc", 0, Text(b"hello"))
        waits.append(caught.value.retry_after)
    assert waits == [0.0, 3.0]


def test_a_long_part_is_streamed_in_constant_memory(server: Scripted, scriptix: Scriptix) -> None:
    size = 20 * MIB
    server.will(bare(204, Upload_Offset="1"), bare(204, Upload_Offset=str(size)))
    scriptix.send("abc", 0, Text(b"x"))  # what is imported on the first use is not counted
    tracemalloc.start()
    assert scriptix.send("abc", 0, Zeros(size)) == size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert server.seen[1].size == size
    assert peak < size / 4


@pytest.mark.parametrize("failure", [Stopped("now"), ShareTrouble("the disk is gone"), FileTrouble("it has changed")])
def test_what_is_raised_while_the_body_is_read_comes_out_unchanged(
    server: Scripted, scriptix: Scriptix, failure: Exception
) -> None:
    with pytest.raises(type(failure)) as caught:
        scriptix.send("abc", 0, Zeros(4 * MIB, failure, fails_at=MIB))
    assert caught.value is failure
    server.wait_for(1)
    server.will(bare(200, Upload_Offset="0"))
    assert scriptix.offset("abc") == 0, "the next request has a connection of its own"


def test_a_body_that_ends_early_ends_the_request_and_one_that_grows_is_cut(
    server: Scripted, scriptix: Scriptix
) -> None:
    with pytest.raises(Away, match="3 bytes before the end"):
        scriptix.send("abc", 0, Text(b"hello", announced=8))
    server.wait_for(1)
    server.will(bare(204, Upload_Offset="5"), bare(200, Upload_Offset="5"))
    assert scriptix.send("abc", 0, Text(b"hello and more", announced=5)) == 5
    assert server.seen[-1].body == b"hello"
    assert scriptix.offset("abc") == 5


# Giving up


@pytest.mark.parametrize("status", [200, 204, 404, 405, 410, 501])
def test_giving_up_is_done_where_it_is_offered(server: Scripted, scriptix: Scriptix, status: int) -> None:
    server.will(bare(status))
    scriptix.discard("abc")
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.headers["tus-resumable"]) == ("DELETE", "/api/v3/files/abc", "1.0.0")


@pytest.mark.parametrize(("status", "kind"), [(401, AccountTrouble), (423, Away), (500, Away), (302, Away)])
def test_giving_up_that_is_refused_is_trouble(
    server: Scripted, scriptix: Scriptix, status: int, kind: type[Trouble]
) -> None:
    server.will(bare(status))
    with pytest.raises(kind):
        scriptix.discard("abc")
