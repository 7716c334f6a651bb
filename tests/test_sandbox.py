"""The sandbox over real HTTP: TUS, sessions, keys, and what is left after kill -9."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import av
import pytest
import requests
from starlette.types import Message, Receive, Scope, Send

from scriptixd import sandbox as door
from scriptixd.errors import StartError
from scriptixd.sandbox import SAMPLE, open_sandbox
from scriptixd.sandbox.recognition import Listener
from scriptixd.sandbox.records import SeenRequest
from scriptixd.sandbox.server import Sandbox
from scriptixd.sandbox.wire import Wire

PATIENCE = 120.0  # s; a deadline for conditions, never a measure
SAMPLE_RATE = 16_000
MIB = 1024 * 1024

PROGRAM = """
import sys
from pathlib import Path
from scriptixd.sandbox import open_sandbox, serve
serve(open_sandbox(Path(sys.argv[1]), int(sys.argv[2])), lambda url: print(url, flush=True))
"""


T = TypeVar("T")


def eventually(look: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
    return seen


class Client:
    """The documented calls by plain requests, with nothing of scriptixd's own client."""

    def __init__(self, url: str, key: str = "a-key") -> None:
        self.url = url
        self.headers = {"x-zoom-s2t-key": key, "Tus-Resumable": "1.0.0"}

    def get(self, path: str, **query: int) -> requests.Response:
        return requests.get(f"{self.url}/{path}", headers=self.headers, params=query, timeout=30)

    def create(self, size: int, path: str = "files/", **metadata: str) -> str:
        pairs = {"language": "nl", "document_type": "caption"} | metadata
        encoded = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
        answer = requests.post(
            f"{self.url}/{path}",
            headers=self.headers | {"Upload-Length": str(size), "Upload-Metadata": encoded},
            allow_redirects=False,
            timeout=30,
        )
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def patch(self, location: str, offset: int, body: bytes) -> requests.Response:
        return requests.patch(location, headers=self.headers | patch_headers(offset), data=body, timeout=30)

    def offset(self, location: str) -> int:
        answer = requests.head(location, headers=self.headers, timeout=30)
        assert answer.status_code == 200
        return int(answer.headers["Upload-Offset"])

    def upload(self, body: bytes, **metadata: str) -> str:
        location = self.create(len(body), **metadata)
        if body:
            assert self.patch(location, 0, body).status_code == 204
        return location

    def session(self, location: str) -> str | None:
        answer = requests.get(location, headers=self.headers, timeout=30)
        assert answer.status_code == 200
        session: str | None = answer.json()["result"]["session_id"]
        return session

    def result(self, session: str) -> dict[str, Any]:
        answer = self.get(f"speech-to-text/session/{session}/result")
        assert answer.status_code == 200
        result: dict[str, Any] = answer.json()["result"]
        return result

    def final_result(self, session: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            result = self.result(session)
            return result if result["status"] != "processing" else None

        found = eventually(look)
        assert found is not None
        return found

    def outcome(self, body: bytes, **metadata: str) -> dict[str, Any]:
        session = self.session(self.upload(body, **metadata))
        assert session is not None
        return self.final_result(session)

    def remove(self, session: str) -> int:
        url = f"{self.url}/speech-to-text/session/{session}"
        return requests.delete(url, headers=self.headers, timeout=30).status_code

    def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = requests.get(self.url.replace("/api/v3", "/sandbox/counts"), timeout=30).json()
        return counts


def patch_headers(offset: int) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}


@contextmanager
def stalled_patch(client: Client, location: str, directory: Path, size: int, offset: int = 0) -> Iterator[bytes]:
    """A PATCH that announces the rest of `size` bytes, sends 2 MiB, and waits; yields what it has sent."""
    at = urlsplit(location)
    assert at.hostname is not None
    headers = client.headers | patch_headers(offset) | {"Host": at.netloc, "Content-Length": str(size - offset)}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    file, sent = directory / "uploads" / location.rpartition("/")[2], os.urandom(2 * MIB)
    with socket.create_connection((at.hostname, at.port or 80), timeout=30) as connection:
        connection.sendall(f"PATCH {at.path} HTTP/1.1\r\n{head}\r\n".encode() + sent)
        eventually(lambda: file.stat().st_size > offset)
        yield sent


