"""OTLP's JSON, rule by rule (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding")."""

import json
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from flujo_otel.errors import MalformedRequest
from flujo_otel.model.record import SpanRecord
from flujo_otel.wire.otlp import Decoded
from flujo_otel.wire.otlp_json import decode_json
from flujo_otel.wire.protobuf import delimited
from support.otlp import as_json, request, span


def body(*spans: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [*spans]}]}]}).encode()


def plain(**changed: Any) -> dict[str, Any]:
    """A sound span in JSON, with fields changed; None is JSON's null."""
    message = as_json(request(span(1)))
    found: dict[str, Any] = message["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    return found | changed


def decode(**changed: Any) -> Decoded:
    return decode_json(body(plain(**changed)))


def record(**changed: Any) -> SpanRecord:
    [found] = decode(**changed).batch.records
    return found


def value(given: Any) -> Any:
    """What an attribute with this value reads as."""
    return json.loads(record(attributes=[{"key": "a", "value": given}]).attributes)["a"]


def test_ids_are_hex_of_either_case() -> None:
    found = record(traceId="0AF7651916CD43DD8448eb211c80319c", spanId="00F067AA0BA902B7")
    assert ("0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7") == (
        found.trace_id,
        found.otel_span_id,
    )


@pytest.mark.parametrize("spelled", ["1700000000000000000", 1700000000000000000, 1.7e18])
def test_64_bit_integers_are_text_or_numbers(spelled: Any) -> None:
    assert 1_700_000_000_000_000_000 == record(startTimeUnixNano=spelled).start_time_ns


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"stringValue": "x"}, "x"),
        ({"stringValue": ""}, ""),
        ({"boolValue": False}, False),
        ({"intValue": "-9223372036854775808"}, -(1 << 63)),
        ({"intValue": 7}, 7),
        ({"doubleValue": 1.5}, 1.5),
        ({"doubleValue": 2}, 2),
        ({"doubleValue": "1.2"}, 1.2),
        ({"doubleValue": "NaN"}, "NaN"),
        ({"doubleValue": "-Infinity"}, "-Infinity"),
        ({"doubleValue": None}, None),
        ({"bytesValue": "3q2+7w=="}, "3q2+7w=="),
        ({"bytesValue": "3q2-7w"}, "3q2+7w=="),
        ({"arrayValue": {"values": [{"intValue": 1}, {}]}}, [1, None]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}}, {"k": True}),
        ({}, None),
        (None, None),
        ({"stringValue": "x", "intValue": None, "newValue": 3}, "x"),
    ],
)
def test_values_of_every_type(given: Any, expected: Any) -> None:
    assert expected == value(given)


@pytest.mark.parametrize(
    "given",
    [
        {"stringValue": 1},
        {"boolValue": "true"},
        {"intValue": "9223372036854775808"},
        {"intValue": "1_0"},
        {"intValue": True},
        {"intValue": 1.5},
        {"intValue": "9" * 5000},
        {"doubleValue": "one"},
        {"doubleValue": "1e999"},
        {"doubleValue": True},
        {"bytesValue": "*"},
        {"arrayValue": []},
        {"kvlistValue": {"values": [1]}},
        {"stringValue": "x", "intValue": 1},
        [],
        "x",
    ],
)
def test_a_bad_value_rejects_its_span_and_no_other(given: Any) -> None:
    bad = plain(attributes=[{"key": "a", "value": given}])
    found = decode_json(body(plain(name="before"), bad, plain(name="after")))
    assert ["before", "after"] == [record.name for record in found.batch.records]
    assert 1 == found.partial_success.rejected_spans
    assert found.partial_success.error_message.startswith("Rejected 1 span: 1 for ")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("traceId", "0af7651916cd43dd8448eb211c80319"),
        ("traceId", "not hex"),
        ("traceId", "0af76519 16cd43dd8448eb211c80319c"),
        ("traceId", 12),
        ("spanId", None),
        ("parentSpanId", "00"),
        ("kind", "SPAN_KIND_SERVER"),
        ("kind", 1 << 31),
        ("startTimeUnixNano", -1),
        ("startTimeUnixNano", "18446744073709551616"),
        ("flags", 1.5),
        ("name", 5),
        ("attributes", {}),
        ("events", [1]),
        ("links", "x"),
        ("status", []),
        ("status", {"code": "STATUS_CODE_ERROR"}),
    ],
)
def test_a_field_of_another_type_rejects_its_span(field: str, given: Any) -> None:
    found = decode(**{field: given})
    assert (1, []) == (found.partial_success.rejected_spans, list(found.batch.records))


def test_an_integer_of_thousands_of_digits_costs_its_span_alone() -> None:
    sound, bad = json.dumps(plain()), json.dumps(plain(flags=0))[:-1] + ', "kind": ' + "9" * 9999
    raw = f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{sound}, {bad}}}]}}]}}]}}'
    found = decode_json(raw.encode())
    assert (1, 1) == (found.partial_success.rejected_spans, len(found.batch.records))


