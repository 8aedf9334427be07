"""What a model was asked and what it answered, message by message, under whichever names."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from flujo_otel.model import Span
from flujo_otel.query.fields import is_nothing, merged, parsed
from flujo_otel.query.message import Message, messages_of, system_message
from flujo_otel.query.recorded import is_too_deep
from flujo_otel.semconv import conversation as names
from flujo_otel.semconv import gen_ai, model_call, openinference

_DEEPEST: Final = 12
"""Parts of the name of an attribute that is a field of a message."""
_DIGITS: Final = 6
_ENVELOPE: Final = frozenset({"event.name", "gen_ai.system", "gen_ai.message.index"})
"""What an event has beside its message."""
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
        found, beside = _within(_attribute(span, name))
        messages = messages_of(found) if isinstance(found, (list, dict)) else None
        return Side(messages, beside, frozenset({name})) if messages else Side()

    return read


def _attribute(span: Span, name: str) -> Any:
    """None where it is nested too deep to be a conversation."""
    value = parsed(span.attributes.get(name))
    return None if is_too_deep(value) else value


def _within(value: Any) -> tuple[Any, Mapping[str, Any]]:
    """The messages of a whole request or answer, and what is in it beside them."""
    if not isinstance(value, dict):
        return value, {}
    for key in ("messages", "choices", "generations", "candidates", "contents"):
        if isinstance(value.get(key), list):
            inner = value[key]
            if key in ("generations", "candidates"):
                inner = [_answer(each) for each in _flattened(inner)]
            beside = {name: each for name, each in value.items() if name != key}
            return inner, {name: each for name, each in beside.items() if not is_nothing(each)}
    return value, {}


def _flattened(items: Iterable[Any]) -> Iterator[Any]:
    for each in items:
        yield from each if isinstance(each, list) else [each]


def _answer(each: Any) -> Any:
    """Gemini's candidates have their message as `content`."""
    inner = each.get("content") if isinstance(each, dict) else None
    if not isinstance(inner, dict):
        return each
    outer = {name: value for name, value in each.items() if name not in ("content", "finishReason")}
    return merged(inner, {"finish_reason": each.get("finishReason"), **outer})


def _of_input_messages(span: Span) -> Side:
    side = _of_value(model_call.INPUT_MESSAGES)(span)
    instructions = _attribute(span, names.SYSTEM_INSTRUCTIONS)
    if not side.messages or is_nothing(instructions):
        return side
    return side._replace(
        messages=[system_message(instructions), *side.messages],
        read=side.read | {names.SYSTEM_INSTRUCTIONS},
    )


def _of_fields(prefix: str) -> Callable[[Span], Side]:
    """From an attribute for each field of each message."""

    def read(span: Span) -> Side:
        fields = {key: value for key, value in span.attributes.items() if key.startswith(prefix)}
        root, placed = _nested(fields, len(prefix))
        messages = messages_of(root) if fields else None
        return Side(messages, read=placed) if messages else Side()

    return read


def _nested(fields: Mapping[str, Any], skipped: int) -> tuple[Any, frozenset[str]]:
    """`0.message.role` and the like as what they are the leaves of, and those that found a place:
    not a value where others have fields."""
    root: dict[str, Any] = {}
    placed = set()
    for key, value in sorted(fields.items()):
        *path, last = key[skipped:].split(".", _DEEPEST)
        node: Any = root
        for step in path:
            node = node.setdefault(step, {}) if isinstance(node, dict) else None
        if isinstance(node, dict) and last not in node:
            node[last] = value
            placed.add(key)
    return _listed(root), frozenset(placed)


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
        value = _attribute(span, name)
        if not isinstance(value, list):
            return Side()
        events = [(str(e.get("event.name", "")), e) for e in value if isinstance(e, dict)]
        side, other = (_said(events, answers=each) for each in (answers, not answers))
        # Others among them are drawn nowhere: the attribute stays.
        is_read = side.messages and len(side.messages) + len(other.messages) == len(value)
        return side._replace(read=frozenset({name})) if is_read else side

    return read


def _of_span_events(*, answers: bool) -> Callable[[Span], Side]:
    def read(span: Span) -> Side:
        whole = names.COMPLETION if answers else names.PROMPT
        for event in span.events:
            messages = messages_of(parsed(event.attributes.get(whole)))
            if messages:
                return Side(messages)
        events = [(event.name, event.attributes) for event in span.events]
        return _said(events, answers=answers)

    return read


def _said(events: Iterable[tuple[str, Mapping[str, Any]]], *, answers: bool) -> Side:
    found: list[dict[str, Any]] = []
    for name, fields in events:
        is_choice = name == names.EVENT_CHOICE
        if is_choice is not answers or not (is_choice or name in _ROLES):
            continue
        inner = {key: parsed(value) for key, value in fields.items() if key not in _ENVELOPE}
        if is_too_deep(inner):
            return Side()
        if is_choice and isinstance(inner.get("message"), dict):
            inner = merged(inner.pop("message"), inner)
        role = inner.get("role") or _ROLES.get(name, "assistant")
        found.append({"content": None} | inner | {"role": role})
    messages = messages_of(found) if found else None
    return Side(messages) if messages else Side()


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
