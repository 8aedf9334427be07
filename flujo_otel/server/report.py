"""What a server says of itself."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from flujo_otel.collector.ports import PRODUCT


class Addresses(NamedTuple):
    """Where clients send to."""

    http: str
    """A URL without a path: http://127.0.0.1:4318"""
    grpc: str
    """The same for gRPC: http://127.0.0.1:4317"""


class Counts(NamedTuple):
    """Since the start; for the live line."""

    requests: int = 0
    received: int = 0
    stored: int = 0
    rejected: int = 0
    overloaded: int = 0
    to_unpack: int = 0
    """Kept as they came and not seen yet, here or by a collector before: of that one's none is
    among `stored`."""
    metrics_not_stored: int = 0
    logs_not_stored: int = 0


def health(
    state: str, database: Path, ports: tuple[int, int], *, knows_the_token: bool
) -> dict[str, Any]:
    """What /healthz answers with. `state`: `ok`, or in words why nothing can be stored; `ports`:
    of HTTP and gRPC. Whoever does not know the token sees none of the machine."""
    is_ok = state == "ok"
    said = {
        "product": PRODUCT,
        "version": _version(),
        "state": "ok" if is_ok else "store unavailable",
    }
    if not knows_the_token:
        return said
    http_port, grpc_port = ports
    return {
        **said,
        **({} if is_ok else {"reason": state}),
        "database": str(database),
        "pid": os.getpid(),
        "http_port": http_port,
        "grpc_port": grpc_port,
    }


@lru_cache(maxsize=1)
def _version() -> str:
    from importlib.metadata import version  # 30 ms, when somebody asks

    return version(PRODUCT)
