"""Which names are picked up, and the sentence for each one that is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scriptixd.captions.formats import FORMATS
from scriptixd.roots.globs import covers, matches
from scriptixd.roots.paths import parent
from scriptixd.roots.root import TEMPORARY_PREFIX
from scriptixd.watch.filters import EXTENSIONS, TRANSCRIPTS, Filter, FilterRule, picked_up_before
from scriptixd.watch.litter import NAMES, PREFIXES, SUFFIXES, litter

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


LITTER = {
    "@eaDir": "the file server keeps thumbnails there",
    ".@__thumb": "the file server keeps thumbnails there",
    "#recycle": "it is the file server's recycle bin",
    "@Recycle": "it is the file server's recycle bin",
    ".recycle": "it is the file server's recycle bin",
    "$RECYCLE.BIN": "it is Windows' recycle bin",
    "RECYCLER": "it is Windows' recycle bin",
    "System Volume Information": "Windows keeps its own data there",
    ".Trash": "it is a desktop's bin",
    ".Trash-1000": "it is a desktop's bin",
    ".Trashes": "it is a desktop's bin",
    "#snapshot": "the file server keeps older versions there",
    "~snapshot": "the file server keeps older versions there",
    ".snapshot": "the file server keeps older versions there",
    ".snapshots": "the file server keeps older versions there",
    "@Recently-Snapshot": "the file server keeps older versions there",
    ".zfs": "the file server keeps older versions there",
    "DfsrPrivate": "Windows' replication keeps its own data there",
    ".stversions": "Syncthing keeps older versions there",
    ".stfolder": "Syncthing marks its folder with it",
    ".sync": "Resilio Sync keeps its own data there",
    "lost+found": "a file system check keeps fragments there",
    "._a.mp4": "macOS keeps a file's attributes there",
    ".DS_Store": "macOS keeps settings of a folder there",
    ".Spotlight-V100": "macOS keeps its own data there",
    ".fseventsd": "macOS keeps its own data there",
    ".DocumentRevisions-V100": "macOS keeps its own data there",
    ".TemporaryItems": "macOS keeps its own data there",
    "~$a.mp4": "an office program has a file open",
    ".~lock.a.mp4#": "an office program has a file open",
    "a.mp4.part": "it is still being downloaded",
    "a.mp4.partial": "it is still being downloaded",
    "a.mp4.crdownload": "it is still being downloaded",
    "a.mp4.opdownload": "it is still being downloaded",
    "a.mp4.download": "it is still being downloaded",
    "a.mp4.aria2": "it is still being downloaded",
    "a.mp4.!ut": "it is still being downloaded",
    "a.mp4.!qB": "it is still being downloaded",
    "a.mp4.bc!": "it is still being downloaded",
    "a.mp4.filepart": "it is still being copied",
    "a.tmp": "it is a temporary file",
    "a.mp4.temp": "it is a temporary file",
    ".a.mp4.x8Zq1k": "it is hidden, as the files that rsync is writing are",
    ".~tmp~": "rsync keeps files there until all of them are complete",
    ".rsync-partial": "rsync keeps files there that are not complete",
    ".syncthing.a.mp4.tmp": "Syncthing is writing it",
    "~syncthing~a.mp4.tmp": "Syncthing is writing it",
    f"{TEMPORARY_PREFIX}0123.tmp": "scriptixd keeps it for itself",
    ".nfs0000000000a1b2c300000001": "it was deleted while a program had it open",
    ".fuse_hidden0000000100000001": "it was deleted while a program had it open",
    ".smbdelete8F00.1": "it was deleted while a program had it open",
    ".goutputstream-A1B2C3": "a desktop is writing it",
    "_TRANSCRIPTS-WAITING.txt": "scriptixd tells there what waits for somebody",
    "Thumbs.db": "Windows keeps thumbnails there",
    "ehthumbs.db": "Windows keeps thumbnails there",
    "desktop.ini": "Windows keeps settings of a folder there",
    ".hidden.mp4": "it is hidden",
    ".git": "it is hidden",
    ".backups": "it is hidden",
}


@pytest.mark.parametrize(("name", "reason"), LITTER.items())
def test_litter_is_ignored_in_any_case_with_its_reason_whatever_include_says(name: str, reason: str) -> None:
    everything = FilterRule("**", include=("*", "**"), min_size=0)
    for filter_ in (Filter(), Filter(include=("*", "**"), min_size=0), Filter(rules=(everything,))):
        for written in (name, name.lower(), name.upper()):
            assert filter_.why_not(f"sub/{written}", ENOUGH) == f"{written} is ignored: {reason}"
            assert filter_.why_not(f"{written}/deep/a.mp4", ENOUGH) == f"{written} is ignored: {reason}"
            assert not filter_.enters(written)
            assert not filter_.enters(f"sub/{written}/deep")


def test_every_kind_of_litter_is_in_the_table_above() -> None:
    told = [name.lower() for name in LITTER]
    assert set(NAMES) <= set(told)
    assert all(any(name.startswith(prefix) for name in told) for prefix in PREFIXES)
    assert all(any(name.endswith(f".{suffix}") for name in told) for suffix in SUFFIXES)


@pytest.mark.parametrize("name", ["tmp", "part", "snapshot", "recycle", "sync", "a~", "~a", "#1", "@home", "$1", "a.b"])
def test_what_only_looks_like_litter_is_not(name: str) -> None:
    assert litter(name) is None
    assert Filter().why_not(f"{name}/{name}.mp4", ENOUGH) is None


@pytest.mark.parametrize("name", ["a.txt", "a.srt", "a.json"])
def test_a_transcript_is_never_a_recording(name: str) -> None:
    for include in (None, ("*",)):
        reason = Filter(include=include).why_not(name, ENOUGH)
        assert reason is not None
        assert "no recording, whatever `include` says" in reason


@pytest.mark.parametrize("name", ["a.pdf", "a", "mp4", "a.mp4.bak", "a."])
def test_what_is_no_media_is_named_as_such(name: str) -> None:
    reason = Filter().why_not(name, ENOUGH)
    assert reason is not None
    assert "`include` can name it" in reason


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


BY_EN = "(the rule en/** holds for it)"


def test_the_first_rule_that_matches_judges_a_file_in_the_folders_place() -> None:
    filter_ = Filter(
        include=("*.mp4",),
        exclude=("*-draft.*",),
        min_size=1000,
        rules=(
            FilterRule("en/**", ("*.dat", "*.mp4"), ("*-raw.*", "tapes"), min_size=2000),
            FilterRule("*.dat", ("*.dat",), (), min_size=0),
        ),
    )
    assert filter_.why_not("en/a.dat", 2000) is None
    assert filter_.why_not("en/a-draft.mp4", 2000) is None
    assert filter_.why_not("en/a-raw.mp4", 2000) == f"it matches the exclude pattern *-raw.* {BY_EN}"
    assert filter_.why_not("en/a.wav", 2000) == f"it matches no include pattern {BY_EN}"
    assert filter_.why_not("en/a.dat", 1999) == f"its 1999 bytes are less than min_size, which is 2000 {BY_EN}"
    assert filter_.why_not("en/a.dat", 0) == f"it is empty {BY_EN}"
    assert filter_.why_not("en/a.dat", None) is None
    assert filter_.why_not("a.dat", 1) is None
    assert filter_.why_not("a-draft.mp4", ENOUGH) == "it matches the exclude pattern *-draft.*"
    assert filter_.why_not("a.mp4", 999) == "its 999 bytes are less than min_size, which is 1000"


def test_a_directory_that_a_rule_excludes_is_left_alone_where_the_rule_holds() -> None:
    filter_ = Filter(rules=(FilterRule("en/**", exclude=("tapes", "en/old/")),))
    assert filter_.why_not("en/tapes/x/a.mp4", 9999) == f"its folder en/tapes matches the exclude pattern tapes {BY_EN}"
    assert filter_.why_not("en/old/a.mp4", 9999) == f"its folder en/old matches the exclude pattern en/old/ {BY_EN}"
    assert filter_.why_not("fr/tapes/a.mp4", 9999) is None


def test_no_rule_reaches_into_what_the_folder_does_not_enter() -> None:
    everything = FilterRule("**", include=("**",), min_size=0)
    assert Filter(exclude=("raw/",), rules=(everything,)).why_not("raw/x/a.mp4", ENOUGH) == (
        "its folder raw matches the exclude pattern raw/"
    )
    assert Filter(recursive=False, rules=(everything,)).why_not("sub/a.mp4", ENOUGH) == (
        "it is in a sub-folder, and recursive is off"
    )


def test_without_a_language_of_its_own_a_folder_takes_only_what_a_rule_matches() -> None:
    filter_ = Filter(rules=(FilterRule("en/**"),), lacks="language")
    assert filter_.why_not("en/a.mp4", ENOUGH) is None
    assert filter_.why_not("a.mp4", ENOUGH) == "no rule matches it, and the folder has no language of its own"
    assert filter_.why_not("a.pdf", ENOUGH) != filter_.why_not("a.mp4", ENOUGH)
    assert filter_.enters("fr")


NAMED = st.sampled_from(
    ["a.mp4", "b.dat", "en", "raw", "x-raw.mp4", "@eaDir", "a.tmp", ".a", "line\nbreak", "\udcff.wav"]
)
PATHS = st.lists(NAMED, min_size=1, max_size=4).map("/".join)
PATTERNS = st.sampled_from(
    ["*", "**", "*.mp4", "en/**", "en", "raw/", "/raw/**", "**/raw/*", "en/*.dat", "[", "\udcff*", "?.mp4", "**/en"]
)
LISTS = st.lists(PATTERNS, max_size=3).map(tuple)
RULES = st.builds(FilterRule, PATTERNS, st.none() | LISTS, LISTS, st.integers(0, 5000))
FILTERS = st.builds(
    Filter,
    st.none() | LISTS,
    LISTS,
    st.booleans(),
    st.integers(0, 5000),
    st.lists(RULES, max_size=3).map(tuple),
    st.sampled_from(["", "language"]),
)


@settings(deadline=None)
@given(FILTERS, PATHS, st.none() | st.integers(0, 6000))
def test_a_directory_is_skipped_only_if_nothing_below_it_is_picked_up(
    filter_: Filter, path: str, size: int | None
) -> None:
    if filter_.why_not(path, size) is None:
        above = parent(path)
        while above:
            assert filter_.enters(above)
            above = parent(above)
        assert filter_.enters("")


@settings(deadline=None)
@given(FILTERS)
@example(Filter(extensions=frozenset({"mp4"})))
def test_a_filter_can_be_written_down_and_read_again(filter_: Filter) -> None:
    assert Filter.from_scope(filter_.scope) == filter_
    assert filter_.scope.isascii()


def test_equal_filters_have_equal_scopes_and_others_have_not() -> None:
    rule = FilterRule("en/**")
    every = [
        Filter(),
        Filter(include=("*.mp4",)),
        Filter(exclude=("*.mp4",)),
        Filter(recursive=False),
        Filter(min_size=1),
        Filter(rules=(rule,)),
        Filter(rules=(rule, FilterRule("fr/**"))),
        Filter(rules=(rule,), lacks="language"),
        Filter(extensions=EXTENSIONS | {"new"}),
    ]
    assert len({filter_.scope for filter_ in every}) == len(every)
    assert Filter(extensions=frozenset(sorted(EXTENSIONS))).scope == Filter().scope


def test_what_a_scope_let_in_is_known_after_the_settings_have_changed() -> None:
    before = Filter.from_scope(Filter(recursive=False, extensions=EXTENSIONS - {"wav"}).scope)
    assert before.why_not("a.mp4", ENOUGH) is None
    assert before.why_not("sub/a.mp4", ENOUGH) is not None
    assert before.why_not("a.wav", ENOUGH) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [("include", "*.mp4"), ("exclude", None), ("recursive", 1), ("min_size", True), ("min_size", 1.0), ("rules", {}),
     ("rules", [["en/**", None, []]]), ("rules", [["en/**", None, [], "1"]]), ("rules", ["en/**"]), ("lacks", None),
     ("extensions", ["mp4"]), ("later", 1)],
)  # fmt: skip
def test_a_scope_that_another_version_wrote_is_not_guessed_at(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="of this version"):
        Filter.from_scope(json.dumps({**json.loads(Filter().scope), name: value}))


@pytest.mark.parametrize("scope", ["", "{", "{}", "[]", "null", "1"])
def test_what_is_no_scope_is_not_read(scope: str) -> None:
    with pytest.raises(ValueError):
        Filter.from_scope(scope)


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


def test_what_was_picked_up_before_is_known_only_where_it_was_something_else() -> None:
    today, before = Filter(), Filter(include=("*.wav",))
    assert picked_up_before(None, today) is None
    assert picked_up_before(today.scope, today) is None
    assert picked_up_before(before.scope, today) == before


def test_a_scope_that_cannot_be_read_picked_nothing_up() -> None:
    nothing = picked_up_before('{"of": "another version"}', Filter())
    assert nothing is not None
    assert nothing.why_not("a.wav", 5000) is not None
