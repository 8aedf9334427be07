"""Spans that a library's own instrumentation makes, recorded as ours are: as runs and steps, of
bounded size and without secrets. The instrumentation is given our provider in the place of its own.
"""

from flujo_otel.integrations.adopted.library import Library
from flujo_otel.integrations.adopted.provider import RunProvider

__all__ = ["Library", "RunProvider"]
