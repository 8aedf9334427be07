"""Metrics and logs, which generic SDK set-ups send as well: taken quietly, and counted."""

import json
import socket
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from support.collector import JSON, PROTOBUF, Collector, collector, request
from support.programs import query

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def metrics() -> ExportMetricsServiceRequest:
    """Two points of each kind, of a service `shop`."""
    message = ExportMetricsServiceRequest()
    of = message.resource_metrics.add()
    of.resource.attributes.add(key="service.name").value.string_value = "shop"
    metrics = of.scope_metrics.add().metrics
    for kind in KINDS:
        points = getattr(metrics.add(name=kind), kind).data_points
        points.add()
        points.add()
    metrics.add(name="empty")
    return message


def logs() -> ExportLogsServiceRequest:
    """Three records that do not say whose they are."""
    message = ExportLogsServiceRequest()
    records = message.resource_logs.add().scope_logs.add().log_records
    for _ in range(3):
        records.add()
    return message


METRICS_JSON = {
    "resourceMetrics": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeMetrics": [{"metrics": [{"sum": {"dataPoints": [{}, {}]}}, {"gauge": None}]}],
        }
    ]
}
LOGS_JSON = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}, {}]}]}]}


def send(running: Collector, signal: str, body: bytes, content_type: str = PROTOBUF):
    return running.send(request(body, {"content-type": content_type}, path=f"/v1/{signal}"))


def counted(db: Path) -> list[tuple[str, str, int]]:
    """What the ledger says of them."""
    return query(
        db,
        "SELECT service, reason, SUM(count) FROM ledger WHERE reason LIKE '%_not_stored'"
        " GROUP BY service, reason ORDER BY reason",
    )


@pytest.mark.parametrize(
    ("content_type", "of_metrics", "of_logs", "points"),
    [
        (PROTOBUF, metrics().SerializeToString(), logs().SerializeToString(), 10),
        (JSON, json.dumps(METRICS_JSON).encode(), json.dumps(LOGS_JSON).encode(), 2),
    ],
    ids=["protobuf", "json"],
)
def test_over_http_they_are_answered_as_taken_and_counted_per_service(
    tmp_path: Path, content_type: str, of_metrics: bytes, of_logs: bytes, points: int
) -> None:
    with collector(tmp_path / "otel.db") as running:
        for signal, body in (("metrics", of_metrics), ("logs", of_logs)):
            response = send(running, signal, body, content_type)
            assert 200 == response.status
            assert (b"" if content_type == PROTOBUF else b"{}") == response.body
        counts = running.stop()["counts"]
    assert (points, 3) == (counts["metrics_not_stored"], counts["logs_not_stored"])
    assert [
        ("", "logs_not_stored", 3),
        ("shop", "metrics_not_stored", points),
    ] == counted(running.db)


def test_over_grpc_they_are_answered_as_taken_and_counted_per_service(tmp_path: Path) -> None:
    with collector(tmp_path / "otel.db") as running:
        with grpc.insecure_channel(running.grpc_address) as channel:
            for service, message in (("metrics.v1.Metrics", metrics()), ("logs.v1.Logs", logs())):
                path = f"/opentelemetry.proto.collector.{service}Service/Export"
                assert b"" == channel.unary_unary(path)(message.SerializeToString(), timeout=60)
        running.stop()
    assert [("", "logs_not_stored", 3), ("shop", "metrics_not_stored", 10)] == counted(running.db)


@pytest.mark.parametrize("signal", ["metrics", "logs"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff", PROTOBUF),
        (b"[", JSON),
        (b"[]", JSON),
        (b'{"resourceLogs": {}, "resourceMetrics": 1}', JSON),
        (b'{"resourceLogs": [1], "resourceMetrics": [1]}', JSON),
        (b"[" * 10**6, JSON),
    ],
)
def test_what_cannot_be_decoded_is_400(
    shared: Collector, signal: str, body: bytes, content_type: str
) -> None:
    response = send(shared, signal, body, content_type)
    assert (400, 3) == (response.status, response.code)


@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_an_empty_request_succeeds(shared: Collector, signal: str) -> None:
    assert (200, b"") == ((answer := send(shared, signal, b"")).status, answer.body)


def send_both(running: Collector) -> None:
    for signal, message in (("metrics", metrics()), ("logs", logs())):
        assert 200 == send(running, signal, message.SerializeToString()).status


BOTH = [("", "logs_not_stored", 3), ("shop", "metrics_not_stored", 10)]


@pytest.mark.parametrize("by", ["http", "grpc"])
def test_a_destination_that_takes_them_gets_them_as_they_came(tmp_path: Path, by: str) -> None:
    with collector(tmp_path / "behind.db") as behind:
        url = behind.ready[by] if by == "http" else f"grpc://{behind.grpc_address}"
        with collector(tmp_path / "otel.db", forward=[url]) as running:
            send_both(running)
            counts = running.stop()["counts"]
            assert (0, 0) == (counts["metrics_not_stored"], counts["logs_not_stored"])
        behind.stop()
    assert [] == counted(running.db)
    assert BOTH == counted(behind.db)


def test_what_came_in_json_goes_on_over_http(tmp_path: Path) -> None:
    with (
        collector(tmp_path / "behind.db") as behind,
        collector(tmp_path / "otel.db", forward=[behind.ready["http"]]) as running,
    ):
        assert 200 == send(running, "logs", json.dumps(LOGS_JSON).encode(), JSON).status
        running.stop()
        behind.stop()
    assert [] == counted(running.db)
    assert [("", "logs_not_stored", 3)] == counted(behind.db)


def test_a_destination_with_a_filter_gets_none(tmp_path: Path) -> None:
    with collector(tmp_path / "behind.db") as behind:
        (tmp_path / "flujo.toml").write_text(
            f'[forward.some]\nendpoint = "{behind.ready["http"]}"\nfilter.services = ["other"]\n'
        )
        with collector(tmp_path / "otel.db", forward=["some"]) as running:
            send_both(running)
            running.stop()
        behind.stop()
    assert BOTH == counted(running.db)
    assert [] == counted(behind.db)


def test_what_no_destination_takes_is_counted(tmp_path: Path) -> None:
    with (
        collector(tmp_path / "behind.db", token="s3cret") as behind,
        collector(tmp_path / "otel.db", forward=[behind.ready["http"]]) as running,
    ):
        for _ in range(2):
            assert 200 == send(running, "logs", logs().SerializeToString()).status
        assert 6 == running.stop()["counts"]["logs_not_stored"]


def test_what_waits_for_a_destination_at_the_end_is_counted(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with collector(tmp_path / "otel.db", forward=[url]) as running:
            send_both(running)
            send_both(running)
            counts = running.stop()["counts"]
    assert (20, 6) == (counts["metrics_not_stored"], counts["logs_not_stored"])
    assert [("", "logs_not_stored", 6), ("shop", "metrics_not_stored", 20)] == counted(running.db)
