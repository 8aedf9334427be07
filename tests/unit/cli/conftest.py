"""A folder of its own for each test, and stores with something in them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flujo_otel.model.record import Role
from unit.cli.lens import ROOT
from unit.cli.scenes import STACK, a_span, exception, store, support_triage


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, no setting from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("FLUJO_OTEL_DB", "FLUJO_STATE_URI", "COLUMNS", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def flujos_own(here: Path) -> Path:
    """flujo's own database where flujo has it, of tables that say nothing but what it is."""
    path = here / "flujo_ops.db"
    with closing(sqlite3.connect(path)) as connection:
        for table in ("workflow_state", "runs", "steps", "spans"):
            connection.execute(f"CREATE TABLE {table} (run_id TEXT)")
    return path


@pytest.fixture
def filled(here: Path) -> Path:
    """A store at the default place with the run of docs/lens.md."""
    _, spans = support_triage()
    path = here / "flujo_otel.db"
    store(path, spans, **ROOT)
    return path


@pytest.fixture
def plain(here: Path) -> Path:
    """A store with a run that has spans alone: OpenTelemetry without flujo."""
    sour = exception("ValueError", "sour", STACK)
    spans = [
        a_span(1, "GET /orders", 0, 900, role=Role.RUN_ROOT, status="failed"),
        a_span(2, "SELECT", 0, 300, 1, attributes={"db.system": "sqlite", "rows": 3}),
        a_span(3, "render", 300, 900, 1, status="failed", events=(sour,)),
        a_span(4, "inner", 300, 400, 3),
    ]
    path = here / "flujo_otel.db"
    store(path, spans)
    return path
