"""The folders' disks: first contact, the last complete pass, questions, and a state file of the version before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fakes import BOOT, DUTCH, START, World

from scriptixd.jobs.job import State
from scriptixd.jobs.source import Question, QuestionKind
from scriptixd.jobs.store import database
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.store.schema import MIGRATIONS
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.root import Disk, Identity, Nested

AT = START.wall
LOCAL = Identity("ext4", "/dev/sda1", "/media")
NAS = Identity("cifs", os.fsdecode(b"//nas/caf\xe9"), "/")
TAPES = Identity("nfs4", "tapes:/all", "/")
NAS_AND_TAPES = Disk(NAS, "/mnt/nas", (Nested(os.fsdecode(b"old/\xff"), TAPES),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(open_state(tmp_path / "state.db"))
    yield made
    made.close()


def test_first_contact_lasts_until_one_pass_is_complete_and_comes_once_a_disk(store: Store) -> None:
    sources = store.sources
    assert sources.begin_contact("council", LOCAL.key, AT)
    assert sources.begin_contact("council", LOCAL.key, AT)
    sources.complete_pass("council", Disk(LOCAL, "/srv"), "all", AT)
    assert not sources.begin_contact("council", LOCAL.key, AT)
    assert sources.begin_contact("council", NAS.key, AT)
    assert sources.begin_contact("court", LOCAL.key, AT)


def test_a_pass_ends_the_first_contact_with_what_is_mounted_below_as_well(store: Store) -> None:
    sources = store.sources
    sources.complete_pass("council", Disk(NAS, "/mnt/nas"), "all", AT)
    assert sources.begin_contact("council", TAPES.key, AT)
    sources.complete_pass("council", NAS_AND_TAPES, "all", AT)
    assert not sources.begin_contact("council", TAPES.key, AT)


def test_the_last_disk_and_scope_are_those_of_the_last_complete_pass(store: Store) -> None:
    sources = store.sources
    assert (sources.last_disk("council"), sources.scope("council")) == (None, None)
    sources.complete_pass("council", Disk(LOCAL, "/srv"), "some", AT)
    sources.complete_pass("council", NAS_AND_TAPES, "all", AT)
    sources.complete_pass("court", Disk(LOCAL, "/srv"), "some", AT)
    assert (sources.last_disk("council"), sources.scope("council")) == (NAS_AND_TAPES, "all")
    assert (sources.last_disk("court"), sources.scope("court")) == (Disk(LOCAL, "/srv"), "some")


def test_a_pass_that_tells_nothing_new_wakes_nobody(store: Store) -> None:
    commits: list[None] = []
    question = Question(QuestionKind.DISK, NAS.key, "it is another disk now")
    store.database.on_commit = lambda: commits.append(None)
    for _ in range(3):
        store.sources.begin_contact("council", NAS.key, AT)
        store.sources.ask("council", question, AT)
        store.sources.complete_pass("council", NAS_AND_TAPES, "all", AT)
    assert len(commits) == 3
    for _ in range(3):
        store.sources.ask_nothing("council")
    assert len(commits) == 4


def test_a_yes_is_for_just_what_was_asked(store: Store) -> None:
    sources = store.sources
    asked = Question(QuestionKind.DISK, LOCAL.key, "it is another disk now")
    assert not sources.ask("council", asked, AT)
    assert not sources.ask("council", asked, AT)
    assert (sources.open_question("council"), sources.open_question("court")) == (asked, None)
    assert sources.answer("council", AT) == asked
    assert sources.answer("council", AT) is None
    assert sources.open_question("council") is None
    assert sources.questions() == {}
    told_otherwise = Question(asked.kind, asked.about, "it is another disk since today")
    assert sources.ask("council", told_otherwise, AT)
    next_one = Question(QuestionKind.DISK, TAPES.key, "it is another disk again")
    assert not sources.ask("council", next_one, AT)
    assert sources.questions() == {"council": next_one}
    assert not sources.ask("council", asked, AT), "the yes was given in another life"
    sources.ask_nothing("council")
    assert sources.questions() == {}


def test_each_state_file_has_a_name_of_its_own_and_keeps_it(store: Store, tmp_path: Path) -> None:
    name = store.instance()
    assert len(name) == 32
    assert int(name, 16)
    with closing(Store(open_state(tmp_path / "other.db"))) as other:
        assert other.instance() != name
    store.close()
    with closing(Store(open_state(tmp_path / "state.db"))) as again:
        assert again.instance() == name


# The version before


def version_1(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state file as the first version left it, with something in every table that the next one touches."""
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", MIGRATIONS[:1])
        opened = open_state(path)
    settings = (b"", 30, 5, 7, BOOT, 12.0, 2)
    with closing(opened), opened.transaction() as connection:
        for number, (name, settled, present) in enumerate(
            [
                (b"ready.wav", 1, 1),
                (b"held.wav", 1, 1),
                (b"grows.wav", 0, 1),
                (b"left.wav", 0, 0),
                (b"caf\xe9.wav", 1, 1),
            ],
            start=1,
        ):
            connection.execute(
                """INSERT INTO sources VALUES (?, 'council', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 100.0, 200.0)""",
                (number, settings[0], name, *settings[1:], settled, present),
            )
        facts = "'council', ?, 30, 5, 7, 0"
        connection.execute(
            f"""INSERT INTO jobs VALUES (1, 'ready', {facts}, ?, 60.0, 'f', 'https://api.example.org', '01234567',
            '{{}}', 's', 1.0, 2.0, 3.0, 0, 0, 0, '', '', '', 100.0, 200.0, 6)""",
            (DUTCH.key, "a" * 64),
        )
        connection.execute(
            f"""INSERT INTO jobs VALUES (2, 'held', {facts}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            NULL, 0, 0, 0, 'was there', '', 'was there', 100.0, 200.0, 1)""",
            (DUTCH.key,),
        )
        for number, state in ((1, "delivered"), (2, "pending")):
            connection.execute(
                "INSERT INTO deliveries VALUES (?, ?, ?, ?, 0, 0, '', '', 1.0, 1.0)", (number, number, number, state)
            )
        connection.execute("INSERT INTO requests (verb, job_id, asked_at) VALUES ('approve', 2, 5.0)")
        contacts = [
            ("council", LOCAL.key, 1.0, 2.0, 3.0),
            ("council", TAPES.key, 4.0, 5.0, 9.0),
            ("council", "cifs\0//nas/b\0/", 10.0, None, None),
            ("court", LOCAL.key, 1.0, 2.0, 3.0),
        ]
        connection.executemany("INSERT INTO contacts VALUES (?, ?, ?, ?, ?)", contacts)


