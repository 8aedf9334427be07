"""SIGINT and SIGTERM, in processes of their own."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from flujo_otel.collector.stop_signals import StopSignals

signals = StopSignals(lambda: print("stop", flush=True))
signals.install()
try:
    for number in sys.argv[1:]:
        os.kill(os.getpid(), int(number))
except KeyboardInterrupt:
    sys.exit(130)
signals.remove()
"""


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ((signal.SIGINT,), 0),
        ((signal.SIGINT, signal.SIGTERM), 0),
        ((signal.SIGTERM, signal.SIGINT), 0),
        ((signal.SIGINT, signal.SIGINT), 130),
        ((signal.SIGTERM, signal.SIGTERM), -signal.SIGTERM),
        ((signal.SIGINT, signal.SIGTERM, signal.SIGTERM), -signal.SIGTERM),
    ],
)
def test_one_of_each_asks_once_and_two_of_a_kind_end_it(
    numbers: tuple[int, ...], status: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *(str(int(number)) for number in numbers)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (status, "stop\n", "") == (done.returncode, done.stdout, done.stderr)
