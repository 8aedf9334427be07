"""What flujo's objects say, read alike from 0.4 and 0.6. Nothing here imports flujo."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from flujo_otel.recording import failure
from flujo_otel.recording.text import clipped
from flujo_otel.redaction import redactor
from flujo_otel.semconv import flujo as semconv
from flujo_otel.words import words_of

UNKNOWN_PIPELINE: Final = "unknown"
_POLICIES: Final = {
    "LoopStep": "DefaultLoopStepExecutor",
    "ParallelStep": "DefaultParallelStepExecutor",
    "ConditionalStep": "DefaultConditionalStepExecutor",
    "DynamicParallelRouterStep": "DefaultDynamicRouterStepExecutor",
    "HumanInTheLoopStep": "DefaultHitlStepExecutor",
    "CacheStep": "DefaultCacheStepExecutor",
}
_DEFAULT_POLICY: Final = "DefaultAgentStepExecutor"
_NAMED_ERROR: Final = re.compile(r"Agent execution failed with ((\w+): .*)", re.DOTALL)
"""0.6 tells its hooks the exception's class in these words only."""


class Kind(NamedTuple):
    """What the class of a step says about all of its steps."""

    type: str
    policy: str
    is_loop: bool
    has_branches: bool
    pauses: bool


_kinds: dict[type, Kind] = {}


def kind_of(step: object) -> Kind:
    """The `Kind` of a step; looked up once for each class."""
    kind = _kinds.get(type(step))
    if kind is None:
        # A parametrised generic of pydantic's is called LoopStep[...].
        names = [base.__name__.partition("[")[0] for base in type(step).__mro__]
        policy = next((_POLICIES[name] for name in names if name in _POLICIES), _DEFAULT_POLICY)
        kind = _kinds[type(step)] = Kind(
            type=names[0],
            policy=policy,
            is_loop="LoopStep" in names,
            has_branches=not {
                "ConditionalStep",
                "ParallelStep",
                "DynamicParallelRouterStep",
            }.isdisjoint(names),
            pauses="HumanInTheLoopStep" in names,
        )
    return kind


class Outcome(NamedTuple):
    """How a step ended: by its `result`, `error` or `paused`; by none if nobody knows."""

    result: Any = None
    """flujo's StepResult."""
    error: BaseException | None = None
    """The exception behind a failure, where it could be seen."""
    paused: str | None = None
    """The message to the human that the run waits for."""
    background_task_id: str | None = None
    """The step was launched in the background; its body is a span of its own."""


def outcome_of(returned: Any) -> Outcome:
    """Read what the executor returned: a StepResult (0.4, 0.6) or a StepOutcome (0.6)."""
    kind: type = type(returned)
    return _outcome_reader_of(kind)(returned)


@lru_cache(maxsize=64)
def _outcome_reader_of(kind: Any) -> Callable[[Any], Outcome]:
    name = kind.__name__
    if name.startswith("Paused"):
        return lambda it: Outcome(paused=str(getattr(it, "message", "")))
    if name.startswith("BackgroundLaunched"):
        return lambda it: Outcome(background_task_id=str(getattr(it, "task_id", "")))
    if name.startswith("Failure"):
        return lambda it: Outcome(getattr(it, "step_result", None), getattr(it, "error", None))
    if name.startswith("Success"):
        return lambda it: Outcome(getattr(it, "step_result", None))
    return lambda it: Outcome(it if hasattr(it, "success") else None)


def outcome_of_exception(error: BaseException) -> Outcome:
    """A pause travels as an exception; everything else is a failure."""
    if is_pause(error):
        # 0.6 adds its error code to the text of its exceptions.
        return Outcome(paused=words_of(getattr(error, "message", None) or error))
    return Outcome(error=error)


def is_pause(error: BaseException) -> bool:
    """Whether the run waits for a human, rather than fails."""
    names = {base.__name__ for base in type(error).__mro__}
    return "PausedException" in names or (
        # 0.6 turns a pause into its abort signal on the way up.
        "PipelineAbortSignal" in names and "paused" in words_of(error).lower()
    )


def is_usage_limit(error: BaseException | None) -> bool:
    """Whether the run went over its limit of cost or tokens."""
    return error is not None and "UsageLimitExceededError" in {
        base.__name__ for base in type(error).__mro__
    }


def tokens_of(result: Any) -> int:
    """What flujo counts for a step."""
    return int(getattr(result, "token_counts", 0) or 0)


def cost_of(result: Any) -> float:
    """In USD; 0 where flujo does not know it."""
    return float(getattr(result, "cost_usd", 0.0) or 0.0)


