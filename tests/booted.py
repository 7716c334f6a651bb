"""A machine of its own with a systemd that really boots: a container over this one, which is not changed.

scriptixd is installed in it as the README says, with this code in place of what pip would fetch; nothing is set up yet.
Skipped, with the reason, where that cannot be: without root, without systemd-nspawn, or where nothing may be mounted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from house import eventually

ROOT: Final = Path(__file__).parents[1]
PROGRAM: Final = "/opt/scriptixd/bin/scriptixd"
KEY: Final = "a-key-for-tests"
URL: Final = "http://127.0.0.1:8089/api/v3"
FOLDER: Final = "/srv/media/council"
NEEDED = ("systemd-nspawn", "systemctl", "journalctl", "useradd", "unshare", "setpriv", "nsenter", "dbus-daemon")
BOOTED_WITHIN = 30.0  # s
CONFIG: Final[dict[str, Any]] = {
    "api": {"url": URL, "key_file": "/etc/scriptixd/api-key", "requests_per_minute": 6000},
    "state": "/var/lib/scriptixd/state.db",
    "folders": [
        {"path": FOLDER, "language": "en", "document_type": "caption", "settle": "1s", "scan_interval": "1s"},
    ],
}
# Mounts and processes live in namespaces that end with their first process, which ends with the test: nothing is left.
BOOT = """
set -e
mount -t tmpfs -o size=512m tmpfs "$1/up"
mkdir "$1/up/upper" "$1/up/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up/upper,workdir=$1/up/work" "$1/root"
cp -R "$1/changes/." "$1/root/"
shift
exec systemd-nspawn "$@"
"""
_LIBRARIES: Final = "/opt/python/lib"  # of a Python that was brought along
_SITE: Final = f"/opt/scriptixd/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


class Machine:
    """A booted systemd, asked from outside, as root."""

    def __init__(self, init: int, python: str, packages: list[str]) -> None:
        self._init = init
        self.python = python
        self._packages = packages

    def answer(self, *command: str, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """What a command in the container comes to."""
        enter = ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C", "--root", "--wd"]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        known = {"PATH": path, "LANG": "C.UTF-8", "HOME": "/root", "LD_LIBRARY_PATH": _LIBRARIES}
        done = subprocess.run(
            [*enter, *command],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            timeout=120,
            check=False,
            env=known,
        )
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    def ask(self, *command: str, given: bytes | None = None) -> str:
        done = self.answer(*command, given=given)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def say(self, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """A verb of the installed program."""
        return self.answer(PROGRAM, *arguments, given=given)

    def put(self, path: str, content: bytes) -> None:
        """A file that keeps its owner and mode if it is there."""
        self.ask("sh", "-c", 'cat > "$1"', "put", path, given=content)

    def drop(self, path: str, content: bytes) -> None:
        """A recording, moved into its folder in one go."""
        self.put(f"{path}.part", content)
        self.ask("mv", f"{path}.part", path)

    def has(self, path: str) -> bool:
        return self.answer("test", "-e", path).returncode == 0

    def owned(self, path: str) -> str:
        """Owner, group and mode."""
        return self.ask("stat", "-c", "%U %G %a", path).strip()

    def get_ready(self) -> None:
        """Install this code, where `pip install .` would."""
        self.ask("systemctl", "start", "dbus.socket")  # systemd-run waits by it
        self.ask(self.python, "-m", "venv", "--without-pip", "/opt/scriptixd")
        self.pip_install()

    def pip_install(self) -> None:
        """What pip does in a virtual environment that is there."""
        self.put(f"{_SITE}/checkout.pth", "".join(f"{path}\n" for path in self._packages).encode())
        script = "#!/opt/scriptixd/bin/python\nfrom scriptixd.cli import main\n\nmain()\n"
        self.put(PROGRAM, script.encode())
        self.ask("chmod", "0755", PROGRAM)

    def pip_upgrade(self) -> None:
        """What pip does with a newer clone: every file of the package is written anew."""
        self.ask("sh", "-c", f"cp -r /opt/source/scriptixd {_SITE}/ && cp -r /opt/source/systemd {_SITE}/scriptixd/")

    def pip_downgrade(self) -> None:
        self.ask("rm", "-r", f"{_SITE}/scriptixd")

    def clear(self) -> None:
        """As if scriptixd had never been set up; the program itself stays."""
        self.answer("sh", "-c", "systemctl disable --now scriptixd 'scriptixd@*'; systemctl stop 'scriptixd*'")
        self.ask(
            "sh",
            "-c",
            """rm -rf /etc/scriptixd /var/lib/scriptixd /srv/* /data /usr/local/bin/scriptixd
            rm -rf /etc/systemd/system/scriptixd* /etc/systemd/system/*.wants/scriptixd* /run/systemd/system/scriptixd*
            for one in scriptixd anna; do ! id $one >/dev/null 2>&1 || userdel $one; done
            ! getent group media >/dev/null || groupdel media
            systemctl daemon-reload; systemctl reset-failed""",
        )

    def folder(self, path: str = FOLDER) -> None:
        """A directory of the group media, who may write in it."""
        self.ask("sh", "-c", "getent group media >/dev/null || groupadd --system media")
        self.ask("install", "-d", "-m", "2775", "-g", "media", path)

    def begin(self, configuration: Mapping[str, Any], **service: str) -> None:
        """Nothing remembered and nothing there, another configuration, and some settings of the unit changed."""
        self.answer("systemctl", "stop", "scriptixd")
        self.ask("sh", "-c", "rm -rf /var/lib/scriptixd/* /srv/media/*/*")
        self.put("/etc/scriptixd/config.yaml", yaml.safe_dump(dict(configuration)).encode())
        self.restart(**service)

    def restart(self, **service: str) -> None:
        lines = "".join(f"{name}={value}\n" for name, value in service.items())
        self.ask("mkdir", "-p", "/run/systemd/system/scriptixd.service.d")
        self.put("/run/systemd/system/scriptixd.service.d/test.conf", f"[Service]\n{lines}".encode())
        self.ask("systemctl", "daemon-reload")
        self.answer("systemctl", "reset-failed", "scriptixd")
        self.answer("systemctl", "restart", "scriptixd")

    def shown(self, unit: str = "scriptixd") -> Mapping[str, str]:
        return dict(line.split("=", 1) for line in self.ask("systemctl", "show", unit).splitlines())

    def journal(self, unit: str = "scriptixd") -> list[Mapping[str, str]]:
        """What the unit's programs have said, without systemd's own words."""
        self.ask("journalctl", "--sync")
        said = self.ask("journalctl", "--no-pager", "-o", "json", "-t", "scriptixd", "-u", unit)
        return [json.loads(line) for line in said.splitlines()]


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine, with a sandbox that takes one key alone; shared by all tests, who have to begin by themselves."""
    if os.geteuid() != 0:
        pytest.skip("only root can boot a container")
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (packages systemd-container, dbus, util-linux, passwd)")
    if any(Path(path).exists() for path in ("/opt/scriptixd", "/etc/scriptixd", "/var/lib/scriptixd")):
        pytest.skip("scriptixd is installed on this machine, and would be seen in the container")
    place = tmp_path_factory.mktemp("systemd")
    for name in ("up", "root"):
        (place / name).mkdir()
    python, binds = _brought_along(place / "changes")
    options = [f"--bind-ro={host}:{inside}" for inside, host in binds.items()]
    with (place / "log").open("wb") as log, _running(place, options, log.fileno()) as init:
        machine = Machine(init, python, [path for path in binds if path != "/opt/python"])
        machine.get_ready()
        machine.ask("systemd-run", "--unit=sandbox", PROGRAM, "sandbox", "--port=8089", f"--key={KEY}")
        yield machine


def _brought_along(changes: Path) -> tuple[str, dict[str, str]]:
    """What the container has besides this machine: a Python, its packages and this code, by what is bound where."""
    (changes / "etc/systemd/system.conf.d").mkdir(parents=True)
    (changes / "etc/fstab").write_text("")  # this machine's disks are none of the container's
    (changes / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    packages = list(dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib")))
    binds = {"/opt/source": str(ROOT), **{f"/opt/packages-{n}": path for n, path in enumerate(packages)}}
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = f"{sys.base_prefix}/bin/{name}"
    if sys.base_prefix not in {"/usr", "/usr/local"}:  # a Python in somebody's home, which is closed to the service
        binds["/opt/python"], python = sys.base_prefix, f"/opt/python/bin/{name}"
        known = f"[Manager]\nDefaultEnvironment=LD_LIBRARY_PATH={_LIBRARIES}\n"
        (changes / "etc/systemd/system.conf.d/python.conf").write_text(known)
    for path in changes.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return python, binds


@contextmanager
def _running(place: Path, binds: list[str], log: int) -> Iterator[int]:
    """The process of the container's systemd."""
    name = f"scriptixd-{uuid.uuid4().hex[:8]}"
    options = ["-D", str(place / "root"), f"--machine={name}", "--register=no", "--keep-unit", "--private-network"]
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount-proc", "--pid", "--fork", "--kill-child"]
    command += ["sh", "-c", BOOT, "boot", str(place)]
    command += [*options, *binds, "--console=pipe", "--boot", "systemd.unit=sysinit.target"]
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    init: int | None = None

    def up() -> bool:
        nonlocal init
        init = _init_of(machine.pid)
        if machine.poll() is not None or init is None:
            return machine.returncode is not None
        return Machine(init, "", []).answer("systemctl", "is-active", "sysinit.target").stdout.strip() == "active"

    try:
        try:
            eventually(up, "systemd has booted", BOOTED_WITHIN)
        except AssertionError:
            init = None
        if machine.poll() is not None or init is None:
            pytest.skip(f"no container boots here: {(place / 'log').read_text(errors='replace')[-500:]}")
        yield init
    finally:
        machine.kill()
        machine.wait(30)


def _init_of(machine: int) -> int | None:
    """The container's own systemd, once it is there: machine, systemd-nspawn, systemd."""
    parents: dict[int, tuple[str, int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
            parents[int(stat.parent.name)] = name, int(rest.split()[1])
    for pid, (name, parent) in parents.items():
        if name == "systemd" and parents.get(parent, ("", 0))[1] == machine:
            return pid
    return None
