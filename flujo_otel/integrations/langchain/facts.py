"""What LangChain's callbacks are told, as attributes of spans."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from flujo_otel.integrations.langchain import model_call, retrieval
from flujo_otel.integrations.langchain.messages import (
    genai_messages,
    is_plain_text,
    plain,
    plain_message,
)
from flujo_otel.integrations.langchain.run import OpenRun
from flujo_otel.recording.failure import brief_exception
from flujo_otel.semconv import flujo, openinference, xray
from flujo_otel.semconv import model_call as calls
from flujo_otel.words import words_of

RETRIEVER: Final = {
    openinference.SPAN_KIND: calls.KIND_RETRIEVER,
    calls.OPERATION_NAME: calls.OPERATION_RETRIEVAL,
}
_KINDS: Final = {"prompt": calls.KIND_PROMPT, "tool": calls.KIND_TOOL, "llm": calls.KIND_LLM}
_TAGS: Final = (
    *("seq:step:", "map:key:", "branch:", "condition:", "retry:attempt:"),
    *("graph:step:", "langsmith:"),
)
"""What the tags of LangChain, of LangGraph and of its tracer begin with."""
_SESSION: Final = ("session_id", "thread_id", "conversation_id")


def run_name(serialized: Any, kwargs: Mapping[str, Any], kind: str) -> str:
    """The name that the run was given, else what LangChain calls the class."""
    return str(kwargs.get("name") or _class_name(serialized) or kind)


def _class_name(serialized: Any) -> Any:
    if not isinstance(serialized, Mapping):
        return None
    path = serialized.get("id")
    return serialized.get("name") or (path[-1] if isinstance(path, list) and path else None)


def model_run_name(serialized: Any, operation: str, kwargs: Mapping[str, Any]) -> Any:
    """As OpenTelemetry has it, `chat gpt-4o`, where the program gave it no name of its own."""
    model = model_call.model_of(kwargs.get("invocation_params") or {}, kwargs.get("metadata") or {})
    named = kwargs.get("name")
    return f"{operation} {model}" if not named and model else named


def chain_facts(kind: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {openinference.SPAN_KIND: _KINDS.get(kind, calls.KIND_CHAIN)}


def tool_facts(serialized: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        openinference.SPAN_KIND: calls.KIND_TOOL,
        calls.OPERATION_NAME: calls.OPERATION_EXECUTE_TOOL,
    }
    described = serialized if isinstance(serialized, Mapping) else {}
    named = {
        (calls.TOOL_NAME, calls.OPENINFERENCE_TOOL_NAME): described.get("name"),
        (calls.TOOL_DESCRIPTION, calls.OPENINFERENCE_TOOL_DESCRIPTION): described.get(
            "description"
        ),
        (calls.TOOL_CALL_ID,): kwargs.get("tool_call_id"),
    }
    return found | {name: str(text) for names, text in named.items() if text for name in names}


def model_facts(operation: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    invocation = kwargs.get("invocation_params") or {}
    metadata = kwargs.get("metadata") or {}
    return {
        openinference.SPAN_KIND: calls.KIND_LLM,
        **model_call.request_attributes(operation, invocation, metadata),
    }


def placing(tags: Sequence[str] | None) -> dict[str, Any]:
    """Where in its parent a run stands, which LangChain says in tags of its own."""
    found: dict[str, Any] = {}
    for tag in tags or ():
        what, _, which = tag.rpartition(":")
        if what in ("map:key", "branch", "condition") and which:
            found[flujo.PARALLEL_BRANCH] = which if what == "map:key" else f"{what} {which}"
        elif what == "retry:attempt" and which.isdigit():
            found[flujo.ATTEMPT_NUMBER] = int(which)
    return found


def labels(run: OpenRun, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The program's own tags and metadata as facts and as content; LangChain's are left out."""
    found: dict[str, Any] = {}
    tags = [tag for tag in kwargs.get("tags") or () if not _is_langchains(tag)]
    if tags:
        found[calls.TAGS] = tags
    metadata = kwargs.get("metadata") or {}
    own = {key: value for key, value in metadata.items() if not key.startswith(("ls_", "lc_"))}
    session = next((own[name] for name in _SESSION if own.get(name)), None)
    if session is not None:
        found[calls.SESSION_ID] = str(session)
    if own.get("user_id"):
        found[calls.USER_ID] = str(own["user_id"])
    return found, run.content(own, calls.METADATA) if own else {}


def _is_langchains(tag: str) -> bool:
    return tag.startswith(_TAGS)


def is_stream_start(inputs: Any) -> bool:
    """LangChain does not know yet what a streaming run is given; it says so at the end."""
    return inputs == "" or (type(inputs) is dict and inputs == {"input": ""})


def late_input(run: OpenRun, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if kwargs.get("inputs") is None:
        return {}
    return run.content(plain(kwargs["inputs"]), openinference.INPUT_VALUE)


def asked(run: OpenRun, messages: Sequence[BaseMessage]) -> dict[str, Any]:
    spoken = [plain_message(message) for message in messages]
    return run.content(spoken, openinference.INPUT_VALUE) | run.content(
        genai_messages(messages), calls.INPUT_MESSAGES
    )


def response(result: LLMResult) -> dict[str, Any]:
    """Which model it was, its usage, why it stopped."""
    return model_call.response_attributes(result)


def answered(run: OpenRun, result: LLMResult) -> dict[str, Any]:
    """What a model answered."""
    generations = model_call.generations_of(result)
    messages = [m for each in generations if (m := model_call.message_of(each)) is not None]
    values: list[Any] = [
        message.content if is_plain_text(message) else plain_message(message)
        for message in messages
    ] or [generation.text for generation in generations]
    if not values:
        return {}
    found = run.content(values[0] if len(values) == 1 else values, openinference.OUTPUT_VALUE)
    if messages:
        found |= run.content(genai_messages(messages), calls.OUTPUT_MESSAGES)
    return found


def found(run: OpenRun, documents: Sequence[Document]) -> dict[str, Any]:
    """What a retriever found, and how it ranked it."""
    said = run.content(retrieval.documents(documents), openinference.OUTPUT_VALUE)
    said |= run.content(retrieval.references(documents), calls.RETRIEVAL_DOCUMENTS)
    ranking = retrieval.ranking(documents)
    return said | run.content(ranking, xray.RANKED_CANDIDATES) if ranking else said


def is_pause(error: BaseException) -> bool:
    """LangGraph's ways to stop for a human: no failures."""
    return _is_called(error, "GraphInterrupt") or _is_called(error, "GraphBubbleUp")


def is_handover(error: BaseException) -> bool:
    """A command to the graph around: LangGraph raises it, and nothing stops."""
    return _is_called(error, "ParentCommand")


def _is_called(error: BaseException, name: str) -> bool:
    return any(kind.__name__ == name for kind in type(error).__mro__)


def question(error: BaseException) -> Any:
    """What the program gave to `interrupt`: of several, as of parallel nodes, all."""
    told = error.args[0] if error.args else None
    interrupts = told if isinstance(told, list | tuple) else ()
    values = [plain(each.value) for each in interrupts if hasattr(each, "value")]
    if not values:
        return words_of(error)
    return values[0] if len(values) == 1 else values


def retry(state: Any) -> dict[str, Any]:
    outcome = getattr(state, "outcome", None)
    error = outcome.exception() if outcome is not None and outcome.failed else None
    said = {flujo.STEP_ATTEMPTS: int(getattr(state, "attempt_number", 0))}
    return said if error is None else said | brief_exception(error)
