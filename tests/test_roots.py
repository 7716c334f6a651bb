"""The contract of a Root, on real directories; every kind of root runs the same tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from descriptors import none_left_open

from scriptixd.errors import FileTrouble, NameTaken, ShareTrouble, SourceMissing, TargetTrouble
from scriptixd.roots import writing
from scriptixd.roots.gate import Gate
from scriptixd.roots.isolated import IsolatedRoot
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.mounts import MountTable, mount_of, path_within
from scriptixd.roots.reaching import FolderRoot
from scriptixd.roots.root import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, Entry, FileAccess, Kind, Listing, Reader, Root

NOBODY = 65534


def make_local(place: Path, _stack: ExitStack) -> Root:
    return LocalRoot(place)


def make_isolated(place: Path, stack: ExitStack) -> Root:
    root = IsolatedRoot(str(place))
    stack.callback(root.close)
    return root


def make_folder(place: Path, stack: ExitStack) -> Root:
    root = FolderRoot(place)
    stack.callback(root.close)
    return root


def make_foreign_folder(place: Path, stack: ExitStack) -> Root:
    table = Path(stack.enter_context(tempfile.TemporaryDirectory()), "mountinfo")
    table.write_text("1 0 8:1 / / rw - nfs4 nas:/everything rw\n")
    mounts = MountTable(table)
    stack.callback(mounts.close)
    root = FolderRoot(place, mounts=mounts)
    stack.callback(root.close)
    return root


def make_gate(place: Path, _stack: ExitStack) -> Root:
    return Gate(LocalRoot(place))


KINDS = {
    "local": make_local,
    "isolated": make_isolated,
    "folder": make_folder,
    "foreign folder": make_foreign_folder,
    "gate": make_gate,
}


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, _nothing_stays_open: None) -> Iterator[Callable[[Path], Root]]:
    with ExitStack() as stack:
        yield lambda place: KINDS[request.param](place, stack)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "media"
    place.mkdir()
    return place


@pytest.fixture
def root(make: Callable[[Path], Root], folder: Path) -> Root:
    return make(folder)


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with none_left_open():
        yield


@pytest.fixture
def outside() -> Iterator[Path]:
    """A directory that any user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)  # noqa: S103 - that is what it is for
        yield Path(place)


