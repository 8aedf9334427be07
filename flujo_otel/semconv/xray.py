"""What an X-Ray trace and step say beyond flujo's names for a run and a step (docs/semconv.md).

A trace's root span is a run's root: `flujo.run_id` is the trace's own id, `flujo.pipeline.name` its
name. A step's span has `flujo.step.type` STEP_TYPE, and `flujo.step.index` in order of start.
"""

from typing import Final

STEP_TYPE: Final = "xray"
"""The value of `flujo.step.type` on a step of the X-Ray SDK."""
TRACE_ID: Final = "xray.trace.id"
"""On a trace's root span: the trace's own id, which `flujo.run_id` is too."""
STEP_ID: Final = "xray.step.id"
"""The step's own id, as `Step.step_id` has it."""
REASONING: Final = "xray.reasoning"
"""Why it was decided so, as text."""
METADATA: Final = "xray.metadata"
"""What set_metadata collected, as a JSON object."""
EVALUATIONS: Final = "xray.evaluations"
"""JSON array of {item_id, item_data, filters: [{name, passed, detail}], qualified, reasoning}. One
attribute: the SDK drops a span's events past 128."""
RANKED_CANDIDATES: Final = "xray.ranked_candidates"
"""JSON array of {item_id, rank, score, reason, item_data}, best first."""
LLM: Final = "xray.llm"
"""What add_llm_metadata was given, as a JSON object; beside it the same as `gen_ai.*`."""
DECISION: Final = (REASONING, EVALUATIONS, RANKED_CANDIDATES, LLM, METADATA)
"""What says how it was decided: a span without any of them says nothing of that. In the order of
the parts of `query.decision.Decision`."""
DURATION_MS: Final = "xray.duration_ms"
"""On what was saved with a duration that its times do not say."""
UTC_OFFSET_SECONDS: Final = "xray.utc_offset_seconds"
"""On what was saved with aware times: the offset, so that they are given back so."""
