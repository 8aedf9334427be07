"""Data points and log records are counted without being parsed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from flujo_otel.collector import census as module
from flujo_otel.collector.answers import Encoding, Refusal
from flujo_otel.collector.census import census
from flujo_otel.errors import MalformedRequest
from flujo_otel.wire.protobuf import delimited, tag
from flujo_otel.wire.transport import Signal

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
services = st.sampled_from(["", "shop", "büro"])
signals = st.sampled_from([Signal.METRICS, Signal.LOGS])


def name(resource, service: str) -> None:  # type: ignore[no-untyped-def]
    resource.attributes.add(key="other").value.string_value = "service.name"
    if service:
        resource.attributes.add(key="service.name").value.string_value = service


@given(of=st.lists(st.tuples(services, st.sampled_from(KINDS), st.integers(0, 4)), max_size=6))
def test_every_data_point_is_its_services(of: list[tuple[str, str, int]]) -> None:
    request, expected = ExportMetricsServiceRequest(), dict[str, int]()
    for service, kind, points in of:
        each = request.resource_metrics.add()
        name(each.resource, service)
        scope_metrics = each.scope_metrics.add()
        scope_metrics.scope.name = "scope"
        metric = scope_metrics.metrics.add(name="metric", description="of something", unit="1")
        for _ in range(points):
            getattr(metric, kind).data_points.add(time_unix_nano=1).attributes.add(key="k")
        if points:
            expected[service] = expected.get(service, 0) + points
    assert expected == census(Signal.METRICS, request.SerializeToString(), Encoding.PROTOBUF)


@given(of=st.lists(st.tuples(services, st.integers(0, 4)), max_size=6))
def test_every_log_record_is_its_services(of: list[tuple[str, int]]) -> None:
    request, expected = ExportLogsServiceRequest(), dict[str, int]()
    for service, records in of:
        each = request.resource_logs.add(schema_url="url")
        name(each.resource, service)
        for _ in range(records):
            record = each.scope_logs.add().log_records.add(severity_text="WARN")
            record.body.string_value = "text"
            expected[service] = expected.get(service, 0) + 1
    assert expected == census(Signal.LOGS, request.SerializeToString(), Encoding.PROTOBUF)


@given(signal=signals, body=st.binary(max_size=200), encoding=st.sampled_from(list(Encoding)))
def test_noise_is_counted_or_malformed(signal: Signal, body: bytes, encoding: Encoding) -> None:
    with suppress(MalformedRequest):
        assert all(count > 0 for count in census(signal, body, encoding).values())


def nested(content: bytes, *numbers: int) -> bytes:
    for number in numbers:
        content = delimited(tag(number, 2), content)
    return content


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\x00" * 60,
        b"\x7a\x00" * 60,
        b"\x78\x00" * 60,
        b"\x7b" + b"\x78\x00" * 60 + b"\x7c",
        nested(b"\x12\x00" * 60, 1),
        nested(b"\x12\x00" * 60, 2, 1),
        nested(b"\x0a\x00" * 60, 1, 1),
        nested(b"\x7a\x00" * 60, 1, 1, 1),
    ],
    ids=[
        "resources",
        "unknown",
        "numbers",
        "a group",
        "scopes",
        "metrics",
        "attributes",
        "in an attribute",
    ],
)
@pytest.mark.parametrize("signal", [Signal.METRICS, Signal.LOGS])
def test_whatever_has_to_be_read_is_limited(
    signal: Signal, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    census(signal, body, Encoding.PROTOBUF)
    monkeypatch.setattr(module, "FIELDS", 50)
    with pytest.raises(Refusal) as caught:
        census(signal, body, Encoding.PROTOBUF)
    assert 413 == caught.value.http


def test_what_data_points_hold_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIELDS", 50)
    body = nested(b"\x3a\x00" * 1000, 1, 5, 2, 2, 1)
    assert {"": 1} == census(Signal.METRICS, body, Encoding.PROTOBUF)


@pytest.mark.parametrize("signal", [Signal.METRICS, Signal.LOGS])
def test_json_of_too_many_values_is_refused(signal: Signal) -> None:
    with pytest.raises(Refusal):
        census(signal, b'{"other":[' + b"{}," * (2 << 20) + b"{}]}", Encoding.JSON)
