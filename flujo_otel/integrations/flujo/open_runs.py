"""Where runs are found between flujo's pre_run and post_run, and how they end."""

import sys
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from flujo_otel.integrations.flujo import paused_runs
from flujo_otel.integrations.flujo.paused_runs import Paused
from flujo_otel.integrations.flujo.pipeline import PipelineFacts
from flujo_otel.integrations.flujo.run import Run
from flujo_otel.semconv import flujo as semconv


class _Open(NamedTuple):
    run: Run
    watched: "weakref.ref[Any] | None"
    """A weak reference to its context, by which we hear that flujo has dropped it."""


_open: Final[dict[int, _Open]] = {}
"""By the id() of their context object."""
_lost: Final[deque[Run]] = deque()
"""Runs whose context is gone without a post_run: 0.4 sends none if its state backend fails."""


def add(run: Run, context: object, paused: Paused | None) -> None:
    """Make `run` the open one of `context`, which is what `paused` waited for; end those that flujo
    has lost meanwhile."""
    if paused is not None:
        paused_runs.forget(paused.run_id)
    _note_other_runs(run)
    _open[id(context)] = _Open(run, _watched(context))
    while _lost:
        _lost.popleft().end(semconv.STATUS_FAILED, "flujo never told how it ended")


def hand_on(run: Run, owner: object, pipeline: PipelineFacts) -> None:
    """Give `run` to `owner`, which knows the pipeline better than whoever began it."""
    run.adopt(owner, pipeline)
    _note_other_runs(run)


def of_context(context: object) -> Run | None:
    """The open run whose context is this very object. An equal id() is not enough: it may be one
    that an object had which is gone."""
    found = _open.get(id(context))
    return found.run if found is not None and found.run.context_object is context else None


def owners() -> Iterator[object]:
    """The owners of the open runs."""
    return (each.run.owner for each in list(_open.values()))


def end(run: Run, result: Any, context: Any) -> None:
    """End `run` and leave its tree on `result`; to be called from flujo's own clean-up code."""
    _open.pop(id(context), None)
    error = escaping(run)
    try:
        run.finish(result, context, error)
    finally:  # a fault of ours may have come before the end of the span
        if not run.closed:
            run.end(run.status(result, context, error))
        if run.node.status == semconv.STATUS_PAUSED and run.outer is None:
            paused_runs.keep(run.paused())
        run.leave_tree(result)


def pause(run: Run) -> None:
    """Have `run`, which has no span of its own that could end, wait among the paused ones."""
    _open.pop(id(run.context_object), None)
    paused_runs.keep(run.paused())


def escaping(run: Run) -> BaseException | None:
    """The exception on its way out of the run: flujo sends post_run from a `finally`."""
    error = sys.exc_info()[1]
    if error is run.caught or isinstance(error, GeneratorExit):
        return None
    return error


def _watched(context: object) -> "weakref.ref[Any] | None":
    try:
        return weakref.ref(context, _on_loss)
    except TypeError:
        return None


def _on_loss(reference: object) -> None:
    # The garbage collector calls this, perhaps while a span processor holds its lock: to end a span
    # here could wait for that lock for ever.
    for key, each in list(_open.items()):
        if each.watched is reference:
            del _open[key]
            _lost.append(each.run)


def _note_other_runs(run: Run) -> None:
    """Note on `run` whether it is the only open run of its owner, and on the others that they are
    not."""
    others = [
        each.run
        for each in list(_open.values())
        if each.run.owner is run.owner and each.run is not run
    ]
    run.is_alone = not others
    for each in others:
        each.is_alone = False
