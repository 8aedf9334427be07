"""By what `lens show --step` opens one span and no other."""

from flujo_otel.model import Run, Span
from flujo_otel.spanstore.api import SpanFilter, TraceReader
from flujo_otel_cli.text import escape


def handle_of(span: Span, *, named_so: int) -> str:
    """Its name where that can be pasted as it is shown, and `named_so` many spans are called so:
    this one. Else its id."""
    return span.name if named_so == 1 and escape(span.name) == span.name else span.span_id


def handle_in(reader: TraceReader, run: Run, span: Span) -> str:
    """The same where the run's other spans are not at hand."""
    same = reader.count_spans(run.run_id, SpanFilter(name=span.name, first=2))
    return handle_of(span, named_so=same)
