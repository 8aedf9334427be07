"""The limits: ours, and OpenTelemetry's OTEL_BSP_* where they are set."""

import pytest

from flujo_otel import settings
from flujo_otel.errors import SettingsError
from flujo_otel_exporter.limits import Limits


def test_the_defaults_are_200_ms_and_64_mib() -> None:
    assert Limits.of(settings.load()) == Limits(64 * 1024 * 1024, 0.2, 1000, None)


def test_otel_bsp_variables_apply_where_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1500")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2048")
    assert Limits.of(settings.load()) == Limits(64 * 1024 * 1024, 1.5, 512, 2048)


def test_our_own_interval_goes_before_opentelemetrys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1500")
    given = settings.load(flush_interval_seconds=0.1)
    assert Limits.of(given).flush_interval_seconds == 0.1


@pytest.mark.parametrize("value", ["soon", "0", "-5", "1.5"])
def test_a_variable_that_is_no_positive_number_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", value)
    with pytest.raises(SettingsError, match="OTEL_BSP_MAX_QUEUE_SIZE"):
        Limits.of(settings.load())
