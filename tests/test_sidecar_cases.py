"""What lies in a folder before, what happens, and what lies there after: sidecars on real files, a row a case."""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from delivery_room import SRT, Room

from scriptixd.captions.layout import Numbers, Profile
from scriptixd.captions.style import SpeakerLabels, Style
from scriptixd.captions.wishes import NO_WISHES, Wishes
from scriptixd.delivery.adoption import SidecarsBeside
from scriptixd.delivery.names import player_language
from scriptixd.errors import TargetTrouble
from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import DeliveryState, OutputPlace
from scriptixd.jobs.verbs import ANEW, apply_open_requests
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import LIKE_ITS_DIRECTORY, FileAccess

SOUND = b"sound"
Files = Mapping[str, str]  # path → what it holds: "media", "srt", "json of NAME", or just this text
Act = Callable[[Room], None]


def media(name: str, content: bytes = SOUND) -> Act:
    """A recording comes, and its transcript."""

    def act(room: Room) -> None:
        room.ready(name, content)
        room.work()

    return act


def begins(name: str) -> Act:
    """A recording comes, and the first of its sidecars."""

    def act(room: Room) -> None:
        room.ready(name, SOUND)
        room.room.run_once(Now(room.clock, 1000.0))

    return act


def also(name: str) -> Act:
    """A recording comes that is known already."""

    def act(room: Room) -> None:
        room.recognised(room.settle(name, SOUND))
        room.work()

    return act


def says(name: str, text: str) -> Act:
    """Somebody writes a file."""
    return lambda room: _write(room.place / name, text)


def loses(name: str) -> Act:
    """Somebody deletes a file."""
    return lambda room: (room.place / name).unlink()


def renames(old: str, new: str) -> Act:
    """Somebody renames a recording, and one look at the folder shows it."""

    def act(room: Room) -> None:
        (room.place / new).parent.mkdir(parents=True, exist_ok=True)
        (room.place / old).rename(room.place / new)
        same = os.path.dirname(old) == os.path.dirname(new)
        if not same:
            room.missing(old)
        room.recognised(room.seen(new, [os.path.basename(old)] if same else []))
        room.work()

    return act


def moves(old: str, new: str) -> Act:
    """Somebody moves any file, or a directory with all that is in it; nobody has looked yet."""

    def act(room: Room) -> None:
        (room.place / new).parent.mkdir(parents=True, exist_ok=True)
        (room.place / old).rename(room.place / new)

    return act


def looks(new: str, gone: str) -> Act:
    """The recording is seen under its new name before its old one is missed."""

    def act(room: Room) -> None:
        room.recognised(room.seen(new))
        room.work()
        room.missing(gone)
        room.work()

    return act


def to_the_other_folder(name: str) -> Act:
    def act(room: Room) -> None:
        other = room.place.with_name("more")
        (room.place / name).rename(other / name)
        room.recognised(room.seen(name, folder="more"))
        room.work()
        room.missing(name)

    return act


def outputs(*wanted: str) -> Act:
    def act(room: Room) -> None:
        room.folders.outputs = wanted

    return act


def suffix(text: str) -> Act:
    def act(room: Room) -> None:
        room.folders.output = OutputPlace(suffix=text)

    return act


def directory(name: str) -> Act:
    def act(room: Room) -> None:
        (room.place.parent / name).mkdir(exist_ok=True)
        room.folders.output = OutputPlace(directory=str(room.place.parent / name))

    return act


def renders(name: str, wishes: Wishes = NO_WISHES) -> Act:
    """A person wants the sidecars made anew."""

    def act(room: Room) -> None:
        view = room.store.views.source("talks", name)
        assert view is not None
        assert view.delivery_id is not None
        (asked,) = room.store.requests.ask_render([view.delivery_id], wishes.text, room.clock)
        apply_open_requests(room.store, lambda _: None, Now(room.clock, 1000.0))
        assert room.store.requests.outcomes([asked]) == [ANEW]
        room.work()

    return act


def expires(room: Room) -> None:
    """What is stored of transcripts is kept no longer."""
    with room.store.database.transaction() as connection:
        connection.execute("DELETE FROM results")


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    acts: tuple[Act, ...]
    after: Files
    before: Files = field(default_factory=dict)
    elsewhere: Files = field(default_factory=dict)  # what lies in the other folder, or in the one for outputs


SET = {"talk.mp4": "media", "talk.srt": "srt", "talk.json": "json of talk.mp4"}
RENAMED = {"speech.mp4": "media", "speech.srt": "srt", "speech.json": "json of speech.mp4"}
CAFE, CAFE_APART = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")

