"""Messages as OpenTelemetry's GenAI conventions have them, read for what a reader asks first."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def first_asked(messages: str, first_new: int) -> str:
    """The prompt that a run began with, of JSON `messages`; "" where none is told.

    `first_new`: where what was said in earlier runs ends.
    """
    for message in json.loads(messages)[first_new:]:
        said = _said(message)
        if message.get("role") == "user" and said:
            return said
    return ""


def last_said(messages: str) -> str:
    """The last of JSON `messages`; "" where it is not told."""
    read = json.loads(messages)
    return _said(read[-1]) if read else ""


def _said(message: Mapping[str, Any]) -> str:
    return "\n".join(text for part in message.get("parts", ()) for text in _text(part) if text)


def _text(part: Mapping[str, Any]) -> Iterator[str]:
    kind = part.get("type")
    if kind == "text":
        yield str(part.get("content", ""))
    elif kind == "tool_call" and "arguments" in part:
        yield f"{part.get('name')}({_shown(part['arguments'])})"
    elif kind == "tool_call_response" and "result" in part:
        yield _shown(part["result"])


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
