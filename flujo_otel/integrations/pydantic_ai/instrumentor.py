"""PydanticAIInstrumentor: pydantic-ai's own, switched on for all agents, through our provider."""

import inspect
import warnings
from typing import Any, ClassVar, Final

import wrapt
from opentelemetry import trace

from flujo_otel.guard import guarded
from flujo_otel.integrations.adopted import RunProvider
from flujo_otel.integrations.instrumentor import LibraryInstrumentor
from flujo_otel.integrations.pydantic_ai.library import PydanticAI
from flujo_otel.recording.choice import Recording

_MODULE: Final = "pydantic_ai"
_FIRST_WITH_NAMES: Final = 3
"""Of the versions of what pydantic-ai writes: spans are named after their agent, tool or model."""


class PydanticAIInstrumentor(LibraryInstrumentor):
    """`PydanticAIInstrumentor().instrument()`; `uninstrument()` undoes it.

    `instrument` takes `tracer_provider` (None: the global one), `content` (False: no prompts,
    answers and arguments of tools) and `value_limit_bytes` (where a recorded value is cut), the
    last two from docs/settings.md where they are not given. An agent, a model or a program that has
    pydantic-ai's instrumentation already keeps what it has. pydantic-ai is not imported by it: the
    work is done when the program does. Raises MissingExtra without pydantic-ai, SettingsError for a
    setting that cannot be used; under auto-instrumentation neither.
    """

    library: ClassVar = "pydantic-ai"
    module: ClassVar = _MODULE
    versions: ClassVar = "pydantic-ai-slim >= 1.25, < 3"
    extra: ClassVar = "pydantic-ai"
    _wanted: "_Wanted | None" = None

    def _instrument(
        self,
        recording: Recording,
        tracer_provider: trace.TracerProvider | None = None,
        **_: Any,
    ) -> None:
        self._wanted = wanted = _Wanted(recording, tracer_provider)
        # At once where it is imported already.
        wrapt.register_post_import_hook(wanted.switch_on, _MODULE)

    def _uninstrument(self, **_: Any) -> None:
        if self._wanted is not None:
            self._wanted.switch_off()
            self._wanted = None


class _Wanted:
    """All agents' instrumentation, from when pydantic-ai is imported until it is no more wanted."""

    def __init__(self, recording: Recording, given: trace.TracerProvider | None) -> None:
        self._recording = recording
        self._given = given
        self._settings: Any = None
        self._is_wanted = True

    def switch_on(self, _: Any = None) -> None:
        """Unless the program did so itself."""
        with guarded("instrumenting pydantic-ai"):
            from pydantic_ai import Agent

            if self._is_wanted and not Agent._instrument_default:
                self._settings = _settings(self._recording, self._given)
                Agent.instrument_all(self._settings)

    def switch_off(self) -> None:
        """Unless the program set its own meanwhile."""
        self._is_wanted = False
        if self._settings is not None:
            from pydantic_ai import Agent

            if Agent._instrument_default is self._settings:
                Agent.instrument_all(False)


def _settings(recording: Recording, given: trace.TracerProvider | None) -> Any:
    from pydantic_ai.models.instrumented import InstrumentationSettings

    version = inspect.signature(InstrumentationSettings).parameters["version"].default
    settings = _following(InstrumentationSettings, recording)
    with warnings.catch_warnings():
        # pydantic-ai 1 asks OpenTelemetry for a logger by a name that is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        return settings(
            tracer_provider=RunProvider(
                given or trace.get_tracer_provider(), recording, PydanticAI()
            ),
            include_binary_content=False,
            version=max(version, _FIRST_WITH_NAMES),
        )


def _following(settings: Any, recording: Recording) -> Any:
    """`settings` whose `include_content` is as `recording` has it at the moment it is asked for."""

    def include_content(_: Any) -> bool:
        return recording.content

    # Each version sets it when it is made.
    def set_include_content(_: Any, value: bool) -> None:
        pass

    follows = {"include_content": property(include_content, set_include_content)}
    return type(settings.__name__, (settings,), follows)
