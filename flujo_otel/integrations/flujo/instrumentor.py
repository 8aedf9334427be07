"""FlujoInstrumentor: every step of every run is a span, nested ones too, with no line changed."""

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
from flujo_otel.integrations.flujo.default_backend import DefaultBackend
from flujo_otel.integrations.flujo.manager import SCOPE
from flujo_otel.integrations.flujo.patches import Patches
from flujo_otel.recording.content import Recording

_VERSIONS: Final = "flujo >= 0.4.35, < 0.7"
_logger = logging.getLogger("flujo_otel")


class FlujoInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """`FlujoInstrumentor().instrument()` before the runners are made; `uninstrument()` undoes it.

    `instrument` takes `tracer_provider` (None: the global one), `content` (False: no inputs,
    outputs and contexts), `value_limit_bytes` (where a recorded value is cut),
    `replace_default_backend` (True: a runner that is given no state backend gets our SQLiteBackend;
    the constructor takes it too) and `db` (its file), all but the first from docs/settings.md where
    they are not given. flujo is not imported by it: the work is done when
    the program does. Raises MissingExtra without flujo, SettingsError for a setting that cannot be
    used; under auto-instrumentation neither.
    """

    _patches: Patches | None = None
    _replaces: bool | None = None

    def __init__(self, replace_default_backend: bool | None = None) -> None:
        super().__init__()
        if replace_default_backend is not None:  # of one object, whoever asks for it
            self._replaces = replace_default_backend

    def instrumentation_dependencies(self) -> Collection[str]:
        return (_VERSIONS,)

    def instrument(self, **kwargs: Any) -> None:
        """Once is enough: while instrumented this does nothing."""
        if self.is_instrumented_by_opentelemetry:
            return
        # OpenTelemetry's auto-instrumentation gives one or the other.
        automatic = kwargs.get("skip_dep_check") or kwargs.get("raise_exception_on_conflict")
        if importlib.util.find_spec("flujo") is None:
            if automatic:
                _logger.debug("flujo-otel: flujo is not installed, nothing to instrument")
                return
            raise MissingExtra(
                'flujo is not installed: pip install "flujo-otel[flujo]" brings the versions '
                "that go together on this Python."
            )
        given = kwargs.pop("content", None), kwargs.pop("value_limit_bytes", None)
        # Settings that cannot be read may have said so: then no content is recorded.
        recording = Recording(content=False)
        if automatic:
            with guarded("reading the settings"):
                recording = Recording.chosen(*given)
        else:
            recording = Recording.chosen(*given)
        backend = DefaultBackend(kwargs.pop("db", None))
        replaces = kwargs.pop("replace_default_backend", None)
        if backend.is_wanted(self._replaces if replaces is None else replaces):
            kwargs["backend"] = backend
        super().instrument(recording=recording, **kwargs)

    def uninstrument(self, **kwargs: Any) -> None:
        """Puts flujo back as it was; while not instrumented this does nothing."""
        if self.is_instrumented_by_opentelemetry:
            super().uninstrument(**kwargs)

    def _instrument(
        self,
        recording: Recording,
        tracer_provider: trace.TracerProvider | None = None,
        backend: DefaultBackend | None = None,
        **_: Any,
    ) -> None:
        tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        self._patches = Patches(tracer, recording, backend)
        self._patches.apply_when_imported()

    def _uninstrument(self, **_: Any) -> None:
        if self._patches is not None:
            self._patches.undo()
            self._patches = None
            self._replaces = None
