"""PydanticGraphInstrumentor: what it changes, puts back, leaves alone and costs."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

import flujo_otel
from flujo_otel.errors import MissingExtra
from flujo_otel.integrations.pydantic_graph import PydanticGraphInstrumentor
from support.graphs import (
    HAS_GRAPHS_OF_BASE_NODES,
    GraphBuilder,
    StepContext,
    TracedGraphs,
    builder_module,
)


def small() -> Any:
    builder = GraphBuilder(name="small", input_type=int, output_type=int)

    @builder.step
    async def add(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs + 1

    builder.add(
        builder.edge_from(builder.start_node).to(add),
        builder.edge_from(add).to(builder.end_node),
    )
    return builder.build()


def everything() -> dict[str, Any]:
    """Every class and function of pydantic-graph that might be changed, by its full name."""
    modules: list[Any] = [builder_module]
    if HAS_GRAPHS_OF_BASE_NODES:
        import pydantic_graph.graph

        modules.append(pydantic_graph.graph)
    found = {}
    for module in modules:
        for name, value in vars(module).items():
            found[f"{module.__name__}.{name}"] = value
            if isinstance(value, type) and value.__module__.startswith("pydantic_graph"):
                for attribute, each in vars(value).items():
                    found[f"{module.__name__}.{name}.{attribute}"] = each
    return found


@pytest.fixture
def instrumentor() -> Iterator[PydanticGraphInstrumentor]:
    found = PydanticGraphInstrumentor()
    found.uninstrument()  # a test elsewhere may have called configure()
    yield found
    found.uninstrument()


def python(script: str, **environment: str) -> str:
    """What `script` prints in a process of its own, where nothing was imported yet."""
    import os

    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", textwrap.dedent(script)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


def test_uninstrument_puts_everything_back(instrumentor: PydanticGraphInstrumentor) -> None:
    before = everything()
    instrumentor.instrument()
    changed = {name for name, value in everything().items() if before[name] is not value}
    assert any(name.endswith("Graph.iter") for name in changed)
    instrumentor.uninstrument()
    after = everything()
    assert before.keys() == after.keys()
    assert [] == [name for name, value in before.items() if after[name] is not value]


def test_instrumenting_twice_changes_nothing(instrumentor: PydanticGraphInstrumentor) -> None:
    found = TracedGraphs()
    instrumentor.instrument(tracer_provider=found.provider)
    once = everything()
    instrumentor.instrument(tracer_provider=found.provider)
    PydanticGraphInstrumentor().instrument(tracer_provider=found.provider)
    twice = everything()
    assert [] == [name for name, value in once.items() if twice[name] is not value]
    assert 2 == found.run(small(), inputs=1)
    assert "small\n  add -> __end__" == found.tree()


def test_uninstrument_without_instrument_does_nothing() -> None:
    before = everything()
    PydanticGraphInstrumentor().uninstrument()
    after = everything()
    assert [] == [name for name, value in before.items() if after[name] is not value]


def test_after_uninstrument_nothing_is_traced(instrumentor: PydanticGraphInstrumentor) -> None:
    found = TracedGraphs()
    instrumentor.instrument(tracer_provider=found.provider)
    instrumentor.uninstrument()
    assert 2 == found.run(small(), inputs=1)
    assert [] == list(found.spans)


def test_a_run_that_is_under_way_ends_its_span_after_uninstrument(
    instrumentor: PydanticGraphInstrumentor,
) -> None:
    found = TracedGraphs()
    instrumentor.instrument(tracer_provider=found.provider)

    async def main() -> None:
        async with small().iter(inputs=1) as run:
            instrumentor.uninstrument()
            async for _ in run:
                pass

    found.drive(main)
    found.check()
    assert "small" == found.tree()


def test_whoever_patches_on_top_of_ours_keeps_working(
    instrumentor: PydanticGraphInstrumentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = TracedGraphs()
    instrumentor.instrument(tracer_provider=found.provider)
    ours = vars(builder_module.Graph)["iter"]
    calls: list[Any] = []

    def theirs(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return ours(*args, **kwargs)

    monkeypatch.setattr(builder_module.Graph, "iter", theirs)
    instrumentor.uninstrument()
    assert theirs is vars(builder_module.Graph)["iter"]
    assert 2 == found.run(small(), inputs=1)
    assert 1 == len(calls)
    assert [] == list(found.spans)
    monkeypatch.undo()
    builder_module.Graph.iter = ours.__wrapped__


def test_a_failing_tracer_never_breaks_the_run(
    instrumentor: PydanticGraphInstrumentor, monkeypatch: pytest.MonkeyPatch, complaints: list[str]
) -> None:
    monkeypatch.setenv("FLUJO_OTEL_RAISE", "0")

    class Broken:
        def start_span(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("no spans today")

    class Provider(TracerProvider):
        def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
            return Broken()

    found = TracedGraphs()
    instrumentor.instrument(tracer_provider=Provider(shutdown_on_exit=False))
    assert 2 == found.run(small(), inputs=1)
    assert all("logged once" in message for message in complaints)
    complaints.clear()


def test_a_layout_that_is_not_known_is_left_alone_and_said(
    instrumentor: PydanticGraphInstrumentor, monkeypatch: pytest.MonkeyPatch, complaints: list[str]
) -> None:
    monkeypatch.delattr(builder_module._GraphIterator, "_handle_node")
    before = everything()
    instrumentor.instrument()
    after = everything()
    ours = f"{builder_module.__name__}."
    assert [] == [
        name for name, value in before.items() if name.startswith(ours) and after[name] is not value
    ]
    (message,) = complaints
    assert "is laid out in a way that is not known here" in message
    complaints.clear()


def test_it_is_an_entry_point_and_a_public_name() -> None:
    (entry,) = entry_points(group="opentelemetry_instrumentor", name="pydantic_graph")
    assert PydanticGraphInstrumentor is entry.load()
    assert PydanticGraphInstrumentor is flujo_otel.PydanticGraphInstrumentor


def test_without_pydantic_graph_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, instrumentor: PydanticGraphInstrumentor
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "flujo-otel\[pydantic-graph\]"'):
        instrumentor.instrument()
    instrumentor.instrument(skip_dep_check=True)
    assert not instrumentor.is_instrumented_by_opentelemetry


def test_a_program_that_never_imports_pydantic_graph_does_not_get_it() -> None:
    assert "[]" == python(
        """
        import sys
        from flujo_otel.integrations.pydantic_graph import PydanticGraphInstrumentor
        PydanticGraphInstrumentor().instrument()
        heavy = ("pydantic_graph", "pydantic", "logfire", "anyio", "opentelemetry.sdk.trace.export")
        print([name for name in heavy if name in sys.modules])
        """
    )


def test_a_program_that_imports_it_later_is_traced() -> None:
    assert "later add" == python(
        """
        import asyncio
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from flujo_otel.integrations.pydantic_graph import PydanticGraphInstrumentor

        exporter, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        PydanticGraphInstrumentor().instrument(tracer_provider=provider)

        try:
            from pydantic_graph import GraphBuilder
        except ImportError:
            from pydantic_graph.beta import GraphBuilder
        builder = GraphBuilder(name="later", input_type=int, output_type=int)
        async def add(ctx):
            return ctx.inputs + 1
        step = builder.step(add)
        builder.add(
            builder.edge_from(builder.start_node).to(step),
            builder.edge_from(step).to(builder.end_node),
        )
        asyncio.run(builder.build().run(inputs=1))
        print(*sorted((s.name for s in exporter.get_finished_spans()), reverse=True))
        """
    )


OWN_SPANS = """
    import asyncio, logfire
    from opentelemetry import context, trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from flujo_otel.integrations.pydantic_graph import PydanticGraphInstrumentor

    theirs, ours = InMemorySpanExporter(), InMemorySpanExporter()
    logfire.configure(
        send_to_logfire=False, console=False,
        additional_span_processors=[SimpleSpanProcessor(theirs)],
    )
    own = TracerProvider()
    own.add_span_processor(SimpleSpanProcessor(ours))
    PydanticGraphInstrumentor().instrument({arguments})
    try:
        from pydantic_graph import GraphBuilder
    except ImportError:
        from pydantic_graph.beta import GraphBuilder
    builder = GraphBuilder(name="g", input_type=int, output_type=int)
    async def add(ctx):
        return ctx.inputs + 1
    step = builder.step(add)
    builder.add(
        builder.edge_from(builder.start_node).to(step), builder.edge_from(step).to(builder.end_node)
    )
    asyncio.run(builder.build().run(inputs=1))
    names = lambda exporter: sorted(s.name for s in exporter.get_finished_spans())
    print(names(theirs), names(ours))