@contextmanager
def nobody(root: Root | None = None) -> Iterator[None]:
    """Not being root for a while, to whom everything is allowed; a child of `root` must not be, either."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        if root is not None and root.at_once > 1 and not os.access(sys.executable, os.X_OK, effective_ids=True):
            pytest.skip("nobody but root may start this Python")
        yield
    finally:
        os.seteuid(0)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def names(root: Root, directory: str = "") -> dict[str, Entry]:
    return {entry.name: entry for entry in root.listing(directory)}


# Identity


def test_a_root_is_known_by_its_disk_and_not_by_where_that_is_mounted(root: Root, folder: Path) -> None:
    mount, disk = mount_of(str(folder)), root.disk()
    assert (disk.identity.filesystem, disk.identity.source) == (mount.filesystem, mount.source)
    assert disk.identity.subpath == path_within(mount, str(folder))
    assert disk.mountpoint == mount.mountpoint
    assert disk.nested == ()


def test_a_root_that_is_a_link_is_the_directory_that_it_leads_to(
    make: Callable[[Path], Root], folder: Path, tmp_path: Path
) -> None:
    (folder / "a.wav").write_bytes(b"sound")
    link = tmp_path / "link"
    link.symlink_to(folder)
    root = make(link)
    assert root.disk() == make(folder).disk()
    assert list(names(root)) == ["a.wav"]
    root.write("a.srt", b"text", None)
    with root.open("a.wav") as reader:
        assert reader.read(0, 10) == b"sound"


@pytest.mark.parametrize("ask", ["disk", "listing", "open", "probe", "write", "remove", "sweep"])
@pytest.mark.parametrize("what", ["missing", "a file", "a dead link", "a link to itself"])
def test_a_root_that_is_not_there_is_trouble_of_the_share(
    make: Callable[[Path], Root], tmp_path: Path, what: str, ask: str
) -> None:
    place = tmp_path / "root"
    if what == "a file":
        place.write_bytes(b"")
    elif what != "missing":
        place.symlink_to(tmp_path / "nowhere" if what == "a dead link" else place)
    root = make(place)
    asked: dict[str, Callable[[], object]] = {
        "disk": root.disk,
        "listing": lambda: root.listing(""),
        "open": lambda: root.open("a.wav"),
        "probe": lambda: root.probe(""),
        "write": lambda: root.write("a.srt", b"", None),
        "remove": lambda: root.remove("a.srt", sha256(b"")),
        "sweep": lambda: root.sweep(""),
    }
    with pytest.raises(ShareTrouble) as caught:
        asked[ask]()
    assert str(place) in caught.value.what
    assert caught.value.hint


def test_a_root_that_may_not_be_read_is_trouble_of_the_share(make: Callable[[Path], Root], outside: Path) -> None:
    place = outside / "closed"
    place.mkdir()
    place.chmod(0)
    root = make(place)
    with nobody(root), pytest.raises(ShareTrouble) as caught:
        root.listing("")
    place.chmod(0o700)
    assert "must be able to read" in caught.value.hint


# Listing


def test_a_listing_names_files_directories_and_the_rest(root: Root, folder: Path) -> None:
    (folder / "a.wav").write_bytes(b"12345")
    os.utime(folder / "a.wav", ns=(1, 1_600_000_000_123_456_789))
    (folder / "sub").mkdir()
    (folder / "to-file").symlink_to(folder / "a.wav")
    (folder / "to-dir").symlink_to(folder / "sub")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        found = names(root)
    assert {name: entry.kind for name, entry in found.items()} == {
        "a.wav": Kind.FILE,
        "sub": Kind.DIRECTORY,
        "to-file": Kind.OTHER,
        "to-dir": Kind.OTHER,
        "pipe": Kind.OTHER,
        "socket": Kind.OTHER,
    }
    real = os.stat(folder / "a.wav")
    told = found["a.wav"].stat
    assert told is not None
    assert (told.size, told.mtime_ns, told.inode) == (5, 1_600_000_000_123_456_789, real.st_ino)
    assert [entry.name for entry in found.values() if entry.stat is not None] == ["a.wav"]


def test_a_listing_tells_what_a_file_takes_on_its_disk(root: Root, folder: Path) -> None:
    (folder / "sound.wav").write_bytes(os.urandom(100_000))
    (folder / "placeholder.wav").touch()
    os.truncate(folder / "placeholder.wav", 50_000_000)
    found = names(root)
    assert found["sound.wav"].allocated >= 100_000
    assert found["placeholder.wav"].allocated == 0


def test_a_listing_has_the_same_signature_until_something_changes(root: Root, folder: Path) -> None:
    (folder / "sub").mkdir()
    for number in range(20):
        (folder / f"{number}.wav").write_bytes(b"sound")
    seen = {root.listing("").signature}
    assert root.listing("").signature in seen
    assert Listing.of(root.listing("")).signature in seen
    with (folder / "7.wav").open("ab") as file:
        file.write(b"more")
    seen.add(root.listing("").signature)
    os.utime(folder / "3.wav", ns=(1, 1))
    seen.add(root.listing("").signature)
    (folder / "5.wav").rename(folder / "5.mp4")
    seen.add(root.listing("").signature)
    (folder / "5.mp4").unlink()
    seen.add(root.listing("").signature)
    assert len(seen) == 5


def test_a_listing_of_thousands_is_whole(root: Root, folder: Path) -> None:
    wanted = {f"{number:05}.wav" for number in range(5_000)}
    for name in wanted:
        (folder / name).touch()
    assert {entry.name for entry in root.listing("")} == wanted
    assert len(root.listing("")) == 5_000


def test_names_that_are_no_text_go_there_and_back(root: Root, folder: Path) -> None:
    for name in (b"caf\xe9.wav", b"new\nline.wav", b"\x1b[31m.wav", b"\xff\xfe", "naïve.wav".encode()):
        directory = os.fsencode(folder) + b"/d" + name
        os.mkdir(directory)
        Path(os.fsdecode(directory + b"/" + name)).write_bytes(name)
        relative = os.fsdecode(b"d" + name)
        assert list(names(root, relative)) == [os.fsdecode(name)]
        with root.open(f"{relative}/{os.fsdecode(name)}") as reader:
            assert reader.read(0, 100) == name
        root.write(f"{relative}/{os.fsdecode(name)}.srt", b"text", None)
        assert Path(os.fsdecode(directory + b"/" + name + b".srt")).read_bytes() == b"text"


def test_a_directory_that_is_not_there_is_missing(root: Root, folder: Path) -> None:
    (folder / "file").write_bytes(b"")
    for path in ("no", "no/deeper", "file", "file/deeper"):
        with pytest.raises(SourceMissing):
            root.listing(path)


def test_a_directory_that_may_not_be_read_is_trouble_of_that_directory(
    make: Callable[[Path], Root], outside: Path
) -> None:
    (outside / "closed").mkdir(mode=0o700)
    (outside / "closed").chmod(0)
    (outside / "open").mkdir(mode=0o755)
    root = make(outside)
    with nobody(root):
        assert set(names(root)) == {"closed", "open"}
        assert len(root.listing("open")) == 0
        with pytest.raises(FileTrouble) as caught:
            root.listing("closed")
    assert not isinstance(caught.value, SourceMissing)
    assert "must be able to read" in caught.value.hint


def test_an_entry_that_cannot_be_asked_does_not_spoil_the_listing(make: Callable[[Path], Root], outside: Path) -> None:
    place = outside / "listable"
    place.mkdir()
    (place / "a.wav").write_bytes(b"sound")
    place.chmod(0o644)  # names may be read, files may not be asked
    root = make(outside)
    with nobody(root):
        try:
            entries = list(root.listing("listable"))
        except FileTrouble:
            entries = []  # as good: nothing is inferred from either
    place.chmod(0o755)
    assert all(entry == Entry("a.wav", Kind.FILE, None) for entry in entries)


# Links


def test_no_link_below_the_root_is_followed(root: Root, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.wav").write_bytes(b"secret")
    (folder / "dir").symlink_to(secret)
    (folder / "a.wav").symlink_to(secret / "a.wav")
    (folder / "dead.srt").symlink_to(secret / "new.srt")
    for path in ("a.wav", "dir/a.wav"):
        with pytest.raises(FileTrouble):
            root.open(path)
    for ask in (root.listing, root.probe, root.sweep):
        with pytest.raises(SourceMissing):
            ask("dir")
    with pytest.raises(SourceMissing):
        root.write("dir/a.srt", b"text", None)
    root.remove("dir/a.wav", sha256(b"secret"))
    for name in ("a.wav", "dead.srt"):
        with pytest.raises(NameTaken):
            root.write(name, b"text", None)
        with pytest.raises(NameTaken):
            root.write(name, b"text", sha256(b"secret"))
        with pytest.raises(NameTaken):
            root.remove(name, sha256(b"secret"))
    assert sorted(os.listdir(secret)) == ["a.wav"]
    assert (secret / "a.wav").read_bytes() == b"secret"


def test_a_link_that_takes_a_files_place_between_look_and_open_is_not_followed(
    root: Root, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.wav").write_bytes(b"secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    assert names(root, "sub")["a.wav"].kind is Kind.FILE
    (folder / "sub").rename(folder / "was")
    (folder / "sub").symlink_to(tmp_path / "secret")
    with pytest.raises(SourceMissing):
        root.open("sub/a.wav")
    (folder / "was" / "a.wav").unlink()
    (folder / "was" / "a.wav").symlink_to(tmp_path / "secret" / "a.wav")
    with pytest.raises(FileTrouble, match="link"):
        root.open("was/a.wav")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "a\0b"])
def test_a_path_that_leaves_the_root_is_our_own_bug(root: Root, path: str) -> None:
    with pytest.raises(ValueError, match="below a root"):
        root.listing(path)
    with pytest.raises(ValueError, match="below a root"):
        root.write(path + "/x", b"", None)


# Reading


def test_a_reader_reads_at_any_offset_and_tells_the_end(root: Root, folder: Path) -> None:
    (folder / "a.wav").write_bytes(bytes(range(256)))
    with root.open("a.wav") as reader:
        assert reader.stat().size == 256
        assert reader.read(250, 100) == bytes(range(250, 256))
        assert reader.read(0, 2) == b"\0\1"
        assert reader.read(256, 10) == b""


def test_a_reader_stays_with_its_file_and_tells_of_its_changes(root: Root, folder: Path) -> None:
    (folder / "a.wav").write_bytes(b"12345")
    with root.open("a.wav") as reader:
        before = reader.stat()
        with (folder / "a.wav").open("ab") as file:
            file.write(b"67")
        os.utime(folder / "a.wav", ns=(1, before.mtime_ns + 1))
        assert not reader.stat().same_content(before)
        assert reader.stat().size == 7
        (folder / "a.wav").unlink()
        assert reader.read(0, 10) == b"1234567"


def test_a_reader_tells_whether_somebody_writes(root: Root, folder: Path) -> None:
    (folder / "a.wav").write_bytes(b"sound")
    with root.open("a.wav") as reader:
        told = reader.written_to()
        if told is None:
            pytest.skip("no leases on this file system, or no right to them")
        assert told is False
        with (folder / "a.wav").open("ab"):
            assert reader.written_to() is True
        assert reader.written_to() is False


def test_a_writer_is_not_held_up_and_never_ends_the_one_who_asks(root: Root, folder: Path) -> None:
    (folder / "a.wav").write_bytes(b"sound")
    with root.open("a.wav") as reader:
        if reader.written_to() is None:
            pytest.skip("no leases on this file system, or no right to them")
        told = []
        with subprocess.Popen([sys.executable, "-c", HAMMER, folder / "a.wav"]) as writer:
            asking = threading.Thread(target=lambda: told.extend(ask_until_the_end(reader, writer)))
            asking.start()
            told += ask_until_the_end(reader, writer)
            asking.join()
    assert writer.returncode == 0
    assert set(told) <= {True, False}
    assert told
    assert list(names(root)) == ["a.wav"]


def ask_until_the_end(reader: Reader, writer: subprocess.Popen[bytes]) -> list[bool | None]:
    told = []
    while writer.poll() is None:
        told.append(reader.written_to())
    return told


HAMMER = """
import os, sys
for _ in range(5_000):
    os.close(os.open(sys.argv[1], os.O_WRONLY))
