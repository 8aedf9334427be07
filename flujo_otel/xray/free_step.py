"""A step of whatever trace is open where it begins: `xray.step("name")`."""

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, cast

from flujo_otel.storage.snapshot import snapshot_text
from flujo_otel.xray.block import current_block
from flujo_otel.xray.calls import StepCall
from flujo_otel.xray.decorator import decorated
from flujo_otel.xray.step import StepContext

F = TypeVar("F", bound=Callable[..., Any])


class FreeStep:
    """A context manager, and a decorator. `name` None: the decorated function's."""

    def __init__(self, begin: Callable[[str], StepCall], name: str | None) -> None:
        self._begin = begin
        self._name = None if name is None else snapshot_text(name)
        self._calls: list[StepCall] = []
        """Those that are open: several tasks and threads may share one FreeStep."""

    if not TYPE_CHECKING:  # to a type checker, any name would be there

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(
                f'no {name!r} before the step is entered: with xray.step("name") as step:',
                name=name,
                obj=self,
            )

    def __call__(self, function: F) -> F:
        name = self._name or str(getattr(function, "__name__", "step"))
        return cast(F, decorated(function, lambda: self._begin(name)))

    def __enter__(self) -> StepContext:
        call = self._begin(self._name or "step")
        try:
            call.open()
            self._calls.append(call)
        except BaseException as error:
            call.finish(error)
            raise
        return call.step

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        # Here, not in a function of its own: see Lifetime.__exit__.
        call = None
        try:
            call = self._current()
            self._end(call, error)
        except BaseException:
            self._end(call or self._current(), error)
            raise
        return False

    async def __aenter__(self) -> StepContext:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        # Not by __exit__: were that interrupted, nobody could tell whether `_current` is still the
        # call to end or already another task's.
        call = None
        try:
            call = self._current()
            self._end(call, error)
        except BaseException:
            self._end(call or self._current(), error)
            raise
        return False

    def _end(self, call: StepCall, error: BaseException | None) -> None:
        with suppress(ValueError):
            self._calls.remove(call)
        call.finish(error)

    def _current(self) -> StepCall:
        """The innermost of its own that the running code is in; where that was lost, the last."""
        block = current_block()
        while block is not None:
            for call in reversed(self._calls):
                if call.step is block:
                    return call
            block = block.around()
        return self._calls[-1]
