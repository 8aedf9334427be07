"""XRayLangChainCallback: each run of LangChain is a span (docs/langchain.md)."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from flujo_otel.guard import RAISE_VARIABLE, guarded
from flujo_otel.integrations.langchain import facts
from flujo_otel.integrations.langchain.anchor import Anchor, anchor_of
from flujo_otel.integrations.langchain.body import Bodies, below, body_of, watch_bodies
from flujo_otel.integrations.langchain.messages import plain
from flujo_otel.integrations.langchain.open_runs import OpenRuns
from flujo_otel.integrations.langchain.run import Making, OpenRun
from flujo_otel.recording.choice import Recording
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo, openinference
from flujo_otel.semconv import langchain as semconv
from flujo_otel.semconv import model_call as calls
from flujo_otel.words import words_of

SCOPE: Final = "flujo_otel.integrations.langchain"
_AT_START: Final = guarded("the start of a LangChain run")
_AT_END: Final = guarded("the end of a LangChain run")
_BETWEEN: Final = guarded("an event of a LangChain run")


_logger: Final = logging.getLogger("flujo_otel")


def _is_nobody(provider: trace.TracerProvider) -> bool:
    """Whether the process has no provider yet: an XRay with a storage of its own needs none."""
    return isinstance(provider, trace.ProxyTracerProvider)


@cache
def _say_that_nobody_records() -> None:
    _logger.warning(
        "flujo-otel: nothing of LangChain is recorded before flujo_otel.configure() is called:"
        " an XRay's storage takes X-Ray's steps alone (said once)"
    )


class XRayLangChainCallback(BaseCallbackHandler, Bodies):
    """Pass it to any runnable: `chain.invoke(x, config={"callbacks": [callback]})`.

    `xray_trace`: an open X-Ray trace or step that what LangChain does hangs under, in any thread;
    None: under the span that is current where a chain begins, or as a run of its own.
    `tracer_provider` None: the global one. `content` False: no prompts, inputs and outputs;
    `value_limit_bytes`: where a recorded value is cut; both None: what docs/settings.md says.
    One callback may serve any number of runs at once, in threads and in tasks. It never raises.
    Raises SettingsError for a setting that cannot be used.
    """

    # Without it LangChain calls a handler of an async run in another thread and context.
    run_inline = True

    def __init__(
        self,
        xray_trace: Any = None,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        content: bool | None = None,
        value_limit_bytes: int | None = None,
    ) -> None:
        super().__init__()
        # LangChain swallows what a handler raises; our tests are to see our faults.
        self.raise_error = os.environ.get(RAISE_VARIABLE) == "1"
        self._anchor: Anchor = anchor_of(xray_trace, self.close)
        if tracer_provider is None and _is_nobody(trace.get_tracer_provider()):
            _say_that_nobody_records()
        tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        recording = Recording.chosen(content, value_limit_bytes)
        self._open = OpenRuns()
        self._making = Making(tracer, recording, self._open.lose)
        watch_bodies()

    def record_as(self, recording: Recording) -> None:
        """What was chosen elsewhere, for runs that begin from now on."""
        self._making = replace(self._making, recording=recording)

    def __deepcopy__(self, memo: Any) -> "XRayLangChainCallback":
        return self  # LangChain copies handlers with their manager

    def __copy__(self) -> "XRayLangChainCallback":
        return self

    def open_run(self, run_id: UUID) -> OpenRun | None:
        return self._open.get(run_id)

    def close(self) -> None:
        """End what LangChain has not: for the end of the trace that it hangs under."""
        with _AT_END:
            self._open.close()

    # --- starts ----------------------------------------------------------------------------------

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_type: str | None = None, **kwargs: Any
    ) -> None:
        """A chain, a prompt, a parser, or any function of a chain begins."""
        with _AT_START:
            kind = run_type or "chain"
            run = self._start(serialized, kind, facts.chain_facts(kind, kwargs), kwargs)
            if run is not None and not facts.is_stream_start(inputs):
                run.set({}, run.content(plain(inputs), openinference.INPUT_VALUE))

    def on_tool_start(self, serialized: Any, input_str: str, **kwargs: Any) -> None:
        with _AT_START:
            run = self._start(serialized, "tool", facts.tool_facts(serialized, kwargs), kwargs)
            if run is not None:
                given = kwargs.get("inputs")
                value = input_str if given is None else plain(given)
                run.set({}, run.content(value, openinference.INPUT_VALUE))

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        with _AT_START:
            run = self._start(serialized, "retriever", facts.RETRIEVER, kwargs)
            if run is not None:
                run.set({}, run.content(query, openinference.INPUT_VALUE))
                run.set({}, run.content(query, calls.RETRIEVAL_QUERY_TEXT))
                run.attach()

    def on_llm_start(self, serialized: Any, prompts: list[str], **kwargs: Any) -> None:
        with _AT_START:
            run = self._start_model(serialized, "llm", calls.OPERATION_TEXT_COMPLETION, kwargs)
            if run is not None:
                value = prompts[0] if len(prompts) == 1 else prompts
                run.set({}, run.content(value, openinference.INPUT_VALUE))

    def on_chat_model_start(
        self, serialized: Any, messages: list[list[BaseMessage]], **kwargs: Any
    ) -> None:
        with _AT_START:
            run = self._start_model(serialized, "chat_model", calls.OPERATION_CHAT, kwargs)
            if run is not None:
                run.set({}, facts.asked(run, messages[0] if messages else []))

    def _start_model(
        self, serialized: Any, kind: str, operation: str, kwargs: dict[str, Any]
    ) -> OpenRun | None:
        kwargs["name"] = facts.model_run_name(serialized, operation, kwargs)
        run = self._start(serialized, kind, facts.model_facts(operation, kwargs), kwargs)
        if run is not None:
            invocation = kwargs.get("invocation_params") or {}
            run.set({}, run.content(invocation, calls.LLM_INVOCATION_PARAMETERS))
            run.attach()
        return run

    def _start(
        self, serialized: Any, kind: str, known: Mapping[str, Any], kwargs: dict[str, Any]
    ) -> OpenRun | None:
        self._open.close_lost()
        if not is_instrumentation_enabled():
            return None
        run_id = kwargs["run_id"]
        parent, context = self._place(self._open.get(kwargs.get("parent_run_id")))
        attributes = {
            **redactor().attributes({**known, **facts.placing(kwargs.get("tags"))}),
            semconv.RUN_ID: str(run_id),
            semconv.RUN_TYPE: kind,
        }
        if parent is not None:
            parent.begin_child(attributes.get(flujo.ATTEMPT_NUMBER))
        name = redactor().text(facts.run_name(serialized, kwargs, kind))
        run = OpenRun(self._making, run_id, name, attributes, parent=parent, context=context)
        self._open.add(run)
        run.set(*facts.labels(run, kwargs))
        return run

    def _place(self, told: OpenRun | None) -> tuple[OpenRun | None, Context | None]:
        """The parent of a run, of which LangChain `told`; and its context, None: as it is.

        In its parent's own body the current span is that of the parent, or one that the body opened
        below it; called from elsewhere only LangChain knows the parent. It gives what a fallback
        tries the parent of the fallback, or none.
        """
        around = body_of()
        if around is not None and (
            told is None or told is around or (around.falls_back and around.parent is told)
        ):
            return around, None
        if told is None:
            return None, self._anchor.context()
        return told, below(told, get_current())

    # --- in between ------------------------------------------------------------------------------

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        run = self._open.get(run_id)
        if run is not None:
            run.chunks += 1
            if run.chunks == 1:
                self._first_token(run)

    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """An event of LangChain's streaming protocol: only the deltas bring text."""
        if event.get("event") == "content-block-delta":
            self.on_llm_new_token("", run_id=run_id)

    def _first_token(self, run: OpenRun) -> None:
        with _BETWEEN:
            # From here on the consumer's own code runs between the chunks.
            run.detach()
            waited_seconds = (time.time_ns() - run.start_time_ns) / 1e9
            run.set({calls.REQUEST_STREAM: True, calls.TIME_TO_FIRST_CHUNK_SECONDS: waited_seconds})
            run.event(semconv.EVENT_FIRST_TOKEN, {})

    def on_retry(self, retry_state: Any, *, run_id: UUID, **kwargs: Any) -> None:
        run = self._open.get(run_id)
        if run is not None:
            with _BETWEEN:
                run.event(semconv.EVENT_RETRY, facts.retry(retry_state))

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        run = self._open.get(run_id)
        if run is not None:
            with _BETWEEN:
                run.event(name, {}, run.content(plain(data), semconv.CUSTOM_EVENT_DATA))

    # --- ends ------------------------------------------------------------------------------------

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        with _AT_END, self._ending(run_id) as run:
            if run is not None:
                run.set({}, facts.late_input(run, kwargs))
                run.set({}, run.content(plain(outputs), openinference.OUTPUT_VALUE))

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        with _AT_END, self._ending(run_id) as run:
            if run is not None:
                value = output.content if isinstance(output, BaseMessage) else output
                run.set({}, run.content(plain(value), openinference.OUTPUT_VALUE))
                if getattr(output, "status", None) == "error":  # an error that the tool handled
                    run.failed(words_of(value), flujo.ERROR_TYPE_OTHER)

    def on_retriever_end(
        self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any
    ) -> None:
        with _AT_END, self._ending(run_id) as run:
            if run is not None:
                run.set({}, facts.found(run, documents))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        with _AT_END, self._ending(run_id) as run:
            if run is not None:
                run.set(facts.response(response), facts.answered(run, response))

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        with _AT_END, self._ending(run_id) as run:
            if run is not None:
                self._fail(run, error)
                run.set({}, facts.late_input(run, kwargs))

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        with _AT_END, self._ending(run_id) as run:
            if run is not None:
                self._fail(run, error)

    on_retriever_error = on_tool_error

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        with _AT_END, self._ending(run_id) as run:
            if run is not None:
                self._fail(run, error)
                partial = kwargs.get("response")
                if isinstance(partial, LLMResult) and any(partial.generations):
                    run.set(facts.response(partial), facts.answered(run, partial))

    @contextmanager
    def _ending(self, run_id: UUID) -> Iterator[OpenRun | None]:
        """The open run, which ends whatever becomes of recording how; None where none is open."""
        run = self._open.take(run_id)
        try:
            yield run
        finally:
            if run is not None:
                run.end()

    def _fail(self, run: OpenRun, error: BaseException) -> None:
        if isinstance(error, GeneratorExit):  # the consumer of a stream had enough: no failure
            return
        if facts.is_handover(error):
            run.set({}, run.content(plain(error.args[0]), openinference.OUTPUT_VALUE))
            return
        if facts.is_pause(error):
            run.event(flujo.EVENT_PAUSED, {}, run.content(facts.question(error), flujo.MESSAGE))
            run.set({flujo.STATUS: flujo.STATUS_PAUSED})
            return
        if not isinstance(error, Exception):
            self._open.cut_short(run, error)
        run.fail(error)
