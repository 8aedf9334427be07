"""How many data points or log records a request has, by service; nothing else of it is looked at.

The protobuf library would parse the whole: 64 MiB of empty messages, which gzip makes of 64 KB,
took 4.4 GB and a minute that way.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from flujo_otel.collector.answers import Encoding
from flujo_otel.collector.parts import Schema, check_json, too_many
from flujo_otel.errors import MalformedRequest
from flujo_otel.wire.protobuf import DELIMITED, GROUP, fields
from flujo_otel.wire.transport import Signal

FIELDS: Final = 2_000_000
"""Read of one request in protobuf, within a second; 64 MiB of real log records are 600,000."""
_COUNTED: Final[Schema] = {}
_METRIC: Final[Schema] = {number: {1: _COUNTED} for number in (5, 7, 9, 10, 11)}
"""Gauge, sum, histogram, exponential histogram, summary, each with its data points."""
_BELOW: Final[dict[Signal, Schema]] = {
    Signal.METRICS: {2: {2: _METRIC}},
    Signal.LOGS: {2: {2: _COUNTED}},
}
"""From a resource's metrics or logs down to what is counted."""
_KINDS_JSON: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


def census(signal: Signal, body: bytes, encoding: Encoding) -> Counter[str]:
    """Data points or log records of an export request in `body`; services with none are left out.

    Raises MalformedRequest where it is no such request, Refusal where it has too much in it.
    """
    counts = Counter[str]()
    read = _in_protobuf if encoding is Encoding.PROTOBUF else _JSON[signal]
    for service, count in read(body, signal):
        if count:
            counts[service] += count
    return counts


def _in_protobuf(body: bytes, signal: Signal) -> Iterator[tuple[str, int]]:
    reader = _Reader(body)
    try:
        for number, start, stop in reader.messages(0, len(body)):
            if number == 1:
                yield reader.service(start, stop), reader.count(start, stop, _BELOW[signal])
    except ValueError as error:
        raise MalformedRequest(str(error)) from error


class _Reader:
    """Reads the fields that lead to what is looked for, FIELDS of them at most."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._left = FIELDS

    def messages(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Of each field with a length: number, and where its content begins and ends."""
        for number, wire_type, _, value_at, end in fields(self._body, start, stop):
            self._left -= 1 if wire_type != GROUP else end - value_at
            if self._left < 0:
                raise too_many(FIELDS)
            if wire_type == DELIMITED:
                yield number, value_at, end

    def count(self, start: int, stop: int, schema: Schema) -> int:
        """How many messages there are at the ends of `schema`."""
        total = 0
        for number, value_at, end in self.messages(start, stop):
            inner = schema.get(number)
            if inner is not None:
                total += self.count(value_at, end, inner) if inner else 1
        return total

    def service(self, start: int, stop: int) -> str:
        """The service.name of a resource's metrics or logs; "" where there is none."""
        for resource in self._within(start, stop, 1):
            for attribute in self._within(*resource, 1):
                if self._first(*attribute, 1) == b"service.name":
                    return self._first(*attribute, 2, 1).decode("utf-8", "replace")
        return ""

    def _first(self, start: int, stop: int, *path: int) -> bytes:
        """What is at the end of `path`; b"" where it leads nowhere."""
        for number in path:
            place = next(self._within(start, stop, number), None)
            if place is None:
                return b""
            start, stop = place
        return self._body[start:stop]

    def _within(self, start: int, stop: int, wanted: int) -> Iterator[tuple[int, int]]:
        for number, value_at, end in self.messages(start, stop):
            if number == wanted:
                yield value_at, end


def _metrics_in_json(body: bytes, _: Signal) -> Iterator[tuple[str, int]]:
    for of in _list(_loaded(body), "resourceMetrics"):
        yield (
            _service_in_json(of),
            sum(
                len(_list(_dict(metric.get(kind)), "dataPoints"))
                for scope in _list(of, "scopeMetrics")
                for metric in _list(scope, "metrics")
                for kind in _KINDS_JSON
            ),
        )


def _logs_in_json(body: bytes, _: Signal) -> Iterator[tuple[str, int]]:
    for of in _list(_loaded(body), "resourceLogs"):
        scopes = _list(of, "scopeLogs")
        yield _service_in_json(of), sum(len(_list(scope, "logRecords")) for scope in scopes)


def _loaded(body: bytes) -> dict[str, Any]:
    check_json(body)
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"The body is no JSON: {error}.") from error
    return _dict(loaded)


def _service_in_json(of: dict[str, Any]) -> str:
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


_JSON: Final = {Signal.METRICS: _metrics_in_json, Signal.LOGS: _logs_in_json}
