"""States that were not saved, for no run could go on from them."""

import logging
from contextlib import closing
from pathlib import Path
from time import time_ns
from typing import Final

from flujo_otel import process
from flujo_otel.guard import guarded
from flujo_otel.model import Loss
from flujo_otel.spanstore.factory import open_writer
from flujo_otel.spanstore.statelog import WorkflowState
from flujo_otel.storage.state_rows import lost_words

STATE_NOT_SAVED: Final = "state_not_saved"
"""Reason in the ledger (docs/ledger.md)."""

_logger = logging.getLogger("flujo_otel")


class UnsavedStates:
    """Said once, and counted in the ledger of the database at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_said = False

    def add(self, row: WorkflowState) -> None:
        """Not for the event loop: this waits for the database. Never raises."""
        words = lost_words(row)
        if not self._is_said:
            self._is_said = True
            _logger.warning(
                "flujo-otel: the state of run %s after step %d holds a value that cannot be read"
                " back, %s: a run that is killed does that step again (said once)",
                row.run_id,
                row.current_step_index,
                words,
            )
        with guarded("counting states that were not saved"):
            service, now_ns = process.current().command, time_ns()
            loss = Loss(service, STATE_NOT_SAVED, words, 1, now_ns, now_ns)
            with closing(open_writer(self._path)) as writer:
                writer.count_losses([loss])
