"""What went into a span and what came out of it, wherever its program recorded that.

OpenInference's `input.value`, and else what OpenTelemetry's GenAI conventions have of a model's and
a tool's call, and pydantic-ai of an agent's run. Messages are told as a conversation.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from flujo_otel.query.fields import parsed, text_of
from flujo_otel.query.recorded import is_too_deep
from flujo_otel.semconv import flujo, gen_ai, model_call, openinference

_INPUTS: Final = (
    openinference.INPUT_VALUE,
    flujo.INPUT,
    model_call.INPUT_MESSAGES,
    *gen_ai.TOOL_ARGUMENTS,
    gen_ai.ALL_MESSAGES,
)
_OUTPUTS: Final = (
    openinference.OUTPUT_VALUE,
    model_call.OUTPUT_MESSAGES,
    *gen_ai.TOOL_RESULT,
    gen_ai.FINAL_RESULT,
    gen_ai.ALL_MESSAGES,
)
_CONVERSATIONS: Final = (model_call.INPUT_MESSAGES, model_call.OUTPUT_MESSAGES, gen_ai.ALL_MESSAGES)
READ: Final = frozenset({*_INPUTS, *_OUTPUTS, gen_ai.NEW_MESSAGE_INDEX})
"""All attributes that an Exchange may be read from."""
_MIME_TYPES: Final = {
    openinference.INPUT_VALUE: openinference.INPUT_MIME_TYPE,
    openinference.OUTPUT_VALUE: openinference.OUTPUT_MIME_TYPE,
}


class Exchange(NamedTuple):
    """Input and output as text; None: not recorded."""

    input: str | None = None
    output: str | None = None
    asked: str | None = None
    """Of a conversation that went in, its last message; else all of the input."""
    read: frozenset[str] = frozenset()
    """The attributes that it was read from."""


def exchange_of(attributes: Mapping[str, Any]) -> Exchange:
    """Of several names the first that is there counts."""
    given = next((name for name in _INPUTS if name in attributes), None)
    answered = next((name for name in _OUTPUTS if name in attributes), None)
    said = _said(attributes, given, answers=False)
    answer = _said(attributes, answered, answers=True)
    read = _same(attributes, given, _INPUTS) | _same(attributes, answered, _OUTPUTS)
    read |= {_MIME_TYPES[name] for name in read if name in _MIME_TYPES}
    return Exchange(
        "\n".join(said) if said else None,
        "\n".join(answer) if answer else None,
        said[-1] if said else None,
        frozenset(read),
    )


def _same(attributes: Mapping[str, Any], name: str | None, names: Iterable[str]) -> set[str]:
    """`name` with those of `names` that say the same."""
    if name is None:
        return set()
    return {each for each in names if attributes.get(each) == attributes[name]}


def _said(attributes: Mapping[str, Any], name: str | None, *, answers: bool) -> list[str]:
    """The value as text; of a conversation each message, and of all of an agent's its own part."""
    if name is None:
        return []
    value = attributes[name]
    if name not in _CONVERSATIONS:
        return [text_of(value)]
    messages = _messages(value)
    if messages is None:
        return [text_of(value)]
    if name == gen_ai.ALL_MESSAGES:
        messages = _own_part(messages, attributes.get(gen_ai.NEW_MESSAGE_INDEX), answers=answers)
    if len(messages) == 1:
        return [_content(messages[0])]
    return [f"{text_of(each.get('role', ''))}: {_content(each)}" for each in messages]


def _own_part(messages: list[dict[str, Any]], begin: Any, *, answers: bool) -> list[dict[str, Any]]:
    """Of an agent's conversation, from `begin` on: what it was asked first, or its last answer."""
    new = messages[begin:] if isinstance(begin, int) else messages
    is_answer = [each.get("role") == "assistant" for each in new]
    if answers:
        return new[-1:] if any(is_answer[-1:]) else []
    return new[: is_answer.index(True)] if any(is_answer) else new


def _messages(value: Any) -> list[dict[str, Any]] | None:
    """None where it is no array of messages, or nested too deep."""
    found = parsed(value)
    if is_too_deep(found):
        return None
    is_conversation = isinstance(found, list) and all(isinstance(each, dict) for each in found)
    return found if is_conversation else None


def _content(message: Mapping[str, Any]) -> str:
    parts = message.get("parts", message.get("content"))
    if not isinstance(parts, list):
        return text_of(parts)
    return " ".join(text for part in parts for text in _part(part) if text)


def _part(part: Any) -> Iterator[str]:
    if not isinstance(part, dict):
        yield text_of(part)
    elif part.get("type") == "tool_call":
        yield f"{text_of(part.get('name'))}({text_of(part.get('arguments', ''))})"
    elif part.get("type") == "tool_call_response":
        result = part.get("response", part.get("result", ""))
        yield f"{text_of(part.get('name', 'tool'))} returned {text_of(result)}"
    elif "content" in part:
        yield text_of(part["content"])
    else:
        yield text_of(part)
