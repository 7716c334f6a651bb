"""What would be uploaded, before anything is: `plan` against real folders and a real state file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from desk import Desk
from house import tone

from scriptixd.cli.installation import settings_in
from scriptixd.cli.survey import Fate, Memory, Outlook, Survey
from scriptixd.errors import Stopped
from scriptixd.jobs.events import Closing, Dismissed, Rejected, UploadFinished, UploadOpened
from scriptixd.jobs.job import DocumentType, Request
from scriptixd.jobs.source import Admission
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import Reader

OPENED = UploadOpened("file-1", "http://127.0.0.1:1", "01234567", "{}", 60.0)
PAID = (OPENED, Closing("ab" * 32), UploadFinished())
MIB = 2**20
NOTHING = Memory()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def planned(desk: Desk, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = desk.say("plan", "--json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def council(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = planned(desk, "council")["folders"][0]
    return found


def files(folder: Mapping[str, Any]) -> dict[str, int]:
    """How many files are in each part of a plan, without those that are in none."""
    counted = {part: folder[part]["files"] for part in ("now", "held", "settling")}
    return {part: count for part, count in (counted | folder["left_out"]).items() if count}


def configure(desk: Desk, **settings: object) -> None:
    read = yaml.safe_load(desk.config.read_text())
    read["defaults"] |= settings
    desk.config.write_text(yaml.safe_dump(read))


def test_without_a_state_file_everything_is_found_for_the_first_time_and_nothing_is_made(desk: Desk) -> None:
    tone(desk.base / "council" / "long.wav", 90.0, 40)
    (desk.base / "council" / "odd.mkv").write_bytes(b"0" * 4096)
    (desk.base / "council" / "notes.txt").write_bytes(b"0" * 4096)
    desk.config.write_text(desk.config.read_text().replace('key: "${TEST_KEY}"', "key_file: not-there"))
    before = sorted(desk.base.rglob("*"))
    told = desk.say("plan")
    assert told.returncode == 0, told.stderr
    assert "no state file" in told.stdout
    assert "`existing: hold`" in told.stdout
    assert "Nothing was sent" in told.stdout
    plan = planned(desk)
    found, empty = plan["folders"]
    assert (found["name"], found["path"], found["first_contact"]) == ("council", str(desk.base / "council"), True)
    size = sum((desk.base / "council" / name).stat().st_size for name in ("long.wav", "odd.mkv"))
    assert found["held"] == {
        "files": 2, "bytes": size, "media_seconds": pytest.approx(90.0, abs=0.1), "unknown_length": 1,
    }  # fmt: skip
    assert (files(found), files(empty), files(plan["total"])) == ({"held": 2}, {}, {"held": 2})
    assert sorted(desk.base.rglob("*")) == before


@pytest.mark.parametrize(("existing", "part"), [("hold", "held"), ("process", "now"), ("ignore", "ignored")])
def test_what_was_there_before_is_treated_as_the_setting_says(desk: Desk, existing: str, part: str) -> None:
    configure(desk, existing=existing)
    (desk.base / "council" / "a.mp4").write_bytes(b"0" * 4096)
    assert files(council(desk)) == {part: 1}


def test_what_has_a_transcript_beside_it_is_told_apart(desk: Desk) -> None:
    for name in ("a.mp4", "a.json", "b.mp4"):
        (desk.base / "council" / name).write_bytes(b"0" * 4096)
    assert files(council(desk)) == {"held": 1, "beside": 1}
    assert "left out: 1 with a transcript beside them" in desk.say("plan", "council").stdout
    desk.meet()
    assert files(council(desk)) == {"settling": 1, "beside": 1}


def test_every_file_is_in_the_part_that_its_state_says(desk: Desk) -> None:
    desk.add("found.mp4")
    desk.add("uploading.mp4", replace(OPENED, file_id="file-2"))
    desk.add("held.mp4", held_for="was there before")
    desk.add("paid.mp4", *PAID)
    desk.add("failed.mp4", Rejected("it is no media", ""))
    desk.add("dismissed.mp4", Rejected("it is no media", ""), Dismissed())
    desk.see("ignored.mp4", admission=Admission(Request("nl", DocumentType.CAPTION), ignored=True))
    desk.see("settling.mp4")
    desk.meet()
    (desk.base / "council" / "new.mp4").write_bytes(b"0" * 4096)
    changed = desk.base / "council" / "held.mp4"
    plan = council(desk)
    assert files(plan) == {
        "now": 2, "held": 1, "settling": 2, "done": 1, "failed": 1, "dismissed": 1, "ignored": 1,
    }  # fmt: skip
    assert plan["first_contact"] is False
    assert plan["now"]["media_seconds"] == 60.0
    changed.write_bytes(b"1" * 4096)
    assert files(council(desk))["settling"] == 3
    told = desk.say("plan", "council").stdout
    assert "left out: 1 done or paid for, 1 failed, 1 dismissed, 1 ignored" in told


def test_a_file_that_was_only_touched_is_looked_at_anew(desk: Desk) -> None:
    desk.add("held.mp4", held_for="was there before")
    desk.meet()
    os.utime(desk.base / "council" / "held.mp4", (1e9, 1e9))
    assert files(council(desk)) == {"settling": 1}


def test_what_is_too_large_is_left_out(desk: Desk) -> None:
    configure(desk, max_size="3KiB", existing="process")
    (desk.base / "council" / "small.mp4").write_bytes(b"0" * 2048)
    (desk.base / "council" / "large.mp4").write_bytes(b"0" * 4096)
    assert files(council(desk)) == {"now": 1, "too_large": 1}


def test_litter_links_and_what_is_excluded_are_not_counted(desk: Desk) -> None:
    configure(desk, exclude=["drafts/"])
    place = desk.base / "council"
    for name in ("a.mp4", "b.mp4.part", "drafts/c.mp4", "@eaDir/d.mp4", "deep/er/e.mp4"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"0" * 4096)
    (place / "link.mp4").symlink_to(place / "a.mp4")
    assert files(council(desk)) == {"held": 2}


def test_more_new_files_than_ask_above_lets_through_are_held(desk: Desk) -> None:
    configure(desk, ask_above={"files": 2})
    desk.meet()
    for number in range(3):
        (desk.base / "council" / f"{number}.mp4").write_bytes(b"0" * 4096)
        assert files(council(desk)) == ({"settling": number + 1} if number < 2 else {"held": 3})
    assert "3 new files are more than `ask_above` lets through" in desk.say("plan", "council").stdout


@pytest.mark.parametrize(("existing", "part"), [("hold", "held"), ("process", "now"), ("ignore", "ignored")])
def test_what_a_widened_setting_lets_in_was_there_before(desk: Desk, existing: str, part: str) -> None:
    desk.meet()
    configure(desk, existing=existing, include=["*.mp4", "*.raw"])
    (desk.base / "council" / "old.raw").write_bytes(b"0" * 4096)
    (desk.base / "council" / "new.mp4").write_bytes(b"0" * 4096)
    assert files(council(desk)) == {part: 1, "settling": 1}


def test_a_rule_decides_for_the_files_that_it_matches(desk: Desk) -> None:
    configure(desk, rules=[{"match": "raw/**", "existing": "process", "max_size": "3KiB"}])
    for name, size in (("raw/a.mp4", 2048), ("raw/b.mp4", 4096), ("c.mp4", 4096)):
        (desk.base / "council" / name).parent.mkdir(exist_ok=True)
        (desk.base / "council" / name).write_bytes(b"0" * size)
    assert files(council(desk)) == {"now": 1, "held": 1, "too_large": 1}


class Watchful(LocalRoot):
    """Remembers what was opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.opened: list[str] = []

    def open(self, path: str) -> Reader:
        self.opened.append(path)
        return super().open(path)


