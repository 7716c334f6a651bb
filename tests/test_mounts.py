"""The table of mounts, from text: nested, hidden, escaped, of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scriptixd.roots.mounts import MOUNTS, NOWHERE, Mount, Mounts, MountTable, is_local, mount_of, parse, path_within

TABLE = "\n".join(
    [
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        "30 21 0:44 / /srv rw shared:5 master:2 - xfs /dev/sdb1 rw",
        "31 30 0:50 / /srv/media rw,relatime shared:9 - cifs //nas/Media\\040Pool rw,vers=3.1.1",
        "32 30 0:51 /exports/tv /srv/tv rw - nfs4 nas:/vol1/exports rw",
        "33 32 0:52 / /srv/tv/old rw - fuse.sshfs me@host:/old rw",
        "34 21 8:17 /@data/rec /mnt/a\\011b\\134c\\012d rw - btrfs /dev/sdc rw",
        "35 21 0:60 / /auto rw - autofs systemd-1 rw",
        "36 35 0:61 / /auto rw - smb3 //nas/auto rw",
    ]
)


def holding(path: str, mounts: Sequence[Mount]) -> Mount:
    return Mounts(mounts).holding(path)


@pytest.mark.parametrize(
    ("path", "filesystem", "source"),
    [
        ("/", "ext4", "/dev/sda1"),
        ("/home/x", "ext4", "/dev/sda1"),
        ("/srv", "xfs", "/dev/sdb1"),
        ("/srv/mediathek", "xfs", "/dev/sdb1"),
        ("/srv/media/2026", "cifs", "//nas/Media Pool"),
        ("/srv/tv/new", "nfs4", "nas:/vol1/exports"),
        ("/srv/tv/old/a", "fuse.sshfs", "me@host:/old"),
        ("/auto/x", "smb3", "//nas/auto"),
    ],
)
def test_a_path_is_held_by_the_deepest_mount_above_it(path: str, filesystem: str, source: str) -> None:
    mount = holding(path, parse(TABLE))
    assert (mount.filesystem, mount.source) == (filesystem, source)


def test_octal_escapes_become_the_letters_that_they_stand_for() -> None:
    mount = holding("/mnt/a\tb\\c\nd/e", parse(TABLE))
    assert mount.filesystem == "btrfs"
    assert path_within(mount, "/mnt/a\tb\\c\nd/e") == "/@data/rec/e"


def test_a_sub_path_of_an_export_belongs_to_the_place_within_it() -> None:
    assert path_within(holding("/srv/tv/new", parse(TABLE)), "/srv/tv/new") == "/exports/tv/new"
    assert path_within(holding("/srv/tv", parse(TABLE)), "/srv/tv") == "/exports/tv"


def test_a_mount_that_lies_under_a_later_one_is_out_of_reach() -> None:
    over_its_parent = TABLE + "\n40 30 0:70 / /srv rw - tmpfs none rw"
    assert holding("/srv/media/2026", parse(over_its_parent)).filesystem == "tmpfs"
    beside_it = TABLE.replace("31 30", "31 21") + "\n40 21 0:70 / /srv rw - tmpfs none rw"
    assert holding("/srv/media/2026", parse(beside_it.replace("30 21", "30 99"))).filesystem == "tmpfs"


def test_everything_mounted_below_a_directory_is_told_and_nothing_hidden() -> None:
    mounts = Mounts(parse(TABLE))
    assert [mount.filesystem for mount in mounts.below("/srv")] == ["cifs", "nfs4", "fuse.sshfs"]
    assert [mount.filesystem for mount in mounts.below("/auto")] == []
    assert [mount.filesystem for mount in mounts.below("/srv/t")] == []
    assert len(mounts.below("/")) == 6
    over = TABLE + "\n40 30 0:70 / /srv rw - tmpfs none rw"
    assert [mount.filesystem for mount in Mounts(parse(over)).below("/srv")] == []
    assert Mounts(parse(over)).holding("/srv/media").filesystem == "tmpfs"


def test_links_are_followed_up_to_the_first_share(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "local" / "deep").mkdir(parents=True)
    (tmp_path / "to-share").symlink_to("local/../share/x")
    (tmp_path / "to-local").symlink_to(tmp_path / "local")
    (tmp_path / "circle").symlink_to("circle")
    table = f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / {tmp_path}/share rw - cifs //nas/share rw"
    mounts = Mounts(parse(table))
    for path, filesystem, leads in (
        ("to-share/y", "cifs", "share/x/y"),
        ("share/y/../z", "cifs", "share/z"),
        ("to-local/deep", "ext4", "local/deep"),
        ("to-local/../local/./deep/", "ext4", "local/deep"),
        ("to-local/no/such", "ext4", "local/no/such"),
    ):
        held = mounts.follow(f"{tmp_path}/{path}")
        assert (held.mount.filesystem, held.path) == (filesystem, f"{tmp_path}/{leads}")
    assert mounts.follow(f"{tmp_path}/circle").mount.filesystem == "ext4"


def test_a_share_is_not_touched_to_find_out_that_it_is_one(tmp_path: Path) -> None:
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode != 0:
        pytest.skip("seeing what is touched needs strace, and the right to use it")
    (tmp_path / "share").mkdir()
    (tmp_path / "link").symlink_to("share/deep")
    table = tmp_path / "table"
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / {tmp_path}/share rw - nfs nas:/share rw\n")
    script = (
        "import sys; from pathlib import Path; from scriptixd.roots.mounts import MountTable;"
        "print(MountTable(Path(sys.argv[1])).now().follow(sys.argv[2]).path)"
    )
    log = tmp_path / "log"
    done = subprocess.run(
        ["strace", "-qq", "-y", "-o", log, "-e", "trace=%file",
         sys.executable, "-c", script, table, tmp_path / "link/x"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == f"{tmp_path}/share/deep/x"
    touched = [line for line in log.read_text().splitlines() if f"{tmp_path}/share" in line and "execve" not in line]
    assert touched == []


def test_the_table_is_read_again_only_when_it_has_changed() -> None:
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("mounting needs root and mount namespaces")
    script = """
