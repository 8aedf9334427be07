"""Names on terminals that are too narrow for them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flujo_otel.model.record import Role
from flujo_otel_cli.line import Line, Name, Piece, cut_line, plain
from flujo_otel_cli.table import Column, table
from flujo_otel_cli.text import escape
from unit.cli.lens import ROOT, on_a_terminal
from unit.cli.scenes import a_span, a_step, store
from unit.cli.screen import screen, shown

PART = "summarise_document_part_07"


def line(rest: str) -> Line:
    return [Piece("├─ "), Name(PART, "bold"), Piece(rest, "dim")]


@pytest.mark.parametrize(
    ("rest", "width", "ellipsis", "expected"),
    [
        ("", 29, "…", "├─ summarise_document_part_07"),
        ("", 23, "…", "├─ summarise_doc…art_07"),
        ("  310 ms", 37, "…", "├─ summarise_document_part_07  310 ms"),
        ("  310 ms", 30, "…", "├─ summarise_do…art_07  310 ms"),
        ("  310 ms", 30, "...", "├─ summarise_d...rt_07  310 ms"),
        ("  retried once, because it failed", 40, "…", "├─ summarise_document_part_07  retried …"),
        ("  retried once, because it failed", 30, "…", "├─ summarise_document_part_07…"),
        ("  retried once, because it failed", 29, "…", "├─ summarise_do…rt_07  retri…"),
        ("  310 ms", 10, "…", "├─ summar…"),
        ("  310 ms", 2, "…", "├…"),
        ("  retried once, because it failed", 16, "…", "├─ summaris…t_07"),
        ("  retried once, because it failed", 16, "...", "├─ summari..._07"),
    ],
)
def test_a_name_keeps_its_end_and_gives_way_to_what_is_short(
    rest: str, width: int, ellipsis: str, expected: str
) -> None:
    assert plain(cut_line(line(rest), width, ellipsis)) == expected


@given(st.text(), st.text(), st.integers(1, 60), st.sampled_from(["…", "..."]))
def test_a_line_with_a_name_fits(name: str, rest: str, width: int, ellipsis: str) -> None:
    given_line: Line = [Piece("✔ "), Name(escape(name)), Piece(escape(rest))]
    assert cell_len(plain(cut_line(given_line, width, ellipsis))) <= width


def test_steps_whose_names_differ_at_their_ends_look_different(here: Path) -> None:
    parts = [a_step(n, f"summarise_document_part_{n:02}", n, n + 1, 1) for n in range(2, 5)]
    store(
        here / "flujo_otel.db",
        [a_span(1, "pipeline_run", 0, 9, role=Role.RUN_ROOT), *parts],
        **ROOT,
    )
    for command in ("trace", "show", "spans", "stats"):
        options = ("--hours", "900000") if command == "stats" else ()
        for environment in ({}, {"LC_ALL": "C"}):
            out = on_a_terminal(command, *options, COLUMNS="36", NO_COLOR="1", **environment)
            assert out.count("t_02") == out.count("t_03") == 1, out
            assert max(map(cell_len, out.split("╰")[0].split("lens ")[0].splitlines())) <= 36


def test_without_unicode_columns_are_laid_out_as_they_are_written() -> None:
    to = screen(40, unicode=False)
    columns = Column("NAME", shrinks=True), Column("TOOK", right=True)
    rows: list[list[Line]] = [
        [[Name("資料の要約・第一部・その七")], [Piece("492 us")]],
        [[Name("SELECT orders")], [Piece("5.1 ms")]],
    ]
    assert shown(to, table(columns, rows, to)).splitlines() == [
        "NAME                                TOOK",
        "\\u8cc7\\u6599\\u306e\\...06e\\u4e03   492 us",
        "SELECT orders                     5.1 ms",
    ]
