"""Which names are picked up, and the sentence for each one that is not."""

from __future__ import annotations

import pytest

from scriptixd.captions import FORMATS
from scriptixd.roots.globs import covers, matches
from scriptixd.watch.filters import EXTENSIONS, TRANSCRIPTS, Filter

ENOUGH = 100_000


@pytest.mark.parametrize(
    "name",
    ["a.wav", "A.MP4", "x.mxf", "x.wma", "x.amr", "x.opus", "x.ts", "x.mts", "x.M2TS", "x.3gp", "x.flac", "x.m4a",
     "x.mkv", "x.webm", "x.mov", "x.avi", "x.mp3", "x.ogg", "x.aac", "x.aiff", "x.wmv", "naïve übung.Mp3",
     "line\nbreak.mp4", "bytes\udcff.wav", "two.dots.mp4"],
)  # fmt: skip
def test_audio_and_video_of_every_usual_kind_is_picked_up(name: str) -> None:
    assert Filter().why_not(name, ENOUGH) is None
    assert Filter().why_not(f"deep/er/{name}", ENOUGH) is None


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "._a.mp4", "~$a.mp4", "a.mp4.part", "a.mp4.crdownload", "a.mp4.TMP", "a.mp4.partial",
     ".~lock.a.mp4#", "Thumbs.db", "desktop.ini", ".hidden.mp4", "a.filepart", ".scriptixd-0123.tmp",
     ".a.mp4.x8Zq1k", "~syncthing~a.mp4", ".syncthing.a.mp4.tmp", ".goutputstream-ABC"],
)  # fmt: skip
def test_litter_is_ignored_whatever_include_says(name: str) -> None:
    for filter_ in (Filter(), Filter(include=("*",))):
        reason = filter_.why_not(name, ENOUGH)
        assert reason is not None
        assert "ignored" in reason


@pytest.mark.parametrize(
    "directory",
    ["@eaDir", "#recycle", "@Recycle", ".recycle", "$RECYCLE.BIN", "System Volume Information", ".Trash-1000",
     "#snapshot", "~snapshot", ".snapshot", "@Recently-Snapshot", ".zfs", "DfsrPrivate", ".stversions", ".sync",
     "lost+found", ".git"],
)  # fmt: skip
def test_directories_of_servers_and_desktops_are_not_entered_in_any_case(directory: str) -> None:
    for name in (directory, directory.upper(), directory.lower(), f"sub/{directory}"):
        assert not Filter().enters(name)
        assert Filter().why_not(f"{name}/a.mp4", ENOUGH) is not None
        assert Filter().why_not(f"{name}/deep/a.mp4", ENOUGH) is not None


@pytest.mark.parametrize("name", ["a.txt", "a.srt", "a.json", "a", "mp4", "a.mp4.bak", "a."])
def test_what_is_no_media_is_named_as_such(name: str) -> None:
    reason = Filter().why_not(name, ENOUGH)
    assert reason is not None
    assert "audio and video extensions" in reason


def test_include_replaces_the_known_extensions() -> None:
    filter_ = Filter(include=("*.dat", "en/**"))
    assert filter_.why_not("x/y.dat", ENOUGH) is None
    assert filter_.why_not("en/any.thing", ENOUGH) is None
    assert filter_.why_not("a.mp4", ENOUGH) == "it matches no include pattern"


@pytest.mark.parametrize("name", ["a.json", "a.mp4.SRT", "en/a.txt", "a.scriptix.srt"])
def test_a_sidecar_is_never_taken_for_a_recording_whatever_include_says(name: str) -> None:
    reason = Filter(include=("*", "**")).why_not(name, ENOUGH)
    assert reason is not None
    assert "no recording" in reason
    assert {"json", *FORMATS} <= TRANSCRIPTS


def test_exclude_names_the_pattern_that_decided() -> None:
    filter_ = Filter(exclude=("raw/**", "*-draft.mp4"))
    assert filter_.why_not("a-draft.mp4", ENOUGH) == "it matches the exclude pattern *-draft.mp4"
    assert filter_.why_not("raw/x/a.mp4", ENOUGH) == "its folder raw matches the exclude pattern raw/**"
    assert filter_.why_not("raw.mp4", ENOUGH) is None


@pytest.mark.parametrize("pattern", ["raw/**", "raw", "raw/", "/raw/**", "r?w/**", "**/raw/**", "**/raw"])
def test_an_excluded_directory_is_not_entered(pattern: str) -> None:
    filter_ = Filter(exclude=(pattern,))
    assert not filter_.enters("raw")
    assert not filter_.enters("raw/deeper")
    assert filter_.enters("other")
    assert filter_.enters("")


def test_without_recursive_only_the_root_is_looked_at() -> None:
    filter_ = Filter(recursive=False)
    assert filter_.why_not("a.mp4", ENOUGH) is None
    assert not filter_.enters("sub")
    assert filter_.why_not("sub/a.mp4", ENOUGH) == "it is in a sub-folder, and recursive is off"


def test_sizes_are_judged_when_they_are_known() -> None:
    filter_ = Filter(min_size=1024)
    assert filter_.why_not("a.mp4", 1024) is None
    assert filter_.why_not("a.mp4", 1023) == "its 1023 bytes are less than min_size, which is 1024"
    assert filter_.why_not("a.mp4", 0) == "it is empty"
    assert Filter(min_size=0).why_not("a.mp4", 0) == "it is empty"
    assert filter_.why_not("a.mp4", None) is None


def test_reasons_can_be_written_down_whatever_the_name_is() -> None:
    reason = Filter().why_not("x\udcff\x1b[31m/.y\udcff\n", ENOUGH)
    assert reason is not None
    assert reason.encode("utf-8").decode().isprintable()


def test_extensions_are_written_as_they_are_compared() -> None:
    assert all(extension == extension.lower() and "." not in extension for extension in EXTENSIONS)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.wav", "a.wav", True), ("*.wav", "x/y/a.wav", True), ("*.wav", "a.WAV", False), ("*.wav", "a.wave", False),
        ("en/**", "en/a.mp4", True), ("en/**", "en/x/a.mp4", True), ("en/**", "en", False), ("en/**", "x/en/a", False),
        ("**/raw/*", "raw/a", True), ("**/raw/*", "x/y/raw/a", True), ("**/raw/*", "raw/x/a", False),
        ("en/*.mp4", "en/a.mp4", True), ("en/*.mp4", "en/x/a.mp4", False), ("/a.mp4", "a.mp4", True),
        ("/a.mp4", "x/a.mp4", False), ("a/**/z", "a/z", True), ("a/**/z", "a/b/c/z", True), ("**", "a/b", True),
        ("take[0-9].wav", "take7.wav", True), ("take[!0-9].wav", "take7.wav", False), ("a?c", "abc", True),
        ("a?c", "a/c", False), ("a[/]c", "a/c", False), ("[z-a].wav", "[z-a].wav", True), ("a[.wav", "a[.wav", True),
        ("a(b)+.wav", "a(b)+.wav", True), ("a*.wav", "a\nb.wav", True), ("[]].wav", "].wav", True),
    ],
)  # fmt: skip
def test_patterns_mean_what_is_documented(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_a_pattern_covers_a_directory_when_nothing_below_it_could_escape() -> None:
    assert covers("en/**", "en")
    assert covers("en/**", "en/x")
    assert not covers("en/*.mp4", "en")
    assert not covers("**/*.mp4", "en")
