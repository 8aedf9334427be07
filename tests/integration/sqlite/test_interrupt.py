"""A write that another thread interrupts."""

from contextlib import closing
from pathlib import Path
from threading import Thread

from flujo_otel.errors import StoreUnavailable
from flujo_otel.model import Batch
from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import TRACE, record


def test_a_write_that_is_interrupted_gives_up_and_can_be_made_again(tmp_path: Path) -> None:
    path, batch = tmp_path / "otel.db", Batch([record(n) for n in range(1, 10_001)])
    failed: list[BaseException] = []

    def write() -> None:
        try:
            writer.write(batch)
        except StoreUnavailable as error:
            failed.append(error)

    with closing(SQLiteSpanWriter(path)) as writer:
        writer.interrupt()  # nothing is open
        writer.write(Batch([record(1)]))
        writer.interrupt()  # nothing is under way
        writing = Thread(target=write)
        writing.start()
        while writing.is_alive():
            writer.interrupt()
        assert [True] == ["interrupted" in str(error) for error in failed]
        assert not writer.write(batch).rejected
    with closing(SQLiteTraceReader(path)) as reader:
        assert 10_000 == len(list(reader.spans(TRACE)))
