"""What the filters said of one item, as it is recorded: each verdict a bool."""

from typing import Any, Final

from flujo_otel.interruption import passes
from flujo_otel.storage.snapshot import snapshot
from flujo_otel.xray.mistake import say

_FILTERS: Final = (
    "add_evaluation: `filters` must be a list of dicts, such as [{'name': 'price', 'passed': True, "
    "'detail': '40 is under 100'}]; one that is no dict is not counted"
)


def evaluation_of(
    item_id: Any, item_data: Any, filters: Any, qualified: Any, reasoning: Any
) -> dict[str, Any]:
    """One of `xray.evaluations`. Raises nothing but what a signal's handler raises meanwhile."""
    return {
        "item_id": snapshot(item_id),
        "item_data": snapshot(item_data),
        "filters": _verdicts(filters),
        "qualified": _truth(qualified, "`qualified`"),
        "reasoning": snapshot(reasoning),
    }


def _verdicts(filters: Any) -> Any:
    """A copy, in which each `passed` is the truth of the value that was given."""
    told = snapshot(filters)
    if type(told) is not list:
        if told:
            say(_FILTERS)
        return told
    given = filters if type(filters) in (list, tuple) else told
    for each, verdict in zip(given, told, strict=False):
        if type(verdict) is not dict or "passed" not in verdict:
            say(_FILTERS)
        elif type(verdict["passed"]) is not bool:
            passed = dict.get(each, "passed") if isinstance(each, dict) else verdict["passed"]
            verdict["passed"] = _truth(passed, "`passed` of a filter")
    return told


def _truth(value: Any, name: str) -> bool | None:
    """None where its class's own code does not say, as that of pandas' NA."""
    if type(value) is bool:
        return value
    try:
        return bool(value)
    except BaseException as error:  # of a class that is not ours
        if passes(error):
            raise
        say(f"add_evaluation: {name} must be True or False; a value that is neither says nothing")
        return None
