"""However the collector ends, nothing is missing of what it has acknowledged."""

import gzip
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.collector import (
    JSON,
    PROTOBUF,
    Collector,
    collector,
    in_json,
    in_protobuf,
    locked,
    numbered,
    receive,
    refused_start,
    request,
)
from support.programs import TIMEOUT_SECONDS, is_sound

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CLIENTS = 4


class Client(threading.Thread):
    """Sends span after span over one connection, until it is told that one was not taken."""

    def __init__(self, number: int, send: Callable[[bytes], bool]) -> None:
        super().__init__()
        self.acknowledged: list[str] = []
        self.error: BaseException | None = None
        self._first = number * 10**6
        self._send = send

    def run(self) -> None:
        try:
            for number in range(self._first + 1, self._first + 10**6):
                if not self._send(in_protobuf(numbered(f"{number:08}", number))):
                    return
                self.acknowledged.append(f"{number:08}")
        except BaseException as error:
            self.error = error


def over_http(running: Collector) -> Callable[[bytes], bool]:
    connection = running.connect()

    def send(body: bytes) -> bool:
        try:
            connection.sendall(request(body, {"content-type": PROTOBUF}))
            response = receive(connection)
        except ConnectionError:  # hung up on, before or after it was sent
            connection.close()
            return False
        if response.status != 200:
            connection.close()
            assert (503, 14) == (response.status, response.code)
        return response.status == 200

    return send


def over_grpc(running: Collector) -> Callable[[bytes], bool]:
    channel = grpc.insecure_channel(running.grpc_address, [("grpc.enable_retries", 0)])
    export = channel.unary_unary(TRACES)

    def send(body: bytes) -> bool:
        try:
            export(body, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            channel.close()
            assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
            return False
        return True

    return send


TRANSPORTS = pytest.mark.parametrize("transport", [over_http, over_grpc])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Collector]:
    with collector(tmp_path / "otel.db") as running:
        yield running


