"""Why a run failed, said before its steps or spans: there may be many between."""

from collections.abc import Iterator, Mapping

from flujo_otel.model import Run, RunStatus
from flujo_otel.query.failure import Failure, failure_of, repeats
from flujo_otel.query.tree import Node, build_tree, walk
from flujo_otel_cli.failures import failure_lines, unexplained_failures
from flujo_otel_cli.handle import handle_in
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Name, Piece
from flujo_otel_cli.run_spans import failed_spans
from flujo_otel_cli.runs import short_id
from flujo_otel_cli.session import Session
from flujo_otel_cli.text import both_ends
from flujo_otel_cli.theme import STYLES

_FAILURES_SHOWN = 3


def cause_lines(session: Session, run: Run) -> Iterator[Line]:
    """The message and the place of what the last of its parts failed of, and the command that opens
    it; of a step that failed and was made up for nothing."""
    if run.status is not RunStatus.FAILED:
        return
    roots = build_tree(failed_spans(session, run))
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


def failed_lines(session: Session, run: Run, failures: Mapping[Node, Failure]) -> Iterator[Line]:
    """Of a run without steps, what failed: each span's name, message, place, and the command that
    opens it; of the run itself, which the header names, the message and the place alone."""
    to = session.to
    failed = sorted(failures, key=lambda node: node.start_time_ns)
    for node in failed[:_FAILURES_SHOWN]:
        if node.is_run_root:
            yield from failure_lines(failures[node], to)
            continue
        name = both_ends(node.name, to.width if to.cuts else None) or "(no name)"
        yield [Piece(f"{to.theme.mark('failed')} ", STYLES["failed"]), Name(name, "bold")]
        lines = failure_lines(failures[node], to, _opens(session, run, node), to.width - 2)
        yield from ([Piece("  "), *line] for line in lines)
    if len(failed) > _FAILURES_SHOWN:
        all_of_them = hint("trace", short_id(session.reader, run.run_id), "--errors", db=session.db)
        more = f"{len(failed) - _FAILURES_SHOWN:,} more failed: "
        yield [Piece(more, "dim"), Command(all_of_them, "dim")]


def _opens(session: Session, run: Run, node: Node) -> str:
    assert node.span is not None
    name = handle_in(session.reader, run, node.span)
    return hint("show", short_id(session.reader, run.run_id), "--step", name, db=session.db)
