"""OTLP/HTTP, rule by rule, over a real socket in raw bytes."""

import gzip
import json
import select
import socket
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from support.collector import (
    JSON,
    PROTOBUF,
    SMALL_BYTES,
    Collector,
    SpanSpec,
    collector,
    in_json,
    in_protobuf,
    locked,
    numbered,
    receive,
    request,
)

ENCODINGS = pytest.mark.parametrize(
    ("content_type", "encode", "empty", "garbage"),
    [(PROTOBUF, in_protobuf, b"", b"\xff\xff"), (JSON, in_json, b"{}", b'{"resourceSpans": 1}')],
    ids=["protobuf", "json"],
)
NO_TRACE = SpanSpec("bad", trace_id=bytes(16))
SHORT_ID = SpanSpec("bad", span_id=b"short")


def statuses(connection: socket.socket, count: int) -> list[int]:
    """Of so many responses, which may come in one piece."""
    came = b""
    while came.count(b"HTTP/1.1 ") < count:
        piece = connection.recv(1 << 16)
        assert piece, came
        came += piece
    return [int(each[:3]) for each in came.split(b"HTTP/1.1 ")[1:]]


class TestSuccess:
    @ENCODINGS
    def test_an_empty_request_succeeds(
        self, shared: Collector, content_type: str, encode: object, empty: bytes, garbage: bytes
    ) -> None:
        response = shared.post(empty, content_type)
        assert (200, content_type) == (response.status, response.headers["content-type"])

    @ENCODINGS
    def test_on_full_success_partial_success_is_unset(
        self, shared: Collector, content_type: str, encode, empty: bytes, garbage: bytes
    ) -> None:
        response = shared.post(encode(SpanSpec(f"full {content_type}")), content_type)
        assert (200, empty) == (response.status, response.body)

    def test_a_text_that_is_no_utf_8_costs_no_span(self, shared: Collector) -> None:
        body = in_protobuf(numbered("cut_", 90), numbered("whole", 91))
        response = shared.post(body.replace(b"cut_", b"cut\xe2"))
        said = ExportTraceServiceResponse.FromString(response.body).partial_success
        assert (200, 0) == (response.status, said.rejected_spans)
        assert said.error_message.startswith("Texts that are not UTF-8: 1.")
        assert {"cut\\xe2", "whole"} <= set(shared.names())

    def test_of_a_large_request_every_such_text_is_told(self, shared: Collector) -> None:
        """It is taken in parts."""
        long = "x" * 800_000
        body = in_protobuf(numbered(f"cut_{long}", 92), numbered(f"cut_{long}", 93))
        response = shared.post(body.replace(b"cut_", b"cut\xe2"))
        said = ExportTraceServiceResponse.FromString(response.body).partial_success
        assert said.error_message.startswith("Texts that are not UTF-8: 2.")

    def test_the_answer_comes_after_the_commit(self, shared: Collector) -> None:
        for number in range(1, 30):
            assert 200 == shared.post(in_protobuf(numbered(f"at once {number}", number))).status
            assert f"at once {number}" in shared.names()

    @pytest.mark.parametrize("pieces", [1, 2, 1000])
    @pytest.mark.parametrize("protocol", ["h2c", "websocket"])
    def test_a_request_that_offers_another_protocol_is_taken_whole(
        self, shared: Collector, protocol: str, pieces: int
    ) -> None:
        """Java's HttpClient and `curl --http2` offer it; the body was taken for an empty one."""
        names = [f"{protocol} {pieces} {n}" for n in range(2)]
        offer = {"content-type": PROTOBUF, "connection": "Upgrade", "upgrade": protocol}
        bodies = [in_protobuf(numbered(name, 500 + n)) for n, name in enumerate(names)]
        raw = b"".join(request(body, offer) for body in bodies)
        size = -(-len(raw) // pieces)
        with shared.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(raw), size):
                connection.sendall(raw[start : start + size])
            assert [200, 200] == statuses(connection, 2)
        assert set(names) <= set(shared.names())

    def test_many_such_requests_at_once_are_answered(self, shared: Collector) -> None:
        offer = {"content-type": PROTOBUF, "connection": "Upgrade", "upgrade": "h2c"}
        with shared.connect() as connection:
            connection.sendall(request(b"", offer) * 1500)
            assert [200] * 1500 == statuses(connection, 1500)

    @pytest.mark.parametrize("parts", [1, 3])
    def test_gzip_of_any_number_of_members_is_unpacked(self, shared: Collector, parts: int) -> None:
        body = in_protobuf(numbered(f"gzip {parts}", 100 + parts))
        cut = [body[n * len(body) // parts : (n + 1) * len(body) // parts] for n in range(parts)]
        zipped = b"".join(map(gzip.compress, cut))
        assert 200 == shared.post(zipped, content_encoding="gzip").status
        assert f"gzip {parts}" in shared.names()

    @pytest.mark.parametrize("encoding", ["identity", "", "GZIP", "x-gzip"])
    def test_compressions_are_known_by_all_their_names(
        self, shared: Collector, encoding: str
    ) -> None:
        body = gzip.compress(b"") if "zip" in encoding.lower() else b""
        assert 200 == shared.post(body, content_encoding=encoding).status

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json; charset=utf-8",
            "Application/JSON;charset=UTF-8",
            "application/json ;q=1",
        ],
    )
    def test_a_content_type_may_have_parameters(self, shared: Collector, content_type: str) -> None:
        response = shared.post(b"{}", content_type)
        assert (200, JSON) == (response.status, response.headers["content-type"])

    def test_a_body_may_come_in_chunks(self, shared: Collector) -> None:
        body = in_protobuf(numbered("in chunks", 110))
        head = request(b"", {"content-type": PROTOBUF, "transfer-encoding": "chunked"})
        head = head.replace(b"content-length: 0\r\n", b"")
        chunks = b"".join(b"1\r\n" + bytes((byte,)) + b"\r\n" for byte in body)
        assert 200 == shared.send(head + chunks + b"0\r\n\r\n").status
        assert "in chunks" in shared.names()

    def test_what_is_sent_twice_is_stored_once(self, shared: Collector) -> None:
        body = in_protobuf(numbered("twice", 120))
        assert [200, 200] == [shared.post(body).status, shared.post(body).status]
        assert 1 == shared.names().count("twice")


