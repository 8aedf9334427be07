"""How long a look takes, as a whole process, beside the imports that it could not do without.

Bounds, against `python -c "import typer, rich.console, rich.tree"` in the same run: `lens trace` of
100 spans 1.5; `lens list` and `lens show` 2.2, with 10,000 and with 200,000 runs; `lens list` of
200,000 runs of which each third has the next two inside it, too. Beside them, without a bound:
`lens trace` of 10,000 spans, and `lens --help`.

All as pip installs them, with bytecode. An editable install in an environment that writes none
(PYTHONDONTWRITEBYTECODE) compiles `lens` at each look and typer never: that was 40 of the 130 ms.
"""

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from flujo_otel.model import Batch, Resource, Scope, SpanRecord
from flujo_otel.model.record import Role
from flujo_otel.semconv import flujo
from flujo_otel.spanstore.factory import open_writer

LENS = str(Path(sysconfig.get_path("scripts")) / "lens")
FLOOR = [sys.executable, "-c", "import typer, rich.console, rich.tree"]
ROUNDS = 15
BATCH = 2000
MS = 1_000_000
START_NS = 1_760_000_000_000 * MS


def a_record(trace: int, number: int, parent: int | None, name: str, attributes: str) -> SpanRecord:
    start_ns = START_NS + (trace * 1000 + number) * MS
    trace_id = f"{trace * 0x9E3779B97F4A7C15 % 2**64:016x}{trace:016x}"
    return SpanRecord(
        trace_id=trace_id,
        otel_span_id=f"{trace:08x}{number:08x}",
        otel_parent_id=None if parent is None else f"{trace:08x}{parent:08x}",
        name=name,
        kind=1,
        start_time_ns=start_ns,
        end_time_ns=start_ns + 500 * MS,
        status="completed",
        status_message=None,
        attributes=attributes,
        events=None,
        links=None,
        resource_id=1,
        scope_id=1,
        run_id=trace_id,
        role=Role.RUN_ROOT if parent is None else Role.STEP,
        cost_usd=0.01,
        tokens=10,
        flags=0x101,
        status_code=0,
        otlp=b"",
    )


def records(runs: int, spans: int) -> Iterator[SpanRecord]:
    """`runs` runs of a root and a step each, then the newest with `spans` spans below its root."""
    root = json.dumps({flujo.PIPELINE_NAME: "bench", flujo.PIPELINE_VERSION: "1"})
    step = json.dumps({flujo.STEP_TYPE: "Step", "input.value": '"a question"', "n": 1})
    for run in range(runs):
        yield a_record(run, 1, None, flujo.PIPELINE_RUN, root)
        yield a_record(run, 2, 1, "step", step)
    yield a_record(runs, 1, None, flujo.PIPELINE_RUN, root)
    for number in range(2, spans + 2):
        yield a_record(runs, number, max(number // 3, 1), f"step {number % 7}", step)


def requests(runs: int) -> Iterator[SpanRecord]:
    """`runs` runs of a root and a step each, three to a trace, one in a step of the other."""
    root = json.dumps({flujo.PIPELINE_NAME: "bench", flujo.PIPELINE_VERSION: "1"})
    step = json.dumps({flujo.STEP_TYPE: "Step", "input.value": '"a question"', "n": 1})
    for run in range(runs):
        trace, place = divmod(run, 3)
        run_id = f"{run * 0x9E3779B97F4A7C15 % 2**64:016x}"
        number = 2 * place + 1
        above = number - 1 if place else None
        head = a_record(trace, number, above, flujo.PIPELINE_RUN, root)
        yield head._replace(run_id=run_id, role=Role.RUN_ROOT)
        yield a_record(trace, number + 1, number, "step", step)._replace(run_id=run_id)


def fill(path: Path, source: Iterator[SpanRecord]) -> None:
    writer = open_writer(path)
    shared = ((Resource(1, "{}", "", b""),), (Scope(1, "bench", "", "", b""),))
    while batch := list(islice(source, BATCH)):
        writer.write(Batch(batch, *shared))
    writer.close()


def with_bytecode(folder: Path) -> dict[str, str]:
    """The environment of a process that keeps what it compiles, in `folder`."""
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**environ, "PYTHONPYCACHEPREFIX": str(folder)}


def seconds(command: list[str], environ: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environ, check=True)
    return time.perf_counter() - started


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lens-speed-") as folder:
        os.chdir(folder)
        return measure(Path(folder))


def measure(folder: Path) -> int:
    stores = {"10k": (10_000, 100), "200k": (200_000, 100), "large": (10, 10_000)}
    for name, (runs, spans) in stores.items():
        fill(folder / f"{name}.db", records(runs, spans))
    fill(folder / "nested.db", requests(200_000))
    cases = {
        "floor": (FLOOR, None),
        "lens trace, 100 spans": ([LENS, "trace", "--db", "10k.db"], 1.5),
        "lens list, 10,000 runs": ([LENS, "list", "--db", "10k.db"], 2.2),
        "lens show, 10,000 runs": ([LENS, "show", "--db", "10k.db"], 2.2),
        "lens list, 200,000 runs": ([LENS, "list", "--db", "200k.db"], 2.2),
        "lens list, 200,000 runs, nested": ([LENS, "list", "--db", "nested.db"], 2.2),
        "lens show, 200,000 runs": ([LENS, "show", "--db", "200k.db"], 2.2),
        "lens trace, 10,000 spans": ([LENS, "trace", "--db", "large.db"], None),
        "lens --help": ([LENS, "--help"], None),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    environ = with_bytecode(folder / "bytecode")
    for command, _bound in cases.values():  # which compiles
        seconds(command, environ)
    for _ in range(ROUNDS):  # in turns, so that a slow moment of the machine meets all alike
        for name, (command, _bound) in cases.items():
            times[name].append(seconds(command, environ))
    floor = statistics.median(times["floor"])
    missed = 0
    for name, (_command, bound) in cases.items():
        median = statistics.median(times[name])
        verdict = "" if bound is None else f"  bound {bound}"
        if bound is not None and median / floor > bound:
            missed += 1
            verdict += "  MISSED"
        print(f"{name:32} {median * 1000:7.1f} ms  {median / floor:5.2f} x floor{verdict}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
