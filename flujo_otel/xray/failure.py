"""What an exception says, as a step and a trace record it."""

from typing import Final

from flujo_otel.model import Event
from flujo_otel.recording import failure
from flujo_otel.recording.text import clipped
from flujo_otel.semconv import flujo

_MESSAGE_LENGTH: Final = 16 * 1024


def is_failure(error: BaseException) -> bool:
    """Closing a generator early, and `sys.exit()` without an error code, are ways to end well."""
    if isinstance(error, SystemExit):
        return error.code not in (None, 0)
    return not isinstance(error, GeneratorExit)


def message_of(error: BaseException) -> str:
    """`str(error)`; the class's name where that is empty. Secrets in it are redacted only where it
    is too long: once cut they would not be known for what they are."""
    message = failure.message_of(error) or type(error).__name__
    return message if len(message) <= _MESSAGE_LENGTH else clipped(message, _MESSAGE_LENGTH)


def event_of(error: BaseException, time_ns: int) -> Event:
    """OpenTelemetry's `exception` event, secrets redacted. `time_ns`: when the span ended by it."""
    return Event(flujo.EVENT_EXCEPTION, time_ns, failure.exception_event(error))
