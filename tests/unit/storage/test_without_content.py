"""What is sent of an X-Ray trace where no content is to be recorded any more."""

from flujo_otel.model import Event
from flujo_otel.storage.trace_spans import trace_record
from flujo_otel.storage.traces import SpanFacts, Trace


def test_an_event_loses_what_the_program_told_of_it_but_no_failure() -> None:
    trace = Trace(name="workflow")
    trace._span = SpanFacts((1, 2, 0))
    trace._span.events += [
        Event("heard", 5, {"word": "4711"}),
        Event("exception", 6, {"exception.message": "sour"}),
    ]
    assert "4711" in (trace_record(trace).events or "")
    events = trace_record(trace, content=False).events or ""
    assert "heard" in events and "sour" in events and "4711" not in events
