"""What becomes of the file while the collector runs: nothing is acknowledged that is not stored,
and it goes on without a restart."""

import json
import resource
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.collector import (
    Collector,
    SpanSpec,
    collector,
    in_protobuf,
    locked,
    numbered,
    refused_start,
    request,
)
from support.programs import TIMEOUT_SECONDS, losses

IMPATIENT = {
    "flujo_otel.server.lifecycle:_BUSY_SECONDS": 0.1,
    "flujo_otel.collector.commit:PATIENCE_SECONDS": 0.5,
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Collector]:
    with collector(tmp_path / "otel.db", IMPATIENT) as running:
        assert 200 == running.post(in_protobuf(numbered("before", 1))).status
        yield running


def health(running: Collector) -> tuple[int, dict[str, Any]]:
    response = running.send(request(b"", {}, method="GET", path="/healthz"))
    return response.status, json.loads(response.body)


def is_refused_for_now(running: Collector, reason: str) -> bool:
    """Whether a span gets 503 with this reason, and health says the same."""
    response = running.post(in_protobuf(numbered("lost", 2)))
    status, said = health(running)
    assert (503, 14) == (response.status, response.code)
    assert int(response.headers["retry-after"]) >= 1
    assert (503, "store unavailable") == (status, said["state"])
    return reason in said["reason"] and reason.encode() in response.body


def recovers(running: Collector) -> None:
    """Health says so by itself, and spans are stored again."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while health(running)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert 200 == running.post(in_protobuf(numbered("after", 3))).status
    assert "after" in running.names()


def test_healthz_tells_product_version_database_and_process(running: Collector) -> None:
    status, said = health(running)
    assert (200, "flujo-otel", "ok") == (status, said["product"], said["state"])
    assert (str(running.db), running.process.pid) == (said["database"], said["pid"])
    assert running.http_port == said["http_port"]
    assert said["version"]


def test_a_locked_database(running: Collector) -> None:
    with locked(running.db):
        assert is_refused_for_now(running, "locked")
    assert ["before"] == running.names()
    recovers(running)


def test_a_full_disk(running: Collector) -> None:
    """As far as the process can tell: its files may not grow any more."""
    pid = running.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    assert is_refused_for_now(running, "disk I/O error")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert ["before"] == running.names()
    recovers(running)


def test_a_deleted_database_is_made_anew(running: Collector) -> None:
    for path in running.db.parent.glob("otel.db*"):
        path.unlink()
    assert 200 == running.post(in_protobuf(numbered("after", 2))).status
    assert ["after"] == running.names()
    assert 200 == health(running)[0]


def test_a_database_replaced_by_another_programs_is_not_touched(running: Collector) -> None:
    for path in running.db.parent.glob("otel.db*"):
        path.unlink()
    with sqlite3.connect(running.db) as foreign:
        foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    before = running.db.read_bytes()
    assert is_refused_for_now(running, "another program")
    assert before == running.db.read_bytes()
    running.db.unlink()
    recovers(running)


def test_a_database_that_is_locked_at_the_start_is_waited_for(tmp_path: Path) -> None:
    db = tmp_path / "otel.db"
    with collector(db):
        pass
    with locked(db) as lock, collector(db, IMPATIENT) as running:
        assert (503, "store unavailable") == (health(running)[0], health(running)[1]["state"])
        lock.execute("ROLLBACK")
        recovers(running)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda db: db.write_bytes(b"no database" * 100), "ForeignDatabase"),
        (lambda db: db.mkdir(), "StoreUnopenable"),
        (lambda db: db.parent.joinpath("file").write_text(""), "StoreUnopenable"),
    ],
    ids=["another's file", "a folder", "no folder to make it in"],
)
def test_a_database_that_will_never_do_is_said_at_the_start(
    tmp_path: Path, make: Any, error: str
) -> None:
    db = tmp_path / "otel.db"
    make(db)
    if (tmp_path / "file").exists():
        db = tmp_path / "file" / "otel.db"
    said = refused_start(db)
    assert error == said["error"]
    assert str(db) in said["message"]


def test_rejected_spans_are_counted_in_the_ledger(running: Collector) -> None:
    bad = in_protobuf(SpanSpec(trace_id=bytes(16)), SpanSpec(span_id=b"short"))
    assert 200 == running.post(bad).status
    counts = running.stop()["counts"]
    assert 2 == counts["rejected"]
    assert 2 == losses(running.db)["rejected"]
