"""The OpenTelemetry project's own load generator, a Go program, sends to `lens serve`."""

import subprocess
from urllib.parse import urlsplit

import pytest

from . import store
from .collector import Collector
from .plain import Attributes
from .tools import BUILT, need

BINARY = BUILT / "telemetrygen"
GIVEN: Attributes = {
    "text": ("string", "hello ü"),
    "yes": ("bool", True),
    "whole": ("int", 42),
    "texts": ("array", (("string", "a"), ("string", "b"))),
}
FLAGS = ('text="hello ü"', "yes=true", "whole=42", 'texts=["a","b"]')
TRACES, CHILDREN = 3, 4


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_what_its_flags_say_is_what_is_stored(protocol: str, collector: Collector) -> None:
    """It knows no events, no doubles and no bytes; all that it knows is sent."""
    before = store.traces(collector.db)
    send(protocol, collector)
    new = store.traces(collector.db).keys() - before.keys()
    assert TRACES == len(new)
    links = [len(span.links) for trace_id in new for span in collector.trace(trace_id).values()]
    # Each links to an earlier one, which the first of all does not have.
    assert [0] + [1] * (TRACES * (1 + CHILDREN) - 1) == sorted(links)
    for trace_id in new:
        spans = collector.trace(trace_id)
        (root,) = [span for span in spans.values() if not span.parent_id]
        children = sorted(span.name for span in spans.values() if span.parent_id == root.span_id)
        assert "lets-go" == root.name
        assert [f"okey-dokey-{number}" for number in range(CHILDREN)] == children
        for span in spans.values():
            assert GIVEN.items() <= span.attributes.items()
            assert (2, "") == span.status
            assert all(("int", 0) == link.attributes["link.index"] for link in span.links)
            assert ("string", "generated") == span.resource["service.name"]
            assert ("int", 3) == span.resource["replicas"]
        assert {5_000_000} == {s.end_ns - s.start_ns for s in spans.values() if s is not root}
        assert "lets-go" in collector.lens("trace", trace_id)


def send(protocol: str, collector: Collector) -> None:
    need(["go"], BINARY, "telemetrygen")
    way = ["--otlp-endpoint", urlsplit(collector.grpc).netloc]
    if protocol != "grpc":
        way = ["--otlp-http", "--otlp-endpoint", urlsplit(collector.http).netloc]
    attributes = [word for flag in FLAGS for word in ("--telemetry-attributes", flag)]
    what = ["--traces", str(TRACES), "--child-spans", str(CHILDREN), "--span-links", "1"]
    what += ["--status-code", "Error", "--span-duration", "5ms", "--rate", "0"]
    what += ["--service", "generated", "--otlp-attributes", "replicas=3"]
    done = subprocess.run(
        [BINARY, "traces", "--otlp-insecure", *way, *what, *attributes],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