def surveyed(desk: Desk, root: Watchful, memory: Memory = NOTHING, *, stop: bool = False) -> Outlook:
    folder = settings_in(str(desk.config)).folders[0]
    return Survey(folder, root, memory, lambda _: None, lambda: stop).outlook()


def test_a_placeholder_is_counted_and_not_opened(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "key")
    place = desk.base / "council"
    (place / "here.mp4").write_bytes(b"0" * 4096)
    with (place / "elsewhere.mp4").open("wb") as file:
        file.truncate(2 * MIB)
    root = Watchful(place)
    found = surveyed(desk, root)
    assert root.opened == ["here.mp4"]
    assert (found.elsewhere, found.sums[Fate.HELD].files, found.sums[Fate.HELD].unknown) == (1, 2, 2)
    assert "1 of them are not on this disk, and were not opened" in desk.say("plan", "council").stdout
    assert council(desk)["not_on_disk"] == 1


def test_a_file_that_may_still_be_written_is_not_opened(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "key")
    place = desk.base / "council"
    (place / "new.mp4").write_bytes(b"0" * 4096)
    root = Watchful(place)
    found = surveyed(desk, root, Memory(disk=root.disk().identity.key))
    assert (root.opened, found.sums[Fate.SETTLING].files) == ([], 1)


