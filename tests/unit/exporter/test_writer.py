"""The one writer: what is accepted, when it is committed, what is lost and how that is counted."""

import asyncio
import signal
import threading
import time

import pytest

from flujo_otel import forks
from flujo_otel.errors import ForeignDatabase
from flujo_otel.quiet import suppressed
from flujo_otel_exporter import intake, limits, patience
from support.fake_store import FakeStore
from unit.exporter.ended import PATIENT, Make, span, until


def losses(store: FakeStore) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for loss in store.losses:
        key = loss.service, loss.reason
        counts[key] = counts.get(key, 0) + loss.count
    return counts


def test_a_flush_commits_all_that_was_accepted_in_order(
    make_writer: Make, store: FakeStore
) -> None:
    writer = make_writer()
    for number in range(5000):
        assert writer.put(span(str(number)), None)
    assert writer.flush(PATIENT)
    assert store.names == [str(number) for number in range(5000)]


def test_without_a_flush_everything_is_committed_after_the_interval(
    make_writer: Make, store: FakeStore
) -> None:
    make_writer(interval=0.05).put(span(), None)
    until(lambda: store.names == ["span"])


def test_a_full_batch_does_not_wait_for_the_interval(make_writer: Make, store: FakeStore) -> None:
    writer = make_writer(batch_spans=10)
    for _ in range(10):
        writer.put(span(), None)
    until(lambda: len(store.records) == 10)


