"""When more comes than can be made rows."""

from flujo_otel.collector.pressure import Pressure


def writing(pressure: Pressure, start: float, groups: int, busy: float, spans: int = 1000) -> float:
    """A second of `groups` equal writes that take the share `busy` of it; its end."""
    for n in range(groups):
        began = start + n / groups
        pressure.wrote(spans, began, began + busy / groups)
    pressure.wrote(0, start + 1.0, start + 1.0)
    return start + 1.0


def test_it_is_high_where_half_of_the_time_goes_into_rows_and_no_sooner() -> None:
    pressure = Pressure(0.0)
    assert not pressure.is_high
    later = writing(pressure, 0.0, 10, 0.45)
    assert not pressure.is_high
    writing(pressure, later, 10, 0.55)
    assert pressure.is_high


def test_it_stays_high_until_half_as_much_comes_however_little_keeping_costs() -> None:
    pressure = Pressure(0.0)
    later = writing(pressure, 0.0, 10, 0.9)
    later = writing(pressure, later, 6, 0.01)
    assert pressure.is_high
    writing(pressure, later, 5, 0.01)
    assert not pressure.is_high


def test_a_large_request_alone_is_none() -> None:
    pressure = Pressure(0.0)
    pressure.wrote(30_000, 0.0, 1.2)
    assert not pressure.is_high


def test_what_comes_seldom_is_none_however_long_each_takes() -> None:
    pressure = Pressure(0.0)
    for n in range(20):
        pressure.wrote(1000, n * 2.0, n * 2.0 + 0.8)
    assert not pressure.is_high


def test_time_spent_on_unpacking_is_left_out_while_rows_are_made() -> None:
    pressure = Pressure(0.0)
    for n in range(10):
        pressure.wrote(1000, n * 0.2, n * 0.2 + 0.07)
        pressure.rested(0.1)
    pressure.wrote(1000, 2.0, 2.07)
    assert pressure.is_high