def wav(samples: bytes, path: Path) -> bytes:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples)
    return path.read_bytes()


@pytest.fixture(scope="module")
def samples() -> bytes:
    """The spoken sample as raw 16-bit samples."""
    with av.open(str(SAMPLE)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return b"".join(bytes(part.planes[0])[: part.samples * 2] for part in parts)


def clip(samples: bytes, start: float, stop: float) -> bytes:
    return samples[int(start * SAMPLE_RATE) * 2 : int(stop * SAMPLE_RATE) * 2]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path / "sandbox", workers=1) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox.url)


class Program:
    """The sandbox as a process of its own, to be killed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Client:
        command = [sys.executable, "-W", "error", "-c", PROGRAM, str(self.directory), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        self.port = urlsplit(url).port or 0
        return Client(url)

    def end(self, number: int) -> tuple[int, str]:
        assert self.process is not None
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path / "sandbox")
    yield program
    if program.process is not None and program.process.poll() is None:
        program.end(signal.SIGKILL)


def children(pid: int) -> set[int]:
    """The child processes of all threads of a process."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for file in lists for child in file.read_text().split()}


def test_an_upload_in_chunks_with_a_resumption_becomes_a_transcript(client: Client) -> None:
    body = SAMPLE.read_bytes()
    location = client.create(len(body), filename="austen.flac", filetype="audio/flac")
    assert location.startswith(f"{client.url}/files/")
    assert client.patch(location, 0, body[:100_000]).headers["Upload-Offset"] == "100000"
    assert client.patch(location, 50_000, body[50_000:]).status_code == 409
    assert client.session(location) is None
    assert client.offset(location) == 100_000
    assert client.patch(location, 100_000, body[100_000:]).status_code == 204

    session = client.session(location)
    assert session is not None
    early = client.result(session)
    assert (early["status"], early["results"], early["error"]) == ("processing", None, None)
    result = client.final_result(session)
    assert (result["status"], result["error"], result["filename"]) == ("done", None, "austen.flac")
    text = " ".join(utterance["text"] for utterance in result["results"])
    assert {"leisure", "married", "amiable", "respectable"} <= set(text.split())
    words = [word for utterance in result["results"] for word in utterance["result"]]
    assert all(0 <= start < stop <= result["duration"] for _, start, stop, _ in words)
    assert all(0 <= confidence <= 1 for *_, confidence in words)
    assert [word[1] for word in words] == sorted(word[1] for word in words)
    assert not any(set("<>[]()+") & set(word[0]) for word in words)
    assert len(result["results"]) >= 5
    assert {(u["speaker"], u["channel"]) for u in result["results"]} == {("unk", 0)}
    assert result["duration"] == pytest.approx(27.73, abs=0.1)
    details = client.get(f"speech-to-text/session/{session}").json()
    assert (details["status"], details["language"], details["media_type"]) == ("done", "nl", "audio/flac")
    assert "English" in details["sandbox_note"]


@pytest.mark.parametrize("path", ["files/", "files"])
def test_an_upload_is_created_with_and_without_the_last_slash(client: Client, path: str) -> None:
    location = client.create(3, path)
    assert location.startswith(f"{client.url}/files/")
    answer = requests.options(f"{client.url}/{path}", headers=client.headers, timeout=30)
    assert answer.status_code == 204
    assert "creation" in answer.headers["Tus-Extension"].split(",")


def test_the_offset_is_told_for_an_upload_without_filename_and_filetype(client: Client) -> None:
    location = client.create(10)
    assert client.offset(location) == 0
    client.patch(location, 0, b"12345")
    assert client.offset(location) == 5
    metadata = requests.get(location, headers=client.headers, timeout=30).json()["result"]["metadata"]
    assert metadata == {"language": "nl", "document_type": "caption", "folder_id": None}