def stand_in_tokens(result: Any) -> int:
    """How many of a step's tokens stand for texts that no model wrote: for each text that comes
    from an attempt without usage flujo 0.6 counts one token. No model uses so few."""
    tokens = tokens_of(result)
    # First: 0.4's result has no history, and for what it lacks pydantic composes a message (2 us of
    # the 30 that a step's end takes).
    if not tokens:
        return 0
    history: Sequence[Any] = getattr(result, "step_history", None) or ()
    if history:  # of a loop, or a pipeline inside the step
        return min(tokens, sum(map(stand_in_tokens, history)))
    is_text = isinstance(getattr(result, "output", None), str | None)
    is_one_each = tokens <= max(int(getattr(result, "attempts", 0) or 0), 1)
    return tokens if is_text and is_one_each and not cost_of(result) else 0


def stand_ins_handed_on(result: Any) -> int:
    """The same of a pipeline's result, where that is what the step gives: at the end of the run
    flujo adds its tokens up for the step, and again for each step that hands it on."""
    steps: Sequence[Any] = getattr(getattr(result, "output", None), "step_history", None) or ()
    return sum(map(stand_in_tokens, steps))


def usage_attributes(result: Any, stand_ins: int = 0) -> dict[str, Any]:
    """The cost and the tokens of a StepResult; nothing where flujo knows of none. `stand_ins`: how
    many of the tokens are none."""
    cost_usd = cost_of(result)
    tokens = max(tokens_of(result) - stand_ins, 0)
    if not cost_usd and not tokens:  # flujo says 0 of both then
        return {}
    return {
        semconv.COST_USD: cost_usd,
        semconv.ACTUAL_COST_USD: cost_usd,
        semconv.TOKENS: tokens,
        semconv.ACTUAL_TOKENS: tokens,
    }


def over_limit(error: BaseException | None, step: Any) -> Any:
    """The StepResult of `step` where its own call went over a usage limit: 0.6 hands it on with the
    error alone. None where it was not called, being too dear."""
    if not is_usage_limit(error):
        return None
    history = getattr(getattr(error, "result", None), "step_history", None) or (None,)
    last = history[-1]
    is_own = getattr(last, "name", None) == getattr(step, "name", None)
    return last if is_own and getattr(last, "attempts", 0) else None


def result_attributes(result: Any, kind: Kind, step: Any, stand_ins: int = 0) -> dict[str, Any]:
    """The facts of a StepResult of `step` as span attributes, redacted; whatever it does not say
    is absent. `stand_ins`: how many of its tokens are none."""
    metadata = metadata_of(result)
    found: dict[str, Any] = {
        semconv.STEP_SUCCESS: bool(result.success),
        semconv.STEP_LATENCY_SECONDS: float(getattr(result, "latency_s", 0.0) or 0.0),
    }
    found.update(usage_attributes(result, stand_ins))
    attempts = int(getattr(result, "attempts", 0) or 0)
    if kind.is_loop:
        found[semconv.LOOP_ITERATIONS] = int(metadata.get("iterations") or attempts)
        found[semconv.LOOP_EXIT_REASON] = _exit_reason(result, metadata)
    elif attempts:
        if metadata.get("fallback_triggered"):
            attempts = _without_fallback(attempts, step)
        found[semconv.ATTEMPT_NUMBER] = attempts
        if attempts > 1:
            found[semconv.STEP_ATTEMPTS] = attempts
    if metadata:
        found.update(_metadata_attributes(metadata))
    return found


def _without_fallback(attempts: int, step: Any) -> int:
    """Of 0.6, which adds a fallback's attempts to those of its step."""
    retries = getattr(getattr(step, "config", None), "max_retries", None)
    return attempts if retries is None else min(attempts, retries + 1)


def _metadata_attributes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if metadata.get("cache_hit"):
        found[semconv.CACHE_HIT] = True
    if metadata.get("fallback_triggered"):
        found[semconv.FALLBACK_TRIGGERED] = True
        found[semconv.FALLBACK_ORIGINAL_ERROR] = clipped(metadata.get("original_error"))
    if metadata.get("executed_branch_key") is not None:
        found[semconv.BRANCH_KEY] = words_of(metadata["executed_branch_key"])
    if metadata.get("executed_branches") is not None:
        keys = [words_of(key) for key in metadata["executed_branches"]]
        found[semconv.EXECUTED_BRANCHES] = keys
        found[semconv.BRANCH_KEY] = ", ".join(keys)
    if metadata.get("background_task_id") is not None:
        found[semconv.BACKGROUND_TASK_ID] = str(metadata["background_task_id"])
    return redactor().attributes(found)


