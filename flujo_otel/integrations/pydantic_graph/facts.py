"""What pydantic-graph's objects say, read alike from all versions. Imports nothing of it.

Classes are told by their names: 1.x has two graph APIs in modules of their own, 2.x has one.
"""

from collections.abc import Sequence
from dataclasses import is_dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo
from flujo_otel.semconv import graph as semconv

UNNAMED: Final = "graph"
END: Final = "__end__"
START: Final = "__start__"
_OWN_ENGINE: Final = "pydantic_ai"
_SNAPSHOT_ID: Final = "__snapshot_id"
_KINDS: Final = {
    "NodeStep": "node",
    "Step": "step",
    "Decision": "decision",
    "Fork": "fork",
    "Join": "join",
    "StartNode": None,
    "EndNode": None,
}


def is_an_agents(graph: Any) -> bool:
    """pydantic-ai runs each agent as a graph of its own; the agent has spans that say more."""
    module = str(getattr(getattr(graph, "state_type", None), "__module__", ""))
    return module.partition(".")[0] == _OWN_ENGINE


@lru_cache(maxsize=256)
def _kind(kind: type) -> str | None:
    names = [base.__name__ for base in kind.__mro__]
    return next((_KINDS[name] for name in names if name in _KINDS), "step")


def kind_of(node: Any) -> str | None:
    """A builder's node in a word; None for where a graph starts and ends."""
    kind: str | None = _kind(type(node))  # type: ignore[arg-type]
    return "map" if kind == "fork" and getattr(node, "is_map", False) else kind


def node_id_of(node: Any) -> str:
    """The id of a BaseNode; of an End, the graph's end."""
    return str(node.get_node_id()) if hasattr(node, "get_node_id") else END


def fields_of(node: Any) -> Any:
    """A BaseNode's own data, without the id that pydantic-graph 1.x keeps among them."""
    if is_dataclass(node) or hasattr(node, "__pydantic_core_schema__"):
        return node
    return {name: value for name, value in vars(node).items() if not name.startswith("_")}


def shown(value: Any) -> Any:
    """What a node took or gave, for the record: a node by its id and data, an End by its data."""
    name = type(value).__name__
    if name == "End" and hasattr(value, "data"):
        return value.data
    if name in ("StepNode", "JoinNode"):
        target = value.step if name == "StepNode" else value.join
        return {"node_id": str(target.id), "inputs": value.inputs}
    if hasattr(value, "get_node_id"):
        return {"node_id": node_id_of(value), "inputs": fields_of(value)}
    return value


def snapshot_id_of(node: Any) -> str | None:
    """Under which id pydantic-graph 1.x has `node` in its persistence, if it has."""
    return getattr(node, _SNAPSHOT_ID, None)


class Next(NamedTuple):
    """Where a builder's node led to: the ids, each once, and how many tasks that makes."""

    ids: Sequence[str]
    tasks: int


def next_of(result: Any) -> Next:
    """Read what the builder's engine made of a node: tasks, the end, or an item for a join."""
    name = type(result).__name__
    if name == "EndMarker":
        return Next((END,), 0)
    if name == "JoinItem":
        return Next((str(result.join_id),), 1)
    if not isinstance(result, Sequence):
        return Next((), 0)
    return Next(tuple(dict.fromkeys(str(task.node_id) for task in result)), len(result))


def is_inside(graph: Any, fork_id: Any, node_id: Any) -> bool:
    """Whether a node lies between a fork and its join: behind the join the fork is still on the
    engine's stack. A fork that nothing joins goes on to the graph's end."""
    parents = [each for each in graph.parent_forks.values() if each.fork_id == fork_id]
    return not parents or any(node_id in each.intermediate_nodes for each in parents)


def branch_of(forks: Sequence[Any]) -> dict[str, Any]:
    """Attributes that place a node in the branches of `forks`, the outermost first."""
    if not forks:
        return {}
    return {
        semconv.FORK_ID: redactor().text(str(forks[-1].fork_id)),
        semconv.FORK_INDEX: forks[-1].thread_index,
        flujo.PARALLEL_BRANCH: "/".join(str(fork.thread_index) for fork in forks),
    }


class Outcome(NamedTuple):
    """How far a graph run came: `output` only where it `has_ended`."""

    has_ended: bool
    output: Any


def outcome_of(graph_run: Any) -> Outcome:
    """Read either API's GraphRun."""
    if hasattr(graph_run, "next_node"):
        node = graph_run.next_node
        has_ended = type(node).__name__ == "End"
        return Outcome(has_ended, node.data if has_ended else None)
    marker = graph_run.next_task
    has_ended = type(marker).__name__ == "EndMarker"
    return Outcome(has_ended, marker.value if has_ended else None)


def inputs_of(graph_run: Any) -> Any:
    """What a run that has not begun was given: the builder's inputs, or the first node."""
    if hasattr(graph_run, "next_node"):
        return shown(graph_run.next_node)
    return shown(graph_run.inputs)
