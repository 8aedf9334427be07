"""FlujoInstrumentor: every step of every run is a span, nested ones too, with no line changed."""

from pathlib import Path
from typing import Any, ClassVar

from opentelemetry import trace

from flujo_otel.integrations.flujo.default_backend import DefaultBackend
from flujo_otel.integrations.flujo.manager import SCOPE
from flujo_otel.integrations.flujo.patches import Patches
from flujo_otel.integrations.instrumentor import LibraryInstrumentor
from flujo_otel.recording.choice import Recording


class FlujoInstrumentor(LibraryInstrumentor):
    """`FlujoInstrumentor().instrument()` before the runners are made; `uninstrument()` undoes it.

    `instrument` takes `tracer_provider` (None: the global one), `content` (False: no inputs,
    outputs and contexts), `value_limit_bytes` (where a recorded value is cut),
    `replace_default_backend` (True: a runner that is given no state backend gets our SQLiteBackend;
    the constructor takes it too) and `db` (its file), all but the first from docs/settings.md where
    they are not given. flujo is not imported by it: the work is done when the program does. Raises
    MissingExtra without flujo, SettingsError for a setting that cannot be used; under
    auto-instrumentation neither.
    """

    library: ClassVar = "flujo"
    module: ClassVar = "flujo"
    versions: ClassVar = "flujo >= 0.4.35, < 0.7"
    extra: ClassVar = "flujo"
    _patches: Patches | None = None
    _replaces: bool | None = None

    def __init__(self, replace_default_backend: bool | None = None) -> None:
        super().__init__()
        if replace_default_backend is not None:  # of one object, whoever asks for it
            self._replaces = replace_default_backend

    def _instrument(
        self,
        recording: Recording,
        tracer_provider: trace.TracerProvider | None = None,
        db: str | Path | None = None,
        replace_default_backend: bool | None = None,
        **_: Any,
    ) -> None:
        backend = DefaultBackend(db)
        said = self._replaces if replace_default_backend is None else replace_default_backend
        tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        self._patches = Patches(tracer, recording, backend if backend.is_wanted(said) else None)
        self._patches.apply_when_imported()

    def _uninstrument(self, **_: Any) -> None:
        if self._patches is not None:
            self._patches.undo()
            self._patches = None
            self._replaces = None
