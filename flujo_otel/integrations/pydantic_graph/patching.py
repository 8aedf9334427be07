"""What the instrumentor changes in pydantic-graph, and how it is put back."""

import functools
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from typing import Any, Final

import wrapt
from opentelemetry import trace

from flujo_otel.guard import guarded
from flujo_otel.integrations.pydantic_graph.execution import Execution, running_execution
from flujo_otel.integrations.pydantic_graph.node import running_node
from flujo_otel.recording.choice import Recording

_OWN_SPANS: Final = "logfire_span"
_logger = logging.getLogger("flujo_otel")


class Patching:
    """One application of all patches; `undo` restores what was there, object for object.

    `replaces_own`: pydantic-graph's own spans give way to ours.
    """

    def __init__(self, tracer: trace.Tracer, recording: Recording, *, replaces_own: bool) -> None:
        self.tracer = tracer
        self.recording = recording
        self.is_live = True
        self._replaces_own = replaces_own
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def execution(self, graph: Any, api: str, *, is_persisted: bool = False) -> Execution:
        """The span of a run of `graph` that begins now."""
        return Execution(self.tracer, self.recording, graph, api, is_persisted=is_persisted)

    def when_imported(
        self, names: tuple[str, ...], instrument: Callable[[Any, "Patching"], None]
    ) -> None:
        """Instrument each of the modules: now if it is there, else when the program imports it."""

        def apply(module: Any) -> None:
            if self.is_live and module.Graph.__module__ == module.__name__:
                with guarded("instrumenting pydantic-graph"):
                    self._apply(module, instrument)

        for name in names:
            if name in sys.modules:
                apply(sys.modules[name])
            else:
                wrapt.register_post_import_hook(apply, name)

    def _apply(self, module: Any, instrument: Callable[[Any, "Patching"], None]) -> None:
        done = len(self._undo)
        try:
            instrument(module, self)
        except (AttributeError, KeyError) as error:
            self._restore(done)
            _logger.warning(
                "flujo-otel: %s of pydantic-graph %s is laid out in a way that is not known here"
                " (%s): its graphs are not traced",
                module.__name__,
                version("pydantic-graph"),
                error,
            )

    def replace(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        """Put what `wrap` makes of `owner.name` in its place. Raises KeyError where it has none."""
        original = vars(owner)[name]
        ours = functools.wraps(original)(wrap(original))
        setattr(owner, name, ours)
        self._undo.append((owner, name, original, ours))

    def replace_own_spans(self, module: Any) -> None:
        """Let ours stand for the spans that pydantic-graph makes by logfire (`auto_instrument`)."""
        if self._replaces_own:
            self.replace(module, _OWN_SPANS, self._instead_of_own)

    def _instead_of_own(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def logfire_span(*args: Any, **kwargs: Any) -> AbstractContextManager[Any]:
            running = (running_node() or running_execution()) if self.is_live else None
            return original(*args, **kwargs) if running is None else nullcontext(running.span)

        return logfire_span

    def undo(self) -> None:
        """Restore pydantic-graph. Runs that are under way end their spans; nodes that they start
        from now on have none."""
        self.is_live = False
        self._restore(0)

    def _restore(self, count: int) -> None:
        for owner, name, original, ours in reversed(self._undo[count:]):
            # Whoever patched on top of us keeps working: ours then only passes calls through.
            if vars(owner).get(name) is ours:
                setattr(owner, name, original)
        del self._undo[count:]
