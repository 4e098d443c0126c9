"""What a process counts about its requests, in the Prometheus text format.

Counting is two dictionary updates per request; the library is imported and the text made only when
somebody asks. Used from one event loop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

#: Upper bounds in seconds of the classes into which durations are sorted.
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Meter:
    """Requests by endpoint and status, and how long they took."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, streams: Mapping[str, int] | None = None) -> None:
        """`streams`: those of events that are open now, by endpoint; each counts as a request at its end."""
        self._streams = {} if streams is None else streams
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._classes: dict[str, list[int]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def count(self, endpoint: str, status: int, seconds: float) -> None:
        """One request is over. Status 0: nothing was answered."""
        self.requests[endpoint, status] += 1
        self._seconds[endpoint] += seconds
        classes = self._classes.get(endpoint)
        if classes is None:
            classes = self._classes[endpoint] = [0] * (len(BOUNDS_S) + 1)
        classes[bisect_left(BOUNDS_S, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """The counts as the Prometheus client wants them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "cairn_requests", "Requests by endpoint and HTTP status.", labels=["endpoint", "status"]
        )
        for (endpoint, status), count in self.requests.items():
            requests.add_metric([endpoint, str(status)], count)
        yield requests
        durations = HistogramMetricFamily(
            "cairn_request_seconds",
            "Time from a request's head to the end of its answer.",
            labels=["endpoint"],
        )
        for endpoint, classes in self._classes.items():
            total, buckets = 0, []
            for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), classes, strict=True):
                total += count
                buckets.append((bound, total))
            durations.add_metric([endpoint], buckets, self._seconds[endpoint])
        yield durations
        streams = GaugeMetricFamily(
            "cairn_streams", "Streams of events open, and requests waiting, now.", labels=["endpoint"]
        )
        for endpoint, count in self._streams.items():
            streams.add_metric([endpoint], count)
        yield streams

    def text(self) -> bytes:
        """The counts, and what the platform tells of the process, as a page."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        return generate_latest(registry)
