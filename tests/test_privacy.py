"""What nobody may read: a service that repeats all that it is told, and every place where that could stay."""

from __future__ import annotations

import base64
import json
import logging
import re
import socketserver
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from types import MappingProxyType

import pytest
from house import House, eventually, house, tone

from scriptixd.errors import Trouble
from scriptixd.jobs.job import DocumentType, Labels, Request, Webhook
from scriptixd.jobs.ports import Finished
from scriptixd.observe import log
from scriptixd.service.access import Access, AuthHeader
from scriptixd.service.client import Scriptix

KEY = "k3y-of-the-account-that-nobody-reads"
SHORT = KEY[:20]  # as much of it as a hasty sentence might quote of a number that is none
HOOK = Webhook(
    "https://hook.example/transcripts?token=t0ken-of-the-hook",
    headers=("Authorization: Bearer b3arer-of-the-hook", 'X-Quoted: q"u0ted-é-of-the-hook'),
)
SECRETS = (KEY, HOOK.url, *HOOK.headers, "t0ken-of-the-hook", "b3arer-of-the-hook", 'q"u0ted-é-of-the-hook')
REQUEST = Request("nl", DocumentType.CAPTION)
LABELS = Labels("a.wav", webhook=HOOK)


def written(secret: str) -> list[bytes]:
    """The secret as it may stand somewhere: plain, in JSON, in base64 wherever it begins there."""
    plain = secret.encode()
    inside = [base64.b64encode(bytes(before) + plain)[4:-4] for before in range(3)]
    return [plain, json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode(), *inside]


FORMS = sorted({form for secret in SECRETS for form in written(secret)})


def found_in(text: str | bytes) -> list[bytes]:
    data = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
    return [form for form in FORMS if form in data]


@dataclass
class Echo:
    """What a service has been told so far: headers as they came, and the metadata that was in them."""

    texts: dict[str, None] = field(default_factory=dict)  # each once, in order

    def hear(self, head: str) -> None:
        for line in head.split("\r\n")[1:]:
            self.texts[line] = None
            name, _, value = line.partition(": ")
            if name.lower() == "upload-metadata":
                for pair in value.split(","):
                    key, _, encoded = pair.partition(" ")
                    self.texts[f"{key}={base64.b64decode(encoded).decode()}"] = None

    @property
    def lines(self) -> list[str]:
        """The telling ones alone: a sentence quotes no more than its beginning."""
        telling = ("key", "authorization", "webhook", "upload-metadata")
        return [text for text in self.texts if text.lower().startswith(("x-zoom-s2t-key", *telling))]

    def __str__(self) -> str:
        return "; ".join(self.lines)


