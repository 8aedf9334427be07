"""A step's data of which the record can be made later: nothing in it changes, or is refused.

As flujo hands in those whose output is a text or a number. To make the record on the event loop was
a seventh of what a step with its state cost there.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_LARGEST: Final = 1 << 63
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2261
"""The last that a column's nanoseconds reach as a whole."""
_TIME: Final = frozenset({datetime})
_TEXT: Final = frozenset({str})
_NUMBER: Final = frozenset({int, float, type(None)})
_CONTENT: Final = frozenset({str, int, float, bool, type(None)})
_KINDS: Final = {
    **dict.fromkeys(("step_run_id", "run_id", "step_name", "status"), _TEXT),
    **dict.fromkeys(("start_time", "end_time"), _TIME),
    **dict.fromkeys(("duration_ms", "cost", "tokens"), _NUMBER),
    **dict.fromkeys(("input", "output", "error", "raw_response"), _CONTENT),
    "step_index": frozenset({int}),
}
_NEEDED: Final = frozenset({"step_run_id", "run_id", "step_name", "step_index", "start_time"})


def fixed_step(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """A copy of what `rows.step_result` takes, where that can be done at any time; else None."""
    if type(data) is not dict or not data.keys() >= _NEEDED:
        return None
    for key, value in data.items():
        kind = type(value)
        if kind not in _KINDS.get(key, ()):
            return None
        if kind is int or kind is float:
            if not -_LARGEST < value < _LARGEST:
                return None
        elif kind is str:
            if not value and key in _NEEDED:
                return None
        elif kind is datetime and not (
            value.tzinfo in (None, UTC) and _FIRST_YEAR <= value.year <= _LAST_YEAR
        ):
            return None
    return data.copy()
