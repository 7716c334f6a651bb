"""What comes after: real commands after real deliveries, at least once, and nothing that only we may know with them."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from delivery_room import SILENCE, Room, TwoFolders
from house import KEY, House, eventually, house, tone
from receiver import receiving

from scriptixd.errors import StateTrouble, Stopped
from scriptixd.jobs.afterwards import IDLE, PATIENCE, Afterwards, wait_after
from scriptixd.jobs.clock import Now
from scriptixd.jobs.commands import Command, Ended, How, passed_on, run
from scriptixd.jobs.events import Closing, ResultReady, SessionKnown, UploadFinished, UploadOpened
from scriptixd.jobs.job import AfterDone, Job, Terms
from scriptixd.jobs.store.erasures import NOTHING
from scriptixd.jobs.store.errands import NONE_UNRUN, Errand, Unrun
from scriptixd.observe.telling import Tone, of_backlogs

README = (Path(__file__).parents[1] / "README.md").read_text()
ERRAND = Errand(1, 1, 1, 1, "talks", "a.mp4", 0.0, 0.0, None, 0, "")


def shell(script: str, timeout: float = 60.0, **environment: str) -> Ended:
    command = Command(("/bin/sh", "-c", script), timeout, {"PATH": os.environ["PATH"], **environment})
    return run(command, lambda: False, lambda: None)


def is_running(pid: int) -> bool:
    """Whether a process does anything any more: one that nobody has taken away does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def program(path: Path, script: str) -> str:
    path.write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


# One command


def test_how_a_command_ended_is_told_with_its_last_line() -> None:
    assert shell("echo first; echo; echo ' last '") == Ended(How.DONE, "has run", "last")
    assert shell("echo out; echo err >&2; exit 3") == Ended(How.FAILED, "ended with 3", "err")
    assert shell("kill -9 $$") == Ended(How.FAILED, "was ended by signal 9", "")
    assert shell("printf '\\033[31m\\377'").last_line == "\x1b[31m\\xff"


@pytest.mark.parametrize(("path", "sentence"), [("/nowhere/at/all", "No such file"), ("/etc", "Permission")])
def test_what_cannot_be_started_has_failed(path: str, sentence: str) -> None:
    ended = run(Command((path,), 60.0, {}), lambda: False, lambda: None)
    assert ended.how is How.FAILED
    assert sentence in ended.sentence


def test_one_that_prints_without_an_end_is_read_and_one_that_closes_its_output_is_waited_for() -> None:
    assert shell("head -c 50000000 /dev/zero; echo; echo last").last_line == "last"
    assert shell("exec >&- 2>&-; sleep 0.3; exit 5").sentence == "ended with 5"


def test_one_that_leaves_another_behind_has_ended(tmp_path: Path) -> None:
    ended = shell(f"sleep 300 & echo $! > {tmp_path}/pid; echo done")
    assert (ended.how, ended.last_line) == (How.DONE, "done")
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_what_it_is_given_it_can_read_and_large_as_it_likes() -> None:
    command = Command(("/bin/sh", "-c", "wc -c"), 60.0, {"PATH": os.environ["PATH"]}, b"x" * 3_000_000)
    assert run(command, lambda: False, lambda: None).last_line == "3000000"
    assert "xxx" not in repr(command)


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"])
def test_a_timeout_ends_it_and_all_that_it_has_started(tmp_path: Path, trap: str) -> None:
    pids = tmp_path / "pids"
    ended = shell(f"{trap} echo $$ > {pids}; sh -c '{trap} sleep 300 & echo $! >> {pids}; wait' & wait; wait", 0.5)
    assert (ended.how, ended.sentence) == (How.FAILED, "took longer than 0.5 s, and was ended")
    started = [int(line) for line in pids.read_text().split()]
    assert len(started) == 2
    eventually(lambda: not any(map(is_running, started)), "nobody is left", 20)


def test_a_stop_ends_it_and_shows_that_it_moves_until_then() -> None:
    stop, beats = threading.Event(), []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 3:
            stop.set()

    ended = run(Command(("/bin/sleep", "300"), 300.0, {}), stop.is_set, beat)
    assert ended.how is How.STOPPED
    assert len(beats) == 3


