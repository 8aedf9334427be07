"""A library's span, recording as ours do."""

from collections.abc import Callable, Mapping
from typing import Any

import wrapt
from opentelemetry.trace import Span, Status, StatusCode

from flujo_otel.integrations.adopted.values import Values
from flujo_otel.recording.failure import (
    add_exception,
    describe,
    error_type,
    failure_attributes,
    set_failed,
)
from flujo_otel.recording.text import clipped
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo


class RunSpan(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """Redacts and cuts what is recorded; its `facts` outlive the limit on attributes."""

    def __init__(
        self,
        span: Span,
        values: Values,
        facts: Mapping[str, Any],
        forget: Callable[[Span], None],
    ) -> None:
        super().__init__(span)
        self._self_values = values
        self._self_facts = facts
        self._self_forget = forget

    def set_attribute(self, key: str, value: Any) -> None:
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.__wrapped__.set_attributes(self._self_values.kept(attributes))

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        hides = redactor()
        self.__wrapped__.add_event(hides.text(name), hides.attributes(attributes or {}), timestamp)

    def update_name(self, name: str) -> None:
        self.__wrapped__.update_name(redactor().text(name))

    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        add_exception(self.__wrapped__, exception)
        failure = failure_attributes(error_type(exception), describe(exception))
        self.__wrapped__.set_attributes(failure)

    def set_status(self, status: Any, description: str | None = None) -> None:
        given = status if isinstance(status, Status) else Status(status, description)
        if given.status_code is StatusCode.ERROR and given.description:
            message = clipped(given.description)
            self.__wrapped__.set_attribute(flujo.ERROR_MESSAGE, message)
            set_failed(self.__wrapped__, message)
        else:
            self.__wrapped__.set_status(given)

    def end(self, end_time: int | None = None) -> None:
        self._self_forget(self.__wrapped__)
        values = self._self_values
        found = values.found(getattr(self.__wrapped__, "attributes", None) or {})
        last = {**self._self_facts, **found}
        if values.cuts:
            last[flujo.TRUNCATED] = values.cuts
        # The SDK drops the oldest of a span's attributes past 128, and these were the first.
        self.__wrapped__.set_attributes(last)
        self.__wrapped__.end(end_time)