def test_a_state_file_of_the_first_version_goes_on_with_all_that_it_knew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version_1(tmp_path / "state.db", monkeypatch)
    world = World(tmp_path)
    with closing(world):
        sources, jobs = world.store.sources, world.store.jobs
        assert world.count("migrations") == len(MIGRATIONS)
        assert sources.last_disk("council") == Disk(TAPES, "")
        assert sources.last_disk("court") == Disk(LOCAL, "")
        assert sources.last_disk("elsewhere") is None
        assert sources.scope("council") is None
        assert not sources.begin_contact("council", LOCAL.key, AT)
        assert sources.begin_contact("council", "cifs\0//nas/b\0/", AT), "this one had not ended"
        held, ready = jobs.get(2), jobs.get(1)
        assert held is not None
        assert ready is not None
        assert (held.state, held.held_for, held.cleared) == (State.HELD, "was there", "")
        assert (ready.state, ready.version, ready.cleared) == (State.READY, 6, "")
        assert sources.unsettled("council") == 1
        assert [(one.path, one.since) for one in sources.restless("council", AT, 9)] == [("grows.wav", 200.0)]
        assert sources.at("council", os.fsdecode(b"caf\xe9.wav")) is not None
        assert [(one.verb, one.job_id, one.folder) for one in world.store.requests.open()] == [(Verb.APPROVE, 2, None)]
        assert len(world.store.instance()) == 32


def test_the_first_version_is_refused_by_who_may_not_migrate_and_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    version_1(path, monkeypatch)
    before = path.read_bytes()
    with pytest.raises(database.StateError, match="has not the tables"):
        database.open_for_reading(path)
    assert path.read_bytes() == before


def test_a_migration_that_was_released_is_never_edited() -> None:
    released = "4d88ae383a26875a0f8fc0f131f3b08d12500590f12bf1356c4ee4493d3bb7b0"
    assert hashlib.sha256(MIGRATIONS[0].encode()).hexdigest() == released
