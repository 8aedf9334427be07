"""Real flujo runs under trace, their spans drawn as text, and what must hold after every one."""

import logging
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import StatusCode

from flujo_otel.integrations.flujo import open_runs
from flujo_otel.integrations.flujo.step import current_step
from flujo_otel.semconv import flujo as semconv
from support.watched import Watched

FLUJO = tuple(int(part) for part in version("flujo").split(".")[:2])
only_on_04 = pytest.mark.skipif(FLUJO > (0, 4), reason="flujo 0.4 alone does this")
only_on_06 = pytest.mark.skipif(FLUJO < (0, 6), reason="flujo 0.4 has nothing like it")

_SHOWN = (
    (semconv.ITERATION_NUMBER, "#{}"),
    (semconv.PARALLEL_BRANCH, "in {}"),
    (semconv.BRANCH_KEY, "-> {}"),
    (semconv.LOOP_ITERATIONS, "{} rounds"),
    (semconv.LOOP_EXIT_REASON, "exit {}"),
    (semconv.STEP_ATTEMPTS, "attempts {}"),
    (semconv.FALLBACK_TRIGGERED, "fell back"),
    (semconv.CACHE_HIT, "cached"),
    (semconv.RESUMED, "resumed"),
    (semconv.NESTED_PIPELINE_NAME, "nested {}"),
    (semconv.ERROR_TYPE, "error {}"),
)


def by_version(on_04: str, on_06: str) -> str:
    """The tree that is right on the flujo at hand."""
    return on_04 if FLUJO < (0, 6) else on_06


class Traced(Watched):
    """flujo runners that report to a provider of their own, and the checks after each run."""

    def __init__(self, make_hooks: Callable[[TracerProvider], list[Any]]) -> None:
        super().__init__()
        self.hooks = make_hooks(self.provider)

    def runner(self, pipeline: Any, **options: Any) -> Any:
        """A runner without flujo's default database, which is slow and not the point."""
        from flujo import Flujo
        from flujo.state.backends.memory import InMemoryBackend

        options.setdefault("state_backend", InMemoryBackend())
        options.setdefault("pipeline_name", "demo")
        hooks = [*self.hooks, *options.pop("hooks", [])]
        return Flujo(pipeline, hooks=hooks, **options)

    def run(self, pipeline: Any, value: Any = 0, **options: Any) -> Any:
        """Run to the end and return flujo's result."""
        runner = self.runner(pipeline, **options)
        return self.drive(lambda: last_of(runner.run_async(value)))

    def line(self, span: ReadableSpan) -> str:
        return _line(span)

    def expect_nothing_current(self) -> None:
        assert_no_current_step()

    def check(self) -> None:
        """What must hold after every run, whatever became of it."""
        assert list(open_runs.owners()) == []
        super().check()
        indexes: dict[str, list[int]] = {}
        for span in self.spans:
            first = self.watch.first[span.context.span_id]
            if semconv.STEP_TYPE in span.attributes:
                assert {semconv.RUN_ID, semconv.STEP_TYPE, semconv.STEP_INDEX, semconv.STEP_ID} <= (
                    first.keys()
                )
                if not _continues(span, self.spans):
                    indexes.setdefault(first[semconv.RUN_ID], []).append(first[semconv.STEP_INDEX])
            if semconv.STATUS in span.attributes:
                is_error = span.status.status_code is StatusCode.ERROR
                assert is_error == (span.attributes[semconv.STATUS] == "failed")
                assert semconv.RUN_ID in first
        for numbers in indexes.values():
            assert len(numbers) == len(set(numbers))


def _continues(span: ReadableSpan, spans: Sequence[ReadableSpan]) -> bool:
    """A step that a pause or a crash interrupted is there twice under its one index."""
    return any(
        other is not span
        and other.name == span.name
        and other.attributes.get(semconv.STATUS) in ("paused", "failed")
        for other in spans
    )


def assert_no_current_step() -> None:
    step = current_step.get()
    assert step is None or step.closed


def _line(span: ReadableSpan) -> str:
    attributes = span.attributes or {}
    if semconv.STATUS not in attributes:
        return span.name
    parts = [span.name]
    if semconv.STEP_INDEX in attributes:
        parts.append(f"[{attributes[semconv.STEP_INDEX]}]")
    parts.append(str(attributes[semconv.STATUS]))
    for name, words in _SHOWN:
        if name == semconv.STEP_ATTEMPTS and attributes.get(name) == 1:
            continue
        if name in attributes:
            parts.append(words.format(attributes[name]))
    return " ".join(parts)


async def last_of(source: Any) -> Any:
    """The last item of an asynchronous iterator."""
    last = None
    async for item in source:
        last = item
    return last


class DetachErrors(logging.Handler):
    """Collects OpenTelemetry's complaints about contexts."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
