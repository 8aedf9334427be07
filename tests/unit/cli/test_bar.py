"""Bars and axes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.query.timeline import Window
from flujo_otel_cli.bar import axis, bar, leaning, spark
from flujo_otel_cli.theme import ASCII, UNICODE
from flujo_otel_cli.times import duration

WINDOW = Window(0, 800)


@pytest.mark.parametrize(
    ("start", "end", "drawn"),
    [
        (0, 800, "██████████"),
        (0, 400, "█████"),
        (0, 440, "█████▌"),
        (40, 80, "▐"),
        (40, 160, "▐█"),
        (0, 10, "▏"),
        (400, 400, "     ▏"),
        (790, 800, "         ▐"),
        (400, None, "     ████…"),
        (-200, -100, "◂"),
        (900, 950, "         ▸"),
        (500, 300, "      ▎"),
        (10**18, None, "         …"),
        (-(10**18), None, "█████████…"),
    ],
)
def test_a_bar_in_ten_columns(start: int, end: int | None, drawn: str) -> None:
    assert bar(WINDOW, start, end, 10, UNICODE) == drawn


@given(st.integers(-500, 1500), st.none() | st.integers(-500, 1500), st.integers(5, 60))
def test_a_bar_never_leaves_its_columns_and_is_never_nothing(
    start: int, end: int | None, width: int
) -> None:
    for theme in (UNICODE, ASCII):
        drawn = bar(WINDOW, start, end, width, theme)
        assert 0 < len(drawn) <= width
        assert drawn.strip()


@pytest.mark.parametrize(
    ("length_ns", "labels"),
    [
        (4_210_000_000, "0 s 1 2 3 4.21 s"),
        (90_000_000, "0 ms 20 40 60 90 ms"),
        (600_000_000_000, "0 min 2 4 6 8 10:00"),
        (1_500_000_000, "0 s 0.5 1 1.50 s"),
        (30 * 86_400_000_000_000, "0 d 10 20 30 d 0 h"),
        (0, ""),
    ],
)
def test_an_axis_has_round_labels(length_ns: int, labels: str) -> None:
    assert " ".join(axis(Window(5, 5 + length_ns), 48, "µ").split()) == labels


@given(st.integers(1, 10**18), st.integers(16, 120))
def test_an_axis_ends_with_how_long_it_is(length_ns: int, width: int) -> None:
    drawn = axis(Window(0, length_ns), width, "µ")
    assert len(drawn) == width
    assert drawn.endswith(f" {duration(length_ns, 'µ')}")


def test_a_spark_line_is_as_high_as_its_highest() -> None:
    assert spark([0, 1, 4, 8], UNICODE) == " ▁▄█"
    assert spark([0, 0], UNICODE) == ""


@pytest.mark.parametrize(
    ("share", "drawn"),
    [
        (1, "    │████"),
        (0.5, "    │██"),
        (0.001, "    │▏"),
        (0, "    │"),
        (-0.001, "   ▐│"),
        (-0.5, "  ██│"),
        (-0.375, "  ▐█│"),
        (-1, "████│"),
    ],
)
def test_a_change_leans_to_one_side_of_the_middle(share: float, drawn: str) -> None:
    assert leaning(share, 4, UNICODE) == drawn
    assert len(leaning(share, 4, ASCII)) <= 9
