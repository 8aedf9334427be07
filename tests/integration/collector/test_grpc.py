"""OTLP/gRPC, rule by rule, over a real channel in raw bytes."""

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from support.collector import (
    SMALL_BYTES,
    Collector,
    SpanSpec,
    collector,
    in_protobuf,
    locked,
    numbered,
)

PACKAGE = "opentelemetry.proto.collector"
TRACES = f"/{PACKAGE}.trace.v1.TraceService/Export"


@pytest.fixture
def channel(shared: Collector) -> Iterator[grpc.Channel]:
    with open_channel(shared) as channel:
        yield channel


def open_channel(running: Collector, **options: Any) -> grpc.Channel:
    return grpc.insecure_channel(
        running.grpc_address, options=[("grpc.max_send_message_length", -1)], **options
    )


def export(channel: grpc.Channel, body: bytes, path: str = TRACES, **options: Any) -> bytes:
    answer: bytes = channel.unary_unary(path)(body, timeout=60, **options)
    return answer


def refusal(channel: grpc.Channel, body: bytes, **options: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        export(channel, body, **options)
    return caught.value


def status_of(error: grpc.RpcError) -> Status:
    """The google.rpc.Status beside the code."""
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    return Status.FromString(details)


def test_an_empty_request_succeeds(channel: grpc.Channel) -> None:
    assert b"" == export(channel, b"")


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_on_full_success_partial_success_is_unset(
    shared: Collector, compression: grpc.Compression
) -> None:
    name = f"grpc {compression}"
    with open_channel(shared, compression=compression) as channel:
        assert b"" == export(channel, in_protobuf(numbered(name, 300 + compression)))
    assert name in shared.names()


def test_the_answer_comes_after_the_commit(shared: Collector, channel: grpc.Channel) -> None:
    for number in range(1, 30):
        export(channel, in_protobuf(numbered(f"grpc at once {number}", 400 + number)))
        assert f"grpc at once {number}" in shared.names()


def test_one_bad_span_costs_no_other(shared: Collector, channel: grpc.Channel) -> None:
    body = in_protobuf(SpanSpec("bad", trace_id=bytes(16)), numbered("good", 500))
    partial = ExportTraceServiceResponse.FromString(export(channel, body)).partial_success
    assert 1 == partial.rejected_spans
    assert "Rejected 1 span" in partial.error_message
    assert "good" in shared.names()
    assert "bad" not in shared.names()


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x1f\x8b nothing"], ids=["protobuf", "gzip"])
def test_bad_data_is_invalid_argument(channel: grpc.Channel, body: bytes) -> None:
    error = refusal(channel, body)
    assert grpc.StatusCode.INVALID_ARGUMENT == error.code()
    assert 3 == status_of(error).code
    assert not status_of(error).details


def test_overload_is_unavailable_with_retry_info(tmp_path: Path) -> None:
    db = tmp_path / "otel.db"
    with (
        collector(db, queue_bytes=1024) as running,
        open_channel(running) as to,
        locked(db) as lock,
    ):
        calls = {
            to.unary_unary(TRACES).future(in_protobuf(numbered("span", number)), timeout=60)
            for number in (1, 2)
        }
        [refused] = _first_done(calls)  # the other is let in, and waits
        assert grpc.StatusCode.UNAVAILABLE == refused.code()
        assert _retry_seconds(status_of(refused)) >= 1
        lock.execute("ROLLBACK")
        [accepted] = calls - {refused}
        assert b"" == accepted.result()


def _first_done(calls: set[Any]) -> list[Any]:
    import threading

    done = threading.Event()
    for call in calls:
        call.add_done_callback(lambda _: done.set())
    assert done.wait(60)
    return [call for call in calls if call.done()]


def _retry_seconds(status: Status) -> float:
    [detail] = status.details
    retry_info = RetryInfo()
    assert detail.Unpack(retry_info)
    return retry_info.retry_delay.ToNanoseconds() / 1e9


class TestSize:
    @pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
    def test_too_large_after_decompression_is_resource_exhausted_without_retry_info(
        self, small: Collector, compression: grpc.Compression
    ) -> None:
        body = in_protobuf(SpanSpec("large", attributes={"text": "x" * SMALL_BYTES}))
        with open_channel(small, compression=compression) as channel:
            error = refusal(channel, body)
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == error.code()
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        assert details is None or not Status.FromString(details).details
        assert "large" not in small.names()

    def test_more_than_grpcs_own_4_mib_is_taken(
        self, shared: Collector, channel: grpc.Channel
    ) -> None:
        export(channel, in_protobuf(SpanSpec("5 MiB", attributes={"text": "x" * (5 << 20)})))
        assert "5 MiB" in shared.names()

    def test_a_bomb_costs_bounded_memory(self, tmp_path: Path) -> None:
        bomb = gzip.compress(bytes(16 << 20)) * 640  # 10 GiB in 10 MB
        with collector(tmp_path / "otel.db") as running, open_channel(running) as channel:
            export(channel, b"")
            before_mib = running.peak_mib()
            assert grpc.StatusCode.RESOURCE_EXHAUSTED == refusal(channel, bomb).code()
            assert running.peak_mib() - before_mib < 200
            assert b"" == export(channel, b"")


def test_another_compression_is_unimplemented(shared: Collector) -> None:
    with open_channel(shared, compression=grpc.Compression.Deflate) as channel:
        error = refusal(channel, in_protobuf(SpanSpec()) * 100)
    assert grpc.StatusCode.UNIMPLEMENTED == error.code()


@pytest.mark.parametrize(
    "path", [f"/{PACKAGE}.trace.v1.TraceService/Import", "/grpc.health.v1.Health/Check", "/"]
)
def test_another_method_is_unimplemented(channel: grpc.Channel, path: str) -> None:
    assert grpc.StatusCode.UNIMPLEMENTED == refusal(channel, b"", path=path).code()


@pytest.mark.parametrize("messages", [[], [b"", b""]], ids=["none", "two"])
def test_a_call_of_other_than_one_message_is_invalid(
    channel: grpc.Channel, messages: list[bytes]
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(TRACES)(iter(messages), timeout=60)
    assert grpc.StatusCode.INVALID_ARGUMENT == caught.value.code()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x00" * 4096,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4096,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\xff\xff\xff\x01",
    ],
    ids=["http/1.1", "zeros", "preface and noise", "broken frame"],
)
def test_what_is_no_grpc_at_all_disturbs_nobody(
    shared: Collector, channel: grpc.Channel, raw: bytes
) -> None:
    host, _, port = shared.grpc_address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(raw)
    assert b"" == export(channel, b"")
