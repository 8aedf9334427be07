"""What is read over gRPC is as much as may wait, and no more."""

import asyncio
import gzip
from collections.abc import Iterable
from typing import Any

import grpc
import pytest

from flujo_otel.collector import readers
from flujo_otel.collector.access import Access
from flujo_otel.collector.deadline import Deadlines
from flujo_otel.collector.otlp_grpc import GrpcReceiver
from flujo_otel.collector.reception import Reception
from flujo_otel.collector.unstored import Unstored
from flujo_otel.model import Loss
from flujo_otel.wire.transport import Signal


class NoCommit:
    """Nothing is stored here."""

    def submit(self, decoded: Any, size_bytes: int) -> Any:
        raise NotImplementedError

    def count_losses(self, losses: Iterable[Loss]) -> None:
        raise NotImplementedError


class Call:
    """A ServicerContext; notes what is read of it."""

    def __init__(self, name: str, message: bytes, events: list[str]) -> None:
        self.name = name
        self._messages = [message]
        self._events = events

    def invocation_metadata(self) -> tuple[()]:
        return ()

    async def read(self) -> Any:
        if not self._messages:
            return grpc.aio.EOF
        self._events.append(f"{self.name} is read")
        return self._messages.pop()


async def test_no_message_is_read_before_a_reader_has_unpacked_its_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readers, "READERS", 1)
    commit = NoCommit()
    reception = Reception(commit, Unstored(commit.count_losses), 64 << 20)
    export = GrpcReceiver(reception, Access("127.0.0.1"), Deadlines(60.0))._export(Signal.TRACES)
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
