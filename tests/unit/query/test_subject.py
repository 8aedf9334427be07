"""What tells a span from others of its name, and how it was answered."""

from typing import Any

import pytest

from flujo_otel.query.failure import failure_of
from flujo_otel.query.subject import answer_of, called_of, model_of
from unit.cli.scenes import a_span


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        ("GET", {"http.request.method": "GET", "url.full": "http://a/b"}, ["http://a/b"]),
        ("GET", {"http.method": "GET", "http.url": "http://a/b"}, ["http://a/b"]),
        ("request", {"http.method": "PUT", "http.route": "/b/{id}"}, ["PUT /b/{id}"]),
        ("GET /b", {"http.request.method": "GET", "http.route": "/b"}, []),
        ("GET /b", {"http.route": "/b", "http.target": "/b?id=5"}, ["/b?id=5"]),
        ("query", {"db.system": "sqlite", "db.statement": "SELECT\n 1"}, ["sqlite SELECT 1"]),
        ("query", {"db.system.name": "mysql", "db.query.text": "SELECT 1"}, ["mysql SELECT 1"]),
        ("HGET", {"db.system": "redis", "db.operation": "HGET"}, ["redis"]),
        ("call", {"rpc.service": "Shop", "rpc.method": "Buy"}, ["Shop Buy"]),
        ("Shop/Buy", {"rpc.service": "Shop", "rpc.method": "Buy"}, []),
        (
            "send",
            {"messaging.system": "kafka", "messaging.destination.name": "orders"},
            ["kafka orders"],
        ),
        ("chat", {"gen_ai.request.model": "gpt-4o"}, ["gpt-4o"]),
        ("chat gpt-4o", {"gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "x"}, []),
        ("ChatCompletion", {"llm.model_name": "gpt-4o"}, ["gpt-4o"]),
        ("work", {"answer": 42, "url.full": ""}, []),
        ("GET /users", {"url.full": "", "http.url": None, "url.path": "/"}, ["/"]),
        ("budget report", {"http.request.method": "get"}, ["get"]),
        ("chat gpt-4o", {"gen_ai.request.model": "gpt-4"}, ["gpt-4"]),
    ],
)
def test_it_is_what_the_conventions_old_and_new_say_and_the_name_does_not(
    name: str, attributes: dict[str, Any], expected: list[str]
) -> None:
    model = model_of(name, attributes)
    assert [*called_of(name, attributes), *([model] if model else [])] == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"http.response.status_code": 503, "error.type": "503"}, "HTTP 503"),
        ({"http.status_code": 404}, "HTTP 404"),
        ({"rpc.grpc.status_code": 14}, "RPC status 14"),
        ({"error.type": "TimeoutError", "http.status_code": 200}, "TimeoutError"),
        ({"error.type": "500"}, "500"),
        (
            {"error.type": "14", "http.status_code": 200, "rpc.grpc.status_code": 14},
            "RPC status 14",
        ),
        ({"db.response.status_code": "ORA-17002"}, "database status ORA-17002"),
    ],
)
def test_what_failed_without_a_message_says_its_status_code(
    attributes: dict[str, Any], expected: str
) -> None:
    failure = failure_of(a_span(1, "GET", 0, 1, status="failed", attributes=attributes))
    assert failure is not None and failure.message == expected


def test_a_call_that_grpc_calls_well_has_no_answer_to_tell() -> None:
    assert answer_of({"rpc.grpc.status_code": 0}) == ""
    assert answer_of({"db.response.status_code": "0"}) == ""


def test_what_is_no_status_code_of_http_is_told_as_it_is_and_blamed_for_nothing() -> None:
    code = "5" * 5000  # more digits than Python reads
    attributes = {"http.response.status_code": code}
    assert answer_of(attributes) == f"HTTP {code}"
    assert failure_of(a_span(1, "GET", 0, 1, status="failed", attributes=attributes)) is None


def test_what_http_answered_is_told_and_is_no_reason_of_a_failure_where_it_was_well() -> None:
    attributes = {"http.response.status_code": 200}
    assert answer_of(attributes) == "HTTP 200"
    assert failure_of(a_span(1, "GET", 0, 1, status="failed", attributes=attributes)) is None
