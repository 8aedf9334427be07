"""`opentelemetry-instrument` and `lens run`: the configurator behind OTEL_PYTHON_CONFIGURATOR."""

import os
from functools import partial
from typing import Any

from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel import guard, settings
from flujo_otel.bootstrap.components import only_installed
from flujo_otel.bootstrap.environment import CONFIGURATOR, OURS
from flujo_otel.bootstrap.program import forwarding_of, join
from flujo_otel.bootstrap.provider import global_provider
from flujo_otel.bootstrap.succession import make_way


class FlujoConfigurator(_OTelSDKConfigurator):
    """The SDK as its OTEL_* variables say, and our live processor beside their exporters.

    Installed packages' configurators are tried in no promised order, so this one adds nothing
    unless OTEL_PYTHON_CONFIGURATOR asks for it by name.
    """

    def _configure(self, **kwargs: Any) -> None:
        if os.environ.get(CONFIGURATOR) != OURS:
            super()._configure(**kwargs)  # type: ignore[no-untyped-call]
            return
        with guard.guarded("the SDK's own configuration"), only_installed():
            super()._configure(**kwargs)  # type: ignore[no-untyped-call]
        with guard.guarded("configuring from the environment"):
            chosen = settings.load()
            forwarding = None
            with guard.guarded("making the forwarder"):
                forwarding = forwarding_of(chosen)
            provider = global_provider()
            join(provider, chosen, forwarding)
            if isinstance(provider, TracerProvider):
                make_way(provider, partial(join, chosen=chosen, forwarding=forwarding))
