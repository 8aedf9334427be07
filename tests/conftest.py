"""Shared by all tests: our own faults are raised instead of swallowed."""

import os

os.environ["FLUJO_OTEL_RAISE"] = "1"
