"""What `lens doctor` finds, and that every finding that is not sound says what to do."""

import json
import shlex
from typing import Any

import pytest

from flujo_otel.model import Loss, Process
from flujo_otel.spanstore.api import BacklogSize
from flujo_otel.spanstore.destinations import Cursor, CursorState
from flujo_otel.spanstore.diagnosis import Diagnosis, Orphans, Received
from flujo_otel.spanstore.maintenance import Health
from flujo_otel_cli import findings as found

NOW_NS = 1_763_700_000_000_000_000


def health(**changes: Any) -> Health:
    facts: dict[str, Any] = {
        "path": "/srv/flujo_otel.db",
        "size_bytes": 412_000_000,
        "wal_bytes": 0,
        "schema_version": 3,
        "sqlite_version": "3.40.1",
        "run_count": 1204,
        "span_count": 2_100_000,
        "change_seq": 3_000_000,
        "integrity": "ok",
        "writers": (),
        "backlog": BacklogSize(),
        "losses": (),
        "faults": (),
        "facts": {},
    }
    return Health(**{**facts, **changes})


def findings(**changes: Any) -> list[tuple[str, str, str]]:
    of = health(**changes)
    return [*found.of_health(of), *found.of_losses(of, NOW_NS)]


def diagnosed(
    writers: tuple[Process, ...] = (), db: str | None = None, **changes: Any
) -> list[tuple[str, str, str]]:
    facts: dict[str, Any] = {
        "obstacle": "",
        "free_bytes": 10**12,
        "services": (),
        "orphans": (),
        "orphans_among": 100_000,
        "unpriced": 0,
    }
    losses = changes.pop("losses", ())
    diagnosis = Diagnosis(**{**facts, **changes})
    return list(found.of_diagnosis(diagnosis, health(writers=writers, losses=losses), db))


def a_cursor(**changes: Any) -> Cursor:
    facts: dict[str, Any] = {
        "destination": "tempo",
        "endpoint": "http://tempo:4318/v1/traces",
        "position": 7,
        "lag": 0,
        "state": CursorState.OK,
        "sent": 12_000,
        "rejected": 0,
        "rejection": "",
        "rejected_at_ns": None,
        "error": "",
        "error_at_ns": None,
        "sent_at_ns": None,
        "holder": "ada 4002",
    }
    return Cursor(**{**facts, **changes})


def a_loss(reason: str, detail: str = "", service: str = "app") -> Loss:
    return Loss(service, reason, detail, 120, 0, NOW_NS)


def test_a_sound_database() -> None:
    assert findings() == [
        (
            "completed",
            "database",
            "/srv/flujo_otel.db, 412 MB, schema 3, 1,204 runs, 2,100,000 spans, change 3,000,000, "
            "integrity ok",
        ),
        ("completed", "writers", "none just now"),
        ("completed", "lost", "nothing"),
    ]


def test_live_writers_are_named() -> None:
    writer = Process("ada", 4121, "x", "app.py\n")
    assert ("completed", "writers", "app.py\\n (pid 4121)") in findings(writers=(writer,))


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("queue_full", "raise FLUJO_OTEL_QUEUE_BYTES"),
        ("rejected", "change what the program records"),
        ("refused", "name another with FLUJO_OTEL_DB"),
        ("internal_error", "FLUJO_OTEL_RAISE=1"),
        ("shut_down", "shut the tracer provider down when all spans have ended"),
    ],
)
def test_what_was_lost_says_what_to_do(reason: str, remedy: str) -> None:
    (*_, (status, subject, text)) = findings(losses=(a_loss(reason, "why"),))
    assert (status, subject) == ("failed", "lost")
    assert text.startswith(f"120 spans of app, 0 s ago: {reason.replace('_', ' ')} (why); ")
    assert text.endswith(remedy) or remedy in text


def test_refused_requests_are_lost_and_say_what_to_mend() -> None:
    (*_, (status, subject, text)) = findings(losses=(a_loss("refused_request", "413, too large"),))
    assert ("failed", "lost") == (status, subject)
    assert text.startswith("120 requests of app, 0 s ago: refused request (413, too large); ")
    assert text.endswith("its client does not send it again: mend what it sends, but for a 500")


def test_no_remedy_is_in_a_page_that_pip_does_not_install() -> None:
    remedies = [*vars(found)["_REMEDIES"].values(), vars(found)["_OWN_PRICE"]]
    assert [said for said in remedies if "docs/" in said or ".md" in said] == []


