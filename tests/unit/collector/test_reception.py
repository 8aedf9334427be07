"""What a client is told is counted where it costs spans."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

import pytest

from flujo_otel import guard
from flujo_otel.collector.answers import Encoding
from flujo_otel.collector.parts import PART_BYTES
from flujo_otel.collector.received import Received
from flujo_otel.collector.reception import Reception
from flujo_otel.collector.unstored import Unstored
from flujo_otel.errors import MalformedRequest
from flujo_otel.model import Loss
from flujo_otel.wire.otlp import Decoded
from flujo_otel.wire.partial_success import ALL_WELL, PartialSuccess
from flujo_otel.wire.transport import Signal
from support import otlp


class Ledger:
    """A `Commit` that only notes losses."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []

    def submit(self, decoded: Any, size_bytes: int, received: Any) -> Any:
        raise NotImplementedError

    def count_losses(self, losses: Iterable[Loss]) -> None:
        self.losses += losses


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(guard, "_counts", {})
    monkeypatch.delenv(guard.RAISE_VARIABLE, raising=False)
    return Ledger()


def reception(ledger: Ledger) -> Reception:
    return Reception(ledger, Unstored(ledger.count_losses), 1 << 20)


def test_a_fault_of_receiving_is_500_and_counted_as_a_loss_and_as_a_fault(ledger: Ledger) -> None:
    assert 500 == reception(ledger).refuse(ZeroDivisionError(), Signal.TRACES).http
    [loss] = ledger.losses
    told = (loss.service, loss.reason, loss.detail, loss.count)
    assert ("unknown", "refused_request", "500, a fault of flujo-otel", 1) == told
    assert {"receiving": 1} == guard.faults()


def test_nothing_of_a_fault_is_told_to_the_client_but_that_it_was(ledger: Ledger) -> None:
    error = ZeroDivisionError("with the password hunter2")
    told = reception(ledger).refuse(error, Signal.TRACES).message
    assert "flujo-otel failed on this request; it was not stored." == told


def test_however_errors_are_worded_the_ledger_gets_no_more_lines(ledger: Ledger) -> None:
    receiving = reception(ledger)
    for number in range(100):
        receiving.refuse(MalformedRequest(f"broken at {number}"), Signal.TRACES)
    assert {"400, not OTLP"} == {loss.detail for loss in ledger.losses}


@pytest.mark.parametrize("signal", [Signal.METRICS, Signal.LOGS, None])
def test_a_request_that_has_no_spans_costs_none(ledger: Ledger, signal: Signal | None) -> None:
    assert 400 == reception(ledger).refuse(MalformedRequest("broken"), signal).http
    assert [] == ledger.losses


class Storing(Ledger):
    """Has it all, and remembers what could be kept as it came."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[Received | None] = []

    def submit(
        self, decoded: Decoded, size_bytes: int, received: Received | None
    ) -> Future[PartialSuccess]:
        self.received.append(received)
        stored: Future[PartialSuccess] = Future()
        stored.set_result(ALL_WELL)
        return stored


def test_a_large_request_can_be_kept_as_it_came_in_each_of_its_parts() -> None:
    request = otlp.request(*(otlp.span(number, name="x" * 100) for number in range(1, 20_000)))
    service = request.resource_spans[0].resource.attributes.add(key="service.name")
    service.value.string_value = "shop" * 100
    body = request.SerializeToString()
    assert len(body) > 2 * PART_BYTES
    commit = Storing()
    asyncio.run(reception(commit).take(Signal.TRACES, body, Encoding.PROTOBUF))
    assert len(commit.received) > 2
    assert None not in commit.received
