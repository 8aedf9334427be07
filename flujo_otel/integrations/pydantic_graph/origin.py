"""Of which execution a graph run is the replay, or the continuation."""

import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.trace import Link, SpanContext, TraceFlags

from flujo_otel.recording.attached import Attached
from flujo_otel.redaction import redactor
from flujo_otel.semconv import graph

_KEY: Final = create_key("flujo-otel-replay-of")
_IDS: Final = re.compile(
    r"(?:[0-9a-f]{2}-)?(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})(?:-[0-9a-f]{2})?",
    re.IGNORECASE,
)
_MOST_LEFT: Final = 1024


@contextmanager
def replay_of(execution: str) -> Iterator[None]:
    """Graph runs in its body are replays of `execution`: they say so, and link to it.

    `execution`: what `execution_id()` gave in the original run, or the original's W3C traceparent.
    Any other text is recorded as the original's id, without a link. Runs inside those runs are no
    replays.
    """
    attached = Attached(set_value(_KEY, execution))
    try:
        yield
    finally:
        attached.undo()


def replayed() -> str | None:
    """The execution that `replay_of` around the calling code names."""
    given = get_value(_KEY)
    return given if isinstance(given, str) else None


def forgotten(context: Context) -> Context:
    """`context` without what `replay_of` said: it is for the outermost runs alone."""
    return context if get_value(_KEY, context) is None else set_value(_KEY, None, context)


def link_to(execution: str) -> Link | None:
    """The link to an execution by its id; None where the id is none of ours."""
    found = _IDS.fullmatch(execution.strip())
    if found is None:
        return None
    context = SpanContext(
        int(found["trace"], 16), int(found["span"], 16), is_remote=True, trace_flags=TraceFlags(1)
    )
    attributes = {graph.ORIGINAL_EXECUTION_ID: redactor().text(execution)}
    return Link(context, attributes) if context.is_valid else None


class Left:
    """Executions that were left before their end, by the snapshot that can go on with them.

    pydantic-graph 1.x names each snapshot, in every persistence and file, so a run that goes on
    finds its original here, as long as it does so in this process. The latest 1024 are kept.
    """

    def __init__(self) -> None:
        self._executions: OrderedDict[str, str] = OrderedDict()

    def add(self, snapshot_id: str, execution: str) -> None:
        self._executions[snapshot_id] = execution
        while len(self._executions) > _MOST_LEFT:
            self._executions.popitem(last=False)

    def at(self, snapshot_id: str) -> str | None:
        return self._executions.get(snapshot_id)


left: Final = Left()
