"""What is open: made the current span where it was entered, and put away again when it is left."""

from collections.abc import Callable
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, create_key, get_current, get_value, set_value

_KEY: Final = create_key("flujo-otel-xray")


class Scope:
    """An open trace or step. The context that it is current in carries it.

    Values are set back instead of tokens reset: scopes may be left in another order than they were
    entered, or in another task, where resetting logs an error.
    """

    __slots__ = ("__weakref__", "_before", "_ends", "_inside", "is_open", "span")

    def __init__(self) -> None:
        self.span: trace.Span = trace.INVALID_SPAN
        """OpenTelemetry's span of it."""
        self.is_open = False
        self._inside: Context | None = None
        self._before: Context | None = None
        self._ends: list[Callable[[], None]] = []

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call it once this is left: for what else must not stay open longer. It may not raise."""
        self._ends.append(callback)

    def context(self) -> Context:
        """The OpenTelemetry context inside it, wherever this is called."""
        return self._inside if self._inside is not None else get_current()

    def around(self) -> "Scope | None":
        """The scope that it was entered in."""
        return None if self._before is None else current_scope(self._before)

    def _around(self, context: Context) -> Context:
        """`context`, but inside this scope: for code of another thread, which is in none."""
        if self._inside is None:
            return context
        return set_value(_KEY, self, trace.set_span_in_context(self.span, context))

    def _enter(self, span: trace.Span, outside: Context) -> None:
        """Open, with what runs from here on inside. `outside`: the context that it was made in."""
        self.span = span
        self._inside = set_value(_KEY, self, trace.set_span_in_context(span, outside))
        self.is_open = True
        self.resume()

    def resume(self) -> None:
        """Make it current for the code that follows."""
        self._before = get_current()
        attach(self.context())

    def suspend(self) -> None:
        """Put back what was current, unless something else is by now."""
        if get_current() is self._inside:
            self._put_back()

    def _put_back(self) -> None:
        """Scopes that were left meanwhile are skipped."""
        if self._before is None:
            return
        before = self._before
        while (scope := current_scope(before)) is not None and not scope.is_open:
            if scope._inside is not before or scope._before is None:
                break
            before = scope._before
        attach(before)

    def _leave(self) -> None:
        """What was left open inside it and is current still, is so no more."""
        self.is_open = False
        inner = current_scope()
        while inner is not None and inner is not self:
            inner = inner.around()
        if inner is self:
            self._put_back()
        while self._ends:
            self._ends.pop()()


def current_scope(context: Context | None = None) -> Scope | None:
    """The innermost X-Ray trace or step that the running code is in."""
    found = get_value(_KEY, context)
    return found if isinstance(found, Scope) else None
