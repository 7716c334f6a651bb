"""The log: a line for people, for the journal and for programs; names veiled where they must not be read."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fakes import World
from house import House, eventually, house, tone

from scriptixd.daemon.days import Days
from scriptixd.errors import FileTrouble
from scriptixd.jobs.clock import Now
from scriptixd.jobs.delivering import Delivered
from scriptixd.jobs.job import State
from scriptixd.jobs.news import Names
from scriptixd.jobs.timetable import Calendar
from scriptixd.observe import log
from scriptixd.observe.forms import LogFormat
from scriptixd.roots.paths import veiled
from scriptixd.roots.place import Place, Words, figures

HOSTILE = {
    "an escape code": "a\x1b[31mred.wav",
    "a newline and a priority": "a\n<0>panic.wav",
    "a right-to-left override": "a\u202egnp.wav",
    "bytes that are not UTF-8": "a\udcff\udce9.wav",
    "a format": "a%s%d.wav",
}
CODE = Path(__file__).parents[1] / "scriptixd"
LOG = logging.getLogger("scriptixd.x")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def journal() -> dict[str, str]:
    there = os.fstat(2)
    return {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}


def bug() -> None:
    try:
        raise ValueError("no such file: jansen.wav")
    except ValueError:
        LOG.exception("%s: ran into a bug", Place("council", "jansen.wav"))


def test_the_journal_gets_priorities_and_one_line_an_occurrence(capsys: pytest.CaptureFixture[str]) -> None:
    log.start(journal())
    LOG.warning("evil\n<0>name \x1b[31m \udce9")
    LOG.info("plain")
    LOG.debug("hidden")
    assert capsys.readouterr().err == "<4>evil\\n<0>name \\x1b[31m \\xe9\n<6>plain\n"


def test_a_file_or_a_pipe_gets_days_times_and_levels_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    log.start({})
    LOG.error("it broke")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S+ error: it broke\n", capsys.readouterr().err)


def test_a_journal_that_is_not_behind_this_standard_error_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    log.start({"JOURNAL_STREAM": "8:1"})
    LOG.error("it broke")
    assert not capsys.readouterr().err.startswith("<")


def test_a_traceback_of_ours_has_the_priority_on_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.start(journal())
    bug()
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("<3>") for line in lines)
    assert lines[-1] == "<3>ValueError: no such file: jansen.wav"


def test_the_path_is_first_and_the_figures_are_behind(capsys: pytest.CaptureFixture[str]) -> None:
    log.start(journal())
    LOG.info("%s: uploaded", Place("interviews", "talk.mp3"), extra=figures(7, "s-1", size=1024, took=2.34))
    assert capsys.readouterr().err == "<6>interviews/talk.mp3: uploaded (job=7 session=s-1 bytes=1024 took=2.3)\n"


@pytest.mark.parametrize("under_systemd", [True, False])
def test_json_is_one_object_a_line_with_the_traceback_inside(
    capsys: pytest.CaptureFixture[str], under_systemd: bool
) -> None:
    log.start(journal() if under_systemd else {}, form=LogFormat.JSON)
    LOG.info("%s: uploaded", Place("interviews", "talk.mp3"), extra=figures(7, size=1024))
    bug()
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("<6>{" if under_systemd else "{")
    told = json.loads(first.removeprefix("<6>"))
    assert datetime.fromisoformat(told.pop("time")).tzinfo == UTC
    assert told == {
        "level": "info", "logger": "scriptixd.x", "message": "interviews/talk.mp3: uploaded",
        "folder": "interviews", "path": "talk.mp3", "job": 7, "bytes": 1024,
    }  # fmt: skip
    assert json.loads(second.removeprefix("<3>"))["traceback"][-1] == "ValueError: no such file: jansen.wav"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("form", LogFormat)
@pytest.mark.parametrize("names", Names)
@pytest.mark.parametrize("under_systemd", [True, False])
def test_hostile_names_are_one_line_of_plain_letters(
    capsys: pytest.CaptureFixture[str], name: str, form: LogFormat, names: Names, under_systemd: bool
) -> None:
    log.start(journal() if under_systemd else {}, form=form, names=names)
    LOG.warning("%s: %s", Place("council", name), FileTrouble(f"{name} is no media", "convert it"))
    written = capsys.readouterr().err
    written.encode()
    assert written.count("\n") == 1
    assert written.removesuffix("\n").isprintable()
    if form is LogFormat.JSON and names is Names.FULL:
        assert json.loads(written.removeprefix("<4>"))["path"] == name


def test_a_veiled_name_is_the_one_of_messages_and_sentences_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    log.start(journal(), names=Names.HASH)
    place, trouble = Place("council", "secret/jansen.wav"), FileTrouble("jansen.wav is no media", "convert jansen.wav")
    LOG.warning("%s: %s: %s", place, Words("stopped"), trouble)
    LOG.warning("%s", "jansen.wav")
    logging.getLogger("library").warning("jansen.wav")
    bug()
    written = capsys.readouterr().err
    assert "jansen" not in written
    assert "secret" not in written
    lines = written.splitlines()
    assert lines[0] == f"<4>council/{veiled('council/secret/jansen.wav')}: stopped: file trouble […]"
    assert lines[1] == "<4>[…] (scriptixd status and scriptixd check tell it)"
    assert lines[2] == "<4>library: […]"
    assert "<3>ValueError: […], at" in lines


def test_a_directory_for_outputs_is_veiled_as_a_whole() -> None:
    assert Place("/srv/secret", "jansen.srt").veiled == veiled("/srv/secret/jansen.srt")


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "LOG"
            ):
                yield path, node


def test_what_is_logged_begins_with_a_literal_so_that_no_name_hides_in_it() -> None:
    found = list(calls())
    assert len(found) > 30
    for path, call in found:
        assert isinstance(call.func, ast.Attribute)
        template = call.args[1 if call.func.attr == "log" else 0]
        assert isinstance(template, ast.Constant), (path, call.lineno)


def test_a_day_is_one_line_also_where_nothing_happened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, chunk_size=10_000)
    caplog.set_level(logging.INFO, "scriptixd.day")
    midnight = datetime(2023, 11, 14, 23, 0, tzinfo=UTC).timestamp()  # in Amsterdam
    world.now = Now(midnight - 600, world.now.boot)
    days = Days(world.store, Calendar(ZoneInfo("Europe/Amsterdam")))

    def look(seconds: float) -> list[str]:
        world.now = Now(world.now.wall + seconds, world.now.boot + seconds)
        days.run_once(world.now)
        return [record.getMessage() for record in caplog.records if record.name == "scriptixd.day"]

    assert look(0) == []
    world.step_until(world.drop("a.wav", b"a" * 36_000), State.READY)
    delivery = world.store.deliveries.due(world.now.wall, ["council"], ())
    assert delivery is not None
    world.store.deliveries.apply(delivery, Delivered(), world.now.wall)
    world.drop("c.wav", b"c" * 70)
    assert look(300) == []
    said = "2023-11-14: 1 file(s) done, 1.0 hour(s) paid, 0 reused for free; now: 0 failed, 0 held, 1 waiting"
    assert look(301) == [said]
    assert look(60) == [said]
    assert look(86_400)[1:] == [
        "2023-11-15: 0 file(s) done, 0.0 hour(s) paid, 0 reused for free; now: 0 failed, 0 held, 1 waiting"
    ]
    world.close()


def test_a_daemon_that_is_started_around_midnight_leaves_no_day_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world, now = World(tmp_path), datetime(2023, 11, 13, 12, 0, tzinfo=UTC).timestamp()
    caplog.set_level(logging.INFO, "scriptixd.day")

    def started_after(days: float) -> list[str]:
        nonlocal now
        now += days * 86_400
        world.restart()
        world.store.tidings.keep([])  # as each start does, of receivers
        looking = Days(world.store, Calendar(UTC))
        for seconds in (0, 60):
            looking.run_once(Now(now + seconds, world.now.boot + seconds))
        return [record.getMessage().partition(": ")[0] for record in caplog.records if record.name == "scriptixd.day"]

    assert started_after(0) == []  # what was before the very first start is no day of ours
    assert started_after(0.6) == ["2023-11-13"]
    assert started_after(0.1) == ["2023-11-13"]
    assert started_after(3) == ["2023-11-13", "2023-11-14 to 2023-11-16"]
    assert started_after(-30)[2:] == []
    assert started_after(1)[2:] == ["2023-10-18"]
    world.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def test_with_hash_a_whole_run_names_no_file_and_no_directory(home: House, tmp_path: Path) -> None:
    directory = home.folder("hidden-place", language="en")
    home.settings["folders"][0]["name"] = "council"
    home.settings["names_in_logs"] = "hash"
    (directory / "annex").mkdir()
    tone(tmp_path / "t.wav", 1.0, 7)
    home.drop(directory / "annex", "jansen.wav", tmp_path / "t.wav")
    home.drop(directory, "pietersen.wav", tmp_path / "t.wav")  # the same content: shared
    (directory / "broken-devries.wav").write_bytes(b"this is no media at all" * 100)
    (directory / "\udcffbakker.wav").write_bytes(b"nor is this" * 100)
    home.start()
    eventually(lambda: list(home.states().values()).count("done") >= 2, "two are done")
    eventually(lambda: "council/" + veiled("council/annex/jansen.wav") in home.log.read_text(), "it is told, veiled")
    home.stop()
    directory.rename(directory.with_name("hidden-elsewhere"))
    home.start()
    eventually(lambda: "council: share trouble" in home.log.read_text(), "the folder is away")
    home.stop()
    written = home.log.read_text()
    for word in ("jansen", "pietersen", "devries", "bakker", "annex", "hidden", str(tmp_path), tmp_path.name):
        assert word not in written, word


def test_what_becomes_of_a_file_before_it_is_sent_is_a_line_each(home: House, tmp_path: Path) -> None:
    directory = home.folder("council", language="en")
    tone(tmp_path / "t.wav", 1.0, 9)
    home.write_config()
    home.say("run", "--once")
    home.say("pause")
    home.drop(directory, "a.wav", tmp_path / "t.wav")
    home.start()
    eventually(lambda: home.states() == {"council/a.wav": "found"}, "it is found")
    (directory / "a.wav").rename(directory / "b.wav")
    eventually(lambda: home.states() == {"council/b.wav": "found"}, "its new name is known")
    tone(directory / "b.wav", 2.0, 9)
    said = "council/b.wav: was found complete with other content"
    eventually(lambda: said in home.log.read_text(), "its new content is known")
    (directory / "b.wav").unlink()
    eventually(lambda: home.states() == {"council/b.wav": "gone"}, "it is gone")
    home.stop()
    # The new name may have settled before the old one is missed, as a job that is then none.
    lines = [line.split(" ", 2)[2] for line in home.log.read_text().splitlines() if line.endswith("(job=1)")]
    assert lines == [
        "council/a.wav: was found complete (job=1)",
        "council/b.wav: has another name: a.wav → b.wav (job=1)",
        f"{said} (job=1)",
        "council/b.wav: is gone: b.wav is not there any more (job=1)",
    ]


def test_a_crowd_that_waits_for_a_yes_is_no_line_each(home: House, tmp_path: Path) -> None:
    directory = home.folder("council", language="en", existing="hold")
    for number in range(3):
        tone(directory / f"{number}.wav", 1.0 + number, 9)
    home.start()
    home.until(3, "held")
    home.stop()
    assert "council/" not in home.log.read_text()
    assert "council: 3 file(s) wait for your yes" in home.log.read_text()


def test_what_a_person_has_decided_is_a_line_each(home: House, tmp_path: Path) -> None:
    directory = home.folder("council", language="en", existing="hold")
    tone(tmp_path / "t.wav", 1.0, 9)
    home.drop(directory, "old.wav", tmp_path / "t.wav")
    (directory / "older.wav").write_bytes(b"no media at all" * 100)
    home.start()
    home.until(2, "held")
    home.say("dismiss", "older.wav")
    home.say("approve", "old.wav")
    home.until(1)
    home.say("redo", "--yes", "--language", "nl", "old.wav")
    eventually(lambda: home.log.read_text().count("is sent again, and paid for again") == 1, "it is told")
    home.until(1)
    home.stop()
    lines = [line.partition(" (job=")[0].split(" ", 2)[2] for line in home.log.read_text().splitlines()]
    assert "council/older.wav: dismissed: it is left alone" in lines
    assert "council/old.wav: approved: it is uploaded next" in lines
    assert "a person wants it transcribed again, and paid for again: nl" in home.say("explain", "old.wav").stdout
