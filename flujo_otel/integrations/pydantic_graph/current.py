"""What of a traced graph the running code belongs to, carried by OpenTelemetry's own context."""

from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.trace import Span, set_span_in_context

if TYPE_CHECKING:
    from flujo_otel.integrations.pydantic_graph.execution import Execution
    from flujo_otel.integrations.pydantic_graph.node import Node

_KEY: Final = create_key("flujo-otel-graph")


def current() -> "Execution | Node | None":
    """The innermost node, or the run where none is running, or None outside of any."""
    found: Execution | Node | None = get_value(_KEY)  # type: ignore[assignment]
    return found


def context_of(inner: "Execution | Node", span: Span, base: Context | None = None) -> Context:
    """`base` (None: the current context) with `span` and `inner` as the current ones."""
    return set_span_in_context(span, set_value(_KEY, inner, base))
