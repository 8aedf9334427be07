"""A message of a conversation with a model, in whichever shape it was recorded.

OpenTelemetry's `{role, parts}`, and `{role, content}` as OpenAI, Anthropic and LangChain have it,
OpenInference's with a `message` around it, Gemini's. What is in none of these shapes is given as
JSON, so that nothing of a message is lost but ids and signatures.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from flujo_otel.query.fields import Fields, listed, merged, text_of
from flujo_otel.query.part import (
    Kind,
    Part,
    beside,
    calls_of,
    is_result,
    medium_parts,
    parts_of,
    result_text,
)
from flujo_otel.query.recorded import is_too_deep

_ROLES: Final = {"human": "user", "ai": "assistant"}
"""LangChain's names for them."""
_KNOWN_ROLES: Final = frozenset(
    {"system", "developer", "user", "assistant", "tool", "function", "model", *_ROLES}
)
_CONTENT: Final = ("parts", "contents", "content")
_CALLS: Final = ("tool_calls", "function_call")
_SPOKEN: Final = ("refusal", "audio", "reasoning_content")
"""What a model says where others have content."""
_ENDS: Final = frozenset(
    {"stop", "end_turn", "tool_call", "tool_calls", "tool_use", "function_call", "stop_sequence"}
)
"""Why an answer ends that is whole."""
_WHOLE: Final = ("success", "completed")
"""What LangChain and OpenAI say of a message that is."""
_HANDLES: Final = frozenset({"id", "tool_call_id", "index"})
"""By these programs find messages: nobody reads them."""


class Message(NamedTuple):
    """`role`: "" where nobody says."""

    role: str
    parts: Sequence[Part]

    def __str__(self) -> str:
        """On its own, without the role."""
        return " ".join(text for part in self.parts if (text := str(part)))


def messages_of(value: Any) -> list[Message] | None:
    """Of an array of messages, or of one; None where it is neither, or nested too deep."""
    items = value if isinstance(value, list) else [value]
    items = items[0] if len(items) == 1 and isinstance(items[0], list) else items  # LangChain's
    if not any(isinstance(each, dict) for each in items) or is_too_deep(items):
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


def _is_cut(item: Any) -> bool:
    return isinstance(item, str) and item.startswith("\N{HORIZONTAL ELLIPSIS}")


def _is_message(item: dict[str, Any]) -> bool:
    bare = _bare(item)
    has_content = any(name in bare for name in (*_CONTENT, *_CALLS, *_SPOKEN))
    return has_content and _role(bare) in _KNOWN_ROLES


def _bare(item: dict[str, Any]) -> dict[str, Any]:
    """With the fields that OpenInference, an answer of OpenAI's and LangChain put it beneath."""
    fields, inner = item.get("kwargs"), item.get("message")
    if "lc" in item and isinstance(fields, dict):
        path = listed(item.get("id"))
        outer = _without(item, "lc", "type", "id", "kwargs")
        bare = merged({"role": path[-1] if path else None, **fields}, outer)
    elif isinstance(inner, dict):
        bare = merged(_bare(inner), _without(item, "message", "type"))
    else:
        bare = item
    more = bare.get("additional_kwargs")
    if not isinstance(more, dict):
        return bare
    return merged(_without(bare, "additional_kwargs"), more)


def _without(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in names}


def _role(bare: Mapping[str, Any]) -> str:
    role = bare.get("role")
    return _plain_role(bare.get("type") if role is None else role)


def _plain_role(role: Any) -> str:
    name = text_of(role).lower().removesuffix("messagechunk").removesuffix("message")
    return _ROLES.get(name, name)


def _message(item: dict[str, Any], tools: dict[str, str]) -> Message:
    """`tools`: the names of those that were called so far, by the call's id."""
    bare = _bare(item)
    fields, role = Fields(bare), _role(bare)
    fields.take("role")
    if _plain_role(bare.get("type")) in ("", *_KNOWN_ROLES):
        fields.take("type")  # "message" is one without a role
    if bare.get("status") in _WHOLE:
        fields.take("status")
    parts = list(filter(_says_something, _parts(fields, role, tools)))
    kinds = {part.kind for part in parts}
    if Kind.RESULT in kinds and kinds <= {Kind.RESULT, Kind.OTHER}:
        role = "tool"
    end = text_of(fields.take("finish_reason", "stop_reason"))
    rest = fields.rest(_HANDLES)
    said = "".join(part.text for part in parts if part.kind is Kind.TEXT)
    if rest.get("text") == said:  # LangChain's generations repeat it
        del rest["text"]
    parts.extend(beside(rest))
    if end and end.lower() not in _ENDS:
        parts.append(Part(Kind.OTHER, f"(ended by {end.lower()})"))
    return Message(role, tuple(parts))


def _says_something(part: Part) -> bool:
    return bool(part.text or part.name) or part.kind is Kind.RESULT


def _parts(fields: Fields, role: str, tools: dict[str, str]) -> Iterator[Part]:
    thought = fields.take("reasoning_content", "reasoning", "thinking")
    if thought is not None:
        yield Part(Kind.THOUGHT, text_of(thought))
    content = fields.take(*_CONTENT)
    around = Fields(fields.take_mapping("around") or {})
    if role in ("tool", "function") and not any(map(is_result, listed(content))):
        called = text_of(fields.take("tool_call_id", "id"))
        name = text_of(fields.take("name")) or tools.get(called, "")
        yield Part(Kind.RESULT, result_text(content, tools), name)
    else:
        yield from _once(
            [
                [part for each in listed(content) for part in parts_of(each, tools)],
                *(_calls(fields.take(name), tools) for name in _CALLS),
                # Where LangChain has calls of its own, the provider's are around them.
                *(_calls(around.take(name), tools) for name in _CALLS),
            ]
        )
    rest = around.rest()
    yield from beside({"around": rest} if rest else {})
    refusal = fields.take("refusal")
    if refusal is not None:
        yield Part(Kind.REFUSAL, text_of(refusal))
    audio = fields.take_mapping("audio")
    if audio:
        yield from medium_parts(audio, "audio")


def _calls(calls: Any, tools: dict[str, str]) -> list[Part]:
    return [part for call in listed(calls) for part in calls_of(call, tools)]


def _once(sources: Sequence[Sequence[Part]]) -> Iterator[Part]:
    """Anthropic's calls are among LangChain's content too: of what several sources have, that of
    the first."""
    had: Counter[Part] = Counter()
    for parts in sources:
        again = had.copy()
        for part in parts:
            if again[part] > 0:
                again[part] -= 1
            else:
                had[part] += 1
                yield part
