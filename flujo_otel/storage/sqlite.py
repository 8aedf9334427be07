"""The seeds' storage classes over our store: SQLiteBackend and SQLiteStorage."""

from typing import TYPE_CHECKING, Any

from flujo_otel.storage.backend import SQLiteBackend

if TYPE_CHECKING:
    from flujo_otel.storage.trace_storage import SQLiteStorage

__all__ = ["SQLiteBackend", "SQLiteStorage"]


def __getattr__(name: str) -> Any:
    """SQLiteStorage, X-Ray's, is loaded when it is asked for: it needs pydantic, an extra."""
    if name == "SQLiteStorage":
        from flujo_otel.storage.trace_storage import SQLiteStorage

        return SQLiteStorage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
