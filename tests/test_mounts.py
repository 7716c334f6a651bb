"""The table of mounts, from text: nested, hidden, escaped, of every kind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from scriptixd.roots.mounts import Mount, holding, is_local, mount_of, parse, path_within

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
    table = TABLE + "\n40 21 0:70 / /srv rw - tmpfs none rw"
    table = table.replace("30 21 0:44 / /srv rw", "30 40 0:44 / /elsewhere rw")
    assert holding("/srv/media/2026", parse(table)).filesystem == "tmpfs"


def test_lines_that_are_none_are_left_out() -> None:
    assert parse("\nnonsense\n1 2 3 - \na b c d e f - ext4 x\n") == ()
    assert holding("/srv", ()) == Mount("unknown", "unknown", "/", "/", -1, -1)


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


def test_the_parser_agrees_with_itself_on_bytes_that_are_not_utf_8() -> None:
    line = os.fsdecode(b"9 1 0:1 / /srv/\xff\\040x rw - ext4 /dev/x rw")
    (mount,) = parse(line)
    assert os.fsencode(mount.mountpoint) == b"/srv/\xff x"
    assert sys.getfilesystemencoding() == "utf-8"
