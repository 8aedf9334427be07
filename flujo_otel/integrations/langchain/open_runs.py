"""The open runs of one callback, and the ends that LangChain does not tell."""

from collections import deque
from typing import Final
from uuid import UUID

from flujo_otel.integrations.langchain.run import OpenRun
from flujo_otel.integrations.langchain.stand_in import lose_left_call

MAX_OPEN_RUNS: Final = 10_000
"""Of more the oldest are closed as unfinished: one that never ends must not be kept for ever."""


class OpenRuns:
    """By LangChain's id. Each step is one operation of a dict, so that threads need no lock."""

    def __init__(self) -> None:
        self._runs: dict[int, OpenRun] = {}
        self._below: dict[int, dict[int, OpenRun]] = {}
        """The open ones that are directly below each."""
        self._lost: deque[OpenRun] = deque()

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, run_id: UUID | None) -> OpenRun | None:
        return None if run_id is None else self._runs.get(run_id.int)

    def add(self, run: OpenRun) -> None:
        self._runs[run.key] = run
        if run.parent is not None:
            self._below.setdefault(run.parent.key, {})[run.key] = run
        if len(self._runs) > MAX_OPEN_RUNS:
            oldest = self._pop(next(iter(self._runs)))
            if oldest is not None:
                oldest.unfinished(f"did not end while {MAX_OPEN_RUNS:,} others began")

    def take(self, run_id: UUID) -> OpenRun | None:
        """The run, which is open no more."""
        return self._pop(run_id.int)

    def lose(self, run: OpenRun) -> None:
        """It is over and must be closed. Safe while the garbage collector runs."""
        self._lost.append(run)

    def close_lost(self) -> None:
        """Close what is over without an end."""
        lose_left_call()
        while self._lost:
            run = self._lost.popleft()
            if self._pop(run.key) is not None:
                run.unfinished("was abandoned: cancelled, most likely")

    def cut_short(self, run: OpenRun, error: BaseException) -> None:
        """Close all below `run`: LangChain tells no end of what was cancelled inside a model."""
        kind = type(error).__qualname__
        for each in reversed(self._all_below(run)):
            if self._pop(each.key) is not None:
                each.unfinished("cut short with the run around it", kind)

    def _all_below(self, run: OpenRun) -> list[OpenRun]:
        """Parents before their children."""
        found = list(self._below.get(run.key, {}).values())
        for each in found:
            found += self._below.get(each.key, {}).values()
        return found

    def _pop(self, key: int) -> OpenRun | None:
        run = self._runs.pop(key, None)
        if run is not None and run.parent is not None:
            siblings = self._below.get(run.parent.key, {})
            siblings.pop(key, None)
            if not siblings:
                self._below.pop(run.parent.key, None)
        return run

    def close(self) -> None:
        """Close all."""
        while self._runs:
            _, run = self._runs.popitem()
            run.unfinished("did not end before its trace did")
        self._below.clear()
