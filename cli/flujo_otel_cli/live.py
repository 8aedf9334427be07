"""The tree of what a program does, drawn while it does it."""

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from threading import Event, Thread
from typing import Final

from flujo_otel.model import Run, RunStatus
from flujo_otel.query.nesting import outermost
from flujo_otel_cli.drawing import draw
from flujo_otel_cli.follower import Follower
from flujo_otel_cli.line import Line, Piece, cut_line
from flujo_otel_cli.picture import picture_of
from flujo_otel_cli.program import Program
from flujo_otel_cli.relay import Footer, Relay
from flujo_otel_cli.terminal import Terminal

_LOOK_SECONDS: Final = 0.2
_TICK_SECONDS: Final = 1.0
"""What runs grows older: drawn anew although nothing happened."""
_SHARE: Final = 5
"""After a drawing that took long, so many times as long without one."""


def can_draw() -> bool:
    """Whether standard error is a terminal that can be drawn on."""
    to = Terminal.of(sys.stderr)
    return to.cuts and hasattr(os, "openpty") and os.environ.get("TERM") != "dumb"


def watch(program: Program, relay: Relay, view: "LiveTree") -> None:
    """Until the program is over and all it wrote is shown; closes `view`. The exit code is
    `program.wait`'s."""
    footer, painter = Footer(), _Painter(view)
    try:
        while True:
            is_over = program.is_over()  # before it is read: what it wrote last is there by then
            output = relay.read(_LOOK_SECONDS)
            if output:
                footer.write(output)
            elif is_over:
                return
            elif output is None:
                time.sleep(_LOOK_SECONDS)
            relay.resize()
            lines = painter.latest()
            if lines is not None:
                footer.draw(lines)
    finally:
        painter.stop()
        footer.close()


class _Painter:
    """Has a view drawn on a thread of its own. 20,000 spans take half a second; the program, whose
    output nobody reads meanwhile, would stand still for so long."""

    def __init__(self, view: "LiveTree") -> None:
        self._view = view
        self._drawn: deque[list[str]] = deque(maxlen=1)
        self._ending = Event()
        self._thread = Thread(target=self._run, name="lens-draw", daemon=True)
        self._thread.start()

    def latest(self) -> list[str] | None:
        """What was drawn since the last call."""
        return self._drawn.pop() if self._drawn else None

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        with closing(self._view):
            while not self._ending.wait(_LOOK_SECONDS):
                lines = self._view.lines()
                if lines is not None:
                    self._drawn.append(lines)


class LiveTree:
    """The newest of the runs that `is_ours`, with those around it and in it, as lines that fit the
    terminal; while one runs that `is_main`, the newest of those. For one thread."""

    def __init__(
        self,
        db: str | None,
        started_ns: int,
        is_ours: Callable[[Run], bool],
        is_main: Callable[[Run], bool],
    ) -> None:
        self._db = db
        self._is_ours = is_ours
        self._is_main = is_main
        self._follower = Follower(db, started_ns)
        self._run: Run | None = None
        self._drawn: frozenset[str] = frozenset()
        self._is_running = False
        self._next_look = self._next_tick = 0.0

    def lines(self) -> list[str] | None:
        """The tree as it is now; None: nothing new to be seen."""
        began = time.monotonic()
        if began < self._next_look:
            return None
        try:
            lines = self._lines() if self._is_due(began) else None
        except Exception:
            # The program comes first. Locked or replaced just now, another look will do; what lasts
            # is said at the end.
            lines = None
        took = time.monotonic() - began
        self._next_look = time.monotonic() + max(_LOOK_SECONDS, _SHARE * took)
        return lines

    def close(self) -> None:
        self._follower.close()

    def _is_due(self, now: float) -> bool:
        changed = False
        is_all = False
        while not is_all:
            runs, is_all = self._follower.next(lambda feed, after: feed.runs(after))
            for run in filter(self._is_ours, runs):
                changed |= self._take(run)
        is_running = self._is_running
        if not changed and not (is_running and now >= self._next_tick):
            return False
        self._next_tick = now + _TICK_SECONDS
        return True

    def _take(self, run: Run) -> bool:
        """Whether there is something else to show: of the run that matters most, of those around
        it or of those in them."""
        shown = self._run
        if shown is None or run.run_id == shown.run_id or self._rank(run) >= self._rank(shown):
            self._run = run
            return True
        return run.run_id in self._drawn

    def _rank(self, run: Run) -> tuple[bool, int]:
        is_main = run.status is RunStatus.RUNNING and self._is_main(run)
        return is_main, run.start_time_ns

    def _lines(self) -> list[str]:
        from flujo_otel.spanstore.factory import open_reader

        assert self._run is not None
        to = Terminal.of(sys.stderr)
        with closing(open_reader(self._db)) as reader:
            newest = reader.get_run(self._run.run_id) or self._run
            run = outermost(reader, newest, self._is_ours)
            roots, drawing, _ = picture_of(reader, run, db=self._db)
        self._drawn = frozenset({run.run_id, *drawing.inside})
        self._is_running = run.status is RunStatus.RUNNING
        drawn = draw(run, roots, drawing, to, time.time_ns())
        fitting = (cut_line(line, to.width, to.theme.ellipsis) for line in _fitting(drawn, to))
        return [to.rendered(line) for line in fitting]


def _fitting(lines: Iterable[Line], to: Terminal) -> list[Line]:
    """As many as the terminal has room for: the first, and the last ones, where things happen."""
    shown = list(lines)
    room = max(shutil.get_terminal_size().lines - 2, 3)
    if len(shown) <= room:
        return shown
    left_out = len(shown) - room + 1
    return [
        shown[0],
        [Piece(f"{to.theme.ellipsis} {left_out:,} lines", "dim")],
        *shown[-room + 2 :],
    ]
