"""The status page: real state files with the worst of names, and a real browser that looks at it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path

import pytest
from desk import Desk
from hosting import Hosted, hosted

from scriptixd.jobs.events import Rejected, UploadOpened
from scriptixd.jobs.source import Question, QuestionKind
from scriptixd.jobs.store.glance import Glance
from scriptixd.observe.live import Live, LiveFolder, LivePause, LiveRequests, LiveRestless, LiveUpload
from scriptixd.observe.page import HTML, POLICY, Scene, page
from scriptixd.observe.standing import NO_FACTS, Place, Standing, facts_in
from scriptixd.observe.web import Answer

NASTY = (
    b"a\x1b[31m\nb\xff.mp4",
    b"<script>alert(1)&lt;.mp4",
    "\u202egpj.mp4\u2066".encode(),
    b"'\"&amp; onload=x.mp4",
    "\u0639\u0631\u0628\u064a.mp4".encode(),
    b"--><img src=x onerror=y>.mp4",
)
OPENED = UploadOpened("file-1", "http://127.0.0.1:1", "01234567", "{}", 60.0)
CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
GROUND = {"light": (0xF4, 0xF5, 0xF8), "dark": (0x0F, 0x13, 0x19)}


class Reader(HTMLParser):
    """A document as a browser takes it apart: its tags with their attributes, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def scene_of(desk: Desk, **changes: object) -> Scene:
    """Everything that there can be, with names that nobody should trust."""
    now = time.time()
    for name in NASTY:
        desk.add(
            name,
            Rejected(
                f"it is <b>no</b> media\u202e</style></script></title> {os.fsdecode(name)}", "convert\x07 it first"
            ),
        )
    desk.see("growing.mp4")
    jobs = [desk.add(b"up " + name, OPENED, folder="court") for name in (NASTY[0], b"still.mp4")]
    live = Live(
        42, "1.0", now - 100, now,
        (
            LiveFolder("council", "events", "ext4 is local", "", now - 9, ("deep\x1b: may not be read",),
                       restless=(LiveRestless("<i>live\u202e.ts", now - 900),)),
            LiveFolder("court", "", "", "not mounted <b>", None, (), offline_since=now - 50, hung=True),
        ),
        (LiveUpload(jobs[0].id, 512, 2048, 100.0), LiveUpload(jobs[1].id, 0, 2048, 0.0, now - 60)),
        (LivePause("account", "", "the key <is> refused", "check it"),),
        LiveRequests(4, 3, 60, None, None, None),
    )  # fmt: skip
    with desk.store() as store:
        assert not store.sources.ask("council", Question(QuestionKind.DISK, "x", "is <it> the disk?"), now)
        facts = facts_in(Glance(store.database), now)
    places = [Place(name, str(desk.base / name)) for name in ("council", "court")]
    standing = Standing(places, True, live, live.pauses, facts)
    return Scene(standing, {"council": "look & say: scriptixd approve council"}, ("ask",), "nas<1>", now, now)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return scene_of(Desk(tmp_path))


def test_the_page_tells_what_status_tells(scene: Scene) -> None:
    told = Reader(page(scene)).text
    for sentence in (
        "running", "scriptixd 1.0 since", "process 42", "no sign of life from: ask", "the key <is> refused (check it)",
        "asks: is <it> the disk?", "look & say: scriptixd approve council", "watched by events: ext4 is local",
        "hung since", "not mounted <b>", "warning: deep\\x1b: may not be read", "has not stopped changing since",
        "25 % of 2.0 KiB, 100 B/s, 15 s left", "has stood still for", "it waits for its disk", "Waiting for a person",
        "1 may still be written",
        "convert\\x07 it first", "scriptixd retry", "4 of 60 requests used in the last minute (3 for uploads)",
        "0 upload(s) paid today", "renewed every 5 s",
    ):  # fmt: skip
        assert sentence in told, sentence
    counts = re.findall(r"<dt>(\w+)</dt><dd>([\d,]+)</dd>", page(scene))
    assert dict(counts[:7]) == {
        "waiting": "1", "held": "0", "uploading": "2", "transcribing": "0", "delivering": "0", "done": "0",
        "failed": "6",
    }  # fmt: skip


