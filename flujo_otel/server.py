"""Wires `lens serve`: the receivers, the group commit behind them, the destinations. Prints nothing.

    server = Server(ServerOptions(db="flujo_otel.db", http_port=0))
    server.start()
    while not server.wait(1.0):  # True once SIGINT or SIGTERM came
        draw(server.counts())
    server.stop()
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

DEFAULT_HOST = "127.0.0.1"
HTTP_PORT = 4318
GRPC_PORT = 4317
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What `lens serve` may be told. None: what the settings say (docs/settings.md)."""

    db: str | Path | None = None
    host: str = DEFAULT_HOST
    """Another address than a loopback one needs a token; one is made where none is given."""
    http_port: int = HTTP_PORT
    """0: a free one."""
    grpc_port: int = GRPC_PORT
    """0: a free one."""
    token: str | None = None
    """Asked of every request as `Authorization: Bearer`."""
    allowed_hosts: Sequence[str] = ()
    """Further names by which clients may call this server."""
    forward: Sequence[str] = ()
    """Destinations as the user words them: URLs, names in flujo.toml, `env`."""
    max_request_bytes: int | None = None
    """Of a request after decompression."""
    queue_bytes: int | None = None
    """Spans held in memory until they are committed; above it clients are told to come again."""


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
    metrics_not_stored: int = 0
    logs_not_stored: int = 0


class Server:
    """One collector. `start`, `wait` and `stop` are called by one thread, once each in this order
    (`wait` as often as you like)."""

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.token: str | None = options.token
        """What clients must send; made by `start` where one is needed and none was given."""

    def start(self) -> None:
        """Bind both ports, open the database, receive. On return clients are served.

        Raises PortTaken, which says by whom where that can be known; SettingsError; ForeignDatabase
        and the other StoreErrors that will not pass; MissingExtra. A database that is locked or
        full just now is no reason not to start: clients are told to come again.
        """
        raise NotImplementedError

    @property
    def addresses(self) -> Addresses:
        """Where it listens, once started."""
        raise NotImplementedError

    @property
    def database(self) -> Path:
        """The file that spans go to."""
        raise NotImplementedError

    @property
    def state(self) -> str:
        """`ok`, or in words why nothing can be stored just now."""
        raise NotImplementedError

    def counts(self) -> Counts:
        """What has come in so far. Cheap; from any thread."""
        raise NotImplementedError

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Until SIGINT or SIGTERM, at most this long; True: it is time to `stop`."""
        raise NotImplementedError

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Take no more, answer what is in, write everything down. True: all of it is written."""
        raise NotImplementedError
