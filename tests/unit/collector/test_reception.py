"""What a client is told is counted where it costs spans."""

from collections.abc import Iterable
from typing import Any

import pytest

from flujo_otel import guard
from flujo_otel.collector.reception import Reception
from flujo_otel.collector.unstored import Unstored
from flujo_otel.errors import MalformedRequest
from flujo_otel.forward.destination import Signal
from flujo_otel.model import Loss


class Ledger:
    """A `Commit` that only notes losses."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []

    def submit(self, decoded: Any, size_bytes: int) -> Any:
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
    assert 500 == reception(ledger).verdict(ZeroDivisionError(), Signal.TRACES).http
    [loss] = ledger.losses
    told = (loss.service, loss.reason, loss.detail, loss.count)
    assert ("unknown", "refused_request", "500, a fault of flujo-otel", 1) == told
    assert {"receiving": 1} == guard.faults()


def test_however_errors_are_worded_the_ledger_gets_no_more_lines(ledger: Ledger) -> None:
    receiving = reception(ledger)
    for number in range(100):
        receiving.verdict(MalformedRequest(f"broken at {number}"), Signal.TRACES)
    assert {"400, not OTLP"} == {loss.detail for loss in ledger.losses}


@pytest.mark.parametrize("signal", [Signal.METRICS, Signal.LOGS, None])
def test_a_request_that_has_no_spans_costs_none(ledger: Ledger, signal: Signal | None) -> None:
    assert 400 == reception(ledger).verdict(MalformedRequest("broken"), signal).http
    assert [] == ledger.losses
