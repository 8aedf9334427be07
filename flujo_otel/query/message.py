"""A message of a conversation with a model, in whichever shape it was recorded.

OpenTelemetry's `{role, parts}`, and `{role, content}` as OpenAI, Anthropic and LangChain have it,
OpenInference's with a `message` around it, Gemini's. What is in none of these shapes is given as
JSON, so that nothing of a message is lost.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

_ROLES: Final = {"human": "user", "ai": "assistant"}
"""LangChain's names for them."""
_KNOWN_ROLES: Final = frozenset(
    {"system", "developer", "user", "assistant", "tool", "function", "model", *_ROLES}
)
_CALLS: Final = frozenset({"tool_call", "tool_use", "function_call", "server_tool_use"})
_RESULTS: Final = frozenset(
    {"tool_call_response", "tool_result", "function_response", "function_call_output"}
)
_THOUGHTS: Final = frozenset({"thinking", "reasoning"})
_MEDIA: Final = ("image", "audio", "video", "document", "file", "blob", "uri", "media", "binary")
_ENDS: Final = frozenset(
    {"stop", "end_turn", "tool_call", "tool_calls", "tool_use", "function_call", "stop_sequence"}
)
"""Why an answer ends that is whole."""
_URL_MOST: Final = 200


class Kind(StrEnum):
    """What a part of a message is."""

    TEXT = "text"
    THOUGHT = "thought"
    CALL = "call"
    RESULT = "result"
    MEDIA = "media"
    OTHER = "other"


class Part(NamedTuple):
    """`text`: of a call its arguments, of an image and the like what is known instead of it.
    `name`: the tool's, or what sort of medium."""

    kind: Kind
    text: str
    name: str = ""

    def __str__(self) -> str:
        """`look({"n": 1})`, `look returned yes`, `[image http://...]`."""
        if self.kind is Kind.CALL:
            return f"{self.name}({self.text})"
        if self.kind is Kind.RESULT:
            return f"{self.name or 'tool'} returned {self.text}"
        if self.kind is Kind.MEDIA:
            return f"[{' '.join(filter(None, (self.name, self.text)))}]"
        return self.text


class Message(NamedTuple):
    """`role`: "" where nobody says."""

    role: str
    parts: Sequence[Part]

    def __str__(self) -> str:
        """On its own, without the role."""
        return " ".join(text for part in self.parts if (text := str(part)))


def messages_of(value: Any) -> list[Message] | None:
    """Of an array of messages, or of one; None where it is neither."""
    items = value if isinstance(value, list) else [value]
    items = items[0] if len(items) == 1 and isinstance(items[0], list) else items  # LangChain's
    if not any(isinstance(each, dict) for each in items):
        return None
    # A producer that cuts long values says so in a text where messages were.
    if not all(_is_message(each) if isinstance(each, dict) else _is_cut(each) for each in items):
        return None
    tools: dict[str, str] = {}
    return [
        _message(each, tools) if isinstance(each, dict) else Message("", (Part(Kind.OTHER, each),))
        for each in items
    ]


def system_message(parts: Any) -> Message:
    """Of instructions that stand beside the messages."""
    return _message({"role": "system", "parts": parts}, {})


def parsed(value: Any) -> Any:
    """JSON as the value that it is; any other text as it stands."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=str)
    except (ValueError, RecursionError):
        return value


def text_of(value: Any) -> str:
    """Text as it is, nothing as none, any other value as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _is_cut(item: Any) -> bool:
    return isinstance(item, str) and item.startswith("\N{HORIZONTAL ELLIPSIS}")


def _is_message(item: dict[str, Any]) -> bool:
    bare = _bare(item)
    has_content = any(
        name in bare for name in ("parts", "content", "contents", "tool_calls", "function_call")
    )
    return has_content and _role(bare) in _KNOWN_ROLES


def _bare(item: dict[str, Any]) -> dict[str, Any]:
    """Without what OpenInference, an answer of OpenAI's and LangChain's `dumpd` put around it."""
    fields = item.get("kwargs")
    if "lc" in item and isinstance(fields, dict):
        path = _listed(item.get("id"))
        return {"role": path[-1] if path else None, **fields}
    inner = item.get("message")
    if not isinstance(inner, dict):
        return item
    return {"finish_reason": item.get("finish_reason"), **_bare(inner)}


def _role(bare: Mapping[str, Any]) -> str:
    role = bare.get("role", bare.get("type"))
    name = text_of(role).lower().removesuffix("messagechunk").removesuffix("message")
    return _ROLES.get(name, name)


def _message(item: dict[str, Any], tools: dict[str, str]) -> Message:
    """`tools`: the names of those that were called so far, by the call's id."""
    bare = _bare(item)
    role = _role(bare)
    parts = [part for part in _parts(bare, role, tools) if part.text or part.name]
    if parts and all(part.kind is Kind.RESULT for part in parts):
        role = "tool"
    end = text_of(bare.get("finish_reason")).lower()
    if end and end not in _ENDS:
        parts.append(Part(Kind.OTHER, f"(ended by {end})"))
    return Message(role, tuple(parts))