CASES = (
    Case("a recording gets its set", (media("talk.mp4"),), SET),
    Case("somebody else's captions keep their name", (media("talk.mp4"),),
         {"talk.mp4": "media", "talk.srt": "mine", "talk.mp4.srt": "srt", "talk.json": "json of talk.mp4"},
         before={"talk.srt": "mine"}),
    Case("each output by itself", (media("talk.mp4"),),
         {"talk.mp4": "media", "talk.srt": "srt", "talk.json": "mine", "talk.mp4.json": "json of talk.mp4"},
         before={"talk.json": "mine"}),
    Case("two recordings with one stem", (media("talk.mp4"), media("talk.wav", b"other")),
         {**SET, "talk.wav": "other", "talk.wav.srt": "srt", "talk.wav.json": "json of talk.wav"}),
    Case("two stems that differ only in capitals", (media("Talk.MP4"), media("talk.wav", b"other")),
         {"Talk.MP4": "media", "Talk.srt": "srt", "Talk.json": "json of Talk.MP4",
          "talk.wav": "other", "talk.wav.srt": "srt", "talk.wav.json": "json of talk.wav"}),
    Case("two stems that differ only in how an accent is encoded",
         (media(f"{CAFE}.mp4"), media(f"{CAFE_APART}.wav", b"other")),
         {f"{CAFE}.mp4": "media", f"{CAFE}.srt": "srt", f"{CAFE}.json": f"json of {CAFE}.mp4",
          f"{CAFE_APART}.wav": "other", f"{CAFE_APART}.wav.srt": "srt",
          f"{CAFE_APART}.wav.json": f"json of {CAFE_APART}.wav"}),
    Case("somebody else's captions in other capitals", (media("talk.mp4"),),
         {"TALK.SRT": "mine", "talk.mp4": "media", "talk.mp4.srt": "srt", "talk.json": "json of talk.mp4"},
         before={"TALK.SRT": "mine"}),
    Case("a copy gets a set of its own", (media("talk.mp4"), also("copy.mp4")),
         {**SET, "copy.mp4": "media", "copy.srt": "srt", "copy.json": "json of copy.mp4"}),
    Case("a rename takes the set along", (media("talk.mp4"), renames("talk.mp4", "speech.mp4")), RENAMED),
    Case("a rename that is seen before the old name is missed",
         (media("talk.mp4"), moves("talk.mp4", "speech.mp4"), looks("speech.mp4", "talk.mp4")), RENAMED),
    Case("a rename in the middle of writing", (begins("talk.mp4"), renames("talk.mp4", "speech.mp4")), RENAMED),
    Case("a rename and back again",
         (media("talk.mp4"), renames("talk.mp4", "speech.mp4"), renames("speech.mp4", "talk.mp4")), SET),
    Case("a rename of the ending alone", (media("talk.mp4"), renames("talk.mp4", "talk.m4v")),
         {"talk.m4v": "media", "talk.srt": "srt", "talk.json": "json of talk.m4v"}),
    Case("a rename of capitals alone", (media("talk.mp4"), renames("talk.mp4", "Talk.mp4")),
         {"Talk.mp4": "media", "talk.srt": "srt", "talk.json": "json of Talk.mp4"}),
    Case("a rename to another directory", (media("talk.mp4"), renames("talk.mp4", "2026/speech.mp4")),
         {f"2026/{name}": what for name, what in RENAMED.items()}),
    Case("a move to another folder", (media("talk.mp4"), to_the_other_folder("talk.mp4")), {}, elsewhere=SET),
    Case("a rename finds somebody else's captions there", (media("talk.mp4"), renames("talk.mp4", "speech.mp4")),
         {**RENAMED, "speech.srt": "mine", "speech.mp4.srt": "srt"}, before={"speech.srt": "mine"}),
    Case("a rename leaves what was edited",
         (media("talk.mp4"), says("talk.srt", "corrected"), renames("talk.mp4", "speech.mp4")),
         {**RENAMED, "talk.srt": "corrected"}),
    Case("a rename brings back nothing that was deleted",
         (media("talk.mp4"), loses("talk.srt"), renames("talk.mp4", "speech.mp4")),
         {"speech.mp4": "media", "speech.json": "json of speech.mp4"}),
    Case("nor does one more, and back again",
         (media("talk.mp4"), loses("talk.srt"), renames("talk.mp4", "speech.mp4"), renames("speech.mp4", "talk.mp4")),
         {"talk.mp4": "media", "talk.json": "json of talk.mp4"}),
    Case("what is not asked for any more is taken along all the same",
         (media("talk.mp4"), outputs("json"), renames("talk.mp4", "speech.mp4")), RENAMED),
    Case("a rename with its captions, by hand",
         (outputs("srt"), media("talk.mp4"), moves("talk.srt", "speech.srt"), renames("talk.mp4", "speech.mp4")),
         {"speech.mp4": "media", "speech.srt": "srt"}),
    Case("a directory is renamed with its files",
         (media("a/talk.mp4"), moves("a", "b"), looks("b/talk.mp4", "a/talk.mp4")),
         {f"b/{name}": what for name, what in SET.items()}),
    Case("a directory is renamed with captions that were edited",
         (media("a/talk.mp4"), says("a/talk.srt", "corrected"), moves("a", "b"), looks("b/talk.mp4", "a/talk.mp4")),
         {"b/talk.mp4": "media", "b/talk.srt": "corrected", "b/talk.json": "json of talk.mp4"}),
    Case("two recordings swap their names",
         (media("a.mp4"), media("b.mp4", b"other"), moves("a.mp4", "c"), moves("b.mp4", "a.mp4"), moves("c", "b.mp4"),
          lambda room: _both(room, "a.mp4", "b.mp4")),
         {"a.mp4": "other", "a.srt": "srt", "a.json": "json of a.mp4",
          "b.mp4": "media", "b.srt": "srt", "b.json": "json of b.mp4"}),
    Case("the language in the name", (suffix(".{language}"), media("talk.mp4")),
         {"talk.mp4": "media", "talk.en.srt": "srt", "talk.en.json": "json of talk.mp4"}),
    Case("a clash with a suffix", (suffix(".{language}"), media("talk.mp4")),
         {"talk.mp4": "media", "talk.en.srt": "mine", "talk.mp4.en.srt": "srt", "talk.en.json": "json of talk.mp4"},
         before={"talk.en.srt": "mine"}),
    Case("a rename gets today's suffix",
         (media("talk.mp4"), suffix(".{language}"), renames("talk.mp4", "speech.mp4")),
         {"speech.mp4": "media", "speech.en.srt": "srt", "speech.en.json": "json of speech.mp4"}),
    Case("a directory for outputs mirrors the tree", (directory("more"), media("deep/down/talk.mp4")),
         {"deep/down/talk.mp4": "media"},
         elsewhere={"deep/down/talk.srt": "srt", "deep/down/talk.json": "json of talk.mp4"}),
    Case("a rename takes the set along in the directory for outputs",
         (directory("more"), media("a/talk.mp4"), renames("a/talk.mp4", "b/speech.mp4")), {"b/speech.mp4": "media"},
         elsewhere={"b/speech.srt": "srt", "b/speech.json": "json of speech.mp4"}),
    Case("a rename after outputs were sent elsewhere takes the set there",
         (media("talk.mp4"), directory("more"), renames("talk.mp4", "speech.mp4")), {"speech.mp4": "media"},
         elsewhere={"speech.srt": "srt", "speech.json": "json of speech.mp4"}),
    Case("made anew as it was", (media("talk.mp4"), renders("talk.mp4")), SET),
    Case("made anew in the middle of writing", (begins("talk.mp4"), renders("talk.mp4")), SET),
    Case("made anew without an output", (media("talk.mp4"), outputs("json"), renders("talk.mp4")),
         {"talk.mp4": "media", "talk.json": "json of talk.mp4"}),
    Case("made anew under other names", (media("talk.mp4"), suffix(".{language}"), renders("talk.mp4")),
         {"talk.mp4": "media", "talk.en.srt": "srt", "talk.en.json": "json of talk.mp4"}),
    Case("made anew under other names, and back again",
         (media("talk.mp4"), suffix(".{language}"), renders("talk.mp4"), suffix(""), renders("talk.mp4")), SET),
    Case("made anew elsewhere", (media("talk.mp4"), directory("more"), renders("talk.mp4")), {"talk.mp4": "media"},
         elsewhere={"talk.srt": "srt", "talk.json": "json of talk.mp4"}),
    Case("made anew beside what was edited",
         (media("talk.mp4"), says("talk.srt", "corrected"), renders("talk.mp4"), renders("talk.mp4")),
         {**SET, "talk.srt": "corrected", "talk.scriptix.srt": "srt"}),
    Case("made anew under other names, and what was edited stays",
         (media("talk.mp4"), says("talk.srt", "corrected"), suffix(".{language}"), renders("talk.mp4")),
         {"talk.mp4": "media", "talk.srt": "corrected", "talk.en.srt": "srt", "talk.en.json": "json of talk.mp4"}),
    Case("made anew beside a JSON that was edited",
         (media("talk.mp4"), says("talk.json", "corrected"), renders("talk.mp4")),
         {**SET, "talk.json": "corrected", "talk.scriptix.json": "json of talk.mp4"}),
    Case("made anew although it was deleted", (media("talk.mp4"), loses("talk.srt"), renders("talk.mp4")), SET),
    Case("made anew, and somebody else's captions keep their name", (media("talk.mp4"), renders("talk.mp4")),
         {"talk.mp4": "media", "talk.srt": "mine", "talk.mp4.srt": "srt", "talk.json": "json of talk.mp4"},
         before={"talk.srt": "mine"}),
    Case("made anew from the JSON", (media("talk.mp4"), expires, loses("talk.srt"), renders("talk.mp4")), SET),
    Case("made anew from the JSON under other names",
         (media("talk.mp4"), expires, suffix(".x"), renders("talk.mp4")),
         {"talk.mp4": "media", "talk.x.srt": "srt", "talk.x.json": "json of talk.mp4"}),
    Case("cannot be made anew of nothing",
         (media("talk.mp4"), expires, loses("talk.json"), outputs("json"), renders("talk.mp4")),
         {"talk.mp4": "media", "talk.srt": "srt"}),
    Case("other content under other names, made anew, leaves nothing of before",
         (media("talk.mp4", b"before"), suffix(".x"), media("talk.mp4"), renders("talk.mp4")),
         {"talk.mp4": "media", "talk.x.srt": "srt", "talk.x.json": "json of talk.mp4"}),
)  # fmt: skip


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    for name in ("talks", "more"):
        (tmp_path / name).mkdir()
    built = Room(tmp_path / "talks", tmp_path / "state.db")
    yield built
    built.store.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_lies_there_after(room: Room, case: Case) -> None:
    for name, text in case.before.items():
        _write(room.place / name, text)
    for act in case.acts:
        room.clock += 600
        act(room)
    for place, files in ((room.place, case.after), (room.place.with_name("more"), case.elsewhere)):
        assert _told(place) == dict(files)