def test_a_program_of_somebody_else_knows_nothing_that_only_we_may_know(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "SCRIPTIX_API_KEY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS",
        "JOURNAL_STREAM", "INVOCATION_ID", "STATE_DIRECTORY", "MAIL_PASSWORD", "SOME_KEY",
    ):  # fmt: skip
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("LC_TIME", "nl_NL")
    assert KEY not in passed_on().values()
    assert {"PATH", "HOME", "LC_TIME"} <= passed_on().keys() | {"HOME"}


# When again


@pytest.mark.parametrize(
    ("failing_since", "failures", "wait"),
    [(None, 0, 0.5), (0.0, 3, 4.0), (0.0, 50, 150.0)],
)
def test_a_failure_is_tried_again_by_the_backoff_of_the_house(
    failing_since: float | None, failures: int, wait: float
) -> None:
    assert wait_after(replace(ERRAND, failing_since=failing_since, failures=failures), 100.0, 0.5) == wait


def test_it_is_given_up_when_it_has_failed_for_a_day() -> None:
    failing = replace(ERRAND, failing_since=50.0, failures=300)
    assert wait_after(failing, 50.0 + PATIENCE - 1, 0.5) == 150.0
    assert wait_after(failing, 50.0 + PATIENCE, 0.5) is None


# After a delivery


