"""Sending one large file to a TUS server on loopback: ours against curl, which does nothing else, and against tuspy.

`python tests/benchmarks/upload.py [--gib 2] [--rounds 5]`

To @tus/server, which keeps what it gets in memory; and then to a server of ours that counts the bytes and throws them
away, for it to be no part of what is measured. Each is a process of its own. All peers take turns within each round.
The file lies in the page cache.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urljoin
from urllib.request import Request as Asked
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fakes import memory_disk
from measuring import MIB, a_place, memory, table, verdict
from reference_server import reference

GIB = 1024 * MIB
CHUNK = 50 * MIB  # what Scriptix recommends, and our default
GOAL, MOST = 0.85, 80.0  # of curl's speed, to a TUS server; MiB
LOOK = 0.01  # s between two looks at curl's memory: it never gives any back
BLOCK = 4 * MIB  # bytes that are written, and received, at once


class Receiver(BaseHTTPRequestHandler):
    """TUS 1.0.0, as far as it takes to receive; nothing is kept but counts."""

    protocol_version = "HTTP/1.1"
    rbufsize = 64 * 1024
    uploads: dict[str, list[int]] = {}  # noqa: RUF012 - one table for all connections; size and offset
    room = bytearray(BLOCK)

    def do_POST(self) -> None:
        name = str(len(self.uploads))
        self.uploads[name] = [int(self.headers["Upload-Length"]), 0]
        self._answer(201, Location=f"/files/{name}")

    def do_HEAD(self) -> None:
        size, offset = self._upload()
        self._answer(200, Upload_Length=str(size), Upload_Offset=str(offset))

    def do_PATCH(self) -> None:
        upload, left = self._upload(), int(self.headers["Content-Length"])
        if int(self.headers["Upload-Offset"]) != upload[1]:
            self.close_connection = True
            return self._answer(409)
        view = memoryview(self.room)
        while left and (count := self.rfile.readinto(view[: min(left, BLOCK)])):
            upload[1] += count
            left -= count
        return self._answer(204, Upload_Offset=str(upload[1]))

    def _upload(self) -> list[int]:
        return self.uploads[self.path.rpartition("/")[2]]

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in (headers | {"Tus_Resumable": "1.0.0", "Content_Length": "0"}).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing is printed."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where it is, up to the path, and how it gets rid of what it was sent."""

    url: str
    clear: Callable[[], None]


def serve() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


@contextmanager
def a_tus_server() -> Iterator[Server]:
    with TemporaryDirectory(dir=memory_disk()) as place, reference(Path(place), "count") as running:

        def clear() -> None:
            for one in (Path(place) / "uploads").iterdir():
                one.unlink()

        yield Server(running.url, clear)


@contextmanager
def a_receiver() -> Iterator[Server]:
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}", lambda: None)
        finally:
            process.terminate()


Sending = Callable[[str, Path], None]


def ours() -> Sending:
    """As the pipeline does it: the last part is read once before, for the SHA-256 of the whole."""
    from scriptixd.jobs.job import DocumentType, Labels, Request
    from scriptixd.jobs.reading import NOTHING, Chunk, Content
    from scriptixd.roots.local import LocalRoot
    from scriptixd.service.access import Access
    from scriptixd.service.client import Scriptix

    def send(url: str, file: Path) -> None:
        scriptix = Scriptix(Access(url, "a-key", requests_per_minute=10_000))
        with LocalRoot(file.parent).open(file.name) as reader:
            stat = reader.stat()
            content = Content(reader, file.name, stat, lambda: False, lambda: None)
            file_id = scriptix.create(Request("nl", DocumentType.CAPTION), Labels(file.name), file.name, stat.size)
            read = NOTHING
            while read.length < stat.size:
                content.check()
                count = min(CHUNK, stat.size - read.length)
                is_last = read.length + count == stat.size
                whole = content.extend(read, stat.size).digest.hexdigest() if is_last else None
                with Chunk(content, read, count, lambda _offset: None, whole) as chunk:
                    offset = scriptix.send(file_id, read.length, chunk)
                read = chunk.prefix
                assert offset == read.length
        scriptix.close()

    return send


def tuspy(chunk: int | None = None) -> Sending:
    from tusclient.client import TusClient

    def send(url: str, file: Path) -> None:
        named = {"filename": file.name}  # without any, it sends an empty header that servers refuse
        parts = {} if chunk is None else {"chunk_size": chunk}
        uploader = TusClient(f"{url}/files/").uploader(str(file), metadata=named, **parts)
        uploader.upload()
        assert uploader.offset == file.stat().st_size

    return send


