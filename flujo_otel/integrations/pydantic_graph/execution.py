"""The span of one run of a graph, and what its nodes share."""

from typing import Any, Final, Protocol

from opentelemetry import trace
from opentelemetry.context import Context, create_key, get_current, get_value, set_value
from opentelemetry.util.types import AttributeValue

from flujo_otel.integrations.pydantic_graph import facts, origin
from flujo_otel.integrations.pydantic_graph.span import OpenSpan, is_cancellation
from flujo_otel.recording.choice import Recording
from flujo_otel.recording.failure import add_exception
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo, graph, openinference

_KEY: Final = create_key("flujo-otel-graph")


class OpenNode(Protocol):
    """A node of the run that has not ended."""

    def cancel(self) -> None: ...


class Execution(OpenSpan):
    """Opens with the object, under the current span; where there is none it is a run's root."""

    __slots__ = (
        "_failure",
        "_graph_run",
        "_inside",
        "_is_persisted",
        "_visits",
        "api",
        "broken_by",
        "context",
        "graph",
        "id",
        "is_root",
        "name",
        "open_nodes",
        "recording",
        "tracer",
    )

    def __init__(
        self, tracer: trace.Tracer, recording: Recording, of: Any, api: str, *, is_persisted: bool
    ) -> None:
        self.tracer = tracer
        self.recording = recording
        self.graph = of
        self.api = api
        self.name = redactor().text(str(getattr(of, "name", None) or facts.UNNAMED))
        self.open_nodes: dict[OpenNode, None] = {}
        self.broken_by: BaseException | None = None
        """What came out of the body that drives the run, before its nodes are cancelled for it."""
        self._is_persisted = is_persisted
        self._visits: dict[str, int] = {}
        self._inside: dict[tuple[str, str], bool] = {}
        self._failure: tuple[str, BaseException] | None = None
        self._graph_run: Any = None
        around = get_current()
        self.is_root = not trace.get_current_span(around).get_span_context().is_valid
        replayed = origin.replayed()
        span = tracer.start_span(
            self.name,
            context=around,
            attributes=self._first_attributes(replayed),
            links=_links(replayed),
        )
        super().__init__(span, recording)
        own = span.get_span_context()
        self.id = f"{own.trace_id:032x}-{own.span_id:016x}"
        self.context: Context = origin.forgotten(self.around(span, around))

    def _first_attributes(self, replayed: str | None) -> dict[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {
            openinference.SPAN_KIND: "CHAIN",
            graph.TYPE: self.name,
            graph.API: self.api,
        }
        if self.is_root:
            attributes[flujo.PIPELINE_NAME] = self.name
        if replayed is not None:
            attributes[graph.IS_REPLAY] = True
            attributes[graph.ORIGINAL_EXECUTION_ID] = redactor().text(replayed)
        return attributes

    def begin(self, graph_run: Any, *, is_resumed: bool) -> None:
        """Record what the run was started with; its GraphRun is there by now."""
        self._graph_run = graph_run
        attributes = self.content.json(facts.inputs_of(graph_run), openinference.INPUT_VALUE)
        if is_resumed:
            attributes |= self._resumption(facts.snapshot_id_of(graph_run.next_node))
        self.span.set_attributes({graph.EXECUTION_ID: self.id, **attributes})
        self.state(graph.EVENT_STATE_BEFORE, self.state_now())

    def _resumption(self, snapshot_id: str | None) -> dict[str, AttributeValue]:
        original = origin.left.at(snapshot_id) if snapshot_id else None
        if original is None:
            return {graph.IS_RESUMED: True}
        link = origin.link_to(original)
        if link is not None:
            self.span.add_link(link.context, link.attributes)
        return {graph.IS_RESUMED: True, graph.ORIGINAL_EXECUTION_ID: original}

    def around(self, span: trace.Span, base: Context | None = None) -> Context:
        """`base` (None: the current context) with `span`, which is of this run, as the current
        one."""
        return trace.set_span_in_context(span, set_value(_KEY, self, base))

    def visit(self, node_id: str) -> int:
        """Which start of this node the coming one is, from 1."""
        count = self._visits[node_id] = self._visits.get(node_id, 0) + 1
        return count

    def state_now(self) -> Any:
        return getattr(self._graph_run, "state", None)

    def forks_around(self, node_id: str, fork_stack: Any) -> list[Any]:
        """The forks in whose branches a builder's node runs, the outermost first."""
        if len(fork_stack) < 2:  # the graph's start is always the first
            return []
        return [fork for fork in fork_stack if self._is_inside(fork.fork_id, node_id)]

    def _is_inside(self, fork_id: str, node_id: str) -> bool:
        if fork_id == facts.START:
            return False
        found = self._inside.get((fork_id, node_id))
        if found is None:
            found = facts.is_inside(self.graph, fork_id, node_id)
            self._inside[fork_id, node_id] = found
        return found

    @property
    def was_cancelled(self) -> bool:
        """The code that drives the run was cancelled, not merely its nodes by the graph, nor by a
        failure: 1.x cancels it where a node has failed."""
        by = self.broken_by
        if by is None or isinstance(by, GeneratorExit) or not is_cancellation(by):
            return False
        return self._failure is None or is_cancellation(self._failure[1])

    def failed_by(self, node_id: str, error: BaseException) -> None:
        self._failure = node_id, error

    def finish(self, error: BaseException | None) -> None:
        """End the span by how the run ended, and what of it is still open."""
        if self.closed:
            return
        for node in list(self.open_nodes):
            node.cancel()
        attributes = self._last_state()
        outcome = facts.outcome_of(self._graph_run) if self._graph_run is not None else None
        if error is not None and not isinstance(error, GeneratorExit):
            self._fail(error, attributes)
        elif outcome is not None and outcome.has_ended:
            attributes |= self.content.json(facts.shown(outcome.output), openinference.OUTPUT_VALUE)
            self.end(graph.COMPLETED, attributes)
        else:
            self.end(graph.PAUSED if self._is_persisted else graph.ABANDONED, attributes)
        self._leave()

    def _last_state(self) -> dict[str, AttributeValue]:
        state = self.state_now()
        self.state(graph.EVENT_STATE_AFTER, state)
        return (
            self.content.json(state, flujo.FINAL_CONTEXT)
            if self.is_root and state is not None
            else {}
        )

    def _fail(self, error: BaseException, attributes: dict[str, AttributeValue]) -> None:
        node_id, known = self._failure or (None, None)
        if known is error and node_id is not None:
            attributes[graph.FAILED_NODE] = redactor().text(node_id)
        elif not is_cancellation(error):
            add_exception(self.span, error)
        self.end(graph.FAILED, attributes, error)

    def _leave(self) -> None:
        """Let go of the run and its errors, and remember where it may be gone on with.

        The context holds this very object: a cycle, which would keep all until the next collection.
        """
        node = getattr(self._graph_run, "next_node", None)
        snapshot_id = facts.snapshot_id_of(node)
        if snapshot_id is not None and facts.node_id_of(node) != facts.END:
            origin.left.add(snapshot_id, self.id)
        self._graph_run = self._failure = self.broken_by = None
        self.context = Context()


def _links(replayed: str | None) -> list[trace.Link]:
    link = origin.link_to(replayed) if replayed is not None else None
    return [] if link is None else [link]


def running_execution() -> Execution | None:
    """The innermost graph run that the calling code is part of; None outside of any."""
    found = get_value(_KEY)
    return found if isinstance(found, Execution) else None


def execution_id() -> str | None:
    """The id of the graph run that the calling code is part of; None outside of any.

    Inside a node, and in the body of `async with graph.iter(...)`. `replay_of` takes it.
    """
    execution = running_execution()
    return None if execution is None else execution.id
