"""Wires a traced process. Nothing is loaded before it is asked for (docs/configure.md)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flujo_otel.bootstrap.configurator import FlujoConfigurator
    from flujo_otel.bootstrap.environment import child_environment
    from flujo_otel.bootstrap.program import configure

__all__ = ["FlujoConfigurator", "child_environment", "configure"]

_MODULES = {
    "FlujoConfigurator": "configurator",
    "child_environment": "environment",
    "configure": "program",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
