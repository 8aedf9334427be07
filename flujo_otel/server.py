"""Wires `lens serve`: receivers, the group commit behind them, destinations. Prints nothing.

server = Server(ServerOptions(db="flujo_otel.db", http_port=0))
server.start()
while not server.wait(1.0):  # True once SIGINT or SIGTERM came
    draw(server.counts())
server.stop()
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flujo_otel.collector.access import Access, is_loopback, new_token
from flujo_otel.collector.ports import DEFAULT_HOST, PRODUCT, addresses_of, is_free, listen, taken
from flujo_otel.collector.stop_signals import StopSignals
from flujo_otel.errors import MissingExtra, PortTaken, StoreError, StoreUnavailable, StoreUnopenable
from flujo_otel.redaction import options_of
from flujo_otel.settings import load
from flujo_otel.spanstore.api import SpanWriter
from flujo_otel.spanstore.factory import open_destinations, open_writer
from flujo_otel.spanstore.location import resolve
from flujo_otel.usage.rates import rates_of
from flujo_otel.wire.transport import GRPC_PORT, HTTP_PORT, authority
from flujo_otel_exporter.quiet import suppress_in_this_thread

if TYPE_CHECKING:
    from flujo_otel.collector.commit import GroupCommit
    from flujo_otel.collector.reception import Reception
    from flujo_otel.collector.service import Service
    from flujo_otel.collector.unstored import Unstored
    from flujo_otel.forward.destination import Destination
    from flujo_otel.forward.dispatch import Tally
    from flujo_otel.forward.forwarders import Forwarders
    from flujo_otel.forward.passing import PassThrough

STOP_SECONDS: Final = 10.0
_BUSY_SECONDS: Final = 1.0
"""For one try of the group commit: it tries again, and meanwhile others' time may be up."""
_PROBE_SECONDS: Final = 1.0


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
    redact: bool | None = None
    """Take secrets out of what is received; metrics and logs are not sent on then."""
    forward: Sequence[str] | None = None
    """Destinations as the user words them: URLs, names in flujo.toml, `env`. None: all that
    flujo.toml names."""
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
    """One collector. `start`, `wait` and `stop` are called by one thread, `start` and `stop` once
    each (`wait` as often as you like)."""

    def __init__(self, options: ServerOptions) -> None:
        """Raises SettingsError."""
        self.options = options
        self._settings = load(
            db=options.db,
            queue_bytes=options.queue_bytes,
            token=options.token,
            max_request_bytes=options.max_request_bytes,
        )
        self._redaction = options_of(self._settings, received=options.redact)
        rates_of(self._settings)  # what cannot be used is said now, not with the first span
        self.database: Path = resolve(self._settings).path
        """The file that spans go to."""
        self.token: str | None = self._settings.token
        """What clients must send; made here where one is needed and none was given."""
        if self.token is None and not is_loopback(options.host):
            self.token = new_token()
        self._http_port = self._grpc_port = 0
        self._stop_asked = threading.Event()
        self._signals = StopSignals(self._stop_asked.set)
        self._parts: _Parts | None = None
        self._store_state: _StoreState | None = None

    def start(self) -> None:
        """Bind both ports, open the database, receive. On return clients are served.

        Raises PortTaken, which says by whom where that can be known; SettingsError; ForeignDatabase
        and the other StoreErrors that will not pass; MissingExtra. A database that is locked or
        full just now is no reason not to start: clients are told to come again.
        """
        try:
            from flujo_otel.collector.service import PortInUse
        except ImportError as error:
            raise MissingExtra(
                f"lens serve needs more: pip install 'flujo-otel[collector]' ({error})."
            ) from error
        options = self.options
        sockets = self._listen()
        self._http_port = sockets[0].getsockname()[1]
        hosts = [address for _, address in addresses_of(options.host)]
        try:
            # First what may refuse the start: nothing is left of one that is refused.
            self._chosen(hosts, options.grpc_port)
            if not is_free(options.host, options.grpc_port):
                raise PortInUse
            trouble = _trouble_of(self._open_store)
            self._parts = parts = self._made()
            self._store_state = _StoreState(parts.commit, self._open_store, trouble)
            self._join(hosts)
            self._grpc_port = parts.service.start(sockets, hosts, options.grpc_port)
            self._forward(parts, hosts)
        except PortInUse:
            self._let_go(sockets)
            raise self._taken(options.grpc_port, "--grpc-port") from None
        except BaseException:
            self._let_go(sockets)
            raise
        self._signals.install()

    @property
    def redacts(self) -> bool:
        """Whether secrets are taken out of what is received."""
        return self._redaction.received

    @property
    def addresses(self) -> Addresses:
        """Where it listens, once started."""
        host = self.options.host.strip("[]")
        return Addresses(
            f"http://{authority(host, self._http_port)}",
            f"http://{authority(host, self._grpc_port)}",
        )

    @property
    def state(self) -> str:
        """`ok`, or in words why nothing can be stored just now."""
        error = None if self._store_state is None else self._store_state.now()
        return "ok" if error is None else str(error)

    def counts(self) -> Counts:
        """What has come in so far. Cheap; from any thread."""
        if self._parts is None:
            return Counts()
        from flujo_otel.forward.destination import Signal

        reception, spans = self._parts.reception, self._parts.commit.counts
        totals = self._parts.unstored.totals
        return Counts(
            reception.requests,
            spans.received,
            spans.stored,
            spans.rejected,
            reception.overloaded,
            totals[Signal.METRICS],
            totals[Signal.LOGS],
        )

    @property
    def destinations(self) -> "list[Destination]":
        """Where spans are sent on to, once started."""
        forwarders = None if self._parts is None else self._parts.forwarders
        return [] if forwarders is None else forwarders.destinations

    def forwarding(self) -> "dict[str, Tally]":
        """What each destination has got so far, by its name. Cheap; from any thread."""
        forwarders = None if self._parts is None else self._parts.forwarders
        return {} if forwarders is None else forwarders.statuses()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Until SIGINT or SIGTERM, at most this long; True: it is time to `stop`."""
        return self._stop_asked.wait(timeout_seconds)

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Take no more, answer what is in, write everything down. True: all of it is written."""
        deadline = time.monotonic() + timeout_seconds
        parts = self._parts
        if parts is None:
            return True
        # All that is in is written, or refused, while the connections are still there to say so.
        parts.service.end(timeout_seconds)
        if parts.passing is not None:
            # Before the commit ends: what nobody took is for the ledger.
            parts.passing.stop(timeout_seconds / 4)
        written = parts.commit.close(timeout_seconds / 2)
        answered = parts.service.wait(max(deadline - time.monotonic(), 0.1))
        parts.reception.close()
        if parts.forwarders is not None:
            # What they do not get rid of in time is in the store, and due at the next start.
            parts.forwarders.stop(max(deadline - time.monotonic(), 0.1))
        self._signals.remove()
        return answered and written

    def _listen(self) -> list[socket.socket]:
        try:
            return listen(self.options.host, self.options.http_port)
        except OSError:
            raise self._taken(self.options.http_port, "--http-port") from None

    def _taken(self, port: int, option: str) -> PortTaken:
        return taken(self.options.host, port, option, self.database, (HTTP_PORT,))

    def _made(self) -> "_Parts":
        from flujo_otel.collector.commit import PATIENCE_SECONDS, GroupCommit
        from flujo_otel.collector.reception import Reception
        from flujo_otel.collector.service import Service
        from flujo_otel.collector.unstored import Unstored

        commit = GroupCommit(
            self._open_store, self._settings.queue_bytes, patience_seconds=PATIENCE_SECONDS
        )
        unstored = Unstored(commit.count_losses)
        redactor = replace(self._redaction, enabled=True).redactor() if self.redacts else None
        limit_bytes = self._settings.max_request_bytes
        reception = Reception(commit, unstored, limit_bytes, redactor)
        access = Access(self.options.host, self.options.allowed_hosts, self.token)
        service = Service(reception, access, self._health, on_end=self._stop_asked.set)
        return _Parts(commit, unstored, reception, service)

    def _join(self, hosts: Sequence[str]) -> None:
        """Enter the destinations before the first request: what comes in from then on is due to
        them, whenever it started. A store that is locked just now is asked again by the forwarders.
        """
        store = open_destinations(settings=self._settings)
        try:
            with suppress(StoreUnavailable):
                for each in self._chosen(hosts, self.options.grpc_port):
                    store.join(each.name, each.shown, time.time_ns())
        finally:
            store.close()

    def _chosen(self, hosts: Sequence[str], grpc_port: int) -> "list[Destination]":
        from flujo_otel.forward.choice import destinations

        own = [(host, port) for host in hosts for port in (self._http_port, grpc_port)]
        return destinations(self.options.forward, self._settings, own)

    def _forward(self, parts: "_Parts", hosts: Sequence[str]) -> None:
        from flujo_otel.forward.forwarders import Forwarders
        from flujo_otel.forward.passing import PassThrough

        chosen = self._chosen(hosts, self._grpc_port)
        forwarders = Forwarders(
            chosen,
            partial(open_destinations, settings=self._settings),
            prepare=suppress_in_this_thread,
        )
        passing = PassThrough(chosen, prepare=suppress_in_this_thread)
        self._parts = parts._replace(forwarders=forwarders, passing=passing)
        if not self.redacts:  # they are not looked into
            parts.unstored.pass_on = passing.offer
        forwarders.start()

    def _let_go(self, sockets: list[socket.socket]) -> None:
        """Of a start that failed."""
        self.stop(1.0)
        for listening in sockets:
            listening.close()

    def _open_store(self) -> SpanWriter:
        return open_writer(
            settings=self._settings, busy_timeout_seconds=_BUSY_SECONDS, collects=True
        )

    def _health(self, knows_the_token: bool) -> dict[str, Any]:
        state = self.state
        health = {"product": PRODUCT, "version": _version(), "state": "ok"}
        if state != "ok":
            health["state"] = "store unavailable"
        if not knows_the_token:
            return health
        return {
            **health,
            **({} if state == "ok" else {"reason": state}),
            "database": str(self.database),
            "pid": os.getpid(),
            "http_port": self._http_port,
            "grpc_port": self._grpc_port,
        }


