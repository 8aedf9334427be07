"""What the runs of a callback hang under where LangChain knows no parent."""

from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context


class Root:
    """The span that is current where a chain begins, or none: a run of its own."""

    def context(self) -> Context | None:
        return None


def root_of(xray_trace: Any, on_end: Callable[[], None]) -> Root:
    return Root()
