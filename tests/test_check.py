"""The doctor: each thing that may be wrong gets its colour, its sentence and what to do, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from desk import Desk, eventually
from scripted import Answer, Fault, Scripted, bare, page, said
from shares import mount, mount_tmpfs, needs, unmounted_afterwards

from scriptixd.cli.checking import canary as flying
from scriptixd.cli.checking.beyond import Unit, as_user, unlisted
from scriptixd.cli.checking.findings import Finding, Level, found
from scriptixd.cli.installation import settings_in
from scriptixd.cli.units import Instance, instance_of, opened, shipped_file
from scriptixd.roots.mounts import MOUNTS
from scriptixd.roots.root import TEMPORARY_PREFIX
from scriptixd.watch import watches
from scriptixd.watch.litter import litter

README = (Path(__file__).parents[1] / "README.md").read_text()
UNIT = shipped_file(Instance()).read_text()
NOWHERE = "http://127.0.0.1:1/api/v3"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def looked(desk: Desk, *options: str) -> list[Finding]:
    """What it finds, and that its exit code is 1 where something of that is red."""
    done = desk.say("check", "--json", "--here", *options)
    findings = [found(record) for record in json.loads(done.stdout)]
    assert done.returncode == any(finding.level is Level.PROBLEM for finding in findings), done
    return findings


def about(findings: list[Finding], subject: str) -> Finding:
    (finding,) = [one for one in findings if one.subject == subject]
    return finding


def change(desk: Desk, old: str, new: str) -> None:
    text = desk.config.read_text()
    assert old in text
    desk.config.write_text(text.replace(old, new))


def of_court(desk: Desk, setting: str) -> None:
    """One more setting of the folder that is named last."""
    desk.config.write_text(f"{desk.config.read_text().rstrip()}\n    {setting}\n")


def heard(desk: Desk) -> None:
    """Only where the kernel tells of changes."""
    change(desk, "settle: 1h", "settle: 1h, watch: events")
    if not MOUNTS.now().is_local(str(desk.base)):
        pytest.skip("temporary files are on a file system whose events are not to be had")


# The key and the clock


@pytest.fixture
def service(desk: Desk) -> Iterator[Scripted]:
    with Scripted() as server:
        change(desk, NOWHERE, server.url)
        yield server


@pytest.mark.parametrize(
    ("answer", "level", "words", "to_do"),
    [
        (said({"error": "not found"}, 404), Level.OK, "does not refuse it", ""),
        (said({"result": {}}, 200), Level.OK, "does not refuse it", ""),
        (said({"error": "unknown"}, 401), Level.PROBLEM, r"refuses the key \(401: .*not any more", "check the key"),
        (said({"error": "no"}, 403), Level.PROBLEM, r"\(403: no\): whoever has it may not", "Batch API key"),
        (bare(402), Level.WARNING, "accepts it, but the account is used up", "more hours or another plan"),
        (bare(429, Retry_After="7"), Level.WARNING, "the key was not looked at", "check again in 7 s"),
        (bare(503), Level.PROBLEM, "answered .* with 503", "goes on by itself"),
        (page(200), Level.PROBLEM, r"does not take uploads \(200: a web page\)", "check api.url"),
        (bare(302, Location="/login"), Level.PROBLEM, "a redirect", "check api.url"),
        (Answer(fault=Fault.DROP), Level.PROBLEM, "the connection to .* failed", "is the network up"),
    ],
)  # fmt: skip
def test_what_the_answer_to_the_key_means(
    desk: Desk, service: Scripted, answer: Answer, level: Level, words: str, to_do: str
) -> None:
    service.will(answer)
    key = about(looked(desk), "key")
    assert (key.level, len(service.seen)) == (level, 1)
    assert re.search(words, key.sentence), key
    assert to_do in key.hint


@pytest.mark.parametrize(
    ("ahead", "status", "level", "words"),
    [
        (0, 404, Level.OK, "it goes like that of"),
        (30, 404, Level.OK, "it goes like that of"),
        (600, 404, Level.WARNING, "it is 10 min ahead of that of"),
        (-600, 401, Level.WARNING, "it is 10 min behind that of"),  # also who refuses the key tells the time
        (None, 404, Level.WARNING, "tells no time"),
    ],
)
def test_the_clock_is_compared_with_the_date_of_the_answer(
    desk: Desk, service: Scripted, ahead: int | None, status: int, level: Level, words: str
) -> None:
    date = "" if ahead is None else formatdate(time.time() - ahead, usegmt=True)
    service.will(said({}, status, Date=date))
    clock = about(looked(desk), "clock")
    assert clock.level is level
    assert words in clock.sentence
    assert (level is Level.OK) == (clock.hint == "")


def test_a_key_that_cannot_be_read_is_red_and_all_else_is_looked_at(desk: Desk) -> None:
    change(desk, 'key: "${TEST_KEY}"', f"key_file: {desk.base}/no-such-key")
    findings = looked(desk)
    configuration = about(findings, "configuration")
    assert configuration.level is Level.PROBLEM
    assert "there is no file" in configuration.sentence
    assert about(findings, "key").level is Level.PROBLEM
    assert about(findings, "council").level is Level.OK
    assert about(looked(desk, "--offline"), "configuration").level is Level.OK  # nobody needs it then


# Folders and state


def a_file(desk: Desk) -> None:
    desk.base.joinpath("court").rmdir()
    desk.base.joinpath("court").write_bytes(b"")


def a_link_to_nothing(desk: Desk) -> None:
    desk.base.joinpath("court").rmdir()
    desk.base.joinpath("court").symlink_to("no-such-folder")


def outputs_nowhere(desk: Desk) -> None:
    of_court(desk, f"output: {{directory: {desk.base}/sidecars}}")


def no_such_program(desk: Desk) -> None:
    of_court(desk, "after_done: {command: [no-such-program]}")


def nothing(desk: Desk) -> None:
    """As it is."""


def no_court(desk: Desk) -> None:
    desk.base.joinpath("court").rmdir()


def a_damaged_state(desk: Desk) -> None:
    desk.state.parent.mkdir()
    desk.state.write_bytes(b"no database" * 1000)


def a_term_everywhere(desk: Desk) -> None:
    change(desk, "settle: 1h", "settle: 1h, delete_remote: 30d")


def a_rule_without_a_term(desk: Desk) -> None:
    a_term_everywhere(desk)
    of_court(desk, "rules: [{match: '*.wav', delete_remote: false}]")


@pytest.mark.parametrize(
    ("break_it", "subject", "level", "words", "to_do"),
    [
        (no_court, "court", Level.PROBLEM, "does not exist", "mount or create"),
        (a_file, "court", Level.PROBLEM, "is not a folder", "must name a folder"),
        (a_link_to_nothing, "court", Level.PROBLEM, "does not exist|leads nowhere", "create|lead"),
        (outputs_nowhere, "court", Level.PROBLEM, "sidecars does not exist", "create it"),
        (no_such_program, "court", Level.PROBLEM, "no-such-program is no program", "absolute path"),
        (a_damaged_state, "state", Level.PROBLEM, "is damaged", "."),
        (nothing, "delete_remote", Level.WARNING, "council, court: transcripts stay", "30d"),
        (a_rule_without_a_term, "delete_remote", Level.WARNING, "^court: transcripts stay", "30d"),
        (a_term_everywhere, "delete_remote", Level.OK, "are erased", "^$"),
    ],
)  # fmt: skip
def test_what_is_wrong_on_this_machine_gets_its_colour_and_what_to_do(
    desk: Desk, break_it: Callable[[Desk], None], subject: str, level: Level, words: str, to_do: str
) -> None:
    break_it(desk)
    worst = max((one for one in looked(desk, "--offline") if one.subject == subject), key=lambda one: one.level)
    assert worst.level is level
    assert re.search(words, worst.sentence), worst
    assert re.search(to_do, worst.hint), worst


def test_the_directories_that_need_a_watch_are_counted_and_a_limit_that_is_too_low_is_named(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "a/deeper", "b", ".hidden", "@eaDir"):
        desk.base.joinpath("court", name).mkdir()
    heard(desk)
    enough = about(looked(desk, "--offline"), "inotify")
    assert enough.sentence.startswith("5 watch(es) are needed and ")  # the roots, and three below
    for name, setting in (("max_user_watches", "SETTINGS"), ("max_user_instances", "SETTINGS_OF_INSTANCES")):
        (tmp_path / name).write_text("1\n")
        monkeypatch.setattr(watches, setting, {f"fs.inotify.{name}": tmp_path / name})
    findings = looked(desk, "--offline")
    short = about(findings, "inotify")
    assert (short.level, about(findings, "court").level) == (Level.WARNING, Level.WARNING)
    assert "are polled" in short.sentence
    assert re.search(r"sysctl -w fs\.inotify\.max_user_watches=\d+ fs\.inotify\.max_user_instances=\d+,", short.hint)


@needs("mount", "umount")
def test_what_lies_in_memory_or_on_a_full_or_read_only_disk_is_told(desk: Desk) -> None:
    court, state = desk.base / "court", desk.state.parent
    state.mkdir()
    with unmounted_afterwards(court, state):
        mount_tmpfs(court, "tapes")
        mount_tmpfs(state, "remembered")
        findings = looked(desk, "--offline")
        assert about(findings, "memory").level is Level.WARNING
        assert about(findings, "memory").sentence.startswith("court: on tmpfs")
        assert (about(findings, "state").level, "memory" in about(findings, "state").sentence) == (Level.WARNING, True)
        mount("-o", "remount,size=1m", str(state))
        little = about(looked(desk, "--offline"), "state")
        assert (little.level, "too little" in little.sentence) == (Level.PROBLEM, True)
        (state / "full").write_bytes(b"0" * 2**20)
        full = about(looked(desk, "--offline"), "state")
        assert (full.level, "make room" in full.hint) == (Level.PROBLEM, True)
        for place in (state, court):
            mount("-o", "remount,ro", str(place))
        findings = looked(desk, "--offline")
        for subject in ("state", "court"):
            assert about(findings, subject).level is Level.PROBLEM
            assert "Read-only file system" in about(findings, subject).sentence
            assert "mount it writable" in about(findings, subject).hint


# As whom


@pytest.mark.skipif(os.geteuid() != 0, reason="others are not taken for the service's user")
def test_where_nothing_tells_who_the_service_is_root_says_so(desk: Desk) -> None:
    done = desk.say("check", "--json", "--offline")
    user = about([found(record) for record in json.loads(done.stdout)], "user")
    assert (user.level, "this looks as root, who may do everything" in user.sentence) == (Level.WARNING, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root looks as somebody else")
def test_where_the_service_could_look_at_nothing_its_words_are_told(tmp_path: Path) -> None:
    (told,) = as_user(pwd.getpwuid(0), tmp_path / "no-such.yaml", [])
    assert (told.subject, told.level) == ("user", Level.PROBLEM)
    assert f"{tmp_path}/no-such.yaml: there is no such file" in told.sentence


@pytest.mark.parametrize(
    ("further", "closed"),
    [
        ("", ["/data/my tapes", "/data/out"]),
        ('[Service]\nReadWritePaths="-/data/my tapes" -/data/out/\n', []),
        ("[Service]\nReadWritePaths=/data\n", []),
        ("[Service]\nReadWritePaths=\nReadWritePaths=+/data/out\n", ["/srv/council", "/data/my tapes"]),
        ("[Service]\nProtectSystem=full\n", []),
        ("[Service]\nStateDirectory=\nReadWritePaths=/data\n", []),
    ],
)
def test_a_place_that_the_unit_does_not_open_is_yellow(tmp_path: Path, further: str, closed: list[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("""
api: {url: "http://127.0.0.1:1/api/v3", key_file: /etc/scriptixd/api-key}
state: /var/lib/scriptixd/state.db
defaults: {language: nl, document_type: caption}
folders:
  - path: /srv/council
  - path: /data/my tapes
  - {path: /data/only-read, output: {directory: /data/out}}
