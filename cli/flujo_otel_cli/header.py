"""The line above a run's tree."""

from collections.abc import Sequence

from flujo_otel.model import Run, RunStatus
from flujo_otel_cli import amounts
from flujo_otel_cli.line import Line, Piece, flowed, width_of
from flujo_otel_cli.runs import process_of, spent, title, took, waiting
from flujo_otel_cli.terminal import Terminal
from flujo_otel_cli.text import escape
from flujo_otel_cli.theme import STYLES

_JOINED_BY = {
    RunStatus.RUNNING: "for",
    RunStatus.COMPLETED: "in",
}


def header(
    run: Run,
    shown_id: str,
    to: Terminal,
    now_ns: int,
    *,
    outer_id: str = "",
    inside: Sequence[Run] = (),
) -> list[Line]:
    """Mark, name, how it went and how long, cost and tokens with those of the runs inside, spans,
    id, the run around it: on a terminal in as many lines as it takes."""
    theme = to.theme
    word = _JOINED_BY.get(run.status, "after")
    colour = STYLES.get(run.status, "")
    named = f"run {shown_id}{f' in {outer_id}' if outer_id else ''}"
    all_runs = (run, *inside)
    count = sum(each.total_tokens or 0 for each in all_runs)
    cost, tokens = spent(*all_runs) or "", amounts.plural(count, "token") if count else ""
    facts = [
        cost,
        tokens,
        amounts.plural(run.span_count, "span") + _failed([run]),
        waiting(run, now_ns, theme),
        named,
        f"{amounts.plural(len(inside), 'run')} inside{_failed(inside, ' there')}" if inside else "",
        f"{process_of(run)} is gone" if run.is_gone else "",
        f"from {escape(run.origin)}" if run.origin else "",
    ]
    mark = Piece(f"{theme.mark(run.status)} ", colour)
    lasted = took(run, now_ns, theme)
    length = f" {word} {lasted}" if lasted != theme.none else ""
    how = Piece(f"{escape(run.status)}{length}", colour)
    begins = [mark, Piece(title(run), "bold"), Piece("  "), how]
    told = [Piece(fact, "dim") for fact in facts if fact]
    dot = Piece(theme.dot, "dim")
    if not to.cuts:
        return [[*begins, *(piece for fact in told for piece in (dot, fact))]]
    parts = [to.spelled(part) for part in (begins, *([fact] for fact in told))]
    return list(flowed(parts, to.width, dot, width_of([mark])))


def _failed(runs: Sequence[Run], where: str = "") -> str:
    """How many of their spans failed: what is folded, or too deep to be drawn, is counted too."""
    count = sum(run.error_count for run in runs)
    return f", {count:,} failed{where}" if count else ""
