"""Messages between a web server and its ASGI application, which OpenTelemetry's instrumentation
makes a span of each: two for a short answer, forty for a stream."""

import re
from typing import Final

from flujo_otel.query.failure import exception_of
from flujo_otel.query.tree import Node
from flujo_otel.semconv.remote import ASGI_EVENT_TYPE

_KIND: Final = re.compile(r"\b(?:http|websocket) (?:send|receive)$")


def is_message(node: Node) -> bool:
    """Whether it says nothing but that one passed. A failed one says the status code alone, which
    the request's own span has."""
    span = node.span
    return (
        span is not None
        and ASGI_EVENT_TYPE in span.attributes
        and node.end_time_ns is not None
        and not (node.children or node.fault)
        and exception_of(span) is None
    )


def kinds_of(messages: list[Node]) -> str:
    """`http receive, http send`: without the route, which the request's own span has."""
    found = ((_KIND.search(node.name), node.name) for node in messages)
    return ", ".join(dict.fromkeys(kind[0] if kind else name for kind, name in found))
