"""LangChain traced with no callback passed: by one line, or by `lens run` alone."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.runnables import RunnableLambda

from flujo_otel.errors import SettingsError
from flujo_otel.integrations.langchain import LangChainInstrumentor
from flujo_otel.integrations.langchain import callback as callbacks
from support.langchain_runs import Traced, chat_chain
from support.lens import LENS, environment

PROGRAM = """
from langchain_core.runnables import RunnableLambda
print(RunnableLambda(str.upper).with_config(run_name="shout").invoke("cat"))
"""


@pytest.fixture
def instrumented(traced: Traced) -> Iterator[Traced]:
    LangChainInstrumentor().instrument(tracer_provider=traced.provider)
    yield traced
    LangChainInstrumentor().uninstrument()


def test_a_chain_is_traced_with_no_callback_passed(instrumented: Traced) -> None:
    chat_chain("x").invoke({"topic": "cats"})
    assert "RunnableSequence" == instrumented.tree()[0]
    assert 4 == len(instrumented.tree())


async def test_so_is_an_async_one(instrumented: Traced) -> None:
    await chat_chain("x").ainvoke({"topic": "cats"})
    assert 4 == len(instrumented.tree())


def test_the_first_chains_of_several_threads_are_all_traced(
    instrumented: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "watch_bodies", lambda: time.sleep(0.1))
    assert ["A", "B", "C", "D"] == RunnableLambda(str.upper).batch(["a", "b", "c", "d"])
    assert 4 == len(instrumented.spans())


def test_where_a_callback_of_ours_is_passed_nothing_is_recorded_twice(
    instrumented: Traced,
) -> None:
    chat_chain("x").invoke({"topic": "cats"}, config=instrumented.config)
    assert 4 == len(instrumented.tree())


def test_undone_nothing_is_recorded_any_more(traced: Traced) -> None:
    instrumentor = LangChainInstrumentor()
    for _ in range(2):
        instrumentor.instrument(tracer_provider=traced.provider)
    chat_chain("x").invoke({"topic": "cats"})
    for _ in range(2):
        instrumentor.uninstrument()
    chat_chain("x").invoke({"topic": "cats"})
    assert 4 == len(traced.tree())


def test_settings_that_cannot_be_used_are_said_before_anything_is_traced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLUJO_OTEL_VALUE_LIMIT_BYTES", "many")
    with pytest.raises(SettingsError, match="FLUJO_OTEL_VALUE_LIMIT_BYTES"):
        LangChainInstrumentor().instrument()
    assert not LangChainInstrumentor().is_instrumented_by_opentelemetry


def test_under_auto_instrumentation_they_do_not_reach_the_chain(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")
    monkeypatch.setenv("FLUJO_OTEL_CONTENT", "perhaps")
    monkeypatch.setattr(LangChainInstrumentor, "_is_left_to_another", lambda _: False)
    LangChainInstrumentor().instrument(skip_dep_check=True, tracer_provider=traced.provider)
    try:
        assert "CAT" == RunnableLambda(str.upper).invoke("cat")
    finally:
        LangChainInstrumentor().uninstrument()
    (span,) = traced.spans()
    assert "input.value" not in (span.attributes or {})


def run_under_lens(folder: Path, **more: str) -> str:
    (folder / "app.py").write_text(PROGRAM)
    done = subprocess.run(
        [LENS, "run", "--", sys.executable, "app.py"],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("CAT\n")
    return done.stdout + done.stderr


def test_lens_run_shows_a_chain_of_a_program_that_says_nothing_of_tracing(tmp_path: Path) -> None:
    assert "shout  completed" in run_under_lens(tmp_path)


def test_where_openinferences_instrumentor_is_installed_it_is_left_to_that(tmp_path: Path) -> None:
    installed = tmp_path / "site" / "theirs-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[opentelemetry_instrumentor]\n"
        "langchain = openinference.instrumentation.langchain:LangChainInstrumentor\n"
    )
    said = run_under_lens(tmp_path, PYTHONPATH=str(installed.parent))
    assert "shout" not in said


def python(source: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_importing_the_integration_imports_no_langchain() -> None:
    said = python(
        "import sys, flujo_otel.integrations.langchain as ours\n"
        "ours.LangChainInstrumentor().instrument()\n"
        "print([name for name in sys.modules if name.startswith('langchain_core')])"
    )
    assert "[]" == said


@pytest.mark.parametrize(
    "use",
    [
        "from flujo_otel.integrations.langchain import XRayLangChainCallback",
        "import flujo_otel.integrations.langchain as it; it.LangChainInstrumentor().instrument()",
    ],
)
def test_without_langchain_it_says_what_to_install(use: str) -> None:
    said = python(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *r: None if name == 'langchain_core' else find(name, *r)\n"
        "from flujo_otel.errors import MissingExtra\n"
        f"try:\n    {use}\n"
        "except MissingExtra as error:\n    print(error)"
    )
    assert 'pip install "flujo-otel[langchain]"' in said


def test_auto_instrumentation_without_langchain_is_silent() -> None:
    said = python(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *r: None if name == 'langchain_core' else find(name, *r)\n"
        "from flujo_otel.integrations.langchain import LangChainInstrumentor\n"
        "LangChainInstrumentor().instrument(skip_dep_check=True)\n"
        "print(LangChainInstrumentor().is_instrumented_by_opentelemetry)"
    )
    assert "False" == said
