"""A traced run that waits for a human, of which flujo makes a record as well."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flujo_otel import SQLiteBackend
from flujo_otel.model import Batch
from flujo_otel.model.record import Role
from flujo_otel.spanstore.api import RunFilter
from flujo_otel.spanstore.factory import open_reader, open_writer
from support.records import record

PAUSED = record(1, name="pipeline_run", run_id="r", role=Role.RUN_ROOT, status="paused")


@pytest.mark.parametrize("record_first", [True, False], ids=["record first", "span first"])
async def test_it_waits_still_though_its_record_is_a_little_later(
    tmp_path: Path, *, record_first: bool
) -> None:
    path = tmp_path / "traces.db"
    assert PAUSED.end_time_ns is not None
    noted = datetime.fromtimestamp(PAUSED.end_time_ns / 1e9, UTC) + timedelta(milliseconds=2)

    def write_span() -> None:
        with closing(open_writer(path)) as writer:
            writer.write(Batch([PAUSED]))

    if not record_first:
        write_span()
    async with SQLiteBackend(path) as backend:
        await backend.save_run_start({"run_id": "r", "start_time": noted - timedelta(seconds=1)})
        await backend.save_run_end("r", {"status": "paused", "end_time": noted})
    if record_first:
        write_span()
    with closing(open_reader(path)) as reader:
        assert 1 == reader.count_runs(RunFilter(status="paused", still=True))
