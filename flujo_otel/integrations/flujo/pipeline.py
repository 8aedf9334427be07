"""What is known of a pipeline, and the indexes of its steps in a run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from flujo_otel.integrations.flujo import facts
from flujo_otel.semconv import flujo as semconv

_UNKNOWN_LENGTH: Final = 10_000
"""Where nested steps are counted from when nobody says how many steps the pipeline has."""


@dataclass(slots=True)
class Numbering:
    """Gives the steps of a run their indexes: `steps` None where the pipeline is not known."""

    steps: Sequence[Any] | None
    cursor: int = 0
    nested: int = field(init=False)
    latest: Any = None
    interrupted: Any = None
    """The step that a pause interrupted."""

    def __post_init__(self) -> None:
        self.nested = _UNKNOWN_LENGTH if self.steps is None else len(self.steps)

    def next_nested(self) -> int:
        """The index of a step inside another: behind those of the top level, as they come."""
        index = self.nested
        self.nested += 1
        return index

    def next_top_level(self, step: Any) -> int:
        """flujo's index of `step`; one that a pause interrupted keeps the index that it had."""
        if step is self.interrupted:
            self.interrupted = None
            return self.cursor - 1
        index = self._position(step)
        if index is None:
            return self.next_nested()
        self.cursor = index + 1
        self.latest = step
        return index

    def know(self, steps: Sequence[Any] | None) -> None:
        """The pipeline became known after all."""
        self.steps = steps
        self.__post_init__()

    def pause(self) -> None:
        """The latest top-level step is the one that goes on when the run does."""
        self.interrupted = self.latest

    def _position(self, step: Any) -> int | None:
        if self.steps is None:
            return self.cursor
        if self.cursor < len(self.steps) and self.steps[self.cursor] is step:
            return self.cursor
        order = chain(range(self.cursor, len(self.steps)), range(self.cursor))
        return next((index for index in order if self.steps[index] is step), None)


@dataclass(slots=True)
class PipelineFacts:
    """What is known of the pipeline at the start of a run."""

    name: str = facts.UNKNOWN_PIPELINE
    version: str | None = None
    cost_limit_usd: float | None = None
    token_limit: int | None = None
    steps: Sequence[Any] | None = None

    def attributes(self) -> dict[str, Any]:
        """What of it stands on the run's span, beside its name; what nobody knows is absent."""
        named = {
            semconv.PIPELINE_VERSION: self.version,
            semconv.INITIAL_COST_USD: self.cost_limit_usd,
            semconv.INITIAL_TOKENS: self.token_limit,
        }
        return {name: value for name, value in named.items() if value is not None}