def _exit_reason(result: Any, metadata: Mapping[str, Any]) -> str:
    """0.6 names it; 0.4 says it by success, or in the first words of its feedback."""
    if metadata.get("exit_reason"):
        return redactor().text(words_of(metadata["exit_reason"]))
    if result.success:
        return "condition"
    feedback = getattr(result, "feedback", None)
    return "max_loops" if str(feedback).startswith("Reached max_loops") else "failed"


def metadata_of(result: Any) -> Mapping[str, Any]:
    """A StepResult's; empty where it has none."""
    metadata = getattr(result, "metadata_", None)
    return metadata if isinstance(metadata, Mapping) else {}


def error_message(outcome: Outcome) -> str:
    """What went wrong, in flujo's words where it has any that say more than the exception."""
    feedback = getattr(outcome.result, "feedback", None)
    if feedback:
        named = _NAMED_ERROR.fullmatch(words_of(feedback))
        return clipped(named[1].removesuffix(": ") if named else feedback)
    return failure.describe(outcome.error) if outcome.error is not None else ""


def error_type(outcome: Outcome) -> str:
    """OTel's error.type: `timeout`, the exception's class, or `_OTHER` where flujo hides it."""
    if outcome.error is not None and type(outcome.error) is not Exception:
        return failure.error_type(outcome.error)
    words = _NAMED_ERROR.match(str(getattr(outcome.result, "feedback", None)))
    named = metadata_of(outcome.result).get("error_type") or (words and words[2])
    if named:
        return semconv.ERROR_TYPE_TIMEOUT if named == "TimeoutError" else str(named)
    return semconv.ERROR_TYPE_OTHER


def branches_of(parent: Any) -> dict[int, list[str]]:
    """The branches of `parent` by the id() of each step in them, in the parent's order."""
    found: dict[int, list[str]] = {}
    branches = getattr(parent, "branches", None) or {}
    for key, body in branches.items():
        for step in _steps_of(body):
            keys = found.setdefault(id(step), [])
            if str(key) not in keys[-1:]:
                keys.append(str(key))
    for step in _steps_of(getattr(parent, "default_branch_pipeline", None)):
        found.setdefault(id(step), ["default"])
    return found


def _steps_of(body: Any) -> Sequence[Any]:
    steps: Sequence[Any] | None = getattr(body, "steps", None)
    return [body] if steps is None else steps


def first_of_body(parent: Any, step: object) -> object | None:
    """The first step of the body of the loop `parent`; None if `step` is not of that body.

    0.6 hands a map's steps to the executor as copies, which no body holds.
    """
    body = getattr(parent, "loop_body_pipeline", None)
    steps: list[object] = getattr(body, "steps", None) or []
    return steps[0] if any(each is step for each in steps) else None


def run_status(result: Any, context: Any) -> str:
    """flujo's own verdict on a run: `completed`, `failed` or `paused` (0.4 also `cancelled`)."""
    history: Sequence[Any] = getattr(result, "step_history", None) or ()
    # 0.6 says paused, too, of a run in which a loop's body failed after its first step. What really
    # pauses says why, and is no part of the history.
    has_failed = bool(history) and not history[-1].success and not pause_message(context)
    if is_paused(context) and not has_failed:
        return semconv.STATUS_PAUSED
    scratchpad = getattr(context, "scratchpad", None)
    if isinstance(scratchpad, Mapping) and scratchpad.get("status") in ("failed", "cancelled"):
        return semconv.STATUS_FAILED
    if not getattr(result, "success", True):
        return semconv.STATUS_FAILED
    done = all(step.success for step in history)
    return semconv.STATUS_COMPLETED if done else semconv.STATUS_FAILED


def is_paused(context: Any) -> bool:
    """Whether flujo's context says that its run waits for a human."""
    scratchpad = getattr(context, "scratchpad", None)
    if isinstance(scratchpad, Mapping) and scratchpad.get("status") is not None:
        return bool(scratchpad["status"] == semconv.STATUS_PAUSED)
    return bool(getattr(context, "status", None) == semconv.STATUS_PAUSED)


def pause_message(context: Any) -> str:
    """What the run asks that human; "" where it asks nothing."""
    scratchpad = getattr(context, "scratchpad", None)
    if isinstance(scratchpad, Mapping) and scratchpad.get("pause_message") is not None:
        return clipped(scratchpad["pause_message"])
    return clipped(getattr(context, "pause_message", None) or "")


def last_failure(result: Any) -> Outcome:
    """The step that made the run fail, as far as the history tells."""
    for step in reversed(getattr(result, "step_history", None) or ()):
        if not step.success:
            return Outcome(step)
    return Outcome()
