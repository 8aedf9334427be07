"""Nobody hangs on a lock that an interrupted frame, or a thread of the parent, may hold."""

import os
import threading
from collections.abc import Callable

import pytest

from flujo_otel.lock import SurvivingLock

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether it came out true there; a child that hangs is killed by its alarm."""
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(10)
        os._exit(0 if work() else 1)
    return os.waitpid(child, 0)[1] == 0


def taken(lock: SurvivingLock) -> bool:
    with lock as is_nested:
        return not is_nested


def test_the_thread_that_has_it_gets_in_and_is_told_so() -> None:
    lock = SurvivingLock()
    with lock as first, lock as second:
        assert (False, True) == (first, second)
    assert taken(lock)


def test_another_thread_waits() -> None:
    lock, order = SurvivingLock(), []
    with lock:
        thread = threading.Thread(target=lambda: order.append(taken(lock)))
        thread.start()
        thread.join(0.05)
        order.append("left")
    thread.join(10)
    assert ["left", True] == order


@needs_fork
def test_in_a_child_it_is_free_of_the_parents_other_threads() -> None:
    lock, has_it, may_end = SurvivingLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            has_it.set()
            may_end.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert has_it.wait(10)
    assert in_a_child(lambda: taken(lock) and taken(lock))
    may_end.set()
    thread.join()
    assert taken(lock)


@needs_fork
def test_who_forks_while_he_has_it_has_it_in_the_child_too() -> None:
    lock = SurvivingLock()

    def leave() -> bool:
        with lock as is_nested:
            had_it = is_nested
        lock.__exit__(None, None, None)
        return had_it and taken(lock)

    with lock:
        assert in_a_child(leave)