def test_batches_are_bounded_in_spans_and_in_bytes(
    make_writer: Make, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flujo_otel_exporter.delivery.BATCH_BYTES", 1_000_000)
    writer = make_writer(batch_spans=50)
    for _ in range(100):
        writer.put(span(), None)
    for _ in range(4):
        writer.put(span(text="x" * 600_000), None)
    assert writer.flush(PATIENT)
    # However the writer's thread came between: no batch is over either bound.
    large = [sum(len(r.attributes) > 500_000 for r in b.records) for b in store.batches]
    assert (104, 4) == (len(store.records), sum(large))
    assert max(len(batch.records) for batch in store.batches) <= 50
    assert max(large) <= 2


def test_a_store_that_is_away_keeps_the_batch_and_gets_it_once(
    make_writer: Make, store: FakeStore
) -> None:
    store.available = False
    writer = make_writer()
    writer.put(span("first"), None)
    assert not writer.flush(0.2)
    writer.put(span("second"), None)
    store.available = True
    assert writer.flush(PATIENT)
    assert store.names == ["first", "second"]
    assert losses(store) == {}


def test_a_flush_that_timed_out_says_so(make_writer: Make, store: FakeStore) -> None:
    store.available = False
    writer = make_writer()
    writer.put(span(), None)
    assert not writer.flush(0)
    assert not writer.flush(0.05)


def test_shutdowns_and_the_end_wait_in_vain_so_long_in_all(
    make_writer: Make, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flujo_otel_exporter.writer.EXIT_SECONDS", 0.2)
    store.available = False
    writer = make_writer()
    writer.put(span(), None)
    timeouts: list[float] = []
    flush = writer.flush
    monkeypatch.setattr(writer, "flush", lambda timeout: timeouts.append(timeout) or flush(timeout))
    assert not writer.settle()
    writer.finish()
    assert timeouts == [0.2, pytest.approx(0, abs=0.01)]
    store.available = True
    assert writer.flush(PATIENT)


def test_the_end_goes_on_where_the_store_is_only_slow(
    make_writer: Make,
    store: FakeStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("flujo_otel_exporter.writer.EXIT_SECONDS", 2.0)
    write = store.write
    store.write = lambda batch: (time.sleep(0.15), write(batch))[1]  # type: ignore[method-assign]
    writer = make_writer(batch_spans=1)
    for number in range(20):
        writer.put(span(f"{number}"), None)
    writer.finish()
    assert len(store.names) == 20
    assert caplog.messages == []


def test_it_goes_on_with_a_bound(
    make_writer: Make,
    store: FakeStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("flujo_otel_exporter.writer.EXIT_SECONDS", 0.2)
    monkeypatch.setattr("flujo_otel_exporter.writer.SLOW_EXIT_SECONDS", 0.2)
    write = store.write
    store.write = lambda batch: (time.sleep(0.1), write(batch))[1]  # type: ignore[method-assign]
    writer = make_writer(batch_spans=1)
    for number in range(100):
        writer.put(span(f"{number}"), None)
    writer.finish()
    assert len(store.names) < 90
    [said] = caplog.messages
    assert "spans unwritten: not done within" in said
    store.write = write  # type: ignore[method-assign]


def test_at_a_sigterm_a_store_that_is_locked_is_tried_again_and_again(
    make_writer: Make, store: FakeStore
) -> None:
    tries = []
    check = store._check

    def locked() -> None:
        tries.append(None)
        store.available = len(tries) > 2 * PATIENT
        check()

    store._check = locked
    writer = make_writer()
    writer.put(span("last"), None)
    writer.terminate(time.monotonic() + PATIENT)  # not with a second's rest between two tries
    assert ["last"] == store.names


def test_what_cannot_be_written_in_time_at_a_sigterm_is_counted(
    make_writer: Make, store: FakeStore
) -> None:
    write = store.write
    store.write = lambda batch: (time.sleep(0.1), write(batch))[1]  # type: ignore[method-assign]
    writer = make_writer(batch_spans=1)
    for number in range(100):
        writer.put(span(f"{number}"), None)
    marker = writer._intake.mark()
    writer.terminate(time.monotonic() + 1)
    until(lambda: bool(store.losses))
    [(reason, count)] = [(loss.reason, loss.count) for loss in store.losses]
    assert ("terminated", 100) == (reason, count + len(store.names))
    assert not marker.wait(PATIENT)  # somebody's flush, which is not true


def test_what_the_store_rejects_is_counted_and_the_rest_kept(
    make_writer: Make, store: FakeStore
) -> None:
    store.refuse = {"bad"}
    writer = make_writer()
    for name in ("good", "bad", "bad"):
        writer.put(span(name), None)
    assert writer.flush(PATIENT)
    assert losses(store) == {("shop", "rejected"): 2}
    assert store.losses[0].detail == "does not fit"


def test_what_only_looks_like_a_span_is_counted_and_costs_no_other(
    make_writer: Make, store: FakeStore
) -> None:
    writer = make_writer()
    odd = span("odd")
    odd._kind = None  # type: ignore[assignment]
    for each in (span("before"), odd, span("after")):
        assert writer.put(each, None)
    assert writer.flush(PATIENT)
    assert store.names == ["before", "after"]
    assert losses(store) == {("shop", "rejected"): 1}
    assert store.losses[0].detail.startswith("AttributeError: ")


def test_a_flush_that_the_writers_own_thread_is_asked_for_is_given_up_at_once(
    make_writer: Make, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finalizer that flushes may run there: it would wait for itself."""
    writer = make_writer()
    answers: list[bool] = []
    write = store.write
    monkeypatch.setattr(
        store, "write", lambda batch: answers.append(writer.flush(PATIENT)) or write(batch)
    )
    writer.put(span(), None)
    assert writer.flush(PATIENT / 4)
    assert answers == [False]


def test_the_longer_a_store_is_away_the_less_often_it_is_tried(
    make_writer: Make, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    writer = make_writer()
    wait = writer._bell.wait
    monkeypatch.setattr(
        writer._bell, "wait", lambda seconds: waits.append(seconds) or wait(min(seconds, 0.001))
    )
    store.available = False
    writer.put(span(), None)
    until(lambda: len(waits) > 8)
    assert waits[1:8] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_losses_are_reported_once(make_writer: Make, store: FakeStore) -> None:
    store.refuse = {"bad"}
    writer = make_writer()
    for _ in range(3):
        writer.put(span("bad"), None)
        assert writer.flush(PATIENT)
    assert losses(store) == {("shop", "rejected"): 3}


def test_a_file_of_another_program_loses_its_spans_counted_and_the_host_hears_nothing(
    make_writer: Make, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")
    store.failing = ForeignDatabase("not ours")
    writer = make_writer()
    writer.put(span(), None)
    writer.flush(PATIENT)
    store.failing = None
    writer.put(span("later"), None)
    assert writer.flush(PATIENT)
    assert store.names == ["later"]
    assert losses(store)["shop", "refused"] == 1


def test_memory_is_bounded_and_what_exceeds_it_is_dropped_newest_first_and_counted(
    make_writer: Make, store: FakeStore
) -> None:
    store.available = False
    writer = make_writer(queue_bytes=100_000)
    accepted = [writer.put(span(str(number)), None) for number in range(200)]
    kept = accepted.count(True)
    assert accepted == [True] * kept + [False] * (200 - kept)
    assert writer._intake.held_bytes <= 100_000
    store.available = True
    assert writer.flush(PATIENT)
    assert store.names == [str(number) for number in range(kept)]
    assert losses(store) == {("shop", "queue_full"): 200 - kept}


def test_a_few_spans_with_megabytes_do_not_break_the_bound(
    make_writer: Make, store: FakeStore
) -> None:
    store.available = False
    writer = make_writer(queue_bytes=4_000_000)
    accepted = [writer.put(span(text="x" * 1_000_000), None) for _ in range(10)]
    assert accepted.count(True) == 3
    assert writer._intake.held_bytes <= 4_000_000


def test_a_span_larger_than_the_bound_is_taken_alone(make_writer: Make, store: FakeStore) -> None:
    writer = make_writer(queue_bytes=10_000)
    assert writer.put(span(text="x" * 100_000), None)
    assert writer.flush(PATIENT)
    assert len(store.records) == 1


def test_a_bound_in_spans_holds_where_it_is_set(make_writer: Make, store: FakeStore) -> None:
    store.available = False
    writer = make_writer(queue_spans=5)
    writer.put(span(), None)
    writer.flush(0.1)  # one batch is taken, and kept for another try
    accepted = [writer.put(span(), None) for _ in range(10)]
    assert accepted.count(True) <= 5


def test_a_full_queue_makes_the_producer_wait_for_a_writer_that_gets_on(
    make_writer: Make, store: FakeStore
) -> None:
    writer = make_writer(queue_bytes=200_000)
    assert all(writer.put(span(), None) for _ in range(3000))
    assert writer.flush(PATIENT)
    assert len(store.records) == 3000


def test_the_wait_is_given_up_once_and_not_for_every_span(
    make_writer: Make, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that hangs: the first span waits for it in vain, the others do not."""
    slept = _count_sleeps(monkeypatch)
    writer = make_writer(queue_bytes=10_000)
    with writer._step_lock:
        for _ in range(50):
            writer.put(span(), None)
    assert 0 < sum(slept) <= limits.WAIT_SECONDS


def test_a_thread_with_a_running_event_loop_never_waits(
    make_writer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = _count_sleeps(monkeypatch)
    writer = make_writer(queue_bytes=10_000)

    async def flood() -> list[bool]:
        return [writer.put(span(), None) for _ in range(50)]

    with writer._step_lock:
        accepted = asyncio.run(flood())
    assert not all(accepted)
    assert slept == []


def test_a_signal_handler_never_waits() -> None:
    answers = []
    before = signal.signal(signal.SIGUSR1, lambda *_: answers.append(patience.may_wait()))
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    answers.append(patience.may_wait())
    assert answers == [False, True]


def test_a_thread_amid_a_fork_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(forks._paused, threading.get_ident(), [])
    assert not patience.may_wait()


def test_a_span_that_ends_during_work_of_ours_never_waits() -> None:
    """The garbage collector may end one on the writer's own thread."""
    with suppressed():
        assert not patience.may_wait()
    assert patience.may_wait()


def test_many_threads_at_once_lose_nothing_and_the_books_balance(
    make_writer: Make, store: FakeStore
) -> None:
    writer = make_writer(interval=0.001, batch_spans=50)
    one = span()

    def produce() -> None:
        for _ in range(2000):
            assert writer.put(one, None)

    threads = [threading.Thread(target=produce) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.flush(PATIENT)
    assert len(store.records) == 12_000
    assert writer._intake.held_bytes == 0


def test_the_writers_thread_is_not_traced(make_writer: Make, store: FakeStore) -> None:
    from opentelemetry.instrumentation.utils import is_instrumentation_enabled

    seen = []
    write = store.write
    store.write = lambda batch: (seen.append(is_instrumentation_enabled()), write(batch))[1]  # type: ignore[method-assign]
    writer = make_writer()
    writer.put(span(), None)
    assert writer.flush(PATIENT)
    writer.put(span(), None)
    writer.finish()
    assert seen == [False, False]
    assert is_instrumentation_enabled()


def test_a_paused_writer_has_closed_the_store_and_writes_nothing(
    make_writer: Make, store: FakeStore
) -> None:
    writer = make_writer()
    writer.put(span("before"), None)
    assert writer.flush(PATIENT)
    assert writer.pause()
    try:
        assert store.closed == 1
        writer.put(span("meanwhile"), None)
        assert not writer.flush(0.1)
        assert store.names == ["before"]
    finally:
        writer.resume()
    assert writer.flush(PATIENT)
    assert store.names == ["before", "meanwhile"]


def test_a_pause_does_not_wait_for_a_write_that_hangs(make_writer: Make) -> None:
    writer = make_writer()
    with writer._delivery.door:  # which nobody opens
        assert not writer.pause()


def _count_sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Producers' steps; the writer's own rests are in another module."""
    slept: list[float] = []
    sleep = time.sleep

    class Clock:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def sleep(seconds: float) -> None:
            slept.append(seconds)
            sleep(seconds)

    monkeypatch.setattr(intake, "time", Clock)
    return slept
