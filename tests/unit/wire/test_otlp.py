"""What decoding an OTLP request makes of the odd spans that there are."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from flujo_otel.errors import MalformedRequest
from flujo_otel.model.record import Role, SpanRecord
from flujo_otel.wire import broken_text
from flujo_otel.wire import otlp as module
from flujo_otel.wire.otlp import Decoded, decode_protobuf
from flujo_otel.wire.protobuf import delimited
from support.otlp import request, span


def decoded(*given: object) -> Decoded:
    return decode_protobuf(request(*given).SerializeToString())  # type: ignore[arg-type]


def record(**given: object) -> SpanRecord:
    [found] = decoded(span(1, **given)).batch.records
    return found


def attribute(key: str, **value: object) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(**value))  # type: ignore[arg-type]


def test_an_empty_request_is_sound() -> None:
    assert Decoded(((), (), ())) == decode_protobuf(b"")._replace(batch=((), (), ()))  # type: ignore[arg-type]
    assert [] == list(decode_protobuf(b"").batch.records)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"trace_id": b""}, "a trace id of 0 bytes (OTLP's have 16)"),
        ({"trace_id": b"\x01" * 15}, "a trace id of 15 bytes (OTLP's have 16)"),
        ({"trace_id": bytes(16)}, "a trace id of zeros alone"),
        ({"span_id": b"\x01" * 16}, "a span id of 16 bytes (OTLP's have 8)"),
        ({"span_id": bytes(8)}, "a span id of zeros alone"),
        ({"parent_span_id": b"\x01"}, "a parent span id of 1 bytes (OTLP's have 8)"),
    ],
)
def test_a_span_without_proper_ids_costs_no_other(given: dict[str, bytes], reason: str) -> None:
    found = decoded(span(1), span(2, **given), span(3))
    assert ["span-1", "span-3"] == [record.name for record in found.batch.records]
    assert f"Rejected 1 span: 1 for {reason}." == found.partial_success.error_message
    assert 1 == found.partial_success.rejected_spans
    assert [("app", "rejected", reason, 1)] == [
        (loss.service, loss.reason, loss.detail, loss.count) for loss in found.losses
    ]


@pytest.mark.parametrize("part", ["name", "attributes", "events"])
def test_a_span_that_is_too_long_in_json_costs_no_other(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CHARACTERS", 6000)
    text = "\x01" * 1001
    attributes = [attribute("key", string_value=text)]
    given: dict[str, Any] = {
        "name": {"name": text * 6},
        "attributes": {"attributes": attributes},
        "events": {"events": [Span.Event(attributes=attributes)]},
    }[part]
    result = decoded(span(1, **given), span(2, name="good"))
    assert ["good"] == [each.name for each in result.batch.records]
    assert (1, "Rejected 1 span: 1 for data of over 6000 characters in JSON.") == (
        result.partial_success.rejected_spans,
        result.partial_success.error_message,
    )
    assert 1 == len(
        decoded(span(3, attributes=[attribute("key", string_value="x" * 5900)])).batch.records
    )


def test_a_parent_of_zeros_is_none() -> None:
    found = record(parent_span_id=bytes(8))
    assert (None, Role.RUN_ROOT) == (found.otel_parent_id, found.role)


def test_a_span_without_an_end_took_no_time_and_is_over() -> None:
    """OTLP carries ended spans alone, and what stays `running` would never be forwarded."""
    found = record(end_time_unix_nano=0)
    assert (found.start_time_ns, "completed") == (found.end_time_ns, found.status)


def test_times_that_sqlite_cannot_hold_are_the_latest_that_it_can() -> None:
    found = record(start_time_unix_nano=(1 << 64) - 1, end_time_unix_nano=(1 << 64) - 1)
    latest = (1 << 63) - 2  # the last one says something else of a run in the database
    assert (latest, latest) == (found.start_time_ns, found.end_time_ns)


def losses(**given: object) -> dict[tuple[str, str], int]:
    return {(loss.reason, loss.detail): loss.count for loss in decoded(span(1, **given)).losses}


@pytest.mark.parametrize("garbage", [b"\x0a\x05\xff", b"\x0a\x00" * 101])
def test_a_broken_text_mends_nothing_else(garbage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short; and of more fields than anybody looks through."""
    monkeypatch.setattr(broken_text, "_MOST_FIELDS", 100)
    body = request(span(1)).SerializeToString().replace(b"span-1", b"span\xff1")
    assert ["span\\xff1"] == [found.name for found in decode_protobuf(body).batch.records]
    with pytest.raises(MalformedRequest):
        decode_protobuf(body + garbage)


def test_a_broken_text_among_as_many_fields_as_a_part_has_costs_no_span() -> None:
    body = request(span(1)).SerializeToString().replace(b"span-1", b"span\xff1")
    many = b"\x78\x00" * ((1 << 19) - len(body))  # of a field that there is not
    assert 1 == len(decode_protobuf(body + many).batch.records)


@pytest.mark.parametrize("inner", [b"", b"\x0a\x02\xff\xff", b"\x1b\x10\x01\x1c"])
def test_a_broken_text_beside_a_group_costs_no_span(inner: bytes) -> None:
    body = request(span(1)).SerializeToString().replace(b"span-1", b"span\xff1")
    assert 1 == len(decode_protobuf(b"\x7b" + inner + b"\x7c" + body).batch.records)


