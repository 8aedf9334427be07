"""What a `with` opens: current where it was entered, and put away again when it is left."""

from collections.abc import Callable
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, create_key, get_current, get_value, set_value

_KEY: Final = create_key("flujo-otel-xray")


class Block:
    """A trace or step as a `with` block: `span` is OpenTelemetry's span of it.

    Entering attaches a context of OpenTelemetry's that carries the block beside its span, so that
    `current_block` finds it wherever contexts are handed on to. Leaving attaches the context from
    before again, instead of resetting a token: blocks may be left in another order than they were
    entered, or in another task, where resetting logs an error.
    """

    __slots__ = ("__weakref__", "_before", "_ends", "_inside", "is_open", "span")

    def __init__(self) -> None:
        self.span: trace.Span = trace.INVALID_SPAN
        self.is_open = False
        """From when it was entered until it is left."""
        self._inside: Context | None = None
        """The context in it; None: it was not entered yet."""
        self._before: Context | None = None
        """The one that was current where it was entered or resumed last."""
        self._ends: list[Callable[[], None]] = []

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call `callback` once this is left: for what else must not stay open longer. It may not
        raise."""
        self._ends.append(callback)

    def context(self) -> Context:
        """The OpenTelemetry context inside it, wherever this is called; the current one where it
        was not entered yet."""
        return self._inside if self._inside is not None else get_current()

    @property
    def owner(self) -> "Block | None":
        """What it is a part of, wherever it was entered: of a step, the step or trace that made it;
        of a trace, None."""
        return None

    def around(self) -> "Block | None":
        """The block that was current where it was entered, be it of another trace; None: none."""
        return None if self._before is None else current_block(self._before)

    def _set_in(self, context: Context) -> Context:
        """`context`, but inside this block: for code of another thread, which is in none."""
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
        """Attach the context from before it; blocks that were left meanwhile are skipped."""
        if self._before is None:
            return
        before = self._before
        while (block := current_block(before)) is not None and not block.is_open:
            if block._inside is not before or block._before is None:
                break
            before = block._before
        attach(before)

    def _leave(self) -> None:
        """Close it, and put back what was current before. Where a block inside it was never left
        and is current still, that is put away with it."""
        self.is_open = False
        inner = current_block()
        while inner is not None and inner is not self:
            inner = inner.around()
        if inner is self:
            self._put_back()
        while self._ends:
            self._ends.pop()()


def current_block(context: Context | None = None) -> Block | None:
    """The innermost X-Ray trace or step that the running code is in, or `context`; None: none."""
    found = get_value(_KEY, context)
    return found if isinstance(found, Block) else None
