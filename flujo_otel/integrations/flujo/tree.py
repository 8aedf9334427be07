"""The tree that a finished run leaves on `pipeline_result.trace_tree` (FSD-09, 5.1)."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class TreeSpan:
    """A node of the tree; times are Unix time in seconds.

    The fields are those of flujo's own spans (0.4 has no `events`), so whatever of flujo's reads a
    trace tree reads this one; `attributes` are the OTel span's, without the recorded content.
    """

    span_id: str
    name: str
    start_time: float
    end_time: float | None = None
    parent_span_id: str | None = None
    # Not in the repr: asyncio writes the whole of a task's result to show 40 characters of it.
    attributes: dict[str, Any] = field(default_factory=dict, repr=False)
    children: list["TreeSpan"] = field(default_factory=list, repr=False)
    events: list[dict[str, Any]] = field(default_factory=list, repr=False)
    status: str = "running"


def graft(tree: TreeSpan, onto: Any) -> bool:
    """Make the root that flujo put on the result say what `tree` says; False if it is no root.

    `Flujo.run()` of 0.4 sets `trace_tree` again after the last hook, to that very object.
    """
    if not hasattr(onto, "__dict__") or not hasattr(onto, "children"):
        return False
    vars(onto).update({name: value for name, value in vars(tree).items() if hasattr(onto, name)})
    return True
