"""The process's redactor: what configure() was given, else what the settings say."""

from flujo_otel import guard, settings
from flujo_otel.errors import SettingsError
from flujo_otel.redaction.redactor import Redactor
from flujo_otel.redaction.table import options_of

_chosen: Redactor | None = None
_is_said = False


def redactor() -> Redactor:
    """The process's. Where the settings cannot be used, the secrets that we know are redacted."""
    global _chosen
    if _chosen is None:
        try:
            _chosen = options_of(settings.load()).redactor()
        except SettingsError as error:
            guard.report("reading the settings of the redaction", error)
            _chosen = Redactor()
    return _chosen


def use(chosen: Redactor | None) -> None:
    """Redact by `chosen` from now on; None: as the settings say."""
    global _chosen, _is_said
    _chosen, _is_said = chosen, chosen is not None


def settle(chosen: Redactor) -> None:
    """Redact by `chosen`, unless it was said before by what: the first configure() counts."""
    if not _is_said:
        use(chosen)
