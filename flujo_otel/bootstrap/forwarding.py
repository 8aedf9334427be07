"""Forwarding from a traced process: the same forwarders as the server's, over HTTP."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from flujo_otel import forks, guard
from flujo_otel.errors import SettingsError
from flujo_otel.forward.choice import destinations
from flujo_otel.forward.destination import Destination, OTLPProtocol
from flujo_otel.forward.forwarders import Forwarders
from flujo_otel.quiet import suppress_in_this_thread, suppressed
from flujo_otel.settings import Settings
from flujo_otel.spanstore.factory import open_destinations
from flujo_otel.spanstore.location import resolve
from flujo_otel_exporter import process_exit
from flujo_otel_exporter.limits import BUSY_SECONDS
from flujo_otel_exporter.registry import writer_for

EXIT_SECONDS: Final = 2.0
"""What is not sent by then is sent by the next process that forwards from this database."""

_logger = logging.getLogger("flujo_otel")
_known: dict[tuple[str, tuple[str, ...]], "Forwarding"] = {}


class Forwarding(SpanProcessor):
    """Starts the forwarders: with the first span that ends, and so in a forked child too, which has
    none of its parent's threads."""

    def __init__(self, forwarders: Forwarders) -> None:
        self._forwarders = forwarders
        self._start = forwarders.start
        forks.join(forwarders)
        process_exit.register(self._finish)

    def on_end(self, span: ReadableSpan) -> None:
        """See that the forwarders run."""
        try:
            self._start()
        except Exception as error:
            if not guard.report("starting the forwarders", error):
                raise

    def _finish(self) -> None:
        with suppressed():
            self._forwarders.stop(EXIT_SECONDS)


def forwarding_to(settings: Settings, given: Sequence[str] | None) -> Forwarding | None:
    """The process's forwarding to the destinations that `given` words; None: those of flujo.toml.

    gRPC is for `lens serve`: an inherited channel hung or failed in 7 of 12 forked children. Raises
    SettingsError for one that is given here; flujo.toml's are left to the server, and so is what
    they have not got yet. Raises MissingExtra.
    """
    with suppressed():
        path = resolve(settings).path
        chosen = destinations(given, settings, where="configure(forward=...)")
    chosen = [each for each in chosen if _is_for_here(each, is_given=given is not None)]
    key = str(path), tuple(each.name for each in chosen)
    if not chosen or key in _known:
        return _known.get(key)
    # Made first, it ends first: what it writes at the end of the process is then still sent.
    writer_for(settings)
    at_path = replace(settings, db=str(path))
    forwarders = Forwarders(
        chosen,
        lambda: open_destinations(settings=at_path, busy_timeout_seconds=BUSY_SECONDS),
        prepare=suppress_in_this_thread,
    )
    _known[key] = Forwarding(forwarders)
    forwarders.start()
    return _known[key]


def _is_for_here(destination: Destination, *, is_given: bool) -> bool:
    if destination.protocol is OTLPProtocol.HTTP:
        return True
    if is_given:
        raise SettingsError(
            f"{destination.name} is gRPC, which does not survive a fork: a traced program forwards "
            "over HTTP. Name the backend's OTLP/HTTP port, as http://host:4318, or let lens serve "
            "forward to it."
        )
    _logger.info("flujo-otel: %s is gRPC: left to lens serve", destination.name)
    return False
