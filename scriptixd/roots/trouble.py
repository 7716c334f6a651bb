"""What an OSError on a folder's disk means, and to whom: the one place that translates it.

Classifies and never retries. Sentences name the whole path, hints say who has to do what.
"""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from scriptixd.errors import FileTrouble, NameTaken, ShareTrouble, SourceMissing, TargetTrouble, Trouble
from scriptixd.roots.paths import shown

# The disk, the server or the network between does not answer: waiting helps.
SHARE_IS_AWAY = frozenset(
    {
        errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO,
        errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
        errno.ENOTCONN, errno.ESHUTDOWN, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET,
        errno.ENOKEY, errno.EKEYEXPIRED, errno.EKEYREVOKED, errno.EKEYREJECTED,  # a ticket for the share ran out
    }
)  # fmt: skip
# Somebody else has the file in hand, or the machine is short of something: waiting helps as well.
BUSY = frozenset({errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})
NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Purpose(StrEnum):
    READ = "read"
    WRITE = "write"


@contextmanager
def translated(place: str, purpose: Purpose) -> Iterator[None]:
    """Turn what the operating system raises about the absolute path `place` into Trouble."""
    try:
        yield
    except OSError as error:
        if purpose is Purpose.READ:
            raise reading_trouble(error, place) from error
        raise writing_trouble(error, place) from error


def root_trouble(error: OSError, place: str) -> ShareTrouble:
    """Whatever keeps us out of the root itself, nothing may be inferred about what is below it."""
    where = shown(place)
    if error.errno == errno.ENOENT:
        return ShareTrouble(f"{where} does not exist", "mount or create it; it is used as soon as it is there")
    if error.errno == errno.ENOTDIR:
        return ShareTrouble(f"{where} is not a folder", "a file has its name; the setting `path` must name a folder")
    if error.errno in NOT_ALLOWED:
        return ShareTrouble(f"{where} may not be read", f"{whoami()} must be able to read and enter it")
    if error.errno == errno.ELOOP:
        return ShareTrouble(f"{where} is a link that leads nowhere", "let it lead to the folder")
    return ShareTrouble(f"{where} cannot be reached: {_why(error)}", "check that its disk is mounted and answers")


def reading_trouble(error: OSError, place: str) -> Trouble:
    where = shown(place)
    if error.errno in SHARE_IS_AWAY:
        return ShareTrouble(f"{where} cannot be read: {_why(error)}", "check that its disk is mounted and answers")
    if error.errno in BUSY:
        return ShareTrouble(f"{where} cannot be read just now: {_why(error)}")
    if error.errno in NOT_THERE:
        return SourceMissing(f"{where} is not there")
    if error.errno in NOT_ALLOWED:
        return FileTrouble(f"{where} may not be read", f"{whoami()} must be able to read it")
    return FileTrouble(f"{where} cannot be read: {_why(error)}")


def writing_trouble(error: OSError, place: str) -> Trouble:
    where = shown(place)
    if error.errno in SHARE_IS_AWAY:
        return ShareTrouble(f"{where} cannot be written: {_why(error)}", "check that its disk is mounted and answers")
    if error.errno in NOT_THERE:
        return SourceMissing(f"{where} cannot be written: the folder is not there any more")
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR):
        return NameTaken(f"{where} exists and is not ours")
    return TargetTrouble(f"{where} cannot be written: {_why(error)}", _who_helps(error))


def whoami() -> str:
    """The user whom the files must let in, as an administrator would write it."""
    uid = os.geteuid()
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user with the number {uid}"


def _who_helps(error: OSError) -> str:
    if error.errno in FULL:
        return "make room on that disk, or raise the quota"
    if error.errno == errno.EROFS:
        return "mount it writable; under systemd, name it in ReadWritePaths= (systemctl edit scriptixd)"
    if error.errno in NOT_ALLOWED:
        return f"{whoami()} must be able to create files in that folder"
    if error.errno == errno.ENAMETOOLONG:
        return "give the recording a shorter name"
    return ""


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
