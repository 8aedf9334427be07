"""What went wrong in a span, and where in the code, from what OpenTelemetry records of it."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from flujo_otel.model import Event, Span
from flujo_otel.query.subject import fault_of
from flujo_otel.semconv.flujo import ERROR_MESSAGE, ERROR_TYPE

_FRAME = re.compile(r'File "([^"\n]+)", line (\d+), in ([^\n]+)')
_VALIDATION = (  # compiled when a message needs it: `lens` starts without
    r"(?m)^(\s*)(?:Value error|Assertion failed), "
    r"| \[type=\w+, input_value=.*, input_type=\w+\]$"
    r"|\n\s*For further information visit https://errors\.pydantic\.dev/\S+"
)
_NOT_THE_USERS = (  # as above
    r"[/\\](site-packages|dist-packages|lib[/\\]python\d[\d.]*|langchain_core|flujo_otel)[/\\]|^<"
)
"""Libraries, also where they were installed elsewhere than usual, and what has no file."""


class CodeLocation(NamedTuple):
    """A place in the code."""

    file: str
    line: int
    function: str


class Failure(NamedTuple):
    """Why a span failed; `message` may have several lines, `stack` is the traceback's text."""

    message: str
    location: CodeLocation | None
    stack: str | None


def exception_of(span: Span) -> Event | None:
    """The last that it recorded."""
    return next((event for event in reversed(span.events) if event.name == "exception"), None)


def failure_of(span: Span) -> Failure | None:
    """From the last `exception` event, else the status message, else flujo's error, else the status
    code that it was answered with; else None."""
    exception = exception_of(span)
    if exception is None:
        message = span.status_message or _recorded(span.attributes)
        return Failure(_plain(message), None, None) if message else None
    stack = _text(exception.attributes.get("exception.stacktrace"))
    return Failure(_plain(_said(exception)), _location(stack), stack or None)


def _recorded(attributes: Mapping[str, Any]) -> str:
    message, kind = _text(attributes.get(ERROR_MESSAGE)), _text(attributes.get(ERROR_TYPE))
    if kind.isdecimal():  # the bare status code, say the conventions of what was answered
        kind = fault_of(attributes) or kind
    return message or kind or fault_of(attributes)


def repeats(failure: Failure, message: str) -> bool:
    """Whether it says no more than `message` beneath it: flujo wraps one, or unwraps it, and where
    it has no exception of its own it may leave out the class."""
    if message in failure.message or failure.message in message:
        return True
    kind = re.match(r"[\w.]+: ", message) if failure.stack is None else None
    return kind is not None and failure.message.endswith(message[kind.end() - 2 :])


def says(failure: Failure, message: str) -> bool:
    """Whether all of `message` is said by it, as far as either was recorded."""
    return _uncut(_plain(message)) in _uncut(failure.message)


def in_full(failure: Failure, error: str) -> Failure | None:
    """It, in the words of `error` where those say more of the same; None: they say something
    else."""
    if says(failure, error):
        return failure
    message = _plain(error)
    if _uncut(failure.message) not in message:
        return None
    return without_message(failure)._replace(message=message)


def without_message(failure: Failure) -> Failure:
    """Its stack without the message, which is told already: of Python at its end, of JavaScript and
    the JVM at its beginning."""
    if failure.stack is None:
        return failure
    stack = failure.stack.rstrip()
    for said in (failure.message, failure.message.removeprefix("__main__.")):
        if stack.endswith(f"\n{said}"):
            return failure._replace(stack=stack[: -len(said)].rstrip())
        if stack.startswith(f"{said}\n"):
            return failure._replace(stack=stack[len(said) + 1 :])
    return failure


def is_users_own(location: CodeLocation | None) -> bool:
    """Whether it is in no library."""
    return location is not None and not re.search(_NOT_THE_USERS, location.file)


def _plain(message: str) -> str:
    """Without what pydantic adds for its own users; the stack still has it all."""
    return re.sub(_VALIDATION, r"\1", message) if "[type=" in message else message


def _uncut(message: str) -> str:
    return re.sub(r"… \d+ characters cut$", "", message)


def _said(exception: Event) -> str:
    kind = _text(exception.attributes.get("exception.type"))
    message = _text(exception.attributes.get("exception.message"))
    return ": ".join(part for part in (kind, message) if part) or "exception"


def _location(stack: str) -> CodeLocation | None:
    """The innermost frame of the user's own code, else the innermost of all."""
    frames = [CodeLocation(file, int(line), name) for file, line, name in _FRAME.findall(stack)]
    own = [frame for frame in frames if is_users_own(frame)]
    found = own or frames
    return found[-1] if found else None


def _text(value: object) -> str:
    return "" if value is None else str(value)
