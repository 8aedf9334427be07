"""Shared by all tests: our own faults are raised instead of swallowed."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from flujo_otel import guard

os.environ[guard.RAISE_VARIABLE] = "1"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background: the programs that tests interrupt would inherit it, and go on.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more of what else the machine does than of us.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Many tests wait for programs that they started: half as many again as there are cores."""
    return max((os.cpu_count() or 1) * 3 // 2, 1)


@pytest.fixture(autouse=True)
def no_faults_of_other_tests() -> None:
    """They are counted for the whole process, and each kind is logged once."""
    guard._counts.clear()
