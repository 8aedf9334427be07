"""Our instrumentations of pipeline libraries, for a program that asks for them by configure()."""

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal, NamedTuple

from flujo_otel.guard import guarded
from flujo_otel.settings import Settings

_logger = logging.getLogger("flujo_otel")

Library = Literal["flujo", "pydantic_graph", "langchain", "llama_index", "pydantic_ai"]


class _Instrumentation(NamedTuple):
    package: str
    instrumentor: str


_KNOWN: Final[dict[Library, _Instrumentation]] = {
    "flujo": _Instrumentation("flujo", "FlujoInstrumentor"),
    "pydantic_graph": _Instrumentation("pydantic_graph", "PydanticGraphInstrumentor"),
    "langchain": _Instrumentation("langchain_core", "LangChainInstrumentor"),
    "llama_index": _Instrumentation("llama_index", "LlamaIndexInstrumentor"),
    "pydantic_ai": _Instrumentation("pydantic_ai", "PydanticAIInstrumentor"),
}


def instrument(library: Library, chosen: Settings, **more: Any) -> None:
    """Trace `library` where it is installed, as the settings say; faults are ours to keep."""
    package, name = _KNOWN[library]
    with guarded(f"instrumenting {library}"):
        if find_spec(package) is None:
            return
        instrumentor = getattr(import_module(f"flujo_otel.integrations.{library}"), name)()
        _warn_if_too_late(library, instrumentor, chosen)
        instrumentor.instrument(
            content=chosen.content,
            value_limit_bytes=chosen.value_limit_bytes,
            **more,
        )


def _warn_if_too_late(library: Library, instrumentor: Any, chosen: Settings) -> None:
    """That of what was instrumented before content is recorded after all must not go unsaid.
    LlamaIndex's, which is another's, asks when the program imports it."""
    if chosen.content or not getattr(instrumentor, "records_content", False):
        return
    if instrumentor.is_instrumented_by_opentelemetry:
        _logger.warning(
            "flujo-otel: configure(content=False) comes too late for %s: it was instrumented"
            " before, as `lens run` does, and its content is recorded. Set FLUJO_OTEL_CONTENT=0"
            " where the program is started",
            library,
        )
