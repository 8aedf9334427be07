"""How much is to be unpacked, and when clients have to wait for rows again."""

import time

import pytest

from flujo_otel.collector import backlog_count
from flujo_otel.collector.backlog_count import BacklogCount
from flujo_otel.collector.unpacking import Unpacked
from flujo_otel.spanstore.backlog import KeptRequest


def test_it_is_empty_only_where_the_store_says_so() -> None:
    count = BacklogCount(0)
    count.add([KeptRequest(0, 3, b"123")])
    count.subtract(Unpacked(requests=1, spans=3, body_bytes=3))
    assert 1 == count.spans
    count.subtract(Unpacked())
    assert 0 == count.spans


def test_what_was_rejected_of_what_was_taken_over_is_not_subtracted_from_what_came_here() -> None:
    count = BacklogCount(5)
    count.add([KeptRequest(0, 3, b"123")])
    assert 0 == count.subtract(Unpacked(requests=1, spans=5, rejected=2))
    assert 1 == count.subtract(Unpacked(requests=1, spans=3, rejected=1))


def test_it_is_full_by_its_bytes_until_enough_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_count, "_MOST_BYTES", 4)
    count = BacklogCount(0)
    count.add([KeptRequest(0, 1, b"123")])
    assert not count.is_full
    count.add([KeptRequest(0, 1, b"4")])
    assert count.is_full
    count.subtract(Unpacked(requests=1, spans=1, body_bytes=3))
    assert not count.is_full


def test_it_is_full_by_the_clock_while_anything_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_count, "_LONGEST_SECONDS", 0.001)
    count = BacklogCount(0)
    time.sleep(0.002)
    assert not count.is_full
    count.look()
    time.sleep(0.002)
    assert count.is_full
    count.subtract(Unpacked())
    assert not count.is_full
