"""Prices that cannot be used are refused where a process is wired, not met span by span."""

import pytest

import flujo_otel
from flujo_otel.errors import SettingsError
from flujo_otel.server import Server, ServerOptions


@pytest.mark.parametrize(
    "prices",
    [
        '{"a": {"input": -1}}',
        "{",
        "5",
        '{"a": {"input": 1e999}}',
        f'{{"a": {{"input": 1{"0" * 400}}}}}',
    ],
)
def test_configure_and_the_server_refuse_them(prices: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUJO_OTEL_PRICES", prices)
    with pytest.raises(SettingsError, match="FLUJO_OTEL_PRICES"):
        flujo_otel.configure()
    with pytest.raises(SettingsError, match="FLUJO_OTEL_PRICES"):
        Server(ServerOptions())
