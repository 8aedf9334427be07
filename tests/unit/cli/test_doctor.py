"""What `lens doctor` finds, and that every finding that is not sound says what to do."""

from typing import Any

import pytest

from flujo_otel.model import Loss, Writer
from flujo_otel.spanstore.api import Health
from flujo_otel_cli.commands.doctor import find

NOW_NS = 1_763_700_000_000_000_000


def findings(**changes: Any) -> list[tuple[str, str, str]]:
    facts: dict[str, Any] = {
        "path": "/srv/flujo_otel.db",
        "size_bytes": 412_000_000,
        "wal_bytes": 0,
        "schema_version": 3,
        "sqlite_version": "3.40.1",
        "run_count": 1204,
        "span_count": 2_100_000,
        "change_seq": 1,
        "integrity": "ok",
        "writers": (),
        "losses": (),
        "faults": (),
        "facts": {},
    }
    return list(find(Health(**{**facts, **changes}), NOW_NS))


def a_loss(reason: str, detail: str = "") -> Loss:
    return Loss("app", reason, detail, 120, 0, NOW_NS)


def test_a_sound_database() -> None:
    assert findings() == [
        (
            "completed",
            "database",
            "/srv/flujo_otel.db, 412 MB, schema 3, 1,204 runs, 2,100,000 spans, integrity ok",
        ),
        ("completed", "writers", "none just now"),
        ("completed", "lost", "nothing"),
    ]


def test_live_writers_are_named() -> None:
    writer = Writer("ada", 4121, "x", "app.py\n")
    assert ("completed", "writers", "app.py\\n (pid 4121)") in findings(writers=(writer,))


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("queue_full", "raise FLUJO_OTEL_QUEUE_BYTES"),
        ("rejected", "change what the program records"),
        ("refused", "name another with FLUJO_OTEL_DB"),
        ("internal_error", "FLUJO_OTEL_RAISE=1"),
    ],
)
def test_what_was_lost_says_what_to_do(reason: str, remedy: str) -> None:
    (*_, (status, subject, text)) = findings(losses=(a_loss(reason, "why"),))
    assert (status, subject) == ("failed", "lost")
    assert text.startswith(f"120 spans of app, 0 s ago: {reason.replace('_', ' ')} (why); ")
    assert text.endswith(remedy) or remedy in text


@pytest.mark.parametrize("reason", ["id_reused", "database_replaced", "fault"])
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


def test_the_size_is_that_of_the_file_and_its_log() -> None:
    assert "412 MB," in findings()[0][2]
    assert "430 MB," in findings(wal_bytes=18_000_000)[0][2]


def test_the_fault_of_sqlite_says_what_to_do() -> None:
    from flujo_otel.spanstore.sqlite import maintenance

    assert maintenance._FAULT.endswith("nothing to do")


def test_known_faults_of_sqlite_are_warnings() -> None:
    assert ("warning", "sqlite", "it has a fault") in findings(faults=("it has a fault",))
