"""`opentelemetry-instrument` and `lens run`: the configurator behind OTEL_PYTHON_CONFIGURATOR."""

import os
from functools import partial
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel import guard, settings
from flujo_otel.bootstrap.environment import CONFIGURATOR, OURS
from flujo_otel.bootstrap.program import join
from flujo_otel.bootstrap.succession import make_way

_EXPORTERS: Final = "OTEL_TRACES_EXPORTER"


class FlujoConfigurator(_OTelSDKConfigurator):
    """The SDK as its OTEL_* variables say, and our live processor beside their exporters.

    Installed packages' configurators are tried in no promised order, so this one adds nothing
    unless OTEL_PYTHON_CONFIGURATOR asks for it by name.
    """

    def _configure(self, **kwargs: Any) -> None:
        if os.environ.get(CONFIGURATOR) != OURS:
            super()._configure(**kwargs)  # type: ignore[no-untyped-call]
            return
        asked = os.environ.get(_EXPORTERS)
        if asked is not None:
            # The live processor writes these spans; the SDK would wrap ours in a second one.
            os.environ[_EXPORTERS] = without_ours(asked)
        try:
            super()._configure(**kwargs)  # type: ignore[no-untyped-call]
        finally:
            if asked is not None:
                os.environ[_EXPORTERS] = asked
        with guard.guarded("configuring from the environment"):
            chosen = settings.load()
            provider = trace.get_tracer_provider()
            join(provider, chosen)
            if isinstance(provider, TracerProvider):
                make_way(provider, partial(join, chosen=chosen))


def without_ours(exporters: str) -> str:
    """A list as OTEL_TRACES_EXPORTER has it, less our own exporter."""
    names = [name.strip() for name in exporters.split(",")]
    return ",".join(name for name in names if name != OURS) or "none"
