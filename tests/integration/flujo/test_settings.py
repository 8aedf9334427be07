"""Whether content is recorded: by argument, by variable, by flujo.toml."""

import logging
from pathlib import Path

import pytest

from flujo_otel.errors import SettingsError
from flujo_otel.guard import RAISE_VARIABLE
from flujo_otel.integrations.flujo import FlujoInstrumentor, TraceManager
from support.flujo_runs import Traced
from support.flujo_steps import adds, pipe
from support.programs import names, run

MARKER = "a-marker-in-the-content"
BY_HOOK = "hooks = [flujo_otel.TraceManager({}).hook]; flujo_otel.configure(flujo=False)"
BY_INSTRUMENTOR = "hooks = []; flujo_otel.configure({})"
PROGRAM = f"""
from flujo import Flujo, Pipeline, Step
from flujo.domain.models import PipelineContext
from flujo.state.backends.memory import InMemoryBackend

class Notes(PipelineContext):
    initial_prompt: str = ""
    note: str = "{MARKER}"

async def echo(value: str, *, context: Notes) -> str:
    context.note += value
    return value + value

pipeline = Pipeline(steps=[Step.from_callable(echo, name="echo")])
backend = InMemoryBackend()
runner = Flujo(pipeline, context_model=Notes, hooks=hooks, state_backend=backend)
runner.run("{MARKER}")
"""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def is_recorded(db: Path, way: str, arguments: str = "", **variables: str) -> bool:
    """Run PROGRAM traced in `way`, and look for the marker in every byte of what it left."""
    setup = f"import warnings\nwarnings.simplefilter('ignore')\nimport flujo_otel\n{way}\n"
    run(db, PROGRAM, prelude=setup.format(arguments), **variables)
    assert names(db) == {"echo": 1, "pipeline_run": 1}
    return any(MARKER.encode() in path.read_bytes() for path in db.parent.glob("spans.db*"))


@pytest.mark.parametrize("way", [BY_INSTRUMENTOR, BY_HOOK], ids=["configure", "TraceManager"])
def test_content_is_recorded_unless_it_is_switched_off(db: Path, way: str) -> None:
    assert is_recorded(db, way)


@pytest.mark.parametrize("way", [BY_INSTRUMENTOR, BY_HOOK], ids=["configure", "TraceManager"])
def test_content_is_switched_off_by_the_variable(db: Path, way: str) -> None:
    assert not is_recorded(db, way, FLUJO_OTEL_CONTENT="0")


@pytest.mark.parametrize("way", [BY_INSTRUMENTOR, BY_HOOK], ids=["configure", "TraceManager"])
def test_content_is_switched_off_by_flujo_toml(db: Path, way: str) -> None:
    db.with_name("flujo.toml").write_text("[otel]\ncontent = false\n")
    assert not is_recorded(db, way)


@pytest.mark.parametrize("way", [BY_INSTRUMENTOR, BY_HOOK], ids=["configure", "TraceManager"])
def test_content_is_switched_off_by_the_argument_whatever_the_variable_says(
    db: Path, way: str
) -> None:
    assert not is_recorded(db, way, "content=False", FLUJO_OTEL_CONTENT="1")


def test_the_limit_of_values_is_a_setting_too(
    hooked: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUJO_OTEL_VALUE_LIMIT_BYTES", "100")
    manager = TraceManager(hooked.provider)
    hooked.hooks = [manager.hook]
    hooked.run(pipe(adds("one")), "x" * 1000)
    assert len(hooked.named("pipeline_run").attributes["input.value"]) <= 100


def test_a_setting_that_cannot_be_used_is_an_error_where_the_program_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLUJO_OTEL_CONTENT", "perhaps")
    with pytest.raises(SettingsError, match="FLUJO_OTEL_CONTENT"):
        TraceManager()
    with pytest.raises(SettingsError, match="FLUJO_OTEL_CONTENT"):
        FlujoInstrumentor().instrument()


def test_under_auto_instrumentation_it_is_logged_and_no_content_is_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FLUJO_OTEL_CONTENT", "perhaps")
    monkeypatch.delenv(RAISE_VARIABLE)
    traced = Traced(lambda _: [])
    with caplog.at_level(logging.WARNING, "flujo_otel"):
        FlujoInstrumentor().instrument(skip_dep_check=True, tracer_provider=traced.provider)
    try:
        traced.forget_faults()
        traced.run(pipe(adds("one")), 5)
    finally:
        FlujoInstrumentor().uninstrument()
    assert [record.message for record in caplog.records if "perhaps" in record.message] != []
    assert "input.value" not in traced.named("pipeline_run").attributes
