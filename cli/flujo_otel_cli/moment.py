"""One line for each thing that happens: a span or a run that starts or ends."""

from typing import NamedTuple

from flujo_otel.model import Run, RunStatus, Span
from flujo_otel.query.failure import failure_of
from flujo_otel.spanstore.changes import SpanChange
from flujo_otel_cli import amounts
from flujo_otel_cli.document import Document, run_document, span_document
from flujo_otel_cli.line import Line, Name, Piece
from flujo_otel_cli.notes import subject_notes
from flujo_otel_cli.runs import process_of, spent, title
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import both_ends, escape, head
from flujo_otel_cli.theme import STYLES
from flujo_otel_cli.times import duration, moment

_ID_COLUMNS = 12
"""Our own ids begin with the time: in so many they differ from one run to the next."""
_ID_FROM = 60
"""Columns of the terminal from which lines say the run."""
_TOOK_COLUMNS = 8


class SpanMoment(NamedTuple):
    """A span that started or ended."""

    change: SpanChange

    def line(self, to: Terminal, now_ns: int) -> Line:
        """When, the run, how it stands, how long it took, its name, what failed, what it called."""
        span = self.change.span
        failure = failure_of(span) if span.status == "failed" else None
        said = failure.message.split("\n", 1)[0] if failure else ""
        limit = to.width if to.cuts else None
        called = "  ".join(subject_notes(span))
        return [
            *_front(span, span.end_time_ns, to, now_ns),
            Name(both_ends(span.name, limit) or "(no name)"),
            Piece(f"  {head(said, limit)}" if said else "", STYLES["failed"]),
            Piece(f"  {called}" if called else "", "dim"),
        ]

    def document(self) -> Document:
        """A line of `lens tail --json`."""
        event = "started" if self.change.span.end_time_ns is None else "ended"
        change = {"event": event, "change_seq": self.change.change_seq}
        return change | {"span": span_document(self.change.span)}


class RunMoment(NamedTuple):
    """A run that started, ended or died; `outer_run_id`: the run that it is in."""

    run: Run
    outer_run_id: str | None = None

    def line(self, to: Terminal, now_ns: int) -> Line:
        """The same as of a span; at its end its spans and cost, its process where that is gone."""
        run, died = self.run, self.run.status is RunStatus.DIED
        end_ns = run.last_time_ns if died else run.end_time_ns
        facts = [
            f"in {escape(self.outer_run_id[:_ID_COLUMNS])}" if self.outer_run_id else "",
            f"{process_of(run)} is gone" if died else "",
            amounts.plural(run.span_count, "span") if end_ns is not None else "",
            f"{run.error_count:,} failed" if run.error_count else "",
            spent(run) or "",
        ]
        said = to.theme.dot.join(fact for fact in facts if fact)
        return [
            *_front(run, end_ns, to, now_ns),
            Name(title(run)),
            Piece(f"  {said}" if said else "", "dim"),
        ]

    def document(self) -> Document:
        """A line of `lens tail --runs --json`."""
        events = {RunStatus.RUNNING: "started", RunStatus.DIED: "died"}
        run = run_document(self.run) | {"outer_run_id": self.outer_run_id}
        return {"event": events.get(self.run.status, "ended"), "run": run}


def _front(what: Span | Run, end_ns: int | None, to: Terminal, now_ns: int) -> Line:
    took = "" if end_ns is None else duration(end_ns - what.start_time_ns, to.theme.micro)
    took += "+" if what.status == RunStatus.DIED else ""
    shown_id = what.run_id[:_ID_COLUMNS]
    names_run = to.width >= _ID_FROM
    return [
        Piece(f"{moment(what.start_time_ns if end_ns is None else end_ns, now_ns):<12}  ", "dim"),
        Piece(f"{escape(shown_id):<{_ID_COLUMNS}}  " if names_run else "", "dim"),
        Piece(f"{to.theme.mark(what.status)} ", STYLES.get(what.status, "")),
        Piece(f"{took:>{_TOOK_COLUMNS}}  "),
    ]
