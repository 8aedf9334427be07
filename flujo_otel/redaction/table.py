"""The `[redaction]` table of flujo.toml, and the variables that go before it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flujo_otel.errors import SettingsError
from flujo_otel.redaction.redactor import Redactor
from flujo_otel.settings import REDACTION_TABLE, Setting, Settings, choose, flag, refuse_unknown


@dataclass(frozen=True, slots=True)
class Options:
    """Checked values of `[redaction]`."""

    enabled: bool = True
    """Redact what our own producers record."""
    keys: tuple[str, ...] = ()
    """Further names of secrets."""
    patterns: tuple[str, ...] = ()
    """Further regular expressions, whose matches are redacted."""
    received: bool = False
    """Redact what `lens serve` receives too."""

    def redactor(self, callback: Callable[[str], str] | None = None) -> Redactor:
        """What redacts so, then by `callback`."""
        return Redactor(
            enabled=self.enabled, keys=self.keys, patterns=self.patterns, callback=callback
        )


def _listed(separator: str) -> Callable[[Any], tuple[str, ...]]:
    """Texts: a list of them, or one with a separator between them, as a variable has it."""

    def parse(value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            return tuple(each.strip() for each in value.split(separator) if each.strip())
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise ValueError
        return tuple(each for each in value if each)

    return parse


def _patterns(value: Any) -> tuple[str, ...]:
    found = _listed("\n")(value)
    for pattern in found:
        if re.compile(pattern).match(""):  # would redact what is not there, everywhere
            raise ValueError
    return found


OPTIONS: Final = (
    Setting("enabled", "FLUJO_OTEL_REDACT", flag, "true or false"),
    Setting("keys", "FLUJO_OTEL_REDACT_KEYS", _listed(","), "a list of names"),
    Setting(
        "patterns",
        "FLUJO_OTEL_REDACT_PATTERNS",
        _patterns,
        "a list of regular expressions that do not match the empty text",
    ),
    Setting("received", "FLUJO_OTEL_REDACT_RECEIVED", flag, "true or false"),
)


def options_of(settings: Settings, **overrides: Any) -> Options:
    """What the settings say; `overrides` go first, None meaning not given. Raises SettingsError."""
    refuse_unknown(settings.redaction, OPTIONS, f"{settings.toml} [{REDACTION_TABLE}]")
    try:
        values, _ = choose(OPTIONS, overrides, settings.toml, settings.redaction)
    except re.error as error:
        raise SettingsError(
            f"[{REDACTION_TABLE}] has a pattern {error.pattern!r} that cannot be used: {error}."
        ) from error
    return Options(**values)
