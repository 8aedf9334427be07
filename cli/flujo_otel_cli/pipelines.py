"""The names of pipelines, where one was named that has no run."""

from flujo_otel.spanstore.api import RunFilter, TraceReader
from flujo_otel_cli.nearest import did_you_mean
from flujo_otel_cli.text import brief_name

_RUNS_ASKED = 1000
"""Of the newest runs, so many are asked for their pipelines' names."""
_SHOWN = 80


def pipeline_names(reader: TraceReader) -> list[str]:
    """Each once, that of the newest run first."""
    return list(
        dict.fromkeys(run.pipeline_name for run in reader.list_runs(RunFilter(), _RUNS_ASKED))
    )


def no_such_pipeline(reader: TraceReader, name: str) -> str | None:
    """What to say of it; None where it has runs."""
    if reader.list_runs(RunFilter(pipeline=name), 1):
        return None
    names = pipeline_names(reader)
    there_are = ", ".join(brief_name(each, _SHOWN) for each in names) or "none"
    near = did_you_mean(name, names)
    return f"No run of a pipeline {brief_name(name, _SHOWN)!r}.{near} There are: {there_are}."
