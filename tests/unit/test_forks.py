import gc
import threading
from collections.abc import Iterator
from threading import Lock
from weakref import WeakValueDictionary

import pytest

from flujo_otel import forks


class Log:
    """Paused as the real ones are: by taking a lock."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.safe: bool | None = None

    def pause(self) -> bool:
        return self.lock.acquire(blocking=False)

    def resume(self) -> None:
        self.lock.release()

    def start_over(self, *, safe: bool) -> None:
        self.safe = safe


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    monkeypatch.setattr(forks, "_participants", WeakValueDictionary())
    monkeypatch.setattr(forks, "_paused", {})
    joined = Log()
    forks.join(joined)
    yield joined


def in_another_thread(*steps: object) -> None:
    def run() -> None:
        for step in steps:
            step()  # type: ignore[operator]

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)


def test_a_fork_of_another_thread_that_is_done_first_lets_go_of_nothing_of_this_ones(
    log: Log,
) -> None:
    forks._before()
    in_another_thread(forks._before, forks._after_in_parent)
    assert log.lock.locked(), "this thread has not forked yet"
    forks._after_in_parent()
    assert not log.lock.locked()


def test_the_child_of_a_thread_that_could_not_pause_a_log_is_told_so(log: Log) -> None:
    forks._before()
    in_another_thread(forks._before, forks._after_in_child)
    assert log.safe is False


def test_the_child_of_a_thread_that_paused_a_log_is_told_so(log: Log) -> None:
    forks._before()
    forks._after_in_child()
    assert log.safe is True


def test_the_child_is_told_so_too_where_it_was_another_log_that_could_not_be_paused(
    log: Log,
) -> None:
    """Their file may be the same, and SQLite's locks are the process's."""
    busy = Log()
    forks.join(busy)
    with busy.lock:
        forks._before()
        forks._after_in_child()
    assert (log.safe, busy.safe) == (False, False)


def test_one_that_came_after_the_others_were_paused_may_have_its_file_open(log: Log) -> None:
    forks._before()
    late = Log()
    forks.join(late)
    forks._after_in_child()
    assert (log.safe, late.safe) == (False, False)


def test_one_that_is_gone_is_asked_no_more(log: Log) -> None:
    forks.join(Log())
    gc.collect()
    forks._before()
    forks._after_in_child()
    assert log.safe is True
