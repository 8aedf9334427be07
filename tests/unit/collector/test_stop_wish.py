"""That it is time to stop, said in the very thread that waits for it."""

import subprocess
import sys

from flujo_otel.server.stop_wish import StopWish

PROGRAM = """
import signal, time
from flujo_otel.server.stop_wish import StopWish

wishes = [StopWish()]
signal.signal(signal.SIGALRM, lambda *_: wishes[-1].make())
signal.setitimer(signal.ITIMER_REAL, 1e-3, 2e-4)
deadline = time.monotonic() + 0.3
while time.monotonic() < deadline:
    for _ in range(1000):
        wishes[-1].wait(0)
    wishes.append(StopWish())
signal.setitimer(signal.ITIMER_REAL, 0)
"""

ELSEWHERE = """
import signal, threading, time
from flujo_otel.server.stop_wish import StopWish

wish = StopWish()
signal.signal(signal.SIGTERM, lambda *_: wish.make())
other = threading.Thread(target=lambda: (
    time.sleep(0.3),
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM),
    time.sleep(60),
), daemon=True)
other.start()
assert wish.wait(None)
"""


def test_a_signal_amid_the_wait_is_no_deadlock() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], timeout=20, check=True)


def test_a_signal_that_another_thread_gets_is_seen() -> None:
    subprocess.run([sys.executable, "-c", ELSEWHERE], timeout=20, check=True)


def test_it_stays_made_however_often_it_is_asked_for() -> None:
    wish = StopWish()
    assert not wish.wait(0.001)
    wish.make()
    wish.make()
    assert [True] * 3 == [wish.wait(None), wish.wait(0.001), wish.wait(None)]
