"""[forward.NAME] of flujo.toml (docs/forward.md)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from flujo_otel.errors import SettingsError
from flujo_otel.forward.destination import TIMEOUT_SECONDS, Compression, Destination, OTLPProtocol
from flujo_otel.forward.endpoint import endpoint_of
from flujo_otel.forward.environment import is_header
from flujo_otel.spanstore.destinations import Filter

_STATUSES: Final = ("completed", "failed", "paused")
KEYS: Final = (
    "endpoint",
    "traces_endpoint",
    "protocol",
    "headers",
    "compression",
    "certificate",
    "client_certificate",
    "client_key",
    "insecure",
    "timeout_seconds",
    "filter",
)
FILTERS: Final = ("services", "names", "statuses")


def of_table(name: str, table: Any, toml: Path) -> Destination:
    """The destination that `table` describes. Raises SettingsError, which names the key."""
    return _Table(name, table, toml).destination()


class _Table:
    def __init__(self, name: str, table: Any, toml: Path) -> None:
        self._name = name
        self._toml = toml
        self._where = f"[forward.{name}] in {toml}"
        if not isinstance(table, Mapping):
            raise SettingsError(f"{self._where} must be a table with an endpoint.")
        self._table = table
        self._refuse_unknown(table, KEYS, self._where)

    def destination(self) -> Destination:
        given = self._get("protocol", _protocol, "http/protobuf or grpc")
        exact = self._get("traces_endpoint", _text, "a URL")
        text = exact or self._get("endpoint", _text, "a URL")
        if text is None:
            raise SettingsError(f'{self._where} has no endpoint: endpoint = "http://host:4318".')
        insecure = self._get("insecure", _flag, "true or false") or False
        endpoint = endpoint_of(
            text, self._where, given, is_exact=exact is not None, is_insecure=insecure
        )
        headers = self._get("headers", _headers, 'a table like { "x-key" = "..." }', secret=True)
        compression = self._get("compression", Compression, "gzip or none")
        return Destination(
            self._name,
            endpoint.url,
            endpoint.protocol,
            headers={**endpoint.headers, **(headers or {})},
            compression=compression or Compression.NONE,
            certificate=self._file("certificate"),
            client_certificate=self._file("client_certificate"),
            client_key=self._file("client_key"),
            timeout_seconds=self._get("timeout_seconds", _seconds, "seconds from 0.001 to 3600")
            or TIMEOUT_SECONDS,
            where=self._filter(),
            is_for_traces_alone=exact is not None,
        )

    def _get(
        self, key: str, parse: Callable[[Any], Any], may_be: str, *, secret: bool = False
    ) -> Any:
        if key not in self._table:
            return None
        try:
            return parse(self._table[key])
        except (ValueError, TypeError, AttributeError):
            value = "not usable" if secret else repr(self._table[key])
            raise SettingsError(
                f"{key} of {self._where} is {value}; it must be {may_be}."
            ) from None

    def _file(self, key: str) -> Path | None:
        text = self._get(key, _text, "the path of a PEM file")
        if text is None:
            return None
        path = self._toml.parent / Path(text).expanduser()
        if not path.is_file():
            raise SettingsError(f"{key} of {self._where} is {text!r}; there is no such file.")
        return path

    def _filter(self) -> Filter:
        table = self._table.get("filter", {})
        if not isinstance(table, Mapping):
            raise SettingsError(f"filter of {self._where} must be a table: [forward.NAME.filter].")
        self._refuse_unknown(table, FILTERS, f"filter of {self._where}")
        lists = {}
        for key, value in table.items():
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
                raise SettingsError(
                    f"{key} in the filter of {self._where} must be a list of texts."
                )
            lists[key] = tuple(values)
        for status in lists.get("statuses", ()):
            if status not in _STATUSES:
                raise SettingsError(
                    f"{status!r} in the filter of {self._where} is no status of an ended span: "
                    f"{', '.join(_STATUSES)}."
                )
        return Filter(**lists)

    @staticmethod
    def _refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in given:
            if key not in known:
                raise SettingsError(f"No key {key!r} ({where}); there are {', '.join(known)}.")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _protocol(value: Any) -> OTLPProtocol:
    return OTLPProtocol.HTTP if value == "http" else OTLPProtocol(value)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not 0.001 <= float(value) <= 3600:
        raise ValueError
    return float(value)


def _headers(value: Any) -> dict[str, str]:
    headers = {name.lower(): text for name, text in value.items()}
    if not all(isinstance(text, str) and is_header(name, text) for name, text in headers.items()):
        raise ValueError
    return headers
