"""Metrics and logs: there is no table for them, but generic SDK set-ups send them all the same.

They are answered as taken, so that no program logs an error every minute for a signal that nobody
asked to see, and counted per service in the ledger: `metrics_not_stored` (data points) and
`logs_not_stored` (log records) say what came and was not kept.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from threading import Lock
from typing import Any, Final

from flujo_otel.collector.answers import Encoding
from flujo_otel.collector.parts import LOG_LEVELS, METRIC_LEVELS, Levels, check_json, parts
from flujo_otel.errors import MalformedRequest
from flujo_otel.forward.destination import Signal
from flujo_otel.model import Loss

_POINTS: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


_REASONS: Final = {Signal.METRICS: "metrics_not_stored", Signal.LOGS: "logs_not_stored"}
"""As the ledger names them."""

PassOn = Callable[[Signal, bytes, Callable[[], None], str], None]
"""Takes a body and its content type to whoever may keep it; calls back where nobody does."""


class Unstored:
    """Counts what is not stored, and not passed on either. `count_losses` adds to the ledger."""

    def __init__(self, count_losses: Callable[[Iterable[Loss]], None]) -> None:
        self._count_losses = count_losses
        self._counting = Lock()
        self.pass_on: PassOn | None = None
        self.totals: Counter[Signal] = Counter()

    def take(self, signal: Signal, body: bytes, encoding: Encoding) -> None:
        """Raises MalformedRequest where the body is no such request, Refusal where it has too much
        in it."""
        counts = Counter[str]()
        for service, count in _COUNTERS[signal, encoding](body):
            if count:
                counts[service] += count
        if not counts:
            return
        not_taken = partial(self._count, signal, counts)
        if self.pass_on is None:
            not_taken()
        else:
            self.pass_on(signal, body, not_taken, encoding.content_type.decode())

    def _count(self, signal: Signal, counts: Mapping[str, int]) -> None:
        now_ns = time.time_ns()
        with self._counting:  # many threads pass on
            self.totals[signal] += sum(counts.values())
        self._count_losses(
            Loss(service, _REASONS[signal], "", count, now_ns, now_ns)
            for service, count in counts.items()
        )


def _metrics_protobuf(body: bytes) -> list[tuple[str, int]]:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    return [
        (
            _service(of.resource),
            sum(_points(metric) for s in of.scope_metrics for metric in s.metrics),
        )
        for request in _parsed(ExportMetricsServiceRequest, body, METRIC_LEVELS)
        for of in request.resource_metrics
    ]


def _logs_protobuf(body: bytes) -> list[tuple[str, int]]:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    return [
        (_service(of.resource), sum(len(scope.log_records) for scope in of.scope_logs))
        for request in _parsed(ExportLogsServiceRequest, body, LOG_LEVELS)
        for of in request.resource_logs
    ]


def _parsed(kind: Any, body: bytes, levels: Levels) -> Iterator[Any]:
    """In parts: 64 MiB of empty messages, which gzip makes of 64 KB, took 4.4 GB as a whole."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        for part in parts(body, levels):
            yield kind.FromString(part)
    except DecodeError as error:
        name = kind.DESCRIPTOR.name
        raise MalformedRequest(f"The body is no {name} in protobuf: {error}.") from error


def _points(metric: Any) -> int:
    kind = metric.WhichOneof("data")
    return 0 if kind is None else len(getattr(metric, kind).data_points)


def _service(resource: Any) -> str:
    for attribute in resource.attributes:
        if attribute.key == "service.name":
            return str(attribute.value.string_value)
    return ""


def _metrics_json(body: bytes) -> list[tuple[str, int]]:
    return [
        (
            _service_json(of),
            sum(
                len(_list(_dict(metric.get(kind)), "dataPoints"))
                for scope in _list(of, "scopeMetrics")
                for metric in _list(scope, "metrics")
                for kind in _POINTS
            ),
        )
        for of in _list(_loaded(body), "resourceMetrics")
    ]


def _logs_json(body: bytes) -> list[tuple[str, int]]:
    return [
        (_service_json(of), sum(len(_list(s, "logRecords")) for s in _list(of, "scopeLogs")))
        for of in _list(_loaded(body), "resourceLogs")
    ]


def _loaded(body: bytes) -> dict[str, Any]:
    check_json(body)
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"The body is no JSON: {error}.") from error
    return _dict(loaded)


def _service_json(of: dict[str, Any]) -> str:
    for attribute in _list(_dict(of.get("resource")), "attributes"):
        if attribute.get("key") == "service.name":
            return str(_dict(attribute.get("value")).get("stringValue", ""))
    return ""


def _dict(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedRequest("The body is no OTLP request: an object was expected.")
    return value


def _list(of: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = of.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedRequest(f"The body is no OTLP request: {key} must be an array.")
    return [_dict(item) for item in value]


_COUNTERS: Final[dict[tuple[Signal, Encoding], Callable[[bytes], list[tuple[str, int]]]]] = {
    (Signal.METRICS, Encoding.PROTOBUF): _metrics_protobuf,
    (Signal.LOGS, Encoding.PROTOBUF): _logs_protobuf,
    (Signal.METRICS, Encoding.JSON): _metrics_json,
    (Signal.LOGS, Encoding.JSON): _logs_json,
}
