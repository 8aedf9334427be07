"""What an exception says on a span."""

from typing import NoReturn

import pytest

from flujo_otel.recording.failure import describe, error_type, exception_event, message_of
from flujo_otel.semconv import flujo
from support.panics import PanicException

KEY = "sk-" + "a1B2c3D4" * 8


class Mute(Exception):
    def __str__(self) -> str:
        raise OSError("no")


def raised(error: Exception) -> Exception:
    def deep(levels: int) -> NoReturn:
        if levels:
            deep(levels - 1)
        raise error

    with pytest.raises(type(error)) as caught:
        deep(200)
    return caught.value


def test_the_type_is_the_class_or_timeout() -> None:
    assert ("ValueError", "timeout") == (error_type(ValueError()), error_type(TimeoutError()))


def test_a_message_follows_its_class() -> None:
    assert ("KeyError: 'x'", "ValueError") == (describe(KeyError("x")), describe(ValueError()))


def test_an_exception_that_has_no_words_is_named_all_the_same() -> None:
    assert "<Mute: OSError in str()>" == message_of(Mute())
    event = exception_event(raised(Mute()))
    assert "<Mute: OSError in str()>" == event[flujo.EXCEPTION_MESSAGE]
    assert event[flujo.EXCEPTION_STACKTRACE].endswith("<exception str() failed>\n")


def test_a_stack_that_cannot_be_told_has_its_frames_all_the_same() -> None:
    class Noted(Exception):
        @property
        def __notes__(self) -> NoReturn:
            raise PanicException

    stack = exception_event(raised(Noted("sour")))[flujo.EXCEPTION_STACKTRACE]
    assert "in deep\n    raise error\n" in stack
    assert stack.endswith("Noted: sour")


def test_a_lone_surrogate_is_spelt_out() -> None:
    said = " ".join(exception_event(raised(ValueError("\ud800"))).values())
    assert ("\\ud800" in said, "\ud800" in said) == (True, False)


@pytest.mark.parametrize("before", [0, 8 * 1024 - 20, 16 * 1024 - 20])
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(before: int) -> None:
    error = raised(ValueError("x " * (before // 2) + KEY))
    said = " ".join([describe(error), *exception_event(error).values()])
    assert KEY[:8] not in said


def test_of_a_deep_stack_the_innermost_frames_are_kept() -> None:
    stack = exception_event(raised(ValueError("sour")))[flujo.EXCEPTION_STACKTRACE]
    assert stack.endswith("ValueError: sour\n")
    assert 16 * 1024 + 100 > len(stack)
