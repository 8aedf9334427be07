"""flujo's own workflow states, read so that its runs can go on here. Never written."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from flujo_otel.errors import StoreUnavailable
from flujo_otel.spanstore.peek import peek
from flujo_otel.spanstore.statelog import WorkflowState

UNNAMED: Final = ("unknown", "")
"""What flujo writes into most states as their pipeline's name: its record of the run knows it."""
_LONG: Final = ("pipeline_context", "last_step_output", "step_history")


class FlujoStates:
    """Opens the file anew for each question, as FlujoReader does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def state(self, run_id: str) -> WorkflowState | None:
        """The run's state. Raises StoreUnavailable where the file cannot be read."""
        found = self._read("WHERE run_id = ?", (run_id,), WorkflowState._fields)
        if not found or found[0].pipeline_name not in UNNAMED:
            return found[0] if found else None
        name = self._query("SELECT pipeline_name FROM runs WHERE run_id = ?", (run_id,))
        return found[0]._replace(pipeline_name=name[0][0]) if name else found[0]

    def states(self) -> list[WorkflowState]:
        """All of them, without the long columns. Raises as `state` does."""
        return self._read("", (), [name for name in WorkflowState._fields if name not in _LONG])

    def _read(
        self, where: str, values: Sequence[Any], wanted: Sequence[str]
    ) -> list[WorkflowState]:
        found = self._query("SELECT name FROM pragma_table_info('workflow_state')", ())
        present = {name for (name,) in found}.intersection(wanted)
        columns = [name if name in present else "NULL" for name in WorkflowState._fields]
        query = f"SELECT {', '.join(columns)} FROM workflow_state {where}"
        return [_state(row) for row in self._query(query, values)]

    def _query(self, query: str, values: Sequence[Any]) -> list[Sequence[Any]]:
        try:
            return peek(self._path, lambda found: found.execute(query, values).fetchall())
        except sqlite3.Error as error:
            raise StoreUnavailable(
                f"flujo's own database {self._path} cannot be read: {error}."
            ) from error


def _state(row: Sequence[Any]) -> WorkflowState:
    state = WorkflowState(*row)
    return state._replace(
        pipeline_context=state.pipeline_context or "{}",
        is_background_task=bool(state.is_background_task),
    )
