"""Clients that do not play by the rules cost bounded memory and time, and nobody else anything."""

import gzip
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import BinaryIO

import grpc
import pytest

from flujo_otel.wire.protobuf import delimited, tag
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
from support.programs import TIMEOUT_SECONDS

IMPATIENT = {
    "flujo_otel.collector.connection:HEAD_SECONDS": 0.3,
    "flujo_otel.collector.connection:LINGER_SECONDS": 0.3,
    "flujo_otel.collector.service:REQUEST_SECONDS": 0.3,
}
CHUNKED = request(b"", {"content-type": PROTOBUF, "transfer-encoding": "chunked"}).replace(
    b"content-length: 0\r\n", b""
)
LONG = bytes(1 << 16)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One that does not wait long for anybody."""
    with collector(tmp_path_factory.mktemp("impatient") / "otel.db", IMPATIENT) as running:
        yield running


@pytest.fixture(autouse=True)
def next_good_request_is_stored(
    shared: Collector, impatient: Collector, request: pytest.FixtureRequest
) -> Iterator[None]:
    yield
    number = 1 + abs(hash(request.node.name)) % 10**9
    for running in (shared, impatient):
        if running in request.node.funcargs.values():
            assert 200 == running.post(in_protobuf(numbered(f"after {number}", number))).status
            assert f"after {number}" in running.names()


def is_hung_up_on(connection: socket.socket) -> bool:
    """Whether the server closes it."""
    connection.settimeout(20)
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


class TestMemory:
    def test_a_bomb(self, tmp_path: Path) -> None:
        bomb = gzip.compress(bytes(16 << 20)) * 640  # 10 GiB in 10 MB
        with collector(tmp_path / "otel.db") as running:
            before_mib = running.peak_mib()
            with running.connect() as connection:
                headers = {"content-type": PROTOBUF, "content-encoding": "gzip"}
                connection.sendall(request(bomb, headers))
                assert 413 == receive(connection).status
            assert running.peak_mib() - before_mib < 150

    def test_an_endless_chunked_body(self, tmp_path: Path) -> None:
        with collector(tmp_path / "otel.db", IMPATIENT) as running:
            before_mib = running.peak_mib()
            sent_bytes, deadline = 0, time.monotonic() + 60
            with running.connect() as connection:
                connection.sendall(CHUNKED)
                with pytest.raises(ConnectionError):
                    while time.monotonic() < deadline:
                        connection.sendall(b"10000\r\n" + LONG + b"\r\n")
                        sent_bytes += len(LONG)
            assert running.peak_mib() - before_mib < 150

    def test_an_endless_head(self, impatient: Collector) -> None:
        self._is_431(impatient, b"GET / HTTP/1.1\r\nx: ")

    def test_endless_headers(self, shared: Collector) -> None:
        with shared.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            with pytest.raises(ConnectionError):
                for number in range(10**6):
                    connection.sendall(f"x-{number}: {'y' * 100}\r\n".encode())

    def test_an_endless_path(self, impatient: Collector) -> None:
        self._is_431(impatient, b"GET /")

    def test_endless_trailers(self, shared: Collector) -> None:
        with shared.connect() as connection:
            connection.sendall(CHUNKED + b"0\r\n")
            with pytest.raises(ConnectionError):
                for number in range(10**6):
                    connection.sendall(f"x-{number}: {'y' * 100}\r\n".encode())

    def _is_431(self, running: Collector, start: bytes) -> None:
        with running.connect() as connection:
            connection.sendall(start + b"x" * (70 << 10))
            assert 431 == receive(connection).status
            assert is_hung_up_on(connection)

    def test_requests_that_wait_for_one_another_wait_in_their_client(self, tmp_path: Path) -> None:
        with collector(tmp_path / "otel.db") as running, running.connect() as connection:
            before_mib = running.peak_mib()
            connection.settimeout(1)
            with pytest.raises(TimeoutError):  # for the server reads no more
                for _ in range(10_000):  # far more than the kernel keeps
                    connection.sendall(request(b"", {}, method="GET", path="/") * 200)
            assert running.peak_mib() - before_mib < 30

    def test_many_large_bodies_at_once_share_one_bound(self, tmp_path: Path) -> None:
        zipped = gzip.compress(bytes(SMALL_BYTES))
        half = request(zipped, {"content-type": PROTOBUF, "content-encoding": "gzip"})[:-1]
        with collector(tmp_path / "otel.db", max_request_bytes=SMALL_BYTES) as running:
            waiting = [running.connect() for _ in range(2)]
            for connection in waiting:
                connection.sendall(half)
            response = _eventually_refused(running, half)
            assert (503, "1") == (response.status, response.headers["retry-after"])
            for connection in waiting:
                connection.sendall(zipped[-1:])
                assert 400 == receive(connection).status  # zeros are no protobuf
                connection.close()
            assert 200 == running.post(b"").status


def _half_close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def _status_in(stream: BinaryIO) -> int:
    """Of the next response, which has no body."""
    status = int(stream.readline().split()[1])
    while stream.readline() != b"\r\n":
        pass
    return status


def _eventually_refused(running: Collector, half: bytes):  # type: ignore[no-untyped-def]
    """The answer to one more of these, once the others have been read."""
    for _ in range(100):
        with running.connect() as connection:
            connection.sendall(half)
            connection.settimeout(0.2)
            try:
                return receive(connection)
            except TimeoutError:
                continue
    raise AssertionError("Never refused.")


def _is_served(running: Collector) -> bool:
    try:
        return running.post(b"").status == 200
    except ConnectionError:
        return False


class TestTime:
    @pytest.mark.parametrize("start", [b"", b"P", b"POST /v1/traces HTTP/1.1\r\nhost: local"])
    def test_a_head_that_never_ends_is_not_waited_for(
        self, impatient: Collector, start: bytes
    ) -> None:
        with impatient.connect() as connection:
            connection.sendall(start)
            assert is_hung_up_on(connection)

    def test_a_head_in_drips_is_not_waited_for(self, impatient: Collector) -> None:
        with impatient.connect() as connection, pytest.raises(ConnectionError):
            for byte in request(b"", {"x-filler": "y" * 10_000}):
                connection.sendall(bytes((byte,)))
                time.sleep(0.02)

    def test_a_body_that_never_ends_is_503_so_that_the_client_keeps_its_spans(
        self, impatient: Collector
    ) -> None:
        with impatient.connect() as connection:
            headers = {"content-type": PROTOBUF, "content-length": "100"}
            connection.sendall(request(b"\x0a", headers))
            response = receive(connection)
            assert (503, 14, "1") == (
                response.status,
                response.code,
                response.headers["retry-after"],
            )

    def test_whoever_sends_on_behind_an_answer_is_hung_up_on(self, impatient: Collector) -> None:
        with impatient.connect() as connection:
            connection.sendall(CHUNKED.replace(b"localhost", b"evil.example"))
            assert 403 == receive(connection).status
            with pytest.raises(ConnectionError):
                for _ in range(1000):
                    connection.sendall(b"1\r\nx\r\n")
                    time.sleep(0.02)

    def test_connections_are_counted(self, tmp_path: Path) -> None:
        with collector(
            tmp_path / "otel.db", {"flujo_otel.collector.connection:CONNECTIONS": 20}
        ) as running:
            crowd = [running.connect() for _ in range(25)]
            for connection in crowd[20:]:
                with connection:
                    assert 503 == receive(connection).status
            for connection in crowd[:20]:
                with connection:
                    connection.sendall(request(b"", {"content-type": PROTOBUF}))
                    assert 200 == receive(connection).status
            while not _is_served(running):  # once it has seen that they are gone
                time.sleep(0.01)

    @pytest.mark.skipif(sys.platform != "linux", reason="another's limits can be set there alone")
    def test_where_files_are_scarce_connections_are_refused_and_nobody_is_flooded(
        self, tmp_path: Path
    ) -> None:
        with collector(tmp_path / "otel.db") as running:
            import resource

            resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (64, 64))
            waiting = [running.connect() for _ in range(150)]
            for number, connection in enumerate(waiting, start=1):
                body = in_protobuf(numbered(f"{number}", number))
                connection.sendall(request(body, {"content-type": PROTOBUF}))
            statuses = Counter(receive(connection).status for connection in waiting)
            for connection in waiting:
                connection.close()
            assert {200: 32, 503: 118} == statuses
            assert 200 == running.post(in_protobuf(numbered("after", 1000))).status
            running.process.terminate()
            _, errors = running.process.communicate(timeout=TIMEOUT_SECONDS)
            assert 0 == running.process.returncode
            assert errors.splitlines() in (
                [],
                ["flujo-otel: a connection could not be accepted: [Errno 24] Too many open files"],
            )
        assert 33 == len(running.names())

    def test_one_that_stops_while_files_are_scarce_says_nothing_of_it(self, tmp_path: Path) -> None:
        with collector(tmp_path / "otel.db") as running:
            import resource

            assert 200 == running.post(b"").status
            resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (64, 64))
            with locked(running.db) as lock, running.connect() as first:
                body = in_protobuf(numbered("first", 1))
                first.sendall(request(body, {"content-type": PROTOBUF}))
                waiting = [running.connect() for _ in range(100)]
                time.sleep(0.3)
                running.process.terminate()
                time.sleep(1.2)  # asyncio accepts again 1 s after it could not
                lock.execute("ROLLBACK")
                assert 200 == receive(first).status
                for connection in waiting:
                    connection.close()
            _, errors = running.process.communicate(timeout=TIMEOUT_SECONDS)
            refused = (
                "flujo-otel: a connection could not be accepted: [Errno 24] Too many open files"
            )
            assert [refused] == errors.splitlines()

    def test_slow_clients_do_not_keep_others_waiting(self, shared: Collector) -> None:
        slow = [shared.connect() for _ in range(100)]
        for connection in slow:
            connection.sendall(request(b"\x0a", {"content-type": PROTOBUF, "content-length": "9"}))
        assert 200 == shared.post(b"").status
        for connection in slow:
            connection.close()

    def test_a_head_behind_a_request_has_its_time_once_that_is_answered(
        self, tmp_path: Path
    ) -> None:
        body = in_protobuf(numbered("first", 1))
        good = request(body, {"content-type": PROTOBUF})
        given = {
            "flujo_otel.collector.connection:HEAD_SECONDS": 1.0,
            "flujo_otel.collector.connection:LINGER_SECONDS": 60.0,
        }
        with collector(tmp_path / "otel.db", given) as running:
            assert 200 == running.post(b"").status
            with locked(running.db) as lock, running.connect() as connection:
                connection.sendall(good + good[:20])
                time.sleep(2)  # longer than a head has that nobody waits before
                lock.execute("ROLLBACK")
                assert 200 == receive(connection).status
                connection.sendall(good[20:])
                assert 200 == receive(connection).status


class TestForm:
    @pytest.mark.parametrize("ends", [True, False], ids=["and its side is closed", "and no more"])
    def test_thousands_behind_each_other_are_all_answered(
        self, shared: Collector, *, ends: bool
    ) -> None:
        count, first = 3000, 10**7 if ends else 2 * 10**7
        bodies = [in_protobuf(numbered(f"{n}", n)) for n in range(first, first + count)]
        raw = b"".join(request(body, {"content-type": PROTOBUF}) for body in bodies)
        with shared.connect() as connection:
            sender = Thread(
                target=lambda: (connection.sendall(raw), ends and _half_close(connection))
            )
            sender.start()
            with connection.makefile("rb") as stream:
                answers = [_status_in(stream) for _ in range(count)]
                sender.join()
                if ends:
                    assert b"" == stream.read()
        assert [200] * count == answers
        assert {f"{n}" for n in range(first, first + count)} <= set(shared.names())

    def test_requests_behind_each_other_are_answered_in_order(self, shared: Collector) -> None:
        good = request(in_protobuf(numbered("pipelined", 1)), {"content-type": PROTOBUF})
        bad = request(b"\xff", {"content-type": PROTOBUF})
        with shared.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall(good + bad + good + request(b"[]", {"content-type": JSON}))
            statuses = []
            for _ in range(4):
                statuses.append(int(stream.readline().split()[1]))
                length = 0
                while line := stream.readline().strip():
                    if line.startswith(b"content-length: "):
                        length = int(line.split()[1])
                stream.read(length)
        assert [200, 400, 200, 400] == statuses

    def test_a_client_that_has_closed_its_side_gets_its_answer(self, shared: Collector) -> None:
        with shared.connect() as connection:
            body = in_protobuf(numbered("half closed", 2))
            connection.sendall(request(body, {"content-type": PROTOBUF}))
            connection.shutdown(socket.SHUT_WR)
            assert 200 == receive(connection).status
        assert "half closed" in shared.names()

    def test_a_length_of_thousands_of_zeros_is_a_length(self, shared: Collector) -> None:
        headers = {"content-type": PROTOBUF, "content-length": "0" * 5000}
        assert 200 == shared.send(request(b"", headers)).status

    def test_a_body_shorter_than_it_says_is_not_stored(self, shared: Collector) -> None:
        body = in_protobuf(numbered("cut short", 3))
        headers = {"content-type": PROTOBUF, "content-length": str(len(body) + 1)}
        with shared.connect() as connection:
            connection.sendall(request(body, headers))
            connection.shutdown(socket.SHUT_WR)
            assert is_hung_up_on(connection)
        assert "cut short" not in shared.names()

    def test_a_client_that_goes_away_before_its_answer_is_stored_all_the_same(
        self, shared: Collector
    ) -> None:
        with shared.connect() as connection:
            body = in_protobuf(numbered("gone", 4))
            connection.sendall(request(body, {"content-type": PROTOBUF}))
        deadline = time.monotonic() + 60
        while "gone" not in shared.names():
            assert time.monotonic() < deadline

    @pytest.mark.parametrize("connection_header", ["close", "keep-alive"])
    def test_http_1_0_is_answered(self, shared: Collector, connection_header: str) -> None:
        headers = {"content-type": PROTOBUF, "connection": connection_header}
        with shared.connect() as connection:
            connection.sendall(request(b"", headers, version="1.0"))
            assert 200 == receive(connection).status
            assert is_hung_up_on(connection)

    def test_expect_100_continue_is_heeded(self, shared: Collector) -> None:
        body = in_protobuf(numbered("expected", 5))
        head = request(body, {"content-type": PROTOBUF, "expect": "100-continue"})
        with shared.connect() as connection:
            connection.sendall(head[: -len(body)])
            assert b"HTTP/1.1 100 Continue\r\n\r\n" == connection.recv(100)
            connection.sendall(body)
            assert 200 == receive(connection).status
        assert "expected" in shared.names()

    @pytest.mark.parametrize(
        "raw",
        [
            b"nonsense\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"POST /v1/traces HTTP/9.9\r\n\r\n",
            b"POST \xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
            b"POST http://[ HTTP/1.1\r\nhost: localhost\r\n\r\n",
            b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
            request(b"", {"content-type": PROTOBUF, "content-length": "-1"}),
            request(b"", {"content-type": PROTOBUF, "content-length": "nine"}),
            request(b"", {"content-type": PROTOBUF, "content-length": "9" * 40}),
            CHUNKED + b"zz\r\n",
            CHUNKED + b"fffffffffffffffffff\r\n",
        ],
        ids=lambda raw: raw[:24].decode("latin-1").strip(),
    )
    def test_what_is_no_request_is_400(self, shared: Collector, raw: bytes) -> None:
        with shared.connect() as connection:
            connection.sendall(raw)
            assert receive(connection).status in (400, 404, 405, 505)

    @pytest.mark.parametrize(
        "headers",
        [
            {"upgrade": "websocket", "connection": "upgrade"},
            {"upgrade": "h2c", "connection": "upgrade, http2-settings", "http2-settings": ""},
        ],
        ids=["websocket", "h2c"],
    )
    def test_there_is_nothing_to_upgrade_to(
        self, shared: Collector, headers: dict[str, str]
    ) -> None:
        response = shared.send(request(b"", headers, method="GET", path="/healthz"))
        assert 200 == response.status


def _nested(content: bytes, *fields: int) -> bytes:
    for field in fields:
        content = delimited(tag(field, 2), content)
    return content


EMPTY = b"\x0a\x00" * (2 << 20)
SMALL_WORLDS = {
    "resources": EMPTY,
    "scopes": _nested(EMPTY.replace(b"\x0a", b"\x12"), 1),
    "spans": _nested(EMPTY.replace(b"\x0a", b"\x12"), 2, 1),
    "attributes": _nested(EMPTY.replace(b"\x0a", b"\x4a"), 2, 2, 1),
    "values": _nested(EMPTY, 5, 2, 9, 2, 2, 1),
}


@pytest.mark.parametrize("kind", SMALL_WORLDS)
def test_millions_of_empty_messages_cost_bounded_memory(tmp_path: Path, kind: str) -> None:
    zipped = gzip.compress(SMALL_WORLDS[kind], 1)
    with collector(tmp_path / "otel.db") as running:
        before_mib = running.peak_mib()
        headers = {"content-type": PROTOBUF, "content-encoding": "gzip"}
        with running.connect() as connection:
            connection.sendall(request(zipped, headers))
            connection.settimeout(120)
            assert 413 == receive(connection).status
        assert running.peak_mib() - before_mib < 300


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs"])
def test_so_they_do_where_nothing_is_stored(tmp_path: Path, path: str) -> None:
    with collector(tmp_path / "otel.db") as running:
        before_mib = running.peak_mib()
        for content, content_type in ((EMPTY, PROTOBUF), (EMPTY_JSON, JSON)):
            zipped = gzip.compress(content, 1)
            headers = {"content-type": content_type, "content-encoding": "gzip"}
            assert 413 == running.send(request(zipped, headers, path=path)).status
        assert running.peak_mib() - before_mib < 300


@pytest.mark.parametrize("service", ["metrics.v1.Metrics", "logs.v1.Logs"])
def test_so_they_do_over_grpc(tmp_path: Path, service: str) -> None:
    zipped = gzip.compress(EMPTY * 4, 9)
    assert len(zipped) < 20_000
    with (
        collector(tmp_path / "otel.db") as running,
        grpc.insecure_channel(running.grpc_address) as channel,
    ):
        before_mib = running.peak_mib()
        path = f"/opentelemetry.proto.collector.{service}Service/Export"
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(path)(zipped, timeout=120)
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == caught.value.code()
        assert running.peak_mib() - before_mib < 100


EMPTY_JSON = b'{"resourceMetrics":[' + b"{}," * (2 << 20) + b"{}]}"


def test_millions_of_empty_json_values_are_413(shared: Collector) -> None:
    zipped = gzip.compress(b'{"other":[' + b"[]," * (20 << 20) + b"0]}", 1)
    assert 413 == shared.post(zipped, JSON, content_encoding="gzip").status
