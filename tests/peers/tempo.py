"""A real Tempo as one process on free ports of this machine, its spans on the local disk.

It is not built here: the variable TEMPO_BIN names its binary.
"""

import os
from pathlib import Path

from google.protobuf.wrappers_pb2 import BytesValue
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from .plain import Spans, by_id, of_messages
from .process import ServerProcess, free_ports, get

BINARY = os.environ.get("TEMPO_BIN")

_CONFIG = """
target: all
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {query_port}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {internal_port}
  log_level: warn
distributor:
  receivers:
    otlp:
      protocols:
        http: {{endpoint: "127.0.0.1:{http_port}"}}
        grpc: {{endpoint: "127.0.0.1:{grpc_port}"}}
memberlist:
  bind_addr: [127.0.0.1]
  bind_port: {gossip_port}
storage:
  trace:
    backend: local
    wal: {{path: "{folder}/wal"}}
    local: {{path: "{folder}/blocks"}}
live_store:
  wal: {{path: "{folder}/live"}}
  shutdown_marker_dir: "{folder}/marker"
backend_scheduler:
  local_work_path: "{folder}/work"
usage_report:
  reporting_enabled: false
"""


class Tempo:
    """SIGKILL loses what it answered for in the last seconds; SIGTERM takes it 30 s."""

    def __init__(self, folder: Path) -> None:
        assert BINARY is not None
        folder.mkdir(parents=True, exist_ok=True)
        query, internal, gossip, self.http_port, self.grpc_port = free_ports(5)
        config = folder / "tempo.yaml"
        config.write_text(
            _CONFIG.format(
                folder=folder,
                query_port=query,
                internal_port=internal,
                gossip_port=gossip,
                http_port=self.http_port,
                grpc_port=self.grpc_port,
            )
        )
        self.query = f"http://127.0.0.1:{query}"
        self.http = f"http://127.0.0.1:{self.http_port}"
        self.grpc = f"http://127.0.0.1:{self.grpc_port}"
        self.process = ServerProcess(
            [BINARY, f"-config.file={config}"],
            folder,
            lambda: get(f"{self.query}/ready", accept="*/*") is not None,
        )

    def trace(self, trace_id: str) -> Spans:
        """What it holds of a trace, by span id; empty where it knows none."""
        body = get(f"{self.query}/api/v2/traces/{trace_id}", accept="application/protobuf")
        if body is None:
            return {}
        # Its TraceByIDResponse holds as field 1 what on the wire is an OTLP TracesData.
        trace = BytesValue.FromString(body).value
        return by_id(of_messages(TracesData.FromString(trace).resource_spans))
