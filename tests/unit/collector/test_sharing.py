"""What is committed as it came, to be made rows with what comes next."""

from collections.abc import Sequence

import pytest

from flujo_otel.collector import overflow, pressure, shared_pour
from flujo_otel.collector.overflow import Overflow
from flujo_otel.errors import StoreUnavailable
from flujo_otel.model import Loss
from flujo_otel.spanstore.backlog import KeptRequest
from support.fake_store import FakeStore
from support.pending_requests import group


@pytest.fixture(autouse=True)
def _is_always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(pressure, "_SHARED", -1.0)
    monkeypatch.setattr(pressure, "_LESS", -1.0)
    monkeypatch.setattr(pressure, "_GROUPS", 0)
    monkeypatch.setattr(pressure, "_FULL_WINDOWS", 1000)


def sharing(store: FakeStore) -> Overflow:
    shared = Overflow(store, store.losses.extend)
    shared.write(group(1))  # as rows
    return shared


def test_what_shares_a_pour_is_kept_and_then_written_at_once_and_forgotten() -> None:
    store = FakeStore()
    shared = sharing(store)
    shared.write(group(2, 3))
    shared.write(group(4))
    assert (1, 3) == (len(store.records), len(store.kept))
    assert (True, False, 0) == (shared.is_sharing, shared.is_pour_due, shared.to_unpack)
    assert 0 == shared.pour()
    assert [1, 3] == [len(batch.records) for batch in store.batches]
    assert ([], False, None) == (store.kept, shared.is_sharing, shared.wait_seconds)


def test_it_is_due_after_a_while_or_when_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = sharing(FakeStore())
    shared.write(group(2))
    assert 0 < (shared.wait_seconds or 0.0) <= shared_pour._SECONDS
    with monkeypatch.context() as patch:
        patch.setattr(shared_pour, "_SPANS", 2)
        assert not shared.is_pour_due
        shared.write(group(3))
        assert shared.is_pour_due
    assert not shared.is_pour_due
    shared.write(group(4, held_bytes=shared_pour._BYTES))
    assert shared.is_pour_due
    shared.pour()
    monkeypatch.setattr(shared_pour, "_SECONDS", 0.0)
    shared.write(group(5))
    assert (True, 0.0) == (shared.is_pour_due, shared.wait_seconds)


def test_what_cannot_be_poured_now_is_unpacked_later() -> None:
    store = FakeStore()
    shared = sharing(store)
    shared.write(group(2, 3))
    store.available = False
    with pytest.raises(StoreUnavailable):
        shared.pour()
    store.available = True
    assert (2, False) == (shared.to_unpack, shared.is_sharing)
    while shared.to_unpack:
        shared.unpack()
    assert ([], 3) == (store.kept, len(store.records))


def test_what_shares_a_pour_is_never_unpacked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeStore()
    store.refuse = {"span-2"}
    shared = sharing(store)
    shared.write(group(2))
    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
        patch.setattr(store, "keep", FailsHalfway(store).keep)
        shared.write(group(3, 4))
    assert (True, True) == (shared.to_unpack > 0, shared.is_pour_due)
    rejected = shared.pour()
    while shared.to_unpack:
        rejected += shared.unpack()
    assert (1, ["rejected"]) == (rejected, [loss.reason for loss in store.losses])
    assert ["span-1", "span-2", "span-3"] == store.names


class FailsHalfway:
    def __init__(self, store: FakeStore) -> None:
        self._keep = store.keep

    def keep(self, requests: Sequence[KeptRequest]) -> Sequence[int]:
        self._keep(requests[: len(requests) // 2])
        raise StoreUnavailable("full")


def test_what_others_have_left_since_is_taken_over_and_nothing_that_is_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overflow, "_LOOK_SECONDS", 0.0)
    store = FakeStore()
    shared = sharing(store)
    for number in (2, 3):
        shared.write(group(number))
        assert (0, number - 1) == (shared.to_unpack, len(store.kept))
    shared.pour()
    store.keep([KeptRequest(0, 7, b"of one that is gone")])
    shared.write(group(4))
    assert (7, False) == (shared.to_unpack, shared.is_sharing)


def test_while_anything_is_to_be_unpacked_rows_are_written_at_once() -> None:
    store = FakeStore()
    shared = sharing(store)
    shared._backlog.look()
    shared.write(group(2))
    assert ([], 2) == (store.kept, len(store.records))


def test_where_more_comes_than_can_be_made_rows_the_pour_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = FakeStore()
    shared = sharing(store)
    shared.write(group(2))
    assert not shared.is_pour_due
    monkeypatch.setattr(pressure, "_BURNING", -1.0)
    monkeypatch.setattr(pressure, "_FULL_WINDOWS", 1)
    shared.write(group(3))
    assert shared.is_pour_due


def test_what_is_rejected_behind_the_answer_is_in_the_ledger() -> None:
    store = FakeStore()
    shared = sharing(store)
    store.refuse = {"span-2"}
    shared.write(group(2, 3))
    assert 1 == shared.pour()
    assert [("rejected", 1)] == [(loss.reason, loss.count) for loss in store.losses]
    assert all(isinstance(loss, Loss) for loss in store.losses)
