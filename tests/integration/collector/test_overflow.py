"""What is stored as it came: more than can be made rows, and what shares a pour with others."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.collector import (
    JSON,
    Collector,
    SpanSpec,
    collector,
    in_json,
    in_protobuf,
    locked,
    numbered,
    request,
    start,
)
from support.lens import LENS, finished, told
from support.programs import TIMEOUT_SECONDS, losses, query, wait_until_unpacked

KEEPING: dict[str, Any] = {
    "flujo_otel.collector.pressure:_WINDOW_SECONDS": 0.0,
    "flujo_otel.collector.pressure:_BURNING": -1.0,
    "flujo_otel.collector.pressure:_LESS": -1.0,
    "flujo_otel.collector.pressure:_GROUPS": 0,
    "flujo_otel.collector.pressure:_FULL_WINDOWS": 1,
    "flujo_otel.collector.pressure:_QUIET_SECONDS": 600.0,
}
"""From the second request on."""
NEVER_UNPACKS = KEEPING | {"flujo_otel.collector.overflow:_PAUSE_SECONDS": 600.0}

SHARING: dict[str, Any] = {
    "flujo_otel.collector.pressure:_WINDOW_SECONDS": 0.0,
    "flujo_otel.collector.pressure:_SHARED": -1.0,
    "flujo_otel.collector.pressure:_LESS": -1.0,
    "flujo_otel.collector.pressure:_GROUPS": 0,
    "flujo_otel.collector.pressure:_FULL_WINDOWS": 10**9,
    "flujo_otel.collector.pressure:_QUIET_SECONDS": 600.0,
}
NEVER_POURS = SHARING | {"flujo_otel.collector.shared_pour:_SECONDS": 600.0}


def fill(running: Collector, count: int = 20) -> list[str]:
    """Requests one after the other, in both encodings; the names of their spans."""
    for n in range(1, count + 1):
        spans = [numbered(f"{2 * n:03}", 2 * n), numbered(f"{2 * n + 1:03}", 2 * n + 1)]
        body, content_type = in_protobuf(*spans), "application/x-protobuf"
        if n % 3 == 0:
            body, content_type = in_json(*spans), JSON
        assert 200 == running.post(body, content_type).status
    return [f"{n:03}" for n in range(2, 2 * count + 2)]


def kept(db: Path) -> int:
    return int(query(db, "SELECT TOTAL(span_count) FROM backlog")[0][0])


def rows(db: Path) -> list[str]:
    return [name for (name,) in query(db, "SELECT name FROM spans ORDER BY name")]


def without_the_moment(db: Path) -> list[Any]:
    """All of `spans` but when and in which order it came."""
    columns = [
        name
        for (name,) in query(db, "SELECT name FROM pragma_table_info('spans')")
        if name not in ("created_at", "change_seq")
    ]
    return query(db, f"SELECT {', '.join(columns)} FROM spans ORDER BY span_id")


@pytest.mark.parametrize("constants", [NEVER_UNPACKS, NEVER_POURS])
def test_what_is_kept_is_stored_and_then_the_same_as_what_is_written_at_once(
    tmp_path: Path, constants: dict[str, Any]
) -> None:
    with collector(tmp_path / "kept.db", constants) as running:
        names = fill(running)
        assert (38, names[:2]) == (kept(running.db), rows(running.db))
        said = running.stop()
    assert (True, 40, 40, 0) == (
        said["stopped"],
        said["counts"]["received"],
        said["counts"]["stored"],
        said["counts"]["to_unpack"],
    )
    assert (0, names) == (kept(running.db), rows(running.db))
    with collector(tmp_path / "at_once.db") as running:
        fill(running)
    assert without_the_moment(tmp_path / "at_once.db") == without_the_moment(tmp_path / "kept.db")


@pytest.mark.parametrize("constants", [KEEPING, SHARING])
def test_where_there_is_time_it_is_unpacked(tmp_path: Path, constants: dict[str, Any]) -> None:
    with collector(tmp_path / "otel.db", constants) as running:
        names = fill(running)
        assert names == running.names()
        assert 0 == kept(running.db)


def killed(db: Path, constants: dict[str, Any] = NEVER_UNPACKS) -> list[str]:
    """The names that a collector was told of, which is killed right after its last answer."""
    running = start(db, constants)
    with running.process:
        names = fill(running)
        running.process.send_signal(signal.SIGKILL)
    assert 38 == kept(db)
    return names


def of_the_next_collector(db: Path) -> list[str]:
    with collector(db) as running:
        return running.names()


def of_lens(db: Path) -> list[str]:
    listed = json.loads(told(db.parent, "list", "--db", str(db), "--limit", "100", "--json"))
    assert 40 == sum(run["span_count"] for run in listed["runs"])
    return rows(db)


@pytest.mark.parametrize("seen_by", [of_the_next_collector, of_lens])
@pytest.mark.parametrize("constants", [NEVER_UNPACKS, NEVER_POURS])
def test_what_was_acknowledged_is_there_after_sigkill(
    tmp_path: Path, seen_by: Callable[[Path], list[str]], constants: dict[str, Any]
) -> None:
    db = tmp_path / "otel.db"
    assert killed(db, constants) == seen_by(db)
    assert 0 == kept(db)


def test_lens_says_what_is_not_unpacked_and_by_whom(tmp_path: Path) -> None:
    db = tmp_path / "otel.db"
    with collector(db, NEVER_UNPACKS) as running:
        fill(running)
        finding = told(tmp_path, "doctor", "--db", str(db))
        assert "38 spans stored as they came, to be unpacked by" in finding
        document = json.loads(told(tmp_path, "doctor", "--db", str(db), "--json"))
        assert (19, 38) == (document["backlog"]["requests"], document["backlog"]["spans"])
        assert running.process.pid == document["backlog"]["attendant"]["pid"]
    killed(tmp_path / "other.db")
    finding = told(tmp_path, "doctor", "--db", "other.db")
    assert "the lens serve that took them is gone: lens list --db other.db unpacks them" in finding


def test_a_copy_waits_for_no_collector_of_the_original(tmp_path: Path) -> None:
    db, copy = tmp_path / "otel.db", tmp_path / "copy.db"
    with collector(db, NEVER_UNPACKS) as running:
        names = fill(running)
        query(db, f"VACUUM INTO '{copy}'")
        finding = told(tmp_path, "doctor", "--db", "copy.db")
        assert f"(pid {running.process.pid}), which took them, writes to another file" in finding
        assert "this is a copy. lens list --db copy.db unpacks them here" in finding
        assert "none just now" in finding
        document = json.loads(told(tmp_path, "doctor", "--db", "copy.db", "--json"))
        assert document["backlog"]["attendant"] is None
        assert running.process.pid == document["backlog"]["elsewhere"]["pid"]
        said = told(tmp_path, "list", "--db", "copy.db", "--limit", "100")
        assert "being unpacked" not in said
        assert (names, 0) == (rows(copy), kept(copy))
        assert (names[:2], 38) == (rows(db), kept(db))


def test_lens_shows_what_shares_a_pour_however_much_more_comes(tmp_path: Path) -> None:
    with collector(tmp_path / "otel.db", SHARING) as running:
        for round_number in range(3):
            running.post(in_protobuf(numbered("first", 500 + 2 * round_number)))
            running.post(in_protobuf(numbered("last", 501 + 2 * round_number)))
            listed = json.loads(told(tmp_path, "list", "--db", "otel.db", "--json"))
            assert 2 + 2 * round_number == sum(run["span_count"] for run in listed["runs"])


def test_lens_shows_what_a_killed_one_took_beside_another_that_always_has_some(
    tmp_path: Path,
) -> None:
    db = tmp_path / "otel.db"
    with collector(db, NEVER_POURS) as busy:
        for n in range(3):
            busy.post(in_protobuf(numbered("of the busy one", 500 + n)))
        running = start(db, NEVER_POURS)
        with running.process:
            names = fill(running)
            running.process.send_signal(signal.SIGKILL)
        assert 40 == kept(db)
        said = told(tmp_path, "list", "--db", str(db))
        assert 2 == kept(db)
        assert "2 more spans came in and are being unpacked by" in said
        assert f"(pid {busy.process.pid})" in said
        assert {*names} < {*rows(db)}


def test_secrets_that_are_redacted_are_never_kept_as_they_came(tmp_path: Path) -> None:
    db = tmp_path / "otel.db"
    with collector(db, NEVER_UNPACKS, redact=True) as running:
        for n in range(1, 10):
            spec = SpanSpec(f"{n}", bytes([n] * 16), bytes([n] * 8), {"password": "hunter2-sesame"})
            assert 200 == running.post(in_protobuf(spec)).status
        assert (0, 9) == (kept(db), len(rows(db)))
        files = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert all(b"hunter2-sesame" not in content for content in files)


def wait_until_it_meets_the_lock(running: Collector) -> None:
    deadline_seconds = time.monotonic() + TIMEOUT_SECONDS
    while 503 != running.send(request(b"", {}, method="GET", path="/healthz")).status:
        assert time.monotonic() < deadline_seconds
        time.sleep(0.05)


def test_a_locked_database_delays_unpacking_and_loses_nothing(tmp_path: Path) -> None:
    impatient = {"flujo_otel.server.lifecycle:_BUSY_SECONDS": 0.1}
    slow = KEEPING | {"flujo_otel.collector.overflow:_PAUSE_SECONDS": 1.0} | impatient
    with collector(tmp_path / "otel.db", slow) as running:
        names = fill(running)
        with locked(running.db) as other:
            wait_until_it_meets_the_lock(running)
            assert 38 == kept(running.db)
            other.execute("ROLLBACK")
        assert names == running.names()


def test_what_was_left_is_unpacked_when_a_lock_at_the_start_is_gone(tmp_path: Path) -> None:
    db = tmp_path / "otel.db"
    names = killed(db)
    with locked(db) as other, collector(db, {"flujo_otel.server.lifecycle:_BUSY_SECONDS": 0.1}):
        time.sleep(0.5)
        other.execute("ROLLBACK")
        wait_until_unpacked(db)
        assert names == rows(db)


def test_lens_does_not_wait_long_for_a_lock_to_unpack(tmp_path: Path) -> None:
    db = tmp_path / "otel.db"
    killed(db)
    with locked(db):
        began_seconds = time.monotonic()
        done = finished(tmp_path, LENS, "list", "--db", str(db), "--json")
        assert time.monotonic() - began_seconds < 4
    assert 0 == done.returncode
    assert "38 spans that a lens serve took are not unpacked" in done.stderr
    assert 2 == len(json.loads(done.stdout)["runs"])


def test_what_cannot_be_unpacked_any_more_is_counted_and_holds_up_nothing(tmp_path: Path) -> None:
    db = tmp_path / "otel.db"
    names = killed(db)
    with locked(db) as connection:
        connection.execute("COMMIT")
        first = "(SELECT MIN(request_id) FROM backlog)"
        connection.execute(f"UPDATE backlog SET body = X'FF' WHERE request_id = {first}")
    done = finished(tmp_path, LENS, "list", "--db", str(db), FLUJO_OTEL_RAISE="0")
    assert 0 == done.returncode
    assert names[:2] + names[4:] == rows(db)
    assert {"internal_error": 2} == losses(db)
