"""OTLP/gRPC: what each status of a backend does to the spans that were sent."""

import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from flujo_otel.forward.dispatch import Dispatch
from flujo_otel.spanstore.destinations import CursorState
from integration.forward.conftest import cursor
from support.backends import GrpcBackend, abort, wait_until
from support.sent_spans import names, some, store

Deliver = Callable[[str], Dispatch]
Code = grpc.StatusCode


def all_sent(one: Dispatch, db: Path, count: int) -> None:
    def step() -> bool:
        one.work()
        return cursor(db).sent == count

    wait_until(step, f"{count} sent, {cursor(db)}")


def test_what_is_stored_arrives(db: Path, grpc_backend: GrpcBackend, deliver: Deliver) -> None:
    one = deliver(grpc_backend.url)
    store(db, *some(1500))
    all_sent(one, db, 1500)
    assert names(1500) == grpc_backend.taken.names
    assert "OTel-OTLP-Exporter-flujo-otel" in grpc_backend.taken.headers[0]["user-agent"]


@pytest.mark.parametrize(
    "code",
    [
        Code.CANCELLED,
        Code.DEADLINE_EXCEEDED,
        Code.ABORTED,
        Code.OUT_OF_RANGE,
        Code.UNAVAILABLE,
        Code.DATA_LOSS,
    ],
)
def test_what_may_pass_is_tried_again(
    db: Path, grpc_backend: GrpcBackend, deliver: Deliver, code: grpc.StatusCode
) -> None:
    one = deliver(grpc_backend.url)
    store(db, *some(2))
    grpc_backend.replies.append(abort(code, "not now"))
    one.work()
    assert (CursorState.RETRYING, 0, 0) == (
        cursor(db).state,
        cursor(db).sent,
        cursor(db).rejected,
    )
    assert f"{code.name} not now" == cursor(db).error
    all_sent(one, db, 2)


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED])
def test_retry_info_is_honoured(
    db: Path, grpc_backend: GrpcBackend, deliver: Deliver, code: grpc.StatusCode
) -> None:
    one = deliver(grpc_backend.url)
    store(db, *some(1))
    grpc_backend.replies.append(abort(code, "busy", retry_seconds=600.5))
    one.work()
    assert CursorState.RETRYING is cursor(db).state
    assert 500 < one._not_before_monotonic_seconds - time.monotonic() <= 600.5
    one.work()
    assert 1 == grpc_backend.seen


@pytest.mark.parametrize(
    "code",
    [
        Code.UNAUTHENTICATED,
        Code.PERMISSION_DENIED,
        Code.UNIMPLEMENTED,
        Code.NOT_FOUND,
        Code.RESOURCE_EXHAUSTED,
        Code.INTERNAL,
        Code.UNKNOWN,
        Code.FAILED_PRECONDITION,
        Code.ALREADY_EXISTS,
    ],
)
def test_what_has_to_be_set_right_pauses_and_keeps_the_position(
    db: Path, grpc_backend: GrpcBackend, deliver: Deliver, code: grpc.StatusCode
) -> None:
    one = deliver(grpc_backend.url)
    store(db, *some(2))
    grpc_backend.replies.append(abort(code, "no"))
    one.work()
    assert (CursorState.PAUSED, 0, 0) == (cursor(db).state, cursor(db).sent, cursor(db).rejected)
    all_sent(one, db, 2)


def test_bad_data_is_passed_by_and_counted(
    db: Path, grpc_backend: GrpcBackend, deliver: Deliver
) -> None:
    one = deliver(grpc_backend.url)
    store(db, *some(2))
    grpc_backend.replies.append(abort(Code.INVALID_ARGUMENT, "odd spans"))
    one.work()
    assert (0, 2, "INVALID_ARGUMENT odd spans") == (
        cursor(db).sent,
        cursor(db).rejected,
        cursor(db).rejection,
    )
    one.work()
    assert 1 == grpc_backend.seen


def test_a_partial_success_is_counted(
    db: Path, grpc_backend: GrpcBackend, deliver: Deliver
) -> None:
    def partly(_: grpc.ServicerContext) -> ExportTraceServiceResponse:
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = 1
        answer.partial_success.error_message = "one is bad"
        return answer

    one = deliver(grpc_backend.url)
    store(db, *some(3))
    grpc_backend.replies.append(partly)
    one.work()
    assert (2, 1, "one is bad") == (cursor(db).sent, cursor(db).rejected, cursor(db).rejection)


def test_what_is_above_the_servers_limit_is_split(db: Path, deliver: Deliver) -> None:
    backend = GrpcBackend(max_receive_message_length=20_000)
    try:
        one = deliver(backend.url)
        large = some(1, first=101, attributes='{"text":"' + "x" * 30_000 + '"}')
        store(db, *some(100, attributes='{"text":"' + "x" * 900 + '"}'), *large)

        def step() -> bool:
            one.work()
            return cursor(db).lag == 0

        wait_until(step, "all settled")
        assert names(100) == backend.taken.names
        assert (100, 1) == (cursor(db).sent, cursor(db).rejected)
        assert "larger than max" in cursor(db).rejection
    finally:
        backend.close()


def test_an_answer_above_4_mib_is_not_taken_in(
    db: Path, grpc_backend: GrpcBackend, deliver: Deliver
) -> None:
    def huge(_: grpc.ServicerContext) -> ExportTraceServiceResponse:
        answer = ExportTraceServiceResponse()
        answer.partial_success.error_message = "x" * (5 << 20)
        return answer

    one = deliver(grpc_backend.url)
    store(db, *some(1))
    grpc_backend.replies.append(huge)
    one.work()
    assert (1, 0) == (cursor(db).sent, cursor(db).rejected)


def test_a_backend_that_is_killed_and_revived_gets_everything(
    db: Path, grpc_backend: GrpcBackend, deliver: Deliver
) -> None:
    one = deliver(grpc_backend.url)
    store(db, *some(10))
    all_sent(one, db, 10)
    grpc_backend.close()
    store(db, *some(10, first=11))
    one.work()
    assert CursorState.RETRYING is cursor(db).state
    grpc_backend.revive()
    all_sent(one, db, 20)
    assert set(names(20)) == set(grpc_backend.taken.names)


def test_headers_and_compression_are_sent(db: Path, grpc_backend: GrpcBackend) -> None:
    from flujo_otel.forward.choice import destinations
    from flujo_otel.settings import load
    from flujo_otel.spanstore.factory import open_destinations

    (db.parent / "flujo.toml").write_text(
        f'[forward.zipped]\nendpoint = "127.0.0.1:{grpc_backend.port}"\nprotocol = "grpc"\n'
        'insecure = true\ncompression = "gzip"\nheaders = { "X-Key" = "s3cr3t-key" }\n'
    )
    [destination] = destinations(None, load(db=str(db)))
    one = Dispatch(destination, open_destinations(db))
    one.work()
    store(db, *some(50))
    all_sent(one, db, 50)
    one.finish()
    assert "s3cr3t-key" == grpc_backend.taken.headers[0]["x-key"]