class Commanded(TwoFolders):
    """Folders that want a command to be run."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.base = place
        self.commands: dict[str, AfterDone | None] = {"talks": None, "more": None}
        self.closed: set[str] = set()

    def every(self) -> list[str]:
        return list(self.commands)

    def names(self) -> list[str]:
        return [name for name in self.commands if name not in self.closed]

    def place(self, folder: str) -> str:
        return folder if folder.startswith("/") else str(self.base.with_name(folder))

    def terms(self, folder: str, path: str) -> Terms:
        return replace(super().terms(folder, path), after_done=self.commands[folder])


class Desk:
    """A delivery room, and the loop that runs what comes after it."""

    def __init__(self, base: Path) -> None:
        (base / "talks").mkdir()
        (base / "more").mkdir()
        self.base = base
        self.said = base / "said"
        self.room = Room(base / "talks", base / "state.db")
        self.folders = Commanded(base / "talks")
        self.room.folders = self.folders
        self.room.reopen()
        self.stop = threading.Event()
        self.begin()

    def begin(self) -> None:
        """The daemon is new, its state file is not."""
        self.loop = Afterwards(
            self.room.store, self.folders, lambda: 0.5, self.stop.is_set, lambda: None, lambda: self.now
        )

    @property
    def now(self) -> Now:
        return Now(self.room.clock, self.room.clock)

    def wants(self, script: str, folder: str = "talks", timeout: float = 60.0) -> None:
        self.folders.commands[folder] = AfterDone(("/bin/sh", "-c", script, "sh"), timeout)

    def deliver(self, name: str = "talk.mp4", content: bytes = b"sound") -> Job:
        source = self.room.ready(name, content)
        self.room.work()
        job = self.room.store.jobs.newest_of(source.id)
        assert job is not None
        return job

    def step(self) -> float:
        """One run; when the next one is wanted, in seconds from then."""
        before = self.now
        return self.loop.run_once(before) - before.boot

    def rest(self) -> float:
        for _ in range(50):
            if (wanted := self.step()) > 0:
                return wanted
        raise AssertionError("it never comes to rest")

    def errands(self) -> int:
        with self.room.store.database.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM errands").fetchone()[0])

    def story(self, name: str = "talk.mp4") -> list[tuple[str, str]]:
        view = self.room.store.views.source("talks", name)
        assert view is not None
        return [(one.event, one.detail) for one in self.room.store.views.story(view) if one.event.startswith("Errand")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.room.store.close()


def test_a_command_gets_the_paths_as_arguments_and_in_its_environment(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("SCRIPTIX_API_KEY", KEY)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/scriptixd.service")
    desk.wants(f'printf "%s\\n" "$@" > {desk.said}; env > {desk.base}/env; echo published {"{"}it{"}"}')
    name = "déjà vu \udce9'.mp4"
    job = desk.deliver(name)
    assert desk.errands() == 1
    assert desk.rest() == IDLE
    stem = os.fsencode(desk.room.place / name[:-4])
    assert desk.said.read_bytes().splitlines() == [stem + b".srt", stem + b".json"]
    assert all(os.path.exists(path) for path in desk.said.read_bytes().splitlines())
    environment = dict(
        line.split(b"=", 1) for line in (desk.base / "env").read_bytes().splitlines() if line.startswith(b"SCRIPTIX")
    )
    assert environment == {
        b"SCRIPTIXD_SOURCE": os.fsencode(desk.room.place / name),
        b"SCRIPTIXD_FOLDER": b"talks",
        b"SCRIPTIXD_LANGUAGE": b"en",
        b"SCRIPTIXD_SHA256": str(job.sha256).encode(),
        b"SCRIPTIXD_SRT": stem + b".srt",
        b"SCRIPTIXD_JSON": stem + b".json",
    }
    assert b"CREDENTIALS" not in (desk.base / "env").read_bytes()
    assert KEY.encode() not in (desk.base / "env").read_bytes()
    assert desk.errands() == 0
    assert desk.story(name) == [("ErrandDone", "published {it}")]
    assert "the command after it has run: published {it}" in caplog.text


def test_a_command_that_fails_is_tried_again_until_it_succeeds_and_the_file_is_done_all_the_while(desk: Desk) -> None:
    desk.wants(f"echo x >> {desk.said}; test -e {desk.base}/open || {{ echo '\x1b[31mshut'; exit 4; }}")
    source = desk.deliver()
    assert 0 < desk.rest() < 1
    view = desk.room.store.views.source("talks", "talk.mp4")
    assert view is not None
    assert (view.state, view.reason) == ("done", "")
    (errand,) = desk.room.store.errands.of_source(view.source_id)
    assert errand.reason == "it ended with 4: \\x1b[31mshut"
    for _ in range(3):
        desk.room.clock += 300
        desk.rest()
    (desk.base / "open").touch()
    desk.room.clock += 300
    assert desk.rest() == IDLE
    assert desk.said.read_text() == "x\n" * 5
    assert [event for event, _ in desk.story()] == ["ErrandPostponed", "ErrandDone"], "what lasts is told once"
    assert source.sha256


def test_status_tells_the_first_of_those_that_fail(desk: Desk) -> None:
    desk.wants("exit 4")
    store = desk.room.store
    assert store.errands.unrun() == NONE_UNRUN
    desk.deliver("a.mp4")
    desk.deliver("b.mp4", b"other sound")
    assert store.errands.unrun() == Unrun(2, 0, "", "")
    desk.rest()
    assert store.errands.unrun() == Unrun(2, 2, "talks/a.mp4", "it ended with 4")
    (said,) = of_backlogs(NOTHING, Unrun(9, 3, "talks/b.mp4", "it ended with 4"))
    many = "3 command(s) after deliveries have failed, and are tried again: "
    assert (said.tone, said.text) == (Tone.CAUTION, many + "of talks/b.mp4, it ended with 4")


def test_it_is_given_up_after_a_day_with_a_warning_and_a_line_in_its_story(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.wants("exit 1")
    desk.deliver()
    desk.rest()
    desk.room.clock += PATIENCE - 100
    desk.rest()
    assert desk.errands() == 1
    desk.room.clock += 300
    assert desk.rest() == IDLE
    assert desk.errands() == 0
    assert desk.story()[-1] == ("ErrandGivenUp", "it ended with 1")
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "was given up after a day" in caplog.text


def test_a_stop_in_the_middle_leaves_it_to_the_next_start(desk: Desk) -> None:
    desk.wants(f"echo x >> {desk.said}; test $(wc -l < {desk.said}) -gt 1 || sleep 300")
    desk.deliver()
    thread = threading.Thread(target=desk.step)
    thread.start()
    eventually(desk.said.exists, "it runs", 30)
    desk.stop.set()
    thread.join(4.0)
    assert not thread.is_alive()
    assert desk.errands() == 1
    assert desk.story() == []
    desk.stop.clear()
    desk.begin()
    assert desk.rest() == IDLE
    assert desk.said.read_text() == "x\n" * 2
    assert desk.errands() == 0


def test_what_waits_is_tried_at_the_next_start(desk: Desk) -> None:
    desk.wants(f"test -e {desk.base}/open")
    desk.deliver()
    for _ in range(12):
        desk.room.clock += 300
        desk.rest()
    (desk.base / "open").touch()
    desk.begin()
    assert desk.rest() == IDLE
    assert desk.errands() == 0


def test_the_delivery_and_its_errand_are_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.wants("true")
    source = desk.room.ready("talk.mp4")

    def broken(*_: object) -> None:
        raise RuntimeError("a power cut")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(desk.room.store.errands, "plan", broken)
        desk.room.work()
    assert desk.room.state(source) == "pending"
    desk.room.work()
    assert desk.room.state(source) == "delivered"
    assert desk.errands() == 1


def test_without_a_command_there_is_no_errand_and_one_that_is_taken_back_is_not_run(desk: Desk) -> None:
    desk.deliver("a.mp4")
    assert desk.errands() == 0
    desk.wants(f"touch {desk.said}")
    desk.deliver("b.mp4", b"other")
    assert desk.errands() == 1
    desk.folders.commands["talks"] = None
    assert desk.rest() == IDLE
    assert desk.story("b.mp4")[0][0] == "ErrandDropped"
    assert desk.errands() == 0
    assert not desk.said.exists()


def test_of_a_folder_that_is_not_configured_any_more_nothing_is_run(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.wants("true")
    desk.deliver()
    del desk.folders.commands["talks"]
    desk.begin()
    assert desk.rest() == IDLE
    assert desk.errands() == 0
    assert "talks is not configured any more: 1 command(s) are not run" in caplog.text


def test_while_its_folder_is_away_it_waits_and_does_not_fail(desk: Desk) -> None:
    desk.wants(f"touch {desk.said}")
    desk.deliver()
    desk.folders.closed = {"talks"}
    assert desk.rest() == IDLE
    assert not desk.room.store.errands.pressing(desk.room.clock, desk.folders.names())
    desk.folders.closed = set()
    assert desk.room.store.errands.pressing(desk.room.clock, desk.folders.names())
    desk.rest()
    assert desk.said.exists()


def test_a_set_that_lay_there_runs_nothing(desk: Desk) -> None:
    desk.deliver()
    desk.room.store.close()
    (desk.base / "state.db").unlink()
    desk.room = Room(desk.base / "talks", desk.base / "state.db")
    desk.room.folders = desk.folders
    desk.room.reopen()
    desk.begin()
    desk.wants(f"touch {desk.said}")
    desk.room.ready("talk.mp4")
    desk.room.work()
    view = desk.room.store.views.source("talks", "talk.mp4")
    assert view is not None
    assert view.state == "done"
    assert desk.errands() == 0


def test_a_new_transcript_of_a_file_runs_it_again(desk: Desk) -> None:
    desk.wants(f"echo x >> {desk.said}")
    job = desk.deliver()
    desk.rest()
    (source,) = desk.room.store.jobs.sources(job.id)
    again = desk.room.store.jobs.create(source, job.request, "", 1, desk.room.clock)
    for event in (
        UploadOpened("f2", "https://service.example", "0a1b2c3d", "{}", 2.0),
        Closing(str(job.sha256)),
        UploadFinished(),
        SessionKnown("s2", 0.0),
        ResultReady(desk.room.store.jobs.result(job.id) or b"", 2.0),
    ):
        again = desk.room.apply(again, event)
    desk.room.work()
    assert desk.errands() == 1
    desk.rest()
    assert desk.said.read_text() == "x\n" * 2


def test_a_file_that_is_renamed_before_its_command_ran_runs_it_for_its_new_name_alone(desk: Desk) -> None:
    desk.wants(f'printf "%s\\n" "$@" >> {desk.said}')
    desk.deliver()
    os.rename(desk.room.place / "talk.mp4", desk.room.place / "new.mp4")
    desk.room.missing("talk.mp4")
    source = desk.room.seen("new.mp4")
    desk.room.recognised(source)
    desk.room.work()
    desk.rest()
    told = [Path(line).name for line in desk.said.read_text().splitlines()]
    assert sorted(told) == ["new.json", "new.srt"]
    assert desk.errands() == 0


def test_folders_take_turns(desk: Desk) -> None:
    desk.wants(f"echo talks >> {desk.said}")
    desk.wants(f"echo more >> {desk.said}", "more")
    for number in range(3):
        desk.deliver(f"{number}.mp4", b"sound %d" % number)
    more = desk.base / "more" / "copy.mp4"
    more.write_bytes(b"sound 0")
    source = desk.room.seen("copy.mp4", folder="more")
    desk.room.recognised(source)
    desk.room.work()
    desk.rest()
    said = desk.said.read_text().split()
    assert set(said[:2]) == {"talks", "more"}, "nobody waits for the whole backlog of another"
    assert sorted(said) == ["more", "talks", "talks", "talks"]


def test_a_state_file_that_cannot_be_written_is_no_reason_to_run_it_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.wants(f"echo x >> {desk.said}")
    desk.deliver()

    def full(*_: object) -> None:
        raise StateTrouble("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.room.store.errands, "done", full)
        for _ in range(3):
            with pytest.raises(StateTrouble):
                desk.step()
    assert desk.rest() == IDLE
    assert desk.errands() == 0
    assert desk.said.read_text() == "x\n"


def test_a_bug_of_ours_is_a_failure_of_its_errand_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.wants("true")
    desk.deliver()

    def broken(*_: object) -> str:
        raise RuntimeError("oh")

    with monkeypatch.context() as patch:
        patch.setattr(desk.folders, "place", broken)
        assert 0 < desk.rest() < 1
    desk.room.clock += 300
    assert desk.rest() == IDLE
    assert [event for event, _ in desk.story()] == ["ErrandPostponed", "ErrandDone"]


def test_a_folder_that_is_given_up_at_this_very_moment_is_no_bug_of_ours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk.wants("true")
    desk.deliver()

    def given_up(folder: str, path: str) -> Terms:
        raise Stopped(folder)

    monkeypatch.setattr(desk.folders, "terms", given_up)
    with pytest.raises(Stopped):
        desk.step()
    assert desk.story() == []
    assert "bug" not in caplog.text


# The recipes of the README


def recipes() -> list[list[str]]:
    """The commands of the README's recipes, as a configuration would have them."""
    section = README.partition("\n## Being told, and what comes after\n")[2].partition("\n## ")[0]
    block = re.search(r"```yaml\n(# Jellyfin.*?)```", section, re.DOTALL)
    assert block
    lines = [yaml.safe_load(line) for line in block[1].splitlines() if not line.startswith("#")]
    return [line["after_done"]["command"] for line in lines]


