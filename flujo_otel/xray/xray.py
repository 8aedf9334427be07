"""XRay: the way in."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, cast, overload
from weakref import finalize

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import Span, format_trace_id

from flujo_otel.errors import SettingsError
from flujo_otel.guard import guarded
from flujo_otel.host import host
from flujo_otel.model import Loss
from flujo_otel.recording.choice import Recording
from flujo_otel.storage.snapshot import snapshot_text
from flujo_otel.storage.storage_backend import StorageBackend
from flujo_otel.storage.trace_spans import SCOPE_NAME
from flujo_otel.storage.traces import Step, Trace
from flujo_otel.xray.block import current_block
from flujo_otel.xray.calls import StepCall, TraceCall
from flujo_otel.xray.decorator import decorated
from flujo_otel.xray.drops import RATE_LIMITED, SAMPLED_OUT, Drops
from flujo_otel.xray.free_step import FreeStep
from flujo_otel.xray.held import HeldBudget, HeldRecorder
from flujo_otel.xray.recorder import Recorder, SpanRecorder, StorageRecorder
from flujo_otel.xray.sampling import Sampling
from flujo_otel.xray.step import StepContext
from flujo_otel.xray.trace import TraceContext

FLUSH_SECONDS: Final = 5.0
F = TypeVar("F", bound=Callable[..., Any])


class XRay:
    """Records traces of decisions (docs/xray.md).

    `storage`: saves them, and what it raises the program gets; None: they are OpenTelemetry spans
    of the global tracer provider, which is configured if the process has none, and no fault of ours
    reaches the program. `remote_url`: they are submitted there in the background instead, with
    `token` as Bearer (None: the setting).

    `sampling_rate`: the share of traces that is recorded, each whole or not at all. Of the others
    those that failed are recorded all the same unless `keep_failed` is False, and those that took
    `keep_slower_than_seconds` or longer. `rate_limit`: never more traces in any hour. What is not
    recorded is counted in the ledger (docs/ledger.md).

    Raises SettingsError for what cannot be meant, and MissingExtra.
    """

    def __init__(
        self,
        storage: StorageBackend | None = None,
        *,
        sampling_rate: float = 1.0,
        keep_failed: bool = True,
        keep_slower_than_seconds: float | None = None,
        rate_limit: int | None = None,
        remote_url: str | None = None,
        token: str | None = None,
    ) -> None:
        self._sampling = Sampling(
            sampling_rate,
            keep_failed=keep_failed,
            keep_slower_than_seconds=keep_slower_than_seconds,
            rate_limit=rate_limit,
        )
        if storage is not None and not callable(getattr(storage, "save_trace", None)):
            raise SettingsError(
                f"storage is {snapshot_text(storage)}; it must be a StorageBackend, such as"
                " SQLiteStorage()."
            )
        self._storage = storage
        self._submission = None
        if remote_url is not None:
            if storage is not None:
                raise SettingsError("Give an XRay a storage or a remote_url, not both.")
            from flujo_otel.xray.remote import submission_to

            self._submission = submission_to(remote_url, token)
        self._budget = HeldBudget() if self._sampling.has_tail else None
        self._tracer: tuple[otel.TracerProvider, otel.Tracer] | None = None
        self._recording: Recording | None = None
        self._drops = Drops(_ledger_of(storage))
        finalize(self, self._drops.flush)

    def trace(self, name: str) -> TraceContext:
        """A trace: `with xray.trace("name") as trace:`, or `async with`."""
        return TraceContext(name, self._recorder())

    @overload
    def traced(self, function: F, /) -> F: ...

    @overload
    def traced(self, name: str | None = None, /) -> Callable[[F], F]: ...

    def traced(self, function: Any = None, /) -> Any:
        """Decorator: each call of the function is a trace, named after it or as given. Plain and
        async functions, generators and async generators."""
        if callable(function):
            return self._traced(function, None)
        return lambda decorated_function: self._traced(decorated_function, function)

    @overload
    def step(self, function: F, /) -> F: ...

    @overload
    def step(self, name: str | None = None, /) -> FreeStep: ...

    def step(self, function: Any = None, /) -> Any:
        """Decorator or context manager: a step of the trace that is open where it begins. Where
        none is, of the run of the current OpenTelemetry span; where that is none either, or a
        storage was passed in, of a trace of its own."""
        if callable(function):
            return FreeStep(self._step_call, None)(function)
        return FreeStep(self._step_call, function)

    def close(self) -> None:
        """Wait, for at most 5 s, until what was recorded is kept or submitted. A storage that was
        passed in stays open: it is the program's."""
        self._drops.flush()
        if self._submission is not None:
            self._submission.flush(FLUSH_SECONDS)
        elif self._storage is None:
            host().flush(FLUSH_SECONDS)

    # --- which recorder ----------------------------------------------------------------------

    def _recorder(self) -> Recorder:
        recorder = self._whole()
        if self._sampling.is_sampled():
            if self._sampling.is_within_limit():
                return recorder
            return HeldRecorder(recorder, None, lambda _: RATE_LIMITED, self._drops.add)
        return HeldRecorder(recorder, self._budget, self._refusal, self._drops.add)

    def _whole(self) -> Recorder:
        if self._storage is not None:
            return StorageRecorder(self._storage)
        if self._submission is not None:
            from flujo_otel.xray.remote import RemoteRecorder

            return RemoteRecorder(self._submission, self._recorded())
        return SpanRecorder(self._current_tracer(), self._recorded())

    def _current_tracer(self) -> otel.Tracer:
        with guarded("configuring for X-Ray, which records nothing until then,"):
            host().ensure()
        provider = otel.get_tracer_provider()
        known = self._tracer
        if known is None or known[0] is not provider:
            known = self._tracer = provider, provider.get_tracer(SCOPE_NAME)
        return known[1]

    def _recorded(self) -> Recording:
        if self._recording is None:
            self._recording = Recording.chosen_quietly(None, None)
        return self._recording

    def _refusal(self, trace: Trace) -> str:
        """Why one that was not sampled is not recorded at its end either; "": it is."""
        if not self._sampling.is_kept(trace):
            return SAMPLED_OUT
        return "" if self._sampling.is_within_limit() else RATE_LIMITED

    # --- steps of whatever is open -----------------------------------------------------------

    def _traced(self, function: Callable[..., Any], name: str | None) -> Callable[..., Any]:
        called = snapshot_text(name if name is not None else getattr(function, "__name__", "trace"))
        return decorated(function, lambda: TraceCall(self.trace(called)))

    def _step_call(self, name: str) -> StepCall:
        block = current_block()
        if isinstance(block, StepContext):
            return StepCall(block.nested(name))
        if isinstance(block, TraceContext):
            return StepCall(block.step(name))
        outer = otel.get_current_span().get_span_context()
        if self._storage is None and self._submission is None and outer.is_valid:
            run = TraceContext(name, _OtherRun(self._current_tracer(), self._recorded()))
            run.trace.trace_id = format_trace_id(outer.trace_id)
            return StepCall(StepContext(run, name, None))
        trace = self.trace(name)
        # Not by `trace.step`, which would say that the trace is not open: the call opens it.
        return StepCall(StepContext(trace, name, None), trace)


class _OtherRun(SpanRecorder):
    """Of steps in a span that is none of an X-Ray trace: they belong to that span's run."""

    def begin_step(self, step: Step, context: Context, start_ns: int) -> Span:
        """See `Recorder`."""
        return self.begin_step_of_another_run(step, context, start_ns)


def _ledger_of(storage: StorageBackend | None) -> Callable[[Sequence[Loss]], None]:
    """The storage's own, where it has one; else the process's."""
    own = getattr(storage, "count_losses", None)
    return cast(Callable[[Sequence[Loss]], None], own) if callable(own) else _count_in_process


def _count_in_process(losses: Sequence[Loss]) -> None:
    for loss in losses:
        host().count_loss(loss.reason, loss.detail, loss.count)