def test_nothing_from_a_disk_becomes_markup_or_turns_the_text_around(scene: Scene) -> None:
    document = page(scene)
    assert document.isascii() or not set("\u202e\u2066\x1b\x07\xff") & set(document)
    assert all(letter.isprintable() or letter == "\n" for letter in document)
    read = Reader(document)
    assert read.open == []
    tags = {tag for tag, _ in read.tags}
    assert not tags & {"script", "img", "b", "i", "iframe", "form", "input", "object"}
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on") or name == "style"]
    for name in ("a\\x1b[31m\\nb\\xff.mp4", "<script>alert(1)&lt;.mp4", "\\u202egpj.mp4\\u2066", "عربي.mp4"):
        assert f"/{name}" in read.text
    names = [text for tag, text in zip(read.texts, read.texts[1:], strict=False) if tag is not None and "عربي" in text]
    assert names
    document.encode()


def test_nothing_comes_from_elsewhere(scene: Scene) -> None:
    read = Reader(page(scene))
    links = [value for _, attributes in read.tags for name, value in attributes.items() if name in {"href", "src"}]
    assert links
    assert all(
        link is not None and (link.startswith("data:image/svg+xml,") or link == "/?refresh=off") for link in links
    )
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    assert "url(" not in page(scene)


def test_it_renews_itself_unless_somebody_wants_to_read_in_peace(scene: Scene) -> None:
    def refreshes(document: str) -> bool:
        return any(attributes.get("http-equiv") == "refresh" for _, attributes in Reader(document).tags)

    assert refreshes(page(scene))
    calm = page(Scene(scene.standing, scene.ways_on, (), "nas", scene.now, scene.now, refreshes=False))
    assert not refreshes(calm)
    assert 'href="/"' in calm


def test_without_a_daemon_that_tells_and_without_files_there_is_a_page_all_the_same() -> None:
    told = Reader(page(Scene(Standing([Place("a", "/a")], True, None, (), NO_FACTS), {}, (), "nas", 1e9, 1e9))).text
    assert "a daemon has the state file, but has not told anything lately" in told
    assert "not told" in told


@contextmanager
def served(scene: Scene) -> Iterator[Hosted]:
    with hosted({"/": lambda _: Answer(HTTPStatus.OK, HTML, page(scene).encode(), POLICY)}) as web:
        yield web


def browse(place: Path, web: Hosted, *options: str) -> subprocess.CompletedProcess[str]:
    """What a browser that nobody sees has to say about the page."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
        f"--user-data-dir={place / 'profile'}", *options, f"http://127.0.0.1:{web.port}/",
    ]  # fmt: skip
    environment = {**os.environ, "HOME": str(place)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=environment)


def size_and_corner(picture: bytes) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Width and height of a PNG, and the colour of its first pixel, on which no filter has an effect."""
    size = int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])
    data, at = b"", 8
    while at < len(picture):
        length = int.from_bytes(picture[at : at + 4])
        if picture[at + 4 : at + 8] == b"IDAT":
            data += picture[at + 8 : at + 8 + length]
        at += length + 12
    return size, tuple(zlib.decompress(data)[1:4])


@needs_chromium
def test_a_browser_shows_the_names_and_runs_nothing(scene: Scene, tmp_path: Path) -> None:
    with served(scene) as web:
        done = browse(tmp_path, web, "--dump-dom")
    assert "Content Security Policy" not in done.stderr
    read = Reader(done.stdout)
    assert "script" not in {tag for tag, _ in read.tags}
    for name in ("<script>alert(1)&lt;.mp4", "a\\x1b[31m\\nb\\xff.mp4", "\\u202egpj.mp4\\u2066"):
        assert name in read.text
    assert [attributes["value"] for tag, attributes in read.tags if tag == "progress"] == ["512", "0", "4"]


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_is_drawn_in_the_colours_that_a_person_prefers(
    scene: Scene, tmp_path: Path, scheme: str, width: int
) -> None:
    picture = tmp_path / "page.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    with served(scene) as web:
        browse(tmp_path, web, *dark, f"--window-size={width},900", f"--screenshot={picture}")
    assert size_and_corner(picture.read_bytes()) == ((width, 900), GROUND[scheme])
