"""Why a run of flujo's failed, said before its steps: there may be many between."""

from collections.abc import Iterator
from itertools import islice

from flujo_otel.model import Run, RunStatus
from flujo_otel.query.failure import failure_of, repeats
from flujo_otel.query.tree import Node, build_tree, walk
from flujo_otel.spanstore.api import SpanFilter
from flujo_otel_cli.failures import failure_lines, unexplained_failures
from flujo_otel_cli.handle import handle_in
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Line
from flujo_otel_cli.runs import short_id
from flujo_otel_cli.session import Session

_FAILED_SPANS = 1_000
"""That are looked through."""


def cause_lines(session: Session, run: Run) -> Iterator[Line]:
    """The message and the place of what the last of its parts failed of, and the command that opens
    it; of a step that failed and was made up for nothing."""
    if run.status is not RunStatus.FAILED:
        return
    failed = session.reader.spans(run.run_id, SpanFilter(status="failed"))
    roots = build_tree(islice(failed, _FAILED_SPANS))
    nodes = [node for node, _ in walk(roots) if node.span is not None]
    parts = [node for node in nodes if node.is_run_root]
    if not parts:
        return
    last = max(parts, key=lambda node: node.start_time_ns)
    failures = unexplained_failures(roots)
    whole = failure_of(last.span) if last.span is not None else None
    beneath = (node for node, _ in walk([last]) if node in failures)
    fitting = [n for n in beneath if whole is None or repeats(whole, failures[n].message)]
    if fitting:
        opens = "" if fitting[-1] is last else _opens(session, run, fitting[-1])
        yield from failure_lines(failures[fitting[-1]], session.to, opens)


def _opens(session: Session, run: Run, node: Node) -> str:
    assert node.span is not None
    name = handle_in(session.reader, run, node.span)
    return hint("show", short_id(session.reader, run.run_id), "--step", name, db=session.db)
