"""A run with the runs inside it, ready to be drawn."""

from typing import NamedTuple

from flujo_otel.model import Run
from flujo_otel.query.nesting import nesting_of, spans_with
from flujo_otel.query.spending import spending_of
from flujo_otel.query.tree import Node, build_tree
from flujo_otel.spanstore.api import TraceReader
from flujo_otel_cli.detail import Drawing, Inner
from flujo_otel_cli.document import Document, run_document, usage_document
from flujo_otel_cli.runs import short_id


class Picture(NamedTuple):
    """`roots`: one tree of all spans. `document`: what `--json` says beside them."""

    roots: list[Node]
    drawing: Drawing
    document: Document


def picture_of(
    reader: TraceReader, run: Run, run_name: str | None = None, *, db: str | None
) -> Picture:
    """`run_name`: what the reader called it, where not by its id. `db`: what --db named."""
    nesting = nesting_of(reader, run)
    shown_id = short_id(reader, run.run_id)
    drawing = Drawing(
        shown_id,
        run_name or shown_id,
        db=db,
        outer_id=short_id(reader, nesting.outer_run_id) if nesting.outer_run_id else "",
        inside={each.run_id: Inner(each, short_id(reader, each.run_id)) for each in nesting.inside},
    )
    roots = build_tree(spans_with(reader, run, nesting.inside))
    document = {
        "outer_run_id": nesting.outer_run_id,
        "runs_inside": [run_document(each) for each in nesting.inside],
        "usage": usage_document(spending_of(roots).whole),
    }
    return Picture(roots, drawing, document)
