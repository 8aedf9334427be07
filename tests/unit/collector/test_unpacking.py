"""What was kept as it came becomes rows: all of it, and what it costs is counted once."""

import time
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from flujo_otel.collector.answers import Encoding
from flujo_otel.collector.commit import GroupCommit
from flujo_otel.collector.overflow import Overflow
from flujo_otel.collector.unpacking import Unpacking
from flujo_otel.errors import StoreUnavailable
from flujo_otel.model import Batch, Loss
from flujo_otel.spanstore.api import WriteResult
from flujo_otel.spanstore.backlog import KeptRequest
from flujo_otel.wire.otlp import decode_protobuf
from support import otlp
from support.fake_store import FakeStore


class ForgetsAtTheSecondTry(FakeStore):
    tries = 0

    def forget(self, request_ids: Sequence[int]) -> None:
        self.tries += 1
        if self.tries == 1:
            raise StoreUnavailable("locked")
        super().forget(request_ids)


def kept(*names: str) -> KeptRequest:
    spans = [otlp.span(number, name=name) for number, name in enumerate(names, 1)]
    return KeptRequest(Encoding.PROTOBUF, len(names), otlp.request(*spans).SerializeToString())


def test_what_is_tried_again_is_counted_once() -> None:
    store, losses = ForgetsAtTheSecondTry(), list[Loss]()
    store.refuse = {"odd"}
    store.keep([kept("odd", "fine")])
    unpacking = Unpacking(store, losses.extend)
    with pytest.raises(StoreUnavailable):
        unpacking.step()
    assert [] == losses
    assert 1 == unpacking.step().rejected
    assert [("rejected", 1)] == [(loss.reason, loss.count) for loss in losses]


def test_what_is_no_request_any_more_is_counted_with_what_is_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLUJO_OTEL_RAISE", "0")
    store, losses = FakeStore(), list[Loss]()
    store.keep([KeptRequest(Encoding.PROTOBUF, 3, b"\xff")])
    assert 3 == Unpacking(store, losses.extend).step().rejected
    assert [("internal_error", 3)] == [(loss.reason, loss.count) for loss in losses]


def test_where_memory_is_short_nothing_is_given_up() -> None:
    class Short(FakeStore):
        def write(self, batch: Batch) -> WriteResult:
            if not self.batches:
                self.batches.append(Batch([]))
                raise MemoryError
            return super().write(batch)

    store, losses = Short(), list[Loss]()
    store.keep([kept("first")])
    unpacking = Unpacking(store, losses.extend)
    with pytest.raises(MemoryError):
        unpacking.step()
    assert 1 == unpacking.step().spans
    assert (["first"], []) == (store.names, losses)


def test_a_request_without_spans_does_not_hide_what_came_after_it() -> None:
    store = FakeStore()
    store.keep([kept(), kept("after it")])
    overflow = Overflow(store, lambda _: None)
    while overflow.to_unpack:
        overflow.unpack()
    assert ["after it"] == store.names


def test_what_another_process_had_stored_is_not_taken_from_what_this_one_has() -> None:
    store, losses = FakeStore(), list[Loss]()
    store.refuse = {"odd"}
    store.keep([kept("odd", "fine")])
    overflow = Overflow(store, losses.extend)
    assert 0 == overflow.unpack()
    assert 1 == len(losses)


class Busy(FakeStore):
    """While it writes something, more comes."""

    def __init__(self, comes: dict[str, tuple[str, ...]]) -> None:
        super().__init__()
        self._comes = comes
        self.commit: Future[GroupCommit] = Future()

    def write(self, batch: Batch) -> WriteResult:
        written = super().write(batch)
        names = self._comes.get(batch.records[0].name)
        if names is not None:
            body = kept(*names).body
            self.commit.result().submit(decode_protobuf(body), len(body))
        return written


def test_as_much_is_unpacked_as_rows_are_made_where_more_comes_all_the_time() -> None:
    store = Busy({"first": ("a", "b", "c"), "a": ("d",)})
    store.keep([kept(name) for name in ("first", "second", "third", "fourth", "fifth")])
    commit = GroupCommit(lambda: store, 1 << 20)
    store.commit.set_result(commit)
    deadline_seconds = time.monotonic() + 10
    while "fifth" not in store.names and time.monotonic() < deadline_seconds:
        time.sleep(0.01)
    assert commit.close(10)
    assert ["first", "a", "b", "c", "second", "third", "fourth", "d", "fifth"] == store.names


def test_what_is_unpacked_at_once_is_bounded_in_bytes_too() -> None:
    asked_for: list[int] = []

    class Asked(FakeStore):
        def oldest(self, most_spans: int, most_bytes: int) -> list[KeptRequest]:
            asked_for.append(most_bytes)
            return []

    Unpacking(Asked(), lambda _: None).step()
    assert asked_for[0] <= 8 << 20