def test_a_completed_upload_is_one_job_however_often_its_end_is_sent(client: Client) -> None:
    location = client.upload(b"no media at all", filename="x.mp4")
    session = client.session(location)
    for _ in range(3):
        assert client.patch(location, 15, b"").status_code == 204
    assert client.session(location) == session
    counts = client.counts()
    assert (counts["created"], counts["completed"], counts["requests"]) == (1, 1, 7)
    [upload] = counts["uploads"]
    assert upload == {
        "id": location.rpartition("/")[2],
        "filename": "x.mp4",
        "language": "nl",
        "document_type": "caption",
        "size": 15,
        "completed": 1,
        "sha256": hashlib.sha256(b"no media at all").hexdigest(),
    }


def test_bytes_beyond_the_announced_length_are_refused_and_do_no_harm(client: Client) -> None:
    body = os.urandom(3 * MIB)
    location = client.create(len(body))
    assert client.patch(location, 0, body[: 2 * MIB]).status_code == 204
    assert client.patch(location, 2 * MIB, os.urandom(2 * MIB)).status_code == 400
    assert client.offset(location) == 2 * MIB
    assert client.patch(location, 2 * MIB, body[2 * MIB :]).status_code == 204
    assert client.counts()["uploads"][0]["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_connection_that_breaks_keeps_the_bytes_that_came(client: Client, tmp_path: Path) -> None:
    location = client.create(3 * MIB)
    with stalled_patch(client, location, tmp_path / "sandbox", 3 * MIB) as sent:
        assert client.offset(location) == 0
    offset = eventually(lambda: client.offset(location))
    assert offset <= len(sent)
    body = sent + os.urandom(MIB)
    eventually(lambda: client.patch(location, offset, body[offset:]).status_code == 204)
    assert client.counts()["uploads"][0]["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_stalled_patch_blocks_neither_a_second_one_nor_anybody_else(client: Client, tmp_path: Path) -> None:
    stalled, other = client.create(4 * MIB), client.create(4)
    with stalled_patch(client, stalled, tmp_path / "sandbox", 4 * MIB):
        assert client.patch(stalled, 0, b"").status_code == 423
        assert client.patch(stalled, 0, os.urandom(4 * MIB)).status_code == 423  # its whole body was read
        assert client.offset(stalled) == 0
        assert client.patch(other, 0, b"done").status_code == 204
        assert client.get("speech-to-text/session").json()["total_results"] == 1


def test_a_given_up_upload_is_gone(client: Client) -> None:
    location = client.create(10)
    assert requests.delete(location, headers=client.headers, timeout=30).status_code == 204
    assert requests.head(location, headers=client.headers, timeout=30).status_code == 404
    assert requests.get(location, headers=client.headers, timeout=30).status_code == 404
    assert client.patch(location, 0, b"x").status_code == 404
    assert client.counts()["created"] == 1


def test_requests_that_tus_does_not_allow_are_refused_before_anything_is_stored(client: Client) -> None:
    location = client.create(10)
    wrong_version = client.headers | patch_headers(0) | {"Tus-Resumable": "0.2.2"}
    assert requests.patch(location, headers=wrong_version, data=b"x", timeout=30).status_code == 412
    wrong_type = client.headers | patch_headers(0) | {"Content-Type": "text/plain"}
    assert requests.patch(location, headers=wrong_type, data=b"x", timeout=30).status_code == 415
    assert client.offset(location) == 0
    too_large = client.headers | {"Upload-Length": str(11 * 1024**3)}
    assert requests.post(f"{client.url}/files/", headers=too_large, timeout=30).status_code == 413
    assert requests.post(f"{client.url}/files/", headers=client.headers, timeout=30).status_code == 400
    with_body = client.headers | {"Upload-Length": "1"}
    assert requests.post(f"{client.url}/files/", headers=with_body, data=b"x", timeout=30).status_code == 400


def test_what_is_no_media_has_no_sound_or_is_empty_ends_in_error_and_silence_in_nothing(
    client: Client, tmp_path: Path
) -> None:
    silent_film = tmp_path / "film.mp4"
    with av.open(str(silent_film), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height = 64, 48
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    for body, reason in [
        (b"this is a letter, not a recording", "cannot be read as audio or video"),
        (b"", "empty"),
        (silent_film.read_bytes(), "no sound"),
    ]:
        result = client.outcome(body)
        assert (result["status"], result["results"]) == ("error", None)
        assert reason in result["error"]
        details = client.get(f"speech-to-text/session/{result['session_id']}").json()
        assert (details["status"], details["error"]) == ("error", result["error"])
    silence = client.outcome(wav(bytes(2 * SAMPLE_RATE * 2), tmp_path / "silence.wav"))
    assert (silence["status"], silence["results"], silence["duration"]) == ("done", [], 2.0)


def test_times_count_from_the_start_of_the_media_and_each_file_is_heard_afresh(samples: bytes, tmp_path: Path) -> None:
    speech = clip(samples, 17.0, 20.0)
    early, late = tmp_path / "early.wav", tmp_path / "late.wav"
    wav(speech, early)
    wav(bytes(5 * SAMPLE_RATE * 2) + speech, late)
    listener = Listener()
    first, second, third = (listener.hear(path) for path in (early, late, early))
    assert first == third
    assert "amiable" in [word.text for words in first.utterances for word in words]
    assert second.utterances[0][0].start - first.utterances[0][0].start == pytest.approx(5.0, abs=0.2)


def test_speech_up_to_the_last_sample_is_heard(samples: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    for stop in (19.0, 19.013):  # with and without a last frame that is not full
        wav(clip(samples, 17.0, stop), path)
        heard = Listener().hear(path)
        assert heard.utterances[-1][-1].stop == pytest.approx(stop - 17.0, abs=0.2)


def test_the_key_is_asked_for_everywhere(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, key="right") as sandbox:
        location = Client(sandbox.url, "right").create(3)
        paths = ["speech-to-text/session", "speech-to-text/session/x", "speech-to-text/session/x/result"]
        for key, code in [("", "MISSING_API_KEY"), ("wrong", "INVALID_API_KEY")]:
            client = Client(sandbox.url, key)
            answers = [client.get(path) for path in [*paths, f"files/{location.rpartition('/')[2]}"]]
            answers.append(requests.post(f"{sandbox.url}/files/", headers=client.headers, timeout=30))
            answers.append(client.patch(location, 0, b"abc"))
            answers.append(requests.options(f"{sandbox.url}/files/", headers=client.headers, timeout=30))
            for answer in answers:
                assert (answer.status_code, answer.json()["error_code"]) == (401, code)
                assert answer.json()["error"] == "Unauthorized"
        bearer = {"Authorization": "Bearer right"}
        assert requests.get(f"{sandbox.url}/speech-to-text/session", headers=bearer, timeout=30).status_code == 200
        assert requests.head(location, headers=client.headers, timeout=30).status_code == 401


def test_a_session_is_seen_only_with_the_key_that_made_it(client: Client) -> None:
    location = client.upload(b"abc")
    session = client.session(location)
    assert session is not None
    client.final_result(session)
    other = Client(client.url, "another-key")
    assert other.get(f"speech-to-text/session/{session}/result").status_code == 401
    assert other.get(f"speech-to-text/session/{session}").status_code == 404
    assert other.remove(session) == 404
    assert other.get("speech-to-text/session").json() == {"count": 0, "total_results": 0, "result": []}
    assert requests.get(location, headers=other.headers, timeout=30).status_code == 404
    assert requests.head(location, headers=other.headers, timeout=30).status_code == 404
    assert client.get(f"speech-to-text/session/{session}").status_code == 200


def test_removing_a_session_erases_names_transcript_and_media(client: Client, tmp_path: Path) -> None:
    location = client.upload(b"private", filename="private.mp3", keep_source="true")
    session = client.session(location)
    assert session is not None
    client.final_result(session)
    media = tmp_path / "sandbox" / "uploads"
    assert [file.read_bytes() for file in media.iterdir()] == [b"private"]
    assert client.remove("unknown") == 404
    assert client.remove(session) == 200
    assert client.remove(session) == 400
    assert list(media.iterdir()) == []
    assert client.get(f"speech-to-text/session/{session}").status_code == 404
    assert client.get(f"speech-to-text/session/{session}/result").status_code == 404
    assert client.get("speech-to-text/session").json()["total_results"] == 0
    counts = client.counts()
    assert (counts["completed"], counts["uploads"][0]["filename"]) == (1, None)


def test_media_is_not_kept_longer_than_it_is_listened_to(client: Client, tmp_path: Path) -> None:
    client.outcome(b"no media")
    eventually(lambda: not list((tmp_path / "sandbox" / "uploads").iterdir()))


def test_sessions_are_listed_newest_first_in_pages(client: Client) -> None:
    made = [client.session(client.upload(b"x%d" % number)) for number in range(7)]
    newest_first = made[::-1]

    def page(**query: int) -> tuple[int, int, list[str]]:
        answer = client.get("speech-to-text/session", **query).json()
        return answer["count"], answer["total_results"], [it["session_id"] for it in answer["result"]]

    assert page() == (7, 7, newest_first)
    assert page(limit=3) == (3, 7, newest_first[:3])
    assert page(limit=3, offset=5) == (2, 7, newest_first[5:])
    assert page(limit=1000, offset=7) == (0, 7, [])


def test_twenty_clips_at_once_each_get_their_own_transcript(sandbox: Sandbox, samples: bytes, tmp_path: Path) -> None:
    client = Client(sandbox.url)
    bodies = [
        wav(clip(samples, 17 + number / 20, 17.5 + number / 20), tmp_path / f"{number}.wav") for number in range(20)
    ]
    with ThreadPoolExecutor(8) as pool:
        locations = list(pool.map(client.upload, bodies))
    results = [client.final_result(session) for session in map(client.session, locations) if session]
    assert [result["status"] for result in results] == ["done"] * 20
    counts = client.counts()
    assert (counts["created"], counts["completed"]) == (20, 20)
    assert {it["sha256"] for it in counts["uploads"]} == {hashlib.sha256(body).hexdigest() for body in bodies}


def test_a_kill_in_the_middle_of_a_patch_never_corrupts_the_resumed_upload(program: Program) -> None:
    client = program.start()
    body = os.urandom(5 * MIB)
    location = client.create(len(body), filename="film.mp4")
    assert client.patch(location, 0, body[:MIB]).status_code == 204
    with stalled_patch(client, location, program.directory, len(body), offset=MIB):  # other bytes than are sent later
        program.end(signal.SIGKILL)

    client = program.start()
    assert client.offset(location) == MIB
    assert client.session(location) is None
    assert client.patch(location, MIB, body[MIB : 2 * MIB]).status_code == 204
    assert client.patch(location, 2 * MIB, body[2 * MIB :]).status_code == 204
    counts = client.counts()
    assert (counts["created"], counts["completed"]) == (1, 1)
    assert counts["uploads"][0]["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_kill_in_the_middle_of_recognition_loses_no_session_and_leaves_no_process(
    program: Program, samples: bytes, tmp_path: Path
) -> None:
    client = program.start()
    assert program.process is not None
    pid = program.process.pid
    session = client.session(client.upload(wav(clip(samples, 17.0, 23.5), tmp_path / "austen.wav")))
    assert session is not None
    listening = eventually(lambda: children(pid))
    assert client.result(session)["status"] == "processing"
    program.end(signal.SIGKILL)
    eventually(lambda: not any(running(child) for child in listening))

    client = program.start()
    result = client.final_result(session)
    assert "respectable" in " ".join(utterance["text"] for utterance in result["results"])
    assert client.counts()["completed"] == 1


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_an_upload_that_was_complete_without_a_session_gets_one_at_the_start(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        client = Client(sandbox.url)
        location = client.create(4)
        assert client.patch(location, 0, b"abc").status_code == 204
    # The kill falls between the last byte's offset and the session: the offset is all that was saved.
    with (tmp_path / "uploads" / location.rpartition("/")[2]).open("ab") as file:
        file.write(b"d")
    database = sqlite3.connect(tmp_path / "sandbox.db")
    database.execute("UPDATE uploads SET offset = 4")
    database.commit()
    database.close()
    with open_sandbox(tmp_path) as sandbox:
        client = Client(sandbox.url)
        session = client.session(location.replace(location.partition("/api")[0], sandbox.url.partition("/api")[0]))
        assert session is not None
        assert client.final_result(session)["status"] == "error"
        assert client.counts()["completed"] == 1
        assert client.counts()["uploads"][0]["sha256"] == hashlib.sha256(b"abcd").hexdigest()


def test_a_file_that_breaks_the_recogniser_costs_only_its_own_session(sandbox: Sandbox) -> None:
    client = Client(sandbox.url)
    before = children(os.getpid())
    session = client.session(client.upload(SAMPLE.read_bytes()))
    assert session is not None
    [child] = eventually(lambda: children(os.getpid()) - before)
    os.kill(child, signal.SIGKILL)
    result = client.final_result(session)
    assert (result["status"], "broke down" in result["error"]) == ("error", True)
    assert "cannot be read" in client.outcome(b"no media")["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_silently_even_with_a_stalled_upload(program: Program, number: int) -> None:
    client = program.start()
    location = client.create(3 * MIB)
    client.upload(SAMPLE.read_bytes())
    with stalled_patch(client, location, program.directory, 3 * MIB):
        assert program.end(number) == (0, "")


def test_nothing_is_left_behind_after_the_stop(tmp_path: Path) -> None:
    threads, processes = set(threading.enumerate()), children(os.getpid())
    with open_sandbox(tmp_path) as sandbox:
        client = Client(sandbox.url)
        client.upload(SAMPLE.read_bytes())
        eventually(lambda: children(os.getpid()) - processes)
    assert set(threading.enumerate()) == threads
    assert children(os.getpid()) == processes
    with pytest.raises(requests.ConnectionError):
        client.counts()


def test_a_port_or_a_directory_that_is_taken_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    port = urlsplit(sandbox.url).port
    assert port is not None
    with pytest.raises(StartError, match=str(port)) as refused:
        open_sandbox(tmp_path / "other", port).start()
    assert "port" in refused.value.hint
    with pytest.raises(StartError, match="another sandbox is using"):
        open_sandbox(tmp_path / "sandbox").start()
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(StartError, match="cannot keep its state"):
        open_sandbox(tmp_path / "file").start()
    assert Client(sandbox.url).counts()["created"] == 0


def test_without_the_optional_packages_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "PACKAGES", ("uvicorn", "a_package_that_is_not_there"))
    with pytest.raises(StartError, match="needs a_package_that_is_not_there") as refused:
        open_sandbox(tmp_path)
    assert refused.value.hint == f"{sys.prefix}/bin/pip install 'scriptixd[sandbox]'"


def test_a_body_that_stops_coming_ends_like_a_broken_connection() -> None:
    heard: list[str] = []
    noted: list[SeenRequest] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        heard.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def silence() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(_message: Message) -> None:
        pass

    scope = {"type": "http", "method": "PATCH", "path": "/x", "headers": [(b"content-length", b"5")]}
    asyncio.run(Wire(app, noted.append, stall_timeout=0.01)(scope, silence, send))
    assert heard == ["http.disconnect"]
    assert [(seen.method, seen.path, seen.status) for seen in noted] == [("PATCH", "/x", 204)]
