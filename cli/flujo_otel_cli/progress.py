"""A bar on standard error for what takes a while. Where that is no terminal, what it waits for."""

import sys
import time
from types import TracebackType
from typing import Final

from flujo_otel_cli import amounts
from flujo_otel_cli.line import Piece, cut_line, plain
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape

_WIDTH: Final = 24
_EVERY_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 0.5
_TO_START: Final = "\r\x1b[K"


class ProgressBar:
    """Shows `done` of `total` things, each a `unit`; wiped away when the `with` ends. `patient`:
    not in the first half second, in which most is done.

    In a log a line for each new trouble stands in for it: silence of half a minute says nothing.
    """

    def __init__(
        self, what: str, total: int, *, hidden: bool, unit: str = "span", patient: bool = False
    ) -> None:
        self._what = what
        self._total = total
        self._unit = unit
        self._to = Terminal.of(sys.stderr)
        self._is_hidden = hidden
        self._is_shown = not hidden and self._to.cuts
        self._next = time.monotonic() + _PATIENCE_SECONDS if patient else 0.0
        self._logged = ""

    def __enter__(self) -> "ProgressBar":
        self.show(0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_shown:
            self._to.stream.write(_TO_START)
            self._to.stream.flush()

    def show(self, done: int, trouble: str = "") -> None:
        """Draw it anew, ten times a second at most; `trouble`: why it does not go on, at once."""
        if not self._is_shown:
            self._log(done, trouble)
            return
        now = time.monotonic()
        if now < self._next and not trouble:
            return
        self._next = now + _EVERY_SECONDS
        self._to.stream.write(_TO_START + self._text(done, trouble))
        self._to.stream.flush()

    def _log(self, done: int, trouble: str) -> None:
        if trouble and trouble != self._logged and not self._is_hidden:
            self._logged = trouble
            self._to.write([[Piece(f"{self._of(done)} {self._what}; waits: {escape(trouble)}")]])
            self._to.stream.flush()

    def _of(self, done: int) -> str:
        return f"{done:,} of {amounts.plural(self._total, self._unit)}"

    def _text(self, done: int, trouble: str) -> str:
        of = self._of(done)
        if trouble:
            line = [Piece(f"{of}; waits: {escape(trouble)}")]
        else:
            share = min(done / self._total, 1.0) if self._total else 1.0
            full = self._to.theme.blocks[-1] * round(share * _WIDTH)
            bar = full.ljust(_WIDTH, self._to.theme.dot.strip() or ".")
            line = [Piece(f"{bar} {of} {self._what}")]
        return plain(cut_line(line, self._to.width - 1, self._to.theme.ellipsis))
