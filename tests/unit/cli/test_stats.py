"""`lens stats` on a real store."""

from pathlib import Path

import pytest

from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from unit.cli.lens import ROOT, answer, document, on_a_terminal
from unit.cli.scenes import a_span, a_step, store


def test_stats(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, "stats", "--hours", "900000", "--sort", "count")
    assert found["statistics"][0]["name"] == "up"
    assert answer(capsys, "stats", "--hours", "900000")[1].startswith("SPAN")


def test_each_pipeline_is_told_apart_though_all_their_spans_have_one_name(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outer, inner = {**ROOT, "flujo.pipeline.name": "qa"}, {flujo.NESTED_PIPELINE_NAME: "inner"}
    path = here / "flujo_otel.db"
    name = flujo.PIPELINE_RUN
    store(path, [a_span(1, name, 0, 9, role=Role.RUN_ROOT)], **ROOT)
    spans = [
        a_span(2, name, 0, 6, role=Role.RUN_ROOT, run_id="r2"),
        a_step(3, "step", 0, 5, 2, run_id="r2"),
        a_span(4, name, 0, 4, 3, run_id="r2", attributes=inner),
    ]
    store(path, spans, **outer)
    rows = document(capsys, "stats", "--hours", "900000", "--sort", "name")[1]["statistics"]
    assert [(row["name"], row["pipeline"], row["count"]) for row in rows] == [
        (name, "inner", 1),
        (name, "qa", 1),
        (name, "support-triage", 1),
        ("step", None, 1),
    ]
    out = answer(capsys, "stats", "--hours", "900000")[1]
    assert f"\nqa · {name}  " in out and "\nstep  " in out


def test_stats_of_an_unknown_pipeline_name_those_there_are(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = answer(capsys, "stats", "--pipeline", "nope")[1]
    assert out == "No run of a pipeline 'nope'. There are: support-triage.\n"


def test_a_name_of_a_megabyte_is_cut_in_a_pipe_too(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "n" * 1_000_000
    store(here / "flujo_otel.db", [a_span(1, name, 0, 9, role=Role.RUN_ROOT)])
    _, out, _ = answer(capsys, "stats", "--hours", "100000")
    assert f"{'n' * 200}...   " in out and "n" * 201 not in out


def test_a_run_that_was_resumed_is_one_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, again = flujo.PIPELINE_RUN, {flujo.RESUMED: True}
    spans = [
        a_span(1, name, 0, 9, role=Role.RUN_ROOT, status="paused"),
        a_span(2, name, 50, 59, 1, role=Role.RUN_ROOT, status="paused", attributes=again),
        a_span(3, name, 90, 99, 2, role=Role.RUN_ROOT, attributes=again),
    ]
    store(here / "flujo_otel.db", spans, **ROOT)
    rows = document(capsys, "stats", "--hours", "900000", "--sort", "name")[1]["statistics"]
    assert [(row["name"], row["pipeline"], row["count"]) for row in rows] == [
        (name, "support-triage", 1),
        ("resumed", "support-triage", 2),
    ]


def test_a_run_that_failed_when_it_went_on_has_failed(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, again = flujo.PIPELINE_RUN, {flujo.RESUMED: True}
    inner = {flujo.NESTED_PIPELINE_NAME: "inner"}
    spans = [
        a_span(1, name, 0, 9, role=Role.RUN_ROOT, status="paused"),
        a_span(2, name, 1, 8, 1, status="paused", attributes=inner),
        a_span(3, name, 50, 59, 1, role=Role.RUN_ROOT, status="paused", attributes=again),
        a_span(4, name, 90, 99, 2, role=Role.RUN_ROOT, status="failed", attributes=again),
    ]
    store(here / "flujo_otel.db", spans, **ROOT)
    rows = document(capsys, "stats", "--hours", "900000", "--sort", "name")[1]["statistics"]
    assert [(row["name"], row["pipeline"], row["count"], row["error_count"]) for row in rows] == [
        (name, "inner", 1, 0),
        (name, "support-triage", 1, 1),
        ("resumed", "support-triage", 2, 1),
    ]


def test_a_narrow_terminal_cuts_the_name_that_all_have_and_not_the_pipeline_s(
    here: Path,
) -> None:
    store(here / "flujo_otel.db", [a_span(1, flujo.PIPELINE_RUN, 0, 9, role=Role.RUN_ROOT)], **ROOT)
    drawn = on_a_terminal("stats", "--hours", "900000", COLUMNS="56", TERM="xterm", NO_COLOR="1")
    assert "\nsupport-triage" in drawn and flujo.PIPELINE_RUN not in drawn


def test_a_span_without_a_name_is_said_to_have_none(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(here / "flujo_otel.db", [a_span(1, "", 0, 9, role=Role.RUN_ROOT)])
    assert "\n(no name)   " in answer(capsys, "stats", "--hours", "900000")[1]


def test_figures_give_way_before_a_name_does(here: Path) -> None:
    names = ("chat gpt-4o-mini-2024-07-18", "execute_tool search_documents")
    spans = [a_span(1, "app", 0, 9, role=Role.RUN_ROOT)]
    spans += [a_span(number, name, 0, 7, 1) for number, name in enumerate(names, 2)]
    store(here / "flujo_otel.db", spans)
    out = on_a_terminal("stats", "--hours", "900000", COLUMNS="70", NO_COLOR="1")
    assert all(f"{name}  " in out for name in names)
    assert "MEAN" in out.partition("No room here for ")[2]


def test_of_many_names_a_terminal_gets_the_first_and_a_pipe_all(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spans = [a_span(1, "root", 0, 99, role=Role.RUN_ROOT)]
    spans += [a_span(n, f"work {n}", 0, n, 1) for n in range(2, 42)]
    store(here / "flujo_otel.db", spans)
    ever = ("--hours", "900000")
    *rows, last = on_a_terminal("stats", *ever, COLUMNS="90", NO_COLOR="1").splitlines()
    assert sum(row.startswith("work ") for row in rows) == 29
    assert last.startswith("30 of 41 names · ")
    assert last.endswith("lens stats --hours 900000 --limit 41")
    assert answer(capsys, "stats", *ever)[1].count("\nwork ") == 40
    _, out, _ = answer(capsys, "stats", *ever, "--limit", "2", "--sort", "name")
    assert out.endswith("2 of 41 names · lens stats --hours 900000 --sort name --limit 41\n")
    for limit, count in (((), 41), (("--limit", "2"), 2), (("--limit", "9" * 20), 41)):
        assert len(document(capsys, "stats", *ever, *limit)[1]["statistics"]) == count