"""


def test_a_file_that_is_not_there_is_missing(root: Root, folder: Path) -> None:
    (folder / "sub").mkdir()
    for path in ("a.wav", "sub/a.wav", "no/a.wav"):
        with pytest.raises(SourceMissing, match=r"a\.wav"):
            root.open(path)


def test_what_is_no_plain_file_is_refused_and_never_waited_for(root: Root, folder: Path) -> None:
    os.mkfifo(folder / "pipe.wav")
    (folder / "dir.wav").mkdir()
    for name in ("pipe.wav", "dir.wav"):
        with pytest.raises(FileTrouble, match=name):
            root.open(name)
    with pytest.raises(NameTaken):
        root.write("pipe.wav", b"text", sha256(b""))


def test_a_file_that_may_not_be_read_says_who_must_be_able_to(make: Callable[[Path], Root], outside: Path) -> None:
    (outside / "a.wav").write_bytes(b"sound")
    (outside / "a.wav").chmod(0)
    root = make(outside)
    with nobody(root), pytest.raises(FileTrouble) as caught:
        root.open("a.wav")
    assert not isinstance(caught.value, SourceMissing)
    assert "the user" in caught.value.hint


def test_a_sentence_about_any_name_can_be_written_down(root: Root) -> None:
    with pytest.raises(SourceMissing) as caught:
        root.open("\udcff\x1b[31m\n.wav")
    assert caught.value.what.encode("utf-8").decode().isprintable()


# Writing


def test_a_written_file_is_whole_and_alone(root: Root, folder: Path) -> None:
    data = os.urandom(3_000_000)
    root.write("a.srt", data, None)
    assert (folder / "a.srt").read_bytes() == data
    assert os.listdir(folder) == ["a.srt"]


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o2775, 0o777])
def test_a_written_file_is_for_whom_its_directory_is(root: Root, folder: Path, mode: int) -> None:
    folder.chmod(mode)
    before = os.umask(0o077)
    try:
        root.write("talk.srt", b"text", None)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "talk.srt").stat().st_mode) == mode & 0o666


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another group")
def test_a_written_file_has_the_group_of_its_directory(root: Root, folder: Path) -> None:
    os.chown(folder, -1, 12345)
    root.write("talk.srt", b"text", None)
    assert (folder / "talk.srt").stat().st_gid == 12345


def test_a_default_acl_has_the_last_word(root: Root, folder: Path) -> None:
    # Version 2 of system.posix_acl_default: owner rw, group r, others nothing; and nobody's umask counts.
    entries = ((1, 6), (4, 4), (32, 0))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, rights, 0xFFFFFFFF) for tag, rights in entries)
    try:
        os.setxattr(folder, "system.posix_acl_default", acl)
    except OSError as error:
        pytest.skip(f"no access lists on this file system: {error.strerror}")
    root.write("talk.srt", b"text", None)
    assert stat.S_IMODE((folder / "talk.srt").stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a directory to another group")
def test_a_written_file_gets_the_group_of_a_setgid_directory(root: Root, folder: Path) -> None:
    os.chown(folder, -1, 12345)
    folder.chmod(0o2775)
    root.write("a.srt", b"text", None)
    assert (folder / "a.srt").stat().st_gid == 12345


@pytest.mark.parametrize("taken", ["a file", "a directory", "a link", "a dead link"])
def test_a_name_that_is_taken_is_left_alone(root: Root, folder: Path, taken: str) -> None:
    place = folder / "a.srt"
    if taken == "a file":
        place.write_bytes(b"theirs")
    elif taken == "a directory":
        place.mkdir()
    else:
        place.symlink_to(folder if taken == "a link" else folder / "nowhere")
    before = os.lstat(place)
    with pytest.raises(NameTaken):
        root.write("a.srt", b"ours", None)
    assert os.lstat(place).st_ino == before.st_ino
    assert os.listdir(folder) == ["a.srt"]


def test_our_own_file_is_replaced_and_an_edited_one_is_not(root: Root, folder: Path) -> None:
    root.write("a.srt", b"first", None)
    root.write("a.srt", b"second", sha256(b"first"))
    assert (folder / "a.srt").read_bytes() == b"second"
    (folder / "a.srt").write_bytes(b"edited")
    with pytest.raises(NameTaken, match="changed by somebody else"):
        root.write("a.srt", b"third", sha256(b"second"))
    assert (folder / "a.srt").read_bytes() == b"edited"
    assert os.listdir(folder) == ["a.srt"]


def test_what_was_to_be_replaced_may_be_gone(root: Root, folder: Path) -> None:
    root.write("a.srt", b"text", sha256(b"long gone"))
    assert (folder / "a.srt").read_bytes() == b"text"


def test_our_own_file_is_removed_and_an_edited_one_is_not(root: Root, folder: Path) -> None:
    for name in ("a.srt", "b.srt"):
        root.write(name, b"text", None)
    (folder / "b.srt").write_bytes(b"edited")
    root.remove("a.srt", sha256(b"text"))
    with pytest.raises(NameTaken, match=r"b\.srt was changed by somebody else"):
        root.remove("b.srt", sha256(b"text"))
    assert os.listdir(folder) == ["b.srt"]


def test_what_was_to_be_removed_may_be_gone(root: Root, folder: Path) -> None:
    root.remove("a.srt", sha256(b"text"))
    root.remove("no/a.srt", sha256(b"text"))
    assert os.listdir(folder) == []


def test_of_many_writers_of_one_name_exactly_one_wins(make: Callable[[Path], Root], folder: Path) -> None:
    won, lost = [], []
    start = threading.Barrier(8)

    def one(number: int) -> None:
        start.wait()
        try:
            make(folder).write("a.srt", b"%d" % number * 1000, None)
        except NameTaken:
            lost.append(number)
        else:
            won.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert (folder / "a.srt").read_bytes() == b"%d" % won[0] * 1000
    assert os.listdir(folder) == ["a.srt"]


def test_a_directory_that_is_gone_is_missing_for_writing_too(root: Root) -> None:
    for ask in (lambda: root.write("no/a.srt", b"", None), lambda: root.probe("no"), lambda: root.sweep("no")):
        with pytest.raises(SourceMissing):
            ask()


def test_a_name_that_is_too_long_is_trouble_of_the_target(root: Root, folder: Path) -> None:
    with pytest.raises(TargetTrouble) as caught:
        root.write("x" * 252 + ".srt", b"text", None)
    assert "shorter" in caught.value.hint
    assert os.listdir(folder) == []


def test_a_directory_that_may_not_be_written_is_found_by_the_probe(make: Callable[[Path], Root], outside: Path) -> None:
    root = make(outside)
    with nobody(root):
        if os.access(outside, os.W_OK, effective_ids=True):
            outside.chmod(0o555)
        asks: tuple[Callable[[], object], ...] = (lambda: root.probe(""), lambda: root.write("a.srt", b"", None))
        for ask in asks:
            with pytest.raises(TargetTrouble) as caught:
                ask()
            assert "must be able to create files" in caught.value.hint
    outside.chmod(0o755)


def test_a_probe_leaves_nothing_behind(root: Root, folder: Path) -> None:
    (folder / "sub").mkdir()
    root.probe("")
    root.probe("sub")
    assert os.listdir(folder) == ["sub"]
    assert os.listdir(folder / "sub") == []


def test_left_over_temporaries_are_swept_and_nothing_else(root: Root, folder: Path) -> None:
    for number in range(3):
        (folder / f"{TEMPORARY_PREFIX}dead{number}{TEMPORARY_SUFFIX}").write_bytes(b"half")
    kept = {"a.tmp", f"{TEMPORARY_PREFIX}notes", "b.srt", f"x{TEMPORARY_PREFIX}1{TEMPORARY_SUFFIX}"}
    for name in kept:
        (folder / name).write_bytes(b"theirs")
    (folder / f"{TEMPORARY_PREFIX}dir{TEMPORARY_SUFFIX}").mkdir()
    assert root.sweep("") == 3
    assert root.sweep("") == 0
    assert set(os.listdir(folder)) == kept | {f"{TEMPORARY_PREFIX}dir{TEMPORARY_SUFFIX}"}


def test_a_sweep_leaves_what_is_being_written(root: Root, folder: Path) -> None:
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            root.sweep("")

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(100):
            root.write(f"{number}.srt", b"text", None)
    finally:
        done.set()
        sweeper.join()
    assert len(os.listdir(folder)) == 100


DISK = """
import sys
from scriptixd.errors import TargetTrouble
from scriptixd.roots.local import LocalRoot
import os
root = LocalRoot(sys.argv[1])
for ask in (lambda: root.probe(""), lambda: root.write("a.srt", bytes(60_000), None)):
    try:
        ask()
    except TargetTrouble as trouble:
        print(trouble.what, "|", trouble.hint)
    else:
        print("no trouble")
