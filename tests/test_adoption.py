"""Transcripts that lie beside a file already, contents that are known, and what was not kept: nothing is paid twice."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import DUTCH, ENGLISH, Call, World, sha256

from scriptixd.captions.manner import Units
from scriptixd.delivery.adoption import SidecarsBeside
from scriptixd.delivery.room import ADOPTED, DeliveryRoom
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.job import DeliveryState, DocumentType, Job, State
from scriptixd.jobs.recognition import NOT_KEPT, kept_beside
from scriptixd.jobs.source import HELD_FOR_EXISTING
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.verbs import apply_open_requests
from scriptixd.roots.root import Stat

LONG = b"abcdefghijklmnopqrstuvwxyz" * 2  # three chunks of 20
OTHER = LONG[::-1]


def ours(**about: object) -> bytes:
    """What scriptixd says of itself in a JSON about LONG, but for what is told here."""
    source = {"size": len(LONG), "sha256": sha256(LONG)}
    request = {"language": "en", "document_type": "caption"}
    return json.dumps({"scriptixd": {"source": source, "request": request, "session_id": "s", **about}}).encode()


class Office(World):
    """A world in which sidecars are written, and only recordings are picked up."""

    def start(self) -> None:
        super().start()
        self.room = DeliveryRoom(
            self.store, self.folders, Units.AUTO, lambda: 0.5, lambda: None, Claims(1, lambda: ()), self.kept_elsewhere
        )

    def kept_elsewhere(self, job: Job) -> bytes | None:
        return kept_beside(self.store, SidecarsBeside(self.folders, self.store), job)

    def found(self, folder: str, directory: str = "") -> dict[str, Stat]:
        return {name: stat for name, stat in super().found(folder, directory).items() if name.endswith(".wav")}

    def deliver(self) -> None:
        while self.room.run_once(self.now) <= self.now.boot:
            pass

    def work(self) -> None:
        """Everything is transcribed and delivered that can be."""
        for _ in range(3):
            self.drive()
            self.deliver()

    def forget_everything(self) -> None:
        """The state file is lost."""
        self.close()
        for left in self.base.glob("state.db*"):
            left.unlink()
        self.start()

    def files(self, folder: str = "council") -> dict[str, bytes]:
        below = self.base / folder
        return {str(one.relative_to(below)): one.read_bytes() for one in sorted(below.rglob("*")) if one.is_file()}

    def yes(self, name: str, folder: str = "council") -> None:
        self.store.requests.ask(Verb.APPROVE, [self.job_of(name, folder).id], self.now.wall)
        apply_open_requests(self.store, lambda source: self.folders.request(source.folder, source.path), self.now)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path, folders=("council", "archive"))
    yield made
    made.close()


@pytest.fixture
def done(office: Office) -> Office:
    """`a.wav` is transcribed, and its sidecars lie beside it."""
    office.drop("a.wav", LONG)
    office.work()
    assert set(office.files()) == {"a.wav", "a.json", "a.srt"}
    assert office.service.completed == 1
    office.service.asked.clear()
    return office


def test_a_lost_state_file_costs_nothing_and_touches_nothing(done: Office) -> None:
    before = done.files()
    done.forget_everything()
    done.held_for = HELD_FOR_EXISTING
    done.scan()
    assert done.job_of("a.wav").state is State.FOUND, "it is looked first whether it is known"
    done.work()
    assert done.state_of("a.wav") is State.READY
    delivery = done.store.deliveries.get(1)
    assert delivery is not None
    assert (delivery.state, delivery.reason) == (DeliveryState.DELIVERED, ADOPTED)
    assert done.files() == before
    assert done.service.asked.total() == 0
    assert done.count("ledger") == 0


def test_half_a_character_in_a_paid_transcript_costs_nothing_either(done: Office) -> None:
    """The service may cut a pair of escapes in two: JSON takes that, UTF-8 does not."""
    text = done.path("a.json").read_bytes()
    done.path("a.json").write_bytes(text.replace(b"{", b'{"odd": "\\ud83d", ', 1))
    done.forget_everything()
    done.scan()
    done.work()
    assert done.state_of("a.wav") is State.READY
    done.drop("copy.wav", LONG)
    done.work()
    assert json.loads(done.files()["copy.json"])["odd"] == "\ud83d"
    assert done.service.asked.total() == 0


def test_what_was_adopted_is_known_content_from_then_on(done: Office) -> None:
    done.forget_everything()
    done.scan()
    done.work()
    done.drop("copy.wav", LONG)
    done.work()
    assert {"copy.json", "copy.srt"} <= set(done.files())
    assert done.service.asked.total() == 0


@pytest.mark.parametrize("lost", [False, True], ids=["known", "state file lost"])
def test_a_folder_that_moves_with_its_sidecars_brings_them_along(done: Office, lost: bool) -> None:
    before = done.files()
    shutil.copytree(done.base / "council", done.base / "archive", dirs_exist_ok=True)
    if lost:
        done.forget_everything()
    done.scan("archive")
    done.work()
    assert done.state_of("a.wav", "archive") is State.READY
    assert done.files("archive") == before
    assert done.service.asked.total() == 0


def test_what_costs_nothing_is_no_part_of_a_flood(done: Office) -> None:
    done.drop("copy.wav", LONG)
    done.work()
    assert done.store.sources.arrived("council", done.now.wall - 3600.0) == 1, "the first, which was paid"
    shutil.copytree(done.base / "council", done.base / "archive", dirs_exist_ok=True)
    done.forget_everything()
    for folder in ("council", "archive"):
        done.scan(folder)
        assert done.store.sources.arrived(folder, done.now.wall - 3600.0) == 2, "nobody knows yet"
    done.work()
    for folder in ("council", "archive"):
        assert done.store.sources.arrived(folder, done.now.wall - 3600.0) == 0


def test_an_edited_sidecar_is_adopted_as_it_is_and_never_written_over(done: Office) -> None:
    done.path("a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nby hand\n")
    before = done.files()
    done.forget_everything()
    done.scan()
    done.work()
    assert done.files() == before
    (srt,) = (one for one in done.store.deliveries.sidecars(1) if one.output == "srt")
    assert srt.sha256 != sha256(before["a.srt"]), "what was edited is not taken for ours"


def test_a_json_of_which_nothing_can_be_made_any_more_is_adopted_as_it_is(done: Office) -> None:
    said = json.loads(done.path("a.json").read_text())
    del said["result"]["results"]
    done.path("a.json").write_text(json.dumps(said))
    before = done.files()
    done.forget_everything()
    done.scan()
    done.work()
    assert done.files() == before
    assert done.service.asked.total() == 0
    delivery = done.store.deliveries.get(1)
    assert delivery is not None
    assert delivery.state is DeliveryState.DELIVERED


def test_a_sidecar_that_was_deleted_is_not_written_again(done: Office) -> None:
    done.path("a.srt").unlink()
    done.forget_everything()
    done.scan()
    done.work()
    assert set(done.files()) == {"a.wav", "a.json"}
    assert done.service.asked.total() == 0


def test_a_transcript_of_other_content_is_no_transcript_of_this(done: Office) -> None:
    """Equal sizes, and an equal beginning: only the hash tells them apart."""
    done.put("a.wav", LONG[:-1] + b"!")
    done.forget_everything()
    done.held_for = HELD_FOR_EXISTING
    done.scan()
    done.drive()
    held = done.job_of("a.wav")
    assert (held.state, held.held_for) == (State.HELD, HELD_FOR_EXISTING)
    done.yes("a.wav")
    done.work()
    assert done.service.completed == 2
    assert json.loads(done.files()["a.wav.json"])["scriptixd"]["source"]["sha256"] == sha256(LONG[:-1] + b"!")
    assert json.loads(done.files()["a.json"])["scriptixd"]["source"]["sha256"] == sha256(LONG)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"scriptixd": null}',
        b'{"scriptixd": {"source": {"size": 52, "sha256": "x"}, "request": {}, "session_id": "s"}}',
        b'{"scriptixd": {"source": {"size": "many"}}}',
        b"[" * 100_000,
        b"null",
        b"42",
        b'"a sentence"',
        ours(source={"size": float("inf"), "sha256": sha256(LONG)}),
        ours(session_id="\ud800"),
        ours(request={"language": "\ud800", "document_type": "caption"}),
        ours(request={"language": ["en"], "document_type": "caption"}),
        ours(request={"language": "en", "document_type": "caption", "diarization": []}),
    ],
    ids=[
        *("empty", "text", "list", "object", "null", "no hash", "no size", "deep", "nothing", "number", "sentence"),
        *("endless", "no session", "no UTF-8", "two languages", "no yes or no"),
    ],
)
def test_what_else_is_called_json_is_nobodys_transcript(office: Office, text: bytes) -> None:
    office.put("a.wav", LONG)
    office.path("a.json").write_bytes(text)
    office.scan()
    office.work()
    assert office.service.completed == 1
    assert office.path("a.json").read_bytes() == text
    assert {"a.wav.json", "a.srt"} <= set(office.files())


def test_a_transcript_that_was_asked_for_otherwise_is_held_with_both_named(done: Office) -> None:
    done.forget_everything()
    done.folders.requests["council"] = replace(DUTCH, document_type=DocumentType.DOCUMENT)
    done.scan()
    done.work()
    held = done.job_of("a.wav")
    assert held.state is State.HELD
    assert "document_type document, not caption" in held.held_for
    assert done.service.asked.total() == 0
    done.yes("a.wav")
    done.work()
    assert done.service.completed == 2


def test_known_content_under_another_language_is_a_new_job(done: Office) -> None:
    done.folders.requests["archive"] = ENGLISH
    done.drop("a.wav", LONG, "archive")
    done.work()
    assert done.service.completed == 2
    assert done.state_of("a.wav", "archive") is State.READY


def test_known_content_under_any_other_request_is_held_and_sent_after_a_yes(done: Office) -> None:
    done.folders.requests["archive"] = replace(DUTCH, punctuation=False)
    done.drop("a.wav", LONG, "archive")
    done.work()
    held = done.job_of("a.wav", "archive")
    assert held.state is State.HELD
    assert "punctuation False, not True" in held.held_for
    assert done.service.completed == 1
    done.yes("a.wav", "archive")
    done.work()
    assert done.service.completed == 2


def test_what_was_paid_under_two_requests_is_adopted_under_both(done: Office) -> None:
    done.folders.requests["archive"] = replace(DUTCH, punctuation=False)
    done.drop("a.wav", LONG, "archive")
    done.work()
    done.yes("a.wav", "archive")
    done.work()
    assert done.service.completed == 2
    done.service.asked.clear()
    for last in ("council", "archive"):
        done.forget_everything()
        for folder in sorted(("council", "archive"), key=lambda one: one == last):
            done.scan(folder)
            done.work()
        assert [done.state_of("a.wav", folder) for folder in ("council", "archive")] == [State.READY, State.READY]
    assert done.service.asked.total() == 0


def forget_results(office: Office) -> None:
    """What was stored has expired."""
    with office.store.database.transaction() as connection:
        connection.execute("DELETE FROM results")


def test_a_copy_of_what_is_stored_no_more_gets_the_transcript_from_the_sidecar(done: Office) -> None:
    forget_results(done)
    done.drop("copy.wav", LONG)
    done.work()
    assert {"copy.json", "copy.srt"} <= set(done.files())
    assert done.path("copy.srt").read_bytes() == done.path("a.srt").read_bytes()
    assert done.service.asked.total() == 0


def test_the_log_names_the_copy_whose_content_is_known(done: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    done.put("b.wav", LONG)
    done.scan()
    done.work()
    (line,) = [
        record.getMessage() for record in caplog.records if "its content is known already" in record.getMessage()
    ]
    assert line.startswith("council/b.wav: its content is known already: shares job 1, nothing is sent")


def test_without_a_sidecar_the_service_is_asked_once(done: Office) -> None:
    forget_results(done)
    done.path("a.json").unlink()
    done.drop("copy.wav", LONG)
    done.work()
    assert {"copy.json", "copy.srt"} <= set(done.files())
    assert dict(done.service.asked) == {Call.LOOK: 1}


def test_known_content_of_which_nothing_is_left_is_held_and_never_silently_paid(done: Office) -> None:
    forget_results(done)
    done.path("a.json").unlink()
    done.service.sessions.clear()
    done.drop("copy.wav", LONG)
    done.work()
    held = done.job_of("copy.wav")
    assert (held.state, held.held_for) == (State.HELD, NOT_KEPT)
    assert done.service.completed == 1
    done.yes("copy.wav")
    done.work()
    assert done.state_of("copy.wav") is State.READY
    assert done.service.completed == 2
    done.drop("another.wav", LONG)
    done.work()
    assert done.service.completed == 2, "the one that was paid again is known"


def test_two_that_begin_alike_and_are_as_long_never_share_a_transcript(office: Office) -> None:
    head = bytes(1024 * 1024)
    office.chunk_size = 1 << 20
    office.restart()
    office.drop("a.wav", head + b"one")
    office.work()
    office.drop("b.wav", head + b"two")
    office.work()
    assert office.service.completed == 2
    told = [json.loads(office.files()[name])["scriptixd"]["source"]["sha256"] for name in ("a.json", "b.json")]
    assert told == [sha256(head + b"one"), sha256(head + b"two")]
