"""A run of 10,000 model calls that arrive ten at a time: what a pour costs at its end, against the
same run without usage (bound: 2.5 times; added up anew at each pour it was 40). Beside it what it
takes to project a span and to load the prices.
"""

import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path
from statistics import median

from flujo_otel.model import Batch, SpanRecord
from flujo_otel.model.record import Role
from flujo_otel.spanstore.sqlite.writer import SQLiteSpanWriter
from flujo_otel.wire.projection import project

CALLS = 10_000
AT_ONCE = 10
BOUND = 2.5
START_NS = 1_760_000_000 * 10**9
TRACE = "0af7651916cd43dd8448eb211c80319c"

PLAIN = {"http.request.method": "GET", "url.path": "/", "server.port": 80, "a": 1.5, "b": True}
CALL = {
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 910,
    "gen_ai.usage.output_tokens": 120,
}
LOADING = """
import time
from flujo_otel.usage import library
started = time.process_time()
library.load()
print(time.process_time() - started)
"""


def main() -> int:
    at_end = []
    for name, usage in (("without usage", (None, None)), ("with usage", (0.000_2, 1030))):
        first, last = poured(*usage)
        at_end.append(last)
        print(f"{name}: {first * 1e3:.2f} ms of CPU a pour at first, {last * 1e3:.2f} at the end")
    for name, attributes in (("plain", PLAIN), ("model call", CALL)):
        print(f"projecting a {name} span: {projected(attributes) * 1e6:.2f} us")
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, check=True)
    print(f"loading the prices: {float(done.stdout):.2f} s of CPU, once")
    ratio = at_end[1] / at_end[0]
    print(f"with usage over without, at the end: {ratio:.2f} (bound {BOUND})")
    return int(ratio > BOUND)


def poured(cost_usd: float | None, tokens: int | None) -> tuple[float, float]:
    """Seconds of CPU for a pour, in the first and the last tenth of them."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        writer = SQLiteSpanWriter(Path(folder) / "a.db")
        writer.write(Batch([span(0, None, Role.RUN_ROOT), span(1, 0, Role.STEP)]))
        for at in range(2, CALLS + 2, AT_ONCE):
            calls = [
                span(number, 1)._replace(cost_usd=cost_usd, tokens=tokens)
                for number in range(at, at + AT_ONCE)
            ]
            started = time.process_time()
            writer.write(Batch(calls))
            taken.append(time.process_time() - started)
        writer.close()
    tenth = len(taken) // 10
    return median(taken[:tenth]), median(taken[-tenth:])


def span(number: int, parent: int | None, role: Role = Role.PLAIN) -> SpanRecord:
    start_ns = START_NS + number * 10**6
    ids = TRACE, f"{number:016x}", None if parent is None else f"{parent:016x}"
    ends = start_ns, start_ns + 10**6, "completed", None
    return SpanRecord(
        *ids, "call", 1, *ends, "{}", None, None, 1, 1, None, int(role), None, None, 0x101, 0, None
    )


def projected(attributes: dict[str, object]) -> float:
    """Seconds for one."""

    def once() -> None:
        project(attributes, is_root=False, ended=True, is_error=False, at_ns=START_NS)

    once()
    return min(timeit.repeat(once, number=20_000, repeat=5)) / 20_000


if __name__ == "__main__":
    sys.exit(main())
