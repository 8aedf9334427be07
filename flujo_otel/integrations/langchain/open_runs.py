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
        self._lost: deque[OpenRun] = deque()

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, run_id: UUID | None) -> OpenRun | None:
        return None if run_id is None else self._runs.get(run_id.int)

    def add(self, run: OpenRun) -> None:
        self._runs[run.key] = run
        if len(self._runs) > MAX_OPEN_RUNS:
            oldest = self._runs.pop(next(iter(self._runs)), None)
            if oldest is not None:
                oldest.unfinished(f"did not end while {MAX_OPEN_RUNS:,} others began")

    def take(self, run_id: UUID) -> OpenRun | None:
        """The run, which is open no more."""
        return self._runs.pop(run_id.int, None)

    def lose(self, run: OpenRun) -> None:
        """It is over and must be closed. Safe while the garbage collector runs."""
        self._lost.append(run)

    def close_lost(self) -> None:
        """Close what is over without an end."""
        lose_left_call()
        while self._lost:
            run = self._lost.popleft()
            if self._runs.pop(run.key, None) is not None:
                run.unfinished("was abandoned: cancelled, most likely")

    def cut_short(self, run: OpenRun, error: BaseException) -> None:
        """Close all below `run`: LangChain tells no end of what was cancelled inside a model."""
        for key, each in reversed(list(self._runs.items())):
            if each.descends_from(run) and self._runs.pop(key, None) is not None:
                each.unfinished("cut short with the run around it", type(error).__qualname__)

    def close(self) -> None:
        """Close all."""
        while self._runs:
            _, run = self._runs.popitem()
            run.unfinished("did not end before its trace did")
