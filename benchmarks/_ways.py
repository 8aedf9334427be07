"""Ways to run the same, each measured in processes of its own, which take turns on one core."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks._cores import LOAD_CORE, on_core

_ROUNDS = 5
_RESULT = "RESULT "


def compare(
    benchmark: str, ways: Sequence[str], sleep_seconds: float, runs: int
) -> dict[str, float]:
    """The median of each way's times in seconds: of `python -m benchmarks.<benchmark> WAY
    SLEEP_SECONDS RUNS`, which says them by `report`."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(_ROUNDS):
        for way in ways:
            times[way] += _measure(benchmark, way, sleep_seconds, runs)
    return {way: statistics.median(found) for way, found in times.items()}


def report(times: list[float]) -> None:
    """Say the times of a way's runs, in seconds."""
    print(_RESULT + json.dumps(times))


def _measure(benchmark: str, way: str, sleep_seconds: float, runs: int) -> list[float]:
    arguments = way, str(sleep_seconds), str(runs)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*on_core(LOAD_CORE), sys.executable, "-m", f"benchmarks.{benchmark}", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            check=False,
            text=True,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith(_RESULT)]
    if not lines:
        raise RuntimeError(f"{way}: {done.stderr[-2000:]}")
    found: list[float] = json.loads(lines[-1].removeprefix(_RESULT))
    return found
