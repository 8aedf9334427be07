"""Metrics and logs pass through: as they came, bounded, and counted where they do not arrive."""

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

from flujo_otel.forward import passing
from flujo_otel.forward.destination import Destination, Protocol, Signal
from flujo_otel.forward.passing import PassThrough
from flujo_otel.spanstore.destinations import Filter
from support.backends import wait_until

Seen = list[tuple[str, bytes, str]]


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def statuses() -> list[int]:
    """What the backend answers, one a request; then 200."""
    return []


@pytest.fixture
def url(seen: Seen, statuses: list[int]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append((self.path, body, self.headers["content-type"]))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def through() -> Iterator[Callable[..., PassThrough]]:
    made: list[PassThrough] = []

    def make(*destinations: Destination, **given: int) -> PassThrough:
        made.append(PassThrough(destinations, **given))
        return made[-1]

    yield make
    for each in made:
        each.stop(5)


def to(url: str, path: str = "/v1/traces", **given: Any) -> Destination:
    return Destination("backend", url + path, **given)


def test_a_body_arrives_as_it_came(
    url: str, seen: Seen, through: Callable[..., PassThrough]
) -> None:
    one = through(to(url, "/base/v1/traces"))
    assert one.offer(Signal.METRICS, b"\x0a\x00")
    assert one.offer(Signal.LOGS, b'{"resourceLogs":[]}', "application/json")
    assert one.stop(5)
    assert [
        ("/base/v1/metrics", b"\x0a\x00", "application/x-protobuf"),
        ("/base/v1/logs", b'{"resourceLogs":[]}', "application/json"),
    ] == seen
    assert {} == one.lost()


def test_an_overloaded_backend_is_asked_again(
    url: str, seen: Seen, statuses: list[int], through: Callable[..., PassThrough]
) -> None:
    statuses += [503, 429]
    one = through(to(url))
    one.offer(Signal.LOGS, b"")
    wait_until(lambda: len(seen) == 3, "the third attempt")
    assert one.stop(5)
    assert {} == one.lost()


def test_a_backend_without_such_a_service_is_not_asked_again(
    url: str, seen: Seen, statuses: list[int], through: Callable[..., PassThrough]
) -> None:
    statuses.append(404)
    one = through(to(url))
    assert one.offer(Signal.METRICS, b"")
    wait_until(lambda: not one.offer(Signal.METRICS, b""), "it has said so")
    assert one.offer(Signal.LOGS, b"")
    assert one.stop(5)
    assert one.lost()["backend", Signal.METRICS] >= 1
    assert ("backend", Signal.LOGS) not in one.lost()


def test_a_dead_backend_costs_bounded_memory_and_no_time(
    url: str, through: Callable[..., PassThrough], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "PATIENCE_SECONDS", 0.2)
    one = through(to("http://127.0.0.1:1"), queue_bytes=1000)
    accepted = [one.offer(Signal.LOGS, b"x" * 100) for _ in range(100)]
    assert 0 < accepted.count(True) < 100
    assert one.stop(30)
    assert {("backend", Signal.LOGS): 100} == one.lost()


def test_where_nobody_takes_it_nothing_is_offered(
    url: str, seen: Seen, through: Callable[..., PassThrough]
) -> None:
    assert not through().offer(Signal.LOGS, b"")
    assert not through(to(url, "/odd")).offer(Signal.LOGS, b"")
    assert not through(to(url, where=Filter(names=("x",)))).offer(Signal.LOGS, b"")
    by_grpc = to("http://127.0.0.1:1", "", protocol=Protocol.GRPC)
    assert not through(by_grpc).offer(Signal.LOGS, b"{}", "application/json")
    assert [] == seen


def test_over_grpc(through: Callable[..., PassThrough]) -> None:
    got: list[bytes] = []
    server = grpc.server(futures.ThreadPoolExecutor(1))
    export = grpc.unary_unary_rpc_method_handler(lambda body, _: got.append(body) or b"")
    service = "opentelemetry.proto.collector.metrics.v1.MetricsService"
    handler = grpc.method_handlers_generic_handler(service, {"Export": export})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    one = through(to(f"http://127.0.0.1:{port}", "", protocol=Protocol.GRPC))
    assert one.offer(Signal.METRICS, b"\x0a\x00")
    assert one.offer(Signal.LOGS, b"\x0a\x00")
    wait_until(lambda: not one.offer(Signal.LOGS, b""), "it has no service for logs")
    assert one.stop(5)
    assert [b"\x0a\x00"] == got
    assert {Signal.LOGS} == {signal for _, signal in one.lost()}
    server.stop(None).wait()


def test_a_path_of_its_own_is_for_traces_alone(tmp_path: Path) -> None:
    assert to("http://h", "/odd").endpoint_for(Signal.LOGS) is None
    assert "http://h/v1/logs?k=1" == to("http://h", "/v1/traces?k=1").endpoint_for(Signal.LOGS)
