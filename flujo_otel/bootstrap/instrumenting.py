"""Our instrumentations of pipeline libraries, for a program that asks for them by configure()."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal, NamedTuple

from flujo_otel.guard import guarded

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


def instrument(library: Library, **given: Any) -> None:
    """Trace `library` where it is installed, as configure() was told (`recording.choice`), or its
    instrumentor was before; faults are ours to keep."""
    package, name = _KNOWN[library]
    with guarded(f"instrumenting {library}"):
        if find_spec(package) is None:
            return
        instrumentor = getattr(import_module(f"flujo_otel.integrations.{library}"), name)()
        instrumentor.instrument(**given)