def under_load(running: Collector, transport: Any, end: Callable[[], object]) -> set[str]:
    """Clients send, the end comes; what they were acknowledged."""
    clients = [Client(number, transport(running)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    while any(len(client.acknowledged) < 20 for client in clients):
        assert all(client.error is None for client in clients)
    end()
    for client in clients:
        client.join(TIMEOUT_SECONDS)
        assert not client.is_alive()
        assert client.error is None
    return {name for client in clients for name in client.acknowledged}


@TRANSPORTS
def test_sigkill_under_load_costs_nothing_that_was_acknowledged(
    running: Collector, transport: Any
) -> None:
    acknowledged = under_load(running, transport, running.process.kill)
    running.process.wait(TIMEOUT_SECONDS)
    assert len(acknowledged) >= 20 * CLIENTS
    assert acknowledged <= set(running.names())
    assert is_sound(running.db)


@TRANSPORTS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_under_load_it_ends_well_and_clients_hear_what_was_not_taken(
    running: Collector, transport: Any, number: int
) -> None:
    acknowledged = under_load(running, transport, lambda: running.process.send_signal(number))
    assert running.end()["stopped"]
    assert acknowledged <= set(running.names())


def test_a_request_that_is_half_there_at_the_stop_is_503(running: Collector) -> None:
    with running.connect() as connection:
        headers = {"content-type": PROTOBUF, "content-length": "100"}
        connection.sendall(request(b"\x0a", headers))
        assert 200 == running.post(b"").status  # so the server has seen the other's head, too
        running.process.terminate()
        response = receive(connection)
    assert (503, 14) == (response.status, response.code)
    assert running.end()["stopped"]


def test_a_large_request_is_told_of_the_stop_at_once(tmp_path: Path) -> None:
    constants = {
        "flujo_otel.collector.commit:PATIENCE_SECONDS": TIMEOUT_SECONDS,
        "flujo_otel.collector.reception:_PART_SECONDS": TIMEOUT_SECONDS,
        "support.collector_process:STOP_SECONDS": TIMEOUT_SECONDS / 2,
    }
    body = b"".join(in_protobuf(numbered("x" * 1000, number)) for number in range(1, 2000))
    with collector(tmp_path / "otel.db", constants) as running:
        assert 200 == running.post(in_protobuf(numbered("first", 1))).status
        with locked(running.db) as lock, running.connect() as connection:
            connection.sendall(request(body, {"content-type": PROTOBUF}))
            assert 200 == running.post(b"").status
            running.process.terminate()
            while _is_listening(running.http_port):
                time.sleep(0.01)
            lock.execute("ROLLBACK")
            assert 503 == receive(connection).status
        assert running.end()["stopped"]  # which would have waited no longer than for half of that


def test_a_stop_does_not_wait_for_a_request_that_is_still_decoded(tmp_path: Path) -> None:
    body = in_json(*(numbered("x" * 20, number) for number in range(1, 150_000)))
    with (
        collector(tmp_path / "otel.db", {"support.collector_process:STOP_SECONDS": 0.2}) as running,
        running.connect() as connection,
    ):
        headers = {"content-type": JSON, "content-encoding": "gzip"}
        connection.sendall(request(gzip.compress(body, 1), headers))
        time.sleep(0.5)  # it is decoded by then, which takes a few seconds
        running.process.terminate()
        response = receive(connection)
        assert (503, 14) == (response.status, response.code)
        assert running.end()["stopped"]
    assert [] == running.names()


def test_a_stop_does_not_wait_for_clients_that_read_no_answers(tmp_path: Path) -> None:
    given = {"support.collector_process:STOP_SECONDS": TIMEOUT_SECONDS - 10}
    with collector(tmp_path / "otel.db", given) as running, running.connect() as connection:
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                connection.sendall(request(b"", {}, method="GET", path="/") * 200)
        began = time.monotonic()
        assert running.stop()["stopped"]
        assert time.monotonic() - began < TIMEOUT_SECONDS - 20


def test_a_request_that_waits_for_the_database_at_the_stop_is_written_once_it_can_be(
    tmp_path: Path,
) -> None:
    tried_for = {"flujo_otel.server.lifecycle:_BUSY_SECONDS": 0.02}
    with collector(tmp_path / "otel.db", tried_for) as running:
        assert 200 == running.post(in_protobuf(numbered("first", 1))).status
        with locked(running.db) as lock, running.connect() as connection:
            body = in_protobuf(numbered("last", 2))
            connection.sendall(request(body, {"content-type": PROTOBUF}))
            assert 200 == running.post(b"").status
            running.process.terminate()
            time.sleep(0.5)  # it has tried several times since
            lock.execute("ROLLBACK")
            assert 200 == receive(connection).status
        assert running.end()["stopped"]
        assert ["first", "last"] == running.names()


def test_a_stop_waits_for_a_locked_database_with_a_bound_and_says_what_is_not_stored(
    tmp_path: Path,
) -> None:
    with collector(
        tmp_path / "otel.db", {"support.collector_process:STOP_SECONDS": 1.0}
    ) as running:
        assert 200 == running.post(in_protobuf(numbered("first", 1))).status
        with locked(running.db), running.connect() as connection:
            body = in_protobuf(numbered("last", 2))
            connection.sendall(request(body, {"content-type": PROTOBUF}))
            assert 200 == running.post(b"").status
            running.process.terminate()
            response = receive(connection)
            assert (503, 14) == (response.status, response.code)
            assert not running.end()["stopped"]
        assert ["first"] == running.names()


def test_a_second_signal_ends_it_at_once(running: Collector) -> None:
    assert 200 == running.post(in_protobuf(numbered("first", 1))).status
    with locked(running.db), running.connect() as connection:
        connection.sendall(request(in_protobuf(numbered("lost", 2)), {"content-type": PROTOBUF}))
        assert 200 == running.post(b"").status
        running.process.terminate()
        # The port closes once the stop is under way.
        while _is_listening(running.http_port):
            pass
        running.process.terminate()
        assert -signal.SIGTERM == running.process.wait(TIMEOUT_SECONDS)
    assert ["first"] == running.names()


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    for number, name in enumerate(["one", "two"], start=1):
        with collector(tmp_path / "otel.db") as running:
            assert 200 == running.post(in_protobuf(numbered(name, number))).status
            assert 1 == running.stop()["counts"]["stored"]
    assert ["one", "two"] == running.names()


class TestPorts:
    @pytest.mark.parametrize("kind", ["http", "grpc"])
    def test_a_port_of_a_stranger_is_refused(self, tmp_path: Path, kind: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1]
            said = refused_start(tmp_path / "otel.db", **{f"{kind}_port": port})
        assert "PortTaken" == said["error"]
        assert f"Port {port} of 127.0.0.1 is taken by another program" in said["message"]
        assert f"--{kind}-port" in said["message"]

    def test_a_stranger_that_listens_and_says_nothing_is_not_waited_for(
        self, tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            said = refused_start(tmp_path / "otel.db", http_port=stranger.getsockname()[1])
        assert "PortTaken" == said["error"]

    def test_our_own_server_on_the_same_database_is_named(
        self, running: Collector, tmp_path: Path
    ) -> None:
        message = refused_start(tmp_path / "otel.db", http_port=running.http_port)["message"]
        assert f"another lens serve (process {running.process.pid})" in message
        assert "on this same database" in message

    def test_our_own_server_on_another_database_is_named(
        self, running: Collector, tmp_path: Path
    ) -> None:
        message = refused_start(tmp_path / "other.db", http_port=running.http_port)["message"]
        assert f"on another database, {running.db}" in message
        assert not (tmp_path / "other.db").exists()

    def test_two_servers_do_not_share_a_grpc_port(self, running: Collector, tmp_path: Path) -> None:
        port = int(running.grpc_address.rpartition(":")[2])
        assert "PortTaken" == refused_start(tmp_path / "other.db", grpc_port=port)["error"]

    def test_a_port_is_free_again_after_the_end(self, tmp_path: Path) -> None:
        with collector(tmp_path / "otel.db") as first:
            assert 200 == first.post(b"{}", JSON).status
            ports = {
                "http_port": first.http_port,
                "grpc_port": int(first.grpc_address.rpartition(":")[2]),
            }
        with collector(tmp_path / "otel.db", **ports) as second:
            assert ports["http_port"] == second.http_port

    def test_a_host_that_is_none_of_this_machines_is_refused(self, tmp_path: Path) -> None:
        said = refused_start(tmp_path / "otel.db", host="192.0.2.1")
        assert "SettingsError" == said["error"]
        assert "Cannot listen on 192.0.2.1" in said["message"]
