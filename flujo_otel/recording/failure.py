"""What an exception says, as a span records it."""

import traceback
from typing import Final

from opentelemetry.trace import Span, StatusCode

from flujo_otel.interruption import passes
from flujo_otel.recording.text import clipped
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo
from flujo_otel.wire.values import clean_text
from flujo_otel.words import words_of

_DESCRIPTION_LENGTH: Final = 1024
_STACK_LENGTH: Final = 16 * 1024
_LONGEST_STACK: Final = 256 * 1024
"""Only a message makes it longer."""
_FRAME_LIMIT: Final = 50


def error_type(error: BaseException) -> str:
    """OpenTelemetry's error.type: `timeout`, or the exception's class."""
    return flujo.ERROR_TYPE_TIMEOUT if isinstance(error, TimeoutError) else type(error).__qualname__


def message_of(error: BaseException) -> str:
    """`str(error)`, whole and with its secrets, as valid Unicode."""
    return clean_text(words_of(error))


def describe(error: BaseException) -> str:
    """Its class and its message, redacted, then cut."""
    message = message_of(error)
    name = type(error).__qualname__
    return clipped(f"{name}: {message}" if message else name)


def failure_attributes(kind: str, message: str) -> dict[str, str]:
    """Of a failed span; `kind`: its error.type, `message`: redacted already."""
    return {
        flujo.ERROR_TYPE: kind,
        flujo.ERROR_TYPE_PLAIN: kind,
        flujo.ERROR_MESSAGE: message,
    }


def set_failed(span: Span, message: str) -> None:
    """Make `span` an error in OpenTelemetry's eyes; `message` redacted already."""
    span.set_status(StatusCode.ERROR, clipped(message, _DESCRIPTION_LENGTH))


def add_exception(span: Span, error: BaseException) -> None:
    """Instead of `record_exception`, which knows of no secrets."""
    span.add_event(flujo.EVENT_EXCEPTION, exception_event(error))


def exception_event(error: BaseException) -> dict[str, str]:
    """Attributes of OTel's `exception` event; of a deep stack the innermost frames."""
    stack = redactor().text(_stack(error))
    if len(stack) > _STACK_LENGTH:
        stack = f"… {len(stack) - _STACK_LENGTH} characters cut\n{stack[-_STACK_LENGTH:]}"
    return {**brief_exception(error), flujo.EXCEPTION_STACKTRACE: stack}


def brief_exception(error: BaseException) -> dict[str, str]:
    """The same without its stack, for what was tried again."""
    return {
        flujo.EXCEPTION_TYPE: _qualified(type(error)),
        flujo.EXCEPTION_MESSAGE: clipped(message_of(error)),
    }


def _stack(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(error, limit=-_FRAME_LIMIT)
    except BaseException as fault:  # it looks at more than its text
        if passes(fault):
            raise
        lines = []
    stack = "".join(lines)
    if lines and len(stack) <= _LONGEST_STACK:
        return clean_text(stack)
    frames = traceback.format_tb(error.__traceback__, limit=-_FRAME_LIMIT)
    return "".join(frames) + describe(error)


def _qualified(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", None) else f"{module}.{kind.__qualname__}"
