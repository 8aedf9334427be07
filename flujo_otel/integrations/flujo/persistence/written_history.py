"""A run's history as far as it is written out: each entry once, when its step has ended."""

import operator
import sys
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from flujo_otel.interruption import passes
from flujo_otel.storage.state_codec import encode
from flujo_otel.storage.state_rows import History

_OF_MANAGER: Final = "_flujo_otel_history"


class WrittenHistory:
    """The entries of one run's history that are written out already."""

    __slots__ = ("__weakref__", "_entries", "_latest", "_list", "_results")

    _latest: History

    def __init__(self) -> None:
        self._list: Sequence[Any] = ()
        self._start()

    def with_all(self, results: Sequence[Any]) -> History:
        """All of `results`, each as it was when its step had ended (0.6 lets the entries of steps
        long over point to the context of now)."""
        if not self._goes_on(results):
            self._start()
        self._list = results
        same = len(self._results)
        new = results[same:]
        first = same if self._latest.is_saved else self._latest.first
        self._entries += map(_written, new)
        self._results += new
        self._latest = History.of(self._entries, first)
        return self._latest

    def _start(self) -> None:
        self._results: list[Any] = []
        self._entries: list[str] = []
        self._latest = History.of(self._entries, 0)

    def _goes_on(self, results: Sequence[Any]) -> bool:
        """Whether `results` begin with those that are written out. Of flujo's own list, which it
        adds to and of which it replaces at most the last, only that one is looked at: to touch
        them all after each step took as long as to write out the new one."""
        same = len(self._results)
        if len(results) < same:
            return False
        if results is self._list:
            return same == 0 or results[same - 1] is self._results[-1]
        return not any(map(operator.is_not, results, self._results))


_histories: Final[WeakValueDictionary[tuple[int, str], WrittenHistory]] = WeakValueDictionary()
"""By backend and run, as long as a manager of flujo's has it: 0.6 gives a run's end to another."""


def written_by(manager: Any, run_id: str) -> WrittenHistory:
    """What `manager`, or another one with the same backend, has written out of that run."""
    of_manager = vars(manager).setdefault(_OF_MANAGER, {})
    if run_id not in of_manager:
        of_run = _histories.setdefault((id(manager.state_backend), run_id), WrittenHistory())
        of_manager.clear()  # a manager that serves many runs, one by one, keeps none but the latest
        of_manager[run_id] = of_run
    found: WrittenHistory = of_manager[run_id]
    return found


def _written(result: Any) -> str:
    if _has_registered():
        return encode(result.model_dump())
    try:
        # pydantic's own dump, in C; flujo's walks all that it gives once more, in Python.
        return encode(type(result).__pydantic_serializer__.to_python(result))
    except BaseException as error:  # a value that contains itself: flujo's has an answer
        if passes(error):
            raise
        return encode(result.model_dump())


def _has_registered() -> bool:
    """Whether the program registered serializers with flujo, which only flujo's way asks."""
    flujo = sys.modules.get("flujo.utils.serialization")
    return bool(getattr(flujo, "_custom_serializers", ()))