""")
    findings = unlisted(settings_in(str(config)), Unit(Instance(), UNIT + further))
    assert {one.level for one in findings} == {Level.WARNING if closed else Level.OK}
    named = [one.sentence.partition(" is not in ReadWritePaths= of scriptixd.service")[0] for one in findings]
    assert closed in ([], named)
    assert all("scriptixd install --apply" in one.hint for one in findings if closed)


def test_an_instance_is_known_by_its_configuration_and_its_places_by_its_name() -> None:
    assert instance_of(Path("/etc/scriptixd/config.yaml")) == Instance()
    assert instance_of(Path("/etc/scriptixd/radio.yaml")) == Instance("radio")
    assert instance_of(Path("/srv/radio.yaml")) is None
    text = "[Service]\nProtectSystem=strict\nStateDirectory=scriptixd/%i\nReadWritePaths=-/srv/%i\n"
    assert opened(Instance("radio"), text) == (Path("/srv/radio"), Path("/var/lib/scriptixd/radio"))


# The canary


def left_over(desk: Desk) -> list[Path]:
    return list(desk.base.rglob(f"{TEMPORARY_PREFIX}*"))


def test_a_canary_tells_when_it_was_seen_and_is_gone_afterwards(desk: Desk) -> None:
    of_court(desk, "watch: poll")
    (desk.base / "council" / "a.mp4").write_bytes(b"0" * 2048)
    findings = looked(desk, "--offline", "--canary")
    told, polled = about(findings, "canary in council"), about(findings, "canary in court")
    assert (told.level, polled.level) == (Level.OK, Level.OK)
    if "watched by events" in about(findings, "council").sentence:
        assert re.match(r"seen by an event after \d+\.\d\d s, and by a look at the folder after \d", told.sentence)
    assert re.match(r"seen by a look at the folder after \d+\.\d\d s; .* every 30 s, for it is polled", polled.sentence)
    assert left_over(desk) == []
    assert [one.name for one in (desk.base / "council").iterdir()] == ["a.mp4"]


def test_a_folder_that_is_red_gets_no_canary(desk: Desk) -> None:
    (desk.base / "court").rmdir()
    findings = looked(desk, "--offline", "--canary")
    assert [one.subject for one in findings if "canary" in one.subject] == ["canary in council"]


class Deaf:
    """A doorbell that never rings."""

    def __init__(self, *_: object) -> None: ...

    def stop(self) -> None: ...


def test_a_canary_that_no_event_tells_of_is_yellow(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    heard(desk)
    monkeypatch.setattr(flying, "Doorbell", Deaf)
    monkeypatch.setattr(flying, "PATIENCE", 0.1)
    (canary, _) = [one for one in looked(desk, "--offline", "--canary") if one.subject.startswith("canary")]
    assert canary.level is Level.WARNING
    assert re.match(r"no event told of it within 0\.1 s; seen by a look", canary.sentence)
    assert "watch: poll" in canary.hint


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_canary_is_removed_also_where_one_does_not_want_to_wait(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    heard(desk)
    monkeypatch.setattr(flying, "Doorbell", Deaf)  # it would wait for an event

    names: set[str] = set()
    begun = time.monotonic()
    child = os.fork()  # which whatever comes too late for the verb may end
    if child == 0:
        code = 70
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
        try:
            code = desk.say("check", "--here", "--offline", "--canary").returncode
        finally:
            os._exit(code)
    eventually(lambda: names.update(path.name for path in left_over(desk)) or len(names) > 1)
    os.kill(child, number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    assert all(litter(name) is not None for name in names), "somebody would take it for a recording"
    assert time.monotonic() - begun < flying.PATIENCE
    assert left_over(desk) == []


# What is told


def test_the_json_has_the_shape_that_the_readme_tells(desk: Desk) -> None:
    change(desk, "folders:", 'notify: {urls: ["json://127.0.0.1:1/"]}\nfolders:')
    done = desk.say("check", "--json", "--canary")
    records = json.loads(done.stdout)
    told = README.split("`check --json` is an array of")[1].split(".")[0]
    assert {key for record in records for key in record} == {"subject", "level", "sentence", "hint"}
    assert all(f"`{word}`" in told for word in ("subject", "level", "sentence", "hint", *Level))
    section = README.split("## Is everything in order?")[1].split("\n## ")[0]
    subjects = set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE))
    found_here = {re.sub(r"council|court", "NAME", record["subject"]) for record in records}
    found_here = {re.sub(r"\[\d\].*", "[N]", subject) for subject in found_here}
    assert found_here <= subjects
    assert subjects - found_here <= {"user", "unit", "inotify", "memory"}  # which not every machine has


def test_the_words_say_all_that_the_colours_say(desk: Desk) -> None:
    lines = desk.say("check", "--here", "--offline").stdout.splitlines()
    assert all(re.match(r"(ok|warning|problem) +\S", line) for line in lines)


def test_in_the_journal_each_line_has_its_priority(desk: Desk) -> None:
    with (desk.base / "journal").open("wb") as journal:
        there = os.fstat(journal.fileno())
        environment = {**os.environ, **desk.environment(), "JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}
        command = [sys.executable, "-m", "scriptixd", "check", "--here", "--offline"]
        subprocess.run(command, stdout=journal, env=environment, check=False, timeout=60)
    lines = (desk.base / "journal").read_text().splitlines()
    assert lines
    of = {"ok": "<6>", "warning": "<4>", "problem": "<3>"}
    assert all(line[:3] == of[line[3:].split()[0]] for line in lines), lines
