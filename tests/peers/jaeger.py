"""A real Jaeger on free ports of this machine, with one of its two stores that need no server."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from .plain import Spans, by_id, of_json
from .process import ServerProcess, free_ports, get

BINARY = Path(__file__).parents[2] / ".peers" / "jaeger"

# As the configurations that Jaeger ships, less what would listen on further ports.
_CONFIG = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], processors: [{processors}], exporters: [jaeger_storage_exporter]}}
  telemetry:
    metrics: {{level: none}}
    logs: {{level: warn}}
extensions:
  jaeger_storage:
    backends:
      spans:
        {storage}
  jaeger_query:
    storage: {{traces: spans}}
    http: {{endpoint: "127.0.0.1:{query_port}"}}
    grpc: {{endpoint: "127.0.0.1:{query_grpc_port}"}}
receivers:
  otlp:
    protocols:
      http: {{endpoint: "127.0.0.1:{http_port}"}}
      grpc: {{endpoint: "127.0.0.1:{grpc_port}"}}
processors:
  batch:
exporters:
  jaeger_storage_exporter: {{trace_storage: spans}}
"""
_MEMORY = "memory: {max_traces: 1000000}"
_BADGER = (
    "badger: {{ephemeral: false, consistency: {synchronous},"
    ' directories: {{keys: "{keys}", values: "{values}"}}}}'
)


class Jaeger:
    """`badger`: keeps its spans over a restart; else they are in memory.

    `answers_first`: as Jaeger ships, with the batch processor, which answers before it stores.
    Without it a killed Jaeger (with Badger) still has all that it answered for.
    """

    def __init__(
        self,
        folder: Path,
        *,
        badger: bool = False,
        answers_first: bool = False,
        before: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        query, query_grpc, self.http_port, self.grpc_port = free_ports(4)
        config = folder / "jaeger.yaml"
        config.write_text(
            _CONFIG.format(
                processors="batch" if answers_first else "",
                storage=_badger(folder, not answers_first) if badger else _MEMORY,
                query_port=query,
                query_grpc_port=query_grpc,
                http_port=self.http_port,
                grpc_port=self.grpc_port,
            )
        )
        self.query = f"http://127.0.0.1:{query}"
        self.http = f"http://127.0.0.1:{self.http_port}"
        self.grpc = f"http://127.0.0.1:{self.grpc_port}"
        self.process = ServerProcess(
            [*before, BINARY, "--config", config],
            folder,
            lambda: get(f"{self.query}/api/services") is not None,
            # It traces itself, to port 4317 whoever listens there.
            {**os.environ, "OTEL_TRACES_SAMPLER": "always_off"},
        )

    def trace(self, trace_id: str) -> Spans:
        """What it holds of a trace, by span id; empty where it knows none."""
        body = get(f"{self.query}/api/v3/traces/{trace_id}")
        if body is None:
            return {}
        return by_id(of_json(json.loads(body)["result"].get("resourceSpans", [])))

    def count(self, trace_id: str) -> int:
        """How many spans it holds of a trace."""
        return len(self.trace(trace_id))


def _badger(folder: Path, synchronous: bool) -> str:
    for name in ("keys", "values"):
        (folder / name).mkdir(exist_ok=True)
    return _BADGER.format(
        synchronous=str(synchronous).lower(), keys=folder / "keys", values=folder / "values"
    )
