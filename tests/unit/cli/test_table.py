"""Tables in narrow terminals and in pipes."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flujo_otel_cli.line import Piece
from flujo_otel_cli.table import Column, table
from flujo_otel_cli.text import escape
from unit.cli.screen import screen, shown

COLUMNS = (
    Column("RUN"),
    Column("PIPELINE", shrinks=True, least=4),
    Column("COST", right=True, rank=2),
    Column("SPANS", rank=1),
)


def drawn(*row: str, width: int, cuts: bool = True) -> list[str]:
    to = screen(width, cuts=cuts)
    return shown(to, table(COLUMNS, [[[Piece(cell)] for cell in row]], to)).splitlines()


def test_columns_are_as_wide_as_their_content() -> None:
    assert drawn("7f3a", "nightly-eval", "$1.25", "14", width=80) == [
        "RUN    PIPELINE        COST   SPANS",
        "7f3a   nightly-eval   $1.25   14",
    ]


def test_a_heading_may_be_of_wide_characters() -> None:
    to = screen(80)
    columns = Column("ITEM"), Column("甘さ")
    rows = [[[Piece("蜜柑")], [Piece("x")]]]
    assert shown(to, table(columns, rows, to)).splitlines() == ["ITEM   甘さ", "蜜柑   x"]


def test_first_the_name_gives_way() -> None:
    row = drawn("7f3a", "nightly-eval", "$1.25", "14", width=31)[1]
    assert row == "7f3a   nightly…   $1.25   14"


def test_then_whole_columns_the_least_telling_first() -> None:
    assert drawn("7f3a", "nightly-eval", "$1.25", "14", width=23) == [
        "RUN    PIPELINE   SPANS",
        "7f3a   nightly…   14",
        "No room here for COST.",
    ]


def test_a_pipe_gets_all_of_it() -> None:
    row = drawn("7f3a", "nightly-eval" * 9, "$1.25", "14", width=24, cuts=False)[1]
    assert "nightly-eval" * 9 in row


@given(st.lists(st.text(max_size=12), min_size=4, max_size=4), st.integers(20, 90))
def test_all_columns_start_where_their_heading_does(row: list[str], width: int) -> None:
    assert max(map(cell_len, drawn(*map(escape, row), width=width))) <= width


def test_before_a_column_goes_they_come_nearer_together() -> None:
    assert drawn("7f3a", "nightly-eval", "$1.25", "14", width=26)[1] == "7f3a  night…  $1.25  14"


def test_a_column_that_says_why_stands_beneath_where_there_is_no_room() -> None:
    to = screen(30)
    columns = [
        Column("ITEM"),
        Column("price", rank=1, beneath=True),
        Column("WHY", shrinks=True, least=20, rank=2, beneath=True),
    ]
    rows = [
        [[Piece("a bottle of thirty columns")], [Piece("no")], [Piece("it costs more than one")]],
        [[Piece("a cup")], [Piece("yes")], [Piece("")]],
    ]
    assert shown(to, table(columns, rows, to)).splitlines() == [
        "ITEM",
        "a bottle of thirty columns",
        "    price no  WHY it costs",
        "      more than one",
        "a cup",
        "    price yes",
    ]


def test_no_duration_is_cut_where_a_name_can_be() -> None:
    to = screen(20)
    columns = Column("RUN"), Column("PIPELINE", shrinks=True, least=14), Column("TOOK")
    rows = [[[Piece("7f3a")], [Piece("nightly evaluation")], [Piece("131 µs")]]]
    assert shown(to, table(columns, rows, to)).splitlines()[1] == "7f3a  night…  131 µs"
