"""Money, counts and sizes."""

import pytest

from flujo_otel_cli import amounts


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, None),
        (0.0, None),
        (0.013, "$0.013"),
        (0.1, "$0.10"),
        (0.00042, "$0.00042"),
        (0.000027, "$0.000027"),
        (1e-12, "$1.0e-12"),
        (1.25, "$1.25"),
        (1234.5, "$1,234.50"),
    ],
)
def test_cost(usd: float | None, text: str | None) -> None:
    assert amounts.cost(usd) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_500, "1.5 KB"),
        (412_000_000, "412 MB"),
        (9e15, "9000 TB"),
    ],
)
def test_size(size: float, text: str) -> None:
    assert amounts.size(size) == text


def test_plural() -> None:
    assert [amounts.plural(n, "span") for n in (0, 1, 1204)] == ["0 spans", "1 span", "1,204 spans"]