"""


def test_pydantic_graph_s_own_spans_give_way_to_ours() -> None:
    pytest.importorskip("logfire")
    assert "['add', 'g'] []" == python(OWN_SPANS.format(arguments=""))


def test_with_a_provider_for_ours_alone_the_other_keeps_pydantic_graph_s_own() -> None:
    pytest.importorskip("logfire")
    names = python(OWN_SPANS.format(arguments="tracer_provider=own"))
    theirs, ours = names.split("] [")
    assert "run node" in theirs
    assert "'add', 'g']" == ours


def test_the_tracer_is_the_global_provider_s_by_default(traced: TracedGraphs) -> None:
    assert trace.get_tracer_provider() is traced.provider
    traced.run(small(), inputs=1)
    scope = traced.named("small").instrumentation_scope
    assert scope is not None
    assert "flujo_otel.integrations.pydantic_graph" == scope.name


def test_a_graph_that_makes_no_spans_of_its_own_has_ours(traced: TracedGraphs) -> None:
    one = small()
    one.auto_instrument = False
    traced.run(one, inputs=1)
    assert "small\n  add -> __end__" == traced.tree()


def test_a_span_that_the_program_gives_the_run_hangs_beneath_ours(traced: TracedGraphs) -> None:
    async def main() -> None:
        given = traced.tracer.start_as_current_span("given")
        await small().run(inputs=1, span=given)

    traced.drive(main)
    assert "small\n  given\n  add -> __end__" == traced.tree()


def test_wrong_arguments_are_refused_as_ever_and_open_nothing(traced: TracedGraphs) -> None:
    with pytest.raises(TypeError, match="nonsense"):
        small().iter(nonsense=1)
    assert () == tuple(traced.spans)
    assert set() == traced.watch.open


def test_what_a_node_leaves_attached_does_not_reach_the_next_one(traced: TracedGraphs) -> None:
    builder = GraphBuilder(name="leaking", input_type=int, output_type=int)

    @builder.step
    async def leak(ctx: StepContext[None, None, int]) -> int:
        span = traced.tracer.start_span("left current")
        context.attach(trace.set_span_in_context(span))
        span.end()
        return ctx.inputs

    @builder.step
    async def after(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs

    builder.add(
        builder.edge_from(builder.start_node).to(leak),
        builder.edge_from(leak).to(after),
        builder.edge_from(after).to(builder.end_node),
    )
    traced.run(builder.build(), inputs=1)
    assert "leaking\n  leak -> after\n    left current\n  after -> __end__" == traced.tree()
