"""What `lens serve` stored as it came, because more came than could be made rows."""

import time
from contextlib import closing
from typing import Final

from flujo_otel.errors import StoreError
from flujo_otel.model import Process
from flujo_otel.spanstore.api import BacklogSize, TraceReader
from flujo_otel_cli import amounts
from flujo_otel_cli.progress import ProgressBar
from flujo_otel_cli.text import escape

_WAIT_SECONDS: Final = 2.0
"""For a collector that is at it; a burst takes it longer."""
_LOOK_SECONDS: Final = 0.05


def settled(reader: TraceReader, db: str | None, *, json: bool) -> str | None:
    """Have all that is stored be there to be read; else why some of it is not."""
    backlog = reader.backlog()
    if not backlog.spans:
        return None
    if backlog.attendant is None:
        return _unpacked(db, backlog.spans, json=json)
    deadline_seconds = time.monotonic() + _WAIT_SECONDS
    while backlog.spans and time.monotonic() < deadline_seconds:
        time.sleep(_LOOK_SECONDS)
        backlog = reader.backlog()
    return _said(backlog)


def _said(backlog: BacklogSize) -> str | None:
    if not backlog.spans:
        return None
    spans = amounts.plural(backlog.spans, "more span")
    return f"{spans} came in and {_are(backlog.spans)} being unpacked{_by(backlog.attendant)}"


def _unpacked(db: str | None, spans: int, *, json: bool) -> str | None:
    """Whoever took them is gone: then we do it."""
    left = f"{amounts.plural(spans, 'span')} that a lens serve took before it was killed"
    try:
        from flujo_otel.collector.unpacking import Unpacking
    except ImportError:
        return f"{left} {_are(spans)} not unpacked: pip install 'flujo-otel[collector]'"
    from flujo_otel.spanstore.factory import open_collector_store

    try:
        with closing(open_collector_store(db)) as store:
            unpacking = Unpacking(store, lambda losses: store.count_losses([*losses]))
            spans, done = unpacking.begin().spans, 0
            with ProgressBar("unpacked", spans, hidden=json) as bar:
                while (step := unpacking.step()).requests:
                    done += step.spans
                    bar.show(done)
    except StoreError as error:
        return f"{left} {_are(spans)} not unpacked: {escape(str(error))}"
    return None


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _by(process: Process | None) -> str:
    return "" if process is None else f" by {escape(process.command)} (pid {process.pid})"
