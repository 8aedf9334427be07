"""LlamaIndexInstrumentor: OpenInference's, recording through our provider."""

import logging
import sys
from functools import wraps
from importlib.util import find_spec
from typing import Any, Final

import wrapt
from opentelemetry import trace

from flujo_otel.errors import MissingExtra
from flujo_otel.guard import guarded
from flujo_otel.integrations.adopted import RunProvider
from flujo_otel.integrations.llama_index.library import LlamaIndex
from flujo_otel.recording.choice import Recording

_NEEDED: Final = ("llama_index.core", "openinference.instrumentation.llama_index")
_ANOTHER: Final = "opentelemetry.instrumentation.llamaindex"
"""OpenLLMetry's, which `lens run` switches on."""
_NOT_TRACED: Final = (
    'flujo-otel: LlamaIndex is not traced. It is with: pip install "flujo-otel[llama-index]"; '
    "configure(llama_index=False) says that it need not be."
)
_logger = logging.getLogger("flujo_otel")
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
        **automatic: Any,
    ) -> None:
        """Trace LlamaIndex from now on, instead of what OpenInference may do by itself already.

        `tracer_provider` None: the global one. `content` False: no prompts, inputs, outputs and
        documents; `value_limit_bytes`: where a recorded value is cut; both None: what
        docs/settings.md says. `config`: OpenInference's TraceConfig instead of ours, which leaves
        out embeddings' vectors. Raises MissingExtra, and SettingsError for a setting that cannot be
        used.

        `automatic` is what auto-instrumentation (`lens run`) gives: then nothing is raised, and
        nothing done before the program imports LlamaIndex, which takes a second.
        """
        if automatic:
            _instrument_when_imported()
            return
        theirs = _theirs()
        recording = Recording.chosen(content, value_limit_bytes)
        _instrument(theirs, recording, tracer_provider, config)

    def uninstrument(self) -> None:
        """While not instrumented this does nothing."""
        _theirs().uninstrument()


def _instrument(
    theirs: "_Quiet", recording: Recording, given: trace.TracerProvider | None, config: Any
) -> None:
    provider = RunProvider(given or trace.get_tracer_provider(), recording, LlamaIndex())
    theirs.uninstrument()
    theirs.instrument(tracer_provider=provider, config=config or _config(recording))


def _instrument_when_imported() -> None:
    # Looking for OpenInference's package imports half of it: that waits too.
    if _NEEDED[0] in sys.modules:
        _instrument_quietly(None)
    else:
        wrapt.register_post_import_hook(_instrument_quietly, _NEEDED[0])


def _instrument_quietly(_: Any) -> None:
    with guarded("instrumenting LlamaIndex"):
        if not _are_installed():
            if not _is_installed(_ANOTHER):
                _logger.warning(_NOT_TRACED)
            return
        _instrument(_theirs(), Recording.chosen_quietly(None, None), None, None)


def _theirs() -> "_Quiet":
    if not _are_installed():
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


def _are_installed() -> bool:
    return all(_is_installed(module) for module in _NEEDED)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is not there
        return False


def _config(recording: Recording) -> Any:
    from openinference.instrumentation import TraceConfig

    chosen: Any = {"enable_genai_semconv": True, "hide_embeddings_vectors": True}
    hiding = TraceConfig(**{**chosen, **dict.fromkeys(_HIDDEN, True)})

    class Following(TraceConfig):
        """Hides the content while `recording` wants none."""

        @wraps(TraceConfig.mask)  # its signature is looked at
        def mask(self: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
            mask = super().mask if recording.content else hiding.mask
            return mask(*args, **kwargs)

    return Following(**chosen)
