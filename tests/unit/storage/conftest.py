"""A backend on a file of its own."""

from pathlib import Path

import pytest

from flujo_otel.storage.sqlite import SQLiteBackend


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


@pytest.fixture
def backend(path: Path) -> SQLiteBackend:
    return SQLiteBackend(path)