class TestPartialSuccess:
    @pytest.mark.parametrize("bad", [NO_TRACE, SHORT_ID], ids=["zeros", "short"])
    def test_one_bad_span_costs_no_other(self, shared: Collector, bad: SpanSpec) -> None:
        name = f"beside {bad.span_id.hex()}"
        response = shared.post(in_protobuf(bad, numbered(name, 200 + len(bad.span_id))))
        partial = ExportTraceServiceResponse.FromString(response.body).partial_success
        assert (200, 1) == (response.status, partial.rejected_spans)
        assert "Rejected 1 span" in partial.error_message
        assert name in shared.names()
        assert "bad" not in shared.names()

    def test_in_json_the_count_is_a_string(self, shared: Collector) -> None:
        response = shared.post(in_json(NO_TRACE, NO_TRACE), JSON)
        partial = json.loads(response.body)["partialSuccess"]
        assert (200, "2") == (response.status, partial["rejectedSpans"])
        assert "Rejected 2 spans" in partial["errorMessage"]


class TestRefusals:
    @ENCODINGS
    def test_what_cannot_be_decoded_is_400_with_a_status_in_the_requests_encoding(
        self, shared: Collector, content_type: str, encode, empty: bytes, garbage: bytes
    ) -> None:
        response = shared.post(garbage, content_type)
        assert (400, content_type) == (response.status, response.headers["content-type"])
        assert 3 == response.code

    @pytest.mark.parametrize(
        "zipped",
        [b"", b"no gzip", gzip.compress(b"x" * 99)[:-4], gzip.compress(b"") + b"tail"],
        ids=["nothing", "other", "broken off", "followed"],
    )
    def test_a_broken_gzip_stream_is_400(self, shared: Collector, zipped: bytes) -> None:
        response = shared.post(zipped, content_encoding="gzip")
        assert (400, 3) == (response.status, response.code)

    @pytest.mark.parametrize("content_type", ["text/plain", "application/protobuf", "", "*/*"])
    def test_another_content_type_is_415(self, shared: Collector, content_type: str) -> None:
        assert 415 == shared.post(b"", content_type).status

    def test_no_content_type_is_415(self, shared: Collector) -> None:
        assert 415 == shared.send(request(b"", {})).status

    @pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip"])
    def test_another_compression_is_415(self, shared: Collector, encoding: str) -> None:
        response = shared.post(b"", content_encoding=encoding)
        assert (415, "gzip, identity") == (response.status, response.headers["accept-encoding"])

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    def test_another_method_is_405(self, shared: Collector, method: str) -> None:
        response = shared.send(request(b"", {"content-type": PROTOBUF}, method=method))
        assert (405, "POST") == (response.status, response.headers["allow"])

    @pytest.mark.parametrize("path", ["/", "/v1/trace", "/v1/traces/", "/v1development/profiles"])
    def test_another_path_is_404(self, shared: Collector, path: str) -> None:
        response = shared.send(request(b"", {"content-type": JSON}, path=path))
        assert (404, 5) == (response.status, response.code)

    def test_a_refused_request_leaves_the_connection_fit_for_the_next(
        self, shared: Collector
    ) -> None:
        with shared.connect() as connection:
            connection.sendall(request(b"\xff\xff", {"content-type": PROTOBUF}))
            assert 400 == receive(connection).status
            connection.sendall(request(b"", {"content-type": PROTOBUF}))
            assert 200 == receive(connection).status