def test_what_is_wanted_once_holds_once(room: Room) -> None:
    media("talk.mp4")(room)
    wishes = Wishes(Profile.BBC, SpeakerLabels.ALWAYS, srt_crlf=True)
    renders("talk.mp4", wishes)(room)
    assert room.files()["talk.srt"].decode() == SRT.replace("\n", "\r\n")
    renders("talk.mp4")(room)
    assert room.files()["talk.srt"].decode() == SRT


def test_a_wish_that_goes_with_the_settings_no_more_waits_with_a_sentence(room: Room) -> None:
    media("talk.mp4")(room)
    room.folders.manner = replace(room.folders.manner, style=Style(numbers=Numbers(max_ms=2000)))
    renders("talk.mp4", Wishes(numbers=Numbers(min_ms=3000)))(room)
    view = room.store.views.source("talks", "talk.mp4")
    assert view is not None
    assert (view.state, view.reason) == (
        "delivering",
        "what scriptixd render was asked for does not go with today's settings: "
        "no cue is shown for 3 s at the least and 2 s at the most",
    )
    assert room.files()["talk.srt"].decode() == SRT
    renders("talk.mp4")(room)
    view = room.store.views.source("talks", "talk.mp4")
    assert view is not None
    assert view.state == "done"


def test_wishes_are_read_as_they_were_written() -> None:
    for wishes in (NO_WISHES, Wishes(Profile.BBC, SpeakerLabels.ALWAYS, Numbers(30, max_ms=1000), True, False, "note")):
        assert Wishes.read(wishes.text) == wishes


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", range(1, 5))
def test_a_crash_while_a_set_is_made_anew_leaves_one_whole_set(room: Room, nth: int, after: bool) -> None:
    media("talk.mp4")(room)
    suffix(".x")(room)
    room.folders.disk = Cut(room.place, nth, after)
    with pytest.raises(PowerCut):
        renders("talk.mp4")(room)
    room.folders.disk = LocalRoot(room.place)
    room.reopen()
    room.clock += 600
    room.work()
    assert _told(room.place) == {"talk.mp4": "media", "talk.x.srt": "srt", "talk.x.json": "json of talk.mp4"}


