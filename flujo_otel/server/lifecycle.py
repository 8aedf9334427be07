"""A server's start and its end."""

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flujo_otel.collector.access import Access, is_loopback, new_token
from flujo_otel.collector.ports import addresses_of, is_free, listen, taken
from flujo_otel.collector.stop_signals import StopSignals
from flujo_otel.errors import MissingExtra, PortTaken, SettingsError
from flujo_otel.redaction import options_of
from flujo_otel.server.options import ServerOptions
from flujo_otel.server.report import Addresses, Counts, health
from flujo_otel.server.stop_wish import StopWish
from flujo_otel.server.store_state import StoreState, trouble_of
from flujo_otel.settings import load
from flujo_otel.spanstore.backlog import CollectorStore
from flujo_otel.spanstore.factory import open_collector_store
from flujo_otel.spanstore.location import resolve
from flujo_otel.usage.rates import rates_of
from flujo_otel.wire.transport import HTTP_PORT, authority

if TYPE_CHECKING:
    from flujo_otel.forward.destination import Destination
    from flujo_otel.forward.dispatch import ForwarderStatus
    from flujo_otel.server.wiring import Wiring

STOP_SECONDS: Final = 10.0
_BUSY_SECONDS: Final = 1.0
"""For one try of the group commit: it tries again, and meanwhile others' time may be up."""


class Server:
    """One collector. `start`, `wait` and `stop` are called by one thread, `start` and `stop` once
    each (`wait` as often as you like)."""

    def __init__(self, options: ServerOptions) -> None:
        """Raises SettingsError."""
        if options.http_port == options.grpc_port != 0:
            raise SettingsError(
                f"HTTP and gRPC cannot both have port {options.http_port}: choose another with "
                "--http-port or --grpc-port (0: a free one)."
            )
        self.options = options
        settings = load(
            db=options.db,
            queue_bytes=options.queue_bytes,
            token=options.token,
            max_request_bytes=options.max_request_bytes,
        )
        self.database: Path = resolve(settings).path
        """The file that spans go to, whatever becomes of the folder that it was named from."""
        self._settings = replace(settings, db=str(self.database))
        self._redaction = options_of(self._settings, received=options.redact)
        rates_of(self._settings)  # what cannot be used is said now, not with the first span
        self.token: str | None = self._settings.token
        """What clients must send; made here where one is needed and none was given."""
        if self.token is None and not is_loopback(options.host):
            self.token = new_token()
        self._http_port = self._grpc_port = 0
        self._stop_wish = StopWish()
        self._signals = StopSignals(self._stop_wish.make)
        self._wiring: Wiring | None = None
        self._store_state: StoreState | None = None

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
        sockets = self._listen()
        try:
            self._serve(sockets)
        except PortInUse:
            self._let_go(sockets)
            raise self._taken(self.options.grpc_port, "--grpc-port") from None
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
        return Counts() if self._wiring is None else self._wiring.counts()

    @property
    def destinations(self) -> "list[Destination]":
        """Where spans are sent on to, once started."""
        forwarders = None if self._wiring is None else self._wiring.forwarders
        return [] if forwarders is None else forwarders.destinations

    def forwarding(self) -> "dict[str, ForwarderStatus]":
        """What each destination has got so far, by its name. Cheap; from any thread."""
        forwarders = None if self._wiring is None else self._wiring.forwarders
        return {} if forwarders is None else forwarders.statuses()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Until SIGINT or SIGTERM, at most this long; True: it is time to `stop`."""
        return self._stop_wish.wait(timeout_seconds)

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Take no more, answer what is in, write everything down. True: all of it is written."""
        if self._wiring is None:
            return True
        all_written = self._wiring.stop(timeout_seconds)
        self._signals.remove()
        return all_written

    def _listen(self) -> list[socket.socket]:
        try:
            sockets = listen(self.options.host, self.options.http_port)
        except OSError:
            raise self._taken(self.options.http_port, "--http-port") from None
        self._http_port = sockets[0].getsockname()[1]
        return sockets

    def _taken(self, port: int, option: str) -> PortTaken:
        return taken(self.options.host, port, option, self.database, (HTTP_PORT,))

    def _serve(self, sockets: list[socket.socket]) -> None:
        from flujo_otel.collector.service import PortInUse
        from flujo_otel.server.wiring import Wiring

        options = self.options
        hosts = [address for _, address in addresses_of(options.host)]
        # First what may refuse the start: nothing is left of one that is refused.
        chosen = self._chosen(hosts, options.grpc_port)
        if not is_free(options.host, options.grpc_port):
            raise PortInUse
        trouble = trouble_of(self._open_store)
        self._wiring = wiring = Wiring(
            self._settings,
            Access(options.host, options.allowed_hosts, self.token),
            self._redaction,
            self._open_store,
            health=self._health,
            on_end=self._stop_wish.make,
        )
        self._store_state = StoreState(wiring.commit, self._open_store, trouble)
        wiring.join(chosen)
        self._grpc_port = wiring.service.start(sockets, hosts, options.grpc_port)
        # Again: where the port was a free one, it is known now.
        wiring.forward(self._chosen(hosts, self._grpc_port))

    def _chosen(self, hosts: Sequence[str], grpc_port: int) -> "list[Destination]":
        from flujo_otel.forward.choice import destinations

        own = [(host, port) for host in hosts for port in (self._http_port, grpc_port)]
        return destinations(self.options.forward, self._settings, own)

    def _let_go(self, sockets: list[socket.socket]) -> None:
        """Of a start that failed."""
        self.stop(1.0)
        for listening in sockets:
            listening.close()

    def _open_store(self) -> CollectorStore:
        return open_collector_store(settings=self._settings, busy_timeout_seconds=_BUSY_SECONDS)

    def _health(self, knows_the_token: bool) -> dict[str, Any]:
        ports = self._http_port, self._grpc_port
        return health(self.state, self.database, ports, knows_the_token=knows_the_token)
