"""LangChainInstrumentor: every run of LangChain is traced, with no callback passed anywhere."""

import logging
import sys
from collections.abc import Collection
from importlib.metadata import entry_points
from importlib.util import find_spec
from threading import Lock
from typing import Any, Final

import wrapt
from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from flujo_otel.errors import MissingExtra
from flujo_otel.guard import guarded
from flujo_otel.integrations.langchain.current import Bodies

_VERSIONS: Final = "langchain-core >= 1.0"
_HOOKS: Final = "langchain_core.tracers.context"
_THEIRS: Final = "openinference.instrumentation.langchain"
_logger = logging.getLogger("flujo_otel")


class LangChainInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """`LangChainInstrumentor().instrument()`; `uninstrument()` undoes it for runs that begin later.

    `instrument` takes the arguments of XRayLangChainCallback but for the trace. A run that was
    given a callback of ours is left to that one. LangChain is not imported by it: the work is done
    when the program does. Under auto-instrumentation (`lens run`) OpenInference's instrumentor of
    LangChain, if it is installed, is left to do it. Raises MissingExtra without langchain-core,
    except under auto-instrumentation.
    """

    _handler: "_Handler | None" = None

    def instrumentation_dependencies(self) -> Collection[str]:
        return (_VERSIONS,)

    def instrument(self, **kwargs: Any) -> None:
        """Once is enough: while instrumented this does nothing."""
        if self.is_instrumented_by_opentelemetry:
            return
        # OpenTelemetry's auto-instrumentation gives one or the other.
        automatic = kwargs.pop("skip_dep_check", False) or kwargs.pop(
            "raise_exception_on_conflict", False
        )
        if automatic and (find_spec("langchain_core") is None or _is_theirs()):
            _logger.debug("flujo-otel: LangChain is not here, or instrumented by OpenInference")
            return
        if find_spec("langchain_core") is None:
            raise MissingExtra(
                'langchain-core is not installed: pip install "flujo-otel[langchain]".'
            )
        super().instrument(**kwargs)

    def uninstrument(self, **kwargs: Any) -> None:
        """While not instrumented this does nothing."""
        if self.is_instrumented_by_opentelemetry:
            super().uninstrument(**kwargs)

    def _instrument(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        content: bool | None = None,
        value_limit_bytes: int | None = None,
        **_: Any,
    ) -> None:
        self._handler = _Handler(
            tracer_provider=tracer_provider, content=content, value_limit_bytes=value_limit_bytes
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

    def __init__(self, **given: Any) -> None:
        self._given = given
        self._callback: Any = None
        self._lock = Lock()

    def get(self) -> Any:
        """The one callback; None where it could not be made, and was not made once."""
        if self._callback is None:
            with self._lock, guarded("making the callback for LangChain"):
                if self._callback is None:
                    self._callback = False
                    from flujo_otel.integrations.langchain.callback import XRayLangChainCallback

                    self._callback = XRayLangChainCallback(**self._given)
        return self._callback or None


def _is_theirs() -> bool:
    """Whether OpenInference's instrumentor would trace every run too."""
    found = entry_points(group="opentelemetry_instrumentor")
    return any(entry.value.startswith(_THEIRS) for entry in found)
