"""What a run of a graph and its nodes say beyond flujo's names for both (docs/semconv.md).

A graph run that no span is around is a run's root (`flujo.pipeline.name`); a node is a step of the
type STEP_TYPE.
"""

from typing import Final

STEP_TYPE: Final = "graph_node"
"""The value of `flujo.step.type` on a node."""

# --- on a graph run and its nodes --------------------------------------------------------------
TYPE: Final = "graph.type"
"""The graph's name."""
STATUS: Final = "graph.status"
"""`completed`, `failed`, `cached`, `cancelled`, `paused` or `abandoned`: finer than a span's."""
COMPLETED: Final = "completed"
FAILED: Final = "failed"
CACHED: Final = "cached"
"""A node that said so with `mark_cached`."""
CANCELLED: Final = "cancelled"
"""A node that the graph needed no more, or that ended with the run around it."""
PAUSED: Final = "paused"
"""A run that was left before its end, with its state in a persistence that can go on with it."""
ABANDONED: Final = "abandoned"
"""A run that was left before its end."""

# --- on a graph run ----------------------------------------------------------------------------
API: Final = "graph.api"
"""`builder` or `base_node`: by which of pydantic-graph's two APIs the graph was made."""
EXECUTION_ID: Final = "graph.execution_id"
"""`<trace id>-<span id>` of the run's own span, in hex."""
ORIGINAL_EXECUTION_ID: Final = "graph.original_execution_id"
"""Of which execution this one is the replay or the continuation; a span link says it too."""
IS_REPLAY: Final = "graph.is_replay"
IS_RESUMED: Final = "graph.is_resumed"
FAILED_NODE: Final = "graph.failed_node"
"""The id of the node whose exception ended the run."""

# --- on a node ---------------------------------------------------------------------------------
NODE_ID: Final = "graph.node.id"
NODE_TYPE: Final = "graph.node.type"
"""`step`, `node` (a BaseNode), `decision`, `fork`, `map` or `join`."""
NODE_LABEL: Final = "graph.node.label"
NODE_VISIT: Final = "graph.node.visit"
"""How often this run had started this node by then, this time included."""
NODE_NEXT: Final = "graph.node.next"
"""The ids of the nodes that it led to, each once; `__end__` is the graph's end."""
FORK_ID: Final = "graph.fork.id"
"""On a node in a parallel branch: the innermost fork or map that made the branch."""
FORK_INDEX: Final = "graph.fork.index"
"""Which of that fork's branches, from 0. All forks' around it: `flujo.branch`, outermost first."""
BRANCHES: Final = "graph.branches"
"""On a fork or map: how many branches it started."""
JOINED: Final = "graph.joined"
"""On a join: how many items came together."""

# --- events ------------------------------------------------------------------------------------
EVENT_STATE_BEFORE: Final = "graph.state.before"
EVENT_STATE_AFTER: Final = "graph.state.after"
STATE: Final = "graph.state"
"""Attribute of the two: the state at that moment as JSON, of bounded size."""
