"""Who may speak to the collector."""

import json
import socket
from collections.abc import Iterator

import grpc
import pytest

from support.collector import JSON, Collector, Response, collector, request

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
ROUTES = ["/v1/traces", "/v1/metrics", "/v1/logs", "/healthz", "/"]
TOKEN = "s3cret-token"


def get(running: Collector, path: str = "/healthz", **headers: str) -> Response:
    return running.send(request(b"", headers, method="GET", path=path))


class TestHost:
    @pytest.mark.parametrize(
        "host",
        ["localhost", "LOCALHOST:4318", "127.0.0.1:1", "[::1]:4318", "[::1]", "app.localhost"],
    )
    def test_this_machine_is_answered_with_and_without_a_port(
        self, shared: Collector, host: str
    ) -> None:
        assert 200 == get(shared, host=host).status

    def test_an_address_is_answered_since_no_name_can_be_bent_to_it(
        self, shared: Collector
    ) -> None:
        assert 200 == get(shared, host="192.168.1.5:4318").status

    @pytest.mark.parametrize("path", ROUTES)
    @pytest.mark.parametrize(
        "host",
        [
            "",
            "evil.example",
            "evil.example:4318",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[::1].evil.example",
            "localhost:4318@evil.example",
            "evil.example#localhost",
        ],
    )
    def test_another_name_is_403_on_every_route(
        self, shared: Collector, path: str, host: str
    ) -> None:
        response = shared.send(request(b"{}", {"content-type": JSON, "host": host}, path=path))
        assert (403, 7) == (response.status, response.code)

    def test_a_second_host_header_is_403(self, shared: Collector) -> None:
        assert 403 == get(shared, Host="localhost").status


class TestOrigin:
    @pytest.mark.parametrize(
        "origin",
        ["http://localhost:3000", "https://app.localhost", "http://127.0.0.1", "http://[::1]:8080"],
    )
    def test_a_page_of_this_machine_may_send(self, shared: Collector, origin: str) -> None:
        response = shared.post(b"{}", JSON, origin=origin)
        assert (200, origin) == (response.status, response.headers["access-control-allow-origin"])
        assert "Origin" == response.headers["vary"]

    @pytest.mark.parametrize("path", ROUTES)
    @pytest.mark.parametrize(
        "origin",
        [
            "",
            "null",
            "file://",
            "https://evil.example",
            "https://localhost.evil.example",
            "http://localhost/@evil",
            "http://192.168.1.5",
            "chrome-extension://localhost",
        ],
    )
    def test_a_page_of_another_is_403_on_every_route(
        self, shared: Collector, path: str, origin: str
    ) -> None:
        headers = {"content-type": JSON, "origin": origin}
        response = shared.send(request(b"{}", headers, path=path))
        assert (403, 7) == (response.status, response.code)
        assert "access-control-allow-origin" not in response.headers

    def test_a_page_of_this_machine_may_ask_first(self, shared: Collector) -> None:
        asked = request(b"", {"origin": "http://localhost:3000"}, method="OPTIONS")
        response = shared.send(asked)
        assert 204 == response.status
        assert "POST" == response.headers["access-control-allow-methods"]
        assert "content-type" in response.headers["access-control-allow-headers"]

    def test_no_answer_is_for_every_origin(self, shared: Collector) -> None:
        for response in (get(shared), shared.post(b"{}", JSON, origin="http://localhost")):
            assert "*" not in response.headers.values()


class TestToken:
    @pytest.fixture(scope="module")
    @staticmethod
    def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
        with collector(tmp_path_factory.mktemp("guarded") / "otel.db", token=TOKEN) as running:
            yield running

    @pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
    def test_with_it_all_is_well(self, guarded: Collector, given: str) -> None:
        assert 200 == guarded.post(b"{}", JSON, authorization=given).status
        assert b"" == _export(guarded, ("authorization", given.strip()))

    @pytest.mark.parametrize(
        "given",
        [
            None,
            "",
            TOKEN,
            "Bearer",
            f"Basic {TOKEN}",
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            "Bearer caf\u00e9",
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs", "/", "/nowhere"])
    def test_without_it_nothing_is_to_be_had(
        self, guarded: Collector, given: str | None, path: str
    ) -> None:
        headers = {} if given is None else {"authorization": given}
        response = guarded.send(request(b"{}", {"content-type": JSON, **headers}, path=path))
        assert (401, 16) == (response.status, response.code)
        assert "Bearer" == response.headers["www-authenticate"]
        assert [] == guarded.names()

    @pytest.mark.parametrize("given", [None, "Bearer wrong", TOKEN])
    def test_grpc_asks_for_it_too(self, guarded: Collector, given: str | None) -> None:
        metadata = [] if given is None else [("authorization", given)]
        with pytest.raises(grpc.RpcError) as caught:
            _export(guarded, *metadata)
        assert grpc.StatusCode.UNAUTHENTICATED == caught.value.code()

    def test_healthz_tells_a_stranger_only_that_it_lives(self, guarded: Collector) -> None:
        assert {"product", "version", "state"} == set(json.loads(get(guarded).body))
        told = json.loads(get(guarded, authorization=f"Bearer {TOKEN}").body)
        assert str(guarded.db) == told["database"]


class TestOtherAddresses:
    def test_beyond_loopback_a_token_is_made_and_asked_for(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        db = tmp_path_factory.mktemp("open") / "otel.db"
        with collector(db, host="0.0.0.0") as running:
            token = running.ready["token"]
            assert len(token) >= 32
            assert 401 == running.post(b"{}", JSON).status
            assert 200 == running.post(b"{}", JSON, authorization=f"Bearer {token}").status

    def test_a_further_name_must_be_allowed(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        db = tmp_path_factory.mktemp("named") / "otel.db"
        with collector(db, allowed_hosts=["traces.example"]) as running:
            assert 200 == get(running, host="traces.example:4318").status
            assert 200 == running.post(b"{}", JSON, origin="https://traces.example").status
            assert 403 == get(running, host="other.example").status

    def test_loopback_asks_for_none(self, shared: Collector) -> None:
        assert shared.ready["token"] is None

    def test_ipv6_is_served(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        db = tmp_path_factory.mktemp("six") / "otel.db"
        with collector(db, host="::1") as running:
            assert running.ready["http"].startswith("http://[::1]:")
            with socket.create_connection(("::1", running.http_port), timeout=10) as connection:
                connection.sendall(request(b"", {}, method="GET", path="/healthz"))
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
            assert b"" == _export(running)


def _export(running: Collector, *metadata: tuple[str, str]) -> bytes:
    with grpc.insecure_channel(running.grpc_address) as channel:
        answer: bytes = channel.unary_unary(TRACES)(b"", metadata=metadata, timeout=60)
        return answer
