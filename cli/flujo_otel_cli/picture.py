"""A run with the runs inside it, ready to be drawn."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from flujo_otel.model import Run
from flujo_otel.query.nesting import nesting_of, spans_with
from flujo_otel.query.tree import Node, build_tree
from flujo_otel.spanstore.api import TraceReader
from flujo_otel_cli.runs import short_id

if TYPE_CHECKING:
    from flujo_otel_cli.document import Document


class Inner(NamedTuple):
    """A run inside the one that is drawn, and its id as shown."""

    run: Run
    shown_id: str


class Drawing(NamedTuple):
    """What is to be shown, and the run's id as shown; `run_name`: what the reader called it; `db`:
    the database, where --db named it."""

    shown_id: str
    run_name: str
    depth: int | None = None
    attributes: bool = False
    events: bool = False
    unfold: bool = False
    db: str | None = None
    outer_id: str = ""
    """The run that it is in, as shown."""
    inside: Mapping[str, Inner] = {}
    """Runs in it, by their ids."""
    names: Mapping[str, int] = {}
    """How many spans have each name, those that are not drawn too."""


class Picture(NamedTuple):
    """What `drawing.draw` makes lines of. `roots`: one tree of all spans."""

    roots: list[Node]
    drawing: Drawing
    outer_run_id: str | None

    def document(self) -> "Document":
        """What `--json` says beside the spans, as long as none is left out of `roots`."""
        # Lines say what the store has added up, and do without this: 3 of 133 ms.
        from flujo_otel.query.spending import spending_of
        from flujo_otel_cli.document import run_document, usage_document

        return {
            "outer_run_id": self.outer_run_id,
            "runs_inside": [run_document(inner.run) for inner in self.drawing.inside.values()],
            "usage": usage_document(spending_of(self.roots).whole),
        }


def picture_of(
    reader: TraceReader, run: Run, run_name: str | None = None, *, db: str | None
) -> Picture:
    """`run_name`: what the reader called it, where not by its id. `db`: what --db named."""
    nesting = nesting_of(reader, run)
    shown_id = short_id(reader, run.run_id)
    spans = spans_with(reader, run, nesting.inside)
    roots = build_tree(spans)
    drawing = Drawing(
        shown_id,
        run_name or shown_id,
        db=db,
        outer_id=short_id(reader, nesting.outer_run_id) if nesting.outer_run_id else "",
        inside={each.run_id: Inner(each, short_id(reader, each.run_id)) for each in nesting.inside},
        names=Counter(span.name for span in spans),
    )
    return Picture(roots, drawing, nesting.outer_run_id)
