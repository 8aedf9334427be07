"""LangChain's runs as OpenTelemetry spans (docs/langchain.md).

Importing this imports no LangChain.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flujo_otel.errors import MissingExtra

if TYPE_CHECKING:
    from flujo_otel.integrations.langchain.callback import XRayLangChainCallback
    from flujo_otel.integrations.langchain.instrumentor import LangChainInstrumentor

__all__ = ["LangChainInstrumentor", "XRayLangChainCallback"]

_MODULES = {"LangChainInstrumentor": "instrumentor", "XRayLangChainCallback": "callback"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "XRayLangChainCallback" and find_spec("langchain_core") is None:
        raise MissingExtra('langchain-core is not installed: pip install "flujo-otel[langchain]".')
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
