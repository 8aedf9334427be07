"""Why something was tried again, or something else was tried in its place, where that is recorded.

flujo's own `flujo.retry` counts the attempts and has no reason; LangChain's has one.
"""

from collections.abc import Iterator

from flujo_otel.model import Span
from flujo_otel.semconv import flujo, langchain

_RETRIES = (flujo.EVENT_RETRY, langchain.EVENT_RETRY)


def reasons_of(span: Span) -> Iterator[tuple[str, str]]:
    """`retry` or `fallback`, and what had gone wrong, in the order in which it happened."""
    for event in span.events:
        reason = event.attributes.get(flujo.EXCEPTION_MESSAGE)
        if event.name in _RETRIES and reason:
            yield "retry", str(reason)
    original = span.attributes.get(flujo.FALLBACK_ORIGINAL_ERROR)
    if original:
        yield "fallback", str(original)
