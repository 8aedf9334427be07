"""Both receivers on one event loop, in a thread of their own.

A thread, so that the program's main thread is free for signals and for a screen; one loop, so that
a request costs no more than its decoding whichever way it came.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from flujo_otel import guard
from flujo_otel.collector.connection import Connection
from flujo_otel.collector.deadline import Deadlines
from flujo_otel.collector.otlp_grpc import GrpcReceiver
from flujo_otel.collector.otlp_http import Health, HttpReceiver
from flujo_otel.quiet import suppress_in_this_thread
from flujo_otel.wire.transport import authority

if TYPE_CHECKING:
    from flujo_otel.collector.access import Access
    from flujo_otel.collector.reception import Reception

REQUEST_SECONDS: Final = 60.0
"""For a request to be all there; SDKs give up after 10."""
LAST_SECONDS: Final = 1.0
"""For the answers of a server that stores nothing any more: clients may read none."""
_ACCEPTED_AT_ONCE: Final = 128
"""And as many tries, each with a message, where the process is out of files: asyncio stops at the
end of its turn only, and uvicorn's 2048 kept the loop busy with them."""
_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the minute in which SDKs send metrics: a connection that is closed at the very moment
of a request costs that request."""


_logger = logging.getLogger("flujo_otel")


class PortInUse(Exception):
    """gRPC could not bind."""


class Service:
    """`start`, once; `end` and `wait` whenever and as often as you like, whatever has happened."""

    def __init__(
        self,
        reception: "Reception",
        access: "Access",
        health: Health,
        *,
        on_end: Callable[[], None],
    ) -> None:
        """`on_end` is called when it serves no more, whatever the reason."""
        self._on_end = on_end
        self._reception = reception
        self._access = access
        self._health = health
        self._deadlines = Deadlines(REQUEST_SECONDS)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Future[float] | None = None
        self._thread: threading.Thread | None = None
        self._receiver: GrpcReceiver | None = None
        self._is_short_of_files = False
        """And has said so."""
        self._connections: Iterable[Any] = ()
        """Over HTTP."""

    def start(
        self, sockets: Sequence[socket.socket], grpc_hosts: Sequence[str], grpc_port: int
    ) -> int:
        """Serve HTTP on these, and gRPC on that port of these hosts; the port, if it was 0.

        Raises PortInUse, and whatever else keeps it from serving; the sockets are closed then.
        """
        bound: Future[int] = Future()
        thread = threading.Thread(
            target=self._run,
            args=(bound, list(sockets), grpc_hosts, grpc_port),
            name="flujo-otel receive",
            daemon=True,
        )
        thread.start()
        self._thread = thread
        return bound.result()

    def end(self, grace_seconds: float) -> None:
        """Take no more. Requests that are in have so long to be answered. Does not wait."""
        self._call_soon(self._stop, grace_seconds)

    def give_up(self) -> None:
        """Nothing is stored any more: who waits for it is told so, and who does not take that in
        LAST_SECONDS is cut off. Does not wait."""
        self._call_soon(self._give_up)

    def wait(self, timeout_seconds: float) -> bool:
        """Until the end; False where it takes longer."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        return self._thread is None or not self._thread.is_alive()

    def _call_soon(self, call: Callable[..., None], *args: float) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: it has ended by itself
                self._loop.call_soon_threadsafe(call, *args)

    def _stop(self, grace_seconds: float) -> None:
        if self._stopping is not None and not self._stopping.done():
            self._stopping.set_result(grace_seconds)

    def _give_up(self) -> None:
        self._reception.close()
        asyncio.get_running_loop().call_later(LAST_SECONDS, self._cut_off)

    def _cut_off(self) -> None:
        for connection in [*self._connections]:
            connection.transport.abort()
        if self._receiver is not None:
            self._receiver.cut_off()

    def _run(self, bound: "Future[int]", sockets: list[socket.socket], *grpc_at: Any) -> None:
        try:
            suppress_in_this_thread()
            # The coroutine is made once there is a loop to run it: there may be no file left.
            with asyncio.Runner() as runner:
                runner.run(self._serve(bound, sockets, *grpc_at))
        except BaseException as error:
            for listening in sockets:
                listening.close()
            if not bound.done():
                bound.set_exception(error)
            elif not isinstance(error, Exception) or not guard.report("receiving", error):
                raise
        finally:
            self._on_end()

    async def _serve(
        self,
        bound: "Future[int]",
        sockets: list[socket.socket],
        grpc_hosts: Sequence[str],
        grpc_port: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._heard)
        self._stopping = stopping = self._loop.create_future()
        self._receiver = receiver = GrpcReceiver(self._reception, self._access, self._deadlines)
        grpc = receiver.server()
        http = uvicorn.Server(self._config())
        try:
            grpc_port = _bind(grpc, grpc_hosts, grpc_port)
            await grpc.start()
            serving = await _started(http, sockets)
        except BaseException:
            await grpc.stop(0)
            raise
        self._connections = http.server_state.connections
        bound.set_result(grpc_port)
        await asyncio.wait((stopping, serving), return_when=asyncio.FIRST_COMPLETED)
        grace_seconds = stopping.result() if stopping.done() else 0.0
        self._deadlines.end_all()
        http.config.timeout_graceful_shutdown = grace_seconds  # type: ignore[assignment]
        http.should_exit = True
        try:
            await asyncio.gather(receiver.stop(grpc, grace_seconds), serving)
        finally:  # where nobody gave up on it before
            self._reception.close()

    def _heard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        is_of_accept = context["message"].startswith("socket.accept()")
        if is_of_accept and isinstance(error, OSError):  # out of files: it tries again in a second
            if not self._is_short_of_files:
                self._is_short_of_files = True
                _logger.warning("flujo-otel: a connection could not be accepted: %s", error)
        elif isinstance(error, ValueError) and "._start_serving(" in context["message"]:
            pass  # that try again, where the socket was closed by then
        elif not isinstance(error, Exception) or not guard.report("receiving", error):
            loop.default_exception_handler(context)

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            HttpReceiver(self._reception, self._access, self._deadlines, self._health),
            http=Connection,
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            backlog=_ACCEPTED_AT_ONCE,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )


def _bind(grpc: Any, hosts: Sequence[str], port: int) -> int:
    """All hosts on one port. Raises PortInUse."""
    for host in hosts:
        try:
            port = int(grpc.add_insecure_port(authority(host, port)))
        except RuntimeError as error:
            raise PortInUse from error
    return port


async def _started(http: uvicorn.Server, sockets: list[socket.socket]) -> "asyncio.Task[None]":
    # In a thread that is not the main one uvicorn leaves the signals alone.
    serving = asyncio.create_task(http.serve(sockets))
    while not http.started and not serving.done():
        await asyncio.sleep(0.001)
    if serving.done():
        await serving
    return serving
