"""Which runs a backend has seen lately, in bounded memory."""

from collections import OrderedDict
from typing import Final

_MOST: Final = 4096


class RecentRuns:
    """A set of run ids. Of very many, those that were added first are forgotten."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._ids

    def add(self, run_id: str) -> None:
        self._ids[run_id] = None
        while len(self._ids) > _MOST:
            self._ids.popitem(last=False)

    def discard(self, run_id: str) -> None:
        self._ids.pop(run_id, None)
