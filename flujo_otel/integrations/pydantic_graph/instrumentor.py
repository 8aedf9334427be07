"""PydanticGraphInstrumentor: every run of every graph, and every node, is a span."""

from typing import Any, ClassVar, Final

from opentelemetry import trace

from flujo_otel.integrations.instrumentor import LibraryInstrumentor
from flujo_otel.integrations.pydantic_graph import base_node, builder
from flujo_otel.integrations.pydantic_graph.patching import Patching
from flujo_otel.recording.choice import Recording

_SCOPE: Final = "flujo_otel.integrations.pydantic_graph"


class PydanticGraphInstrumentor(LibraryInstrumentor):
    """`PydanticGraphInstrumentor().instrument()` before the graphs run; `uninstrument()` undoes it.

    `instrument` takes `tracer_provider` (None: the global one), `content` (False: no inputs,
    outputs and states) and `value_limit_bytes` (where a recorded value is cut), the last two from
    docs/settings.md where they are not given. pydantic-graph is not imported by it: the work is
    done when the program does. Raises MissingExtra without pydantic-graph, SettingsError for a
    setting that cannot be used; under auto-instrumentation neither.
    """

    library: ClassVar = "pydantic-graph"
    module: ClassVar = "pydantic_graph"
    versions: ClassVar = "pydantic-graph >= 1.25, < 3"
    extra: ClassVar = "pydantic-graph"
    _patching: Patching | None = None

    def _instrument(
        self,
        recording: Recording,
        tracer_provider: trace.TracerProvider | None = None,
        **_: Any,
    ) -> None:
        tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        # pydantic-graph's own spans go to the global provider: with another one for ours they would
        # not be there twice, and nobody would have them if they gave way.
        replaces_own = tracer_provider is None or tracer_provider is trace.get_tracer_provider()
        self._patching = Patching(tracer, recording, replaces_own=replaces_own)
        self._patching.when_imported(builder.MODULES, builder.instrument)
        self._patching.when_imported(base_node.MODULES, base_node.instrument)

    def _uninstrument(self, **_: Any) -> None:
        if self._patching is not None:
            self._patching.undo()
            self._patching = None
