"""The builder API: `pydantic_graph.graph_builder` of 2.x, `pydantic_graph.beta.graph` of 1.x."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from flujo_otel.guard import guarded
from flujo_otel.integrations.pydantic_graph import facts
from flujo_otel.integrations.pydantic_graph.execution import Execution, running_execution
from flujo_otel.integrations.pydantic_graph.iteration import Iteration, infer_name
from flujo_otel.integrations.pydantic_graph.node import Node, running_node
from flujo_otel.integrations.pydantic_graph.patching import Patching
from flujo_otel.redaction import redactor
from flujo_otel.semconv import graph as semconv
from flujo_otel.words import words_of

MODULES: Final = ("pydantic_graph.graph_builder", "pydantic_graph.beta.graph")
_EXECUTION: Final = "_flujo_otel_execution"
"""Where the engine of a run keeps whose it is."""
_AT_START: Final = guarded("the start of a graph's node")
_AT_END: Final = guarded("the end of a graph's node")


def instrument(module: Any, patching: Patching) -> None:
    """Trace what graphs of `module` do from now on. Raises AttributeError for a layout that is not
    known here."""
    engine = module._GraphIterator
    patching.replace(module.Graph, "iter", partial(_traced_iter, patching))
    patching.replace(engine, "_run_task", partial(_traced_task, patching))
    patching.replace(engine, "_handle_node", _seen_node)
    patching.replace(engine, "_handle_non_fork_edges", _seen_edges)
    patching.replace(module.Join, "reduce", _seen_reduce)
    patching.replace_own_spans(module)


def _traced_iter(patching: Patching, original: Callable[..., Any]) -> Callable[..., Any]:
    def traced_iter(graph: Any, *args: Any, **kwargs: Any) -> Any:
        if not patching.is_live or facts.is_an_agents(graph):
            return original(graph, *args, **kwargs)
        with _AT_START:
            infer_name(graph, kwargs)
        return Iteration(
            original(graph, *args, **kwargs),
            lambda: patching.execution(graph, "builder"),
            _bind,
        )

    return traced_iter


def _bind(graph_run: Any, execution: Execution) -> None:
    setattr(graph_run._iterator_instance, _EXECUTION, execution)


def _execution_of(engine: Any) -> Execution | None:
    found: Execution | None = getattr(engine, _EXECUTION, None)
    return found


def _traced_task(patching: Patching, original: Callable[..., Any]) -> Callable[..., Any]:
    async def _run_task(engine: Any, task: Any) -> Any:
        execution = _execution_of(engine)
        node = None
        if execution is not None and patching.is_live and not execution.closed:
            with _AT_START:
                node = _begin(execution, engine, task)
        if node is None:
            return await original(engine, task)
        try:
            result = await original(engine, task)
        except BaseException as error:
            with _AT_END:
                node.detach()
                node.fail(error, is_error=node.execution.was_cancelled)
            raise
        with _AT_END:
            if hasattr(result, "iterable"):
                # Stays current: the stream's own code runs in this task, item by item.
                result.iterable = node.streamed(result.iterable)
                return result
            node.detach()
            node.complete(facts.next_of(result))
        return result

    return _run_task


def _begin(execution: Execution, engine: Any, task: Any) -> Node | None:
    """The span of the node that is about to run; None for a start, an end and an item for a join,
    whose own span lasts from its first item on."""
    definition = engine.graph.nodes.get(task.node_id)
    kind = facts.kind_of(definition)
    if kind == "join":
        _join(execution, definition, task)
        return None
    if kind is None:
        return None
    node = _opened(execution, definition, kind, task.node_id, task.fork_stack)
    is_base_node = kind == "node" and hasattr(task.inputs, "get_node_id")
    node.begin(facts.fields_of(task.inputs) if is_base_node else task.inputs)
    node.attach()
    return node


def _opened(
    execution: Execution, definition: Any, kind: str, node_id: Any, fork_stack: Any
) -> Node:
    about = facts.branch_of(execution.forks_around(node_id, fork_stack))
    label = getattr(definition, "label", None)
    if label is not None:
        about[semconv.NODE_LABEL] = redactor().text(words_of(label))
    return Node(
        execution, str(node_id), kind, about, parent=execution.context, fork_stack=fork_stack
    )


def _join(execution: Execution, definition: Any, task: Any) -> None:
    """Count an item that has come to a join; the first of a fork's opens the join's span."""
    fork_id = execution.graph.get_parent_fork(definition.id).fork_id
    run = next((f.node_run_id for f in reversed(task.fork_stack) if f.fork_id == fork_id), None)
    for join in _open_joins(execution, definition):
        if any(fork.node_run_id == run for fork in join.fork_stack):
            join.joined += 1
            return
    join = _opened(execution, definition, "join", definition.id, _around(task.fork_stack, fork_id))
    join.fork_stack = task.fork_stack
    join.state(semconv.EVENT_STATE_BEFORE, execution.state_now())
    join.joined = 1


def _around(fork_stack: Any, fork_id: Any) -> Any:
    """The part of the stack that is outside of the fork: where its join is."""
    ids = [fork.fork_id for fork in fork_stack]
    return fork_stack[: ids.index(fork_id)] if fork_id in ids else fork_stack


def _open_joins(execution: Execution, definition: Any) -> list[Node]:
    node_id = str(definition.id)
    nodes = (each for each in execution.open_nodes if isinstance(each, Node))
    return [each for each in nodes if each.kind == "join" and each.node_id == node_id]


def _seen_node(original: Callable[..., Any]) -> Callable[..., Any]:
    def _handle_node(engine: Any, next_node: Any, fork_stack: Any) -> Any:
        _gave(engine, next_node)
        return original(engine, next_node, fork_stack)

    return _handle_node


def _seen_edges(original: Callable[..., Any]) -> Callable[..., Any]:
    def _handle_non_fork_edges(engine: Any, node: Any, inputs: Any, fork_stack: Any) -> Any:
        execution = _execution_of(engine)
        if execution is None or execution.closed:
            return original(engine, node, inputs, fork_stack)
        kind = facts.kind_of(node)
        if kind == "step":
            _gave(engine, inputs)
        tasks = original(engine, node, inputs, fork_stack)
        if kind == "join":
            with _AT_END:
                _joined(execution, node, inputs, fork_stack, tasks)
        return tasks

    return _handle_non_fork_edges


def _gave(engine: Any, output: Any) -> None:
    """Keep what the running node returned. An agent inside it has an engine of its own."""
    node = running_node()
    if node is not None and node.execution is _execution_of(engine):
        node.gave(output)


def _joined(execution: Execution, node: Any, output: Any, fork_stack: Any, tasks: Any) -> None:
    """End the span of the join that goes on with `output`. One that no item came to, for its map
    was empty, has none yet."""
    size = len(fork_stack)
    found = (n for n in _open_joins(execution, node) if n.fork_stack[:size] == fork_stack)
    join = next(found, None)
    if join is None:
        join = _opened(execution, node, "join", node.id, ())
    join.gave(output)
    join.complete(facts.next_of(tasks))


def _seen_reduce(original: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(join: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(join, *args, **kwargs)
        except BaseException as error:
            with _AT_END:
                _failed(join, error)
            raise

    return reduce


def _failed(join: Any, error: BaseException) -> None:
    """The reducer runs in the code that drives the run, so the run is the current one there."""
    execution = running_execution()
    if execution is not None:
        for node in _open_joins(execution, join)[-1:]:
            node.fail(error)
