"""A call of a decorated function, as a trace or a step."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from flujo_otel.guard import guarded
from flujo_otel.storage.snapshot import snapshot_object
from flujo_otel.xray.step import StepContext
from flujo_otel.xray.trace import TraceContext

_guard: Final = guarded("recording a decorated call")


class Call(Protocol):
    """A call while it is recorded. Raises nothing but what a storage that was passed in raises, and
    what a signal's handler does."""

    def open(self) -> None:
        """Begin it, and make it current."""
        ...

    def note_input(self, arguments: Mapping[str, Any]) -> None:
        """What it was called with, by the parameters' names."""
        ...

    def note_output(self, result: Any) -> None:
        """What it returned; None: nothing."""
        ...

    def suspend(self) -> None:
        """Not current any more: the code that follows is a generator's consumer's."""
        ...

    def resume(self) -> None:
        """Current again."""
        ...

    def finish(self, error: BaseException | None = None) -> None:
        """End it: failed by `error`, else completed. Nothing where it has not begun, or is over."""
        ...


class TraceCall:
    """Its arguments and result are the trace's metadata: a Trace has no others."""

    def __init__(self, trace: TraceContext) -> None:
        self._trace = trace
        self.resume, self.suspend, self.finish = trace.resume, trace.suspend, trace.finish

    def open(self) -> None:
        """See `Call`."""
        self._trace.__enter__()

    def note_input(self, arguments: Mapping[str, Any]) -> None:
        """See `Call`."""
        self._trace.set_metadata({"input": arguments})

    def note_output(self, result: Any) -> None:
        """See `Call`."""
        if result is not None:
            self._trace.set_metadata({"output": snapshot_object(result)})


class StepCall:
    """`trace`: one that was opened for this step alone."""

    def __init__(self, step: StepContext, trace: TraceContext | None = None) -> None:
        self._trace = trace
        self.step = step

    def open(self) -> None:
        """See `Call`."""
        if self._trace is not None:
            self._trace.__enter__()
        self.step.__enter__()

    def note_input(self, arguments: Mapping[str, Any]) -> None:
        """See `Call`."""
        self.step.set_input(arguments)

    def note_output(self, result: Any) -> None:
        """See `Call`."""
        self.step.set_output(result)

    def resume(self) -> None:
        """See `Call`."""
        if self._trace is not None:
            self._trace.resume()
        self.step.resume()

    def suspend(self) -> None:
        """See `Call`."""
        self.step.suspend()
        if self._trace is not None:
            self._trace.suspend()

    def finish(self, error: BaseException | None = None) -> None:
        """See `Call`."""
        try:
            self.step.finish(error)
        finally:
            if self._trace is not None:
                self._trace.finish(error)


def opener(function: Callable[..., Any]) -> Callable[..., None]:
    """Opens a call of `function` with these arguments, which become its input by their names; of
    none there is no input."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin
        signature = None

    def opened(call: Call, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        call.open()
        with _guard:
            if arguments := _named(signature, args, kwargs):
                call.note_input(arguments)

    return opened


def _named(
    signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    if signature is None:
        return {"args": args, "kwargs": kwargs}
    try:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
    except TypeError:  # the call itself will say so
        return {"args": args, "kwargs": kwargs}
    found = dict(bound.arguments)
    first = next(iter(found), None)
    if first in ("self", "cls"):
        del found[first]
    return found
