"""LangChainInstrumentor: every run of LangChain is traced, with no callback passed anywhere."""

import sys
from importlib.metadata import entry_points
from typing import Any, ClassVar, Final

import wrapt
from opentelemetry import trace

from flujo_otel.guard import guarded
from flujo_otel.integrations.instrumentor import LibraryInstrumentor
from flujo_otel.integrations.langchain.body import Bodies
from flujo_otel.recording.choice import Recording

_HOOKS: Final = "langchain_core.tracers.context"
_THEIRS: Final = "openinference.instrumentation.langchain"


class LangChainInstrumentor(LibraryInstrumentor):
    """`LangChainInstrumentor().instrument()`; `uninstrument()` undoes it for runs that begin later.

    `instrument` takes the arguments of XRayLangChainCallback but for the trace. A run that was
    given a callback of ours is left to that one. LangChain is not imported by it: the work is done
    when the program does. Under auto-instrumentation (`lens run`) OpenInference's instrumentor of
    LangChain, if it is installed, is left to do it. Raises MissingExtra without langchain-core,
    SettingsError for a setting that cannot be used; under auto-instrumentation neither.
    """

    library: ClassVar = "langchain-core"
    module: ClassVar = "langchain_core"
    versions: ClassVar = "langchain-core >= 1.0"
    extra: ClassVar = "langchain"
    _handler: "_Handler | None" = None

    def _is_left_to_another(self) -> bool:
        found = entry_points(group="opentelemetry_instrumentor")
        return any(entry.value.startswith(_THEIRS) for entry in found)

    def _instrument(
        self,
        recording: Recording,
        tracer_provider: trace.TracerProvider | None = None,
        **_: Any,
    ) -> None:
        self._handler = _Handler(
            recording,
            tracer_provider=tracer_provider,
            content=recording.content,
            value_limit_bytes=recording.value_limit_bytes,
        )
        if _HOOKS in sys.modules:
            self._register(sys.modules[_HOOKS])
        else:
            wrapt.register_post_import_hook(self._register, _HOOKS)

    def _register(self, module: Any) -> None:
        if self._handler is not None:
            with guarded("instrumenting LangChain"):
                # Any callback of ours that the program passed stands in for this one.
                module.register_configure_hook(self._handler, inheritable=True, handle_class=Bodies)

    def _uninstrument(self, **_: Any) -> None:
        hooks = getattr(sys.modules.get(_HOOKS), "_configure_hooks", [])
        hooks[:] = [hook for hook in hooks if hook[0] is not self._handler]
        self._handler = None


class _Handler:
    """In the place of a context variable: LangChain asks it for the callback as a chain begins.

    A real one would need the callback by now, in the middle of LangChain's import.
    """

    def __init__(self, recording: Recording, **given: Any) -> None:
        self._recording = recording
        self._given = given
        self._made: dict[str, Any] = {}

    def get(self) -> Any:
        """The one callback; None where it could not be made, which is tried once."""
        return self._made["callback"] if self._made else self._make()

    def _make(self) -> Any:
        made = None
        with guarded("making the callback for LangChain"):
            from flujo_otel.integrations.langchain.callback import XRayLangChainCallback

            made = XRayLangChainCallback(**self._given)
            made.record_as(self._recording)
        # Threads that begin their first chains at once may each make one, and the first is taken:
        # nobody waits, nor goes without.
        return self._made.setdefault("callback", made)