class TestSize:
    @pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
    @pytest.mark.parametrize(("size", "status"), [(SMALL_BYTES, 200), (SMALL_BYTES + 1, 413)])
    def test_it_is_limited_after_decompression(
        self, small: Collector, size: int, status: int, zipped: bool
    ) -> None:
        body = _of_size(size)
        headers = {"content_encoding": "gzip"} if zipped else {}
        assert status == small.post(gzip.compress(body) if zipped else body, **headers).status

    def test_too_large_is_413_with_a_status(self, small: Collector) -> None:
        response = small.post(_of_size(SMALL_BYTES + 1))
        assert (413, 8) == (response.status, response.code)
        assert "retry-after" not in response.headers

    def test_a_length_that_is_too_large_is_refused_before_the_body_comes(
        self, small: Collector
    ) -> None:
        headers = {
            "content-type": PROTOBUF,
            "content-length": str(10**12),
            "expect": "100-continue",
        }
        assert 413 == small.send(request(b"", headers)).status

    def test_a_compressed_length_over_the_limit_is_not_held_against_a_request(
        self, small: Collector
    ) -> None:
        stored = gzip.compress(_of_size(SMALL_BYTES), compresslevel=0)
        assert len(stored) > SMALL_BYTES
        assert 200 == small.post(stored, content_encoding="gzip").status

    def test_its_default_is_64_mib(self, shared: Collector) -> None:
        assert (
            200 == shared.post(gzip.compress(_of_size(64 << 20), 1), content_encoding="gzip").status
        )
        zipped = gzip.compress(_of_size((64 << 20) + 1), 1)
        assert 413 == shared.post(zipped, content_encoding="gzip").status


class TestOverload:
    def test_what_memory_does_not_hold_is_503_with_retry_after(self, tmp_path: Path) -> None:
        with (
            collector(tmp_path / "otel.db", queue_bytes=1024) as running,
            locked(running.db) as lock,
        ):
            clients = [running.connect() for _ in range(3)]
            for number, client in enumerate(clients):
                body = in_protobuf(numbered(f"client {number}", number + 1))
                client.sendall(request(body, {"content-type": PROTOBUF}))
            refused = []
            while len(refused) < 2:  # one is let in, and waits
                for client in select.select(clients, [], [])[0]:
                    clients.remove(client)
                    refused.append(receive(client))
                    client.close()
            for response in refused:
                assert (503, 14) == (response.status, response.code)
                assert int(response.headers["retry-after"]) >= 1
            lock.execute("ROLLBACK")
            assert 200 == receive(clients[0]).status
            clients[0].close()
            assert 1 == len(running.names())


def _of_size(size: int) -> bytes:
    """A valid request of so many bytes: an unknown field, which is skipped."""
    from flujo_otel.wire.protobuf import delimited, tag

    key = tag(1000, 2)
    content = size - len(key)
    while len(body := delimited(key, bytes(content))) > size:
        content -= 1
    assert len(body) == size
    return body
