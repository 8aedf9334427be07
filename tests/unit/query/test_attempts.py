"""Why something was tried again."""

from flujo_otel.model import Event
from flujo_otel.query.attempts import reasons_of
from unit.cli.scenes import a_span


def test_each_retry_and_the_fallback_have_their_reasons() -> None:
    events = tuple(Event("langchain.retry", n, {"exception.message": f"busy {n}"}) for n in (1, 2))
    events += (Event("flujo.retry", 3, {"exception.type": "a.B", "exception.message": "sour"}),)
    attributes = {"flujo.fallback.original_error": "too busy"}
    span = a_span(1, "ask", 0, 1, attributes=attributes, events=events)
    assert list(reasons_of(span)) == [
        ("retry", "busy 1"),
        ("retry", "busy 2"),
        ("retry", "B: sour"),
        ("fallback", "too busy"),
    ]


def test_what_flujo_06_says_before_each_error_is_no_reason() -> None:
    said = "Agent execution failed with RuntimeError: 429 Too Many Requests"
    span = a_span(1, "ask", 0, 1, attributes={"flujo.fallback.original_error": said})
    assert list(reasons_of(span)) == [("fallback", "RuntimeError: 429 Too Many Requests")]


def test_a_retry_without_a_reason_and_another_event_say_nothing() -> None:
    events = (
        Event("flujo.retry", 1, {"flujo.attempts": 2}),
        Event("exception", 1, {"exception.message": "sour"}),
    )
    assert list(reasons_of(a_span(1, "ask", 0, 1, events=events))) == []


def test_what_went_wrong_the_same_way_in_the_end_is_said_there() -> None:
    sour = {"exception.type": "ValueError", "exception.message": "sour"}
    events = (
        Event("flujo.retry", 1, {"exception.type": "KeyError"}),
        Event("flujo.retry", 2, sour),
    )
    failed = (*events, Event("exception", 3, sour))
    assert list(reasons_of(a_span(1, "ask", 0, 1, events=failed))) == [("retry", "KeyError")]
    attributes = {"flujo.fallback.original_error": "Agent execution failed with ValueError: sour"}
    fell_back = a_span(1, "ask", 0, 1, attributes=attributes, events=events)
    assert list(reasons_of(fell_back)) == [("retry", "KeyError"), ("fallback", "ValueError: sour")]


def test_an_exception_without_a_message_is_a_reason() -> None:
    events = (Event("flujo.retry", 1, {"exception.type": "TimeoutError", "exception.message": ""}),)
    assert list(reasons_of(a_span(1, "ask", 0, 1, events=events))) == [("retry", "TimeoutError")]