def test_null_is_absent() -> None:
    names = [field.json_name for field in Span.DESCRIPTOR.fields]
    absent = dict.fromkeys(name for name in names if name not in ("traceId", "spanId"))
    found = record(**absent)
    assert ("", 0, None, "{}") == (found.name, found.kind, found.otel_parent_id, found.attributes)
    nulls = {"resource": None, "schemaUrl": None, "scopeSpans": [{"scope": None, "spans": None}]}
    decoded = decode_json(json.dumps({"resourceSpans": [nulls]}).encode())
    assert 0 == decoded.partial_success.rejected_spans


def test_fields_that_nobody_knows_are_passed_over() -> None:
    assert record() == record(newField={"deep": [1]}, trace_id="snake case is no field")


def test_half_a_character_as_javascript_cuts_one_is_kept_as_its_escape() -> None:
    assert "\\ud83d" == value({"stringValue": "\ud83d"})


@pytest.mark.parametrize("kind", ["arrayValue", "kvlistValue"])
def test_what_is_stored_is_never_deeper_than_can_be_sent_on(kind: str) -> None:
    def deep(depth: int) -> Decoded:
        given: dict[str, Any] = {"stringValue": "bottom"}
        for _ in range(depth):
            inner = given if kind == "arrayValue" else {"key": "k", "value": given}
            given = {kind: {"values": [inner]}}
        event = {"name": "e", "attributes": [{"key": "a", "value": given}]}
        return decode_json(body(plain(events=[event])))

    from flujo_otel.wire.otlp import decode_protobuf
    from flujo_otel.wire.protobuf import delimited

    deepest = max(depth for depth in range(60) if not deep(depth).partial_success.rejected_spans)
    assert deepest >= 30
    [stored] = deep(deepest).batch.records
    assert stored.otlp is not None
    spans = delimited(b"\x12", stored.otlp)
    again = decode_protobuf(delimited(b"\x0a", delimited(b"\x12", spans)))
    assert stored.otlp == again.batch.records[0].otlp
    assert (1, 1) == (
        deep(deepest + 1).partial_success.rejected_spans,
        deep(150).partial_success.rejected_spans,
    )


def test_a_bad_value_in_a_resource_or_scope_rejects_all_of_its_spans() -> None:
    sound = {"spans": [plain(), plain()]}
    for bad in (
        {"resource": {"attributes": [{"key": 1}]}, "scopeSpans": [sound]},
        {"scopeSpans": [{"scope": {"name": 1}, **sound}]},
        {"resource": [], "scopeSpans": [sound]} | {"schemaUrl": 4},
    ):
        message = {"resourceSpans": [bad, {"scopeSpans": [sound]}]}
        found = decode_json(json.dumps(message).encode())
        assert (2, 2) == (found.partial_success.rejected_spans, len(found.batch.records))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nul",
        b"[]",
        b'"x"',
        b"{",
        b"\xff\xfe\xfa",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"resourceSpans": {}}',
        b'{"resourceSpans": [1]}',
        b'{"resourceSpans": [{"scopeSpans": 1}]}',
        b'{"resourceSpans": [{"scopeSpans": [[]]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": {}}]}]}',
    ],
)
def test_what_is_no_request_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedRequest, match="JSON"):
        decode_json(raw)


@pytest.mark.parametrize("raw", [b"{}", b'{"resourceSpans": null}', b'{"resourceSpans": []}'])
def test_an_empty_request_is_sound(raw: bytes) -> None:
    found = decode_json(raw)
    assert (0, "", []) == (
        found.partial_success.rejected_spans,
        found.partial_success.error_message,
        list(found.batch.records),
    )


def test_the_entities_of_a_resource_are_kept() -> None:
    entity = {
        "schemaUrl": "url",
        "type": "host",
        "idKeys": ["host.id", ""],
        "descriptionKeys": ["host.name"],
    }
    resource = {"entityRefs": [entity, {}]}
    body = json.dumps({"resourceSpans": [{"resource": resource}]}).encode()
    [found] = decode_json(body).batch.resources
    expected = b"\x0a\x03url\x12\x04host\x1a\x07host.id\x1a\x00\x22\x09host.name"
    assert delimited(b"\x1a", expected) + b"\x1a\x00" == found.otlp


@pytest.mark.parametrize("keys", ["host.id", [1], {}])
def test_entities_that_are_none_cost_the_spans_of_their_resource(keys: object) -> None:
    resource = {"entityRefs": [{"idKeys": keys}]}
    spans = {"resource": resource, "scopeSpans": [{"spans": [{}]}]}
    body = json.dumps({"resourceSpans": [spans]}).encode()
    assert {"idKeys that is not": 1} == {
        reason[:18]: count for reason, count in decode_json(body).partial_success.refused.items()
    }
