"""The end of a run is written soon, and not more often than a store can bear."""

import time

import pytest

from flujo_otel.bell import Bell
from flujo_otel_exporter import intake, limits
from support.fake_store import FakeStore
from unit.exporter.ended import PATIENT, Make, span, until


def test_hurried_it_writes_at_once_and_then_rests(make_writer: Make, store: FakeStore) -> None:
    writer = make_writer(interval=0.8)
    started = time.monotonic()
    writer.put(span(), None)
    writer.hurry()
    until(lambda: store.names == ["span"])
    assert time.monotonic() - started < 0.4
    while time.monotonic() - started < 1:
        writer.put(span(), None)
        writer.hurry()
        time.sleep(0.001)
    assert 2 <= len(store.batches) <= 20  # of hundreds
    writer.flush(PATIENT)
    assert len(store.names) == len(store.records) > 100


def test_a_run_that_ends_in_the_rest_is_there_when_lens_has_started(
    make_writer: Make, store: FakeStore
) -> None:
    writer = make_writer(interval=2.0)
    for name in ("one", "two"):
        started = time.monotonic()
        writer.put(span(name), None)
        writer.hurry()
        until(lambda name=name: name in store.names)
    assert time.monotonic() - started < 0.8  # at 200 ms, 80 ms


def test_a_flush_ends_the_rest(make_writer: Make, store: FakeStore) -> None:
    writer = make_writer(interval=4 * PATIENT)
    for name in ("one", "two"):
        writer.put(span(name), None)
        writer.hurry()
        assert writer.flush(PATIENT)
    assert store.names == ["one", "two"]


def test_a_store_that_is_away_is_not_tried_again_at_each_end_of_a_run(
    make_writer: Make, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make_writer(interval=0.05)
    tries: list[float] = []
    check = store._check
    monkeypatch.setattr(store, "_check", lambda: tries.append(time.monotonic()) or check())
    store.available = False
    started = time.monotonic()
    while time.monotonic() - started < 0.8:
        writer.put(span("meanwhile"), None)
        writer.hurry()
        time.sleep(0.001)
    assert 2 <= len(tries) <= 8  # of hundreds


def test_a_retry_does_not_rest_as_a_write_does(make_writer: Make, store: FakeStore) -> None:
    writer = make_writer(interval=4 * PATIENT)
    writer.put(span("written"), None)
    assert writer.flush(PATIENT)
    store.available = False
    writer.put(span("kept"), None)
    assert not writer.flush(0.02)
    writer.hurry()
    time.sleep(0.1)
    store.available = True
    until(lambda: store.names == ["written", "kept"])


def test_who_rests_hears_of_a_whole_batch_and_of_a_flush_whoever_rang_before() -> None:
    held = intake.Intake(limits.Limits(1 << 26, 1.0, batch_spans=2), Bell())
    held.put(span(), None)
    assert not held.is_due
    held.put(span(), None)
    assert held.is_due
    held.clear()
    assert not held.is_due
    held.mark()
    assert held.is_due
