"""What our instrumentors have in common: when they do something, and what they are told."""

import importlib.util
import logging
from collections.abc import Collection
from typing import Any, ClassVar

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from flujo_otel.errors import MissingExtra
from flujo_otel.recording.choice import Recording

_logger = logging.getLogger("flujo_otel")


class LibraryInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Of one library, which it does not import: the work is done when the program does.

    `instrument(content=..., value_limit_bytes=..., **others)` becomes
    `_instrument(recording=..., **others)`.
    """

    library: ClassVar[str]
    """As its package is called where packages are installed from."""
    module: ClassVar[str]
    """Which is there if the library is."""
    versions: ClassVar[str]
    """Of the library, as a requirement."""
    extra: ClassVar[str]
    """What to install, in brackets behind our own name."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return (self.versions,)

    def instrument(self, **kwargs: Any) -> None:
        """Once is enough: while instrumented this does nothing."""
        if self.is_instrumented_by_opentelemetry:
            return
        # OpenTelemetry's auto-instrumentation gives one or the other.
        automatic = kwargs.get("skip_dep_check") or kwargs.get("raise_exception_on_conflict")
        is_here = importlib.util.find_spec(self.module) is not None
        if automatic and (not is_here or self._is_left_to_another()):
            _logger.debug("flujo-otel: %s is not here, or left to another", self.library)
            return
        if not is_here:
            raise MissingExtra(
                f'{self.library} is not installed: pip install "flujo-otel[{self.extra}]"'
                " brings the versions that go together on this Python."
            )
        given = kwargs.pop("content", None), kwargs.pop("value_limit_bytes", None)
        recording = Recording.chosen_quietly(*given) if automatic else Recording.chosen(*given)
        super().instrument(recording=recording, **kwargs)

    def uninstrument(self, **kwargs: Any) -> None:
        """Puts the library back as it was; while not instrumented this does nothing."""
        if self.is_instrumented_by_opentelemetry:
            super().uninstrument(**kwargs)

    def _is_left_to_another(self) -> bool:
        """Whether another instrumentation of the library does the same, where both would be
        automatic."""
        return False
