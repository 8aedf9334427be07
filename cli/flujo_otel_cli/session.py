"""What every reading command has: the store, the terminal, the time, text or JSON."""

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from flujo_otel.spanstore.api import TraceReader
from flujo_otel_cli.document import write_document
from flujo_otel_cli.line import Line
from flujo_otel_cli.terminal import Terminal


@dataclass
class Session:
    """One command's view of the store, open until the `with` ends."""

    reader: TraceReader
    to: Terminal
    now_ns: int
    json: bool

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
        write_document(document, self.to.stream)


def open_session(db: str | None, *, json: bool) -> Session:
    """Raises what `open_reader` raises: NoDatabase, ForeignDatabase, SettingsError."""
    from flujo_otel.spanstore.factory import open_reader

    return Session(open_reader(db), Terminal.of(sys.stdout), time.time_ns(), json)
