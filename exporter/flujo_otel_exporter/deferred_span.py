"""A span that the SDK makes a little later."""

from collections.abc import Mapping
from threading import RLock
from time import time_ns
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Tracer
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

from flujo_otel import forks
from flujo_otel.guard import guarded
from flujo_otel_exporter.ids import TimeOrderedIdGenerator

_PLAIN: Final = frozenset({str, int, float, bool})
_MAKING: Final = guarded("making a deferred span")

_FOR_EVER: Final = -1

_lock = RLock()
"""One for all, which is held for 0.05 ms at a time. The same thread may take it again: a signal's
handler may ask for the current span, and this is it."""


class DeferredSpan(Span):
    """What is to become a span of the SDK's: how it starts, what it is told, when it ends.

    Has all that OpenTelemetry's `Span` has. What cannot wait makes it at once: a value that may
    change, the stack of an exception, a question that only the SDK's span answers. Safe to use from
    several threads.

    `context` is the parent's; `attributes` are given away. `its_own` has ids, of which that of the
    span is by `ids`, the generator of `tracer`.
    """

    __slots__ = (
        "_attributes_at_start",
        "_ids",
        "_is_ended",
        "_is_making",
        "_its_own",
        "_made",
        "_name",
        "_started_ns",
        "_told",
        "_tracer",
        "_under",
    )

    def __init__(
        self,
        tracer: Tracer,
        ids: TimeOrderedIdGenerator,
        its_own: SpanContext,
        *,
        name: str,
        context: Context,
        attributes: Attributes,
    ) -> None:
        self._tracer = tracer
        self._ids = ids
        self._its_own = its_own
        self._name = name
        self._under = context
        self._attributes_at_start = attributes
        self._started_ns = time_ns()
        self._told: list[tuple[str, tuple[Any, ...]]] = []
        """Calls of methods of the SDK's span, in the order in which they came."""
        self._made: Span | None = None
        self._is_making = False
        self._is_ended = False

    def make(self) -> Span:
        """The SDK's span, which knows all by then."""
        self.make_within(_FOR_EVER)
        # A handler that interrupts the very making has to do without.
        return self._made or NonRecordingSpan(self._its_own)

    def make_within(self, seconds: float) -> bool:
        """The same; False where another thread holds the lock for so long."""
        lock = _lock
        if not lock.acquire(timeout=seconds):
            return False
        try:
            if self._made is None and not self._is_making:
                self._is_making = True
                self._made = self._make()
        finally:
            lock.release()
        return True

    def get_span_context(self) -> SpanContext:
        return self._its_own

    def is_recording(self) -> bool:
        return not self._is_ended

    def end(self, end_time: int | None = None) -> None:
        self._is_ended = True
        self._tell("end", time_ns() if end_time is None else end_time)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        if _is_plain(attributes):
            self._tell("set_attributes", {**attributes})
        else:
            self.make().set_attributes(attributes)

    def add_event(
        self, name: str, attributes: Attributes = None, timestamp: int | None = None
    ) -> None:
        happened_ns = time_ns() if timestamp is None else timestamp
        if attributes is None or _is_plain(attributes):
            self._tell("add_event", name, attributes and {**attributes}, happened_ns)
        else:
            self.make().add_event(name, attributes, happened_ns)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        self.make().add_link(context, attributes)

    def update_name(self, name: str) -> None:
        self._tell("update_name", name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self._tell("set_status", status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        self.make().record_exception(exception, attributes, timestamp, escaped)

    def __exit__(self, *raised: Any) -> None:
        self.make().__exit__(*raised)

    def __getattr__(self, name: str) -> Any:
        if name in DeferredSpan.__slots__:  # of one that is only half there
            raise AttributeError(name)
        return getattr(self.make(), name)

    def _tell(self, method: str, *values: Any) -> None:
        with _lock:
            if self._made is None:
                self._told.append((method, values))
                return
        getattr(self._made, method)(*values)

    def _make(self) -> Span:
        span: Span = NonRecordingSpan(self._its_own)
        with _MAKING, self._ids.giving(self._its_own.span_id):
            span = self._tracer.start_span(
                self._name,
                context=self._under,
                attributes=self._attributes_at_start,
                start_time=self._started_ns,
            )
        for method, values in self._told:
            with _MAKING:
                getattr(span, method)(*values)
        self._told.clear()
        return span


def _is_plain(attributes: Mapping[str, Any]) -> bool:
    """Whether no value of them can change."""
    return all(type(value) in _PLAIN for value in attributes.values())


def _start_over() -> None:
    global _lock
    _lock = RLock()


# The child has none of the threads that may hold it.
forks.surround(after_in_child=_start_over)
