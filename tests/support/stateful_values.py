"""A flujo pipeline whose first step gives values that JSON has no word for, and puts them into its
context: `python -m support.stateful_values output|context|both|object|secret|refused|keys|tree
[kill]`."""

import asyncio
import dataclasses
import math
import os
import signal
import sys
import warnings
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

warnings.simplefilter("ignore")

from flujo import Flujo, Pipeline, Step  # noqa: E402
from flujo.domain.models import PipelineContext  # noqa: E402
from pydantic import AnyUrl, Field, SecretStr, field_validator  # noqa: E402

from flujo_otel import SQLiteBackend  # noqa: E402
from flujo_otel.storage.flujo_version import speaks_06  # noqa: E402

WHAT, KILL = sys.argv[1], "kill" in sys.argv
VALUES: dict[str, Any] = {
    "timedelta": timedelta(1, 2, 3),
    "path": Path("/a/b"),
    "decimal": Decimal("1.10"),
    "uuid": UUID(int=7),
    "bytes": b"ab\xff",
    "complex": 1 + 2j,
    "nan": float("nan"),
    "url": AnyUrl("http://a/b"),
    "huge": 10**5000,
    "surrogate": "a\ud800",
    "cents": 12,
}

if speaks_06():  # it runs no step upon such a number itself
    del VALUES["huge"]


class Context(PipelineContext):
    initial_prompt: str = ""
    values: dict[str, Any] = Field(default_factory=dict)
    waited: timedelta | None = None
    folder: Path | None = None
    refused: str = ""

    @field_validator("refused")
    @classmethod
    def once(cls, text: str) -> str:
        if text:
            raise ValueError("no context of a state is taken back")
        return text


@dataclasses.dataclass
class Node:
    parent: "Node | None" = None
    children: "list[Node]" = dataclasses.field(default_factory=list)


def tree() -> Node:
    """Its nodes know their parent."""
    root = Node()
    root.children = [Node(root) for _ in range(3)]
    return root


def shown(values: dict[str, Any]) -> list[str]:
    return [f"{name} {type(value).__name__} {_hash(value)}" for name, value in values.items()]


def _hash(value: Any) -> str:
    is_nan = isinstance(value, float) and math.isnan(value)
    return "nan" if is_nan else str(hash(value))


async def first(given: Any, *, context: Context) -> Any:
    print("step 0")
    if WHAT in ("context", "both"):
        context.values, context.waited = VALUES, VALUES["timedelta"]
        context.folder = VALUES["path"]
    if WHAT == "refused":
        vars(context)["refused"] = "yes"
    return {
        "object": object(),
        "output": VALUES,
        "both": VALUES,
        "secret": SecretStr("hunter2"),
        "keys": {UUID(int=1): "a", UUID(int=2): "b"},
        "tree": tree(),
    }.get(WHAT, "out")


async def second(given: Any, *, context: Context) -> Any:
    print("step 1 got", type(given).__name__, shown(given) if isinstance(given, dict) else "")
    print("step 1 context", shown(context.values), repr(context.waited), repr(context.folder))
    sys.stdout.flush()
    if KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


async def main() -> None:
    steps = [Step.from_callable(first, name="first"), Step.from_callable(second, name="second")]
    backend: Any = SQLiteBackend(Path("ours.db"))
    runner: Any = Flujo(
        Pipeline(steps=steps),
        context_model=Context,
        state_backend=backend,
        pipeline_name="demo",
    )
    async for _ in runner.run_async("go", run_id="run-1", initial_context_data={}):
        pass


if __name__ == "__main__":
    asyncio.run(main())
