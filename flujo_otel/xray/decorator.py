"""Functions of every kind, each call of which is a trace or a step."""

import functools
import inspect
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Final

from flujo_otel.storage.snapshot import snapshot
from flujo_otel.xray.calls import Call, opener

_MOST_ITEMS: Final = 100
"""Of what a generator yields, so many are kept beside their number."""


def decorated(function: Callable[..., Any], begin: Callable[[], Call]) -> Callable[..., Any]:
    """`function`, with `begin` called for each call; of a generator, for its first item.

    Between two items a generator's span is not the current one: the code that runs then is its
    consumer's. One that is closed early, or abandoned, has ended well.
    """
    wrap: Callable[..., Callable[..., Any]]
    body = _body(function)
    if inspect.isasyncgenfunction(body):
        wrap = _async_generator
    elif inspect.iscoroutinefunction(body):
        wrap = _coroutine
    elif inspect.isgeneratorfunction(body):
        wrap = _generator
    else:
        wrap = _plain
    return functools.wraps(function)(wrap(function, begin))


def _body(function: Callable[..., Any]) -> Any:
    """What runs when `function` is called: of an object, its class's `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    is_object = not inspect.isroutine(function) and not isinstance(function, type)
    return type(function).__call__ if is_object else function


def _plain(function: Callable[..., Any], begin: Callable[[], Call]) -> Callable[..., Any]:
    opened = opener(function)

    def called(*args: Any, **kwargs: Any) -> Any:
        call = begin()
        try:
            opened(call, args, kwargs)
            result = function(*args, **kwargs)
            call.note_output(result)
        except BaseException as error:
            call.finish(error)
            raise
        call.finish()
        return result

    return called


def _coroutine(function: Callable[..., Any], begin: Callable[[], Call]) -> Callable[..., Any]:
    opened = opener(function)

    async def called(*args: Any, **kwargs: Any) -> Any:
        call = begin()
        try:
            opened(call, args, kwargs)
            result = await function(*args, **kwargs)
            call.note_output(result)
        except BaseException as error:
            call.finish(error)
            raise
        call.finish()
        return result

    return called


class _Items:
    """What came out of a generator."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._items: list[Any] = []
        self._count = 0

    def add(self, item: Any) -> None:
        self._count += 1
        if len(self._items) < _MOST_ITEMS:
            self._items.append(snapshot(item))

    def finish(self, error: BaseException | None = None) -> None:
        try:
            self._call.note_output({"items": self._items, "count": self._count})
        finally:
            self._call.finish(error)


def _generator(function: Callable[..., Any], begin: Callable[[], Call]) -> Callable[..., Any]:
    opened = opener(function)

    def called(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = begin()
        items = _Items(call)
        try:
            opened(call, args, kwargs)
            inner = function(*args, **kwargs)
            advance: Callable[[], Any] = functools.partial(next, inner)
            while True:
                try:
                    item = advance()
                except StopIteration as stop:
                    items.finish()
                    return stop.value
                items.add(item)
                call.suspend()
                try:
                    sent = yield item
                except GeneratorExit:
                    call.resume()
                    inner.close()
                    raise
                except BaseException as error:
                    call.resume()
                    advance = functools.partial(inner.throw, error)
                else:
                    call.resume()
                    advance = functools.partial(inner.send, sent)
        except BaseException as error:
            items.finish(error)
            raise

    return called


def _async_generator(function: Callable[..., Any], begin: Callable[[], Call]) -> Callable[..., Any]:
    opened = opener(function)

    async def called(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        call = begin()
        items = _Items(call)
        is_closing = False
        try:
            opened(call, args, kwargs)
            inner = function(*args, **kwargs)
            advance: Callable[[], Any] = inner.__anext__
            while True:
                try:
                    item = await advance()
                except StopAsyncIteration:
                    items.finish()
                    return
                items.add(item)
                call.suspend()
                try:
                    sent = yield item
                except GeneratorExit:
                    is_closing = True
                    call.resume()
                    await inner.aclose()
                    raise
                except BaseException as error:
                    # The event loop's end cancels the task that was to close it.
                    is_closing = isinstance(error, CancelledError)
                    call.resume()
                    advance = functools.partial(inner.athrow, error)
                else:
                    is_closing = False
                    call.resume()
                    advance = functools.partial(inner.asend, sent)
        except BaseException as error:
            items.finish(None if is_closing and isinstance(error, CancelledError) else error)
            raise

    return called
