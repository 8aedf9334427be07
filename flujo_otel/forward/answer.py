"""What a backend's answer means for the spans that were sent (OTLP specification, "Failures").

It is stricter than the specification in one thing: what that calls "not retryable" is lost in most
senders. Here only what the backend says of the data itself passes spans by; all else keeps them.
"""

from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final, NamedTuple

from flujo_otel.forward import response

ANSWER_BYTES: Final = 4 << 20
"""More of an answer is not read."""
WORDS_KEPT: Final = 300
LONGEST_DELAY_SECONDS: Final = 3600.0
"""A backend that names a later time is asked again all the same."""


class Verdict(Enum):
    """What an answer means for the spans that were sent."""

    TAKEN = auto()
    """Perhaps in part: `Answer.rejected`."""
    REFUSED = auto()
    """The data is bad: sending it again is of no use."""
    TOO_LARGE = auto()
    """Half of it may be taken."""
    RETRY = auto()
    """It will pass: the network, or a backend that has too much to do."""
    PAUSE = auto()
    """Something has to be set right, here or there."""


class Answer(NamedTuple):
    """What a backend said to one request; or, in our words, why it said nothing."""

    verdict: Verdict
    words: str = ""
    """What the backend said, fit to show."""
    rejected: int = 0
    """Spans that it did not take, of a request that it took."""
    after_seconds: float | None = None
    """When to try again, where it said so."""


_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_BAD_DATA: Final = frozenset({400, 422})
_TOO_LARGE: Final = 413


def of_http(
    status: int, reason: str, body: bytes, *, content_type: str, retry_after: str, now: float
) -> Answer:
    """Of an HTTP response. `now`: Unix time in seconds, for a Retry-After that is a date."""
    if 200 <= status < 300:
        return _taken(body, content_type)
    said = " ".join(filter(None, (str(status), reason, _said(body, content_type))))
    words = shown(said)
    if status in _RETRYABLE:
        return Answer(Verdict.RETRY, words, after_seconds=_delay_seconds(retry_after, now))
    if status in _BAD_DATA:
        return Answer(Verdict.REFUSED, words)
    if status == _TOO_LARGE:
        return Answer(Verdict.TOO_LARGE, words)
    return Answer(Verdict.PAUSE, words)


def _taken(body: bytes, content_type: str) -> Answer:
    if not body or "json" in content_type:
        rejected, said = _partial_json(body) if body else (0, "")
    else:
        try:
            rejected, said = response.partial_success(body)
        except ValueError:
            # Taken all the same: a proxy's "ok" is no protobuf.
            rejected, said = 0, ""
    return Answer(Verdict.TAKEN, shown(said), rejected)


def _partial_json(body: bytes) -> tuple[int, str]:
    import json

    try:
        partial = json.loads(body)["partialSuccess"]
        rejected = int(partial.get("rejectedSpans", 0))
        return max(rejected, 0), str(partial.get("errorMessage", ""))
    except (ValueError, TypeError, OverflowError, LookupError, AttributeError, RecursionError):
        return 0, ""


def _said(body: bytes, content_type: str) -> str:
    if "protobuf" in content_type:
        try:
            return response.status(body)[0]
        except ValueError:
            pass
    return body[: 4 * WORDS_KEPT].decode("utf-8", "replace")


def shown(text: str) -> str:
    """A backend's words on one line, at most WORDS_KEPT characters, with nothing unprintable."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 8 * WORDS_KEPT]).split())
    return line if len(line) <= WORDS_KEPT else line[: WORDS_KEPT - 1] + "…"


def _delay_seconds(retry_after: str, now: float) -> float | None:
    text = retry_after.strip()
    if not text:
        return None
    try:
        delay = float(text) if text.isdecimal() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return bounded_delay(delay)


def bounded_delay(seconds: float) -> float:
    """`seconds`, where they are neither in the past nor too far off."""
    return min(max(seconds, 0.0), LONGEST_DELAY_SECONDS)


_GRPC_RETRYABLE: Final = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)
_GRPC_TOO_LARGE: Final = ("larger than max", "too large", "exceeds")


def of_grpc(code: str, details: str, status_details: bytes) -> Answer:
    """Of a failed call: the code's name, its text, and the google.rpc.Status of its trailers."""
    try:
        delay = response.status(status_details)[1]
    except ValueError:
        delay = None
    after_seconds = None if delay is None else bounded_delay(delay)
    words = shown(f"{code} {details}")
    if code in _GRPC_RETRYABLE:
        return Answer(Verdict.RETRY, words, after_seconds=after_seconds)
    if code == "INVALID_ARGUMENT":
        return Answer(Verdict.REFUSED, words)
    if code == "RESOURCE_EXHAUSTED":
        if after_seconds is not None:
            return Answer(Verdict.RETRY, words, after_seconds=after_seconds)
        if any(phrase in details for phrase in _GRPC_TOO_LARGE):
            return Answer(Verdict.TOO_LARGE, words)
    return Answer(Verdict.PAUSE, words)