def test_no_two_long_names_are_one_and_each_fits_its_disk(room: Room) -> None:
    stem = "é" * 125  # 250 bytes
    for number, ending in enumerate(("a.mp4", "b.mp4", "b.wav")):
        source = room.ready(stem + ending, b"%d" % number)
        room.work()
        assert room.state(source) is DeliveryState.DELIVERED
    names = [name for name in room.files() if name.endswith((".srt", ".json"))]
    assert len(names) == 6
    assert max(len(os.fsencode(name)) for name in names) <= 255
    assert sum("~" in name for name in names) == 4, "only what is too long is shortened"


def test_the_probe_makes_nothing_in_the_directory_for_outputs(room: Room) -> None:
    room.folders.output = OutputPlace(directory=str(room.place.with_name("more")))
    room.room.probe(room.settle("deep/talk.mp4", SOUND), ("json", "srt"))
    assert os.listdir(room.place.with_name("more")) == []


@pytest.mark.parametrize("place", [OutputPlace(), OutputPlace(suffix=".{language}"), OutputPlace(directory="more")])
def test_a_set_is_known_again_without_a_state_file_wherever_it_was_put(room: Room, place: OutputPlace) -> None:
    if place.directory is not None:
        place = OutputPlace(directory=str(room.place.with_name(place.directory)))
    room.folders.output = place
    room.ready("talk.mp4", SOUND)
    room.work()
    before = [_told(room.place), _told(room.place.with_name("more"))]
    again = Room(room.place, room.place.with_name("another.db"))
    again.folders.output = place
    source = again.ready("talk.mp4", SOUND)
    (lying,) = SidecarsBeside(again.folders, again.store).transcripts(source)
    assert (lying.size, lying.session_id) == (len(SOUND), "s1")
    again.work()
    assert again.state(source) is DeliveryState.DELIVERED
    assert [_told(room.place), _told(room.place.with_name("more"))] == before
    again.store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to any group")
