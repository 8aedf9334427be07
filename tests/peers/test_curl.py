"""curl sends OTLP's JSON to `lens serve`, written by hand from the specification."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from . import tree
from .collector import Collector
from .plain import Attributes, PlainEvent, PlainLink

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")

EXACT: Attributes = {
    "text": ("string", "grüße 🎉"),
    "empty text": ("string", ""),
    "yes": ("bool", True),
    "as text": ("int", -(2**63)),
    "as number": ("int", 7),
    "ratio": ("double", 0.1),
    "whole ratio": ("double", 2.0),
    "not a number": ("double", "NaN"),
    "minus infinity": ("double", float("-inf")),
    "raw": ("bytes", b"\x00\xff"),
    "list": ("array", (("int", 1), ("string", "two"), ("array", ()), ("empty", None))),
    "map": ("map", {"deeper": ("map", {"yes": ("bool", True)}), "none": ("empty", None)}),
    "nothing": ("empty", None),
}
WRITTEN = [
    {"key": "text", "value": {"stringValue": "grüße 🎉"}},
    {"key": "empty text", "value": {"stringValue": ""}},
    {"key": "yes", "value": {"boolValue": True}},
    {"key": "as text", "value": {"intValue": "-9223372036854775808"}},
    {"key": "as number", "value": {"intValue": 7}},
    {"key": "ratio", "value": {"doubleValue": 0.1}},
    {"key": "whole ratio", "value": {"doubleValue": 2}},
    {"key": "not a number", "value": {"doubleValue": "NaN"}},
    {"key": "minus infinity", "value": {"doubleValue": "-Infinity"}},
    {"key": "raw", "value": {"bytesValue": "AP8="}},
    {
        "key": "list",
        "value": {
            "arrayValue": {
                "values": [
                    {"intValue": "1"},
                    {"stringValue": "two"},
                    {"arrayValue": {"values": []}},
                    {},
                ]
            }
        },
    },
    {
        "key": "map",
        "value": {
            "kvlistValue": {
                "values": [
                    {
                        "key": "deeper",
                        "value": {
                            "kvlistValue": {
                                "values": [{"key": "yes", "value": {"boolValue": True}}]
                            }
                        },
                    },
                    {"key": "none", "value": {}},
                ]
            }
        },
    },
    {"key": "nothing", "value": {}},
]


class Curl:
    """Sends spans in one request and says what the server answered."""

    def __init__(self, collector: Collector, folder: Path) -> None:
        self.collector = collector
        self.body = folder / "body.json"
        self.trace_id = os.urandom(16).hex()

    def send(self, *spans: dict[str, Any], gzip: bool = False) -> dict[str, Any]:
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "curl"}}]}
        scope = {"name": "by hand", "version": "1"}
        scope_spans = [{"scope": scope, "spans": spans, "unheardOf": 1}]
        request = {"resourceSpans": [{"resource": resource, "scopeSpans": scope_spans}]}
        self.body.write_text(json.dumps(request), encoding="utf-8")
        command = ["curl", "--silent", "--show-error", "--fail-with-body"]
        command += ["-H", "Content-Type: application/json; charset=utf-8"]
        if gzip:
            subprocess.run(["gzip", "-f", "-k", self.body], check=True)
            command += ["-H", "Content-Encoding: gzip", "--data-binary", f"@{self.body}.gz"]
        else:
            command += ["--data-binary", f"@{self.body}"]
        done = subprocess.run(
            [*command, f"{self.collector.http}/v1/traces"],
            capture_output=True,
            text=True,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def span(self, name: str, **more: Any) -> dict[str, Any]:
        return {
            "traceId": self.trace_id,
            "spanId": os.urandom(8).hex(),
            "name": name,
            "kind": 1,
            "startTimeUnixNano": str(tree.BASE_NS),
            "endTimeUnixNano": str(tree.BASE_NS + 1_234_567),
            **more,
        }


@pytest.fixture
def curl(collector: Collector, tmp_path: Path) -> Curl:
    return Curl(collector, tmp_path)


@pytest.mark.parametrize("gzip", [False, True])
def test_every_type_of_value_is_stored_as_it_was_written(curl: Curl, gzip: bool) -> None:
    parent_id = "ABCDEF0123456789"
    parent = curl.span("parent", spanId=parent_id)
    child = curl.span(
        "child",
        parentSpanId=parent_id,
        traceId=curl.trace_id.upper(),
        kind=5,
        attributes=WRITTEN,
        droppedAttributesCount=2,
        events=[
            {
                "timeUnixNano": str(tree.BASE_NS + 5),
                "name": "exception",
                "attributes": [
                    {"key": "exception.type", "value": {"stringValue": "Sour"}},
                    {"key": "exception.message", "value": {"stringValue": "sour milk"}},
                ],
            }
        ],
        links=[{"traceId": tree.REMOTE[0], "spanId": tree.REMOTE[1], "traceState": "vendor=x"}],
        status={"code": 2, "message": "sour milk"},
        traceState="a=1",
        flags=0x101,
    )
    assert {} == curl.send(parent, child, gzip=gzip)
    stored = curl.collector.trace(curl.trace_id)
    assert {parent_id.lower(), child["spanId"]} == stored.keys()
    span = stored[child["spanId"]]
    assert EXACT == span.attributes
    assert (parent_id.lower(), 5, tree.BASE_NS, tree.BASE_NS + 1_234_567) == (
        span.parent_id,
        span.kind,
        span.start_ns,
        span.end_ns,
    )
    said: Attributes = {
        "exception.type": ("string", "Sour"),
        "exception.message": ("string", "sour milk"),
    }
    assert (PlainEvent("exception", tree.BASE_NS + 5, said),) == span.events
    assert (PlainLink(*tree.REMOTE, {}, "vendor=x"),) == span.links
    assert ((2, "sour milk"), "a=1", 0x101, (2, 0, 0)) == (
        span.status,
        span.trace_state,
        span.flags,
        span.dropped,
    )
    assert "sour milk" in curl.collector.lens("trace", curl.trace_id)


def test_what_one_span_says_wrongly_costs_no_other(curl: Curl) -> None:
    """An integer that is none is what the JavaScript SDK sends for every double above 2^53."""
    bad = [{"key": "huge", "value": {"intValue": 1e300}}]
    good = curl.span("good")
    answer = curl.send(curl.span("bad", attributes=bad), good, curl.span("no id", spanId="0" * 16))
    assert good["spanId"] in curl.collector.trace(curl.trace_id)
    rejected = answer["partialSuccess"]
    assert 3 - len(curl.collector.trace(curl.trace_id)) == int(rejected["rejectedSpans"])
    assert rejected["errorMessage"]
