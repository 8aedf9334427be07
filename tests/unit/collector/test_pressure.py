"""When more comes than can be made rows."""

from flujo_otel.collector.pressure import Pressure


class Second:
    """Of `groups` equal writes, which take the share `busy` of it; `burning`: of a core."""

    def __init__(self) -> None:
        self.pressure = Pressure(0.0, 0.0)
        self._now = self._cpu = 0.0

    def passes(self, groups: int, busy: float, burning: float = 0.1) -> bool:
        """Whether the pressure is high after it."""
        for n in range(groups):
            began = self._now + n / groups
            self.pressure.wrote(
                1000, began, began + busy / groups, self._cpu + burning * n / groups
            )
        self._now += 1.0
        self._cpu += burning
        self.pressure.wrote(0, self._now, self._now, self._cpu)
        return self.pressure.is_high


def burning() -> Second:
    """After a flood's first two seconds."""
    second = Second()
    assert not second.passes(10, busy=0.7, burning=0.95)
    assert second.passes(10, busy=0.7, burning=0.95)
    return second


def test_it_is_high_where_two_seconds_running_go_into_writing_and_no_sooner() -> None:
    second = Second()
    assert not second.pressure.is_high
    assert not any(second.passes(10, busy=0.7) for _ in range(5))
    for busy in (0.95, 0.5, 0.95):  # a checkpoint, or a neighbour
        assert not second.passes(10, busy=busy)
    assert second.passes(10, busy=0.95)


def test_it_is_high_where_a_core_has_little_left() -> None:
    second = Second()
    assert not any(second.passes(10, busy=0.2, burning=0.75) for _ in range(5))
    assert not second.passes(10, busy=0.2, burning=0.85)
    assert second.passes(10, busy=0.2, burning=0.85)


def test_it_stays_high_until_clearly_less_comes_however_little_keeping_costs() -> None:
    second = burning()
    assert second.passes(8, busy=0.01)
    assert not second.passes(6, busy=0.01)


def test_it_takes_as_much_to_rise_again() -> None:
    second = Second()
    assert not second.passes(10, busy=0.9)
    assert second.passes(10, busy=0.9)
    assert not second.passes(3, busy=0.01)
    assert not second.passes(10, busy=0.9)
    assert second.passes(10, busy=0.9)


def test_a_large_request_alone_is_none() -> None:
    pressure = Pressure(0.0, 0.0)
    pressure.wrote(30_000, 0.0, 1.2, 1.2)
    assert not pressure.is_high


def test_what_comes_seldom_is_none_however_long_each_takes() -> None:
    pressure = Pressure(0.0, 0.0)
    for n in range(20):
        pressure.wrote(1000, n * 2.0, n * 2.0 + 0.8, n * 0.8)
    assert not pressure.is_high


def test_time_spent_on_unpacking_is_left_out_while_rows_are_made() -> None:
    busy, idle = Pressure(0.0, 0.0), Pressure(0.0, 0.0)
    for n in range(25):
        for pressure, seconds in ((busy, 0.09), (idle, 0.02)):
            pressure.wrote(1000, n * 0.2, n * 0.2 + seconds, n * 0.2)
            pressure.rested(0.1, 0.2)
    assert (True, False) == (busy.is_high, idle.is_high)


def test_it_ends_where_nothing_comes_but_not_while_it_is_unpacked() -> None:
    second = burning()
    second.pressure.writes(3.0)
    assert second.pressure.is_high
    second.pressure.rested(1.5, 1.5)
    second.pressure.writes(4.0)
    assert second.pressure.is_high
    second.pressure.writes(5.0)
    assert not second.pressure.is_high


def test_what_comes_is_worth_sharing_from_a_second_that_was_busy_to_an_eighth() -> None:
    second = Second()
    second.passes(10, busy=0.1)
    assert not second.pressure.is_enough_to_share
    second.passes(10, busy=0.2)
    assert (True, False) == (second.pressure.is_enough_to_share, second.pressure.is_high)


def test_it_stays_so_until_clearly_less_comes_or_nothing() -> None:
    second = Second()
    second.passes(10, busy=0.2)
    second.passes(8, busy=0.01)
    assert second.pressure.is_enough_to_share
    second.passes(5, busy=0.01)
    assert not second.pressure.is_enough_to_share
    second.passes(10, busy=0.2)
    second.pressure.writes(10.0)
    assert not second.pressure.is_enough_to_share


def test_a_request_that_takes_long_alone_is_not_worth_sharing() -> None:
    second = Second()
    second.passes(1, busy=0.5)
    assert not second.pressure.is_enough_to_share
