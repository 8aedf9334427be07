"""Metrics and logs pass through: as they came, bounded, and told of where nobody takes them."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

from flujo_otel.forward import passing
from flujo_otel.forward.destination import PROTOBUF, Destination, OTLPProtocol
from flujo_otel.forward.passing import PassThrough
from flujo_otel.spanstore.destinations import Filter
from flujo_otel.wire.transport import Signal
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


class Through:
    """A PassThrough, and what it said that nobody took."""

    def __init__(self, *destinations: Destination, **given: int) -> None:
        self.lost: list[tuple[Signal, bytes]] = []
        self._passing = PassThrough(destinations, **given)

    def offer(self, signal: Signal, body: bytes, *content_type: str) -> None:
        self._passing.offer(signal, body, lambda: self.lost.append((signal, body)), *content_type)

    def stop(self, timeout_seconds: float = 5.0) -> bool:
        return self._passing.stop(timeout_seconds)


@pytest.fixture
def through() -> Iterator[Callable[..., Through]]:
    made: list[Through] = []

    def make(*destinations: Destination, **given: int) -> Through:
        made.append(Through(*destinations, **given))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def to(url: str, path: str = "/v1/traces", **given: Any) -> Destination:
    return Destination("backend", url + path, **given)


@pytest.fixture
def silent() -> Iterator[str]:
    """A backend that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_body_arrives_as_it_came(url: str, seen: Seen, through: Callable[..., Through]) -> None:
    one = through(to(url, "/base/v1/traces?key=1"))
    one.offer(Signal.METRICS, b"\x0a\x00")
    one.offer(Signal.LOGS, b'{"resourceLogs":[]}', "application/json")
    assert one.stop()
    assert [
        ("/base/v1/metrics?key=1", b"\x0a\x00", "application/x-protobuf"),
        ("/base/v1/logs?key=1", b'{"resourceLogs":[]}', "application/json"),
    ] == seen
    assert [] == one.lost


def test_an_overloaded_backend_is_asked_again(
    url: str, seen: Seen, statuses: list[int], through: Callable[..., Through]
) -> None:
    statuses += [503, 429]
    one = through(to(url))
    one.offer(Signal.LOGS, b"")
    wait_until(lambda: len(seen) == 3, "the third attempt")
    assert one.stop()
    assert [] == one.lost


def test_a_backend_without_such_a_service_is_not_asked_again_for_a_while(
    url: str,
    seen: Seen,
    statuses: list[int],
    through: Callable[..., Through],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passing, "ASK_AGAIN_SECONDS", 60.0)
    statuses.append(404)
    one = through(to(url))
    for number in range(3):
        one.offer(Signal.METRICS, bytes((number,)))
    wait_until(lambda: len(one.lost) == 3, "all three are told of")
    one.offer(Signal.LOGS, b"")
    wait_until(lambda: len(seen) == 2, "logs go there all the same")
    assert ["/v1/metrics", "/v1/logs"] == [path for path, *_ in seen]
    monkeypatch.setattr(passing, "ASK_AGAIN_SECONDS", 0.0)
    statuses.append(404)
    again = through(to(url))
    again.offer(Signal.METRICS, b"")
    wait_until(lambda: len(again.lost) == 1, "it has said so")
    again.offer(Signal.METRICS, b"later")
    assert again.stop()
    assert ("/v1/metrics", b"later", "application/x-protobuf") == seen[-1]


def test_a_dead_backend_costs_bounded_memory_and_no_time(
    through: Callable[..., Through], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "PATIENCE_SECONDS", 0.2)
    one = through(to("http://127.0.0.1:1"), queue_bytes=20_000)
    for number in range(100):
        one.offer(Signal.LOGS, bytes((number,)) * 100)
    assert len(one.lost) > 80  # each takes 1 KiB beside its body
    wait_until(lambda: len(one.lost) == 100, "the others are given up")
    assert 100 == len(set(one.lost))
    assert one.stop()


def test_a_slow_backend_keeps_no_other_waiting(
    url: str, silent: str, seen: Seen, through: Callable[..., Through]
) -> None:
    one = through(to(silent), to(url))
    for number in range(5):
        one.offer(Signal.LOGS, bytes((number,)))
    wait_until(lambda: len(seen) == 5, "the other has got all")
    one.stop(0.1)
    assert [] == one.lost


def test_what_is_left_at_the_end_is_told_of_once(
    silent: str, through: Callable[..., Through]
) -> None:
    one = through(to(silent, timeout_seconds=2.0))
    for number in range(5):
        one.offer(Signal.LOGS, bytes((number,)))
    assert not one.stop(0.1)
    one.offer(Signal.LOGS, b"late")
    expected = [(Signal.LOGS, body) for body in (b"\0", b"\1", b"\2", b"\3", b"\4", b"late")]
    assert expected == one.lost
    time.sleep(2.5)  # the one that was being sent fails meanwhile
    assert expected == one.lost


def test_what_one_takes_is_not_lost_where_another_raises(
    url: str, seen: Seen, through: Callable[..., Through], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE", raising=False)
    unusable = to("https://127.0.0.1:1", certificate=Path("no such file"))
    both = through(unusable, to(url))
    both.offer(Signal.LOGS, b"1")
    assert both.stop()
    assert ([b"1"], []) == ([body for _, body, _ in seen], both.lost)
    alone = through(unusable)
    alone.offer(Signal.LOGS, b"1")
    alone.offer(Signal.LOGS, b"2")
    assert alone.stop()
    assert [(Signal.LOGS, b"1"), (Signal.LOGS, b"2")] == alone.lost


@pytest.mark.parametrize(
    ("destinations", "content_type"),
    [
        ([], PROTOBUF),
        ([{"where": Filter(names=("x",))}], PROTOBUF),
        ([{"is_for_traces_alone": True}], PROTOBUF),
        ([{"is_for_traces_alone": True, "protocol": OTLPProtocol.GRPC}], PROTOBUF),
        ([{"protocol": OTLPProtocol.GRPC}], "application/json"),
    ],
    ids=["none", "a filter", "for traces alone", "for traces alone, gRPC", "JSON over gRPC"],
)
def test_what_is_for_nobody_is_told_of_at_once(
    url: str,
    seen: Seen,
    through: Callable[..., Through],
    destinations: list[dict[str, Any]],
    content_type: str,
) -> None:
    one = through(*(to(url, **given) for given in destinations))
    one.offer(Signal.LOGS, b"{}", content_type)
    assert [(Signal.LOGS, b"{}")] == one.lost
    assert one.stop()
    assert [] == seen


def test_over_grpc(through: Callable[..., Through]) -> None:
    got: list[bytes] = []
    server = grpc.server(futures.ThreadPoolExecutor(1))
    export = grpc.unary_unary_rpc_method_handler(lambda body, _: got.append(body) or b"")
    service = "opentelemetry.proto.collector.metrics.v1.MetricsService"
    handler = grpc.method_handlers_generic_handler(service, {"Export": export})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    one = through(to(f"http://127.0.0.1:{port}", "", protocol=OTLPProtocol.GRPC))
    one.offer(Signal.METRICS, b"\x0a\x00")
    one.offer(Signal.LOGS, b"\x0a\x00")
    assert one.stop()
    assert [b"\x0a\x00"] == got
    assert [(Signal.LOGS, b"\x0a\x00")] == one.lost  # it has no service for logs
    server.stop(None).wait()
