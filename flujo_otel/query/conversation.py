"""What a model was asked and what it answered, message by message, under whichever names."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from flujo_otel.model import Span
from flujo_otel.query.message import Message, messages_of, parsed, system_message
from flujo_otel.semconv import conversation as names
from flujo_otel.semconv import gen_ai, model_call, openinference

_DEEPEST: Final = 12
"""Parts of the name of an attribute that is a field of a message."""
_DIGITS: Final = 6
_ROLES: Final = {
    names.EVENT_SYSTEM: "system",
    names.EVENT_USER: "user",
    names.EVENT_ASSISTANT: "assistant",
    names.EVENT_TOOL: "tool",
}


class Side(NamedTuple):
    """What went in, or what came out."""

    messages: Sequence[Message] = ()
    beside: Mapping[str, Any] = {}
    """What was recorded with the messages as one value: the model, its settings."""
    read: frozenset[str] = frozenset()
    """The attributes that say the same."""


class Conversation(NamedTuple):
    """A side without messages is not recorded as such."""

    asked: Side = Side()
    answered: Side = Side()


def conversation_of(span: Span) -> Conversation:
    """Each side from the first source that has it."""
    return Conversation(
        _agreeing([source(span) for source in _ASKED]),
        _agreeing([source(span) for source in _ANSWERED]),
    )


def _agreeing(found: Iterable[Side]) -> Side:
    """The first that there is, with the attributes of those that say the same."""
    sides = [side for side in found if side.messages]
    if not sides:
        return Side()
    first = sides[0]
    same = [side.read for side in sides if side.messages == first.messages and not side.beside]
    return first._replace(read=first.read.union(*same))


def _of_value(name: str) -> Callable[[Span], Side]:
    """From one attribute, which has all the messages."""

    def read(span: Span) -> Side:
        value = parsed(span.attributes.get(name))
        found, beside = _within(value)
        messages = messages_of(found) if isinstance(found, (list, dict)) else None
        return Side(messages, beside, frozenset({name})) if messages else Side()

    return read


def _within(value: Any) -> tuple[Any, Mapping[str, Any]]:
    """The messages of a whole request or answer, and what is in it beside them."""
    if not isinstance(value, dict):
        return value, {}
    for key in ("messages", "choices", "generations", "candidates", "contents"):
        if isinstance(value.get(key), list):
            inner = value[key]
            if key in ("generations", "candidates"):
                inner = [_answer(each) for each in _flattened(inner)]
            return inner, {name: each for name, each in value.items() if name != key and each}
    return value, {}


def _flattened(items: Iterable[Any]) -> Iterator[Any]:
    for each in items:
        yield from each if isinstance(each, list) else [each]


def _answer(each: Any) -> Any:
    """Gemini's candidates have their message as `content`."""
    inner = each.get("content") if isinstance(each, dict) else None
    return inner if isinstance(inner, dict) else each


def _of_input_messages(span: Span) -> Side:
    side = _of_value(model_call.INPUT_MESSAGES)(span)
    instructions = parsed(span.attributes.get(names.SYSTEM_INSTRUCTIONS))
    if not side.messages or not instructions:
        return side
    return Side(
        [system_message(instructions), *side.messages],
        read=side.read | {names.SYSTEM_INSTRUCTIONS},
    )


def _of_fields(prefix: str) -> Callable[[Span], Side]:
    """From an attribute for each field of each message."""

    def read(span: Span) -> Side:
        fields = {key: value for key, value in span.attributes.items() if key.startswith(prefix)}
        messages = messages_of(_nested(fields, len(prefix))) if fields else None
        return Side(messages, read=frozenset(fields)) if messages else Side()

    return read


def _nested(fields: Mapping[str, Any], skipped: int) -> Any:
    """`0.message.role` and the like as what they are the leaves of."""
    root: dict[str, Any] = {}
    for key, value in fields.items():
        *path, last = key[skipped:].split(".", _DEEPEST)
        node = root
        for step in path:
            child = node.get(step)
            node = child if isinstance(child, dict) else node.setdefault(step, {})
            if not isinstance(node, dict):  # a value where others have fields
                break
        else:
            node[last] = value
    return _listed(root)


def _listed(value: Any) -> Any:
    """Where all the names are numbers, a list."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(each) for key, each in value.items()}
    if inner and all(key.isdecimal() and len(key) <= _DIGITS for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def _of_events(name: str, *, answers: bool) -> Callable[[Span], Side]:
    """From an attribute that has events as a JSON array."""

    def read(span: Span) -> Side:
        value = parsed(span.attributes.get(name))
        if not isinstance(value, list):
            return Side()
        events = [(str(e.get("event.name", "")), e) for e in value if isinstance(e, dict)]
        return _said(events, frozenset({name}), answers=answers)

    return read


def _of_span_events(*, answers: bool) -> Callable[[Span], Side]:
    def read(span: Span) -> Side:
        whole = names.COMPLETION if answers else names.PROMPT
        for event in span.events:
            messages = messages_of(parsed(event.attributes.get(whole)))
            if messages:
                return Side(messages)
        events = [(event.name, event.attributes) for event in span.events]
        return _said(events, frozenset(), answers=answers)

    return read


def _said(
    events: Iterable[tuple[str, Mapping[str, Any]]], read: frozenset[str], *, answers: bool
) -> Side:
    found: list[dict[str, Any]] = []
    for name, fields in events:
        is_choice = name == names.EVENT_CHOICE
        if is_choice is not answers or not (is_choice or name in _ROLES):
            continue
        inner = {key: parsed(value) for key, value in fields.items()}
        if is_choice and isinstance(inner.get("message"), dict):
            inner = {"finish_reason": inner.get("finish_reason")} | inner["message"]
        role = inner.get("role") or _ROLES.get(name, "assistant")
        found.append({"content": None} | inner | {"role": role})
    messages = messages_of(found) if found else None
    return Side(messages, read=read) if messages else Side()


def _of_agent(name: str, *, answers: bool) -> Callable[[Span], Side]:
    """From an agent's whole conversation: all but its last answer, or that alone."""
    sides = [_of_value(name), _of_events(name, answers=False)]

    def read(span: Span) -> Side:
        side = next((side for each in sides if (side := each(span)).messages), Side())
        is_over = side.messages[-1:] and side.messages[-1].role == "assistant"
        end = len(side.messages) - bool(is_over)
        return side._replace(messages=side.messages[end:] if answers else side.messages[:end])

    return read


_ASKED: Final = (
    _of_input_messages,
    _of_fields(names.OPENINFERENCE_INPUT),
    _of_fields(names.NUMBERED_PROMPT),
    _of_value(names.PROMPT),
    _of_events(names.EVENTS, answers=False),
    _of_span_events(answers=False),
    _of_agent(gen_ai.ALL_MESSAGES, answers=False),
    _of_agent(names.ALL_EVENTS, answers=False),
    _of_value(openinference.INPUT_VALUE),
)
_ANSWERED: Final = (
    _of_value(model_call.OUTPUT_MESSAGES),
    _of_fields(names.OPENINFERENCE_OUTPUT),
    _of_fields(names.NUMBERED_COMPLETION),
    _of_value(names.COMPLETION),
    _of_events(names.EVENTS, answers=True),
    _of_span_events(answers=True),
    _of_agent(gen_ai.ALL_MESSAGES, answers=True),
    _of_agent(names.ALL_EVENTS, answers=True),
    _of_value(openinference.OUTPUT_VALUE),
)
