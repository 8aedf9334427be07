"""PydanticGraphInstrumentor: every run of every graph, and every node, is a span."""

import importlib.util
import logging
from collections.abc import Collection
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from flujo_otel.errors import MissingExtra
from flujo_otel.guard import guarded
from flujo_otel.integrations.pydantic_graph import base_node, builder
from flujo_otel.integrations.pydantic_graph.patching import Patching
from flujo_otel.recording.content import Recording

_SCOPE: Final = "flujo_otel.integrations.pydantic_graph"
_VERSIONS: Final = "pydantic-graph >= 1.25, < 3"
_logger = logging.getLogger("flujo_otel")


class PydanticGraphInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """`PydanticGraphInstrumentor().instrument()` before the graphs run; `uninstrument()` undoes it.

    `instrument` takes `tracer_provider` (None: the global one), `content` (False: no inputs,
    outputs and states) and `value_limit_bytes` (where a recorded value is cut), the last two from
    docs/settings.md where they are not given. pydantic-graph is not imported by it: the work is
    done when the program does. Raises MissingExtra without pydantic-graph, SettingsError for a
    setting that cannot be used; under auto-instrumentation neither.
    """

    _patching: Patching | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        return (_VERSIONS,)

    def instrument(self, **kwargs: Any) -> None:
        """Once is enough: while instrumented this does nothing."""
        if self.is_instrumented_by_opentelemetry:
            return
        # OpenTelemetry's auto-instrumentation gives one or the other.
        automatic = kwargs.get("skip_dep_check") or kwargs.get("raise_exception_on_conflict")
        if importlib.util.find_spec("pydantic_graph") is None:
            if automatic:
                _logger.debug("flujo-otel: pydantic-graph is not installed, nothing to instrument")
                return
            raise MissingExtra(
                'pydantic-graph is not installed: pip install "flujo-otel[pydantic-graph]"'
            )
        given = kwargs.pop("content", None), kwargs.pop("value_limit_bytes", None)
        # Settings that cannot be read may have said so: then no content is recorded.
        recording = Recording(content=False)
        if automatic:
            with guarded("reading the settings"):
                recording = Recording.chosen(*given)
        else:
            recording = Recording.chosen(*given)
        super().instrument(recording=recording, **kwargs)

    def uninstrument(self, **kwargs: Any) -> None:
        """Puts pydantic-graph back as it was; while not instrumented this does nothing."""
        if self.is_instrumented_by_opentelemetry:
            super().uninstrument(**kwargs)

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
