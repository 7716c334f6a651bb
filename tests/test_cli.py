"""The verbs as people and scripts use them: the real program, a real state file, output that is no terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest
from desk import PROGRAM, Desk, eventually

from scriptixd.jobs.clock import boot_id, read_clock
from scriptixd.jobs.events import Closing, Dismissed, Event, Rejected, UploadFinished, UploadOpened
from scriptixd.jobs.job import DocumentType, Request, State
from scriptixd.jobs.source import Admission, Look, Question, QuestionKind, Sighting
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.verbs import apply_open_requests
from scriptixd.observe.live import Live, LiveFile, LiveFolder, LiveRestless, live_path
from scriptixd.observe.telling import NO_DAEMON
from scriptixd.roots.root import Stat

NASTY: Final = b"a\x1b[31m\nb\xff.mp4"
VERBS: Final = (
    "run", "check", "plan", "status", "list", "explain", "approve", "dismiss", "retry", "redo", "pause", "resume",
    "render", "report", "forget", "backup", "completion", "convert", "sandbox", "demo",
    "install", "uninstall",
)  # fmt: skip
KEYS: Final = {
    "path", "relative_path", "folder", "state", "language", "document_type", "size", "sha256", "session_id", "attempts",
    "due_at", "error", "hint", "note", "created_at", "updated_at", "job_id", "sidecars", "media_seconds", "paid",
}  # fmt: skip
SHA = "ab" * 32


OPENED = UploadOpened("file-1", "http://127.0.0.1:1", "01234567", "{}", 60.0)
FAILED = Rejected("it is no media", "convert it first")
VOIDED: Sequence[Event] = (OPENED, Closing(SHA), UploadFinished(), Rejected("no speech engine", "", voids=True))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def imported_by(*arguments: str, **environment: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "scriptixd", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}


RESULT = {"result": {"status": "done", "results": [{"result": [["hello", 0.5, 1.0], ["there", 1.0, 1.5]]}]}}


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(RESULT))
    return path


def test_version_and_convert_import_neither_network_nor_configuration(result: Path) -> None:
    heavy = {"requests", "watchdog", "pydantic", "rich", "yaml", "sqlite3", "tusclient", "asyncio", "logging"}
    assert not imported_by("--version") & heavy
    assert not imported_by("convert", str(result)) & heavy


def test_verbs_that_need_no_network_import_none_of_it(desk: Desk) -> None:
    environment = {"TEST_KEY": "key", "SCRIPTIXD_CONFIG": str(desk.config)}
    for verb in (["list"], ["status"], ["plan"], ["explain", "x"], ["approve", "x"]):
        imported = imported_by(*verb, **environment)
        assert "scriptixd" in imported
        assert not imported & {"requests", "urllib3", "tusclient", "asyncio", "rich", "uvicorn"}, verb


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_is_a_sentence_and_an_example(desk: Desk, verb: str) -> None:
    told = desk.say(verb, "--help").stdout
    assert re.search(r"^ +[A-Z].*", told, re.MULTILINE)
    assert re.search(rf"Example: (sudo )?scriptixd {verb}\b", told)


def test_without_a_verb_all_of_them_are_told(desk: Desk) -> None:
    done = desk.say()
    assert done.returncode == 2
    listed = re.findall(r"^  (\w+)  ", (done.stdout + done.stderr).partition("Commands:")[2], re.MULTILINE)
    assert set(listed) == set(VERBS)


@pytest.mark.parametrize(
    "asked",
    [
        {"_TYPER_COMPLETE_ARGS": "scriptixd ", "_SCRIPTIXD_COMPLETE": "complete_fish"},
        {"COLUMNS": "40"},
    ],
)
def test_where_verbs_are_listed_no_sentence_is_cut_off(desk: Desk, asked: dict[str, str]) -> None:
    done = desk.typed(_TYPER_COMPLETE_FISH_ACTION="get-args", **asked)
    told = " ".join((done.stdout + done.stderr).split())
    assert "Watch the folders, and transcribe what appears." in told
    assert "..." not in told.replace("[ARGS]...", "")


@pytest.mark.parametrize(
    "verb",
    [
        ["list", "--json"],
        ["list", "--colour"],
        ["explain", "-h"],
        ["explain", NASTY],
        ["retry", "--failed"],
        ["status", "-c", "/nowhere.yaml"],
    ],
)
def test_the_program_says_what_these_tests_hear_without_a_process(desk: Desk, verb: list[str | bytes]) -> None:
    desk.add(NASTY, held_for="was there before")
    desk.add("a.mp4", *VOIDED)
    typed, said = desk.typed(*verb), desk.say(*verb)
    assert (typed.returncode, typed.stdout, typed.stderr) == (said.returncode, said.stdout, said.stderr)


def test_a_wrong_option_is_usage(desk: Desk) -> None:
    assert desk.say("list", "--colour").returncode == 2


def test_five_mistakes_in_a_configuration_are_five_lines_and_nothing_is_started(desk: Desk) -> None:
    desk.config.write_text(
        f"api: {{url: 'ftp://x', key: k, chunk_size: many}}\nstate: {desk.state}\n"
        f"folders:\n  - {{path: {desk.base}, langauge: nl, document_type: film, settle: soon}}\n"
    )
    verbs = (["check"], ["check", "--syntax"], ["status"], ["list"], ["explain", "x"], ["approve", "x"])
    for done in (desk.typed("run"), *(desk.say(*verb) for verb in verbs)):
        assert done.returncode == 2
        lines = done.stderr.splitlines()
        assert len(lines) == 5, done.stderr
        assert all(re.match(rf"{re.escape(str(desk.config))}:\d+: ", line) for line in lines)
    assert not desk.state.parent.exists()


def test_a_configuration_that_is_not_there_is_said_so_after_the_verb(desk: Desk) -> None:
    done = desk.say("status", "-c", "/nowhere.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("/nowhere.yaml: there is no such file\n")


def test_convert_writes_captions_to_standard_output_or_to_a_file(desk: Desk, result: Path) -> None:
    done = desk.say("convert", str(result), "-f", "srt")
    assert done.stdout == "1\n00:00:00,500 --> 00:00:01,500\nhello there\n"
    out = desk.base / "out.srt"
    assert desk.say("convert", str(result), "-o", str(out)).stdout == ""
    assert out.read_text() == done.stdout
    assert desk.say("convert", str(result), "-o", "-").stdout == done.stdout
    in_ms = desk.say("convert", str(result), "--units", "ms").stdout
    assert in_ms != done.stdout


def test_convert_leaves_no_half_of_a_file(result: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.srt"
    command = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *PROGRAM, "convert", str(result), "-o", str(out)]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    assert "out.srt cannot be written" in done.stderr
    assert not out.exists()


def test_convert_shows_a_terminal_no_document(desk: Desk, result: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*PROGRAM, "convert", result, "-f", "docx"]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert b"-o" in done.stderr


@pytest.mark.parametrize(
    ("format_", "beginning"), [("vtt", b"WEBVTT\n\nNOTE "), ("txt", b"hello there\n"), ("docx", b"PK")]
)
def test_convert_writes_every_format(desk: Desk, result: Path, format_: str, beginning: bytes) -> None:
    out = desk.base / f"out.{format_}"
    assert desk.say("convert", str(result), "-f", format_, "-o", str(out)).returncode == 0
    assert out.read_bytes().startswith(beginning)


def test_convert_takes_every_setting_of_captions(desk: Desk, result: Path) -> None:
    said = "so it goes on and on for a little while"
    words = [[word, 1.0 + n * 0.3, 1.2 + n * 0.3, 0.9] for n, word in enumerate(said.split())]
    result.write_text(json.dumps({"results": [{"result": words, "speaker": "Jan", "channel": 0}]}))
    plain = desk.say("convert", str(result), "--language", "en").stdout
    assert plain.count(" --> ") == 1
    assert desk.say("convert", str(result), "--max-chars", "10", "--max-lines", "1").stdout.count(" --> ") > 2
    assert "[Jan] so it" in desk.say("convert", str(result), "--speaker-labels", "always").stdout
    for options in (["--profile", "bbc"], ["--min-duration", "4"], ["--chars-per-second", "6"]):
        assert desk.say("convert", str(result), *options).stdout != plain
    for options in (["--profile", "mine"], ["--speaker-labels", "yes"], ["--max-lines", "3"], ["--max-duration", "0"]):
        done = desk.say("convert", str(result), *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert options[1] in done.stderr or "cue" in done.stderr


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e-300", "1e300"])
@pytest.mark.parametrize("option", ["--min-duration", "--max-duration", "--chars-per-second", "--gap", "--chain"])
def test_convert_takes_no_number_that_is_none(desk: Desk, result: Path, option: str, number: str) -> None:
    done = desk.say("convert", str(result), option, number)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"'{option}'" in done.stderr


def test_a_json_beside_a_recording_names_its_language(desk: Desk, result: Path) -> None:
    turns = [("A", [["Klaar?", 0.0, 0.2, 1]]), ("B", [["Ja.", 0.3, 0.4, 1]]), ("A", [["Dan", 5.0, 5.9, 1]])]
    results = [{"result": words, "speaker": speaker, "channel": 0} for speaker, words in turns]
    result.write_text(json.dumps({"results": results, "scriptixd": {"request": {"language": "nl-nl"}}}))
    assert "Klaar?\n-Ja.\n" in desk.say("convert", str(result)).stdout
    assert "- Klaar?\n- Ja.\n" in desk.say("convert", str(result), "--language", "fr").stdout


def test_convert_to_what_is_no_format_names_those_that_are(desk: Desk, result: Path) -> None:
    done = desk.say("convert", str(result), "-f", "odt")
    assert done.returncode == 2
    assert "formats are: srt, vtt, txt, docx" in done.stderr


def test_convert_of_a_result_without_words_writes_nothing(desk: Desk, result: Path) -> None:
    result.write_text('{"result": {"status": "done", "results": []}}')
    out = desk.base / "out.srt"
    done = desk.say("convert", str(result), "-o", str(out))
    assert (done.returncode, done.stdout) == (0, "")
    assert "no speech" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [("<html>", 1, "web page"), ('{"result": {"error": "noise"}}', 1, "noise"), (None, 2, "")],
)
def test_convert_of_what_is_no_result_is_a_sentence(
    desk: Desk, result: Path, content: str | None, code: int, said: str
) -> None:
    if content is None:
        result.unlink()
    else:
        result.write_text(content)
    done = desk.say("convert", str(result))
    assert done.returncode == code
    assert said in done.stderr
    assert str(result) in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_had_enough_is_no_trouble(desk: Desk, result: Path, unbuffered: str) -> None:
    words = [[f"word{n}", n / 2, n / 2 + 0.4] for n in range(20_000)]
    result.write_text(json.dumps({"result": {"status": "done", "results": [{"result": words}]}}))
    with subprocess.Popen(
        [*PROGRAM, "convert", result],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "1\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_reading_verbs_without_a_state_file_say_so_and_create_nothing(desk: Desk) -> None:
    (desk.base / "council" / "new.mp4").write_bytes(b"0" * 2048)
    before = sorted(desk.base.rglob("*"))
    assert desk.rows() == []
    status = desk.say("status")
    assert status.returncode == 0
    assert NO_DAEMON in status.stdout
    explained = desk.say("explain", str(desk.base / "council" / "new.mp4"))
    assert explained.returncode == 0
    assert NO_DAEMON in explained.stdout, "in the words of status"
    assert desk.say("approve", "new.mp4").returncode == 2
    assert desk.say("check").returncode == 1  # nobody answers at port 1
    assert sorted(desk.base.rglob("*")) == before


def test_list_tells_programs_everything(desk: Desk) -> None:
    desk.add("meeting.mp4")
    desk.add("bad.mp4", FAILED, folder="court")
    row, failed = desk.rows()
    assert set(row) == KEYS
    assert row["path"] == str(desk.base / "council" / "meeting.mp4")
    assert (row["relative_path"], row["folder"], row["state"]) == ("meeting.mp4", "council", "found")
    assert (row["language"], row["document_type"], row["size"]) == ("nl", "caption", 2048)
    assert row["created_at"].endswith("Z")
    assert datetime.fromisoformat(row["created_at"]).timestamp() == pytest.approx(time.time(), abs=3600)
    typed = "scriptixd retry court/bad.mp4, or scriptixd dismiss court/bad.mp4"
    assert (failed["error"], failed["hint"]) == ("it is no media", f"convert it first; {typed}")
    assert [one["folder"] for one in desk.rows("--folder", "court")] == ["court"]
    assert [one["folder"] for one in desk.rows("--folder", str(desk.base / "council"))] == ["council"]
    assert [one["state"] for one in desk.rows("--state", "failed")] == ["failed"]
    assert desk.say("list", "--state", "lost").returncode == 2
    assert desk.say("list", "--folder", "attic").returncode == 2


def test_what_was_said_of_former_content_is_not_said_of_what_may_still_be_written(desk: Desk) -> None:
    desk.add("a.mp4", FAILED)
    with desk.store() as store:
        changed = Sighting("a.mp4", Stat(4096, 5, 77), Look("boot", 1.0, 1))
        store.sources.record("council", "", [changed], time.time())
    assert (row := desk.row("a.mp4"))["state"] == "settling"
    assert (row["error"], row["hint"]) == (None, None)
    assert "it is no media" not in desk.say("list").stdout


def test_of_an_ignored_file_it_is_noted_why(desk: Desk) -> None:
    desk.see("old.mp4", admission=Admission(Request("nl", DocumentType.CAPTION), ignored=True))
    row = desk.row("old.mp4")
    why = "it was there when the folder was first seen, and `existing` is ignore"
    assert (row["state"], row["error"], row["note"]) == ("ignored", None, why)
    assert why in desk.say("list").stdout
    assert f"Why: {why}" in desk.say("explain", "old.mp4").stdout


def test_one_long_name_moves_its_own_row_alone(desk: Desk) -> None:
    long = "n" * 240 + ".mp4"
    for name in ("a.mp4", "some longer name.mp4", long):
        desk.add(name)
    heading, short, longest, other = desk.say("list").stdout.splitlines()
    assert long in longest
    assert heading.index("LANGUAGE") == short.index(" nl ") + 1 == other.index(" nl ") + 1
    assert longest.index(" nl ") > 240


def test_names_never_reach_a_terminal_as_they_came(desk: Desk) -> None:
    desk.add(NASTY, FAILED)
    path = os.fsencode(desk.base / "council") + b"/" + NASTY
    for verb in (["list"], ["status"], ["explain", path], ["retry", path]):
        done = desk.say(*verb)
        assert done.returncode == 0, done.stderr
        assert "a\\x1b[31m\\nb\\xff.mp4" in done.stdout
        assert "\x1b" not in done.stdout + done.stderr
    (row,) = desk.rows()
    assert os.fsencode(row["path"]) == path


def test_a_name_can_be_given_in_the_escapes_that_are_printed(desk: Desk) -> None:
    desk.add(NASTY, FAILED)
    assert "it has failed" in desk.say("explain", "a\\x1b[31m\\nb\\xff.mp4").stdout


def test_a_terminal_of_another_encoding_gets_escapes(desk: Desk) -> None:
    desk.add("été.mp4")
    done = desk.typed("list", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\xe9t\\xe9.mp4" in done.stdout


def test_explain_tells_the_story_what_is_now_and_what_comes_next(desk: Desk) -> None:
    desk.add("meeting.mp4", held_for="it was there before")
    told = desk.say("explain", "meeting.mp4").stdout
    assert str(desk.base / "council" / "meeting.mp4") in told
    assert "was found complete" in told
    assert "Now: it waits for your yes" in told
    assert "Why: it was there before" in told
    assert "scriptixd approve council/meeting.mp4" in told
    record = json.loads(desk.say("explain", "council/meeting.mp4", "--json").stdout)
    assert record["known"] is True
    assert record["story"][0]["event"] == "Settled"
    assert set(record) >= KEYS


def test_explain_tells_of_a_name_that_is_no_longer_meant(desk: Desk) -> None:
    desk.add("a.mp4", Rejected("x", ""))
    source = desk.see("b.mp4")
    with desk.store() as store:
        store.sources.record("council", "", [Sighting("b.mp4", None)], time.time())
    desk.config.write_text(desk.config.read_text().replace("settle: 1h", "settle: 1h, exclude: [b.*]"))
    told = desk.say("explain", source.name).stdout
    assert "Now: it is not picked up any more" in told
    assert "Why: it matches the exclude pattern b.*" in told
    (desk.base / "council" / "b.mp4").unlink()
    desk.config.write_text(desk.config.read_text().replace("exclude: [b.*]", "exclude: []"))
    assert "Now: its file is not there any more" in desk.say("explain", "b.mp4").stdout


def test_explain_tells_since_when_a_file_has_been_changing(desk: Desk) -> None:
    now = read_clock()
    with desk.store() as store:
        for size, ago in ((2048, 3600.0), (4096, 60.0)):
            sighting = Sighting("live.ts", Stat(size, 0, 1), Look(boot_id(), now.boot - ago, 1))
            store.sources.record("council", "", [sighting], now.wall - ago)
    told = desk.say("explain", "live.ts").stdout
    assert "Now: it is seen, and may still be written" in told
    assert re.search(
        r"Why: it has been changing since .*; it has looked the same for \d+ s; no daemon is running", told
    )
    assert "Next: it is complete when it has not changed for 60 min" in told


def test_explain_tells_which_rule_holds(desk: Desk) -> None:
    rules = "settle: 1h, rules: [{match: 'e*.mp4', language: en}]"
    desk.config.write_text(desk.config.read_text().replace("settle: 1h", rules))
    desk.add("english.mp4")
    desk.add("dutch.mp4")
    (desk.base / "council" / "eel.mp4").write_bytes(b"0" * 2048)
    for name in (Path("english.mp4"), desk.base / "council" / "eel.mp4"):
        assert "Rule: e*.mp4 holds for it, and gives language en" in desk.say("explain", str(name)).stdout
        assert json.loads(desk.say("explain", "--json", str(name)).stdout)["rule"] == "e*.mp4"
    assert "Rule: " not in desk.say("explain", "dutch.mp4").stdout


@pytest.mark.parametrize("typed", ["ÉTÉ.MP4", "E\u0301te\u0301.mp4", "Council/\u00c9t\u00e9.mp4"])
def test_a_name_is_found_in_other_capitals_and_other_accents(desk: Desk, typed: str) -> None:
    desk.add("\u00c9t\u00e9.mp4", held_for="was there before")
    desk.add("autre.mp4")
    assert "it waits for your yes" in desk.say("explain", typed).stdout
    assert desk.say("approve", typed).stdout.endswith("approved: it is uploaded next\n")


def test_a_name_that_two_files_may_be_is_asked_back_and_an_exact_one_is_not(desk: Desk) -> None:
    desk.add("a.MP4", FAILED)
    desk.add("A.mp4")
    done = desk.say("explain", "a.mp4")
    assert done.returncode == 2
    assert "may be any of" in done.stderr
    assert "it has failed" in desk.say("explain", "a.MP4").stdout
    told = desk.say("explain", str(desk.base / "council" / "nothing.mp4")).stdout
    assert "there is no such file" in told


def test_a_path_that_leads_over_a_link_is_found(desk: Desk) -> None:
    desk.add("a.mp4", FAILED)
    (desk.base / "short").symlink_to(desk.base / "council")
    assert "it has failed" in desk.say("explain", str(desk.base / "short" / "a.mp4")).stdout


QUESTION = Question(QuestionKind.DISK, "ext4 //new", "it is another disk now")


def test_a_yes_to_a_folder_is_none_to_what_is_held_in_it(desk: Desk) -> None:
    desk.add("a.mp4", held_for="was there before")
    with desk.store() as store:
        assert not store.sources.ask("council", QUESTION, time.time())
    first = desk.say("approve", "council").stdout
    assert "folder council: approved" in first
    assert "1 file(s) that are held wait for a yes of their own" in first
    assert "it waits for your yes" in desk.say("explain", "a.mp4").stdout
    assert desk.say("approve", "council").stdout.endswith("a.mp4: approved: it is uploaded next\n")


def test_a_folder_that_asks_is_told_and_answered_by_its_name_alone(desk: Desk) -> None:
    desk.add("a.mp4", held_for="was there before")
    desk.see("b.mp4")
    with desk.store() as store:
        assert not store.sources.ask("council", QUESTION, time.time())

    def asks() -> object:
        return json.loads(desk.say("status", "--json").stdout)["folders"][0]["asks"]

    assert asks() == "it is another disk now"
    told = desk.say("status").stdout
    assert "asks: it is another disk now" in told
    assert "scriptixd approve council" in told
    assert "its folder asks: it is another disk now" in desk.say("explain", "b.mp4").stdout
    desk.say("approve", "council/a.mp4")
    desk.say("approve", "council", "--since", "1d")
    desk.say("dismiss", "council")
    assert asks() == "it is another disk now"
    answered = desk.say("approve", "council")
    assert answered.returncode == 0
    assert answered.stdout.startswith("folder council: ")
    assert asks() is None
    with desk.store() as store:
        assert store.sources.ask("council", QUESTION, time.time())


def test_since_means_only_files_that_were_changed_since_then(desk: Desk) -> None:
    names = ("old.mp4", "late.mp4", "new.mp4")
    for name, age in zip(names, (30 * 86400, 3 * 86400, 60), strict=True):
        path = desk.base / "council" / name
        path.write_bytes(b"0" * 2048)
        os.utime(path, (time.time() - age, time.time() - age))
        desk.add(name, held_for="was there before")

    def states() -> list[str]:
        return [desk.row(name)["state"] for name in names]

    assert desk.say("approve", "council", "--since", "2999-01-01").stdout == (
        "there is nothing to approve that was changed since 2999-01-01\n"
    )
    assert desk.say("dismiss", "old.mp4", "--since", "7d").stdout.startswith("there is nothing to dismiss")
    assert desk.say("approve", "council", "--since", "1d").returncode == 0
    assert states() == ["held", "held", "found"]
    day = datetime.fromtimestamp(time.time() - 5 * 86400).astimezone()
    assert desk.say("dismiss", "council", "--since", day.date().isoformat()).returncode == 0
    assert states() == ["held", "dismissed", "found"]
    assert desk.say("approve", "council", "--since", "2001-02-03T04:05").returncode == 0
    assert states() == ["found", "dismissed", "found"]


def test_since_is_a_moment_in_the_time_zone_of_the_configuration(desk: Desk) -> None:
    desk.config.write_text(desk.config.read_text() + "timezone: Pacific/Kiritimati\n")  # 14 hours ahead of UTC
    path = desk.base / "council" / "a.mp4"
    path.write_bytes(b"0" * 2048)
    changed = datetime.fromisoformat("2026-05-01T00:30+14:00").timestamp()
    os.utime(path, (changed, changed))
    desk.add("a.mp4", held_for="was there before")
    assert desk.say("approve", "council", "--since", "2026-05-01T01:00", TZ="UTC").stdout.startswith("there is nothing")
    assert desk.say("approve", "council", "--since", "2026-05-01", TZ="UTC").returncode == 0
    assert desk.row("a.mp4")["state"] == "found"


@pytest.mark.parametrize("wrong", ["soon", "7", "2026-13-01", ""])
def test_a_date_that_is_none_is_usage(desk: Desk, wrong: str) -> None:
    done = desk.say("approve", "council", "--since", wrong)
    assert done.returncode == 2
    assert f"'{wrong}' is no date" in done.stderr


def test_status_tells_what_the_daemon_sees_of_a_folder(desk: Desk) -> None:
    desk.see("live.ts")
    council = LiveFolder(
        "council",
        "poll",
        "nfs4 may be written by others",
        "",
        time.time(),
        (),
        restless=(LiveRestless("live.ts", 0.0),),
    )
    court = LiveFolder("court", "", "", "it does not answer", None, (), offline_since=1e9, hung=True, asks="")
    with desk.store():
        now = time.time()
        LiveFile(live_path(desk.state)).tell(Live(1, "1", now, now, (council, court)))
        told = desk.say("status").stdout
        record = json.loads(desk.say("status", "--json").stdout)["folders"]
    assert "watched by poll: nfs4 may be written by others" in told
    assert re.search(r"has not stopped changing since .*: live\.ts", told)
    assert "waiting 1 (1 may still be written)" in told
    assert re.search(r"hung since 2001-09-\d\d .*: it does not answer", told)
    assert record[0]["restless"] == [{"path": "live.ts", "since": "1970-01-01T00:00:00Z"}]
    assert (record[0]["unsettled"], record[1]["hung"], record[1]["offline_since"]) == (1, True, "2001-09-09T01:46:40Z")


def test_explain_says_why_a_path_was_never_picked_up(desk: Desk) -> None:
    desk.add("seen.mp4")
    council = desk.base / "council"
    (council / "notes.pdf").write_text("x" * 2048)
    (council / "empty.mp4").touch()
    (council / "link.mp4").symlink_to(council / "seen.mp4")
    (council / "new.mp4").write_bytes(b"0" * 2048)
    reasons = {
        council / "notes.pdf": "not one of the known audio and video extensions",
        council / "empty.mp4": "it is empty",
        council / "link.mp4": "it is a link",
        council / "none.mp4": "there is no such file",
        council / "new.mp4": "no daemon is running",
        Path("/etc/hostname"): "not below a configured folder",
        council: "it is a folder that is watched",
    }
    for path, reason in reasons.items():
        done = desk.say("explain", str(path))
        assert done.returncode == 0
        assert reason in done.stdout


def test_a_bare_name_that_several_files_have_is_asked_back(desk: Desk) -> None:
    desk.add("same.mp4")
    desk.add("same.mp4", folder="court")
    done = desk.say("explain", "same.mp4")
    assert done.returncode == 2
    assert str(desk.base / "council" / "same.mp4") in done.stderr
    assert str(desk.base / "court" / "same.mp4") in done.stderr
    assert desk.say("explain", "court/same.mp4").returncode == 0


@pytest.mark.parametrize(
    "verb",
    [
        *([verb, ""] for verb in ("explain", "approve", "dismiss", "retry", "redo", "render", "forget", "backup")),
        *([verb, ""] for verb in ("plan", "pause", "resume", "convert")),
        ["approve", "--yes", "a.mp4", ""],
        ["list", "--folder", ""],
        ["install", "--folder", "", "--language", "nl"],
    ],
)
def test_an_empty_name_is_usage_and_never_where_one_stands(
    desk: Desk, verb: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add("a.mp4", held_for="it was there before")
    monkeypatch.chdir(desk.base / "council")
    done = desk.say(*verb)
    assert (done.returncode, done.stdout) == (2, "")
    assert "it is empty" in done.stderr
    assert desk.row("a.mp4")["state"] == "held"


def test_a_folder_that_is_configured_by_a_link_is_known_where_one_stands_in_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add("a.mp4", held_for="it was there before")
    (desk.base / "link").symlink_to(desk.base)
    desk.config.write_text(desk.config.read_text().replace(f"{desk.base / 'council'}", f"{desk.base}/link/council"))
    monkeypatch.chdir(desk.base / "council")
    for verb in (["plan", "."], ["pause", "."], ["resume", "."], ["list", "--folder", "."], ["approve", "."]):
        done = desk.say(*verb)
        assert done.returncode == 0, (verb, done.stderr)
        assert "council" in done.stdout
    assert desk.say("plan", "..").returncode == 2


def test_a_file_of_a_folder_that_is_gone_is_called_by_a_name_that_may_be_typed(desk: Desk) -> None:
    desk.add("same.mp4", FAILED)
    desk.add("same.mp4", FAILED, folder="court")
    desk.config.write_text(desk.config.read_text().replace(f"  - path: {desk.base / 'court'}\n", ""))
    refused = desk.say("dismiss", "same.mp4")
    assert refused.returncode == 2
    assert f"may be any of: {desk.base}/council/same.mp4, court/same.mp4\n" in refused.stderr
    assert {row["path"] for row in desk.rows()} == {f"{desk.base}/council/same.mp4", "court/same.mp4"}
    assert " court/same.mp4: it is no media" in desk.say("status").stdout
    assert desk.say("dismiss", "court/same.mp4").stdout.startswith("court/same.mp4: dismissed")


@pytest.mark.parametrize("verb", ["approve", "forget"])
def test_what_is_not_known_can_be_asked_about_as_it_is_told(desk: Desk, verb: str) -> None:
    desk.add("a.mp4")
    done = desk.say(verb, "the mayor's talk.mp4")
    assert done.returncode == 2
    command = next(line for line in done.stderr.splitlines() if "scriptixd explain" in line).partition("explain ")[2]
    assert shlex.split(command)[0] == "the mayor's talk.mp4"


def test_what_was_ignored_gets_a_yes_by_its_own_name_alone(desk: Desk) -> None:
    for name in ("old.mp4", "older.mp4"):
        desk.see(name, admission=Admission(Request("nl", DocumentType.CAPTION), ignored=True))
    assert desk.say("approve", "council").stdout == "there is nothing to approve\n"
    assert desk.say("dismiss", "old.mp4").returncode == 2
    done = desk.say("approve", "council/old.mp4", "council/old.mp4")
    assert (done.returncode, done.stdout) == (0, f"{desk.base}/council/old.mp4: approved: it is uploaded next\n")
    assert {row["relative_path"]: row["state"] for row in desk.rows()} == {"old.mp4": "found", "older.mp4": "ignored"}
    events = [chapter["event"] for chapter in json.loads(desk.say("explain", "old.mp4", "--json").stdout)["story"]]
    assert events == ["Settled", "Held", "Approved"]
    again = desk.say("approve", "old.mp4")
    assert (again.returncode, "there is nothing to approve: it waits to be uploaded" in again.stdout) == (0, True)


def test_of_what_was_ignored_only_what_is_there_and_still_taken_gets_a_yes(desk: Desk) -> None:
    admission = Admission(Request("nl", DocumentType.CAPTION), ignored=True)
    desk.see("gone.mp4", admission=admission)
    desk.see("left.mp4", admission=admission)
    with desk.store() as store:
        asked = [store.requests.ask_file(Verb.APPROVE, id_, True, time.time()) for id_ in (1, 2, 3)]
        store.sources.record("council", "", [Sighting("gone.mp4", None)], time.time())
        apply_open_requests(store, lambda _: None, read_clock())
        outcomes = store.requests.outcomes(asked)
    assert outcomes == [
        "it cannot be sent: its file is not there",
        "it cannot be sent: it may still be written, or its folder does not take it any more",
        "there is nothing to approve: it is not known any more",
    ]


def test_approve_and_dismiss_work_without_a_daemon_and_never_ask(desk: Desk) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        desk.add(name, held_for="it was there before")
    desk.add("d.mp4", folder="court", held_for="it was there before")
    done = desk.say("approve", "a.mp4")
    assert (done.returncode, done.stdout) == (0, f"{desk.base}/council/a.mp4: approved: it is uploaded next\n")
    assert done.stderr == "no daemon is running: nothing goes on until one is started\n"
    assert (left := desk.say("dismiss", "b.mp4")).returncode == 0
    assert left.stderr == "", "there is nothing that a daemon would do"
    assert desk.say("approve", "council").returncode == 0
    assert {row["relative_path"]: row["state"] for row in desk.rows()} == {
        "a.mp4": "found", "b.mp4": "dismissed", "c.mp4": "found", "d.mp4": "held",
    }  # fmt: skip
    again = desk.say("approve", "a.mp4")
    said = "there is nothing to approve: it waits to be uploaded\n"
    assert (again.returncode, again.stdout.partition(": ")[2], again.stderr) == (0, said, "")
    assert "nothing to approve" in desk.say("approve", "council").stdout
    assert desk.say("approve", "unknown.mp4").returncode == 2


@pytest.mark.parametrize(
    ("verb", "events", "said"),
    [
        ("approve", [FAILED], "it has failed; scriptixd retry FILE tries it again"),
        ("approve", [FAILED, Dismissed()], "it is dismissed; scriptixd retry FILE takes it up"),
        ("dismiss", [], "it waits to be uploaded; without its file, nothing is sent of it;"),
        ("dismiss", [OPENED], "it is being uploaded; without its file, nothing is sent of it;"),
        ("dismiss", VOIDED[:3], "it is uploaded, and paid for\n"),
        ("retry", [OPENED, Closing(SHA)], "it is being uploaded\n"),
        ("redo", VOIDED[:3], "it is uploaded, and paid for\n"),
    ],
)
def test_where_a_verb_has_nothing_to_do_it_is_told_what_has(
    desk: Desk, verb: str, events: Sequence[Event], said: str
) -> None:
    desk.add("a.mp4", *events)
    done = desk.say(verb, "--yes", "council/a.mp4")
    assert (done.returncode, done.stderr) == (0, "")
    assert f": there is nothing to {verb}: {said}" in done.stdout


def test_a_running_daemon_applies_what_is_decided(desk: Desk) -> None:
    desk.add("a.mp4", held_for="it was there before")
    desk.add("b.mp4", FAILED, Dismissed())
    with desk.daemon():
        done = desk.say("dismiss", "a.mp4")
        assert done.stdout.endswith("dismissed: it is left alone\n"), done.stderr
        assert desk.row("a.mp4")["state"] == "dismissed"
        eventually(lambda: "watched by " in desk.say("status").stdout)
        assert desk.say("status").stdout.startswith("running  scriptixd ")
        status = json.loads(desk.say("status", "--json").stdout)
        assert status["counts"] == {"dismissed": 2}
        assert [folder["name"] for folder in status["folders"]] == ["council", "court"]
        assert "it is running" in desk.say("check").stdout


def test_a_state_that_is_held_ends_a_second_daemon_with_75(desk: Desk) -> None:
    with desk.store():
        done = desk.typed("run")
    assert done.returncode == 75
    assert "is held by another scriptixd" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_state_file_behind_a_link_is_one_for_all(desk: Desk, tmp_path: Path) -> None:
    """Its log lies beside the file itself: whoever looked beside the link would miss what it has, and who holds it."""
    link = tmp_path / "state.db"
    link.symlink_to(desk.state)
    desk.config.write_text(desk.config.read_text().replace(str(desk.state), str(link)))
    with desk.store() as store:
        with store.database.transaction() as connection:
            connection.execute("INSERT INTO standstills VALUES ('court', 0)")
        assert "uploads of court are paused" in desk.say("status").stdout
        assert desk.say("backup", str(tmp_path / "copy.db")).returncode == 0
        assert desk.typed("run", "--once").returncode == 75
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT folder FROM standstills").fetchall() == [("court",)]


def test_a_damaged_state_file_is_a_sentence(desk: Desk) -> None:
    desk.add("a.mp4")
    desk.state.write_bytes(b"no database" * 1000)
    for done in (desk.typed("run"), desk.say("list"), desk.say("status"), desk.say("approve", "a.mp4")):
        assert done.returncode == 2, done.args
        assert "is damaged" in done.stderr


def test_retry_goes_on_for_free_and_never_asks(desk: Desk) -> None:
    desk.add("a.mp4", FAILED)
    desk.add("b.mp4", FAILED, folder="court")
    assert desk.say("retry").returncode == 2
    assert desk.say("retry", "a.mp4").stdout.endswith("a.mp4: tried again\n")
    assert desk.say("retry", "--failed").stdout.endswith("b.mp4: tried again\n")
    assert [row["state"] for row in desk.rows()] == ["found", "found"]


def test_paying_again_needs_a_yes_unless_the_file_was_named(desk: Desk) -> None:
    desk.add("a.mp4", *VOIDED)
    desk.add("free.mp4", FAILED)
    done = desk.say("retry", "--failed")
    assert done.returncode == 0
    assert "a.mp4: left as it is, because it would be paid for again" in done.stderr
    assert (desk.row("a.mp4")["state"], desk.row("free.mp4")["state"]) == ("failed", "found")
    assert desk.say("retry", "council").returncode == 2
    assert desk.row("a.mp4")["state"] == "failed"
    assert desk.say("redo", "a.mp4").returncode == 2
    assert desk.say("retry", "a.mp4").returncode == 0
    assert desk.row("a.mp4")["state"] == "found"


def test_redo_pays_again_with_a_yes_and_only_for_files(desk: Desk) -> None:
    desk.add("a.mp4", *VOIDED)
    assert desk.say("redo", "--yes", "council").returncode == 2
    done = desk.say("redo", "--yes", "a.mp4")
    assert done.stdout.endswith("is sent again, and paid for again\n")
    assert desk.row("a.mp4")["state"] == "found"


def test_what_cannot_be_sent_again_for_want_of_its_file_is_no_success(desk: Desk) -> None:
    desk.add("a.mp4", *VOIDED)
    with desk.store() as store:
        store.sources.record("council", "", [Sighting("a.mp4", None)], time.time())
    for verb in ("retry", "redo"):
        done = desk.say(verb, "--yes", "a.mp4")
        assert done.returncode == 1
        assert done.stdout.endswith(": its file is not there\n")


def test_what_lies_there_and_cannot_be_sent_again_is_not_said_to_be_gone(desk: Desk) -> None:
    desk.add("a.mp4", FAILED, folder="court")
    desk.config.write_text(desk.config.read_text().replace(f"  - path: {desk.base / 'court'}\n", ""))
    done = desk.say("redo", "--yes", "court/a.mp4")
    assert done.returncode == 1
    assert "its folder does not take it any more" in done.stdout


def test_dismissing_all_that_has_failed_leaves_what_waits(desk: Desk) -> None:
    desk.add("a.mp4", *VOIDED)
    desk.add("b.mp4", FAILED)
    desk.add("held.mp4", held_for="it was there before")
    assert desk.say("dismiss").returncode == 2
    assert desk.say("dismiss", "--failed").returncode == 0
    states = [desk.row(name)["state"] for name in ("a.mp4", "b.mp4", "held.mp4")]
    assert states == ["dismissed", "dismissed", "held"]
    # A folder stands for what has failed, so the help of `dismiss` promises no more than this.
    assert "`scriptixd retry FILE` takes it back" in " ".join(desk.say("dismiss", "--help").stdout.split())
    assert desk.say("retry", "council").stdout == "there is nothing to retry\n"
    assert desk.say("retry", "b.mp4").stdout.endswith(": tried again\n")


def test_redo_takes_another_language_than_the_folders(desk: Desk) -> None:
    desk.add("a.mp4", *VOIDED)
    for wrong in ("no language", "", "n\x1bl"):
        done = desk.say("redo", "--yes", "--language", wrong, "a.mp4")
        assert (done.returncode, desk.row("a.mp4")["state"]) == (2, "failed")
        assert "is no language code\n  name one such as nl, en or en-US" in done.stderr
        assert "\x1b" not in done.stderr
    assert desk.say("redo", "--yes", "--language", "cy", "a.mp4").returncode == 0
    assert (desk.row("a.mp4")["state"], desk.row("a.mp4")["language"]) == ("found", "cy")


@pytest.mark.parametrize(("answer", "state"), [(b"y\n", State.FOUND), (b"n\n", State.FAILED), (b"\x04", State.FAILED)])
def test_a_terminal_is_asked_before_it_costs_again(desk: Desk, answer: bytes, state: State) -> None:
    desk.add("a.mp4", *VOIDED)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TEST_KEY": "key"}
    with subprocess.Popen(
        [*PROGRAM, "retry", "a.mp4", "-c", desk.config], stdin=theirs, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, env=environment,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, answer)
        assert process.stderr is not None
        assert b"paid for again: " in process.stderr.read()
    os.close(ours)
    assert process.returncode == 0
    assert desk.row("a.mp4")["state"] == state


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_writes_as_the_user_of_the_state_file(desk: Desk) -> None:
    desk.add("a.mp4", held_for="it was there before")
    for place in (desk.state.parent, *desk.state.parent.iterdir()):
        os.chown(place, 65534, 65534)
    desk.base.chmod(0o755)
    for above in desk.base.parents:
        if above == Path(tempfile.gettempdir()):
            break
        above.chmod(0o755)
    assert desk.typed("approve", "a.mp4").returncode == 0
    assert {place.stat().st_uid for place in desk.state.parent.iterdir()} == {65534}
    assert desk.row("a.mp4")["state"] == "found"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_state_file_that_its_own_user_cannot_write_is_not_asked_about_as_that_user(desk: Desk) -> None:
    desk.add("a.mp4", held_for="it was there before")
    os.chown(desk.state, 65534, 65534)
    desk.state.chmod(0o400)
    done = desk.typed("approve", "a.mp4")
    assert done.returncode == 2
    assert "cannot be written by the user nobody, whom it belongs to" in done.stderr
    assert "sudo" not in done.stderr


def test_status_tells_of_problems_with_their_hints(desk: Desk) -> None:
    desk.add("bad.mp4", FAILED)
    told = desk.say("status").stdout
    assert "failed 1" in told
    assert "bad.mp4: it is no media" in told
    assert "convert it first" in told
    (problem,) = json.loads(desk.say("status", "--json").stdout)["problems"]
    typed = "scriptixd retry council/bad.mp4, or scriptixd dismiss council/bad.mp4"
    assert (problem["error"], problem["hint"]) == ("it is no media", f"convert it first; {typed}")


def test_what_is_to_be_typed_can_be_typed_as_it_is_told(desk: Desk) -> None:
    """A hint that is stored knows of no name: whoever reads it gets the verb with the file behind it."""
    hint = "listen to it; scriptixd retry FILE sends it again"
    desk.add("bad one.mp4", Rejected("it is no media", hint))
    desk.add("old.mp4", held_for="it was there before")
    whole = "listen to it; scriptixd retry 'council/bad one.mp4' sends it again"
    rows = {row["relative_path"]: row for row in desk.rows()}
    assert rows["bad one.mp4"]["hint"] == whole
    assert rows["old.mp4"]["hint"] == "scriptixd approve council/old.mp4, or scriptixd dismiss council/old.mp4"
    for verb in (["status"], ["explain", "council/bad one.mp4"]):
        assert whole in desk.say(*verb).stdout
    done = desk.say(*shlex.split(whole.partition("scriptixd ")[2])[:2])
    assert "bad one.mp4" in done.stdout, done.stderr


def test_check_says_in_words_what_is_good_and_what_is_not(desk: Desk) -> None:
    (desk.base / "court").rmdir()
    done = desk.say("check")
    assert done.returncode == 1
    assert re.search(r"^ok +configuration: .*valid, with 2 folder", done.stdout, re.MULTILINE)
    assert re.search(r"^problem +key: ", done.stdout, re.MULTILINE)
    about = [line for line in done.stdout.splitlines() if line.split()[1] in {"council:", "court:"}]
    place = re.escape(str(desk.base / "council"))
    told = (
        rf"ok +council: {place} is on \w+ .*, readable and writable for \w+; watched by (events|poll): .*complete after"
    )
    assert re.match(told, about[0])
    assert re.match(r"problem +court: .*court does not exist \(mount or create it; it is used as soon", about[1])
    assert len(about) == 2
    levels = {one["subject"]: one["level"] for one in json.loads(desk.say("check", "--json").stdout)}
    assert (levels["key"], levels["court"]) == ("problem", "problem")
    assert levels["state"] in {"ok", "warning"}  # yellow where /tmp is memory
    assert desk.say("check", "--syntax").returncode == 0


def test_a_sandbox_says_where_it_listens_and_what_to_write(tmp_path: Path) -> None:
    command = [*PROGRAM, "sandbox", "--port", "0", "--dir", str(tmp_path / "box"), "--key", "a: 'key'"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            url = first.split()[-1]
            assert url.startswith("http://127.0.0.1:")
        finally:
            process.send_signal(signal.SIGINT)
        told = process.stdout.read()
    assert process.returncode == 0
    assert f"  url: {url}\n  key: \"a: 'key'\"\n" in told
    assert "English" in told


def test_a_port_that_is_taken_is_a_sentence(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = desk.typed("sandbox", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_the_readme_lists_the_keys_of_the_json(desk: Desk) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    section = readme.split("## For programs")[1].split("\n## ")[0]
    told = {key for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    assert told == KEYS
    for verb in (["status"], ["explain", "nothing"]):
        keys = json.loads(desk.say(*verb, "--json").stdout).keys()
        sentence = section.split(f"`{verb[0]} --json`")[1].split(";")[0].replace(" and ", " ")
        assert set(re.findall(r"`(\w+)`", sentence)) <= keys