@pytest.mark.parametrize(
    "reason",
    ["id_reused", "database_replaced", "fault", "truncated", "clock_skewed", "text_not_utf8"],
)
def test_what_was_kept_all_the_same_is_no_loss(reason: str) -> None:
    (*_, ledger, lost) = findings(losses=(a_loss(reason),))
    assert ledger[:2] == ("warning", "ledger")
    assert lost == ("completed", "lost", "nothing")


def test_a_damaged_database_says_how_to_recover_it() -> None:
    status, _, text = findings(integrity="row 3 missing from index")[0]
    assert status == "failed"
    assert "row 3 missing from index" in text and ".recover" in text


def test_a_log_that_does_not_shrink_is_a_warning() -> None:
    assert ("warning", "log") in [found[:2] for found in findings(wal_bytes=256_000_000)]


def test_the_log_of_a_busy_collector_is_large() -> None:
    collector = Process("here", 7, "start", "lens serve")
    for size_bytes, is_said in ((500_000_000, False), (2_000_000_000, True)):
        found = findings(wal_bytes=size_bytes, writers=(collector,))
        assert is_said == (("warning", "log") in [each[:2] for each in found])


def test_the_size_is_that_of_the_file_and_its_log() -> None:
    assert "412 MB," in findings()[0][2]
    assert "430 MB," in findings(wal_bytes=18_000_000)[0][2]


def test_the_fault_of_sqlite_says_what_to_do() -> None:
    from flujo_otel.spanstore.sqlite import maintenance

    assert maintenance._FAULT.endswith("nothing to do")


def test_a_known_fault_of_sqlite_that_is_dealt_with_is_no_alarm() -> None:
    assert ("completed", "sqlite", "it has a fault") in findings(faults=("it has a fault",))


def test_data_points_are_no_spans_and_no_loss() -> None:
    (*_, ledger, lost) = findings(losses=(a_loss("metrics_not_stored"),))
    assert ledger[0] == "warning"
    assert "120 data points of app" in ledger[2] and "OTEL_METRICS_EXPORTER=none" in ledger[2]
    assert lost == ("completed", "lost", "nothing")


def test_what_takes_writes_and_has_room_is_not_worth_a_word() -> None:
    assert diagnosed() == []


def test_a_lock_that_stays_is_a_fault_and_names_the_writers() -> None:
    writer = Process("ada", 4121, "x", "app.py")
    [(status, subject, text)] = diagnosed((writer,), obstacle="database is locked")
    assert (status, subject) == ("failed", "locked")
    assert "app.py (pid 4121) or another program holds it" in text and "end it" in text


def test_a_file_that_is_not_this_user_s_to_write_is_a_warning() -> None:
    [(status, subject, _)] = diagnosed(obstacle="attempt to write a readonly database")
    assert (status, subject) == ("warning", "read-only")


def test_another_obstacle_is_said_as_it_is() -> None:
    [(status, _, text)] = diagnosed(obstacle="disk I/O error")
    assert status == "failed" and text.startswith("disk I/O error: ")


@pytest.mark.parametrize(("free_bytes", "status"), [(0, "failed"), (500_000_000, "warning")])
def test_a_disk_that_is_full_or_nearly_so(free_bytes: int, status: str) -> None:
    [(found_status, subject, text)] = diagnosed(free_bytes=free_bytes)
    assert (found_status, subject) == (status, "disk")
    assert "ake room" in text
    assert ("lens serve" in text) == (status == "failed")  # whose senders lose nothing yet


def test_each_service_says_what_became_of_its_spans() -> None:
    flows = (Received("app", 12_000, 3), Received("", 1, 0))
    losses = (Loss("app", "rejected", "bad id", 2, 0, NOW_NS), a_loss("queue_full"))
    assert [text for _, _, text in diagnosed(services=flows, losses=losses)] == [
        "12,002 spans of app: 11,997 stored, 3 sent again, 2 rejected, 120 dropped by it",
        "1 span of a service without a name: 1 stored",
    ]


def test_of_many_services_the_rest_is_counted() -> None:
    flows = tuple(Received(f"s{number}", 1, 0) for number in range(14))
    assert diagnosed(services=flows)[-1][2] == "4 more services: --json has all"


def test_spans_without_their_parent_are_a_warning() -> None:
    [(status, subject, text)] = diagnosed(orphans=(Orphans("api", 12),))
    assert (status, subject) == ("warning", "orphaned")
    assert text.startswith("12 spans of api (of the newest 100,000)")