@pytest.mark.parametrize(
    ("number", "method", "path"), [(0, "POST", "/Library/Refresh"), (1, "GET", "/library/sections/2/refresh")]
)
def test_the_recipes_for_media_servers_ask_with_a_token_that_no_list_of_processes_shows(
    desk: Desk, number: int, method: str, path: str
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    header = desk.base / "header"
    header.write_text("X-Token: t0p-s3cr3t\n")
    *command, script = recipes()[number]
    with receiving() as server:
        script = re.sub(r"@/etc/scriptixd/\w+", f"@{header}", script)
        script = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{server.port}", script)
        desk.folders.commands["talks"] = AfterDone((*command, script), 60.0)
        desk.deliver()
        assert desk.rest() == IDLE
        assert desk.errands() == 0
        assert server.requests == [(method, path, "t0p-s3cr3t")]
        server.status = 401
        desk.deliver("again.mp4", b"again")
        desk.rest()
        assert desk.errands() == 1, "a refusal is a failure"


def test_the_recipe_for_nextcloud_leaves_a_sign_and_touches_nothing_else(desk: Desk) -> None:
    *command, script = recipes()[2]
    desk.folders.commands["talks"] = AfterDone((*command, script.replace("/var/lib/scriptixd", str(desk.base))), 60.0)
    desk.deliver()
    before = {path: path.stat().st_mtime_ns for path in desk.room.place.iterdir()}
    assert desk.rest() == IDLE
    assert (desk.base / "nextcloud-scan").exists()
    assert {path: path.stat().st_mtime_ns for path in desk.room.place.iterdir()} == before


def test_the_recipe_for_a_cms_hands_over_whole_files_as_often_as_it_is_run(desk: Desk) -> None:
    script = re.search(r"```sh\n(#!/bin/sh\n.*?)```", README, re.DOTALL)
    assert script
    incoming = desk.base / "incoming"
    incoming.mkdir()
    to_cms = program(desk.base / "to-cms", script[1].replace("/srv/cms/incoming", str(incoming)))
    assert recipes()[3] == ["/usr/local/bin/to-cms"]
    desk.folders.commands["talks"] = AfterDone((to_cms,), 60.0)
    for content in (b"one", b"other"):
        desk.deliver("talk's.mp4", content)
        assert desk.rest() == IDLE
    desk.room.ready("silence.mp4", b"silence", SILENCE)
    desk.room.work()
    assert desk.rest() == IDLE
    assert desk.errands() == 0
    assert [path.name for path in incoming.iterdir()] == ["talk's.srt"]
    assert (incoming / "talk's.srt").read_bytes() == (desk.room.place / "talk's.srt").read_bytes()


# As it is used


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def test_once_ends_when_the_commands_have_run_and_explain_tells_of_them(home: House) -> None:
    publish = program(
        home.place / "publish", f'echo "$1" >> {home.place}/said; env >> {home.place}/env; echo out it is'
    )
    tone(home.folder("english", language="en", after_done={"command": [publish, "cms"]}) / "tone.wav", 0.5, 40)
    home.write_config()
    home.typed("run", "--once")
    assert (home.place / "said").read_text() == "cms\n"
    assert KEY not in (home.place / "env").read_text()
    story = json.loads(home.say("explain", "tone.wav", "--json").stdout)
    assert story["errands"] == []
    assert story["story"][-1]["sentence"] == "the command after it has run: out it is"


def test_status_and_its_json_tell_of_a_command_that_fails(home: House) -> None:
    tone(home.folder("english", language="en", after_done={"command": ["sh", "-c", "exit 7"]}) / "tone.wav", 0.5, 40)
    home.start()
    home.until(1)
    errands = {"planned": 1, "failing": 1, "file": "english/tone.wav", "error": "it ended with 7"}
    eventually(lambda: json.loads(home.say("status", "--json").stdout)["errands"] == errands, "it has failed once")
    told = "1 command(s) after deliveries have failed, and are tried again: of english/tone.wav, it ended with 7"
    assert told in home.say("status").stdout


def test_a_stop_ends_a_command_within_its_promise_and_the_next_start_runs_it_again(home: House) -> None:
    pids = home.place / "pids"
    slow = program(home.place / "slow", f"sleep 300 & echo $! >> {pids}; wait")
    tone(home.folder("english", language="en", after_done={"command": [slow], "timeout": "5m"}) / "tone.wav", 0.5, 40)
    home.start()
    eventually(lambda: pids.exists() and pids.read_text().endswith("\n"), "it runs")
    assert home.states() == {"english/tone.wav": "done"}, "the file is done all the same"
    assert "Afterwards: the command after it is run next" in home.say("explain", "tone.wav").stdout
    code, took = home.stop()
    assert code == 0
    assert took < 5
    eventually(lambda: not is_running(int(pids.read_text().split()[0])), "nobody is left", 20)
    home.start()
    eventually(lambda: len(pids.read_text().split()) == 2, "it runs again")
    assert home.stop()[1] < 5


def test_check_names_a_program_that_is_not_there(home: House) -> None:
    home.folder("english", language="en", after_done={"command": ["/nowhere/publish"]})
    home.write_config()
    done = home.say("check", check=False)
    assert done.returncode == 1
    assert "after_done: /nowhere/publish is no program that can be run here" in done.stdout