print(sorted(os.listdir(sys.argv[1])))
"""


def on_a_disk_of_its_own(place: Path, prepare: str) -> list[str]:
    """Run DISK in a mount namespace in which `prepare` made a file system at `place`."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("mounting a disk of our own needs root and mount namespaces")
    script = f'cd / && {prepare} && exec "$1" -c "$2" "$0"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(place), sys.executable, DISK],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()


def test_a_full_disk_is_found_by_the_probe_and_leaves_nothing_half(folder: Path) -> None:
    said = on_a_disk_of_its_own(
        folder,
        'mount -t tmpfs -o size=64k tmpfs "$0" && head -c 65536 /dev/zero > "$0/full"',
    )
    assert all("No space left" in line and "make room" in line for line in said[:2])
    assert said[2] == "['full']"


def test_a_disk_with_too_little_room_keeps_its_name_free(folder: Path) -> None:
    said = on_a_disk_of_its_own(folder, 'mount -t tmpfs -o size=64k tmpfs "$0" && head -c 40000 /dev/zero > "$0/half"')
    assert said[0] == "no trouble"
    assert "a.srt cannot be written: No space left" in said[1]
    assert said[2] == "['half']"


def test_a_read_only_disk_is_trouble_of_the_target(folder: Path) -> None:
    said = on_a_disk_of_its_own(folder, 'mount -t tmpfs tmpfs "$0" && mount -o remount,ro "$0"')
    assert all("Read-only file system" in line and "mount it writable" in line for line in said[:2])
    assert said[2] == "[]"


