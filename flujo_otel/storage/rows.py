"""FSD-08's dicts to the rows that are stored."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flujo_otel.errors import MalformedTrace
from flujo_otel.model.record import LAST_TIME_NS
from flujo_otel.redaction import redactor
from flujo_otel.spanstore.flujo.times import of_datetime, of_iso
from flujo_otel.spanstore.runlog import RunEnd, RunStart, StepResult
from flujo_otel.storage.plain import to_json, to_plain
from flujo_otel.wire.values import clean_text


def run_start(data: Mapping[str, Any]) -> RunStart:
    """Raises MalformedTrace."""
    start_time, start_time_ns = _time(data, "start_time") or _time(data, "created_at") or _now()
    return RunStart(
        run_id=_required(data, "run_id"),
        pipeline_name=_text(data, "pipeline_name", "unknown"),
        pipeline_version=_text(data, "pipeline_version", "latest"),
        status=_text(data, "status", "running"),
        start_time=start_time,
        start_time_ns=start_time_ns,
    )


def run_end(data: Mapping[str, Any]) -> RunEnd:
    """Raises MalformedTrace."""
    end_time, end_time_ns = _time(data, "end_time") or _time(data, "updated_at") or _now()
    return RunEnd(
        status=_text(data, "status", "completed"),
        end_time=end_time,
        end_time_ns=end_time_ns,
        total_cost=_number(data, "total_cost"),
        final_context=_content(data.get("final_context")),
        execution_time_ms=_number(data, "execution_time_ms"),
        memory_usage_mb=_number(data, "memory_usage_mb"),
        total_steps=_number(data, "total_steps"),
        error_message=_optional_text(data, "error_message"),
    )


def step_result(data: Mapping[str, Any]) -> StepResult:
    """By FSD-08's names or by flujo 0.6's. Raises MalformedTrace."""
    start = _time(data, "start_time") or _time(data, "created_at")
    if start is None:
        raise MalformedTrace("The step has no start_time.")
    end_time, end_time_ns = _time(data, "end_time") or (None, None)
    index = data.get("step_index")
    if isinstance(index, bool) or not isinstance(index, int) or abs(index) >= 1 << 63:
        raise MalformedTrace(f"step_index is {index!r}; it must be a whole number.")
    error, raw_response = data.get("error"), data.get("raw_response")
    return StepResult(
        step_run_id=_required(data, "step_run_id"),
        run_id=_required(data, "run_id"),
        step_name=redactor().text(_required(data, "step_name")),
        step_index=index,
        status=_text(data, "status", "completed"),
        start_time=start[0],
        end_time=end_time,
        duration_ms=_number(data, "duration_ms", "execution_time_ms"),
        cost=_number(data, "cost", "cost_usd"),
        tokens=_number(data, "tokens", "token_counts"),
        input=_content(data.get("input")),
        output=_content(data.get("output")),
        error=None if error is None else _content(error),
        start_time_ns=start[1],
        end_time_ns=end_time_ns,
        raw_response=None if raw_response is None else _content(raw_response),
    )


def _content(value: Any) -> str:
    """What a run works on, as JSON without the secrets in it."""
    if value is None:
        return "null"
    return to_json(redactor().value(to_plain(value)))


def _required(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedTrace(f"{key} is {value!r}; it must be a text that is not empty.")
    return clean_text(value)


def _text(data: Mapping[str, Any], key: str, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise MalformedTrace(f"{key} is {value!r}; it must be text.")
    return redactor().text(clean_text(value))


def _optional_text(data: Mapping[str, Any], key: str) -> str | None:
    return None if data.get(key) is None else _text(data, key, "")


def _number(data: Mapping[str, Any], *keys: str) -> float | None:
    """Under the first of `keys` that has one."""
    for key in keys:
        value = data.get(key)
        if value is not None:
            break
    else:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedTrace(f"{key} is {value!r}; it must be a number.")
    if not math.isfinite(value) or abs(value) >= 1 << 63:
        raise MalformedTrace(f"{key} is {value!r}; it must be finite and below 2**63.")
    return value


def _time(data: Mapping[str, Any], key: str) -> tuple[str, int] | None:
    """A datetime or its ISO text, as given and in nanoseconds; naive is UTC."""
    value = data.get(key)
    if value is None:
        return None
    is_datetime = isinstance(value, datetime)
    text = value.isoformat() if is_datetime else value
    time_ns = of_datetime(value) if is_datetime else of_iso(value)
    if time_ns is None:
        raise MalformedTrace(f"{key} is {value!r}; it must be a datetime or its ISO text.")
    if abs(time_ns) > LAST_TIME_NS:
        raise MalformedTrace(f"{key} is {value!r}; it must be from 1678 to 2262.")
    return text, time_ns


def _now() -> tuple[str, int]:
    text = datetime.now(UTC).replace(tzinfo=None).isoformat()
    return text, of_iso(text) or 0
