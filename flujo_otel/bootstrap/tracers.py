"""The tracers that a provider of ours has given out, for what changes once they are at work."""

from functools import wraps
from typing import Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

Tracers = WeakKeyDictionary[trace.Tracer, tuple[tuple[Any, ...], dict[str, Any]]]
_given_out: Final[WeakKeyDictionary[TracerProvider, Tracers]] = WeakKeyDictionary()


def remember(provider: TracerProvider) -> Tracers:
    """The living tracers of `provider` from now on, with what each was asked for by."""
    if provider in _given_out:
        return _given_out[provider]
    tracers: Tracers = WeakKeyDictionary()
    get_tracer = provider.get_tracer

    @wraps(get_tracer)
    def remembered(*args: Any, **kwargs: Any) -> trace.Tracer:
        tracer = get_tracer(*args, **kwargs)
        tracers[tracer] = args, kwargs
        return tracer

    provider.get_tracer = remembered  # type: ignore[method-assign]
    _given_out[provider] = tracers
    return tracers


def remembered_of(provider: TracerProvider) -> Tracers | None:
    """None: it is not ours."""
    return _given_out.get(provider)
