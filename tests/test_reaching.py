"""The way to a folder's files, decided by the table of mounts: in-process or through a child."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from descriptors import none_left_open

from scriptixd.errors import Hung, ShareTrouble
from scriptixd.roots.gate import Gate
from scriptixd.roots.isolated import AT_ONCE, Patience
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.mounts import MountTable
from scriptixd.roots.reaching import FolderRoot

HERE = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with none_left_open():
        yield


class Table:
    """A table of mounts that changes when a test says so."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.mounts = MountTable(place)

    def says(self, *lines: str) -> None:
        self._place.write_text(HERE + "".join(lines))
        self.mounts.close()  # a plain file does not tell that it has changed


@pytest.fixture
def table(tmp_path: Path, _nothing_stays_open: None) -> Iterator[Table]:
    table = Table(tmp_path / "mountinfo")
    table.says()
    yield table
    table.mounts.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "media"
    (place / "sub").mkdir(parents=True)
    (place / "a.wav").write_bytes(b"sound")
    return place


@pytest.fixture
def root(folder: Path, table: Table) -> Iterator[FolderRoot]:
    root = FolderRoot(folder, Patience(call=0.5), table.mounts)
    yield root
    root.close()


def test_a_local_root_is_reached_in_process(root: FolderRoot) -> None:
    assert len(root.listing("")) == 2
    assert root.is_local
    assert root.at_once == 1
    assert root.hung is None


@pytest.mark.parametrize("filesystem", ["cifs", "nfs4", "fuse.rclone", "autofs", "newfs"])
def test_a_share_is_reached_through_a_child(root: FolderRoot, folder: Path, table: Table, filesystem: str) -> None:
    table.says(f"2 1 0:9 / {folder} rw - {filesystem} //nas/media rw\n")
    assert len(root.listing("")) == 2
    assert not root.is_local
    assert root.at_once == AT_ONCE


def test_a_share_below_a_local_root_sends_everything_through_the_child(
    root: FolderRoot, folder: Path, table: Table
) -> None:
    table.says(f"2 1 0:9 / {folder}/sub rw - cifs //nas/media rw\n")
    assert not root.is_local
    assert len(root.listing("sub")) == 0


def test_a_share_beside_a_local_root_does_not_matter(root: FolderRoot, folder: Path, table: Table) -> None:
    table.says(f"2 1 0:9 / {folder}2 rw - cifs //nas/media rw\n")
    assert root.is_local


def test_a_share_on_the_way_to_a_root_counts(root: FolderRoot, folder: Path, table: Table) -> None:
    table.says(f"2 1 0:9 / {folder.parent} rw - nfs nas:/x rw\n", f"3 2 0:7 / {folder} rw - tmpfs tmpfs rw\n")
    assert not root.is_local


def test_it_is_decided_anew_at_each_call(root: FolderRoot, folder: Path, table: Table) -> None:
    assert root.at_once == 1
    table.says(f"2 1 0:9 / {folder} rw - cifs //nas/media rw\n")
    with root.open("a.wav") as reader:
        assert reader.read(0, 9) == b"sound"
        assert type(reader).__name__ == "IsolatedReader"
    table.says()
    with root.open("a.wav") as reader:
        assert reader.read(0, 9) == b"sound"
        assert type(reader).__name__ == "LocalReader"


def test_a_link_to_a_share_is_not_followed_in_process(table: Table, folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder / "sub" / "..")
    root = FolderRoot(link, mounts=table.mounts)
    try:
        assert root.is_local
        table.says(f"2 1 0:9 / {folder} rw - cifs //nas/media rw\n")
        assert not root.is_local
        assert len(root.listing("")) == 2
    finally:
        root.close()


def test_without_a_table_nothing_is_taken_for_local(folder: Path, tmp_path: Path) -> None:
    root = FolderRoot(folder, mounts=MountTable(tmp_path / "none"))
    try:
        assert not root.is_local
        assert len(root.listing("")) == 2
    finally:
        root.close()


def test_after_close_a_share_is_not_asked_any_more(root: FolderRoot, folder: Path, table: Table) -> None:
    root.close()
    assert len(root.listing("")) == 2
    table.says(f"2 1 0:9 / {folder} rw - cifs //nas/media rw\n")
    with pytest.raises(ShareTrouble):
        root.listing("")


REAL = """
import os, subprocess, sys
from scriptixd.roots.reaching import FolderRoot
place = sys.argv[1]
root = FolderRoot(place)
def told():
    disk = root.disk()
    return disk.identity.filesystem, [(n.directory, n.identity.filesystem) for n in disk.nested], root.is_local
def mount(*what):
    subprocess.run(["mount", *what], check=True)
mount("-t", "tmpfs", "one", place)
print(told())
os.makedirs(f"{place}/a b/c")
mount("-t", "tmpfs", "two", f"{place}/a b")
os.mkdir(f"{place}/a b/c")
mount("-t", "ramfs", "three", f"{place}/a b/c")
print(told())
mount("-t", "tmpfs", "four", f"{place}/a b")
print(told())
subprocess.run(["umount", "-l", place], check=True)
print(told()[1:])
root.close()
"""


def test_mounts_that_come_and_go_are_seen_at_once(tmp_path: Path) -> None:
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("mounting needs root and mount namespaces")
    place = tmp_path / "mounted"
    place.mkdir()
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-W", "error", "-c", REAL, place], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "('tmpfs', [], True)",
        "('tmpfs', [('a b', 'tmpfs'), ('a b/c', 'ramfs')], False)",
        "('tmpfs', [('a b', 'tmpfs')], True)",
        "([], True)",
    ]


# The gate


def test_a_gate_is_shut_for_as_long_as_it_says(folder: Path) -> None:
    gate = Gate(LocalRoot(folder))
    with gate.open("a.wav") as reader:
        gate.closed = Hung("it does not answer", "wait")
        asks: tuple[Callable[[], object], ...] = (
            reader.stat,
            lambda: reader.read(0, 9),
            reader.written_to,
            gate.disk,
            lambda: gate.listing(""),
            lambda: gate.open("a.wav"),
            lambda: gate.probe(""),
            lambda: gate.write("a.srt", b"", None),
            lambda: gate.remove("a.srt", ""),
            lambda: gate.sweep(""),
        )
        for ask in asks:
            with pytest.raises(Hung, match="it does not answer") as caught:
                ask()
            assert caught.value is not gate.closed
            assert caught.value.hint == "wait"
        gate.closed = None
        assert reader.read(0, 9) == b"sound"
    assert len(gate.listing("")) == 2


def test_a_gate_that_is_in_doubt_is_shut_though_nobody_has_shut_it(folder: Path) -> None:
    gate, doubts = Gate(LocalRoot(folder)), [ShareTrouble("who has it now is not known", "wait")]
    with gate.open("a.wav") as reader:
        gate.doubt = lambda: doubts[0] if doubts else None
        for ask in (gate.disk, reader.stat, lambda: gate.write("a.srt", b"", None)):
            with pytest.raises(ShareTrouble, match="who has it now") as caught:
                ask()
            assert caught.value is not doubts[0]
        assert gate.closed is None
        assert gate.shut is doubts[0]
        doubts.clear()
        assert gate.shut is None
        assert reader.read(0, 9) == b"sound"
    assert not (folder / "a.srt").exists()
