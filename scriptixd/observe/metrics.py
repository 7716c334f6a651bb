"""What a monitoring reads: everything in METRICS, in the format of Prometheus, as it is at the moment of asking.

Only formats what it is given; needs the extra `metrics`. No registry but its own.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from scriptixd.jobs.bounds import Limit
from scriptixd.jobs.breakers import Pause
from scriptixd.jobs.store.erasures import Backlog
from scriptixd.jobs.store.errands import Unrun
from scriptixd.jobs.store.views import STATES
from scriptixd.observe.live import Live, LiveFolder
from scriptixd.observe.meters import BOUNDS, Distribution
from scriptixd.roots.paths import shown

PREFIX: Final = "scriptixd_"


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric; `name` is without the prefix, and of a counter without `_total`."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


BUILD: Final = Measure("build_info", "Always 1, with what is running.", ("version", "python"))
STARTED: Final = Measure("start_time_seconds", "When the daemon was started, in Unix seconds.")
HEALTHY: Final = Measure("healthy", "1 while every loop that has to move does, as /healthz says.")
FILES: Final = Measure("files", "Files by folder and state, as status counts them.", ("folder", "state"))
OFFLINE: Final = Measure("folder_offline", "1 while a folder's disk cannot be reached, or hangs.", ("folder",))
ASKS: Final = Measure("folder_asks", "1 while a folder as a whole waits for a person's yes.", ("folder",))
SCANNED: Final = Measure(
    "folder_last_scan_age_seconds", "Time since the last full look at a folder; absent before the first.", ("folder",)
)
PAUSED: Final = Measure(
    "paused", "1 while something holds up more than one file; folder is empty for all of them.", ("what", "folder")
)
UPLOADS: Final = Measure("uploads", "Uploads under way, moving or standing still.", ("state",))
SENT: Final = Measure("uploaded_bytes", "Bytes of files sent to Scriptix since the start; sent again counts again.")
REQUESTS: Final = Measure(
    "requests", "Requests to Scriptix since the start; outcome is the status, or none.", ("method", "outcome")
)
USED: Final = Measure("budget_used", "Requests made in the window that the budget counts.", ("window",))
ALLOWED: Final = Measure("budget_limit", "Requests that the window allows.", ("window",))
UPLOAD_TOOK: Final = Measure(
    "upload_duration_seconds", "From the opening of an upload to its end, with every pause between."
)
TRANSCRIPTION_TOOK: Final = Measure("transcription_duration_seconds", "From the end of an upload to its transcript.")
ERASURES: Final = Measure(
    "erasures", "Still to be erased at Scriptix: planned for later, or waiting for trouble to end.", ("state",)
)
ERRANDS: Final = Measure(
    "commands", "Commands that are still to follow a delivery: waiting for their turn, or failing.", ("state",)
)
PAID_UPLOADS: Final = Measure("paid_uploads_today", "Uploads paid on this local calendar day.")
PAID_SECONDS: Final = Measure("paid_media_seconds_today", "Their media, as far as its length is known.")

METRICS: Final = (
    BUILD, STARTED, HEALTHY, FILES, OFFLINE, ASKS, SCANNED, PAUSED, UPLOADS, SENT, REQUESTS, USED, ALLOWED, UPLOAD_TOOK,
    TRANSCRIPTION_TOOK, ERASURES, ERRANDS, PAID_UPLOADS, PAID_SECONDS,
)  # fmt: skip

# Those that are told with 0 as well, so that an alarm has something to look at.
_WHOLE_PAUSES: Final = (Pause.ACCOUNT, Pause.QUOTA, Pause.AWAY, *Limit)


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that is measured, at one moment."""

    version: str
    folders: Sequence[str]  # that are configured
    live: Live | None
    still: Sequence[str]  # what should move and does not
    counts: Mapping[tuple[str, str], int]  # files, by folder and state
    asking: Sequence[str]  # the folders that wait for a yes
    erasures: Backlog
    errands: Unrun
    paid: tuple[int, float]
    sent: int  # bytes
    requests: Mapping[tuple[str, str], int]  # by method and outcome
    uploads: Distribution
    transcriptions: Distribution


