"""Why something was tried again, or something else was tried in its place, where that is recorded.

LangChain tells each, and so does flujo 0.6; 0.4 the last one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from flujo_otel.model import Span
from flujo_otel.query.failure import exception_of
from flujo_otel.semconv import flujo, langchain

_IN_FLUJOS_WORDS = "Agent execution failed with "
"""What 0.6 has before the class and the message of an exception."""
_RETRIES = (flujo.EVENT_RETRY, langchain.EVENT_RETRY)


def reasons_of(span: Span) -> Iterator[tuple[str, str]]:
    """`retry` or `fallback`, and what had gone wrong, in the order in which it happened; but what
    went wrong the same way in the end is said there alone."""
    end = exception_of(span)
    failure = _reason(end.attributes) if end is not None else ""
    fallback = str(span.attributes.get(flujo.FALLBACK_ORIGINAL_ERROR) or "")
    fallback = fallback.removeprefix(_IN_FLUJOS_WORDS)
    for event in span.events:
        reason = _reason(event.attributes) if event.name in _RETRIES else ""
        if reason and reason not in (fallback, failure):
            yield "retry", reason
    if fallback and fallback != failure:
        yield "fallback", fallback


def _reason(attributes: Mapping[str, Any]) -> str:
    message = str(attributes.get(flujo.EXCEPTION_MESSAGE) or "")
    kind = str(attributes.get(flujo.EXCEPTION_TYPE) or "").rpartition(".")[2]
    return ": ".join(part for part in (kind, message) if part)