class _Parts(NamedTuple):
    commit: "GroupCommit"
    unstored: "Unstored"
    reception: "Reception"
    service: "Service"
    forwarders: "Forwarders | None" = None
    passing: "PassThrough | None" = None


class _StoreState:
    """Whether spans can be stored: what the last write said; and after a failed one, since nobody
    may be sending any more, what a try says, at most once a second. Thread-safe: while one thread
    tries, which may take a second, others get what was known before."""

    def __init__(
        self, commit: "GroupCommit", open_store: Callable[[], SpanWriter], error: StoreError | None
    ) -> None:
        self._commit = commit
        self._open_store = open_store
        self._error: StoreError | None = error
        self._seen = self._error
        self._tried_at = time.monotonic()
        self._trying = threading.Lock()

    def now(self) -> StoreError | None:
        """Why they cannot; None: they can."""
        if self._trying.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._trying.release()
        return self._error

    def _look(self) -> None:
        failed = self._commit.unavailable
        if isinstance(failed, StoreError) and failed is not self._seen:
            self._seen = self._error = failed
            self._tried_at = time.monotonic()
        elif self._error is not None and time.monotonic() - self._tried_at > _PROBE_SECONDS:
            try:
                self._error = _trouble_of(self._open_store)
            except StoreError as error:
                self._error = error
            self._tried_at = time.monotonic()


def _trouble_of(open_store: Callable[[], SpanWriter]) -> StoreUnavailable | None:
    """Why the database takes no writes just now; None: it does, and is there from now on.

    Raises what will not pass: ForeignDatabase, StoreUnopenable and other StoreErrors.
    """
    store = open_store()
    try:
        store.beat()
    except StoreUnopenable:
        raise
    except StoreUnavailable as error:
        return error
    finally:
        store.close()
    return None


@lru_cache(maxsize=1)
def _version() -> str:
    from importlib.metadata import version  # 30 ms, when somebody asks

    return version(PRODUCT)