import os, subprocess, sys, tempfile
from scriptixd.roots.mounts import MOUNTS
place = tempfile.mkdtemp()
before = MOUNTS.now()
assert all(MOUNTS.now() is before for _ in range(1000))
for _ in range(20):
    subprocess.run(["mount", "-t", "tmpfs", "here", place], check=True)
    assert MOUNTS.now().holding(place).source == "here"
    assert MOUNTS.now() is MOUNTS.now()
    subprocess.run(["umount", place], check=True)
    assert MOUNTS.now().holding(place).source != "here"
os.rmdir(place)
"""
    subprocess.run(["unshare", "-m", sys.executable, "-c", script], check=True)


def test_lines_that_are_none_are_left_out() -> None:
    assert parse("\nnonsense\n1 2 3 - \na b c d e f - ext4 x\n") == ()
    assert holding("/srv", ()) == NOWHERE


@pytest.mark.parametrize("filesystem", ["ext4", "ext3", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay"])
def test_file_systems_of_this_machine_are_local(filesystem: str) -> None:
    assert is_local(filesystem)


@pytest.mark.parametrize(
    "filesystem", ["cifs", "smb3", "nfs", "nfs4", "fuse.rclone", "fuseblk", "virtiofs", "9p", "ceph", "unknown", ""]
)
def test_all_others_are_not_local(filesystem: str) -> None:
    assert not is_local(filesystem)


def test_the_kernels_own_table_holds_every_path(tmp_path: Path) -> None:
    mount = mount_of(str(tmp_path))
    assert str(tmp_path.resolve()).startswith(mount.mountpoint)
    assert path_within(mount, str(tmp_path.resolve())).endswith(tmp_path.name)
    assert mount_of("/proc").filesystem == "proc"
    assert os.fsencode(mount.source)


def test_a_table_that_is_closed_is_opened_again() -> None:
    table = MountTable()
    assert table.now().holding("/") == MOUNTS.now().holding("/")
    table.close()
    assert table.now().holding("/") == MOUNTS.now().holding("/")
    table.close()
    table.close()


def test_names_that_look_like_ends_of_lines_are_none() -> None:
    (mount,) = parse("9 1 0:1 / /srv/a\x0bb\u2028c rw - ext4 /dev/x rw\n")
    assert mount.mountpoint == "/srv/a\x0bb\u2028c"


def test_the_parser_agrees_with_itself_on_bytes_that_are_not_utf_8() -> None:
    line = os.fsdecode(b"9 1 0:1 / /srv/\xff\\040x rw - ext4 /dev/x rw")
    (mount,) = parse(line)
    assert os.fsencode(mount.mountpoint) == b"/srv/\xff x"
    assert sys.getfilesystemencoding() == "utf-8"
