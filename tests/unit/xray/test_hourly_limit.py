"""So many in any hour."""

from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.xray.sampling import HourlyLimit


@given(st.integers(0, 5), st.lists(st.floats(0, 2000), max_size=60))
def test_no_window_of_an_hour_has_more(most: int, gaps: list[float]) -> None:
    limit, now, taken = HourlyLimit(most), 0.0, []
    for gap in gaps:
        now += gap
        if limit.take(now):
            taken.append(now)
        else:
            assert most == sum(now - 3600 < time <= now for time in taken)
    for start in taken:
        assert sum(start <= time < start + 3600 for time in taken) <= most
