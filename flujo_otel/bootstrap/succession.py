"""A provider that the program itself sets, where `lens run` has set one before its first line."""

from collections.abc import Callable
from functools import wraps

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from flujo_otel.bootstrap.tracers import Tracers, remember
from flujo_otel.guard import guarded

_Adopt = Callable[[TracerProvider], None]


def make_way(first: TracerProvider, adopt: _Adopt) -> None:
    """Let the SDK provider that the program sets take the place of `first`, the global one.

    OpenTelemetry would refuse it, and all that it exports, for the sake of a provider that the
    program knows nothing of. `adopt` is called with it. Once: further ones are refused as ever.
    """
    tracers = remember(first)
    refuse = trace.set_tracer_provider

    @wraps(refuse)
    def set_tracer_provider(tracer_provider: trace.TracerProvider) -> None:
        is_ours_in_place = trace.get_tracer_provider() is first is not tracer_provider
        if is_ours_in_place and isinstance(tracer_provider, TracerProvider):
            trace._TRACER_PROVIDER = tracer_provider
            with guarded("joining the program's provider"):
                _hand_over(first, tracers, tracer_provider)
                adopt(tracer_provider)
        else:
            refuse(tracer_provider)

    trace.set_tracer_provider = set_tracer_provider


def _hand_over(first: TracerProvider, tracers: Tracers, successor: TracerProvider) -> None:
    """Instrumentations have their tracers from `first`: from here on they are `successor`'s."""
    first.get_tracer = successor.get_tracer  # type: ignore[method-assign]
    for tracer, (args, kwargs) in list(tracers.items()):
        vars(tracer).update(vars(successor.get_tracer(*args, **kwargs)))
