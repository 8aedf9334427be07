"""What ends a client's tries is in the ledger; what is told to come again, in the live counts."""

import gzip
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.collector import (
    JSON,
    PROTOBUF,
    SMALL_BYTES,
    Collector,
    collector,
    in_protobuf,
    locked,
    numbered,
    receive,
    request,
)
from support.programs import TIMEOUT_SECONDS, query

EXPORT = "/opentelemetry.proto.collector.{}Service/Export"
TRACES = EXPORT.format("trace.v1.Trace")
LOGS = EXPORT.format("logs.v1.Logs")
GARBAGE = b"\xff\xff"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Collector]:
    with collector(tmp_path / "otel.db", max_request_bytes=SMALL_BYTES) as running:
        yield running


def refused(running: Collector) -> list[tuple[Any, ...]]:
    """The ledger's lines of requests, once it has stopped."""
    running.stop()
    lines = "SELECT detail, count FROM ledger WHERE reason = 'refused_request' ORDER BY detail"
    return query(running.db, lines)


def over_grpc(running: Collector, body: bytes, method: str = TRACES) -> grpc.StatusCode:
    """The code of a request that is refused."""
    with (
        grpc.insecure_channel(running.grpc_address) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        channel.unary_unary(method)(body, timeout=TIMEOUT_SECONDS)
    code: grpc.StatusCode = raised.value.code()
    return code


def test_requests_refused_for_good_are_counted_by_status_and_reason(running: Collector) -> None:
    large = bytes(SMALL_BYTES + 1)
    assert 400 == running.post(GARBAGE).status
    assert 400 == running.post(b"no gzip", content_encoding="gzip").status
    assert 400 == running.post(b"[1, 2]", JSON).status
    assert 403 == running.post(b"", host="elsewhere.example").status
    assert 413 == running.post(large).status
    assert 413 == running.post(gzip.compress(large), content_encoding="gzip").status
    assert 415 == running.post(b"", "text/plain").status
    assert [
        ("400, not OTLP", 3),
        ("403, another Host or Origin", 1),
        ("413, too large", 2),
        ("415, another content type or compression", 1),
    ] == refused(running)
    services = query(running.db, "SELECT DISTINCT service FROM ledger")
    assert [("unknown",)] == services


@pytest.mark.parametrize(
    "coding", ["gzip, chunked", "GZIP,chunked", "br\r\ntransfer-encoding: chunked"]
)
def test_a_transfer_coding_that_is_not_undone_is_not_implemented(
    running: Collector, coding: str
) -> None:
    """RFC 9112, 6.1: what is under it was taken for a body, and refused or stored as that."""
    body = in_protobuf(numbered("under it", 1))
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    for value, status in ((coding, 501), ("chunked", 200), ("Chunked", 200)):
        head = request(b"", {"content-type": PROTOBUF, "transfer-encoding": value})
        with running.connect() as connection:
            connection.sendall(head.replace(b"content-length: 0\r\n", b"") + chunks)
            assert status == receive(connection).status
    assert [("501, another transfer coding", 1)] == refused(running)


def test_requests_refused_over_grpc_are_counted_like_those_over_http(running: Collector) -> None:
    assert grpc.StatusCode.INVALID_ARGUMENT == over_grpc(running, GARBAGE)
    large = gzip.compress(bytes(SMALL_BYTES + 1))
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == over_grpc(running, large)
    assert [("400, not OTLP", 1), ("413, too large", 1)] == refused(running)


def test_calls_that_end_without_a_message_are_not_counted(running: Collector) -> None:
    with grpc.insecure_channel(running.grpc_address) as channel:
        export = channel.stream_unary(TRACES)
        with pytest.raises(grpc.RpcError):
            export(iter([]), timeout=TIMEOUT_SECONDS)
        sending = threading.Event()
        call = export.future(_once(sending), timeout=TIMEOUT_SECONDS)
        assert sending.wait(TIMEOUT_SECONDS)
        call.cancel()
        with pytest.raises(grpc.RpcError):
            export(iter([GARBAGE, GARBAGE]), timeout=TIMEOUT_SECONDS)
    assert [("400, not OTLP", 1)] == refused(running)


def _once(sending: threading.Event) -> Iterator[bytes]:
    """No message, in a stream that does not end by itself before long."""
    sending.set()
    threading.Event().wait(1)
    yield from ()


def test_requests_without_the_token_are_counted(tmp_path: Path) -> None:
    with collector(tmp_path / "otel.db", token="secret") as running:
        assert 401 == running.post(b"").status
        assert grpc.StatusCode.UNAUTHENTICATED == over_grpc(running, b"")
        assert [("401, without the token", 2)] == refused(running)


def test_what_is_no_export_of_spans_is_not_counted(running: Collector) -> None:
    for path, method, status in [
        ("/nothing", "POST", 404),
        ("/v1/traces", "GET", 405),
        ("/healthz", "POST", 405),
        ("/v1/metrics", "POST", 400),
    ]:
        raw = request(GARBAGE, {"content-type": PROTOBUF}, method=method, path=path)
        assert status == running.send(raw).status
    assert grpc.StatusCode.INVALID_ARGUMENT == over_grpc(running, GARBAGE, LOGS)
    assert [] == refused(running)


def test_what_is_told_to_come_again_is_no_loss(tmp_path: Path) -> None:
    constants = {
        "flujo_otel.server.lifecycle:_BUSY_SECONDS": 0.1,
        "flujo_otel.collector.commit:PATIENCE_SECONDS": 0.3,
    }
    with collector(tmp_path / "otel.db", constants) as running:
        assert 200 == running.post(b"").status
        with locked(running.db):
            assert 503 == running.post(in_protobuf(numbered("later", 1))).status
        assert [] == refused(running)


def test_a_large_request_that_had_to_wait_for_room_is_one_request_and_nobody_was_sent_away(
    tmp_path: Path,
) -> None:
    spans = [numbered("x" * 1000, number) for number in range(1, 4001)]
    with (
        collector(tmp_path / "otel.db", queue_bytes=1024) as running,
        locked(running.db) as lock,
        running.connect() as small,
        running.connect() as large,
    ):
        small.sendall(request(in_protobuf(numbered("first", 5000)), {"content-type": PROTOBUF}))
        # It has the only place, once another is refused for it.
        while running.post(in_protobuf(numbered("second", 5001))).status != 503:
            pass
        large.sendall(request(in_protobuf(*spans), {"content-type": PROTOBUF}))
        assert [] == select.select([large], [], [], 0.5)[0]
        lock.execute("ROLLBACK")
        assert [200, 200] == [receive(small).status, receive(large).status]
        counts = running.stop()["counts"]
    told = ("requests", "received", "stored", "overloaded")
    assert [2, 4001, 4001, 1] == [counts[name] for name in told]


def test_bodies_for_which_there_was_no_memory_are_counted(running: Collector) -> None:
    zipped = gzip.compress(bytes(SMALL_BYTES))
    half = request(zipped, {"content-type": PROTOBUF, "content-encoding": "gzip"})[:-1]
    connections = [running.connect() for _ in range(3)]
    for connection in connections:
        connection.sendall(half)
    [answered] = select.select(connections, [], [], TIMEOUT_SECONDS)[0]
    assert 503 == receive(answered).status
    for connection in connections:
        connection.close()
    counts = running.stop()["counts"]
    assert (0, 1) == (counts["requests"], counts["overloaded"])
