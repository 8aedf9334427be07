"""The span of one run of one node."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.util.types import AttributeValue

from flujo_otel.guard import guarded
from flujo_otel.integrations.pydantic_graph import facts
from flujo_otel.integrations.pydantic_graph.execution import Execution, running_execution
from flujo_otel.integrations.pydantic_graph.span import OpenSpan, is_cancellation
from flujo_otel.recording.attached import Attached
from flujo_otel.recording.failure import add_exception
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo, graph, openinference

_NOTHING: Final = object()
_KEY: Final = create_key("flujo-otel-graph-node")
_AT_END: Final = guarded("the end of a graph's node")


class Node(OpenSpan):
    """Opens with the object; `about`: attributes that are known by then. `parent` None: the span
    that is current."""

    __slots__ = (
        "_attached",
        "_output",
        "execution",
        "fork_stack",
        "is_cached",
        "joined",
        "kind",
        "node_id",
    )

    def __init__(
        self,
        execution: Execution,
        node_id: str,
        kind: str,
        about: Mapping[str, AttributeValue],
        *,
        parent: Context | None = None,
        fork_stack: Sequence[Any] = (),
    ) -> None:
        self.execution = execution
        self.node_id = node_id
        self.kind = kind
        self.fork_stack = fork_stack
        self.joined = 0
        self.is_cached = False
        self._output: Any = _NOTHING
        self._attached: Attached | None = None
        name = redactor().text(node_id)
        attributes: dict[str, AttributeValue] = {
            flujo.STEP_TYPE: graph.STEP_TYPE,
            openinference.SPAN_KIND: "CHAIN",
            graph.TYPE: execution.name,
            graph.NODE_ID: name,
            graph.NODE_TYPE: kind,
            graph.NODE_VISIT: execution.visit(node_id),
            **about,
        }
        span = execution.tracer.start_span(name, context=parent, attributes=attributes)
        super().__init__(span, execution.recording)
        execution.open_nodes[self] = None

    def begin(self, inputs: object) -> None:
        """Record what the node is given, and the state before it."""
        self.span.set_attributes(self.content.json(inputs, openinference.INPUT_VALUE))
        self.state(graph.EVENT_STATE_BEFORE, self.execution.state_now())

    def attach(self) -> None:
        """Make this the current span until `detach`."""
        self._attached = Attached(set_value(_KEY, self, self.execution.around(self.span)))

    def detach(self) -> None:
        if self._attached is not None:
            self._attached.undo()
            self._attached = None

    def gave(self, output: object) -> None:
        """Keep what the node's own code returned, for its end."""
        self._output = output

    def complete(self, following: facts.Next) -> None:
        attributes: dict[str, AttributeValue] = {}
        if following.ids:
            attributes[graph.NODE_NEXT] = [redactor().text(each) for each in following.ids]
        if self.kind in ("fork", "map"):
            attributes[graph.BRANCHES] = following.tasks
        elif self.kind == "decision" and following.ids:
            attributes[flujo.BRANCH_KEY] = redactor().text(following.ids[0])
        elif self.kind == "join":
            attributes[graph.JOINED] = self.joined
        self._finish(graph.CACHED if self.is_cached else graph.COMPLETED, attributes)

    def fail(self, error: BaseException, *, is_error: bool = True) -> None:
        """End by an exception. A cancellation is an error only where `is_error` says so: a graph
        cancels nodes that it needs no more."""
        if is_cancellation(error) and not is_error:
            self.cancel()
            return
        if not is_cancellation(error):
            add_exception(self.span, error)
        self.execution.failed_by(self.node_id, error)
        self._finish(graph.FAILED, {}, error)

    def cancel(self) -> None:
        self._finish(graph.CANCELLED, {})

    def _finish(
        self,
        status: str,
        attributes: dict[str, AttributeValue],
        error: BaseException | None = None,
    ) -> None:
        if self.closed:
            return
        self.execution.open_nodes.pop(self, None)
        self.state(graph.EVENT_STATE_AFTER, self.execution.state_now())
        if self._output is not _NOTHING:
            attributes |= self.content.json(facts.shown(self._output), openinference.OUTPUT_VALUE)
            self._output = _NOTHING
        if self.is_cached:
            attributes[flujo.CACHE_HIT] = True
        self.end(status, attributes, error)

    async def streamed(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Pass on what a map starts for each item of a stream; the span ends with the stream."""
        ids: dict[str, None] = {}
        count = 0
        try:
            async for tasks in source:
                count += len(tasks)
                ids |= dict.fromkeys(str(task.node_id) for task in tasks)
                yield tasks
        except BaseException as error:
            with _AT_END:
                self.fail(error, is_error=self.execution.was_cancelled)
            raise
        with _AT_END:
            self.complete(facts.Next(tuple(ids), count))


def running_node() -> Node | None:
    """The node that the calling code is part of; None outside of any, and in a run inside it."""
    found = get_value(_KEY)
    return found if isinstance(found, Node) and found.execution is running_execution() else None


def mark_cached() -> None:
    """Say that what the running node gives came from a cache; outside of a node it does nothing.

    pydantic-graph has no cache of its own, so only the node's own code knows.
    """
    with guarded("marking a node as cached"):
        node = running_node()
        if node is not None:
            node.is_cached = True
