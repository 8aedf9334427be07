"""What the OTEL_* variables name and is not installed here: said once, and done without.

Local tracing must not end because a collector's exporter is missing.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from opentelemetry.sdk import _configuration as sdk

Signal = Literal["traces", "metrics", "logs"]

_logger = logging.getLogger("flujo_otel")
_EXPORTERS: Final[dict[Signal, str]] = {
    "traces": "OTEL_TRACES_EXPORTER",
    "metrics": "OTEL_METRICS_EXPORTER",
    "logs": "OTEL_LOGS_EXPORTER",
}
_ID_GENERATOR: Final = "OTEL_PYTHON_ID_GENERATOR"
_OURS: Final = "flujo"


@contextmanager
def only_installed() -> Iterator[None]:
    """The variables name nothing in here that the SDK would fail on, nor our own exporter."""
    before = os.environ.copy()
    for signal, variable in _EXPORTERS.items():
        if variable in os.environ:
            os.environ[variable] = ",".join(exporters(signal)) or "none"
    if _ID_GENERATOR in os.environ and id_generator() is None:
        os.environ[_ID_GENERATOR] = _OURS
    try:
        yield
    finally:
        for variable in (*_EXPORTERS.values(), _ID_GENERATOR):
            if variable in before:
                os.environ[variable] = before[variable]


def exporters(signal: Signal) -> dict[str, Any]:
    """The classes that the signal's variable names, less our own, which the live processor is."""
    variable = _EXPORTERS[signal]
    names = [name.strip() for name in os.environ.get(variable, "").split(",")]
    found = {}
    for name in names:
        if name.lower() in ("", "none") or (name == _OURS and signal == "traces"):
            continue
        try:
            entry = sdk._get_exporter_entry_point(name, signal)
            [(_, found[name])] = sdk._import_config_components(
                [entry], f"opentelemetry_{signal}_exporter"
            )
        except Exception as error:
            _warn(f"the exporter {name!r} of {variable}", _remedy(name, error))
    return found


def id_generator() -> Any:
    """An instance of the one that its variable names; None where there is none."""
    name = os.environ.get(_ID_GENERATOR, "").strip()
    if not name:
        return None
    try:
        return sdk._import_id_generator(name)
    except Exception as error:
        _warn(f"the id generator {name!r} of {_ID_GENERATOR}", str(error))
        return None


def _remedy(name: str, error: Exception) -> str:
    is_missing = "not found in entry point" in str(error)
    if is_missing and name.startswith("otlp"):
        return "not installed: pip install opentelemetry-exporter-otlp"
    return "no package that is installed here brings it" if is_missing else str(error)


def _warn(what: str, why: str) -> None:
    _logger.warning("flujo-otel: %s cannot be used (%s); tracing goes on without it", what, why)
