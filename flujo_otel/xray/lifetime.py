"""A trace or a step from its beginning to its end."""

from collections.abc import Mapping
from time import time_ns
from types import TracebackType
from typing import Any, Final, Literal, Self

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span

from flujo_otel.guard import guarded
from flujo_otel.model import Event
from flujo_otel.redaction import redactor
from flujo_otel.storage.decisions import to_text
from flujo_otel.storage.moments import from_ns
from flujo_otel.storage.snapshot import snapshot_object, snapshot_text
from flujo_otel.storage.traces import Step, Trace
from flujo_otel.xray import failure
from flujo_otel.xray.block import Block
from flujo_otel.xray.mistake import say
from flujo_otel.xray.moment import Moment
from flujo_otel.xray.recorder import Recorder

NOTING: Final = guarded("noting what a trace or a step says")


class Lifetime(Block):
    """`model`, a trace or a step, from `with` to the end of it; `recorder` is told of both ends.

    `async with` does what `with` does. A subclass says what is recorded at each end. Nothing here
    raises but what `recorder.guard` lets pass (a storage's error), and what a signal's handler
    raises; the block is left all the same then.
    """

    __slots__ = ("_model", "_moment", "recorder")

    def __init__(self, model: Trace | Step, recorder: Recorder) -> None:
        super().__init__()
        self._model = model
        self._moment: Moment | None = None
        self.recorder = recorder

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Anything else there is to say of it; added to what is there, a member of the same name is
        replaced."""
        if not self.is_open:
            self._say_not_open()
        with NOTING:
            self._model.metadata.update(snapshot_object(metadata))

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Something that happens at this moment. OpenTelemetry keeps the last 128 of a span."""
        if not self.is_open:
            self._say_not_open()
        with self.recorder.guard:
            told = attributes if self.recorder.content else None
            self.recorder.event(self._model, self.span, _event(name, told))

    def __enter__(self) -> Self:
        try:
            with self.recorder.guard:
                if not self.is_open:
                    self._begin()
        except BaseException as error:  # a storage's, or what a signal's handler raised
            self.finish(error)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        # Here, not in a function of its own: a signal's handler may raise before the first line of
        # any function that is called, and of the one that is to catch it nobody would.
        try:
            self.finish(error)
        except BaseException:
            self.finish(error)
            raise
        return False

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        try:
            return self.__exit__(kind, error, traceback)
        except BaseException:
            self.finish(error)
            raise

    def finish(self, error: BaseException | None = None) -> None:
        """End it: failed by `error`, else completed. Nothing where it is not open."""
        if not self.is_open or self._moment is None:
            return
        try:
            try:
                with self.recorder.guard:
                    self._end(self._moment, error)
            finally:
                self._leave()
        except BaseException:  # what a signal's handler raised may have come in the middle of it
            self._leave()
            if self.span.is_recording():
                self.span.end()
            raise

    def _end(self, moment: Moment, error: BaseException | None) -> None:
        model, end_ns = self._model, moment.later_ns()
        model.end_time = from_ns(end_ns)
        model.duration_ms = (end_ns - moment.time_ns) // 10**6
        model.status = "completed"
        if error is not None and failure.is_failure(error):
            model.status = "failed"
            self._note_failure(error, end_ns)
        self._record_end(end_ns)

    def _begin(self) -> None:
        self._moment = Moment()
        self._model.start_time = from_ns(self._moment.time_ns)
        self._model.status = "running"
        outside = self._outside()
        self._enter(self._record_start(outside, self._moment.time_ns), outside)

    def _say_not_open(self) -> None:
        """Not of one that tracing's own fault kept from beginning, which was said."""
        kind = "step" if isinstance(self._model, Step) else "trace"
        if self._moment is None:
            say(
                f"an X-Ray {kind} is used outside of `with`: nothing of it is recorded until"
                f" `with ... as {kind}:` enters it"
            )
        elif self._model.end_time is not None:
            say(f"an X-Ray {kind} is used after its `with`: nothing of that is recorded")

    def _outside(self) -> Context:
        """The context that it begins in."""
        return get_current()

    def _record_start(self, outside: Context, start_ns: int) -> Span:
        """Tell the recorder that it begins in `outside`, at this Unix time in nanoseconds."""
        raise NotImplementedError

    def _note_failure(self, error: BaseException, end_ns: int) -> None:
        """Have the model say what it failed by, then."""
        raise NotImplementedError

    def _record_end(self, end_ns: int) -> None:
        """Tell the recorder that it ended then, the model being complete."""
        raise NotImplementedError


def _event(name: str, attributes: Mapping[str, Any] | None) -> Event:
    """An event of now; of its attributes, what OpenTelemetry's cannot be is JSON. Secrets are
    redacted."""
    given = snapshot_object({} if attributes is None else attributes)
    plain = {
        key: value if isinstance(value, str | bool | int | float) else to_text(value)
        for key, value in given.items()
    }
    called = redactor().text(snapshot_text(name))
    return Event(called, time_ns(), redactor().attributes(plain))
