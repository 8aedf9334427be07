"""A step of whatever trace is open where it begins: `xray.step("name")`."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, TypeVar, cast

from flujo_otel.xray.calls import StepCall
from flujo_otel.xray.decorator import decorated
from flujo_otel.xray.step import StepContext

F = TypeVar("F", bound=Callable[..., Any])


class FreeStep:
    """A context manager, and a decorator. `name` None: the decorated function's."""

    def __init__(self, begin: Callable[[str], StepCall], name: str | None) -> None:
        self._begin = begin
        self._name = name
        self._calls: list[StepCall] = []

    def __call__(self, function: F) -> F:
        name = self._name or str(getattr(function, "__name__", "step"))
        return cast(F, decorated(function, lambda: self._begin(name)))

    def __enter__(self) -> StepContext:
        self._calls.append(self._begin(self._name or "step"))
        return self._calls[-1].step

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        self._calls.pop().finish(error)
        return False

    async def __aenter__(self) -> StepContext:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        return self.__exit__(kind, error, traceback)
