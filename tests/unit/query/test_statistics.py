"""The order of the rows of `lens stats`."""

import pytest

from flujo_otel.query.statistics import Sort, statistics
from flujo_otel.spanstore.api import NameStatistics
from unit.cli.scenes import START_NS, ListReader

ROWS = [
    NameStatistics("b", 9, 0, 1.0, 1, 1, 1, 9, ()),
    NameStatistics("a", 1, 1, 5.0, 5, 5, 5, 5, ()),
    NameStatistics("c", 4, 0, 5.5, 2, 9, 9, 22, ()),
]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        (Sort.TOTAL, "cba"),
        (Sort.COUNT, "bca"),
        (Sort.ERRORS, "abc"),
        (Sort.MEAN, "cab"),
        (Sort.P50, "acb"),
        (Sort.P95, "cab"),
        (Sort.NAME, "abc"),
    ],
)
def test_rows_are_ordered_by(sort: Sort, names: str) -> None:
    reader = ListReader(rows=ROWS)
    rows = statistics(reader, pipeline=None, hours=24, sort=sort, now_ns=START_NS)
    assert "".join(row.name for row in rows) == names
