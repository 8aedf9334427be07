"""The OTEL_EXPORTER_OTLP_* variables mean what the specification says."""

from pathlib import Path

import pytest

from flujo_otel.errors import SettingsError
from flujo_otel.forward.destination import Compression, OTLPProtocol
from flujo_otel.forward.environment import of_environment
from flujo_otel.wire.transport import Signal

OTLP = "OTEL_EXPORTER_OTLP_"


def test_nothing_set_is_the_specifications_default() -> None:
    destination = of_environment({})
    assert "http://localhost:4318/v1/traces" == destination.endpoint
    assert OTLPProtocol.HTTP is destination.protocol
    assert 10.0 == destination.timeout_seconds
    assert Compression.NONE is destination.compression
    assert {} == destination.headers


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({"ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces"),
        ({"ENDPOINT": "http://c:4318/base/"}, "http://c:4318/base/v1/traces"),
        ({"TRACES_ENDPOINT": "http://c:4318/odd"}, "http://c:4318/odd"),
        ({"TRACES_ENDPOINT": "http://c:4318"}, "http://c:4318"),
        ({"TRACES_ENDPOINT": "http://t/x", "ENDPOINT": "http://c"}, "http://t/x"),
        ({"TRACES_ENDPOINT": "", "ENDPOINT": "http://c"}, "http://c/v1/traces"),
        ({"PROTOCOL": "grpc"}, "http://localhost:4317"),
        ({"PROTOCOL": "grpc", "ENDPOINT": "http://c:4317"}, "http://c:4317"),
        ({"PROTOCOL": "grpc", "ENDPOINT": "c:4317"}, "https://c:4317"),
        ({"PROTOCOL": "grpc", "ENDPOINT": "c:4317", "INSECURE": "true"}, "http://c:4317"),
        (
            {"PROTOCOL": "grpc", "TRACES_PROTOCOL": "http/protobuf"},
            "http://localhost:4318/v1/traces",
        ),
    ],
)
def test_endpoints(variables: dict[str, str], endpoint: str) -> None:
    environ = {OTLP + name: value for name, value in variables.items()}
    assert endpoint == of_environment(environ).endpoint


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({"ENDPOINT": "http://c/base"}, "http://c/base/v1/logs"),
        ({"ENDPOINT": "http://c?key=1"}, "http://c/v1/logs?key=1"),
        ({"TRACES_ENDPOINT": "http://c/v1/traces"}, None),
        ({"PROTOCOL": "grpc", "TRACES_ENDPOINT": "http://c:4317"}, None),
        ({"PROTOCOL": "grpc", "ENDPOINT": "http://c:4317"}, "http://c:4317"),
    ],
)
def test_logs_go_beside_the_traces_but_not_to_an_endpoint_that_is_named_for_traces(
    variables: dict[str, str], endpoint: str | None
) -> None:
    environ = {OTLP + name: value for name, value in variables.items()}
    assert endpoint == of_environment(environ).endpoint_for(Signal.LOGS)


def test_headers_are_percent_decoded_and_those_for_traces_take_the_others_place() -> None:
    environ = {OTLP + "HEADERS": " a=1 , B = two%20words%2C%3D ,"}
    assert {"a": "1", "b": "two words,="} == of_environment(environ).headers
    environ[OTLP + "TRACES_HEADERS"] = "c=3"
    assert {"c": "3"} == of_environment(environ).headers


def test_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.touch()
    environ = {
        OTLP + "TIMEOUT": "1500",
        OTLP + "COMPRESSION": "none",
        OTLP + "TRACES_COMPRESSION": "gzip",
        OTLP + "CERTIFICATE": str(file),
        OTLP + "CLIENT_KEY": str(file),
        OTLP + "TRACES_CLIENT_CERTIFICATE": str(file),
    }
    destination = of_environment(environ)
    assert 1.5 == destination.timeout_seconds
    assert Compression.GZIP is destination.compression
    assert (file, file, file) == (
        destination.certificate,
        destination.client_key,
        destination.client_certificate,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENDPOINT", "localhost"),
        ("TRACES_ENDPOINT", "nothing"),
        ("PROTOCOL", "http/json"),
        ("TRACES_PROTOCOL", "thrift"),
        ("COMPRESSION", "zstd"),
        ("TIMEOUT", "10s"),
        ("TIMEOUT", "0"),
        ("TIMEOUT", "-1"),
        ("CERTIFICATE", "/no/such/file"),
        ("HEADERS", "s3cr3t"),
        ("HEADERS", "a=s3cr3t%0Ab"),
        ("HEADERS", "a b=s3cr3t"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=OTLP + name) as refused:
        of_environment({OTLP + name: value})
    assert "s3cr3t" not in str(refused.value)
