"""Why something was tried again, or something else was tried in its place, where that is recorded.

LangChain tells each, flujo 0.4 the last one; 0.6 none: its `flujo.retry` counts the attempts alone.
"""

from collections.abc import Iterator

from flujo_otel.model import Span
from flujo_otel.semconv import flujo, langchain

_IN_FLUJOS_WORDS = "Agent execution failed with "
"""What 0.6 has before the class and the message of an exception."""
_RETRIES = (flujo.EVENT_RETRY, langchain.EVENT_RETRY)


def reasons_of(span: Span) -> Iterator[tuple[str, str]]:
    """`retry` or `fallback`, and what had gone wrong, in the order in which it happened."""
    for event in span.events:
        reason = event.attributes.get(flujo.EXCEPTION_MESSAGE)
        if event.name in _RETRIES and reason:
            kind = str(event.attributes.get(flujo.EXCEPTION_TYPE, "")).rpartition(".")[2]
            yield "retry", f"{kind}: {reason}" if kind else str(reason)
    original = span.attributes.get(flujo.FALLBACK_ORIGINAL_ERROR)
    if original:
        yield "fallback", str(original).removeprefix(_IN_FLUJOS_WORDS)
