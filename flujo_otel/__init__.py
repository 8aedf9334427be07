"""Zero-config, local-first tracing for pipelines, on OpenTelemetry from end to end.

    import flujo_otel

    flujo_otel.configure()

The public names are loaded when they are first asked for (PEP 562): importing this package loads
neither the OpenTelemetry SDK nor SQLite nor flujo.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flujo_otel.bootstrap import configure
    from flujo_otel.integrations.flujo import FlujoInstrumentor, TraceManager
    from flujo_otel.integrations.flujo.backend import SQLiteBackend
    from flujo_otel.integrations.pydantic_graph import PydanticGraphInstrumentor
    from flujo_otel.storage.traces import Step, Trace
    from flujo_otel.xray import XRay
    from flujo_otel_exporter.exporter import SQLiteSpanExporter
    from flujo_otel_exporter.processor import LiveSpanProcessor

__all__ = [
    "FlujoInstrumentor",
    "LiveSpanProcessor",
    "PydanticGraphInstrumentor",
    "SQLiteBackend",
    "SQLiteSpanExporter",
    "Step",
    "Trace",
    "TraceManager",
    "XRay",
    "configure",
]

_MODULES = {
    "FlujoInstrumentor": "flujo_otel.integrations.flujo",
    "LiveSpanProcessor": "flujo_otel_exporter.processor",
    "PydanticGraphInstrumentor": "flujo_otel.integrations.pydantic_graph",
    "SQLiteBackend": "flujo_otel.integrations.flujo.backend",
    "SQLiteSpanExporter": "flujo_otel_exporter.exporter",
    "Step": "flujo_otel.storage.traces",
    "Trace": "flujo_otel.storage.traces",
    "TraceManager": "flujo_otel.integrations.flujo",
    "XRay": "flujo_otel.xray",
    "configure": "flujo_otel.bootstrap",
}
_HOST = "flujo_otel.bootstrap.host"
_HOSTED = ("TraceManager", "XRay")
"""They have a process configured that nobody configured, by the host that is loaded with them."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("flujo-otel")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        if name in _HOSTED:
            import_module(_HOST)
        value = getattr(import_module(_MODULES[name]), name)
    except ValueError as error:
        if not str(error).startswith("OTEL_"):
            raise
        from flujo_otel.errors import SettingsError

        # The SDK reads some of its variables when it is loaded.
        raise SettingsError(f"OpenTelemetry cannot be set up: {error}.") from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    helpers = {"Any", "TYPE_CHECKING", "import_module"}
    return sorted({*globals(), *__all__, "__version__"} - helpers)
