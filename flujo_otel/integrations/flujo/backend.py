"""SQLiteBackend as flujo gets it: what goes with it in flujo is seen to once it is asked for."""

from flujo_otel.integrations.flujo.persistence.state_manager import replace_when_imported
from flujo_otel.storage.sqlite import SQLiteBackend

__all__ = ["SQLiteBackend"]

replace_when_imported()