# Giving a name: every way that a file system may leave us


@pytest.fixture
def opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


WAYS = [writing.rename_noreplace, writing.link_and_unlink, writing.claim_and_replace, writing.publish]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_giving_a_name_gives_a_free_one(way: writing.Rename, folder: Path, opened: int) -> None:
    (folder / "written").write_bytes(b"text")
    way(opened, "written", "a.srt")
    assert os.listdir(folder) == ["a.srt"]
    assert (folder / "a.srt").read_bytes() == b"text"


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_giving_a_name_takes_one(way: writing.Rename, folder: Path, opened: int) -> None:
    (folder / "written").write_bytes(b"text")
    (folder / "a.srt").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        way(opened, "written", "a.srt")
    assert (folder / "a.srt").read_bytes() == b"theirs"
    assert (folder / "written").read_bytes() == b"text"


def test_the_way_without_links_and_flags_gives_the_name_back_when_it_fails(folder: Path, opened: int) -> None:
    with pytest.raises(FileNotFoundError):
        writing.claim_and_replace(opened, "written", "a.srt")
    assert os.listdir(folder) == []


# What the system may say


@pytest.mark.parametrize("injected", ["EIO", "ESTALE", "EHOSTDOWN", "ENOTCONN", "ETIMEDOUT", "ENODEV"])
def test_a_disk_that_fails_in_the_middle_is_trouble_of_the_share(folder: Path, tmp_path: Path, injected: str) -> None:
    (folder / "a.wav").write_bytes(b"sound")
    needs_strace()
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", str(tmp_path / "log"), "-P", str(folder / "a.wav"),
         "-e", f"inject=pread64:error={injected}", sys.executable, "-c", READING, str(folder)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.startswith("ShareTrouble"), done.stderr


