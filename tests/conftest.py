"""Shared by all tests: our own faults are raised instead of swallowed."""

import os

import pytest

from flujo_otel import guard

os.environ[guard.RAISE_VARIABLE] = "1"


@pytest.fixture(autouse=True)
def no_faults_of_other_tests() -> None:
    """They are counted for the whole process, and each kind is logged once."""
    guard._counts.clear()
