"""pydantic-graph: a text is written, reviewed, and written again until the review is content.

No language model and no keys: the writer has three drafts. The first attempt at publishing fails,
and a node that tries again is all that is done about it. Needs
`pip install "flujo-otel[pydantic-graph]"`.

    python examples/write_until_good.py
"""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

import flujo_otel

try:
    from pydantic_graph import GraphBuilder, StepContext, TypeExpression
except ModuleNotFoundError:
    raise SystemExit('This example needs: pip install "flujo-otel[pydantic-graph]"') from None
except ImportError:  # pydantic-graph 1.x
    from pydantic_graph.beta import GraphBuilder, StepContext, TypeExpression

DRAFTS = (
    "Our bottle is good.",
    "Our steel bottle keeps coffee hot.",
    "Our steel bottle keeps coffee hot for eight hours, and ice for a day.",
)
Review = Literal["again", "good"]
Answer = Literal["busy", "published"]


@dataclass
class Text:
    topic: str
    draft: str = ""
    rounds: int = 0
    remarks: list[str] = field(default_factory=list)
    attempts: int = 0


builder = GraphBuilder(name="write-until-good", state_type=Text, output_type=str)


@builder.step
async def write(ctx: StepContext[Text, None, None]) -> None:
    await asyncio.sleep(0.06)
    ctx.state.draft = DRAFTS[ctx.state.rounds]
    ctx.state.rounds += 1


@builder.step
async def review(ctx: StepContext[Text, None, None]) -> Review:
    await asyncio.sleep(0.04)
    if any(character.isdigit() for character in ctx.state.draft) or "hours" in ctx.state.draft:
        return "good"
    ctx.state.remarks.append(f"round {ctx.state.rounds}: say how long")
    return "again"


@builder.step
async def publish(ctx: StepContext[Text, None, None]) -> Answer:
    await asyncio.sleep(0.02)
    ctx.state.attempts += 1
    return "busy" if ctx.state.attempts == 1 else "published"


@builder.step
async def report(ctx: StepContext[Text, None, None]) -> str:
    return f"{ctx.state.draft} ({ctx.state.rounds} rounds, {ctx.state.attempts} attempts)"


def build() -> object:
    def at(name: str) -> object:
        return builder.match(TypeExpression[Literal[name]])  # type: ignore[valid-type]

    reviewed = builder.decision(node_id="good enough?")
    reviewed = reviewed.branch(at("again").to(write)).branch(at("good").to(publish))
    answered = builder.decision(node_id="is it out?")
    answered = answered.branch(at("busy").to(publish)).branch(at("published").to(report))
    builder.add(
        builder.edge_from(builder.start_node).to(write),
        builder.edge_from(write).to(review),
        builder.edge_from(review).to(reviewed),
        builder.edge_from(publish).to(answered),
        builder.edge_from(report).to(builder.end_node),
    )
    return builder.build()


def run_pipeline() -> str:
    """Write once; what came of it."""
    return asyncio.run(build().run(state=Text("steel bottle")))


if __name__ == "__main__":
    from opentelemetry import trace
    from picture import lens

    flujo_otel.configure()
    print(run_pipeline())
    trace.get_tracer_provider().force_flush()
    lens("trace", "last")