def needs_strace() -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "-o", "/dev/null", "true"], check=False).returncode != 0:
        pytest.skip("making a disk fail needs strace, and the right to use it")


READING = """
import sys
from scriptixd.errors import Trouble
from scriptixd.roots.local import LocalRoot
try:
    with LocalRoot(sys.argv[1]).open("a.wav") as reader:
        print(reader.read(0, 10))
except Trouble as trouble:
    print(type(trouble).__name__, trouble)
"""


@pytest.mark.parametrize("injected", ["EINVAL", "EOPNOTSUPP"])
def test_a_disk_that_cannot_sync_is_written_to_all_the_same(folder: Path, tmp_path: Path, injected: str) -> None:
    done = traced(folder, tmp_path, f"inject=fsync:error={injected}")
    assert done == "written\n"
    assert os.listdir(folder) == ["a.srt"]


def test_a_disk_that_fails_to_sync_keeps_its_name_free(folder: Path, tmp_path: Path) -> None:
    assert traced(folder, tmp_path, "inject=fsync:error=EDQUOT").startswith("TargetTrouble")
    assert os.listdir(folder) == []


def test_a_disk_without_flags_or_links_is_written_to_all_the_same(folder: Path, tmp_path: Path) -> None:
    assert traced(folder, tmp_path, "inject=renameat2:error=EINVAL", "inject=linkat:error=EPERM") == "written\n"
    assert os.listdir(folder) == ["a.srt"]
    assert (folder / "a.srt").read_bytes() == b"text"


