"""The counter of losses: nothing is counted twice, nothing is forgotten."""

import threading

import pytest
from opentelemetry.sdk.resources import Resource

from flujo_otel import guard, process
from flujo_otel_exporter.losses import LossCounter, service_of


def test_what_was_reported_is_not_reported_again() -> None:
    losses = LossCounter()
    losses.count("shop", "queue_full")
    first = losses.unreported()
    losses.reported(first)
    losses.count("shop", "queue_full", count=2)
    second = losses.unreported()
    assert ([1], [2]) == ([loss.count for loss in first], [loss.count for loss in second])
    assert second[0].first_time_ns >= first[0].last_time_ns


def test_what_comes_between_the_reading_and_the_reporting_is_kept() -> None:
    losses = LossCounter()
    losses.count("shop", "queue_full")
    read = losses.unreported()
    losses.count("shop", "queue_full")
    losses.reported(read)
    assert [loss.count for loss in losses.unreported()] == [1]


def test_threads_lose_no_count() -> None:
    losses = LossCounter()

    def count() -> None:
        for _ in range(5000):
            losses.count("shop", "queue_full")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [loss.count for loss in losses.unreported()] == [20_000]


@pytest.mark.parametrize(
    ("attributes", "service"),
    [
        ({"service.name": "shop"}, "shop"),
        ({"service.name": "unknown_service"}, process.current().command),
        ({}, process.current().command),
    ],
)
def test_a_loss_names_the_service_or_else_the_program(
    attributes: dict[str, str], service: str
) -> None:
    assert service_of(Resource(attributes)) == service


def test_faults_of_ours_are_in_the_ledger_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")
    losses = LossCounter()
    before = guard.faults().get("a test", 0)
    for _ in range(2):
        with guard.guarded("a test"):
            raise ValueError("sour milk")
    found = [loss for loss in losses.unreported() if loss.detail == "a test"]
    assert [("fault", before + 2)] == [(loss.reason, loss.count) for loss in found]
    losses.reported(found)
    assert [] == [loss for loss in losses.unreported() if loss.detail == "a test"]
