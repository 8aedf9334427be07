"""A final context on one line, which ends where the terminal does."""

import json
from typing import Final

from flujo_otel_cli.content import parsed

FLUJOS_OWN: Final = frozenset(
    {
        "background_error",
        "background_error_category",
        "call_count",
        "checklist",
        "command_log",
        "conversation_history",
        "current_state",
        "granular_state",
        "hitl_data",
        "hitl_history",
        "import_artifacts",
        "initial_prompt",
        "is_background_task",
        "loop_iteration_index",
        "loop_last_output",
        "loop_paused_step_name",
        "loop_resume_requires_hitl_output",
        "loop_step_index",
        "memory_store",
        "next_state",
        "parent_run_id",
        "pause_message",
        "paused_step_input",
        "run_id",
        "scratchpad",
        "solution",
        "status",
        "step_outputs",
        "task_id",
        "tree_search_state",
        "user_input",
    }
)
"""Fields of flujo's pipeline contexts, of 0.4 and of 0.6."""
_IN_EACH: Final = frozenset({"run_id", "initial_prompt"})
"""By which such a context is told from a graph's state."""


def own_first(text: str | None) -> str | None:
    """The context with its program's own fields first: flujo's are up to thirty, and stand before
    them."""
    context = parsed(text)
    if not isinstance(context, dict) or not context.keys() >= _IN_EACH:
        return text
    ordered = sorted(context, key=lambda name: name in FLUJOS_OWN)
    return json.dumps({name: context[name] for name in ordered}, ensure_ascii=False)