def traced(folder: Path, tmp_path: Path, *faults: str) -> str:
    """What WRITING prints while the kernel refuses as told."""
    asked = [part for fault in faults for part in ("-e", fault)]
    needs_strace()
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", str(tmp_path / "log"), *asked, sys.executable, "-c", WRITING, str(folder)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert not done.stderr
    return done.stdout


WRITING = """
import sys
from scriptixd.errors import Trouble
from scriptixd.roots.local import LocalRoot
try:
    LocalRoot(sys.argv[1]).write("a.srt", b"text", None)
    print("written")
except Trouble as trouble:
    print(type(trouble).__name__, trouble)
"""


def test_a_directory_is_made_with_those_above_it_and_each_is_like_the_one_that_it_is_in(
    root: Root, folder: Path
) -> None:
    folder.chmod(0o2770)
    root.make("a/b")
    root.make("a/b/c")
    root.write("a/b/c/talk.srt", b"text", None)
    for made in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE((folder / made).stat().st_mode) == 0o2770
    assert stat.S_IMODE((folder / "a/b/c/talk.srt").stat().st_mode) == 0o660
    (folder / "file").write_bytes(b"")
    with pytest.raises(NameTaken):
        root.make("file")
    (folder / "link").symlink_to(folder / "a")
    with pytest.raises((NameTaken, SourceMissing)):
        root.make("link/d")
    assert not (folder / "a/d").exists()