def test_the_mode_and_the_group_that_were_set_are_had(room: Room) -> None:
    room.folders.output = OutputPlace(access=FileAccess(0o646, "12345"))
    room.ready("talk.mp4", SOUND)
    room.work()
    found = (room.place / "talk.srt").stat()
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 0o644), "nobody writes who may not in the directory"
    room.place.chmod(0o777)
    room.ready("other.mp4", b"other")
    room.work()
    assert stat.S_IMODE((room.place / "other.srt").stat().st_mode) == 0o646


def test_a_group_that_cannot_be_had_is_found_out_before_anything_is_paid(room: Room) -> None:
    room.folders.output = OutputPlace(access=FileAccess(group="no-such-group"))
    source = room.settle("talk.mp4", SOUND)
    with pytest.raises(TargetTrouble, match="there is no group no-such-group") as found:
        room.room.probe(source, ("json", "srt"))
    assert "output.group" in found.value.hint
    assert list(room.files()) == ["talk.mp4"]


def test_a_name_of_the_kind_that_players_know_is_made_of_every_language() -> None:
    known = {
        "nl-nl": "nl", "nl": "nl", "en-US": "en", "zh-Hant": "zh-Hant", "zh-hant-tw": "zh-Hant", "zh_TW": "zh-TW",
        "pt-br": "pt-BR", "sr-latn": "sr-Latn", "es-419": "es-419", "fy-NL": "fy",
    }  # fmt: skip
    assert {language: player_language(language) for language in known} == known


class PowerCut(BaseException):
    """The process is no more."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_crash_while_a_set_is_taken_along_leaves_one_whole_set(room: Room, nth: int, after: bool) -> None:
    media("talk.mp4")(room)
    disk = Cut(room.place, nth, after)
    room.folders.disk = disk
    with pytest.raises(PowerCut):
        renames("talk.mp4", "speech.mp4")(room)
    room.folders.disk = LocalRoot(room.place)
    room.reopen()
    room.clock += 600
    room.work()
    assert _told(room.place) == RENAMED


class Cut(LocalRoot):
    """A disk, until the power goes at its nth change."""

    def __init__(self, place: Path, nth: int, after: bool) -> None:
        super().__init__(place)
        self._left, self._after = nth, after

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        self._change(lambda: super(Cut, self).write(path, data, replaces, access))

    def remove(self, path: str, sha256: str) -> None:
        self._change(lambda: super(Cut, self).remove(path, sha256))

    def _change(self, change: Callable[[], None]) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise PowerCut
        change()
        if self._left == 0:
            raise PowerCut


def _both(room: Room, *names: str) -> None:
    for name in names:
        room.recognised(room.seen(name))
    room.work()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _told(place: Path) -> dict[str, str]:
    files = (path for path in place.rglob("*") if path.is_file())
    return {str(path.relative_to(place)): _what(path.read_bytes()) for path in files}


def _what(content: bytes) -> str:
    if content == SOUND:
        return "media"
    text = content.decode()
    if text == SRT:
        return "srt"
    return f"json of {json.loads(text)['scriptixd']['source']['name']}" if text.startswith("{") else text