def test_what_is_no_utf_8_in_a_long_text_is_replaced() -> None:
    """Escapes of 60 MB kept everybody else waiting for 8 s."""
    body = request(span(1, name="span_" + "x" * 100_000)).SerializeToString()
    [found] = decode_protobuf(body.replace(b"span_", b"span\xff")).batch.records
    assert found.name == "span\ufffd" + "x" * 100_000


def test_clocks_that_are_off_are_noted_and_cost_no_span() -> None:
    future_ns = time.time_ns() + 2 * 86_400 * 10**9
    assert {} == losses()
    assert {("clock_skewed", "ended before it started"): 1} == losses(end_time_unix_nano=1)
    assert {("clock_skewed", "without an end"): 1} == losses(end_time_unix_nano=0)
    assert {("clock_skewed", "more than a day in the future"): 1} == losses(
        end_time_unix_nano=future_ns
    )


@pytest.mark.parametrize("part", ["attributes", "events", "links"])
def test_what_the_sender_dropped_is_noted(part: str) -> None:
    assert {("truncated", "by the program that sent it"): 1} == losses(
        **{f"dropped_{part}_count": 3}
    )


def test_status_role_and_usage_are_read_off_as_from_our_own_spans() -> None:
    found = record(
        parent_span_id=b"\x02" * 8,
        status=Status(code=Status.STATUS_CODE_ERROR, message="sour milk"),
        attributes=[
            attribute("flujo.run_id", string_value="run-7"),
            attribute("flujo.step.type", string_value="plain"),
            attribute("flujo.cost_usd", double_value=0.5),
            attribute("gen_ai.usage.input_tokens", int_value=3),
            attribute("gen_ai.usage.output_tokens", int_value=4),
        ],
    )
    assert ("failed", "sour milk", "run-7", Role.STEP, 0.5, 7) == (
        found.status,
        found.status_message,
        found.run_id,
        found.role,
        found.cost_usd,
        found.tokens,
    )


@pytest.mark.parametrize("kind", ["array_value", "kvlist_value", "bytes_value", "bool_value"])
@pytest.mark.parametrize("key", ["flujo.status", "flujo.run_id", "flujo.cost_usd", "flujo.tokens"])
def test_an_attribute_of_ours_with_a_value_of_another_type_costs_nothing(
    key: str, kind: str
) -> None:
    values = {
        "array_value": ArrayValue(),
        "kvlist_value": KeyValueList(),
        "bytes_value": b"x",
        "bool_value": False,
    }
    assert "completed" == record(attributes=[attribute(key, **{kind: values[kind]})]).status


def test_of_a_key_that_comes_twice_the_last_value_is_shown_and_both_are_kept() -> None:
    found = record(attributes=[attribute("a", int_value=1), attribute("a", string_value="two")])
    assert '{"a":"two"}' == found.attributes
    assert found.otlp is not None and 2 == found.otlp.count(b"\x0a\x01a")


def nested(depth: int, wrap: Callable[[AnyValue], AnyValue]) -> AnyValue:
    value = AnyValue(string_value="bottom")
    for _ in range(depth):
        value = wrap(value)
    return value


def in_array(value: AnyValue) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=[value]))


def in_map(value: AnyValue) -> AnyValue:
    return AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=value)]))


@pytest.mark.parametrize(("wrap", "deepest"), [(in_array, 47), (in_map, 31)])
def test_values_are_taken_as_deep_as_protobuf_goes_and_deeper_ones_are_malformed(
    wrap: Callable[[AnyValue], AnyValue], deepest: int
) -> None:
    def body(depth: int) -> bytes:
        pair = KeyValue(key="deep", value=nested(depth, wrap))
        return request(span(1, attributes=[pair])).SerializeToString()

    [found] = decode_protobuf(body(deepest)).batch.records
    assert "bottom" in str(json.loads(found.attributes))
    with pytest.raises(MalformedRequest, match="Not an ExportTraceServiceRequest"):
        decode_protobuf(body(deepest + 1))


def test_what_is_nested_ten_thousand_deep_is_malformed() -> None:
    value = b""
    for _ in range(10_000):
        value = delimited(b"\x2a", delimited(b"\x0a", value))
    for key in (b"\x12", b"\x4a", b"\x12", b"\x12", b"\x0a"):
        value = delimited(key, value)
    with pytest.raises(MalformedRequest, match="Not an ExportTraceServiceRequest"):
        decode_protobuf(value)


@pytest.mark.parametrize(
    "body", [b"\x0a", b"\xff", b"{}", b"\x0a\xff\xff\xff\xff\x7f", b"\x08\x01"]
)
def test_what_is_no_request_is_malformed_or_has_no_spans(body: bytes) -> None:
    try:
        found = decode_protobuf(body)
    except MalformedRequest as error:
        assert "protobuf" in str(error)
    else:
        assert not found.batch.records


def test_every_cut_of_a_request_is_malformed_or_has_fewer_spans() -> None:
    body = request(span(1), span(2)).SerializeToString()
    for end in range(1, len(body)):
        with pytest.raises(MalformedRequest):
            decode_protobuf(body[:end])


def test_a_service_is_named_by_its_resource() -> None:
    body = request(span(1, trace_id=b""), service="billing").SerializeToString()
    assert ["billing"] == [loss.service for loss in decode_protobuf(body).losses]