PEERS: dict[str, Callable[[], Sending]] = {
    "scriptixd, parts of 50 MiB, SHA-256": ours,
    "tuspy, as its README shows it": tuspy,
    "tuspy, parts of 50 MiB": lambda: tuspy(CHUNK),
}
CURL = "curl, one PATCH"
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True, slots=True)
class Sent:
    """One upload of one peer."""

    seconds: float
    cpu: float  # s, of the peer alone
    peak: float  # MiB


def as_peer(name: str, url: str, file: Path) -> None:
    """In a process of its own; its imports are not timed, and what they take in memory counts."""
    send = PEERS[name]()
    began, cpu = time.perf_counter(), time.process_time()
    send(url, file)
    sent = Sent(time.perf_counter() - began, time.process_time() - cpu, memory("self", "VmHWM"))
    print(json.dumps(asdict(sent)))


def by_peer(name: str, url: str, file: Path) -> Sent:
    command = [sys.executable, __file__, "--peer", name, "--url", url, "--file", str(file)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Sent(**json.loads(done.stdout))


def by_curl(url: str, file: Path) -> Sent:
    """Timed with the start of its process, which is some ten milliseconds."""
    size = file.stat().st_size
    creation = Asked(f"{url}/files/", method="POST", headers=TUS | {"Upload-Length": str(size)})  # noqa: S310 - loopback
    with urlopen(creation) as reply:  # noqa: S310
        place = urljoin(f"{url}/files/", reply.headers["Location"])
    command = ["curl", "--silent", "--fail", "--request", "PATCH", "--upload-file", str(file)]
    for header in ("Upload-Offset: 0", "Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream"):
        command += ["--header", header]
    began, cpu, peak = time.perf_counter(), cpu_of_children(), 0.0
    with subprocess.Popen([*command, place]) as process:
        while process.poll() is None:
            with suppress(StopIteration, FileNotFoundError):  # it is ending
                peak = max(peak, memory(process.pid, "VmHWM"))
            time.sleep(LOOK)
    seconds = time.perf_counter() - began
    assert process.returncode == 0
    with urlopen(Asked(place, method="HEAD", headers=TUS)) as reply:  # noqa: S310
        assert reply.headers["Upload-Offset"] == str(size)
    return Sent(seconds, cpu_of_children() - cpu, peak)


def cpu_of_children() -> float:
    """Seconds of those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make_file(place: Path, size: int) -> Path:
    file = place / "recording.wav"
    with file.open("wb") as written:
        for _ in range(size // BLOCK):
            written.write(os.urandom(BLOCK))
        written.write(os.urandom(size % BLOCK))
    return file


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gib", type=float, default=2.0)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    options.add_argument("--url", help=argparse.SUPPRESS)
    options.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        serve()
    elif given.peer:
        as_peer(given.peer, given.url, given.file)
    else:
        compare(int(given.gib * GIB), given.rounds)


def compare(size: int, rounds: int) -> None:
    if shutil.which("curl") is None:
        sys.exit("curl is not installed")
    with a_place() as place:
        file = make_file(place, size)
        with a_tus_server() as server:
            show("@tus/server", measured(server, file, rounds), size, GOAL)
        with a_receiver() as server:
            show("a server that throws it away", measured(server, file, rounds), size, None)


def measured(server: Server, file: Path, rounds: int) -> dict[str, list[Sent]]:
    sent: dict[str, list[Sent]] = {name: [] for name in (CURL, *PEERS)}
    for _ in range(rounds):
        for name, them in sent.items():
            them.append(by_curl(server.url, file) if name == CURL else by_peer(name, server.url, file))
            server.clear()
    return sent


def show(server: str, sent: dict[str, list[Sent]], size: int, goal: float | None) -> None:
    speeds = {name: size / statistics.median(one.seconds for one in them) / 1e6 for name, them in sent.items()}
    rows = []
    for name, them in sent.items():
        ratio, peak = speeds[name] / speeds[CURL], max(one.peak for one in them)
        told = ""
        if PEERS.get(name) is ours:
            told = f"{verdict(peak, MOST)} (≤ {MOST:.0f} MiB)"
            told = f"{verdict(goal, ratio)} (≥ {goal}), {told}" if goal else told
        seconds, cpu = (
            statistics.median(times) for times in zip(*((one.seconds, one.cpu) for one in them), strict=True)
        )
        row = (f"{speeds[name]:.0f}", f"{ratio:.2f}", f"{seconds:.2f}", f"{cpu:.2f}", f"{peak:.0f}", told)
        rows.append((name, *row))
    table(
        f"Sending {size / GIB:g} GiB to {server} on loopback: medians of {len(sent[CURL])}, in turns",
        ("", "MB/s", "× curl", "seconds", "CPU seconds", "peak MiB", "goal"),
        rows,
    )


if __name__ == "__main__":
    main()
