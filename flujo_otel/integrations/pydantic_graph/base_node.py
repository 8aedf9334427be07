"""The first API of pydantic-graph 1.x: `Graph(nodes=[...])` of BaseNodes, one after the other.

In 2.x BaseNodes are nodes of a builder's graph.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from flujo_otel.guard import guarded
from flujo_otel.integrations.pydantic_graph import facts
from flujo_otel.integrations.pydantic_graph.execution import Execution, running_execution
from flujo_otel.integrations.pydantic_graph.iteration import Iteration, infer_name
from flujo_otel.integrations.pydantic_graph.node import Node
from flujo_otel.integrations.pydantic_graph.patching import Patching

MODULES: Final = ("pydantic_graph.graph",)
_EXECUTION: Final = "_flujo_otel_execution"
"""Where a GraphRun keeps whose it is."""
_AT_START: Final = guarded("the start of a graph's node")
_AT_END: Final = guarded("the end of a graph's node")


def instrument(module: Any, patching: Patching) -> None:
    """Trace what graphs of `module` do from now on. Raises AttributeError for a layout that is not
    known here."""
    patching.replace(module.Graph, "iter", partial(_traced_iter, patching, is_resumed=False))
    patching.replace(
        module.Graph, "iter_from_persistence", partial(_traced_iter, patching, is_resumed=True)
    )
    patching.replace(module.GraphRun, "next", partial(_traced_next, patching))
    patching.replace_own_spans(module)


def _traced_iter(
    patching: Patching, original: Callable[..., Any], *, is_resumed: bool
) -> Callable[..., Any]:
    def traced_iter(graph: Any, *args: Any, **kwargs: Any) -> Any:
        if not patching.is_live:
            return original(graph, *args, **kwargs)
        with _AT_START:
            infer_name(graph, kwargs)
        is_persisted = is_resumed or kwargs.get("persistence") is not None
        return Iteration(
            original(graph, *args, **kwargs),
            lambda: patching.execution(graph, "base_node", is_persisted=is_persisted),
            _bind,
            is_resumed=is_resumed,
        )

    return traced_iter


def _bind(graph_run: Any, execution: Execution) -> None:
    setattr(graph_run, _EXECUTION, execution)


def _traced_next(patching: Patching, original: Callable[..., Any]) -> Callable[..., Any]:
    async def traced_next(graph_run: Any, node: Any = None) -> Any:
        execution: Execution | None = getattr(graph_run, _EXECUTION, None)
        opened = None
        if execution is not None and patching.is_live and not execution.closed:
            with _AT_START:
                opened = _begin(execution, graph_run.next_node if node is None else node)
        if opened is None:
            return await original(graph_run, node)
        try:
            following = await original(graph_run, node)
        except BaseException as error:
            with _AT_END:
                opened.detach()
                opened.fail(error)
            raise
        with _AT_END:
            opened.detach()
            opened.gave(following)
            opened.complete(facts.Next((facts.node_id_of(following),), 1))
        return following

    return traced_next


def _begin(execution: Execution, node: Any) -> Node | None:
    """The span of the node that is about to run; None for what is no node, which is refused.

    It hangs under the current span, which may be one that the code driving the run has opened.
    """
    if not hasattr(node, "get_node_id"):
        return None
    # The run may be driven from elsewhere.
    parent = None if running_execution() is execution else execution.context
    opened = Node(execution, facts.node_id_of(node), "node", {}, parent=parent)
    opened.begin(facts.fields_of(node))
    opened.attach()
    return opened