def exposition(reading: Reading, accept: str, now: float) -> tuple[str, bytes]:
    """Content type and text, in the newest format that `accept`, the header of the request, asks for."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(reading, now))
    ProcessCollector(registry=registry)
    try:
        encode, kind = choose_encoder(accept)
    except (TypeError, ValueError):  # it names a version that is none
        encode, kind = choose_encoder("")
    return kind, encode(registry)


class _Scrape(Collector):
    """One reading, as the library takes it."""

    def __init__(self, reading: Reading, now: float) -> None:
        self._reading = reading
        self._now = now

    def collect(self) -> Iterator[Metric]:
        reading, live = self._reading, self._reading.live
        yield _gauge(BUILD, [((reading.version, platform.python_version()), 1)])
        yield _gauge(HEALTHY, [((), not reading.still)])
        yield _gauge(FILES, self._files().items())
        yield _gauge(ASKS, [((name,), name in reading.asking) for name in reading.folders])
        yield _counter(SENT, [((), reading.sent)])
        yield _counter(REQUESTS, reading.requests.items())
        yield _histogram(UPLOAD_TOOK, reading.uploads)
        yield _histogram(TRANSCRIPTION_TOOK, reading.transcriptions)
        planned = reading.erasures.planned - reading.erasures.waiting
        yield _gauge(ERASURES, [(("planned",), planned), (("waiting",), reading.erasures.waiting)])
        turn = reading.errands.planned - reading.errands.failing
        yield _gauge(ERRANDS, [(("waiting",), turn), (("failing",), reading.errands.failing)])
        yield _gauge(PAID_UPLOADS, [((), reading.paid[0])])
        yield _gauge(PAID_SECONDS, [((), reading.paid[1])])
        if live is not None:
            yield from self._of_live(live)

    def _files(self) -> Mapping[tuple[str, str], int]:
        """Each state of each folder that is configured, and what else there is of folders that were."""
        zeros = {(folder, state): 0 for folder in self._reading.folders for state in STATES}
        return {**zeros, **self._reading.counts}

    def _of_live(self, live: Live) -> Iterator[Metric]:
        yield _gauge(STARTED, [((), live.started_at)])
        yield _gauge(OFFLINE, [((one.name,), bool(one.offline) and not one.asks) for one in live.folders])
        yield _gauge(SCANNED, [((one.name,), age) for one in live.folders if (age := self._age(one)) is not None])
        holding = {(pause.what, pause.folder): 1 for pause in live.pauses}
        yield _gauge(PAUSED, ({(what.value, ""): 0 for what in _WHOLE_PAUSES} | holding).items())
        still = sum(one.still_since is not None for one in live.uploads)
        yield _gauge(UPLOADS, [(("moving",), len(live.uploads) - still), (("still",), still)])
        if (requests := live.requests) is not None:
            windows = [("minute", requests.last_minute, requests.per_minute)]
            if requests.last_hour is not None and requests.per_hour is not None:
                windows.append(("hour", requests.last_hour, requests.per_hour))
            yield _gauge(USED, [((window,), used) for window, used, _ in windows])
            yield _gauge(ALLOWED, [((window,), allowed) for window, _, allowed in windows])

    def _age(self, folder: LiveFolder) -> float | None:
        return None if folder.last_scan is None else max(0.0, self._now - folder.last_scan)


_Values = Iterable[tuple[Sequence[str], float]]  # of each set of labels


def _gauge(measure: Measure, values: _Values) -> Metric:
    family = GaugeMetricFamily(PREFIX + measure.name, measure.help, labels=measure.labels)
    for labels, value in values:
        family.add_metric([shown(label) for label in labels], float(value))
    return family


def _counter(measure: Measure, values: _Values) -> Metric:
    family = CounterMetricFamily(PREFIX + measure.name, measure.help, labels=measure.labels)
    for labels, value in values:
        family.add_metric([shown(label) for label in labels], float(value))
    return family


def _histogram(measure: Measure, distribution: Distribution) -> Metric:
    family = HistogramMetricFamily(PREFIX + measure.name, measure.help)
    names = [*(str(bound) for bound in BOUNDS), "+Inf"]
    buckets = [(name, float(count)) for name, count in zip(names, distribution.up_to, strict=True)]
    family.add_metric([], buckets, distribution.sum)
    return family
