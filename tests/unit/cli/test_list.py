"""`lens list` on a real store."""

import sys
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.model.record import Role
from flujo_otel.spanstore.sqlite.reader import SQLiteTraceReader
from flujo_otel_cli import neighbour
from flujo_otel_cli.terminal import Terminal
from unit.cli.lens import answer, document, on_a_terminal
from unit.cli.scenes import a_run, a_span, store


def test_list(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "list")
    heading, row, footer = out.splitlines()
    assert code == 0
    assert " ".join(heading.split()) == "RUN PIPELINE STATUS STARTED TOOK COST TOKENS SPANS"
    assert row.split("   ")[:3] == [a_run().run_id, "support-triage 1.2", "✘ failed"]
    assert footer == "1 of 1 run · lens trace 7f3a"


def test_list_of_nothing_is_an_answer(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "list", "--status", "paused")[0] == 0
    assert document(capsys, "list", "--since", "1h")[1] == {"runs": [], "total": 0}


def test_a_limit_beyond_all_counting_is_none(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert document(capsys, "list", "--limit", "9" * 20)[1]["total"] == 1


def test_list_as_json(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, "list", "--status", "failed", "--pipeline", "support-triage")
    assert (code, found["total"]) == (0, 1)
    assert found["runs"][0]["run_id"] == a_run().run_id
    assert found["runs"][0]["start_time"] == "2025-11-21T04:40:00.000000000Z"


def test_requests_to_a_service_are_told_apart_by_what_they_began_with(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spans = [
        a_span(n, name, n, n + 1, role=Role.RUN_ROOT, run_id=f"run-{n}")
        for n, name in enumerate(("GET /orders", "POST /orders", "app"), 1)
    ]
    store(here / "flujo_otel.db", spans)
    rows = [line.split("   ")[1] for line in answer(capsys, "list")[1].splitlines()[1:-1]]
    assert rows == ["app", "app  POST /orders", "app  GET /orders"]
    found = document(capsys, "list")[1]["runs"]
    assert [run["root_name"] for run in found] == ["app", "POST /orders", "GET /orders"]


def test_requests_of_one_name_are_told_apart_by_what_they_asked_for(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spans = [
        a_span(n, "GET", n, n + 1, role=Role.RUN_ROOT, run_id=f"run-{n}", attributes={key: url})
        for n, (key, url) in enumerate((("http.url", "http://a/b"), ("url.full", "http://a/c")), 1)
    ]
    store(here / "flujo_otel.db", spans)
    rows = answer(capsys, "list")[1].splitlines()[:-1]
    assert [row.split()[-1] for row in rows] == ["CALLED", "http://a/c", "http://a/b"]
    narrow = on_a_terminal("list", COLUMNS="60", LANG="C.UTF-8", NO_COLOR="1").splitlines()
    assert [narrow[2], narrow[4]] == ["    CALLED http://a/c", "    CALLED http://a/b"]


def test_the_store_is_asked_as_often_for_many_runs_as_for_few(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    rows_of = SQLiteTraceReader._rows

    def noted(reader: SQLiteTraceReader, query: str, values: Any = ()) -> Any:
        asked.append(query)
        return rows_of(reader, query, values)

    monkeypatch.setattr(SQLiteTraceReader, "_rows", noted)
    whole = Terminal.of(sys.stdout)._replace(cuts=True, width=200)
    monkeypatch.setattr(Terminal, "of", lambda stream: whole._replace(stream=stream))
    named = {"role": Role.RUN_ROOT, "attributes": {"url.full": "http://a/b"}}
    spans = [a_span(1, "GET", 1, 2, run_id="outer", **named)]
    spans += [a_span(n, "GET", n, n + 1, 1, run_id=f"run-{n}", **named) for n in range(2, 30)]
    store(here / "flujo_otel.db", spans)
    counts = []
    for limit in ("3", "20"):
        asked.clear()
        said = answer(capsys, "list", "--inside", "--limit", limit)[1]
        assert said.count("  oute  ") == said.count("http://a/b") == int(limit)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_what_was_called_is_told_without_the_secrets_in_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called = {"url.full": "https://ann:hunter2@a.example/b?token=abcdef123456"}
    spans = [a_span(1, "GET", 1, 2, role=Role.RUN_ROOT, run_id="run-1", attributes=called)]
    store(here / "flujo_otel.db", spans)
    for command in (["list"], ["trace", "run-1"]):
        text = answer(capsys, *command)[1]
        assert "https://ann:[REDACTED]@a.example/b" in text
        assert "hunter2" not in text and "abcdef123456" not in text


def test_a_list_that_is_cut_says_how_to_see_all(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [
        a_span(n, "x", n, n + 1, role=Role.RUN_ROOT, run_id=f"{n:04}") for n in range(100, 110)
    ]
    store(filled, others)
    assert "1 of 11 runs · lens list --limit 11 · " in answer(capsys, "list", "--limit", "1")[1]


def test_what_lists_more_of_a_filtered_list_filters_too(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"role": Role.RUN_ROOT, "attributes": {"flujo.pipeline.name": "a b"}}
    store(filled, [a_span(n, "x", n, n + 1, run_id=f"{n:04}", **named) for n in (100, 101)])
    options = ["--status", "completed", "--pipeline", "a b", "--since", "9999d", "--inside"]
    said = answer(capsys, "list", *options, "--limit", "1")[1]
    again = "lens list --status completed --pipeline 'a b' --since 9999d --inside --limit 2"
    assert f"1 of 2 runs · {again} · " in said


def test_no_database_here_names_the_one_that_the_collector_stores_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    server = {"address": "127.0.0.1:4318", "database": "/elsewhere/flujo_otel.db"}
    monkeypatch.setattr(neighbour, "server_here", lambda: server)
    code, _, said = answer(capsys, "list")
    assert code == 3
    assert "lens list --db /elsewhere/flujo_otel.db" in said