def test_what_is_written_has_the_mode_that_is_asked_for_and_is_never_executable(root: Root, folder: Path) -> None:
    root.probe("", FileAccess(0o640))
    root.write("a.srt", b"text", None, FileAccess(0o757))
    assert stat.S_IMODE((folder / "a.srt").stat().st_mode) == 0o644
    root.write("a.srt", b"more", sha256(b"text"), FileAccess(0o600))
    assert stat.S_IMODE((folder / "a.srt").stat().st_mode) == 0o600


def test_a_group_that_cannot_be_had_is_found_by_the_probe(root: Root, folder: Path) -> None:
    for ask in (root.probe, lambda _, access: root.write("a.srt", b"text", None, access)):
        with pytest.raises(TargetTrouble, match="there is no group nobody-is-in-it"):
            ask("", FileAccess(group="nobody-is-in-it"))
    assert os.listdir(folder) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody who may not")
def test_a_group_to_which_nothing_may_be_given_is_found_by_the_probe(outside: Path) -> None:
    outside.chmod(0o777)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(TargetTrouble, match="cannot be given to the group 12345: Operation not permitted") as found:
            LocalRoot(outside).probe("", FileAccess(group="12345"))
    finally:
        os.seteuid(0)
    assert "must be a member of it" in found.value.hint
    assert os.listdir(outside) == []
