"""What flujo is handed in place of that which is written out already."""

from functools import lru_cache
from typing import Any, Final

from flujo_otel.storage.state_rows import History

_COLUMNS: Final = (
    "run_id",
    "pipeline_id",
    "pipeline_name",
    "pipeline_version",
    "total_steps",
    "error_message",
)


class HistoryStandIn:
    """In place of all entries of a history. flujo asks each entry for its `model_dump`: this one
    answers with what is written out already."""

    __slots__ = ("history",)

    def __init__(self, history: History) -> None:
        self.history = history

    def model_dump(self, **_: Any) -> History:
        return self.history


class ContextStandIn:
    """In place of a context that is written out already: the fields alone that flujo makes columns
    of. 0.6 would walk all of the context twice and take its hash, half of what a save costs it."""

    def __init__(self, context: Any) -> None:
        kind: type = type(context)
        for name in _columns_of(kind):
            if hasattr(context, name):
                setattr(self, name, getattr(context, name))
        self._size_bytes = context.__sizeof__()

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return {}

    def __sizeof__(self) -> int:
        return int(self._size_bytes)  # 0.4 notes it


@lru_cache(maxsize=256)
def _columns_of(kind: Any) -> tuple[str, ...]:
    """The columns that a context of this class may have. For what it lacks, a model of pydantic's
    composes a message first: five such took a fifth of all that comes before the save."""
    answers = (base for base in kind.__mro__ if "__getattr__" in vars(base))
    is_pydantic_s = next(answers).__module__.startswith("pydantic.")
    if not is_pydantic_s or kind.model_config.get("extra") == "allow":
        return _COLUMNS
    fields = kind.model_fields
    return tuple(name for name in _COLUMNS if name in fields or hasattr(kind, name))
