"""The destination that the OTEL_EXPORTER_OTLP_* variables name (OpenTelemetry specification,
"OpenTelemetry Protocol Exporter"); their _TRACES_ forms go first."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from flujo_otel.errors import SettingsError
from flujo_otel.forward.destination import TIMEOUT_SECONDS, Compression, Destination, OTLPProtocol
from flujo_otel.forward.endpoint import endpoint_of

NAME: Final = "env"
_PREFIX: Final = "OTEL_EXPORTER_OTLP_"
_DEFAULTS: Final = {
    OTLPProtocol.HTTP: "http://localhost:4318",
    OTLPProtocol.GRPC: "http://localhost:4317",
}


def of_environment(environ: Mapping[str, str] = os.environ) -> Destination:
    """The destination. Raises SettingsError, which names the variable."""
    protocol = _protocol(*_given(environ, "PROTOCOL"))
    variable, text = _given(environ, "ENDPOINT")
    is_exact = bool(text) and "_TRACES_" in variable
    endpoint = endpoint_of(
        text or _DEFAULTS[protocol],
        variable if text else f"the default, since {variable} is not set",
        protocol,
        is_exact=is_exact,
        is_insecure=_given(environ, "INSECURE")[1].lower() == "true",
    )
    return Destination(
        NAME,
        endpoint.url,
        protocol,
        headers={**endpoint.headers, **_headers(*_given(environ, "HEADERS"))},
        compression=_compression(*_given(environ, "COMPRESSION")),
        certificate=_file(*_given(environ, "CERTIFICATE")),
        client_certificate=_file(*_given(environ, "CLIENT_CERTIFICATE")),
        client_key=_file(*_given(environ, "CLIENT_KEY")),
        timeout_seconds=_timeout_seconds(*_given(environ, "TIMEOUT")),
        is_for_traces_alone=is_exact,
    )


def _given(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """The variable and its value; an empty one counts as not set."""
    for variable in (f"{_PREFIX}TRACES_{name}", f"{_PREFIX}{name}"):
        if environ.get(variable, "").strip():
            return variable, environ[variable].strip()
    return f"{_PREFIX}{name}", ""


def _protocol(variable: str, text: str) -> OTLPProtocol:
    try:
        return OTLPProtocol(text or OTLPProtocol.HTTP)
    except ValueError:
        raise SettingsError(f"{variable} is {text!r}; it must be http/protobuf or grpc.") from None


def _compression(variable: str, text: str) -> Compression:
    try:
        return Compression(text or Compression.NONE)
    except ValueError:
        raise SettingsError(f"{variable} is {text!r}; it must be gzip or none.") from None


def _headers(variable: str, text: str) -> dict[str, str]:
    headers = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = pair.partition("=")
        name, value = unquote(name).strip().lower(), unquote(value).strip()
        if not equals or not is_header(name, value):
            # Not what is in it: that may be a secret.
            raise SettingsError(
                f"{variable} is not like name=value,name2=value2, percent-encoded where needed."
            )
        headers[name] = value
    return headers


def is_header(name: str, value: str) -> bool:
    """Whether both can go into a request."""
    token = name.replace("-", "").replace("_", "").replace(".", "")
    return token.isascii() and token.isalnum() and value.isprintable() and value.isascii()


def _file(variable: str, text: str) -> Path | None:
    if not text:
        return None
    if not Path(text).is_file():
        raise SettingsError(f"{variable} is {text!r}; there is no such file.")
    return Path(text)


def _timeout_seconds(variable: str, text: str) -> float:
    if not text:
        return TIMEOUT_SECONDS
    if not text.isdecimal() or not 0 < int(text) <= 3_600_000:
        raise SettingsError(f"{variable} is {text!r}; it must be milliseconds from 1 to 3600000.")
    return int(text) / 1000
