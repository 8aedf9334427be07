"""What `lens serve` stored as it came and has not made rows of yet."""

import time
from contextlib import closing
from typing import Final

from flujo_otel.errors import StoreError
from flujo_otel.model import Loss, Process
from flujo_otel.spanstore.api import BacklogSize, TraceReader
from flujo_otel_cli import amounts
from flujo_otel_cli.progress import ProgressBar
from flujo_otel_cli.text import escape

_WAIT_SECONDS: Final = 2.0
"""For a collector that is at it; a burst takes it longer."""
_LOOK_SECONDS: Final = 0.2
"""To count 150,000 requests takes 0.1 s of a core that the collector wants."""


def settled(reader: TraceReader, db: str | None, *, json: bool) -> str | None:
    """Have all that is stored by now be there to be read; else why some of it is not. A busy
    collector is never done: what comes meanwhile is not waited for."""
    backlog = reader.backlog()
    if backlog.spans and backlog.attendant is None:
        trouble = _unpacked(db, backlog.spans, json=json)
        if trouble is not None:
            return trouble
        backlog = reader.backlog()  # another command may have been the first
    until_id, deadline_seconds = backlog.latest_id, time.monotonic() + _WAIT_SECONDS
    while backlog.spans and time.monotonic() < deadline_seconds:
        time.sleep(_LOOK_SECONDS)
        backlog = reader.backlog(until_id)
    return _said(backlog)


def _said(backlog: BacklogSize) -> str | None:
    if not backlog.spans:
        return None
    came = f"{amounts.plural(backlog.spans, 'more span')} came in and {_are(backlog.spans)}"
    if backlog.attendant is None:  # it ended while we waited
        return f"{came} not unpacked: ask again"
    return f"{came} being unpacked{_by(backlog.attendant)}"


def _unpacked(db: str | None, spans: int, *, json: bool) -> str | None:
    """Whoever took them is gone: then we do it."""
    try:
        from flujo_otel.collector.unpacking import Unpacking
    except ImportError:
        return _left(spans, "pip install 'flujo-otel[collector]'")
    from flujo_otel.spanstore.factory import open_collector_store

    done, losses = 0, list[Loss]()
    try:
        with closing(open_collector_store(db, busy_timeout_seconds=_WAIT_SECONDS)) as store:
            unpacking = Unpacking(store, losses.extend)
            spans = store.take_over().spans
            try:
                with ProgressBar("unpacked", spans, hidden=json) as bar:
                    while (step := unpacking.step()).requests:
                        done += step.spans
                        bar.show(done)
            finally:
                if losses:
                    store.count_losses(losses)
    except StoreError as error:
        return _left(spans - done, escape(str(error)))
    return None


def _left(spans: int, why: str) -> str:
    took = f"{amounts.plural(spans, 'span')} that a lens serve took"
    return f"{took} {_are(spans)} not unpacked: {why}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _by(process: Process) -> str:
    return f" by {escape(process.command)} (pid {process.pid})"
