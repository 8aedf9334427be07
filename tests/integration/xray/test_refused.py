"""What a storage cannot keep as it is, is refused."""

from typing import Any

import pytest

from flujo_otel import Step, Trace, XRay
from flujo_otel.errors import MalformedTrace
from flujo_otel.storage.sqlite import SQLiteStorage


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"trace_id": ""}, "trace_id of 'unnamed' is empty"),
        ({"name": "a\0b"}, "name .* has a NUL character"),
        ({"duration_ms": 1 << 70}, "duration_ms .* must be from 0"),
        ({"duration_ms": -5}, "duration_ms .* must be from 0"),
    ],
)
def test_a_trace_that_cannot_be_kept_is_refused(
    storage: SQLiteStorage, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(MalformedTrace, match=said):
        storage.save_trace(Trace(**fields))
    assert [] == storage.get_all_traces()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"trace_id": ""}, "trace_id of 'unnamed' is empty"),
        ({"step_id": ""}, "step_id of 'unnamed' is empty"),
        ({"step_order": 1 << 65}, "step_order .* must be from 0"),
    ],
)
def test_so_is_a_step(storage: SQLiteStorage, fields: dict[str, Any], said: str) -> None:
    step = Step(**{"trace_id": "t", **fields})
    with pytest.raises(MalformedTrace, match=said):
        storage.save_step(step)
    with pytest.raises(MalformedTrace, match=said):
        storage.save_trace(Trace(trace_id="t", steps=[step]))
    assert [] == storage.get_all_traces()


def test_the_sdk_writes_such_a_name_out(storage: SQLiteStorage) -> None:
    with XRay(storage=storage).trace("a\0b") as trace, trace.step("c\0d"):
        pass
    [kept] = storage.get_all_traces(limit=1 << 70)
    assert ("a\\0b", ["c\\0d"]) == (kept.name, [step.name for step in kept.steps])


def test_a_closed_storage_opens_anew(storage: SQLiteStorage) -> None:
    assert [] == storage.conn.execute("SELECT * FROM traces").fetchall()
    storage.close()
    assert [] == storage.conn.execute("SELECT * FROM traces").fetchall()


@pytest.mark.parametrize("trace_id", [5, None, b"t"])
def test_an_id_that_is_no_text_is_refused(storage: SQLiteStorage, trace_id: Any) -> None:
    with pytest.raises(MalformedTrace, match=f"trace_id is {trace_id!r}; it must be text"):
        storage.get_trace(trace_id)
