"""With which run one is compared where nobody says."""

from collections.abc import Iterator

from flujo_otel.model import Run
from flujo_otel.semconv.flujo import PIPELINE_RUN
from flujo_otel.spanstore.api import RunFilter, TraceReader

_LOOKED_AT = 200
"""Of the runs before, so many, for one that began with a span of the same name."""


def earlier_run(reader: TraceReader, run: Run) -> Run | None:
    """The newest run of the same pipeline that started before `run`, which is not in it.

    All requests to a service are of one pipeline: where any began as `run` did, by the name of its
    root span, the newest of those. A run in another is compared with such too.
    """
    root = reader.roots([run.run_id]).get(run.run_id)
    is_inner = root is not None and root.outer_run_id is not None
    where = RunFilter(
        pipeline=run.pipeline_name, until_ns=run.start_time_ns, outermost=not is_inner
    )
    around = {run.run_id, *_around(reader, run)}
    found = [each for each in reader.list_runs(where, _LOOKED_AT) if each.run_id not in around]
    if root is None or root.name == PIPELINE_RUN or not found:
        return found[0] if found else None
    roots = reader.roots([each.run_id for each in found])
    alike = (
        each for each in found if each.run_id in roots and roots[each.run_id].name == root.name
    )
    return next(alike, found[0])


def _around(reader: TraceReader, run: Run) -> Iterator[str]:
    """The ids of the runs that it is in."""
    passed = {run.run_id}
    run_id: str | None = run.run_id
    while run_id is not None:
        root = reader.roots([run_id]).get(run_id)
        run_id = None if root is None or root.outer_run_id in passed else root.outer_run_id
        if run_id is not None:
            passed.add(run_id)
            yield run_id
