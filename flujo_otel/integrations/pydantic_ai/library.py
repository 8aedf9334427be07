"""What pydantic-ai's spans are to us."""

from collections.abc import Mapping
from typing import Any, Final

from flujo_otel.integrations.adopted import Library
from flujo_otel.integrations.pydantic_ai.messages import first_asked, last_said
from flujo_otel.semconv import model_call, openinference

_AGENT: Final = "agent_name"
"""On an agent's span alone; `gen_ai.agent.name` is on those of its calls too."""
_INVOKE_AGENT: Final = "invoke_agent"
_CONTENT: Final = {
    "metadata",
    "final_result",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    openinference.INPUT_VALUE,
    openinference.OUTPUT_VALUE,
}
"""What of the content pydantic-ai records whatever its settings say, or in a run that had begun
when they were changed."""
_SAID: Final = ('"content":', '"arguments":', '"result":', '"response":', '"uri":', '"url":')
"""What of messages is content, of which a run keeps the text that it was recorded as."""
_TOOLS: Final = "running tools"
"""pydantic-ai 1's span around those of the tools that an answer calls."""
_ALL_MESSAGES: Final = "pydantic_ai.all_messages"
_MESSAGES: Final = {
    _ALL_MESSAGES,
    model_call.INPUT_MESSAGES,
    model_call.OUTPUT_MESSAGES,
    "gen_ai.system_instructions",
}
_FIRST_NEW: Final = "pydantic_ai.new_message_index"
_SAME: Final = {
    "gen_ai.tool.call.arguments": openinference.INPUT_VALUE,
    "gen_ai.tool.call.result": openinference.OUTPUT_VALUE,
    "final_result": openinference.OUTPUT_VALUE,
}


class PydanticAI(Library):
    """An agent's run is named after the agent; its prompt is its input, its result its output."""

    step_type = "pydantic_ai"

    def run_name(self, span_name: str, attributes: Mapping[str, Any]) -> str:
        return str(attributes.get(_AGENT, span_name))

    def is_inner(self, outer: str, inner: str) -> bool:
        return inner == _TOOLS

    def is_left_out(self, name: str, value: Any, *, content: bool) -> bool:
        if content:
            return False
        return name in _CONTENT or (name in _MESSAGES and any(said in str(value) for said in _SAID))

    def added(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        found: dict[str, Any] = {
            _SAME[name]: attributes[name] for name in _SAME.keys() & attributes.keys()
        }
        if _AGENT in attributes:
            found[model_call.OPERATION_NAME] = _INVOKE_AGENT
        if (messages := attributes.get(_ALL_MESSAGES)) is not None:
            found[openinference.INPUT_VALUE] = first_asked(messages, attributes.get(_FIRST_NEW, 0))
        if (messages := attributes.get(model_call.INPUT_MESSAGES)) is not None:
            found[openinference.INPUT_VALUE] = last_said(messages)
        if (messages := attributes.get(model_call.OUTPUT_MESSAGES)) is not None:
            found[openinference.OUTPUT_VALUE] = last_said(messages)
        return {name: value for name, value in found.items() if value}
