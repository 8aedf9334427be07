"""What went wrong, and where."""

import pytest

from flujo_otel.query.failure import (
    CodeLocation,
    Failure,
    failure_of,
    in_full,
    repeats,
    says,
    without_message,
)
from flujo_otel.semconv.flujo import ERROR_MESSAGE
from unit.cli.scenes import STACK, a_span, exception


def test_an_exception_event_says_type_message_and_the_users_own_line() -> None:
    span = a_span(1, "answer", 0, 1, events=(exception("ValueError", "sour milk", STACK),))
    failure = failure_of(span)
    assert failure is not None
    assert failure.message == "ValueError: sour milk"
    assert failure.location == CodeLocation("/srv/app.py", 41, "answer")


def test_a_frame_of_a_library_is_better_than_none() -> None:
    stack = 'File "/venv/lib/python3.11/site-packages/httpx/a.py", line 3, in get'
    failure = failure_of(a_span(1, "x", 0, 1, events=(exception("E", "m", stack),)))
    assert failure is not None
    assert failure.location == CodeLocation(
        "/venv/lib/python3.11/site-packages/httpx/a.py", 3, "get"
    )


@pytest.mark.parametrize(
    "library",
    [
        "/usr/lib/python3.11/asyncio/tasks.py",
        "/opt/deps/langchain_core/runnables/base.py",
        "/srv/venv/lib/python3.13/site-packages/flujo/runner.py",
        "/home/me/flujo-otel/flujo_otel/xray/decorator.py",
        "C:\\Python\\Lib\\site-packages\\httpx\\a.py",
        "<frozen importlib._bootstrap>",
    ],
)
def test_the_last_frame_of_the_user_s_own_code_counts(library: str) -> None:
    stack = (
        f'  File "/home/me/lib/python/app.py", line 4, in ask\n  File "{library}", line 9, in run'
    )
    failure = failure_of(a_span(1, "x", 0, 1, events=(exception("E", "m", stack),)))
    assert failure is not None
    assert failure.location == CodeLocation("/home/me/lib/python/app.py", 4, "ask")


def test_the_status_message_stands_in_for_an_exception() -> None:
    failure = failure_of(a_span(1, "x", 0, 1, message="refused"))
    assert failure is not None
    assert (failure.message, failure.location) == ("refused", None)


def test_flujos_own_error_stands_in_for_both() -> None:
    failure = failure_of(a_span(1, "x", 0, 1, attributes={ERROR_MESSAGE: "limit"}))
    assert failure is not None
    assert failure.message == "limit"


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("ValueError: sour milk", "ValueError: sour milk", True),
        ("Agent failed with ValueError: sour milk", "ValueError: sour milk", True),
        ("sour milk", "ValueError: sour milk", True),
        ("Plugin failed: too sour", "flujo.exceptions.PluginError: too sour", True),
        ("Plugin failed: too sour", "ValueError: too sour", True),
        ("Plugin failed: not too sour", "flujo.exceptions.PluginError: too sour", False),
        ("too sour", "sour milk", False),
    ],
)
def test_what_wraps_or_unwraps_a_failure_beneath_it_repeats_that(
    outer: str, inner: str, expected: bool
) -> None:
    assert expected is repeats(Failure(outer, None, None), inner)


def test_an_exception_does_not_repeat_one_of_another_class() -> None:
    assert not repeats(Failure("ValueError: 0", None, STACK), "KeyError: 0")


def test_nothing_said_is_no_failure() -> None:
    assert failure_of(a_span(1, "x", 0, 1)) is None


def test_a_validation_error_is_said_without_the_library_s_own_words() -> None:
    said = (
        "1 validation error for Order\nn\n"
        "  Value error, n must be even [type=value_error, input_value=1, input_type=int]\n"
        "    For further information visit https://errors.pydantic.dev/2.12/v/value_error"
    )
    failure = failure_of(a_span(1, "s", 0, 1, status="failed", message=said))
    assert failure is not None
    assert failure.message == "1 validation error for Order\nn\n  n must be even"


CUT = "sour " * 20


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("E: sour milk", "E: sour milk"),
        ("sour milk", "E: sour milk"),
        ("Step failed: E: sour milk", "Step failed: E: sour milk"),
        ("limit", None),
    ],
)
def test_a_failure_takes_the_words_that_say_more_of_it(error: str, expected: str | None) -> None:
    found = in_full(Failure("E: sour milk", None, STACK), error)
    assert expected == (found and found.message)
    assert found is None or found.stack == STACK


def test_what_was_cut_elsewhere_is_the_same() -> None:
    failure = Failure(f"E: {CUT}… 120 characters cut", None, None)
    assert says(failure, f"E: {CUT[:-3]}… 123 characters cut")
    assert not says(failure, "E: sweet… 123 characters cut")


@pytest.mark.parametrize(
    ("message", "stack", "left"),
    [
        ("E: sour\nmilk", "Traceback:\n  File\nE: sour\nmilk\n", "Traceback:\n  File"),
        ("__main__.E: sour", "Traceback:\n  File\nE: sour\n", "Traceback:\n  File"),
        ("E: sour", "E: sour\n    at app.js:1:2\n", "    at app.js:1:2"),
        ("E: sour", "Traceback:\n  File\nE: sour\na note\n", None),
        ("E: sour", "E: sour", None),
    ],
)
def test_a_stack_is_left_without_the_message(message: str, stack: str, left: str | None) -> None:
    failure = Failure(message, None, stack)
    assert (left or stack) == without_message(failure).stack
