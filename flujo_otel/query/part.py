"""A part of a message: text, a thought, a call of a tool and its result, an image and the like.

In whichever shape it was recorded; what nobody reads of it stands beside it as JSON.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from flujo_otel.query.fields import Fields, listed, merged, parsed, snake, text_of
from flujo_otel.query.medium import is_medium, medium_of

_CALLS: Final = frozenset({"tool_call", "tool_use", "function_call", "server_tool_use"})
_RESULTS: Final = frozenset(
    {"tool_call_response", "tool_result", "function_response", "function_call_output"}
)
_THOUGHTS: Final = frozenset({"thinking", "reasoning"})
_TEXTS: Final = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
_WRAPPERS: Final = (
    *("inline_data", "file_data", "function_call", "function_response", "tool_call", "tool_use"),
    *("tool_result", "image", "audio", "video", "document"),
)
"""Gemini's and Bedrock's parts have no type: their one field with fields of its own is it."""
_HANDLES: Final = frozenset(
    {"id", "call_id", "tool_call_id", "tool_use_id", "index", "signature", "thought_signature"}
)
"""By these programs find parts and prove them: nobody reads them."""


class Kind(StrEnum):
    """What a part of a message is."""

    TEXT = "text"
    THOUGHT = "thought"
    REFUSAL = "refusal"
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
        """`look({"n": 1})`, `look returned yes`, `[image http://...]`, `refused: ...`."""
        if self.kind is Kind.CALL:
            return f"{self.name}({self.text})"
        if self.kind is Kind.RESULT:
            return f"{self.name or 'tool'} returned {self.text}"
        if self.kind is Kind.MEDIA:
            return f"[{' '.join(filter(None, (self.name, self.text)))}]"
        return f"refused: {self.text}" if self.kind is Kind.REFUSAL else self.text


def parts_of(part: Any, tools: dict[str, str]) -> Iterator[Part]:
    """`tools`: the names of those that were called so far, by the call's id."""
    if isinstance(part, dict) and isinstance(part.get("message_content"), dict):
        outer = {key: value for key, value in part.items() if key != "message_content"}
        part = merged(part["message_content"], outer)  # OpenInference's
    if not isinstance(part, dict):
        yield Part(Kind.TEXT, text_of(part))
        return
    kind = _kind(part)
    if kind in _CALLS:
        yield from calls_of(part, tools)
    elif kind in _RESULTS:
        yield from _results(part, tools)
    elif is_medium(kind):
        yield from medium_parts(part, kind)
    else:
        yield from _said(Fields(part), kind, part)


def calls_of(call: Any, tools: dict[str, str]) -> Iterator[Part]:
    """One call, with what is in it beside name and arguments."""
    if not isinstance(call, dict):
        yield Part(Kind.OTHER, text_of(call))
        return
    fields = Fields(call)
    inner = fields.take_mapping("tool_call", "function_call", "tool_use", "function")
    if inner is not None:
        yield from calls_of(merged(inner, fields.rest(without=("type",))), tools)
        return
    name = text_of(fields.take("name"))
    if not name:
        yield Part(Kind.OTHER, text_of(call))
        return
    arguments = fields.take("arguments", "args", "input")
    if called := text_of(fields.take("id", "call_id", "tool_use_id")):
        tools[called] = name
    yield Part(Kind.CALL, text_of(parsed(arguments)), name)
    yield from beside(fields.rest(without={*_HANDLES, "type"}))


def result_text(value: Any, tools: dict[str, str]) -> str:
    """What a tool returned: parts of a message as such, any other value as JSON."""
    if value == "":
        return '""'
    items = listed(value)
    is_message = all(isinstance(each, dict) for each in items) and any(map(_is_part, items))
    if not is_message:
        return text_of(value)
    parts = (part for each in items for part in parts_of(each, tools))
    return " ".join(filter(None, map(str, parts)))


def is_result(part: Any) -> bool:
    """Whether it is what a tool returned, with the call that it answers."""
    return isinstance(part, dict) and _kind(part) in _RESULTS


def medium_parts(part: Mapping[str, Any], kind: str) -> Iterator[Part]:
    """The texts that belong to it, then what it is, then what else is known of it."""
    medium = medium_of(part, kind)
    yield from (Part(Kind.TEXT, text) for text in medium.texts)
    yield Part(Kind.MEDIA, medium.facts, medium.name)
    if medium.rest:
        yield Part(Kind.OTHER, f"with {medium.rest}")


def beside(rest: Mapping[str, Any]) -> Iterator[Part]:
    """What nobody read."""
    if rest:
        yield Part(Kind.OTHER, f"with {text_of(rest)}")


def _kind(part: Mapping[str, Any]) -> str:
    kind = snake(text_of(part.get("type")))
    if kind:
        return kind
    having = (snake(key) for key, value in part.items() if isinstance(value, dict))
    return next((name for name in having if name in _WRAPPERS), "")


def _is_part(value: Mapping[str, Any]) -> bool:
    kind = _kind(value)
    is_known = kind in _CALLS | _RESULTS | _THOUGHTS | _TEXTS or is_medium(kind)
    return is_known or list(value) == ["text"]


def _results(part: Mapping[str, Any], tools: dict[str, str]) -> Iterator[Part]:
    fields = Fields(part)
    inner = fields.take_mapping("function_response", "tool_result")
    if inner is not None:
        fields = Fields(merged(inner, fields.rest(without=("type",))))
    said = fields.take("response", "result", "content", "output")
    called = text_of(fields.take("tool_use_id", "tool_call_id", "call_id", "id"))
    name = text_of(fields.take("name")) or tools.get(called, "")
    yield Part(Kind.RESULT, result_text(said, tools), name)
    yield from beside(fields.rest(without={*_HANDLES, "type"}))


def _said(fields: Fields, kind: str, part: Mapping[str, Any]) -> Iterator[Part]:
    """What a model or a person said or thought; of an unknown kind, all of it."""
    without = {*_HANDLES}
    if kind in _THOUGHTS or part.get("thought") is True:
        if part.get("thought") is True:
            fields.take("thought")
        said = fields.take("content", "thinking", "reasoning", "text", "summary")
        texts = (str(each) for thought in listed(said) for each in parts_of(thought, {}))
        yield Part(Kind.THOUGHT, " ".join(filter(None, texts)))
        without.add("type")
    elif kind == "refusal":
        yield Part(Kind.REFUSAL, text_of(fields.take("refusal", "text", "content")))
        without.add("type")
    else:
        said = fields.take("text", "content")
        if said is None:
            yield Part(Kind.OTHER, text_of(part))
            return
        yield Part(Kind.TEXT, text_of(said))
        if kind in _TEXTS:
            without.add("type")
    yield from beside(fields.rest(without))
