"""What an exception says, as a step and a trace record it."""

import traceback
from time import time_ns
from typing import Final

from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo
from flujo_otel.storage.traces import Occurrence
from flujo_otel.wire.values import clean_text

_FRAME_LIMIT: Final = 50
_TEXT_LIMIT: Final = 16 * 1024


def is_failure(error: BaseException | None) -> bool:
    """Closing a generator early, and `sys.exit()` without an error code, are ways to end well."""
    if isinstance(error, SystemExit):
        return error.code not in (None, 0)
    return error is not None and not isinstance(error, GeneratorExit)


def message_of(error: BaseException) -> str:
    """`str(error)`; the class's name where that is empty."""
    try:
        return _clipped(str(error)) or type(error).__name__
    except Exception as fault:
        return f"<{type(error).__name__}: {type(fault).__name__} in str()>"


def type_of(error: BaseException) -> str:
    """OpenTelemetry's error.type."""
    return "timeout" if isinstance(error, TimeoutError) else type(error).__qualname__


def event_of(error: BaseException) -> Occurrence:
    """OpenTelemetry's `exception` event, secrets redacted; of a deep stack the innermost frames."""
    kind = type(error)
    module = "" if kind.__module__ in ("builtins", None) else f"{kind.__module__}."
    frames = traceback.format_exception(kind, error, error.__traceback__, limit=-_FRAME_LIMIT)
    attributes = {
        flujo.EXCEPTION_TYPE: f"{module}{kind.__qualname__}",
        flujo.EXCEPTION_MESSAGE: message_of(error),
        flujo.EXCEPTION_STACKTRACE: clean_text("".join(frames)[-_TEXT_LIMIT:]),
    }
    return Occurrence(flujo.EVENT_EXCEPTION, time_ns(), redactor().attributes(attributes))


def _clipped(text: str) -> str:
    clean = clean_text(text)
    rest = len(clean) - _TEXT_LIMIT
    return clean if rest <= 0 else f"{clean[:_TEXT_LIMIT]}… {rest} characters cut"
