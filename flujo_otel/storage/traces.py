"""X-Ray's Trace and Step (appendix B), and what their spans have beyond that shape."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from flujo_otel.errors import MissingExtra
from flujo_otel.model import Event
from flujo_otel.storage.random_ids import new_uuid

try:
    from pydantic import BaseModel, Field, PrivateAttr
except ImportError as error:
    raise MissingExtra(
        "Trace and Step are Pydantic models: pip install 'flujo-otel[xray]' installs it."
    ) from error

Status = Literal["running", "completed", "failed"]


class SpanFacts:
    """The span of a Trace or Step that the SDK made, or that was read."""

    __slots__ = (
        "error",
        "error_type",
        "events",
        "ids",
        "is_foreign",
        "is_managed",
        "nest",
        "noted_input",
        "noted_name",
    )

    def __init__(self, ids: tuple[int, int, int] = (0, 0, 0)) -> None:
        self.ids = ids
        """OpenTelemetry's: trace, span, parent span; 0: none. Numbers, since most are never read:
        to write them out would take 3 us a step."""
        self.error = ""
        self.error_type = ""
        self.events: list[Event] = []
        self.is_managed = True
        """Its context manager saves it: whoever saves its trace leaves it out."""
        self.is_foreign = False
        """Read from a span that another producer made, of which a model tells only a part."""
        self.noted_input = ""
        """The input as text, where its span has it already."""
        self.noted_name: str | None = None
        """The model's name when its span began; None: no span was made."""
        self.nest: Callable[[], Any] | None = None
        """Weakly, the context manager of a step that the SDK made."""

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return f"{self.ids[0]:032x}"

    @property
    def span_id(self) -> str:
        """16 hex digits; "" where no span was made yet."""
        return f"{self.ids[1]:016x}" if self.ids[1] else ""

    @property
    def parent_id(self) -> str | None:
        """16 hex digits; None: it has no parent."""
        return f"{self.ids[2]:016x}" if self.ids[2] else None

    def __eq__(self, other: object) -> bool:
        """Always: models are equal where what appendix B says of them is."""
        return True

    __hash__ = None  # type: ignore[assignment]


class Step(BaseModel):
    """One decision of a trace. Times are local where they are naive, as `datetime.now()` is."""

    step_id: str = Field(default_factory=new_uuid)
    trace_id: str
    name: str = "unnamed"
    step_order: int = 0
    input: dict[str, Any] = Field(default_factory=dict)
    output: dict[str, Any] | None = None
    reasoning: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    start_time: datetime = Field(default_factory=datetime.now)
    end_time: datetime | None = None
    duration_ms: int | None = None
    status: Status = "running"
    error: str | None = None
    _span: SpanFacts | None = PrivateAttr(default=None)

    def __call__(self, name: str) -> Any:
        """A step inside this one: `with step.step("name") as inner:`, where `step` is what
        `with trace.step(...) as step` gave and `step.step` therefore this model."""
        context = self._span.nest() if self._span is not None and self._span.nest else None
        if context is None:
            raise TypeError("only a step that `with trace.step(...)` opened can have steps inside")
        return context.nested(name)


class Trace(BaseModel):
    """One execution of a workflow, with all of its steps in order of step_order, nested ones
    included."""

    trace_id: str = Field(default_factory=new_uuid)
    name: str = "unnamed"
    start_time: datetime = Field(default_factory=datetime.now)
    end_time: datetime | None = None
    duration_ms: int | None = None
    status: Status = "running"
    metadata: dict[str, Any] = Field(default_factory=dict)
    steps: list[Step] = Field(default_factory=list)
    _span: SpanFacts | None = PrivateAttr(default=None)
