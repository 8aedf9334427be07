"""What an X-Ray trace can be saved to (seed, section 3.1.3)."""

from abc import ABC, abstractmethod

from flujo_otel.storage.traces import Step, Trace


class StorageBackend(ABC):
    """Give an instance as `XRay(storage=...)`: what it raises, the program gets."""

    @abstractmethod
    def save_trace(self, trace: Trace) -> None:
        """Add or replace a trace: called as it starts, with status `running`, and at its end."""

    @abstractmethod
    def save_step(self, step: Step) -> None:
        """Add or replace a step: called as it ends."""

    @abstractmethod
    def get_trace(self, trace_id: str) -> Trace | None:
        """The trace with its steps in order; None where there is none."""

    @abstractmethod
    def get_all_traces(self, limit: int = 100, status: str | None = None) -> list[Trace]:
        """The newest `limit` traces, newest first; of one status where given."""
