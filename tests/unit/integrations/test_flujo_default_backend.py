"""Which runners get our backend: not those that say, or are told, otherwise."""

from pathlib import Path
from typing import Any

import pytest

from flujo_otel.integrations.flujo.default_backend import DefaultBackend
from flujo_otel.storage.sqlite import SQLiteBackend


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FLUJO_STATE_URI", "FLUJO_TEST_MODE", "FLUJO_OTEL_DB"):
        monkeypatch.delenv(name, raising=False)


def given(**arguments: Any) -> dict[str, Any]:
    DefaultBackend(None).give(arguments)
    return arguments


def test_a_runner_that_says_nothing_gets_it(tmp_path: Path) -> None:
    for arguments in (given(), given(state_backend=None), given(persist_state=True)):
        assert isinstance(arguments["state_backend"], SQLiteBackend)
        assert tmp_path / "flujo_otel.db" == arguments["state_backend"].path


def test_one_that_has_a_backend_or_wants_none_does_not() -> None:
    backend = object()
    assert {"state_backend": backend} == given(state_backend=backend)
    assert {"persist_state": False} == given(persist_state=False)


@pytest.mark.parametrize(
    ("variable", "value", "gives"),
    [
        ("FLUJO_TEST_MODE", "1", False),
        ("FLUJO_TEST_MODE", "TRUE", False),
        ("FLUJO_TEST_MODE", "0", True),
        ("FLUJO_STATE_URI", "memory://", False),
        ("FLUJO_STATE_URI", "postgres://h/db", False),
        ("FLUJO_STATE_URI", "sqlite:///ops.db", True),
    ],
)
def test_what_flujo_itself_heeds_is_heeded(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, gives: bool
) -> None:
    monkeypatch.setenv(variable, value)
    assert gives == ("state_backend" in given())
