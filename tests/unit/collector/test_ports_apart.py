"""HTTP and gRPC each need a port."""

import pytest

from flujo_otel.errors import SettingsError
from flujo_otel.server import Server, ServerOptions


def test_one_port_for_both_is_refused_as_such() -> None:
    with pytest.raises(SettingsError, match="cannot both have port 4000"):
        Server(ServerOptions(http_port=4000, grpc_port=4000))
    Server(ServerOptions(http_port=0, grpc_port=0))
