"""What JSON has no word for comes back from a state as it was."""

import dataclasses
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

import pytest

from flujo_otel import SQLiteBackend
from flujo_otel.storage.state_codec import decode, encode
from flujo_otel.storage.tagged import first_lost, has_lost

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclasses.dataclass
class Holder:
    held: Any


class Broken:
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise OSError

    def model_dump(self) -> Any:
        raise OSError


class Hidden(Decimal):
    def __str__(self) -> str:
        return "hidden"


class More(timedelta):
    """As pandas has one, with nanoseconds."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, More)

    __hash__ = timedelta.__hash__


class Missing(float):
    def __repr__(self) -> str:
        return "NA"


@pytest.mark.parametrize(
    "value",
    [
        timedelta(-1, 2, 3),
        Decimal("-0E+3"),
        UUID(int=1),
        Path("/a"),
        PurePosixPath("a"),
        PureWindowsPath("c:/a"),
        b"ab\xff",
        bytearray(b"a"),
        1 + 2j,
        math.inf,
        10**5000,
        -(10**6000),
        [10**5000, b"a", "a\ud800", {"a": timedelta(1)}],
        {"__python__": "somebody's own", "value": 1},
        {"__python__": "Decimal", "value": "no number"},
        {"__python__": "pydantic.BaseModel", "value": "x"},
        {"__python__": "Path", "value": "what a model of language answered"},
        {"__python__": "lost", "more": 1},
        [{"__python__": "lost", "value": {"__python__": "dict", "value": [timedelta(1)]}}, b"a"],
        {UUID(int=1): "a", UUID(int=2): "b"},
        {Path("/a"): b"a", Path("/b"): {Decimal("1.0"): 1, "text": 2}},
        {timedelta(1): 1, timedelta(2): 2},
        {10**5000: 1, -(10**5000): 2, b"a": 3, math.inf: 4},
        {UUID(int=1): 1, "__python__": "Path", "value": "x"},
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    found = decode(encode(value))
    assert found == value and type(found) is type(value)
    assert not has_lost(encode(value))


@pytest.mark.parametrize(
    "value",
    [{2: "a", None: "b", True: "c", 1.5: "d"}, {(1, 2): 1}, {NOW.date(): 1}],
    ids=repr,
)
def test_a_key_that_flujo_has_a_word_for_stays_that_word(value: Any) -> None:
    found = decode(encode([value, b"a"]))[0]
    assert found == decode(encode([value, {None: 1}]))[0]
    assert list(found.values()) == list(value.values())
    assert all(type(key) is str for key in found) and not has_lost(encode(value))


@pytest.mark.parametrize(
    "key", [Broken(), More(1), (UUID(int=1),), len], ids=lambda key: str(type(key))
)
def test_an_object_is_lost_whose_key_cannot_come_back(key: Any) -> None:
    text = encode(["a", {"b": 1, key: 2}])
    is_function = callable(key)
    assert decode(text) == ["a", {"b": 1, "len": 2} if is_function else None]
    assert has_lost(text) is not is_function


def test_a_kind_of_a_program_s_own_comes_back_as_its_base_where_that_is_equal() -> None:
    class Plain(Decimal):
        pass

    assert decode(encode([Plain("1.50"), b"a"])) == [Decimal("1.50"), b"a"]
    assert math.isnan(decode(encode([Missing("nan")]))[0])
    assert decode(encode([Missing("inf")])) == [math.inf]
    assert decode(encode(Hidden("1.5"))) == Decimal("1.5")
    assert (
        decode(encode(More(1))) is None
        and first_lost(encode(More(1))) == "<More: unlike timedelta>"
    )


def test_what_is_in_an_object_keeps_its_type() -> None:
    assert decode(encode(Holder({1: timedelta(1)}))) == {"held": {"1": timedelta(1)}}
    assert math.isnan(decode(encode([math.nan]))[0])


@pytest.mark.parametrize(
    ("value", "words"),
    [(object(), "<unserializable: object>"), (Broken(), "<Broken: OSError>")],
)
def test_what_cannot_come_back_is_none_and_said(value: Any, words: str) -> None:
    assert decode(encode(["a", value])) == ["a", None]
    assert first_lost(encode([value])) == words


def state(output: Any, index: int, status: str = "running") -> dict[str, Any]:
    names = {"pipeline_id": "p", "pipeline_name": "p", "pipeline_version": "1"}
    return names | {
        "pipeline_context": {},
        "current_step_index": index,
        "last_step_output": output,
        "status": status,
        "created_at": NOW,
        "updated_at": NOW,
    }


async def test_a_number_of_more_digits_than_python_writes_is_kept(tmp_path: Path) -> None:
    backend = SQLiteBackend(tmp_path / "a.db")
    await backend.save_state("r", state(10**5000, 1))
    assert (await backend.load_state("r") or {})["last_step_output"] == 10**5000
    await backend.save_run_start({"run_id": "r"})
    await backend.save_run_end("r", {"final_context": {"n": 10**5000}})
    details = await backend.get_run_details("r") or {}
    assert details["final_context"] == {"n": hex(10**5000)}


async def test_a_running_state_with_a_lost_output_leaves_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = SQLiteBackend(tmp_path / "a.db")
    await backend.save_state("r", state(object(), 0))  # a run's input: begun with anew
    await backend.save_state("r", state("one", 1))
    await backend.save_state("r", state(object(), 2))
    await backend.save_state("r", state(object(), 2))
    found = await backend.load_state("r") or {}
    assert (found["current_step_index"], found["last_step_output"]) == (1, "one")
    assert caplog.text.count("does that step again") == 1

    await backend.save_state("r", state(object(), 2, "paused"))
    found = await backend.load_state("r") or {}
    assert (found["status"], found["last_step_output"]) == ("paused", None)
