"""Every setting: argument > environment > the nearest flujo.toml upwards > default.

flujo's own `state_uri` is a top-level key of flujo.toml; ours live in its `[otel]` table under the
names of the fields of `Settings`. `[redaction]` has options of its own, which its reader checks
(`choose`) as these are.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from flujo_otel.errors import SettingsError

ARGUMENT = "argument"
DEFAULT = "default"
TOML_NAME = "flujo.toml"
TOML_VARIABLE = "FLUJO_OTEL_CONFIG"
"""Names the file to read instead of the nearest."""
TOML_TABLE = "otel"
FORWARD_TABLE = "forward"
REDACTION_TABLE = "redaction"
PRICES_TABLE = "prices"
PRICES_VARIABLE = "FLUJO_OTEL_PRICES"
_TABLES = (FORWARD_TABLE, REDACTION_TABLE, PRICES_TABLE)

_MIB = 1024 * 1024
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


Durable = Literal["normal", "full"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked values, with where each came from."""

    db: str | None = None
    """Our database outright: a path or a sqlite URI."""
    state_uri: str | None = None
    """flujo's database (FSD-08): a sqlite URI. Ours is that file or lies beside it."""
    flush_interval_seconds: float = 0.2
    queue_bytes: int = 64 * _MIB
    """Spans held in memory until they are committed; above it the order of sacrifice begins."""
    durable: Durable = "normal"
    """`normal`: a commit survives SIGKILL; `full`: a power cut too."""
    content: bool = True
    """Record inputs, outputs, prompts and contexts."""
    value_limit_bytes: int = 64 * 1024
    """Longer values of our own producers are cut."""
    replace_default_backend: bool = False
    """Runners of flujo that are given no state backend keep their states here."""
    token: str | None = field(default=None, repr=False)
    """What clients of `lens serve` must send as `Authorization: Bearer`."""
    max_request_bytes: int = 64 * _MIB
    """`lens serve` refuses larger requests, after decompression."""
    forward: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The [forward.NAME] tables as they stand there, by name (`forward.table` reads them)."""
    redaction: Mapping[str, Any] = field(default_factory=dict)
    """The [redaction] table as it stands there (`flujo_otel.redaction` reads it)."""
    prices: Mapping[str, Any] = field(default_factory=dict)
    """The [prices."MODEL"] tables as they stand there, by model (`flujo_otel.usage` reads them)."""
    toml: Path | None = None
    """The flujo.toml that was read."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """For each field, where it came from: `argument`, a variable's name, the toml's path."""

    def origin(self, name: str) -> str:
        """Where the value of field `name` came from."""
        return self.origins.get(name, DEFAULT)

    def folder(self, name: str) -> Path:
        """What a relative path in field `name` counts from."""
        if self.toml is not None and self.origin(name) == str(self.toml):
            return self.toml.parent
        return working_directory()


class Setting(NamedTuple):
    """How one field of `Settings` is given and what it may be."""

    name: str
    variable: str
    parse: Callable[[Any], Any]
    may_be: str
    is_secret: bool = False
    """Its value is not shown where it cannot be used."""


def _text(value: Any) -> str:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError
    return str(os.fspath(value))


def flag(value: Any) -> bool:
    """A `Setting.parse` for true and false."""
    if isinstance(value, bool):
        return value
    word = _text(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _bytes(minimum: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        number = int(value.replace("_", "")) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int) or number < minimum:
            raise ValueError
        return number

    return parse


def _seconds(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    number = float(value)
    if not 0.001 <= number <= 3600:
        raise ValueError
    return number


def _token(value: Any) -> str:
    token = _text(value)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError
    return token


def _durable(value: Any) -> str:
    word = _text(value).strip().lower()
    if word not in ("normal", "full"):
        raise ValueError
    return word


SETTINGS = (
    Setting("db", "FLUJO_OTEL_DB", _text, "a path or a sqlite:/// URI"),
    Setting("state_uri", "FLUJO_STATE_URI", _text, "a sqlite:/// URI"),
    Setting(
        "flush_interval_seconds",
        "FLUJO_OTEL_FLUSH_INTERVAL",
        _seconds,
        "seconds from 0.001 to 3600",
    ),
    Setting(
        "queue_bytes", "FLUJO_OTEL_QUEUE_BYTES", _bytes(1024), "a whole number of bytes >= 1024"
    ),
    Setting("durable", "FLUJO_OTEL_DURABLE", _durable, "normal or full"),
    Setting("content", "FLUJO_OTEL_CONTENT", flag, "true or false"),
    Setting(
        "value_limit_bytes",
        "FLUJO_OTEL_VALUE_LIMIT_BYTES",
        _bytes(64),
        "a whole number of bytes >= 64",
    ),
    Setting("replace_default_backend", "FLUJO_OTEL_REPLACE_DEFAULT_BACKEND", flag, "true or false"),
    Setting("token", "FLUJO_OTEL_TOKEN", _token, "printable ASCII without spaces", is_secret=True),
    Setting(
        "max_request_bytes",
        "FLUJO_OTEL_MAX_REQUEST_BYTES",
        _bytes(1024),
        "a whole number of bytes >= 1024",
    ),
)


def load(**overrides: Any) -> Settings:
    """Read every setting; `overrides` are fields of `Settings`, None meaning not given.

    Raises SettingsError, which names the setting, where it came from and what it may be.
    """
    refuse_unknown(overrides, SETTINGS, ARGUMENT)
    toml = _nearest_toml()
    in_toml = _read_toml(toml) if toml is not None else {}
    values, origins = choose(SETTINGS, overrides, toml, in_toml)
    tables = {name: in_toml.get(name, {}) for name in _TABLES}
    return Settings(**values, **tables, toml=toml, origins=origins)


def choose(
    settings: Sequence[Setting],
    overrides: Mapping[str, Any],
    toml: Path | None,
    in_toml: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of `settings` that are given, and where each comes from. Raises SettingsError."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in settings:
        given = _given(setting, overrides, toml, in_toml)
        if given is not None:
            value, origins[setting.name] = given
            values[setting.name] = _checked(setting, value, origins[setting.name])
    return values, origins


def _given(
    setting: Setting, overrides: Mapping[str, Any], toml: Path | None, in_toml: Mapping[str, Any]
) -> tuple[Any, str] | None:
    if overrides.get(setting.name) is not None:
        return overrides[setting.name], ARGUMENT
    # An empty variable counts as unset, as the OpenTelemetry specification has it for its own.
    if os.environ.get(setting.variable):
        return os.environ[setting.variable], setting.variable
    if setting.name in in_toml:
        return in_toml[setting.name], str(toml)
    return None


def _checked(setting: Setting, value: Any, origin: str) -> Any:
    try:
        return setting.parse(value)
    except (ValueError, TypeError):
        said = "cannot be used" if setting.is_secret else f"is {value!r}"
        raise SettingsError(
            f"{setting.name} {said} ({origin}); it must be {setting.may_be}."
        ) from None


def _nearest_toml() -> Path | None:
    """Raises SettingsError where a relative path names it and the working directory is gone."""
    if named := os.environ.get(TOML_VARIABLE):
        return Path(named) if Path(named).is_absolute() else working_directory() / named
    try:
        here = working_directory()
    except SettingsError:
        return None
    for folder in (here, *here.parents):
        if (folder / TOML_NAME).is_file():
            return folder / TOML_NAME
    return None


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib  # only where there is one: 4 ms of every `lens`

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    ours = data.get(TOML_TABLE, {})
    if not isinstance(ours, dict):
        raise SettingsError(f"{TOML_TABLE} in {path} must be a table: [{TOML_TABLE}].")
    refuse_unknown(ours, SETTINGS, f"{path} [{TOML_TABLE}]")
    if "state_uri" in ours:
        raise SettingsError(f"state_uri in {path} belongs at the top, not under [{TOML_TABLE}].")
    forward = data.get(FORWARD_TABLE, {})
    if not isinstance(forward, dict):
        raise SettingsError(f"{FORWARD_TABLE} in {path} must hold tables: [{FORWARD_TABLE}.NAME].")
    redaction = data.get(REDACTION_TABLE, {})
    if not isinstance(redaction, dict):
        raise SettingsError(f"{REDACTION_TABLE} in {path} must be a table: [{REDACTION_TABLE}].")
    prices = data.get(PRICES_TABLE, {})
    if not isinstance(prices, dict):
        raise SettingsError(f"{PRICES_TABLE} in {path} must hold tables: [{PRICES_TABLE}.MODEL].")
    state = {"state_uri": data["state_uri"]} if "state_uri" in data else {}
    tables = {FORWARD_TABLE: forward, REDACTION_TABLE: redaction, PRICES_TABLE: prices}
    return {**ours, **state, **tables}


def refuse_unknown(given: Mapping[str, Any], settings: Sequence[Setting], origin: str) -> None:
    """Raises SettingsError for a name in `given` that is none of `settings`."""
    known = [setting.name for setting in settings]
    for name in given:
        if name not in known:
            raise SettingsError(f"No setting {name!r} ({origin}); there are {', '.join(known)}.")


def working_directory() -> Path:
    """What relative paths count from where no flujo.toml names them. Raises SettingsError."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise SettingsError("The working directory does not exist any more.") from None