def test_a_destination_that_is_up_to_date() -> None:
    text = "tempo  0 behind, 12,000 sent"
    assert found.of_destination(a_cursor(), NOW_NS, "/a.db") == ("completed", "forwarding", text)


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"state": CursorState.RETRYING, "error": "refused."}, "warning", "retrying: refused."),
        ({"state": CursorState.PAUSED, "error": "401"}, "failed", "mend its address"),
        ({"lag": 5, "holder": None}, "warning", "lens serve --forward tempo;"),
        (
            {"lag": 5, "holder": None, "state": CursorState.RETRYING, "error": "refused"},
            "warning",
            "lens forward --forget tempo. The last try: refused",
        ),
        (
            {"state": CursorState.RETRYING, "error": "a fault of flujo-otel: KeyError: x"},
            "warning",
            "KeyError: x. FLUJO_OTEL_RAISE=1",
        ),
        (
            {"state": CursorState.RETRYING, "error": "/a.db cannot be used just now: locked."},
            "warning",
            "It is this database that cannot be read",
        ),
        ({"rejected": 3, "rejection": "too old"}, "warning", "3 rejected by it: too old"),
    ],
)
def test_a_destination_in_trouble_says_what_to_do(
    changes: dict[str, Any], status: str, said: str
) -> None:
    finding = found.of_destination(a_cursor(**changes), NOW_NS, "/a.db")
    assert (finding.status, finding.subject) == (status, "forwarding")
    assert said in finding.text


def test_the_commands_to_copy_name_the_database_that_was_named() -> None:
    waiting = a_cursor(lag=1, holder=None)
    text = found.of_destination(waiting, NOW_NS, "/a.db", "my own.db").text
    for command in ("lens serve --forward", "lens forward --forget"):
        assert f"{command} {waiting.destination} --db 'my own.db'" in text
    [(_, _, text)] = diagnosed(free_bytes=500_000_000, db="my own.db")
    assert "lens delete --before 30d --db 'my own.db' takes" in text


@pytest.mark.parametrize("error", ["a fault of flujo-otel: KeyError: x", "/a.db is locked"])
def test_nobody_is_asked_whether_a_destination_is_up_where_the_fault_is_ours(error: str) -> None:
    cursor = a_cursor(state=CursorState.RETRYING, error=error)
    assert "Is it up" not in found.of_destination(cursor, NOW_NS, "/a.db").text


def test_a_service_s_name_of_a_megabyte_is_cut() -> None:
    name = "s" * 1_000_000
    [(_, _, flow)] = diagnosed(services=(Received(name, 1, 0),))
    assert len(flow) < 300 and "s..." in flow
    [(_, _, orphaned)] = diagnosed(orphans=(Orphans(name, 1),))
    assert len(orphaned) < 500
    found_losses = findings(losses=(a_loss("queue_full", name, name),))
    assert max(len(text) for _, _, text in found_losses) < 700


def test_a_server_on_another_database_is_a_warning() -> None:
    said = {"address": "127.0.0.1:4318", "pid": 4002, "database": "/other.db", "state": "ok"}
    status, _, text = found.of_server(said, "/srv/flujo_otel.db")
    assert status == "warning" and "/other.db" in text
    assert found.of_server({**said, "database": "/srv/x.db"}, "/srv/x.db").status == "completed"
    failing = {**said, "database": "/srv/x.db", "state": "store unavailable"}
    assert found.of_server(failing, "/srv/x.db").status == "failed"


def test_where_a_server_stores_is_not_known_without_its_token() -> None:
    said = {"address": "127.0.0.1:4318", "state": "ok"}
    status, _, text = found.of_server(said, "/srv/flujo_otel.db")
    assert status == "warning" and "token" in text
    assert found.of_server({**said, "state": "store unavailable"}, "/srv/x.db").status == "failed"


def test_calls_without_a_price_are_told_of_with_what_prices_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert diagnosed() == []
    monkeypatch.setattr(found, "is_installed", lambda: False)
    (finding,) = diagnosed(unpriced=3)
    assert finding[:2] == ("warning", "prices")
    assert "3 model calls" in finding[2] and "pip install 'flujo-otel[prices]'" in finding[2]
    monkeypatch.setattr(found, "is_installed", lambda: True)
    (finding,) = diagnosed(unpriced=1)
    assert finding[0] == "completed" and "1 model call with" in finding[2]
    setting = finding[2].partition("FLUJO_OTEL_PRICES=")[2]
    assert json.loads(shlex.split(setting)[0]) == {"my-model": {"input": 0.5, "output": 2}}
