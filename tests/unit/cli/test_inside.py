"""Runs inside runs, as every command shows them."""

from pathlib import Path

import pytest

from flujo_otel.model import Span
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from support.lens import Lens
from unit.cli.lens import answer, document
from unit.cli.scenes import a_span, a_step, exception, store

OUTER, RANKING, SEARCH = "aaaa1111", "bbbb2222", "cccc3333"


def a_root(number: int, name: str, when_ms: tuple[float, float], parent: int, run: str) -> Span:
    """The root of a run inside another."""
    attributes = {flujo.RUN_ID: run, flujo.PIPELINE_NAME: name}
    given = {"attributes": attributes, "role": Role.RUN_ROOT, "run_id": run}
    return a_span(number, name, *when_ms, parent, **given)  # type: ignore[arg-type]


@pytest.fixture
def nested(here: Path) -> Path:
    """A shop's run, in whose step a ranking runs, in whose step a search runs."""
    path = here / "flujo_otel.db"
    named = {flujo.RUN_ID: OUTER, flujo.PIPELINE_NAME: "shop"}
    sour = exception("ValueError", "sour")
    store(
        path,
        [
            a_span(1, "pipeline_run", 0, 900, role=Role.RUN_ROOT, attributes=named, run_id=OUTER),
            a_step(2, "pick", 0, 800, 1, run_id=OUTER),
            a_root(3, "ranking", (10, 700), 2, RANKING),
            a_step(4, "score", 20, 600, 3, run_id=RANKING),
            a_root(5, "search", (30, 500), 4, SEARCH),
            a_step(6, "ask", 40, 400, 5, run_id=SEARCH, status="failed", events=(sour,)),
            a_step(7, "pay", 800, 900, 1, run_id=OUTER),
        ],
    )
    return path


def test_the_outer_run_s_tree_has_the_inner_ones_in_their_places_with_their_ids(
    nested: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "59")
    _, out, _ = answer(capsys, "trace", OUTER)
    assert out.startswith(
        "✔ shop  completed in 900 ms · 3 spans · run aaaa1111 · 2 runs inside, 1 failed there\n"
    )
    assert [
        "├─ ✔ pick  800 ms",
        "│  └─ ✔ ranking  run bbbb2222  690 ms",
        "│     └─ ✔ score  580 ms",
        "│        └─ ✔ search  run cccc3333  470 ms",
        "│           └─ ✘ ask  360 ms",
        "│              ValueError: sour",
        "│              lens show cccc3333 --step ask",
        "└─ ✔ pay  100 ms",
    ] == out.splitlines()[1:]


def test_an_inner_run_is_drawn_alone_and_says_what_it_is_in(
    nested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "trace", SEARCH)
    assert "run cccc3333 in bbbb2222" in out.splitlines()[0]
    assert "score" not in out
    _, out, _ = answer(capsys, "trace", RANKING)
    assert "run bbbb2222 in aaaa1111 · 1 run inside" in out.splitlines()[0]
    assert "pick" not in out and "run cccc3333" in out


