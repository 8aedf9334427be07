"""What docs/usage.md prints works as printed."""

import re
import sqlite3
from pathlib import Path

import pytest

from flujo_otel import settings
from flujo_otel.model import Batch
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from flujo_otel.usage.rates import Rates, rates_of
from support.records import TRACE, record

PAGE = (Path(__file__).parents[3] / "docs" / "usage.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    return str(found)


def test_the_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flujo.toml").write_text(block("toml"))
    monkeypatch.chdir(tmp_path)
    assert {"my-model": Rates(0.5, 2.0, 0.05, 0.6)} == rates_of(settings.load())
    [variable] = re.findall(r"`FLUJO_OTEL_PRICES='(.*?)'`", PAGE)
    monkeypatch.setenv("FLUJO_OTEL_PRICES", variable)
    assert {"my-model": Rates(0.5, 2.0, 0.5, 0.5)} == rates_of(settings.load())


def test_the_queries(tmp_path: Path) -> None:
    writer = SQLiteSpanWriter(tmp_path / "a.db")
    call = record(2, 1, cost_usd=0.5, tokens=10)
    writer.write(Batch([record(0), record(1, 0, role=1, tokens=10), call]))
    writer.close()
    of_steps, of_runs = (query for query in block("sql").split(";") if query.strip())
    with sqlite3.connect(tmp_path / "a.db") as connection:
        assert [("span-1", 10, 0.5)] == connection.execute(of_steps, (TRACE,)).fetchall()
        assert [(0.5, 10)] == connection.execute(of_runs).fetchall()
    connection.close()
