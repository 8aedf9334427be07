"""Whatever is sent, over either transport: the right status, no traceback, and the next good
request is stored."""

import gzip
import itertools
import json
import random
import socket
from collections.abc import Iterator
from contextlib import suppress

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flujo_otel.wire.protobuf import delimited, tag
from support.collector import (
    JSON,
    PROTOBUF,
    Collector,
    SpanSpec,
    in_json,
    in_protobuf,
    numbered,
    receive,
    request,
)

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
FUZZED = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
SAMPLE = in_protobuf(*(numbered("sample", n) for n in range(1, 4)), service="fuzz")
SAMPLE_JSON = in_json(SpanSpec("sample"))
ANSWERS = (200, 400, 403, 404, 405, 413, 415, 503)
_numbers = itertools.count(10**6)


@st.composite
def spoiled(draw: st.DrawFn, sample: bytes) -> bytes:
    """A sound body with some bytes changed, put in or taken out."""
    body = bytearray(sample)
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(body)))
        piece = draw(st.binary(max_size=8))
        match draw(st.sampled_from(["replace", "insert", "delete", "cut", "repeat"])):
            case "replace":
                body[place : place + len(piece)] = piece
            case "insert":
                body[place:place] = piece
            case "delete":
                del body[place : place + len(piece)]
            case "cut":
                del body[place:]
            case "repeat":
                body += body[place:]
    return bytes(body[:100_000])


KEYS = """
    resourceSpans resource attributes scopeSpans scope spans traceId spanId parentSpanId name kind
    startTimeUnixNano endTimeUnixNano events links status code key value stringValue intValue
    doubleValue arrayValue kvlistValue values bytesValue flags traceState other
""".split()  # noqa: SIM905 -- a list of 28 lines says no more
json_keys = st.sampled_from(KEYS)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("1" * 5000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(json_keys, inner, max_size=6),
    max_leaves=30,
)
shaped = st.builds(
    lambda span: {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]},
    st.dictionaries(json_keys, json_values, max_size=8),
)


def nested_protobuf(depth: int) -> bytes:
    """An attribute that holds an array that holds an array ..."""
    value = b""
    for _ in range(depth):
        value = delimited(tag(5, 2), delimited(tag(1, 2), value))
    attribute = delimited(tag(1, 2), b"deep") + delimited(tag(2, 2), value)
    ids = delimited(tag(1, 2), b"t" * 16) + delimited(tag(2, 2), b"s" * 8)
    span = delimited(tag(2, 2), ids + delimited(tag(9, 2), attribute))
    return delimited(tag(1, 2), delimited(tag(2, 2), span))


def nested_json(depth: int) -> bytes:
    """The same."""
    value = b'{"arrayValue":{"values":[' * depth + b"{}" + b"]}}" * depth
    attributes = b'"attributes":[{"key":"deep","value":' + value + b"}]"
    return SAMPLE_JSON.replace(b'"name"', attributes + b',"name"')


DEEP = [
    *((PROTOBUF, nested_protobuf(depth)) for depth in (20, 60, 10_000)),
    *((JSON, nested_json(depth)) for depth in (20, 60, 10_000, 200_000)),
    (JSON, b"[" * 10**6),
    (JSON, b'{"a":' * 10**6),
    (PROTOBUF, b"\x0b" * 10**6),  # groups in groups
]


@pytest.fixture(scope="module")
def channel(shared: Collector) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(shared.grpc_address) as channel:
        yield channel


@pytest.fixture(autouse=True)
def the_next_good_request_is_stored(shared: Collector) -> Iterator[None]:
    yield
    number = next(_numbers)
    assert 200 == shared.post(in_protobuf(numbered(f"good {number}", number))).status
    assert f"good {number}" in shared.names()


def is_right(shared: Collector, body: bytes, content_type: str, **headers: str) -> bool:
    """200 or 400, with a body of that encoding, which is parsed."""
    response = shared.post(body, content_type, **headers)
    assert response.headers["content-type"] == content_type
    if response.status == 400:
        assert 3 == response.code
        assert b"Traceback" not in response.body
    elif content_type == JSON:
        json.loads(response.body)
    return response.status in (200, 400)


class TestHttp:
    @FUZZED
    @given(body=st.binary(max_size=2000) | spoiled(SAMPLE))
    def test_protobuf(self, shared: Collector, body: bytes) -> None:
        assert is_right(shared, body, PROTOBUF)

    @FUZZED
    @given(body=st.binary(max_size=500) | spoiled(SAMPLE_JSON))
    def test_json_in_bytes(self, shared: Collector, body: bytes) -> None:
        assert is_right(shared, body, JSON)

    @FUZZED
    @given(document=json_values | shaped)
    def test_json_in_values(self, shared: Collector, document: object) -> None:
        assert is_right(shared, json.dumps(document).encode("utf-8", "replace"), JSON)

    @FUZZED
    @given(body=spoiled(gzip.compress(SAMPLE)))
    def test_gzip(self, shared: Collector, body: bytes) -> None:
        assert is_right(shared, body, PROTOBUF, content_encoding="gzip")

    @pytest.mark.parametrize(("content_type", "body"), DEEP, ids=lambda value: str(value)[:12])
    def test_nesting(self, shared: Collector, content_type: str, body: bytes) -> None:
        assert is_right(shared, body, content_type)

    @FUZZED
    @given(raw=st.binary(max_size=300) | spoiled(request(SAMPLE, {"content-type": PROTOBUF})))
    def test_what_stands_around_the_body(self, shared: Collector, raw: bytes) -> None:
        with shared.connect() as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):  # hung up on: it was no whole request
                assert receive(connection).status in ANSWERS

    def test_a_megabyte_of_noise(self, shared: Collector) -> None:
        noise = random.Random(8).randbytes(1 << 20)
        for content_type in (PROTOBUF, JSON):
            assert is_right(shared, noise, content_type)


class TestGrpc:
    @FUZZED
    @given(body=st.binary(max_size=2000) | spoiled(SAMPLE) | spoiled(gzip.compress(SAMPLE)))
    def test_messages(self, shared: Collector, channel: grpc.Channel, body: bytes) -> None:
        try:
            channel.unary_unary(TRACES)(body, timeout=60)
        except grpc.RpcError as error:
            assert grpc.StatusCode.INVALID_ARGUMENT == error.code()
            assert "Traceback" not in error.details()

    @pytest.mark.parametrize("depth", [20, 60, 10_000])
    def test_nesting(self, channel: grpc.Channel, depth: int) -> None:
        try:
            channel.unary_unary(TRACES)(nested_protobuf(depth), timeout=60)
        except grpc.RpcError as error:
            assert grpc.StatusCode.INVALID_ARGUMENT == error.code()
