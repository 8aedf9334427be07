"""Shared by all tests: our own faults are raised instead of swallowed."""

import os
import signal

import pytest

from flujo_otel import guard

os.environ[guard.RAISE_VARIABLE] = "1"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background: the programs that tests interrupt would inherit it, and go on.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_faults_of_other_tests() -> None:
    """They are counted for the whole process, and each kind is logged once."""
    guard._counts.clear()
