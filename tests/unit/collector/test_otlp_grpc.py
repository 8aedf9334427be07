"""What is read over gRPC is as much as may wait, and a stop waits for what is in flight alone."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from flujo_otel.collector import otlp_grpc, readers
from flujo_otel.collector.access import Access
from flujo_otel.collector.answers import Refusal
from flujo_otel.collector.deadline import Deadlines
from flujo_otel.collector.otlp_grpc import GrpcReceiver
from flujo_otel.collector.reception import Reception
from flujo_otel.collector.unstored import Unstored
from flujo_otel.model import Loss
from flujo_otel.wire.transport import Signal
from support.programs import TIMEOUT_SECONDS


class NoCommit:
    """Nothing is stored here."""

    def submit(self, decoded: Any, size_bytes: int, received: Any) -> Any:
        raise NotImplementedError

    def count_losses(self, losses: Iterable[Loss]) -> None:
        raise NotImplementedError


class Call:
    """A ServicerContext; notes what is read of it."""

    def __init__(self, name: str, message: bytes, events: list[str]) -> None:
        self.name = name
        self._messages = [message]
        self._events = events

    def add_done_callback(self, callback: Any) -> None:
        """It never ends."""

    def invocation_metadata(self) -> tuple[()]:
        return ()

    async def read(self) -> Any:
        if not self._messages:
            return grpc.aio.EOF
        self._events.append(f"{self.name} is read")
        return self._messages.pop()


def _receiver(deadlines: Deadlines) -> GrpcReceiver:
    commit = NoCommit()
    reception = Reception(commit, Unstored(commit.count_losses), 64 << 20)
    return GrpcReceiver(reception, Access("127.0.0.1"), deadlines)


async def test_no_message_is_read_before_a_reader_has_unpacked_its_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readers, "READERS", 1)
    export = _receiver(Deadlines(60.0))._export(Signal.TRACES)
    events: list[str] = []

    async def answered(call: Call) -> None:
        assert b"" == await export(None, call)
        events.append(f"{call.name} is answered")

    large = gzip.compress(b"") * (1 << 16)  # which comes to nothing, but in many turns
    await asyncio.gather(
        answered(Call("large", large, events)), answered(Call("small", b"", events))
    )
    assert [
        "large is read",
        "large is answered",
        "small is read",
        "small is answered",
    ] == events


LATE = "/late.Service/Call"


@asynccontextmanager
async def served(receiver: GrpcReceiver, came: asyncio.Event) -> AsyncIterator[tuple[Any, Any]]:
    """The server, and a channel to it. It has a call of which the receiver knows nothing, as of
    those that gRPC's core leaves lying at a stop."""

    async def nobody_answers(_: bytes, context: Any) -> bytes:
        came.set()
        await asyncio.sleep(TIMEOUT_SECONDS)
        raise AssertionError

    _, service, method = LATE.split("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(nobody_answers)}
    server = receiver.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await channel.channel_ready()
        yield server, channel


async def test_a_call_that_nobody_answers_does_not_hold_up_a_stop() -> None:
    receiver, came = _receiver(Deadlines(60.0)), asyncio.Event()
    async with served(receiver, came) as (server, channel):
        late = channel.unary_unary(LATE)(b"")
        await came.wait()
        await asyncio.wait_for(receiver.stop(server, grace_seconds=1e6), TIMEOUT_SECONDS)
        assert await late.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_call_in_flight_is_waited_for_at_a_stop() -> None:
    deadlines = Deadlines(60.0)
    receiver = _receiver(deadlines)
    async with served(receiver, asyncio.Event()) as (server, channel):
        export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        call = channel.stream_unary(export)()
        while not receiver._in_flight:
            await asyncio.sleep(0.01)
        stopped = asyncio.ensure_future(receiver.stop(server, grace_seconds=1e6))
        await asyncio.sleep(3 * otlp_grpc._LOOK_SECONDS)
        assert not stopped.done()
        deadlines.end_all()
        await asyncio.wait_for(stopped, TIMEOUT_SECONDS)
        assert "The server stops; send it again." == await call.details()


async def test_a_request_that_comes_after_the_stop_is_not_read() -> None:
    deadlines = Deadlines(60.0)
    deadlines.end_all()
    with pytest.raises(Refusal, match="The server stops; send it again"):
        async with deadlines.reading():
            raise AssertionError
