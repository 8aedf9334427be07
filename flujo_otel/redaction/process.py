"""The process's redactor: what configure() was given, else what the settings say."""

from flujo_otel import guard, settings
from flujo_otel.errors import SettingsError
from flujo_otel.redaction.redactor import Redactor

_chosen: Redactor | None = None


def redactor() -> Redactor:
    """The process's. Settings that cannot be read leave the secrets we know redacted."""
    global _chosen
    if _chosen is None:
        _chosen = _of_settings()
    return _chosen


def use(chosen: Redactor | None) -> None:
    """Redact by `chosen` from now on; None: as the settings say."""
    global _chosen
    _chosen = chosen


def _of_settings() -> Redactor:
    try:
        return of(settings.load())
    except SettingsError as error:
        guard.report("reading the settings of the redaction", error)
        return Redactor()


def of(chosen: settings.Settings) -> Redactor:
    """As `chosen` says."""
    del chosen
    return Redactor()
