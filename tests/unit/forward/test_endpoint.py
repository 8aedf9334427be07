"""Endpoints as people write them."""

import pytest

from flujo_otel.errors import SettingsError
from flujo_otel.forward.destination import OTLPProtocol
from flujo_otel.forward.endpoint import endpoint_of


@pytest.mark.parametrize(
    ("text", "url", "protocol"),
    [
        ("http://host:4318", "http://host:4318/v1/traces", OTLPProtocol.HTTP),
        ("http://host:4318/", "http://host:4318/v1/traces", OTLPProtocol.HTTP),
        ("http://host:4318/v1/traces", "http://host:4318/v1/traces", OTLPProtocol.HTTP),
        ("https://host", "https://host/v1/traces", OTLPProtocol.HTTP),
        ("https://host/otlp/", "https://host/otlp/v1/traces", OTLPProtocol.HTTP),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces", OTLPProtocol.HTTP),
        ("http://host/?key=1", "http://host/v1/traces?key=1", OTLPProtocol.HTTP),
        (" http://HOST:4318 ", "http://host:4318/v1/traces", OTLPProtocol.HTTP),
        ("grpc://host:4317", "http://host:4317", OTLPProtocol.GRPC),
        ("grpc://host", "http://host:4317", OTLPProtocol.GRPC),
        ("grpcs://host:443", "https://host:443", OTLPProtocol.GRPC),
    ],
)
def test_a_url_says_the_protocol_and_gets_the_signals_path(
    text: str, url: str, protocol: OTLPProtocol
) -> None:
    endpoint = endpoint_of(text, "--forward")
    assert (url, protocol) == (endpoint.url, endpoint.protocol)


@pytest.mark.parametrize(
    ("text", "insecure", "url"),
    [
        ("host:4317", True, "http://host:4317"),
        ("host:4317", False, "https://host:4317"),
        ("http://host:4317", False, "http://host:4317"),
        ("https://host:4317", True, "https://host:4317"),
    ],
)
def test_grpc_without_a_scheme_is_secure_unless_said_otherwise(
    text: str, insecure: bool, url: str
) -> None:
    assert url == endpoint_of(text, "x", OTLPProtocol.GRPC, is_insecure=insecure).url


def test_an_exact_endpoint_is_left_as_it_is() -> None:
    assert "http://h/odd" == endpoint_of("http://h/odd", "x", is_exact=True).url


def test_a_user_and_password_become_a_header() -> None:
    endpoint = endpoint_of("https://me:s%40cret@host", "x")
    assert "https://host/v1/traces" == endpoint.url
    assert {"authorization": "Basic bWU6c0BjcmV0"} == endpoint.headers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "host:4318",
        "http://",
        "ftp://host",
        "http://host:port",
        "http://host:99999",
        "http://host:0",
        "http://ho st",
        "http://host\n:1",
        "http://[::1",
        "://host",
    ],
)
def test_what_is_no_endpoint_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--forward.*http://host:4318"):
        endpoint_of(text, "--forward")


def test_a_refusal_shows_no_secret() -> None:
    for text in ("http://me:s3cr3t@host:port", "ftp://host?key=s3cr3t"):
        with pytest.raises(SettingsError) as refused:
            endpoint_of(text, "--forward")
        assert "s3cr3t" not in str(refused.value)


def test_a_grpc_scheme_with_the_http_protocol_is_refused() -> None:
    with pytest.raises(SettingsError, match="grpc"):
        endpoint_of("grpc://host", "[forward.x]", OTLPProtocol.HTTP)
