"""Endpoints as people write them: http://host:4318, https://host/otlp, grpc://host:4317."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from flujo_otel.errors import SettingsError
from flujo_otel.forward.destination import OTLPProtocol
from flujo_otel.wire.transport import GRPC_PORT, TRACES_PATH, authority

_SCHEMES: Final = {"http": "http", "https": "https", "grpc": "http", "grpcs": "https"}
_HOW: Final = "write it like http://host:4318, https://host/path or grpc://host:4317"


class Endpoint(NamedTuple):
    """What a URL says."""

    url: str
    protocol: OTLPProtocol
    headers: Mapping[str, str]
    """Authorization, where the URL had a user and password in it."""


def endpoint_of(
    text: str,
    where: str,
    protocol: OTLPProtocol | None = None,
    *,
    is_exact: bool = False,
    is_insecure: bool = False,
) -> Endpoint:
    """The endpoint that `text` names.

    `protocol` None: as the scheme says. `is_exact`: nothing is appended to its path. `is_insecure`:
    for gRPC without a scheme, no TLS. Raises SettingsError, which says `where` it was given and
    shows nothing of it that may be secret.
    """
    if protocol is OTLPProtocol.GRPC and "://" not in text:
        text = ("http://" if is_insecure else "https://") + text
    url = _split(text, where)
    speaks_grpc = url.scheme in ("grpc", "grpcs")
    if protocol is OTLPProtocol.HTTP and speaks_grpc:
        raise SettingsError(
            f"{url.scheme}://{url.hostname} ({where}) is gRPC: set protocol = grpc."
        )
    is_grpc = protocol is OTLPProtocol.GRPC or speaks_grpc
    path = "" if is_grpc else url.path if is_exact else _with_traces(url.path)
    plain = SplitResult(_SCHEMES[url.scheme], _netloc(url, is_grpc), path or "", url.query, "")
    chosen = OTLPProtocol.GRPC if is_grpc else OTLPProtocol.HTTP
    return Endpoint(plain.geturl(), chosen, _authorization(url))


def _split(text: str, where: str) -> SplitResult:
    try:
        url = urlsplit(text.strip())
        is_good = url.scheme in _SCHEMES and bool(url.hostname) and url.port != 0
        is_good = is_good and text.strip().isprintable() and " " not in text.strip()
    except ValueError:
        is_good = False
    if not is_good:
        named = text if "@" not in text and "?" not in text else "what is given"
        raise SettingsError(f"{named!r} ({where}) is no endpoint: {_HOW}.")
    return url


def _with_traces(path: str) -> str:
    base = path.rstrip("/")
    return base if base.endswith(TRACES_PATH) else base + TRACES_PATH


def _netloc(url: SplitResult, is_grpc: bool) -> str:
    host = url.hostname or ""
    port = url.port or (GRPC_PORT if is_grpc else None)
    return authority(host, port)


def _authorization(url: SplitResult) -> dict[str, str]:
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"authorization": "Basic " + b64encode(pair.encode()).decode()}
