"""`install` and `uninstall` as far as they only tell; what they do is done in a machine of its own (test_set_up.py)."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import in_process
import pytest

from scriptixd.cli import installing, uninstalling  # noqa: F401 - somebody else may not be let into this library
from scriptixd.cli.first_configuration import First, first_configuration
from scriptixd.cli.steps import (
    Action,
    Configuration,
    Directory,
    Found,
    Key,
    Link,
    Media,
    Member,
    Places,
    Remove,
    Start,
    Stop,
    UnitFile,
    User,
    Wish,
    installation,
    removal,
    shell,
)
from scriptixd.cli.units import Instance, instance_named, rendered, settings_of, shipped_file, user_of, within, writable
from scriptixd.config.load import load
from scriptixd.config.model import FolderBlock
from scriptixd.errors import StartError

UNIT = shipped_file(Instance()).read_text()
COUNCIL = First("/srv/media/council", "nl", "caption")
PROGRAM = Path("/opt/scriptixd/bin/scriptixd")


def found(*media: Media, program: Path = PROGRAM, user: str = "scriptixd") -> Found:
    return Found(program, shipped_file(Instance()), UNIT, user, user, media)


def actions(wish: Wish, there: Found) -> list[Action]:
    return [step.action for step in installation(wish, there)]


@contextmanager
def somebody() -> Iterator[None]:
    """Not root, whoever runs the tests."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_the_plan_is_a_user_the_directories_the_configuration_the_key_the_unit_and_the_start_in_that_order() -> None:
    planned = actions(Wish(Instance(), COUNCIL, None), found(Media("/srv/media/council", "media")))
    assert [type(one) for one in planned] == [
        User, Member, Directory, Directory, Configuration, Key, UnitFile, Link, Start
    ]  # fmt: skip
    assert Member("scriptixd", "media") in planned
    assert Directory(Path("/var/lib/scriptixd"), 0o750, "scriptixd", "scriptixd") in planned
    assert Key(Path("/etc/scriptixd/api-key"), None) in planned


def test_an_instance_has_its_own_configuration_key_and_state_and_shares_its_unit() -> None:
    planned = actions(Wish(Instance("radio"), COUNCIL, "key"), found())
    assert [one.path for one in planned if isinstance(one, Directory)] == [
        Path("/etc/scriptixd"), Path("/var/lib/scriptixd"), Path("/var/lib/scriptixd/radio")
    ]  # fmt: skip
    (configuration,) = (one for one in planned if isinstance(one, Configuration))
    assert configuration.path == Path("/etc/scriptixd/radio.yaml")
    assert "key_file: /etc/scriptixd/radio.api-key\nstate: /var/lib/scriptixd/radio/state.db\n" in configuration.text
    assert Key(Path("/etc/scriptixd/radio.api-key"), "key") in planned
    assert [one.path for one in planned if isinstance(one, UnitFile)] == [
        Path("/etc/systemd/system/scriptixd@.service")
    ]
    assert planned[-1] == Start("scriptixd@radio.service")


def test_only_folders_that_the_unit_does_not_open_get_a_place_of_their_own() -> None:
    wish = Wish(Instance(), COUNCIL, None)
    inside = [Media(path, None) for path in ("/srv/media/council", "/mnt/nas", "/media/usb/x")]
    assert not [one for one in actions(wish, found(*inside)) if isinstance(one, Places)]
    outside = found(*inside, Media("/srv2/x", None), Media('/data/my 100% "best"', None))
    (places,) = (one for one in actions(wish, outside) if isinstance(one, Places))
    assert [value for name, value in settings_of(places.text) if name == "ReadWritePaths"] == [
        '"-/srv2/x"', "'-/data/my 100%% \"best\"'"
    ]  # fmt: skip


def test_a_unit_starts_this_installation_as_this_user() -> None:
    planned = actions(Wish(Instance(), COUNCIL, None), found(program=Path("/usr/local/bin/scriptixd"), user="anna"))
    (unit,) = (one for one in planned if isinstance(one, UnitFile))
    text = rendered(UNIT, unit.changed)
    assert "ExecStart=/usr/local/bin/scriptixd run --config /etc/scriptixd/config.yaml\n" in text
    assert user_of(text) == "anna"
    assert not [one for one in planned if isinstance(one, Link)]  # it is on the path already
    (as_shipped,) = (one for one in actions(Wish(Instance(), COUNCIL, None), found()) if isinstance(one, UnitFile))
    assert as_shipped.changed == ()


def test_what_is_pasted_makes_the_unit_that_would_be_written(tmp_path: Path) -> None:
    import subprocess

    changed = (("/opt/scriptixd/bin/scriptixd", "/usr/local/bin/scriptixd"), ("^User=.*", "User=anna"))
    unit = tmp_path / "scriptixd.service"
    for line in shell(UnitFile(unit, shipped_file(Instance()), changed), ""):
        subprocess.run(["sh", "-ec", line], check=True)
    assert unit.read_text() == rendered(UNIT, changed)
    assert unit.stat().st_mode & 0o7777 == 0o644


def test_a_command_within_the_service_has_all_of_its_confinement_and_nothing_of_its_life() -> None:
    text = UNIT + "\n[Service]\nReadWritePaths=-/data/%i \\\n  -/more\nEnvironment=A=%%b\n"
    command = within(Instance("radio"), text, ("scriptixd", "check"))
    assert command[0] == "systemd-run"
    assert command[-2:] == ("scriptixd", "check")
    passed = {one.removeprefix("--property=").partition("=")[0] for one in command if one.startswith("--property=")}
    everything = {name for name, _ in settings_of(UNIT)}
    assert everything - passed == {
        "Type", "NotifyAccess", "ExecStart", "Restart", "RestartSec", "RestartPreventExitStatus", "SyslogLevel",
        "WatchdogSec", "TimeoutStartSec", "TimeoutStopSec", "KillMode", "RemoveIPC",
    } | {name for name in everything if name.startswith("Exec")}  # fmt: skip
    assert "--property=ReadWritePaths=-/data/radio    -/more" in command
    assert "--property=Environment=A=%b" in command


