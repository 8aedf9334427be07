"""SQLiteBackend as flujo gets it: what goes with it in flujo is seen to once it is asked for."""

from flujo_otel.integrations.flujo import persistence
from flujo_otel.storage.sqlite import SQLiteBackend

__all__ = ["SQLiteBackend"]

persistence.apply_when_imported()