def test_json_has_the_inner_spans_at_their_depth_and_the_runs_beside_them(
    nested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = document(capsys, "trace", OUTER)
    depths = {span["name"]: (span["run_id"], span["depth"]) for span in found["spans"]}
    assert (SEARCH, 5) == depths["ask"]
    assert [RANKING, SEARCH] == [run["run_id"] for run in found["runs_inside"]]
    assert None is found["outer_run_id"]
    assert RANKING == document(capsys, "trace", SEARCH)[1]["outer_run_id"]


def test_the_list_has_the_outer_run_and_counts_those_in_it(
    nested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "list")
    heading, *rows, footer, _ = out.splitlines()
    assert ["RUN", "PIPELINE", "INSIDE", "STATUS"] == heading.split()[:4]
    assert [[OUTER, "shop", "+2", "✔"]] == [row.split()[:4] for row in rows]
    assert "1 of 1 run · lens trace aaaa" == footer
    _, found = document(capsys, "list")
    [run] = found["runs"]
    assert (1, OUTER, None, 2) == (
        found["total"],
        run["run_id"],
        run["outer_run_id"],
        run["inside_count"],
    )


def test_the_list_has_all_that_are_inside_where_it_is_told_to(
    nested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "list", "--inside")
    heading, *rows, footer, _ = out.splitlines()
    assert ["RUN", "PIPELINE", "IN", "INSIDE", "STATUS"] == heading.split()[:5]
    assert [
        [SEARCH, "search", RANKING, "✔", "completed"],
        [RANKING, "ranking", OUTER, "+1", "✔"],
        [OUTER, "shop", "+2", "✔", "completed"],
    ] == [row.split()[:5] for row in rows]
    assert "3 of 3 runs · lens trace aaaa" == footer
    _, found = document(capsys, "list", "--inside")
    told = {run["run_id"]: (run["outer_run_id"], run["inside_count"]) for run in found["runs"]}
    assert {SEARCH: (RANKING, 0), RANKING: (OUTER, 1), OUTER: (None, 2)} == told


def test_a_filter_finds_a_run_inside_one_that_it_does_not_find(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = a_root(2, "ranking", (10, 700), 1, RANKING)
    spans = [
        a_span(1, "GET /", 0, 900, role=Role.RUN_ROOT, run_id=OUTER),
        inner._replace(status="failed"),
        a_root(3, "search", (30, 500), 2, SEARCH),
        a_span(4, "GET /", 901, 902, role=Role.RUN_ROOT, run_id="dddd4444"),
    ]
    store(here / "flujo_otel.db", spans)
    _, out, _ = answer(capsys, "list", "--status", "failed")
    heading, row, footer, _ = out.splitlines()
    assert ["RUN", "PIPELINE", "IN", "INSIDE", "STATUS"] == heading.split()[:5]
    assert [RANKING, "ranking", OUTER, "+1", "✘", "failed"] == row.split()[:6]
    assert "1 of 1 run · lens trace bbbb" == footer
    _, found = document(capsys, "list", "--pipeline", "search")
    assert [(SEARCH, RANKING)] == [(run["run_id"], run["outer_run_id"]) for run in found["runs"]]
    _, out, _ = answer(capsys, "list")
    assert [["dddd4444", "app", "GET"], [OUTER, "app", "GET"]] == [
        line.split()[:3] for line in out.splitlines()[1:3]
    ]
    assert "   +2 (1 ✘)   ✔ completed" in out


def test_last_and_prev_are_what_the_list_shows_first(
    nested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(nested, [a_span(9, "GET /", -9, -8, role=Role.RUN_ROOT, run_id="dddd4444")])
    listed = [run["run_id"] for run in document(capsys, "list")[1]["runs"]]
    assert [OUTER, "dddd4444"] == listed
    named = [document(capsys, "trace", name)[1]["run"]["run_id"] for name in ("last", "prev")]
    assert listed == named


def test_show_names_the_runs_around_and_inside(
    nested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "show", RANKING)
    assert "│ in        aaaa1111" in out
    assert "│ contains  cccc3333 search" in out
    _, found = document(capsys, "show", RANKING)
    assert (OUTER, [SEARCH]) == (found["run"]["outer_run_id"], found["runs_inside"])


def test_two_runs_under_a_plain_span_stay_two(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spans = [
        a_span(1, "GET /", 0, 900, role=Role.RUN_ROOT),
        a_root(2, "one", (0, 400), 1, "one-1"),
        a_root(3, "two", (400, 900), 1, "two-2"),
    ]
    store(here / "flujo_otel.db", spans)
    assert 3 == document(capsys, "list", "--inside")[1]["total"]
    _, out, _ = answer(capsys, "trace", "last")
    assert "✔ one  run one-1" in out and "✔ two  run two-2" in out


def test_a_thousand_runs_in_one_fold_into_a_line_that_counts_them(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = [a_root(n, "item", (n, n + 1), 1, f"run-{n:04}") for n in range(2, 1002)]
    work = [a_step(n + 5000, "work", n, n + 1, n, run_id=f"run-{n:04}") for n in range(2, 1002)]
    outer = a_span(1, "batch", 0, 1100, role=Role.RUN_ROOT)
    store(here / "flujo_otel.db", [outer, *inner, *work])
    _, out, _ = answer(capsys, "trace", "last")
    assert "item ×1,000" in out and "1,000 runs" in out and "1,000 runs inside" in out
    assert 1000 == answer(capsys, "trace", "last", "--all")[1].count("  run run-")


def test_runs_a_hundred_deep_are_one_tree(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = a_span(1, "depth", 0, 900, role=Role.RUN_ROOT)
    deeper = [a_root(n, "deeper", (n, 900 - n), n - 1, f"run-{n:03}") for n in range(2, 102)]
    store(here / "flujo_otel.db", [first, *deeper])
    _, found = document(capsys, "trace", "last")
    assert list(range(101)) == [span["depth"] for span in found["spans"]]


def test_a_flujo_run_inside_another_has_its_pipeline_s_name(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {flujo.RUN_ID: RANKING, flujo.PIPELINE_NAME: "ranking"}
    given = {"attributes": named, "role": Role.RUN_ROOT, "run_id": RANKING}
    inner = a_span(2, flujo.PIPELINE_RUN, 10, 700, 1, **given)  # type: ignore[arg-type]
    outer = a_span(1, "GET /", 0, 900, role=Role.RUN_ROOT)
    store(here / "flujo_otel.db", [outer, inner])
    assert "✔ ranking  run bbbb2222" in answer(capsys, "trace", "last")[1]


@pytest.fixture
def open_ones(here: Path) -> Path:
    """The same in the middle of its work."""
    path = here / "flujo_otel.db"
    named = {flujo.RUN_ID: OUTER, flujo.PIPELINE_NAME: "shop"}
    inner = {flujo.RUN_ID: RANKING, flujo.PIPELINE_NAME: "ranking"}
    root = {"role": Role.RUN_ROOT}
    store(
        path,
        [
            a_span(1, "pipeline_run", 0, None, attributes=named, run_id=OUTER, **root),  # type: ignore[arg-type]
            a_step(2, "pick", 0, None, 1, run_id=OUTER),
            a_span(3, "ranking", 10, None, 2, attributes=inner, run_id=RANKING, **root),  # type: ignore[arg-type]
        ],
    )
    return path


def test_what_runs_inside_another_is_marked_in_ps_and_hung(
    open_ones: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("ps", "hung"):
        heading, *lines = answer(capsys, command)[1].splitlines()
        assert heading.split()[:3] == ["RUN", "PIPELINE", "IN"]
        [inner] = [line for line in lines if line.startswith(RANKING)]
        assert inner.split()[:3] == [RANKING, "ranking", OUTER]
        runs = {run["run_id"]: run for run in document(capsys, command)[1]["runs"]}
        assert {name: run["outer_run_id"] for name, run in runs.items()} == {
            OUTER: None,
            RANKING: OUTER,
        }


def test_what_starts_inside_another_says_so_in_tail(nested: Path) -> None:
    with Lens("tail", "--runs", "--since", "9999d", cwd=nested.parent) as lens:
        lines = lens.until(" ranking ")
        assert "ranking  in aaaa1111 · 2 spans" in lines[-1]
    with Lens("tail", "--runs", "--since", "9999d", "--json", cwd=nested.parent) as lens:
        found = {run["run_id"]: run for run in (lens.document()["run"] for _ in range(3))}
    assert found[SEARCH]["outer_run_id"] == RANKING and found[OUTER]["outer_run_id"] is None


def test_the_list_says_whose_totals_it_has(
    nested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "Cost, tokens and spans are each run's own; lens trace adds those of the runs in it.\n"
    assert answer(capsys, "list", "--inside")[1].endswith(said)
    said = "Cost and tokens are with those of the runs inside; spans are each run's own.\n"
    assert answer(capsys, "list")[1].endswith(said)
    assert answer(capsys, "list", "--pipeline", "search")[1].endswith(said)
    store(nested, [a_span(9, "GET /", -9, -8, role=Role.RUN_ROOT, run_id="dddd4444")])
    assert said not in answer(capsys, "list", "--pipeline", "app")[1]
