"""What a person calls a run, to the run."""

from flujo_otel.errors import AmbiguousRun, NoSuchRun
from flujo_otel.model import Run
from flujo_otel.query.nesting import in_no_other
from flujo_otel.spanstore.api import RunFilter, TraceReader

LAST = "last"
PREVIOUS = "prev"
CANDIDATES = 10
"""At most so many near or ambiguous ids are named."""

_TRACE_ID_DIGITS = 32
_FLUJO_PREFIX = "run_"
"""flujo's own run ids begin so: a person need not type it."""


def resolve(reader: TraceReader, name: str) -> Run:
    """The run that `name` names: `last`, `prev`, a run id, a unique prefix of one, or a trace id.

    `last` and `prev` are the first two that `lens list` lists: a run inside another is neither, for
    whoever looks at that sees it too.
    Raises NoSuchRun with near ids, or AmbiguousRun with the candidates, newest first.
    """
    if name in (LAST, PREVIOUS):
        return _newest(reader, name)
    run = reader.get_run(name) if name else None
    if run is not None:
        return run
    candidates = _candidates(reader, name)
    if not candidates:
        raise NoSuchRun(name, _near(reader, name))
    if len(candidates) > 1:
        raise AmbiguousRun(name, [candidate.run_id for candidate in candidates])
    return candidates[0]


def _newest(reader: TraceReader, name: str) -> Run:
    place = 0 if name == LAST else 1
    runs = reader.list_runs(RunFilter(outermost=True), place + 1)
    if len(runs) <= place:
        raise NoSuchRun(name, [run.run_id for run in runs])
    return runs[place]


def _candidates(reader: TraceReader, name: str) -> list[Run]:
    if not name:
        return []
    found = reader.runs_with_prefix(name, CANDIDATES)
    found = found or reader.runs_with_prefix(_FLUJO_PREFIX + name, CANDIDATES)
    if not found and len(name) == _TRACE_ID_DIGITS:
        found = reader.runs_of_trace(name.lower())
        found = in_no_other(reader, found) or found
    return found


def _near(reader: TraceReader, name: str) -> list[str]:
    """Ids that begin as `name` does, the more the better; else those that look like it."""
    for length in range(len(name) - 1, 2, -1):
        runs = reader.runs_with_prefix(name[:length], CANDIDATES)
        if runs:
            return [run.run_id for run in runs]
    return _look_alikes(reader, name)


def _look_alikes(reader: TraceReader, name: str) -> list[str]:
    import difflib  # only a mistyped id needs it

    recent = [run.run_id for run in reader.list_runs(RunFilter(), 200)]
    by_head = {run_id[: max(len(name), 4)]: run_id for run_id in reversed(recent)}
    return [by_head[head] for head in difflib.get_close_matches(name, by_head, 3, 0.6)]
