"""What a span's line says beside its name: the facts that explain why it ran as it did."""

from collections.abc import Iterator, Mapping
from typing import Any

from flujo_otel.model import Span
from flujo_otel.query.asgi import is_message
from flujo_otel.query.failure import failure_of
from flujo_otel.query.resume import question_of
from flujo_otel.query.subject import answer_of, called_of, model_of
from flujo_otel.query.tree import Node
from flujo_otel.semconv import flujo, graph
from flujo_otel.usage.tokens import usage_of
from flujo_otel_cli import amounts
from flujo_otel_cli.text import brief, brief_name
from flujo_otel_cli.theme import Theme
from flujo_otel_cli.times import duration

_NO_END = (graph.CANCELLED, graph.ABANDONED)
"""How a graph's node or run ended that did not reach its end, which is no error."""
_TIMES = {2: "retried once", 3: "retried twice"}
WAITS = "waits for a human"
"""The kind of a step that asks a human."""
_QUESTION = 80
"""Characters of what it asks."""
_SUBJECT = 80
"""Characters of an address or a query."""
_KINDS = {
    "LoopStep": "loop",
    "MapStep": "map",
    "ParallelStep": "parallel",
    "DynamicParallelRouterStep": "router",
    "HumanInTheLoopStep": WAITS,
    "StateMachineStep": "state machine",
}
"""flujo's step types that say something: a condition and a cache show what they are."""


def notes(node: Node, parent: Node | None, theme: Theme) -> Iterator[str]:
    """Each note, escaped, in the order in which they are read."""
    if node.fold is not None:
        yield from _fold_notes(node, theme)
    if node.fault is not None:
        yield node.fault.value
    if node.span is None:
        return
    attributes = node.span.attributes
    kind = step_kind(attributes)
    if flujo.NESTED_PIPELINE_NAME in attributes:  # the span of every pipeline is called alike
        yield brief_name(str(attributes[flujo.NESTED_PIPELINE_NAME]))
    yield from _kind_notes(node, kind, theme)
    yield from _reply_notes(attributes)
    yield from _branch_notes(node.name, attributes, parent)
    if attributes.get(flujo.CACHE_HIT) is True:
        yield "cached"
    visit = attributes.get(graph.NODE_VISIT)
    if isinstance(visit, int) and visit > 1:
        yield f"visit {visit}"
    ended = attributes.get(graph.STATUS)
    if ended in _NO_END:
        yield ended
    if kind not in ("loop", "map"):  # their attempts are their rounds
        yield from _attempt_notes(attributes)
    if attributes.get(flujo.FALLBACK_TRIGGERED) is True:
        yield "fallback"
    yield from subject_notes(node.span)
    yield from usage_notes(node.span, theme)
    answer = answer_of(attributes)
    failure = failure_of(node.span) if answer and node.status == "failed" else None
    if answer and (failure is None or failure.message != answer):  # which is said beneath
        yield brief(answer, _SUBJECT)
    if node.status == "paused" and not node.went_on and kind != WAITS:
        yield "paused"


def step_kind(attributes: Mapping[str, Any]) -> str:
    """flujo's step type in a word: `loop`, `parallel`; empty where there is none to speak of."""
    return _KINDS.get(str(attributes.get(flujo.STEP_TYPE)), "")


def _fold_notes(node: Node, theme: Theme) -> Iterator[str]:
    fold = node.fold
    assert fold is not None
    if is_message(fold.worst):
        return
    if fold.total_ns != node.duration_ns:
        yield f"added up {duration(fold.total_ns, theme.micro)}"
    name = fold.worst.name
    if fold.worst.iteration is not None:
        name = f"#{fold.worst.iteration}"
    which = f" ({brief_name(name)})" if name != node.name else ""
    yield f"worst {duration(fold.worst_ns, theme.micro)}{which}"


def _kind_notes(node: Node, kind: str, theme: Theme) -> Iterator[str]:
    assert node.span is not None
    attributes = node.span.attributes
    if flujo.BRANCH_KEY in attributes and kind != "parallel":  # its children are its branches
        yield f"{theme.arrow} {brief_name(str(attributes[flujo.BRANCH_KEY]))}"
    if not kind:
        return
    waits = node.status in ("paused", "running") and not node.went_on
    said = [_waited(node, theme) if kind == WAITS and not waits else kind]
    question = question_of(node.span) if kind == WAITS and waits else None
    if question is not None:
        said = [f"asks: {brief(' '.join(question.split()), _QUESTION)}"]
    rounds = attributes.get(flujo.LOOP_ITERATIONS)
    if isinstance(rounds, int):
        said.append(amounts.plural(rounds, "round"))
    if attributes.get(flujo.LOOP_EXIT_REASON):
        said.append(f"exit: {brief(str(attributes[flujo.LOOP_EXIT_REASON]), 80)}")
    yield ", ".join(said)


def _waited(node: Node, theme: Theme) -> str:
    """A step that asks ends when it has asked: its own duration says nothing of the wait."""
    if node.waited_ns is None:
        return "waited for a human"
    return f"waited {duration(node.waited_ns, theme.micro)} for a human"


def _reply_notes(attributes: Mapping[str, Any]) -> Iterator[str]:
    """What the human answered that a part of a run went on with, where content is recorded."""
    if attributes.get(flujo.RESUMED) is not True:
        return
    from flujo_otel.semconv.openinference import INPUT_VALUE  # few runs are resumed

    reply = attributes.get(INPUT_VALUE)
    if reply is not None:
        yield f"reply: {brief(' '.join(str(reply).split()), _QUESTION)}"


def _branch_notes(name: str, attributes: Mapping[str, Any], parent: Node | None) -> Iterator[str]:
    """The branch that it belongs to, where neither its name nor its parent's line says it."""
    branch = attributes.get(flujo.PARALLEL_BRANCH)
    if parent is not None and parent.span is None and parent.iteration is None:
        return  # a branch of its own
    above = parent.span.attributes.get(flujo.BRANCH_KEY) if parent and parent.span else None
    if branch is not None and str(branch) not in (name, str(above)):
        yield f"branch {brief_name(str(branch))}"


def _attempt_notes(attributes: Mapping[str, Any]) -> Iterator[str]:
    attempts = attributes.get(flujo.STEP_ATTEMPTS)
    if not isinstance(attempts, int) or attempts < 2:
        return
    yield _TIMES.get(attempts, f"retried {attempts - 1} times")


def subject_notes(span: Span) -> Iterator[str]:
    """What it called and the model that it asked, which tell it from others of its name. Without
    secrets: others' spans are stored as they come, but these lines are what people pass on."""
    for called in called_of(span.name, span.attributes):
        from flujo_otel.redaction import redactor  # 65 ms, which few runs need

        yield brief(redactor().text(called), _SUBJECT)
    model = model_of(span.name, span.attributes)
    if model:
        yield brief(model, _SUBJECT)


def usage_notes(span: Span, theme: Theme) -> Iterator[str]:
    """The tokens that it tells of, and what they cost."""
    used = usage_of(span.attributes)
    if used is None:
        return
    if used.input_tokens is None and used.output_tokens is None:
        yield f"{used.total_tokens:,} tok"
    else:
        yield f"{used.input_tokens or 0:,}{theme.arrow}{used.output_tokens or 0:,} tok"
    if used.cache_read_tokens:
        yield f"{used.cache_read_tokens:,} cached"
    price = amounts.cost(span.cost_usd)
    if price is not None:
        yield price