def test_a_survey_ends_when_it_is_told_to(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "key")
    with pytest.raises(Stopped):
        surveyed(desk, Watchful(desk.base / "council"), stop=True)


def test_a_folder_that_is_not_there_is_told_and_the_others_go_on(desk: Desk) -> None:
    (desk.base / "court" / "a.mp4").write_bytes(b"0" * 4096)
    (desk.base / "council").rmdir()
    told = desk.say("plan")
    assert told.returncode == 1
    assert "council does not exist (mount or create it" in told.stdout
    gone, there = planned(desk, code=1)["folders"]
    assert (gone["held"], files(there)) == (None, {"held": 1})
    assert "council does not exist" in gone["offline"]
    assert planned(desk, str(desk.base / "court"))["total"]["held"]["files"] == 1


def test_a_folder_that_is_not_configured_is_usage(desk: Desk) -> None:
    done = desk.say("plan", "attic")
    assert done.returncode == 2
    assert "there is no folder 'attic'" in done.stderr
    assert "council, court" in done.stderr


def test_it_works_beside_a_running_daemon(desk: Desk) -> None:
    desk.add("held.mp4", held_for="was there before")
    with desk.daemon():
        assert files(council(desk))["held"] == 1


def test_names_never_reach_a_terminal_as_they_came(desk: Desk) -> None:
    place = os.fsencode(desk.base / "council") + b"/\x1b[31m\xff"
    os.mkdir(place)
    with open(place + b"/a.mp4", "wb") as file:
        file.write(b"0" * 4096)
    if os.geteuid() == 0:
        assert files(council(desk)) == {"held": 1}
    else:
        os.chmod(place, 0)
        done = desk.say("plan")
        assert "\\x1b[31m\\xff may not be read" in done.stdout
        assert "\x1b" not in done.stdout
        os.chmod(place, 0o700)


def test_plan_imports_nothing_of_the_network(desk: Desk) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "scriptixd", "plan", "-c", str(desk.config)]
    environment = {**os.environ, "TEST_KEY": "key"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "tinytag" in imported
    assert not imported & {"requests", "urllib3", "tusclient", "rich"}


def test_the_readme_tells_every_key(desk: Desk) -> None:
    section = (Path(__file__).parents[1] / "README.md").read_text().split("## For programs")[1].split("\n## ")[0]
    sentence = section.split("`plan --json`")[1].split("\n\n")[0]
    found = planned(desk)
    keys = found.keys() | found["folders"][0].keys() | found["total"]["held"].keys() | found["total"]["left_out"].keys()
    assert all(f"`{key}`" in sentence for key in keys)