def _parts(bare: Mapping[str, Any], role: str, tools: dict[str, str]) -> Iterator[Part]:
    content = next((bare[key] for key in ("parts", "contents", "content") if bare.get(key)), None)
    if role in ("tool", "function") and not _holds_results(content):
        said = " ".join(str(_part(each, tools)) for each in _listed(content))
        called = text_of(bare.get("tool_call_id", bare.get("id")))
        yield Part(Kind.RESULT, said, text_of(bare.get("name")) or tools.get(called, ""))
        return
    seen: set[Part] = set()
    for each in _listed(content):
        part = _part(each, tools)
        seen.add(part)
        yield part
    calls = [*_listed(bare.get("tool_calls")), *_listed(bare.get("function_call"))]
    for call in calls:
        # Anthropic's calls are among LangChain's content too.
        if (part := _call(call, tools)) not in seen:
            yield part


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _holds_results(content: Any) -> bool:
    return any(isinstance(each, dict) and each.get("type") in _RESULTS for each in _listed(content))


def _part(part: Any, tools: dict[str, str]) -> Part:
    if isinstance(part, dict) and isinstance(part.get("message_content"), dict):
        part = part["message_content"]  # OpenInference's
    if not isinstance(part, dict):
        return Part(Kind.TEXT, text_of(part))
    kind = text_of(part.get("type")) or next(iter(part), "")
    if kind in _CALLS:
        return _call(part, tools)
    if kind in _RESULTS:
        return _result(part, tools)
    if kind in _THOUGHTS:
        keys = ("content", "thinking", "reasoning", "text", "summary")
        return Part(Kind.THOUGHT, next((text_of(part[key]) for key in keys if part.get(key)), ""))
    if any(word in kind for word in (*_MEDIA, "inline_data")):
        return _medium(part, kind)
    said = part.get("text", part.get("content"))
    return Part(Kind.OTHER, text_of(part)) if said is None else Part(Kind.TEXT, text_of(said))


def _call(call: Any, tools: dict[str, str]) -> Part:
    if isinstance(call, dict):
        inner = (call.get(key) for key in ("tool_call", "function_call", "function"))
        found = next((each for each in inner if isinstance(each, dict)), None)
        if found is not None:
            return _call({"id": call.get("id")} | found, tools)
    if not isinstance(call, dict) or not call.get("name"):
        return Part(Kind.OTHER, text_of(call))
    name = text_of(call["name"])
    keys = ("arguments", "args", "input")
    arguments = next((call[key] for key in keys if call.get(key) is not None), "")
    tools[text_of(call.get("id"))] = name
    return Part(Kind.CALL, text_of(parsed(arguments)), name)


def _result(part: Mapping[str, Any], tools: dict[str, str]) -> Part:
    inner = part.get("function_response")
    if isinstance(inner, dict):
        part = inner
    keys = ("response", "result", "content", "output")
    said = next((part[key] for key in keys if part.get(key) is not None), "")
    called = (text_of(part.get(key)) for key in ("id", "tool_use_id", "tool_call_id", "call_id"))
    name = text_of(part.get("name")) or next((tools[each] for each in called if each in tools), "")
    if isinstance(said, list):
        said = " ".join(str(_part(each, tools)) for each in said)
    return Part(Kind.RESULT, text_of(said), name)


def _medium(part: Mapping[str, Any], kind: str) -> Part:
    """An image and the like by its address, or by its type and size, never as it is."""
    flat = dict(_flat(part))
    words = " ".join(flat.get(key, "") for key in ("modality", "mime_type", "media_type"))
    name = next((word for word in _MEDIA[:4] if word in f"{words} {kind}"), "file")
    keys = ("uri", "url", "image_url", "file_uri", "filename", "file_name", "file_id")
    address = next((flat[key] for key in keys if flat.get(key)), "")
    data = next((flat[key] for key in ("data", "base64", "content") if flat.get(key)), "")
    mime = flat.get("mime_type") or flat.get("media_type") or flat.get("mimeType", "")
    if address.startswith("data:"):
        before, _, data = address.partition(",")
        mime, address = before.removeprefix("data:").partition(";")[0], ""
    if address:
        return Part(Kind.MEDIA, address[:_URL_MOST], name)
    size = f"{len(data) * 3 // 4:,} bytes" if data else ""
    return Part(Kind.MEDIA, ", ".join(filter(None, (mime, size))), name)


def _flat(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts in it by their names, the outer ones after the inner ones."""
    waiting: list[Mapping[str, Any]] = [part]
    found: list[Mapping[str, Any]] = []
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += [value for value in each.values() if isinstance(value, dict)]
    for each in reversed(found):
        yield from ((key, value) for key, value in each.items() if isinstance(value, str))
