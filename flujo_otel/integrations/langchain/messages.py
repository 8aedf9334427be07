"""LangChain's values as plain data: messages, prompts and documents say what they are about."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue, StringPromptValue

_DEPTH_LIMIT: Final = 4
_SIZE_LIMIT: Final = 1000
"""Of a longer list or mapping nothing is turned: it is written, and cut, as it stands."""
_ROLES: Final = {"human": "user", "ai": "assistant"}


def plain(value: Any, depth: int = _DEPTH_LIMIT) -> Any:
    """`value` with the messages, prompts and documents in it as plain data."""
    turn = next((turn for kind, turn in _TURNS if isinstance(value, kind)), None)
    if turn is not None:
        return turn(value)
    if depth > 0 and isinstance(value, dict | list | tuple) and len(value) <= _SIZE_LIMIT:
        if isinstance(value, dict):
            return {key: plain(each, depth - 1) for key, each in value.items()}
        if not hasattr(value, "_fields"):
            return [plain(each, depth - 1) for each in value]
    return value


def plain_prompt(value: PromptValue) -> Any:
    if isinstance(value, StringPromptValue):
        return value.text
    return [plain_message(message) for message in value.to_messages()]


def plain_document(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {"content": document.page_content, "metadata": document.metadata}
    return {"id": document.id, **found} if document.id is not None else found


def plain_message(message: BaseMessage) -> dict[str, Any]:
    """{role, content} and, where it has them, its name, tool calls and tool_call_id."""
    found: dict[str, Any] = {"role": role_of(message), "content": message.content}
    for name in ("name", "tool_calls", "tool_call_id"):
        value = getattr(message, name, None)
        if value:
            found[name] = value
    return found


def is_plain_text(message: BaseMessage) -> bool:
    """Whether its text is all that it says."""
    return isinstance(message.content, str) and not getattr(message, "tool_calls", None)


def role_of(message: BaseMessage) -> str:
    """As providers name it; a chunk of a message has the role of the message."""
    role = getattr(message, "role", None) or message.type.removesuffix("MessageChunk").lower()
    return _ROLES.get(role, role)


def genai_messages(messages: Iterable[BaseMessage]) -> list[dict[str, Any]]:
    """In the shape of OpenTelemetry's `gen_ai.input.messages`."""
    return [{"role": role_of(message), "parts": _parts(message)} for message in messages]


def _parts(message: BaseMessage) -> list[Any]:
    call_id = getattr(message, "tool_call_id", None)
    if call_id:
        return [{"type": "tool_call_response", "id": call_id, "response": message.content}]
    content: Sequence[Any] = (
        [message.content] if isinstance(message.content, str) else message.content
    )
    parts = [_part(block) for block in content if block != ""]
    return parts + [_tool_call(call) for call in getattr(message, "tool_calls", None) or ()]


def _part(block: Any) -> Any:
    if isinstance(block, str):
        return {"type": "text", "content": block}
    if isinstance(block, Mapping) and block.get("type") == "text":
        return {"type": "text", "content": block.get("text", "")}
    return block


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "id": call.get("id"),
        "name": call.get("name"),
        "arguments": call.get("args"),
    }


_TURNS: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, lambda text: text),
    (BaseMessage, plain_message),
    (PromptValue, plain_prompt),
    (Document, plain_document),
)
