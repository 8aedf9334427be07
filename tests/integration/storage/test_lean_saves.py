"""What flujo spends on handing a state to our backend: a step is written out once, and a context
that we have written out already is not walked again."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flujo", reason="these tests need the real flujo: pip install .[flujo]")

from flujo import Flujo, Pipeline, Step
from flujo.domain.models import PipelineContext

from flujo_otel import SQLiteBackend
from flujo_otel.integrations.flujo.persistence import written_history
from flujo_otel.integrations.flujo.persistence.stand_in import ContextStandIn
from flujo_otel.integrations.flujo.persistence.written_history import WrittenHistory

pytestmark = pytest.mark.flujo
STEPS = 6


class Context(PipelineContext):
    """Says how often flujo looked at its field `seen`."""

    seen: int = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "seen":
            _looks.append(name)
        return super().__getattribute__(name)

    def model_dump(self, **kwargs: Any) -> Any:
        _looks.append("model_dump")
        return super().model_dump(**kwargs)


_looks: list[str] = []


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def run(backend: SQLiteBackend | None) -> int:
    """How often the context was looked at in a run of STEPS steps."""

    async def work(value: int) -> int:
        return value + 1

    steps = [Step.from_callable(work, name=f"s{n}") for n in range(STEPS)]
    runner = Flujo(
        Pipeline(steps=steps),
        context_model=Context,
        initial_context_data={"initial_prompt": "p"},
        state_backend=backend,
    )
    if backend is None:
        runner.state_backend = None
    _looks.clear()
    result = runner.run(0)
    assert result.step_history[-1].output == STEPS
    return len(_looks)


def test_the_context_is_walked_by_nobody_but_us(tmp_path: Path) -> None:
    bare = run(None)
    # At its end flujo hands the final context over with the run's record.
    assert run(SQLiteBackend(tmp_path / "ours.db")) - bare <= 2


def test_each_step_is_written_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write_out = written_history._written

    def counting(result: Any) -> str:
        written.append(result.name)
        return write_out(result)

    monkeypatch.setattr(written_history, "_written", counting)
    run(SQLiteBackend(tmp_path / "ours.db"))
    assert written == [f"s{n}" for n in range(STEPS)]


class Result:
    def __init__(self, text: str) -> None:
        self.text = text


def test_a_history_is_taken_as_it_is_whatever_happened_to_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(written_history, "_written", lambda result: result.text)
    a, b, c, d = map(Result, "abcd")
    history = WrittenHistory()
    grows = [a]
    assert [*history.with_all(grows).entries] == ["a"]
    grows.append(b)
    assert [*history.with_all(grows).entries] == ["a", "b"]
    grows[-1] = c  # 0.6 does so to the last
    assert [*history.with_all(grows).entries] == ["a", "c"]
    assert [*history.with_all([a, c, d]).entries] == ["a", "c", "d"]
    assert [*history.with_all([b, c, d]).entries] == ["b", "c", "d"]
    assert [*history.with_all([]).entries] == []


def test_only_entries_that_were_saved_are_left_out_of_the_next_save(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(written_history, "_written", lambda result: result.text)
    grows = [Result("a")]
    history = WrittenHistory()
    assert history.with_all(grows).first == 0
    grows.append(Result("b"))
    latest = history.with_all(grows)  # the one before was not saved
    assert latest.first == 0
    latest.is_saved = True
    grows.append(Result("c"))
    assert history.with_all(grows).first == 2
    grows[1] = Result("another")  # beneath what is known, of the same list: nobody does
    grows[-1] = Result("d")
    latest = history.with_all(grows)
    assert (latest.first, [*latest.entries]) == (0, ["a", "another", "d"])


class ByField(PipelineContext):
    pipeline_name: str = "named"


class ByProperty(PipelineContext):
    @property
    def pipeline_name(self) -> str:
        return "named"


class ByAnswer(PipelineContext):
    def __getattr__(self, name: str) -> Any:
        return "named" if name == "pipeline_name" else super().__getattr__(name)  # type: ignore[misc]


class ByExtra(PipelineContext, extra="allow"):
    pass


@pytest.mark.parametrize(
    "context",
    [
        ByField(initial_prompt=""),
        ByProperty(initial_prompt=""),
        ByAnswer(initial_prompt=""),
        ByExtra.model_validate({"initial_prompt": "", "pipeline_name": "named"}),
    ],
    ids=["field", "property", "answer", "extra"],
)
def test_what_stands_for_a_context_has_the_columns_that_it_has(context: PipelineContext) -> None:
    assert ContextStandIn(context).__dict__["pipeline_name"] == "named"
    bare = ContextStandIn(PipelineContext(initial_prompt=""))
    assert "pipeline_name" not in vars(bare) or hasattr(PipelineContext, "pipeline_name")
