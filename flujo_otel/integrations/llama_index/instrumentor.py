"""LlamaIndexInstrumentor: OpenInference's, recording through our provider."""

from importlib.util import find_spec
from typing import Any, Final

from opentelemetry import trace

from flujo_otel.errors import MissingExtra
from flujo_otel.integrations.flujo.content import Recording
from flujo_otel.integrations.llama_index.provider import RunProvider

_NEEDED: Final = ("llama_index.core", "openinference.instrumentation.llama_index")
_HIDDEN: Final = (
    "hide_llm_invocation_parameters",
    "hide_inputs",
    "hide_outputs",
    "hide_prompts",
    "hide_embeddings_text",
    "hide_llm_tools",
    "hide_retrieval_documents",
)


class LlamaIndexInstrumentor:
    """`LlamaIndexInstrumentor().instrument()`; `uninstrument()` undoes it.

    OpenInference's instrumentation makes the spans; ours makes a query that begins under no span a
    run of its own with its steps, says the same in OpenTelemetry's GenAI names, redacts secrets and
    cuts long values.
    """

    def instrument(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        content: bool | None = None,
        value_limit_bytes: int | None = None,
        config: Any = None,
    ) -> None:
        """Trace LlamaIndex from now on, instead of what OpenInference may do by itself already.

        `tracer_provider` None: the global one. `content` False: no prompts, inputs, outputs and
        documents; `value_limit_bytes`: where a recorded value is cut; both None: what
        docs/settings.md says. `config`: OpenInference's TraceConfig instead of ours, which leaves
        out embeddings' vectors. Raises MissingExtra, and SettingsError for a setting that cannot be
        used.
        """
        theirs = _theirs()
        recording = Recording.chosen(content, value_limit_bytes)
        provider = tracer_provider or trace.get_tracer_provider()
        theirs.uninstrument()
        theirs.instrument(
            tracer_provider=RunProvider(provider, recording),
            config=config or _config(recording),
        )

    def uninstrument(self) -> None:
        """While not instrumented this does nothing."""
        _theirs().uninstrument()


def _theirs() -> Any:
    if not all(map(_is_installed, _NEEDED)):
        raise MissingExtra(
            "LlamaIndex or OpenInference's instrumentation of it is not installed:"
            ' pip install "flujo-otel[llama-index]".'
        )
    from openinference.instrumentation.llama_index import LlamaIndexInstrumentor as Theirs

    return _Quiet(Theirs())


class _Quiet:
    """Theirs logs a warning where there is nothing to undo."""

    def __init__(self, instrumentor: Any) -> None:
        self._instrumentor = instrumentor

    def instrument(self, **given: Any) -> None:
        self._instrumentor.instrument(**given)

    def uninstrument(self) -> None:
        if self._instrumentor.is_instrumented_by_opentelemetry:
            self._instrumentor.uninstrument()


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is not there
        return False


def _config(recording: Recording) -> Any:
    from openinference.instrumentation import TraceConfig

    hidden: Any = {} if recording.content else dict.fromkeys(_HIDDEN, True)
    return TraceConfig(enable_genai_semconv=True, hide_embeddings_vectors=True, **hidden)
