"""The configured folders as the rooms see them: gates that begin shut, and settings by path."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from house import eventually
from shares import FaultyShare, needs

from scriptixd.config.load import load
from scriptixd.config.settings import Settings
from scriptixd.daemon.folders import ConfiguredFolders, filter_of, watched
from scriptixd.errors import FileTrouble, ShareTrouble
from scriptixd.jobs.job import DocumentType, Request
from scriptixd.jobs.source import Existing, Look, Source
from scriptixd.roots import child
from scriptixd.roots.child import LAST_BREATH
from scriptixd.roots.root import Stat
from scriptixd.watch.filters import Filter, FilterRule
from scriptixd.watch.mode import Mode
from scriptixd.watch.policy import Policy

ENGLISH = Request("en", DocumentType.CAPTION)
MANY = 12  # folders on one server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("council", "court"):
        (tmp_path / name).mkdir()
    config = tmp_path / "config.yaml"
    config.write_text("""\
api: {key: "${KEY}"}
defaults: {document_type: caption}
folders:
  - path: council
    settle: 5
    exclude: ["*-draft.*"]
    ask_above: {files: 7}
    rules:
      - {match: "en/**", language: en, settle: auto, existing: process, changed: process, min_size: 10}
      - {match: "fr/**", language: fr}
  - {path: court, language: nl, watch: events, ask_above: null}
""")
    return load(config, {"KEY": "invented"})


@pytest.fixture
def folders(settings: Settings) -> Iterator[ConfiguredFolders]:
    with closing(ConfiguredFolders(settings)) as opened:
        yield opened


@pytest.fixture
def source() -> Callable[[str, str, int], Source]:
    def made(folder: str, path: str, size: int) -> Source:
        return Source(1, folder, path, Stat(size, 1, 1), Look("boot", 0.0, 2), True, True, False, False)

    return made


def test_every_gate_is_shut_until_somebody_has_looked(folders: ConfiguredFolders) -> None:
    assert sorted(folders.every()) == ["council", "court"]
    assert list(folders.names()) == []
    root = folders.root("council")
    assert root is not None
    with pytest.raises(ShareTrouble, match="the first look at council has not begun"):
        root.listing("")


def test_a_gate_that_is_open_lets_everybody_in_and_shuts_alone(folders: ConfiguredFolders) -> None:
    folders.gate("council").closed = None
    assert list(folders.names()) == ["council"]
    root = folders.root("council")
    assert root is not None
    assert len(root.listing("")) == 0
    folders.gate("court").closed = None
    folders.gate("council").closed = ShareTrouble("council is not mounted")
    assert list(folders.names()) == ["court"]
    folders.gate("court").doubt = lambda: ShareTrouble("court may be somebody else's by now")
    assert list(folders.names()) == []


def test_the_scanner_looks_around_the_gate(folders: ConfiguredFolders, settings: Settings) -> None:
    reached = folders.reached("council")
    assert len(reached.listing("")) == 0
    assert reached.path == str(settings.folders[0].path)


def test_a_folder_that_is_not_configured_has_no_root_and_asks_for_nothing(
    folders: ConfiguredFolders, source: Callable[[str, str, int], Source]
) -> None:
    assert folders.root("archive") is None
    assert folders.request_of(source("archive", "a.mp4", 5000)) is None


def test_a_source_asks_for_what_holds_for_its_path_today(
    folders: ConfiguredFolders, source: Callable[[str, str, int], Source]
) -> None:
    assert folders.request_of(source("council", "en/a.mp4", 20)) == ENGLISH
    assert folders.request_of(source("council", "en/a.mp4", 9)) is None
    assert folders.request_of(source("council", "fr/a-draft.mp4", 5000)) is None
    assert folders.request_of(source("council", "de/a.mp4", 5000)) is None
    assert folders.request_of(source("court", "de/a.mp4", 5000)) == Request("nl", DocumentType.CAPTION)
    assert folders.terms("council", "en/a.mp4").request == ENGLISH
    with pytest.raises(FileTrouble, match=r"no rule matches de/a\.mp4"):
        folders.terms("council", "de/a.mp4")


def test_the_scanner_is_told_what_holds_for_each_path(settings: Settings) -> None:
    council, court = (watched(folder) for folder in settings.folders)
    assert council.policy("en/a.mp4") == Policy(ENGLISH, Existing.PROCESS, None)
    assert council.policy("fr/a.mp4") == Policy(Request("fr", DocumentType.CAPTION), Existing.HOLD, 5.0)
    assert council.windows == (5.0, None)
    assert (council.watch, court.watch) == (None, Mode.EVENTS)
    assert (council.ask_above, court.ask_above) == (7, None)
    assert court.windows == (None,)


def test_the_filter_of_a_folder_has_its_rules_in_their_order(settings: Settings) -> None:
    council, court = settings.folders
    drafts = ("*-draft.*",)
    assert filter_of(council) == Filter(
        exclude=drafts,
        rules=(FilterRule("en/**", exclude=drafts, min_size=10), FilterRule("fr/**", exclude=drafts)),
        lacks="language",
    )
    assert filter_of(court) == Filter()


def serving() -> list[int]:
    """The processes that serve a root, also those that were left behind."""
    child.reap()
    ours = map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
    return [pid for pid in ours if Path(f"/proc/{pid}/comm").read_text().strip() == "scriptixd-root"]


@needs("umount", fuse=True)
def test_many_folders_on_a_dead_share_are_let_go_of_in_the_time_that_one_takes(tmp_path: Path) -> None:
    names = [f"hall-{number}" for number in range(MANY)]
    (tmp_path / "nas").mkdir()
    with FaultyShare(tmp_path, tmp_path / "nas") as share, ThreadPoolExecutor(MANY) as pool:
        for name in names:
            (share.behind / name).mkdir()
        config = tmp_path / "config.yaml"
        lines = "".join(f"  - path: nas/{name}\n" for name in names)
        defaults = "defaults: {document_type: caption, language: en}"
        config.write_text(f'api: {{key: "${{KEY}}"}}\n{defaults}\nfolders:\n{lines}')
        folders = ConfiguredFolders(load(config, {"KEY": "invented"}))
        for name in names:
            folders.reached(name).listing("")
        assert len(serving()) == MANY
        share.hang()
        asked = [pool.submit(folders.reached(name).listing, "") for name in names]
        eventually(lambda: len(folders.stuck()) == MANY, "everybody waits for the share")
        began = time.monotonic()
        folders.close()
        ended = time.monotonic()
        assert serving(), "somebody obeys no signal"
        assert all(isinstance(call.exception(), ShareTrouble) for call in asked)
        assert ended - began < MANY * LAST_BREATH / 2
        share.work()
        eventually(lambda: not serving(), "they go when the share answers")
