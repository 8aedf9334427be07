"""When what is kept as it came is unpacked, and that none of it is forgotten."""

from collections.abc import Sequence

import pytest

from flujo_otel.collector import backlog_count, overflow, pressure
from flujo_otel.collector.overflow import Overflow
from flujo_otel.errors import StoreUnavailable
from flujo_otel.spanstore.backlog import KeptRequest
from support.fake_store import FakeStore
from support.pending_requests import group


@pytest.fixture(autouse=True)
def _is_always_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(pressure, "_BURNING", -1.0)
    monkeypatch.setattr(pressure, "_LESS", -1.0)
    monkeypatch.setattr(pressure, "_GROUPS", 0)
    monkeypatch.setattr(pressure, "_FULL_WINDOWS", 1)


def keeping(store: FakeStore) -> Overflow:
    kept = Overflow(store, lambda _: None)
    kept.write(group(1))  # as rows
    return kept


def test_a_pause_is_waited_for_before_unpacking_begins_and_no_more() -> None:
    kept = keeping(FakeStore())
    kept.write(group(2, 3, 4))
    assert overflow._PAUSE_SECONDS == kept.wait_seconds
    kept.unpack()
    assert kept.to_unpack
    assert 0 == kept.wait_seconds
    kept.write(group(5))
    assert overflow._PAUSE_SECONDS == kept.wait_seconds


def test_what_cannot_be_kept_becomes_rows_and_nothing_beside_it() -> None:
    store = FakeStore()
    kept = keeping(store)
    first, second, third = group(2, 3, 4)
    kept.write([first, second._replace(received=None), third])
    assert (2, 2) == (len(store.records), len(store.kept))
    assert 2 == kept.to_unpack


class KeepsHalf(FakeStore):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def keep(self, requests: Sequence[KeptRequest]) -> Sequence[int]:
        super().keep(requests[: len(requests) // 2])
        raise self._error


@pytest.mark.parametrize("error", [StoreUnavailable("full"), MemoryError()])
def test_what_was_kept_before_keeping_failed_is_unpacked_too(error: Exception) -> None:
    store = KeepsHalf(error)
    kept = keeping(store)
    with pytest.raises(type(error)):
        kept.write(group(2, 3, 4, 5))
    while kept.to_unpack:
        kept.unpack()
    assert 3 == len(store.records)
    assert [] == store.kept


def test_what_is_kept_while_its_time_ends_is_unpacked_and_shares_no_pour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = FakeStore()
    kept = keeping(store)
    kept.write(group(2))
    keep = store.keep

    def slow(requests: Sequence[KeptRequest]) -> Sequence[int]:
        monkeypatch.setattr(backlog_count, "_LONGEST_SECONDS", 0.0)
        return keep(requests)

    monkeypatch.setattr(store, "keep", slow)
    kept.write(group(3))
    assert (False, False, 2) == (kept.is_overflowing, kept.is_sharing, kept.to_unpack)
