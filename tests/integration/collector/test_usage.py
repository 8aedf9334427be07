"""What model calls of any program cost, by the collector that receives them."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.collector import JSON, PROTOBUF, collector

AT_NS = 1_760_000_000 * 10**9
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALL = {"gen_ai.usage.input_tokens": 910, "gen_ai.usage.output_tokens": 120}


def request(span_id: str, parent_id: str, tokens: dict[str, int]) -> dict[str, Any]:
    """An ExportTraceServiceRequest of one model call, as protobuf's own mapping to JSON has it."""
    model = {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}}
    counts = [{"key": name, "value": {"intValue": str(n)}} for name, n in tokens.items()]
    span = {
        "traceId": TRACE,
        "spanId": span_id,
        "parentSpanId": parent_id,
        "name": "call",
        "startTimeUnixNano": str(AT_NS),
        "endTimeUnixNano": str(AT_NS + 10**9),
        "attributes": [model, *counts],
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def in_protobuf(sent: dict[str, Any]) -> bytes:
    # protobuf's own JSON has ids in base64
    span = sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    ids = {name: bytes.fromhex(span.pop(name)) for name in ("traceId", "spanId", "parentSpanId")}
    message = ParseDict(sent, ExportTraceServiceRequest())
    [parsed] = message.resource_spans[0].scope_spans[0].spans
    parsed.trace_id, parsed.span_id, parsed.parent_span_id = ids.values()
    return message.SerializeToString()


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_model_call_is_priced_and_its_agent_not_counted_twice(
    content_type: str, tmp_path: Path
) -> None:
    db = tmp_path / "a.db"
    agent = request("00000000000000a1", "", {name: 9 * n for name, n in CALL.items()})
    chat = request("00000000000000c1", "00000000000000a1", CALL)
    with collector(db) as running:
        for sent in (chat, agent):
            body = in_protobuf(sent) if content_type == PROTOBUF else json.dumps(sent).encode()
            assert 200 == running.post(body, content_type).status
    with sqlite3.connect(db) as connection:
        rows = connection.execute("SELECT total_tokens, total_cost FROM runs").fetchall()
    connection.close()
    assert [(1030, pytest.approx(910 * 0.15e-6 + 120 * 0.6e-6))] == rows
