"""What a Trace and a Step say, as span attributes and back: the one place for both ways.

X-Ray's own are JSON texts of one attribute each (semconv/xray.py); beside them stands the same for
tools that know OpenInference or OpenTelemetry's GenAI conventions.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from flujo_otel.interruption import passes
from flujo_otel.model import Event
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo, openinference, xray
from flujo_otel.storage.llm import gen_ai_attributes
from flujo_otel.storage.snapshot import snapshot
from flujo_otel.storage.traces import Step, Trace
from flujo_otel.wire.values import json_encoder

EVALUATIONS: Final = "evaluations"
RANKED_CANDIDATES: Final = "ranked_candidates"
LLM: Final = "llm"
"""X-Ray's patterns: members of a step's metadata, of these types."""
_PATTERNS: Final = (
    (EVALUATIONS, list, xray.EVALUATIONS),
    (RANKED_CANDIDATES, list, xray.RANKED_CANDIDATES),
    (LLM, dict, xray.LLM),
)
_encode: Final = json_encoder(", ", ": ", snapshot)


def first_of_trace(trace: Trace) -> dict[str, Any]:
    """What a trace's span has from its start on: by this it is filed."""
    return {
        flujo.RUN_ID: trace.trace_id,
        flujo.PIPELINE_NAME: redactor().text(trace.name),
        xray.TRACE_ID: trace.trace_id,
        openinference.SPAN_KIND: "CHAIN",
    }


def first_of_step(step: Step, *, in_other_run: bool = False) -> dict[str, Any]:
    """The same of a step. `in_other_run`: it is none of an X-Ray trace's, so it names no run and no
    place in it."""
    named = {} if in_other_run else {flujo.RUN_ID: step.trace_id, flujo.STEP_INDEX: step.step_order}
    return {**named, flujo.STEP_TYPE: xray.STEP_TYPE, xray.STEP_ID: step.step_id}


def last_of_trace(trace: Trace, *, content: bool = True) -> dict[str, Any]:
    """What is known at a trace's end, secrets redacted."""
    found = _failure(trace)
    if content and trace.metadata:
        found[xray.METADATA] = to_text(trace.metadata)
    return redactor().attributes(found)


def last_of_step(step: Step, *, content: bool = True) -> dict[str, Any]:
    """What is known at a step's end, secrets redacted. `content` False: no inputs, outputs, reasons
    and other data of the program, only what model was used and how much."""
    found = _failure(step)
    metadata = step.metadata
    llm = metadata.get(LLM)
    if isinstance(llm, Mapping):
        found.update(gen_ai_attributes(llm))
    found[openinference.SPAN_KIND] = _kind_of(metadata)
    if content:
        _add_content(found, step)
    return redactor().attributes(found)


def input_of(step: Step) -> dict[str, Any]:
    """A step's input alone, as soon as it is known: a process that is killed leaves it behind."""
    return redactor().attributes(
        {
            openinference.INPUT_VALUE: to_text(step.input),
            openinference.INPUT_MIME_TYPE: openinference.MIME_JSON,
        }
    )


def event(kept: Event, *, content: bool = True) -> Event:
    """`kept` as it is recorded. `content` False: nothing of what the program gave it but its name;
    what failed stays."""
    if content or kept.name == flujo.EVENT_EXCEPTION:
        return kept
    return kept._replace(attributes={})


def _add_content(found: dict[str, Any], step: Step) -> None:
    if step.input:
        found[openinference.INPUT_VALUE] = to_text(step.input)
        found[openinference.INPUT_MIME_TYPE] = openinference.MIME_JSON
    if step.output is not None:
        found[openinference.OUTPUT_VALUE] = to_text(step.output)
        found[openinference.OUTPUT_MIME_TYPE] = openinference.MIME_JSON
    if step.reasoning is not None:
        found[xray.REASONING] = step.reasoning
    if not step.metadata:
        return
    rest = dict(step.metadata)
    for member, kind, name in _PATTERNS:
        if isinstance(rest.get(member), kind):
            found[name] = to_text(rest.pop(member))
    if rest:
        found[xray.METADATA] = to_text(rest)


def _kind_of(metadata: Mapping[str, Any]) -> str:
    if LLM in metadata:
        return "LLM"
    return "RERANKER" if RANKED_CANDIDATES in metadata else "CHAIN"


def _failure(model: Trace | Step) -> dict[str, Any]:
    facts = model._span
    error = model.error if isinstance(model, Step) else facts.error if facts else ""
    found: dict[str, Any] = {flujo.ERROR_MESSAGE: error} if error else {}
    if facts is not None and facts.error_type:
        found[flujo.ERROR_TYPE] = found[flujo.ERROR_TYPE_PLAIN] = facts.error_type
    return found


def to_text(value: Any) -> str:
    """`value` as strict JSON. Never raises for what it is."""
    try:
        text = _encode(value)
        if not text.isascii():
            text.encode()
    except BaseException as error:  # NaN, a lone surrogate, an odd key
        if passes(error):
            raise
        return _encode(snapshot(value))
    return text


def metadata_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A trace's or step's metadata with X-Ray's patterns in it."""
    found = _parsed(attributes.get(xray.METADATA))
    metadata = found if isinstance(found, dict) else {}
    for member, kind, name in _PATTERNS:
        value = _parsed(attributes.get(name))
        if isinstance(value, kind):
            metadata[member] = value
    return metadata


def object_of(value: Any) -> dict[str, Any] | None:
    """An input or output, as whoever it came from put it; what is no object is its member `value`.
    None where there is none."""
    if value is None:
        return None
    found = _parsed(value)
    if found is None:
        found = value
    return found if isinstance(found, dict) else {"value": found}


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
