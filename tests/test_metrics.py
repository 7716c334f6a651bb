"""What a monitoring reads: real expositions through Prometheus' own parser, and the README's table held to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import prometheus_client
import pytest
from desk import Desk
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Closing, ResultReady, SessionKnown, UploadFinished, UploadOpened
from scriptixd.jobs.job import Job
from scriptixd.jobs.store.erasures import Backlog
from scriptixd.jobs.store.errands import Unrun
from scriptixd.observe.kept import FRESH, SHARE, Kept
from scriptixd.observe.live import Live, LiveFolder, LivePause, LiveRequests, LiveUpload
from scriptixd.observe.meters import BOUNDS, Durations, Meters
from scriptixd.observe.metrics import METRICS, PREFIX, Reading, exposition

README = (Path(__file__).parents[1] / "README.md").read_text()
NOW = 1_700_000_000.0
LIVE = Live(
    7, "1.0", NOW - 100, NOW,
    (
        LiveFolder("council", "events", "ext4", "", NOW - 30, ()),
        LiveFolder("court", "", "", "it is not mounted", None, (), offline_since=NOW - 60),
        LiveFolder("asks", "", "", "another disk", NOW - 90, (), asks="another disk"),
    ),
    (LiveUpload(1, 5, 10, 2.0), LiveUpload(2, 5, 10, 0.0, NOW - 20)),
    (LivePause("account", "", "refused", ""), LivePause("upload_hours", "court", "at night", "", NOW + 60)),
    LiveRequests(41, 20, 60, 300, 500, None),
)  # fmt: skip


def reading() -> Reading:
    uploads = Durations()
    for seconds in (0.5, 1.0, 7.0, 1e6):
        uploads.note(seconds)
    return Reading(
        version="1.0",
        folders=["council", "court", "asks"],
        live=LIVE,
        still=(),
        counts={("council", "done"): 12, ("court", "held"): 3, ("removed", "gone"): 1},
        asking=["asks"],
        erasures=Backlog(12, 3, "why", ""),
        errands=Unrun(5, 2, "council/a.mp4", "it ended with 3"),
        paid=(4, 321.5),
        sent=12345,
        requests={("PATCH", "204"): 9, ("GET", "none"): 2},
        uploads=uploads.read(),
        transcriptions=Durations().read(),
    )


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(of: Reading, accept: str = "") -> Samples:
    kind, text = exposition(of, accept, NOW)
    assert kind.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture
def value() -> Callable[..., float | None]:
    found = samples(reading())
    return lambda name, **labels: found.get((PREFIX + name, tuple(sorted(labels.items()))))


def test_files_are_counted_by_folder_and_state_also_those_that_there_are_none_of(
    value: Callable[..., float | None],
) -> None:
    assert value("files", folder="council", state="done") == 12
    assert value("files", folder="council", state="failed") == 0
    assert value("files", folder="removed", state="gone") == 1


def test_folders_tell_how_they_are(value: Callable[..., float | None]) -> None:
    assert [value("folder_offline", folder=name) for name in ("council", "court", "asks")] == [0, 1, 0]
    assert [value("folder_asks", folder=name) for name in ("council", "court", "asks")] == [0, 0, 1]
    assert value("folder_last_scan_age_seconds", folder="council") == 30
    assert value("folder_last_scan_age_seconds", folder="court") is None


def test_what_holds_up_is_1_and_the_rest_is_0(value: Callable[..., float | None]) -> None:
    assert value("paused", what="account", folder="") == 1
    assert value("paused", what="quota", folder="") == 0
    assert value("paused", what="upload_hours", folder="court") == 1
    assert value("paused", what="upload_hours", folder="") == 0


def test_traffic_budget_and_what_was_paid_are_told(value: Callable[..., float | None]) -> None:
    assert value("uploaded_bytes_total") == 12345
    assert value("requests_total", method="PATCH", outcome="204") == 9
    assert value("requests_total", method="GET", outcome="none") == 2
    assert (value("budget_used", window="minute"), value("budget_limit", window="minute")) == (41, 60)
    assert (value("budget_used", window="hour"), value("budget_limit", window="hour")) == (300, 500)
    assert (value("erasures", state="planned"), value("erasures", state="waiting")) == (9, 3)
    assert (value("commands", state="waiting"), value("commands", state="failing")) == (3, 2)
    assert (value("paid_uploads_today"), value("paid_media_seconds_today")) == (4, 321.5)
    assert (value("uploads", state="moving"), value("uploads", state="still")) == (1, 1)
    assert value("healthy") == 1


def test_durations_are_histograms_that_add_up(value: Callable[..., float | None]) -> None:
    buckets = [value("upload_duration_seconds_bucket", le=str(bound)) for bound in BOUNDS]
    assert buckets[:4] == [2, 2, 3, 3]
    assert value("upload_duration_seconds_bucket", le="+Inf") == value("upload_duration_seconds_count") == 4
    assert value("upload_duration_seconds_sum") == 0.5 + 1.0 + 7.0 + 1e6
    assert value("transcription_duration_seconds_count") == 0


def test_a_daemon_that_has_not_told_anything_lately_has_no_live_figures() -> None:
    names = {name for name, _ in samples(replace(reading(), live=None, still=["ask"]))}
    assert PREFIX + "files" in names
    assert PREFIX + "folder_offline" not in names


def test_the_newer_format_is_spoken_to_who_asks_for_it() -> None:
    kind, text = exposition(reading(), "application/openmetrics-text; version=1.0.0, text/plain;q=0.5", NOW)
    assert kind.startswith("application/openmetrics-text")
    families = {family.name for family in openmetrics.text_string_to_metric_families(text.decode())}
    assert {PREFIX + measure.name for measure in METRICS} <= families


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html", "application/openmetrics-text; version=abc", ";,;", "text/plain;version=x"]
)
def test_whatever_is_asked_for_the_common_format_is_understood(accept: str) -> None:
    _, text = exposition(reading(), accept, NOW)
    assert b"scriptixd_healthy 1.0" in text


def test_names_of_folders_never_break_a_line() -> None:
    evil = 'a"\\b\n# HELP x\x1b\u202e\udcff'
    found = samples(replace(reading(), folders=[evil], counts={(evil, "done"): 2}, asking=[evil]))
    folders = {dict(labels)["folder"] for name, labels in found if name == PREFIX + "files"}
    assert folders == {'a"\\b\\n# HELP x\\x1b\\u202e\\xff'}


def test_the_library_keeps_nothing_of_ours() -> None:
    exposition(reading(), "", NOW)
    assert not [family.name for family in prometheus_client.REGISTRY.collect() if family.name.startswith(PREFIX)]


def test_the_readme_lists_every_metric_with_its_labels_and_no_other() -> None:
    section = README.split("## Metrics and a page")[1].split("\n## ")[0]
    told = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(scriptixd_\w+)` \| ([^|]*)\|", section, re.MULTILINE)
    }
    kinds = {
        family.name: family.type
        for family in text_string_to_metric_families(exposition(reading(), "", NOW)[1].decode())
    }
    ours = {
        PREFIX + one.name + ("_total" if kinds[PREFIX + one.name] == "counter" else ""): set(one.labels)
        for one in METRICS
    }
    assert told == ours
    assert {name for name in kinds if name.startswith(PREFIX)} == {PREFIX + one.name for one in METRICS}
    for name in re.findall(r"scriptixd_\w+(?==|\{| [=>])", section):
        assert name in ours


def test_an_upload_and_a_transcription_are_timed_by_what_the_state_file_knows(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    job = desk.add("a.mp4")
    with desk.store() as store:
        meters = Meters(store.openings.opened_at)

        def after(job: Job, event: object, at: float) -> Job:
            done = store.jobs.apply(job, event, at)  # type: ignore[arg-type]
            assert done is not None
            meters.note(done, event)  # type: ignore[arg-type]
            return done

        job = after(job, UploadOpened("f", "http://127.0.0.1:1", "01234567", "{}", 60.0), NOW)
        job = after(job, Closing("ab" * 32), NOW + 10)
        meters = Meters(store.openings.opened_at)  # the daemon was started anew
        job = after(job, UploadFinished(), NOW + 40)
        job = after(job, SessionKnown("s", NOW + 50), NOW + 50)
        after(job, ResultReady(b"{}", 60.0), NOW + 100)
    uploads, transcriptions = meters.uploads.read(), meters.transcriptions.read()
    assert (uploads.up_to[-1], uploads.sum) == (1, 40.0)
    assert (transcriptions.up_to[-1], transcriptions.sum) == (1, 60.0)


def test_a_clock_that_was_set_takes_nothing_away() -> None:
    durations = Durations()
    durations.note(-5.0)
    assert (durations.read().up_to[0], durations.read().sum) == (1, 0.0)


@pytest.mark.parametrize("cost", [0.0, 0.01, 4.0])
def test_however_often_it_is_asked_little_time_goes_into_looking(cost: float) -> None:
    clock, looks = 0.0, 0

    def look() -> int:
        nonlocal clock, looks
        clock, looks = clock + cost, looks + 1
        return looks

    kept = Kept(look, lambda: Now(NOW + clock, clock))
    while clock < 3600.0:
        kept.get()
        clock += 0.5
    assert looks * cost <= 3600.0 * SHARE * 1.05
    assert looks <= 3600.0 / FRESH + 1
    assert looks >= 3600.0 / (max(FRESH, cost / SHARE) + cost + 1.0)


def test_what_looking_raises_is_not_kept() -> None:
    answers = iter([ValueError("busy"), 5])

    def look() -> int:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    kept = Kept(look)
    with pytest.raises(ValueError, match="busy"):
        kept.get()
    assert kept.get().value == kept.get().value == 5
