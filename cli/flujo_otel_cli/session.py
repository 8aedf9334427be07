"""What every reading command has: the store, the terminal, the time, text or JSON."""

import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

from flujo_otel.errors import NoDatabase
from flujo_otel.spanstore.api import TraceReader
from flujo_otel_cli.database import explained
from flujo_otel_cli.line import Line, Piece
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.theme import STYLES

_MADE_SECONDS: Final = 0.25
_LOOKS: Final = 10
"""Where there is no database, how long and how often it is looked for: a program's first run makes
it 20 to 70 ms after its end, and in IPython 3 of 5 `!lens list` in the next line came before."""
_FILLED_SECONDS: Final = 0.05
"""From then until the run is in it; 15 ms were seen."""


class Session:
    """One command's view of the store, open until the `with` ends."""

    def __init__(self, reader: TraceReader, db: str | None, *, json: bool) -> None:
        """`db`: what --db named."""
        self.reader = reader
        self.db = db
        self.json = json
        self.to = Terminal.of(sys.stdout)
        self.now_ns = time.time_ns()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.reader.close()

    def show(self, lines: Iterable[Line]) -> None:
        self.to.write(lines)

    def answer(self, document: Mapping[str, Any]) -> None:
        from flujo_otel_cli.document import write_document  # text is what is asked for most

        write_document(document, self.to.stream)


def open_session(db: str | None, *, json: bool) -> Session:
    """Raises Problem, or what `open_reader` raises: ForeignDatabase, SettingsError."""
    with explained(db):
        reader = _reader(db)
        if reader.backlog().spans:
            _settle(reader, db, json=json)
    return Session(reader, db, json=json)


def _reader(db: str | None) -> TraceReader:
    from flujo_otel.spanstore.factory import open_reader

    with suppress(NoDatabase):
        return open_reader(db)
    for _ in range(_LOOKS):
        time.sleep(_MADE_SECONDS / _LOOKS)
        with suppress(NoDatabase):
            reader = open_reader(db)
            time.sleep(_FILLED_SECONDS)
            return reader
    return open_reader(db)


def _settle(reader: TraceReader, db: str | None, *, json: bool) -> None:
    from flujo_otel_cli.backlog import settled  # seldom there is any

    left = settled(reader, db, json=json)
    if left is not None:
        to = Terminal.of(sys.stderr)._replace(cuts=False)
        to.write([[Piece(left, STYLES["warning"])]])
        to.stream.flush()