Reply = Callable[[str, Echo], bytes]  # to the head of a request
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Parrot:
    """A server on loopback whose replies are written byte by byte, from all that it was told until then."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.echo = Echo()
        self.heard: list[str] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/api/v3"

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        parrot = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while head := self._head():
                    length = re.search(r"(?im)^content-length: (\d+)", head)
                    body = self.rfile.read(int(length[1]) if length else 0)
                    parrot.echo.hear(head)
                    parrot.heard.append(head + body.decode("latin-1"))
                    self.wfile.write(parrot.reply(head, parrot.echo))

            def _head(self) -> str:
                lines = []
                while (line := self.rfile.readline()) not in (b"", b"\r\n"):
                    lines.append(line.decode().rstrip("\r\n"))
                return "\r\n".join(lines)

        return Handler

    def __enter__(self) -> Parrot:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def http(status: int, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS) -> bytes:
    """A reply as it goes over the line."""
    named = {"Content-Length": str(len(body)), **headers} if status != 204 else headers
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {text}" for name, text in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


SHAPES: dict[str, Callable[[Echo], bytes]] = {
    "a text": lambda echo: as_json({"error": f"you said {echo}"}),
    "a text in its own letters": lambda echo: json.dumps({"message": str(echo)}, ensure_ascii=False).encode(),
    "an object": lambda echo: as_json({"error": {"message": str(echo), "code": str(echo), "details": echo.lines}}),
    "fields": lambda echo: as_json({"detail": [{"loc": echo.lines, "msg": str(echo)}]}),
    "plain": lambda echo: str(echo).encode(),
    "tusd": lambda echo: f"ERR_UPLOAD_INTERRUPTED: {echo}".encode(),
    "an error of a session": lambda echo: as_json({"result": {"status": "error", "error": {"message": str(echo)}}}),
    "a status": lambda echo: as_json({"result": {"status": str(echo), "session_id": f"{echo}/"}}),
    "a list": lambda echo: as_json({"result": [{"id": "s1", "status": str(echo)}, {"id": "s2", "error": str(echo)}]}),
    "parts": lambda _echo: as_json({"error": f"no b3arer-of-the-hook at /transcripts?token=t0ken-of-the-hook, {KEY}"}),
    "each thing alone": lambda echo: as_json({"error": echo.lines[-1] if echo.lines else ""}),
}
STATUSES = (200, 201, 202, 204, 302, 400, 401, 402, 404, 409, 413, 415, 422, 423, 429, 460, 500, 503)


class Words:
    """A body of five bytes."""

    def __len__(self) -> int:
        return 5

    def read(self, count: int = -1, /) -> bytes:
        return b"words"[: count if count >= 0 else None]


def everything_told(scriptix: Scriptix) -> str:
    """All that comes of asking for everything: answers, sentences, and errors with all that led to them."""
    told = []
    for call in (
        lambda: scriptix.create(REQUEST, LABELS, "a.wav", 5),
        lambda: scriptix.offset("abc"),
        lambda: scriptix.send("abc", 0, Words()),
        lambda: scriptix.session_of("abc"),
        lambda: scriptix.look("s1"),
        lambda: scriptix.listed(0),
        lambda: scriptix.erase("s1"),
        lambda: scriptix.discard("abc"),
        scriptix.probe,
    ):
        try:
            told.append(repr(call()))
        except Trouble as trouble:
            told += [trouble.what, trouble.hint, *traceback.format_exception(trouble)]
    return "\n".join(told)


@contextmanager
def client(url: str, auth: AuthHeader = AuthHeader.SCRIPTIX, timeout_s: float = 5.0) -> Iterator[Scriptix]:
    """As the daemon makes it: it knows what its configuration has for webhooks."""
    scriptix = Scriptix(Access(url, KEY, auth, timeout_s, 1_000_000, secrets=HOOK.secrets))
    try:
        yield scriptix
    finally:
        scriptix.close()


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What a daemon writes that is to tell everything."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    log.start({}, verbose=True)
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)


def saying(status: int, shape: str) -> Reply:
    return lambda head, echo: http(status, b"" if status == 204 or head.startswith("HEAD") else SHAPES[shape](echo))


@pytest.mark.parametrize("shape", SHAPES)
def test_no_sentence_and_no_traceback_repeats_a_secret(shape: str, logged: Callable[[], str]) -> None:
    for status, auth in zip(STATUSES, cycle(AuthHeader)):
        with Parrot(saying(status, shape)) as parrot:
            with client(parrot.url, auth) as scriptix:
                told = everything_told(scriptix)
            assert len(parrot.heard) == 9
            assert found_in("\n".join(parrot.heard)), "it was told secrets"
        assert not found_in(told), (status, told)
    assert not found_in(logged())


def naming(status: int, header: str) -> Reply:
    return lambda _head, _echo: http(status, headers={header: SHORT})


@pytest.mark.parametrize(
    "header",
    ["Upload-Offset", "Upload-Length", "Retry-After", "Date", "Tus-Max-Size", "X-RateLimit-Limit",
     "X-RateLimit-Reset", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Set-Cookie"],
)  # fmt: skip
def test_no_header_of_a_reply_brings_a_secret_back(header: str, logged: Callable[[], str]) -> None:
    for status in (200, 201, 204, 302, 400, 413, 429, 503):
        with Parrot(naming(status, header)) as parrot:
            with client(parrot.url, timeout_s=0.5) as scriptix:
                told = everything_told(scriptix)
            assert len(parrot.heard) >= 9
        assert SHORT not in told, (status, told)
    assert SHORT not in logged()


@pytest.mark.parametrize(
    "reply",
    [
        lambda echo: f"{echo}\r\n\r\n",
        lambda echo: f"HTTP/1.1 {echo}\r\n\r\n",
        lambda echo: f"HTTP/1.1 200 {echo}\r\nContent-Length: 0\r\n\r\n",
        lambda echo: f"HTTP/1.1 200 OK\r\n{echo}\r\nContent-Length: 0\r\n\r\n",
        lambda echo: f"HTTP/1.1 200 OK\r\n: {echo}\r\n {echo}\r\n\r\n",
        lambda echo: f"HTTP/1.1 200 OK\r\nContent-Length: {echo}\r\n\r\n",
        lambda echo: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{echo}\r\n",
        lambda echo: f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(str(echo))}\r\n\r\n{echo}",
        lambda echo: f"HTTP/1.1 200 OK\r\nX: {str(echo) * 1000}\r\n\r\n",
    ],
    ids=["no HTTP", "no status", "reason", "no header", "empty name", "length", "chunks", "gzip", "long header"],
)
def test_a_reply_that_is_none_brings_no_secret_back(reply: Callable[[Echo], str], logged: Callable[[], str]) -> None:
    with Parrot(lambda _head, echo: reply(echo).encode()) as parrot:
        with client(parrot.url, timeout_s=0.3) as scriptix:
            told = everything_told(scriptix)
        assert parrot.heard
    assert not found_in(told), told
    assert not found_in(logged())


class Service:
    """Just enough of Scriptix for one upload: each kind of request fails once, with a reply that repeats everything."""

    def __init__(self, outcome: Callable[[Echo], object]) -> None:
        self.outcome = outcome
        self.failed: set[str] = set()
        self.done: list[str] = []

    def __call__(self, head: str, echo: Echo) -> bytes:
        method, path, _ = head.split("\r\n", maxsplit=1)[0].split(" ")
        kind = f"{method} {re.sub(r'[^/]+$', '…', path)}"
        if kind not in self.failed:
            self.failed.add(kind)
            return http(500, b"" if method == "HEAD" else as_json({"error": str(echo)}), {"Retry-After": "0"})
        self.done.append(kind)
        match method, path.removeprefix("/api/v3").split("/")[1:]:
            case "POST", _:
                return http(201, headers={"Location": "/api/v3/files/u1"})
            case "HEAD", _:
                return http(200, headers={"Upload-Offset": "0"})
            case "PATCH", _:
                sent = re.search(r"(?im)^content-length: (\d+)", head)
                return http(204, headers={"Upload-Offset": sent[1] if sent else "0"})
            case "GET", ["files", "u1"]:
                return http(200, as_json({"session_id": "s1"}))
            case "GET", [*_, "s1", "result"]:
                return http(200, as_json({"result": self.outcome(echo)}))
            case "DELETE", _:
                return http(200)
            case _:
                return http(404, as_json({"error": str(echo)}))


def refused(echo: Echo) -> object:
    return {"status": "error", "error": str(echo)}


def silent(echo: Echo) -> object:
    return {"status": "done", "duration": 1.0, "results": [], "asked": echo.lines}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        built.settings["defaults"]["scriptix"] = {
            "webhook": {"url": HOOK.url, "headers": dict(header.split(": ") for header in HOOK.headers)}
        }
        yield built


def places(home: House) -> dict[str, list[bytes]]:
    """Where secrets stand besides the configuration: files, what people are told, and how processes were called."""
    readable = [path for path in home.place.rglob("*") if path.is_file() and path != home.config]
    data = {str(path.relative_to(home.place)): path.read_bytes() for path in readable}
    for verb in (("list",), ("list", "--json"), ("status",), ("status", "--json"), ("explain", "a.wav")):
        done = home.say(*verb, check=False)
        data[" ".join(verb)] = (done.stdout + done.stderr).encode()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            data[str(process)] = process.read_bytes()
        except OSError:  # it has ended
            continue
    assert {"state.db", "daemon.log"} <= data.keys()
    return {name: found for name, text in data.items() if (found := found_in(text))}


def test_no_secret_stays_anywhere_after_a_journey_with_faults(home: House) -> None:
    home.typed_start = True
    service = Service(refused)
    folder = home.folder("media", language="nl", delete_remote=True)
    tone(folder / "a.wav", 0.5, 40)
    with Parrot(service) as parrot:
        home.settings["api"]["url"] = parrot.url
        home.start(TEST_KEY=KEY)
        home.until(1, "failed")
        assert places(home) == {}
        eventually(lambda: any(kind.startswith("DELETE") for kind in service.done), "its session is erased")
        methods = {kind.split()[0] for kind in service.failed}
        assert methods == {"POST", "HEAD", "PATCH", "GET", "DELETE"}
        assert found_in("".join(parrot.heard)), "it was told secrets"
        home.kill()
    assert "…" in home.say("explain", "a.wav").stdout, "its complaint is told, without them"
    assert places(home) == {}


TOLD = {"webhook_headers": HOOK.headers, "webhook_url": HOOK.url, "id": 12345678901234567890, "é": [None, KEY]}


@pytest.mark.parametrize("metadata", [TOLD, json.dumps(TOLD), base64.b64encode(json.dumps(TOLD).encode()).decode()])
@pytest.mark.parametrize("to_ascii", [True, False])
def test_a_result_that_repeats_secrets_is_kept_without_them(metadata: object, to_ascii: bool) -> None:
    said = [{"text": f"the word {KEY}", "start": 0.1}]
    body = json.dumps({"result": {"status": "done", "results": said, "meta": metadata}}, ensure_ascii=to_ascii).encode()
    with Parrot(lambda _head, _echo: http(200, body)) as parrot, client(parrot.url) as scriptix:
        answer = scriptix.look("s1")
    assert isinstance(answer, Finished)
    result = json.loads(answer.body)["result"]
    assert result.pop("results") == said, "what was said is not ours to change"
    assert result["status"] == "done"
    assert not found_in(json.dumps(result) + json.dumps(result, ensure_ascii=False))


def test_a_result_without_secrets_is_kept_as_it_came() -> None:
    body = b'{"status":  "done", "results": [], "note": 1.50}'
    with Parrot(lambda _head, _echo: http(200, body)) as parrot, client(parrot.url) as scriptix:
        assert scriptix.look("s1") == Finished(body, None)


@pytest.mark.parametrize("status", [401, 402, 413, 422])
def test_no_secret_stays_anywhere_when_the_first_request_is_refused(home: House, status: int) -> None:
    tone(home.folder("media", language="nl") / "a.wav", 0.5, 40)
    with Parrot(lambda _head, echo: http(status, as_json({"error": f"language: {echo}"}))) as parrot:
        home.settings["api"]["url"] = parrot.url
        home.start(TEST_KEY=KEY)
        eventually(lambda: str(status) in home.log.read_text(), "it is told")
        eventually(lambda: f"{status}: " in home.say("status", "--json").stdout + str(home.list()), "it is shown")
        assert places(home) == {}


def test_a_hidden_name_and_its_directories_are_in_nothing_that_is_sent(home: House) -> None:
    folder = home.folder("Smith versus Smith", language="nl", scriptix={"filename": "hide"}, delete_remote=True)
    place = folder / "very private"
    place.mkdir()
    tone(place / "the divorce of John Smith.WAV", 0.5, 40)
    service = Service(silent)
    with Parrot(service) as parrot:
        home.settings["api"]["url"] = parrot.url
        home.start(TEST_KEY=KEY)
        home.until(1)
        eventually(lambda: any(kind.startswith("DELETE") for kind in service.done), "its session is erased")
        sent = "\n".join([*parrot.heard, *parrot.echo.texts]).lower()
        assert "filename=recording.wav" in sent
        for word in ("smith", "divorce", "john", "private", "versus", str(home.place).lower()):
            assert word not in sent
        assert '"asked"' in (place / "the divorce of John Smith.json").read_text()
        assert places(home) == {}, "the sidecar repeats what the service does, but for secrets"