def test_the_unit_opens_where_people_put_media() -> None:
    assert writable(UNIT) == (Path("/srv"), Path("/mnt"), Path("/media"))


def test_the_first_configuration_is_one_that_loads(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(first_configuration(Instance(), First('/srv/my ${HOME} "tapes": 1', "no", "document")))
    (folder,) = load(path, {}, with_key=False).folders
    assert str(folder.path) == '/srv/my ${HOME} "tapes": 1'
    assert folder.request is not None
    assert (folder.request.language, folder.request.document_type) == ("no", "document")
    assert ("problem_note: true" in path.read_text()) == ("problem_note" in FolderBlock.model_fields)


@pytest.mark.parametrize(
    ("first", "wrong"),
    [
        (First("/srv/a", "n l", "caption"), "language"),
        (First("/srv/a", "nl", "subtitle"), "document_type"),
        (First("/srv/\udce9", "nl", "caption"), "path"),
    ],
)
def test_what_is_no_configuration_is_told_before_anything_is_done(first: First, wrong: str) -> None:
    with pytest.raises(StartError, match=wrong):
        first_configuration(Instance(), first)


@pytest.mark.parametrize("name", ["", "a/b", "config", "-x", "état", "a.b", "x" * 65])
def test_a_name_that_no_instance_can_have_is_refused(name: str) -> None:
    with pytest.raises(StartError, match="cannot be called"):
        instance_named(name)


def test_the_way_back_leaves_what_others_go_by(tmp_path: Path) -> None:
    def gone(*, last: bool, linked: bool) -> set[str]:
        steps = removal(Instance("radio"), last=last, linked=linked, purged=[tmp_path])
        assert steps[0].action == Stop("scriptixd@radio.service")
        return {str(path) for step in steps if isinstance(step.action, Remove) for path in step.action.files}

    own = {str(tmp_path), "/etc/systemd/system/scriptixd@radio.service.d/folders.conf"}
    assert gone(last=False, linked=True) == own
    assert gone(last=True, linked=False) == own | {"/etc/systemd/system/scriptixd@.service"}


def test_what_is_told_is_a_script_of_commands_with_a_sentence_each() -> None:
    told = in_process.say(["install", "--folder", "/srv/media/council", "--language", "nl"], {})
    assert told.returncode == 0, told.stderr
    sudo = "" if os.geteuid() == 0 else "sudo "
    assert f"\n{sudo}systemctl restart scriptixd.service\n" in told.stdout
    assert "\n  - path: /srv/media/council\n    language: nl\n    document_type: caption\n" in told.stdout
    last = shlex.split(told.stdout.splitlines()[-1])
    assert last[-4:] == ["check", "--here", "--config", "/etc/scriptixd/config.yaml"]
    with somebody():
        told = in_process.say(["install"], {})
    assert told.returncode == 0, told.stderr
    assert "\nsudo systemctl restart scriptixd.service\n" in told.stdout
    assert "put them in place of this one" in told.stdout


def test_what_is_told_looks_at_a_folder_elsewhere_with_the_places_that_it_was_given() -> None:
    told = in_process.say(["install", "--folder", "/data/our own", "--language", "nl"], {})
    last = shlex.split(told.stdout.splitlines()[-1])
    assert [word for word in last if word.startswith("--property=ReadWritePaths=")] == [
        "--property=ReadWritePaths=-/srv -/mnt -/media", '--property=ReadWritePaths="-/data/our own"'
    ]  # fmt: skip


def test_without_root_nothing_is_done_and_that_is_said() -> None:
    for verb in (["install", "--apply"], ["uninstall", "--apply"], ["uninstall", "--purge", "--yes"]):
        with somebody():
            done = in_process.say(verb, {})
        assert (done.returncode, done.stdout) == (2, "")
        assert "only root" in done.stderr
        assert f"sudo scriptixd {verb[0]} {verb[1]} …; without {verb[1]} it only tells what" in done.stderr


def test_where_systemd_does_not_run_nothing_is_done_and_that_is_said() -> None:
    if os.geteuid() != 0 or Path("/run/systemd/system").exists():
        pytest.skip("only root is told that, and only where systemd did not start the machine")
    for verb in (["install", "--apply"], ["uninstall", "--apply"], ["uninstall", "--purge"]):
        done = in_process.say(verb, {})
        assert (done.returncode, done.stdout) == (2, "")
        assert "not started by systemd" in done.stderr
        assert f"without {verb[1]} the steps are only told" in done.stderr


def test_a_folder_without_a_language_is_asked_about() -> None:
    done = in_process.say(["install", "--folder", "/srv/media/council"], {})
    assert done.returncode == 2
    assert "--language" in done.stderr


def test_a_language_without_a_folder_is_asked_about() -> None:
    done = in_process.say(["install", "--language", "en"], {})
    assert (done.returncode, done.stdout) == (2, "")
    assert "--folder" in done.stderr


def test_what_ends_it_is_told_with_what_is_left() -> None:
    told = in_process.say(["uninstall"], {})
    assert told.returncode == 0, told.stderr
    assert "scriptixd.service stops" in told.stdout
    assert "holds personal data" in told.stdout
