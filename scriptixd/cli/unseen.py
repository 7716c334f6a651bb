"""A path of which the state file knows nothing: what keeps it from being picked up, the disk first, then the settings.

Asks the disk through its root, so that one that hangs is a sentence and no wait.
"""

from __future__ import annotations

from contextlib import closing

from scriptixd.cli.output import duration, moment, size
from scriptixd.cli.prospects import Circumstances, Prospect
from scriptixd.config.settings import Folder
from scriptixd.daemon.folders import filter_of
from scriptixd.errors import FileTrouble, ShareTrouble, SourceMissing
from scriptixd.jobs.clock import read_clock
from scriptixd.roots.paths import folded, joined, name_of, parent, shown
from scriptixd.roots.reaching import FolderRoot
from scriptixd.roots.root import Entry, Kind, Listing, Root
from scriptixd.watch.mode import Mode, scan_interval

NO_SUCH_FILE = "there is no such file"
BACK = "the folder is looked at again when the disk is there"
NOT_YET = "it has not been seen yet"
GOES_ON = "it is picked up when its folder goes on"
NOT_PICKED_UP = "it is not picked up"
A_DIRECTORY = "it is a directory"
NO_LINKS = "links below a folder are not followed"


def never_seen(folder: Folder, path: str, around: Circumstances, *, scanned: bool) -> Prospect:
    """The outlook of a path below a folder."""
    if not path:
        return Prospect("it is a folder that is watched", around.stop, "scriptixd status tells how it is doing")
    if around.away:
        return _away(folder, path, around)
    now, following = NOT_YET, "it is picked up by the next look at the folder"
    try:
        reason = why_not(folder, path)
    except ShareTrouble as trouble:
        return Prospect(now, around.stop or f"its folder cannot be reached: {trouble}", following)
    if reason is not None and reason.startswith(NO_SUCH_FILE) and around.unseen:
        return Prospect("nothing is known of it, and it is not on the disk that is there now", around.obstacle, "")
    if reason is not None:
        return _directory(folder, path, around) if reason == A_DIRECTORY else Prospect(NOT_PICKED_UP, reason, "")
    if around.obstacle:
        return Prospect(now, around.obstacle, GOES_ON if around.stop else following)
    if not scanned:
        return Prospect(now, "the first look at its folder is not over", following)
    return Prospect(now, "", f"{following}, {_next_look(folder, around)}")


def _directory(folder: Folder, path: str, around: Circumstances) -> Prospect:
    """A directory that is there, and may be one that nobody looks into."""
    next_ = "explain a file in it"
    if filter_of(folder).enters(path):
        return Prospect("it is a directory that is looked into", around.stop, next_)
    why = filter_of(folder).why_not(joined(path, "x"), None) or ""
    return Prospect("it is a directory that is not looked into", why, next_)


def _away(folder: Folder, path: str, around: Circumstances) -> Prospect:
    """Nobody can look: only the settings tell something."""
    if any(one.away and one.directory == path for one in around.stops):
        return Prospect("it is a directory, and its disk is not there", around.obstacle, BACK)
    unwanted = filter_of(folder).why_not(path, None)
    return Prospect(NOT_PICKED_UP, unwanted, "") if unwanted else Prospect(NOT_YET, around.obstacle, BACK)


def why_not(folder: Folder, path: str) -> str | None:
    """The sentence why a path is not picked up, None if it is; raises ShareTrouble if its disk is not there."""
    with closing(FolderRoot(folder.path)) as root:
        try:
            return _way(root, folder, parent(path)) or _itself(root, folder, path)
        except SourceMissing:
            return NO_SUCH_FILE
        except FileTrouble as trouble:
            return f"it cannot be looked at: {trouble}"


def _way(root: Root, folder: Folder, directory: str) -> str | None:
    """What is wrong with the directories on the way to a file."""
    if not directory:
        return None
    reason = _way(root, folder, parent(directory))
    if reason is not None:
        return reason
    listing = root.listing(parent(directory))
    found = _named(listing, name_of(directory))
    if found is None:
        entered = filter_of(folder).enters(directory)
        return (
            _nothing_there(listing, directory) if entered else filter_of(folder).why_not(joined(directory, "x"), None)
        )
    if found.kind is Kind.OTHER:
        return f"{shown(directory)} is a link, or no directory, and {NO_LINKS}"
    return None if found.kind is Kind.DIRECTORY else f"{shown(directory)} is no directory"


def _itself(root: Root, folder: Folder, path: str) -> str | None:
    listing = root.listing(parent(path))
    found = _named(listing, name_of(path))
    if found is None:
        return filter_of(folder).why_not(path, None) or _nothing_there(listing, path)
    if found.kind is Kind.OTHER:
        return f"it is a link, or no plain file, and {NO_LINKS}"
    if found.kind is Kind.DIRECTORY:
        return A_DIRECTORY
    if found.stat is None:
        return "it cannot be looked at: its disk tells nothing about it"
    here = folder.at(path)
    if here is not None and found.stat.size > here.max_size:
        return f"its {size(found.stat.size)} are more than max_size, which is {size(here.max_size)}"
    return filter_of(folder).why_not(path, found.stat.size)


def _named(listing: Listing, name: str) -> Entry | None:
    return next((entry for entry in listing if entry.name == name), None)


def _nothing_there(listing: Listing, path: str) -> str:
    """Nothing of that name; what differs in capitals or accents alone may be what was meant."""
    meant = folded(name_of(path))
    alike = [shown(entry.name) for entry in listing if folded(entry.name) == meant]
    return f"{NO_SUCH_FILE}, but {', '.join(alike)}" if alike else NO_SUCH_FILE


def _next_look(folder: Folder, around: Circumstances) -> str:
    """When its folder is looked at next, as far as that is known."""
    live = around.watched
    if live is not None and live.mode == Mode.EVENTS:
        return "within seconds"
    if live is not None and live.mode == Mode.POLL:
        every = duration(scan_interval(folder.scan_interval, Mode.POLL))
        since = f" at {moment(live.last_scan, read_clock().wall)}" if live.last_scan else ""
        return f"{every} after the last{since}"
    if folder.scan_interval is None:
        return "within seconds where the kernel tells of it, else within 30 s to 15 min"
    return f"at most {duration(folder.scan_interval)} after the last"
