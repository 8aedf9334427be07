"""`lens serve` as a user starts it, on free ports of this machine."""

import os
import subprocess
import sysconfig
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import store
from .plain import Spans, Value
from .process import ServerProcess, free_ports, get, wait_until

LENS = Path(sysconfig.get_path("scripts")) / "lens"


def environment() -> dict[str, str]:
    """This one, without what a developer's shell may set."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "FLUJO_"))}
    return {**kept, "FLUJO_OTEL_RAISE": "1"}


class Collector:
    """One `lens serve`. `forward`: its destinations."""

    def __init__(
        self, folder: Path, *, forward: Sequence[str] = (), before: Sequence[str] = ()
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.db = folder / "spans.db"
        http_port, grpc_port = free_ports(2)
        self.http = f"http://127.0.0.1:{http_port}"
        self.grpc = f"http://127.0.0.1:{grpc_port}"
        command: list[str | Path] = [*before, LENS, "serve", "--db", self.db]
        command += ["--http-port", str(http_port), "--grpc-port", str(grpc_port)]
        for destination in forward:
            command += ["--forward", destination]
        self.process = ServerProcess(
            command, folder, lambda: get(f"{self.http}/healthz") is not None, environment()
        )

    def trace(self, trace_id: str) -> Spans:
        """What its database holds of a trace, by span id."""
        return store.trace(self.db, trace_id)

    def wait_until_unpacked(self, seconds: float = 120) -> None:
        """Until all that it has stored as it came is rows."""
        wait_until("all to be unpacked", lambda: store.backlog(self.db) == 0, seconds)

    def lens(self, *arguments: str) -> str:
        """What `lens` prints about its database."""
        return lens(self.db, *arguments)


def lens(db: Path, *arguments: str) -> str:
    """What `lens` prints; it must end well."""
    done = subprocess.run(
        [LENS, *arguments, "--db", db],
        env=environment() | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 0 == done.returncode, f"lens {arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def readable_value(value: Value) -> Any:
    """What docs/spans.md says that JSON has for a value."""
    kind, content = value
    if isinstance(content, bytes):
        return b64encode(content).decode()
    if kind == "array":
        return [readable_value(item) for item in content]
    if kind == "map":
        return {key: readable_value(item) for key, item in content.items()}
    if kind == "double" and content in (float("inf"), float("-inf")):
        return "Infinity" if content > 0 else "-Infinity"
    return content
