"""Times and durations as a person reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel_cli.times import DAY, HOUR, MINUTE, SECOND, ago, duration, iso, local, since

NOW_NS = 1_763_733_600 * SECOND  # 2025-11-21T14:00:00Z
LAST_NS = 2**63 - 1024


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (850, "850 ns"),
        (1_500, "1.5 µs"),
        (172_000, "172 µs"),
        (2_000_000, "2 ms"),
        (310_000_000, "310 ms"),
        (999_600_000, "1.00 s"),
        (1_900_000_000, "1.90 s"),
        (9_999_000_000, "10.0 s"),
        (59_900_000_000, "59.9 s"),
        (59_990_000_000, "1:00"),
        (64 * SECOND, "1:04"),
        (2 * HOUR + 3 * MINUTE + 4 * SECOND, "2:03:04"),
        (3 * DAY + 4 * HOUR, "3 d 4 h"),
        (-5_000_000, "-5 ms"),
    ],
)
def test_a_duration(ns: int, text: str) -> None:
    assert duration(ns) == text


@pytest.mark.parametrize(
    ("past_ns", "text"),
    [
        (0, "0 s ago"),
        (2 * MINUTE, "2 min ago"),
        (3 * HOUR, "3 h ago"),
        (16 * HOUR, "yesterday"),
        (3 * DAY, "18 Nov 14:00"),
        (400 * DAY, "17 Oct 2024 14:00"),
        (-DAY, "22 Nov 14:00"),
    ],
)
def test_how_long_ago(past_ns: int, text: str) -> None:
    assert ago(NOW_NS - past_ns, NOW_NS) == text


def test_iso_has_all_nine_digits() -> None:
    assert iso(NOW_NS + 1) == "2025-11-21T14:00:00.000000001Z"


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("30m", NOW_NS - 30 * MINUTE),
        ("1.5h", NOW_NS - 90 * MINUTE),
        ("3d", NOW_NS - 3 * DAY),
        ("2025-11-21", NOW_NS - 14 * HOUR),
        ("2025-11-21T15:00:00+01:00", NOW_NS),
        ("2025-11-21T14:00:00.000000001Z", NOW_NS + 1),
        ("2025-11-21 15:00:00,123456789+01:00", NOW_NS + 123_456_789),
        ("20251121T140000.5Z", NOW_NS + 500_000_000),
        ("2025-11-21T13:59:59.9999999999Z", NOW_NS - 1),
        ("1969-12-31T23:59:59.25Z", -750_000_000),
        ("1" + "0" * 15 + "d", NOW_NS - LAST_NS),
        ("9" * 5000 + "d", NOW_NS - LAST_NS),
        ("9999-12-31T00:00:00Z", LAST_NS),
        ("0002-01-01T00:00:00Z", -LAST_NS),
    ],
)
def test_since(text: str, ns: int) -> None:
    assert since(text, NOW_NS) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "3",
        "yesterday",
        "-1h",
        "2025-11-21T14:00:00.",
        "2025-11-21T14:00:00.5.5",
        "2025-11-21.5",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        since(text, NOW_NS)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_time_that_can_be_stored_can_be_shown(ns: int) -> None:
    assert ago(ns, NOW_NS) and local(ns, NOW_NS) and duration(ns)
    iso(ns)


@given(st.integers(-(2**55), 2**62))
def test_a_time_of_json_names_that_very_nanosecond(ns: int) -> None:
    assert since(str(iso(ns)), NOW_NS) == ns
