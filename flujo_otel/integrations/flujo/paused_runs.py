"""Runs of this process that wait for a human: each goes on in its first trace."""

import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.trace import SpanContext

from flujo_otel.integrations.flujo.pipeline import Numbering, PipelineFacts

_MOST: Final = 1024


@dataclass(slots=True)
class Paused:
    """What is kept of a paused run."""

    run_id: str
    span_context: SpanContext
    numbering: Numbering
    pipeline: PipelineFacts
    context: "weakref.ref[Any] | None"
    """flujo's context; None where it cannot be referred to weakly."""


_paused: Final[OrderedDict[str, Paused]] = OrderedDict()


def keep(paused: Paused) -> None:
    """Keep `paused` until it goes on. Of very many the oldest are forgotten."""
    _paused[paused.run_id] = paused
    while len(_paused) > _MOST:
        _paused.popitem(last=False)


def of_id(run_id: str) -> Paused | None:
    """The paused run of this id."""
    return _paused.get(run_id)


def of_context(context: Any) -> Paused | None:
    """The paused run that `context` belongs to: by the run id in it, else as the very object."""
    found = of_id(str(getattr(context, "run_id", None)))
    if found is not None:
        return found
    held = (each for each in _paused.values() if each.context is not None)
    return next((each for each in held if each.context and each.context() is context), None)


def forget(run_id: str) -> None:
    """The run goes on now."""
    _paused.pop(run_id, None)
