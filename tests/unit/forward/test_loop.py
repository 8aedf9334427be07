"""A destination that is our own listener is refused, however it is written."""

import socket

import pytest

from flujo_otel.errors import SettingsError
from flujo_otel.forward.choice import destinations
from flujo_otel.settings import Settings


def is_refused(url: str, *own: tuple[str, int]) -> bool:
    try:
        destinations([url], Settings(), own)
    except SettingsError as error:
        assert "this very server" in str(error)
        return True
    return False


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
    ],
)
@pytest.mark.parametrize("listener", ["127.0.0.1", "0.0.0.0", "::", "localhost"])
def test_every_name_of_the_loopback(host: str, listener: str) -> None:
    assert is_refused(f"http://{host}:4318", (listener, 4318))
    assert is_refused(f"grpc://{host}:4318", (listener, 4318))


def test_another_port_is_another_server() -> None:
    assert not is_refused("http://127.0.0.1:4319", ("127.0.0.1", 4318), ("127.0.0.1", 4317))
    assert is_refused("grpc://127.0.0.1", ("127.0.0.1", 4318), ("127.0.0.1", 4317))


def test_the_schemes_own_port_counts() -> None:
    assert is_refused("http://localhost", ("127.0.0.1", 80))
    assert is_refused("https://localhost", ("127.0.0.1", 443))


def test_an_address_of_this_machine_is_ours_where_we_listen_everywhere() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        here = probe.getsockname()[0]
    assert is_refused(f"http://{here}:4318", ("0.0.0.0", 4318))


def test_another_machine_is_not() -> None:
    assert not is_refused("http://192.0.2.1:4318", ("0.0.0.0", 4318))


def test_a_name_that_does_not_resolve_is_nobodys() -> None:
    assert not is_refused("http://no-such-host.invalid:4318", ("127.0.0.1", 4318))


def test_the_environments_default_is_this_server_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert is_refused("env", ("127.0.0.1", 4318))
