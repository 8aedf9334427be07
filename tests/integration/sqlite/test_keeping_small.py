"""docs/database.md, Keeping it small: the SQL that is printed there, in a stranger's connection."""

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from flujo_otel.model import Batch
from flujo_otel.spanstore.sqlite.maintenance import SQLiteMaintenance
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from support.records import OTHER_TRACE, record

PAGE = (Path(__file__).parents[3] / "docs" / "database.md").read_text()
DAY_NS = 86_400 * 10**9


def test_old_runs_go_with_their_spans_and_the_others_stay(tmp_path: Path) -> None:
    [sql] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    now_ns = time.time_ns()
    old_ns, new_ns = now_ns - 31 * DAY_NS, now_ns - 29 * DAY_NS
    writer = SQLiteSpanWriter(tmp_path / "a.db")
    old = [record(n, n - 1 or None, start_time_ns=old_ns, end_time_ns=old_ns) for n in (1, 2, 3)]
    new = [record(4, trace_id=OTHER_TRACE, start_time_ns=new_ns, end_time_ns=new_ns)]
    writer.write(Batch([*old, *new]))
    with closing(sqlite3.connect(tmp_path / "a.db")) as stranger:
        stranger.executescript(sql)
        left = stranger.execute("SELECT trace_id, COUNT(*) FROM spans GROUP BY 1").fetchall()
        assert left == [(OTHER_TRACE, 1)]
        assert stranger.execute("SELECT run_id FROM runs").fetchall() == [(OTHER_TRACE,)]
    # What writes to it goes on, and what comes late to a run that is gone makes it anew.
    writer.write(Batch([record(5, 1, start_time_ns=now_ns, end_time_ns=now_ns)]))
    writer.close()
    health = SQLiteMaintenance(tmp_path / "a.db").health()
    assert (health.integrity, health.run_count, health.span_count) == ("ok", 2, 2)
